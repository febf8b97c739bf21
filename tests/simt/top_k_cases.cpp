// SPDX-License-Identifier: MIT
// The best scores on the device beside the CPU's, pick by pick.
#include <cmath>
#include <limits>

#include "quarry/core/rng.h"
#include "quarry/ops/select_device.h"
#include "quarry/ops/top_k.h"
#include "tests/simt/cases.h"

namespace quarry {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Scores of few distinct values, with zeros of both signs and some that are not finite.
std::vector<float> scores_with_ties(std::int64_t n, std::uint64_t key) {
  std::vector<float> scores;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t kind = random_u32(key, static_cast<std::uint64_t>(i)) % 23;
    const float value = static_cast<float>(static_cast<std::int32_t>(kind) - 8) / 4;
    scores.push_back(kind == 20 ? kNan : kind == 21 ? kInfinity : kind == 22 ? -0.0f : value);
  }
  return scores;
}

struct Problem {
  std::vector<float> scores;
  std::int32_t count;
};

/// Runs all problems at once and compares each with the CPU.
void check(const std::vector<Problem>& problems) {
  gpu::Session session(0);
  std::vector<gpu::Buffer<float>> scores;
  std::vector<gpu::Buffer<std::int32_t>> picks;
  const gpu::Buffer<std::int32_t> finite(session, problems.size());
  std::vector<TopKJob> jobs;
  std::size_t bytes = 0;
  for (const Problem& problem : problems) {
    const auto n = static_cast<std::int64_t>(problem.scores.size());
    scores.push_back(gpu::upload<float>(session, problem.scores));
    picks.emplace_back(session, static_cast<std::size_t>(problem.count));
    jobs.push_back({scores.back().data(), n, picks.back().data(), problem.count, finite.data() + jobs.size()});
    bytes += cuda::top_k_scratch(n, problem.count);
  }
  const gpu::Buffer<unsigned char> scratch(session, bytes);
  const auto blocking = session.counters().blocking;
  cuda::top_k(session, jobs.data(), static_cast<std::int32_t>(jobs.size()), scratch.data());
  simt::expect(session.counters().blocking == blocking, "top_k blocked");
  std::vector<std::int32_t> any_finite(problems.size());
  gpu::download<std::int32_t>(session, finite.data(), any_finite);
  Context context;
  for (std::size_t p = 0; p < problems.size(); ++p) {
    std::vector<std::int32_t> got(picks[p].size()), want(picks[p].size());
    gpu::download<std::int32_t>(session, picks[p].data(), got);
    const bool want_finite = top_k(context, problems[p].scores, want);
    simt::expect_equal<std::int32_t>(got, want, "picks");
    simt::expect(any_finite[p] == static_cast<std::int32_t>(want_finite), "any_finite of problem %zu is %d", p,
                 any_finite[p]);
  }
}

SIMT_CASE(top_k_of_one_tile) {
  for (const std::int32_t n : {1, 2, 63, 64, 65, 200}) {
    for (const std::int32_t count : {0, 1, n / 2, n}) check({{scores_with_ties(n, 1), count}});
  }
}

SIMT_CASE(top_k_of_nothing_finite) {
  check({{{kNan, kInfinity, -kInfinity, kNan}, 3}, {{kNan, -2, kInfinity}, 3}, {{}, 0}});
}

SIMT_CASE(top_k_of_zeros_and_denormals) {
  check({{{0, -0.0f, 1e-45f, -1e-45f, -0.0f, 0, 3.4e38f, -3.4e38f}, 8}});
}

SIMT_CASE(top_k_over_tiles_in_two_levels) {
  check({{scores_with_ties(2049, 2), 1}, {scores_with_ties(4096, 3), 10}, {scores_with_ties(100, 4), 100}});
}

SIMT_CASE(top_k_over_tiles_in_three_levels) {
  check({{scores_with_ties(4500, 5), 1024}, {scores_with_ties(2100, 6), 7}});
}

SIMT_CASE(top_k_of_whole_tiles_beside_more_tiles) {  // on both levels
  check({{scores_with_ties(8192, 11), 1024}, {scores_with_ties(12000, 12), 1024}});
}

SIMT_CASE(top_k_of_many_picks_sorts_all) {
  check({{scores_with_ties(2049, 7), 1025}, {scores_with_ties(30, 8), 4}, {scores_with_ties(2500, 9), 2500}});
}

SIMT_CASE(top_k_of_many_picks_and_one_finite_score) {
  std::vector<float> scores(2100, kNan);
  check({{scores, 1100}});
  scores[2049] = -3;
  check({{scores, 1100}});
}

SIMT_CASE(top_k_of_more_problems_than_a_launch_takes) {
  std::vector<Problem> problems;
  for (std::int32_t p = 0; p < 40; ++p) {
    problems.push_back({scores_with_ties(1 + 7 * p % 90, static_cast<std::uint64_t>(p)), std::min(p % 5, 1)});
  }
  problems.push_back({scores_with_ties(2050, 10), 2});
  check(problems);
}

}  // namespace
}  // namespace quarry
