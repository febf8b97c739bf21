// SPDX-License-Identifier: MIT
// Uncertainty scores on the device beside the CPU backend's, bit for bit.
#include <cmath>
#include <limits>

#include "quarry/core/rng.h"
#include "quarry/nn/mlp_fleet.h"
#include "quarry/ops/scores.h"
#include "quarry/ops/select_device.h"
#include "tests/simt/cases.h"
#include "tests/support/select_data.h"

namespace quarry {
namespace {

using gpu::Buffer;
using gpu::Session;
using test::Rows;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Probabilities with ties, certain rows, and rows that are not finite.
Rows probabilities(std::int64_t n, std::int64_t classes, std::uint64_t key) {
  Rows p = test::make_probabilities(n, classes, key);
  for (std::int64_t i = 0; i < n; ++i) {
    float* row = p.row(i);
    if (i % 7 == 2) row[classes - 1] = row[0];
    if (i % 11 == 3) {
      for (std::int64_t c = 0; c < classes; ++c) row[c] = c == i % classes ? 1.0f : 0.0f;
    }
    if (i % 13 == 5) row[i % classes] = kNan;
    if (i % 17 == 6) row[(i + 1) % classes] = i % 2 == 0 ? kInfinity : -kInfinity;
  }
  return p;
}

std::vector<float> scores_on_cpu(const Rows& p, ProbabilityScore score) {
  Context context({}, 1);
  std::vector<float> scores(static_cast<std::size_t>(p.n));
  switch (score) {
    case ProbabilityScore::entropy:
      entropy_scores(context, p.view(), scores);
      break;
    case ProbabilityScore::margin:
      margin_scores(context, p.view(), scores);
      break;
    case ProbabilityScore::least_confidence:
      least_confidence_scores(context, p.view(), scores);
      break;
  }
  return scores;
}

struct Problem {
  Rows p;
  ProbabilityScore score;
};

/// All problems as the jobs of one call.
void expect_scores(const std::vector<Problem>& problems) {
  Session session(0);
  std::vector<Buffer<float>> in, out;
  std::vector<ScoreJob> jobs;
  for (const Problem& problem : problems) {
    in.push_back(gpu::upload<float>(session, problem.p.data));
    out.emplace_back(session, static_cast<std::size_t>(problem.p.n));
    jobs.push_back({in.back().data(), problem.p.n, problem.p.width, problem.score, out.back().data()});
  }
  cuda::probability_scores(session, jobs.data(), static_cast<std::int32_t>(jobs.size()));
  for (std::size_t j = 0; j < problems.size(); ++j) {
    std::vector<float> got(static_cast<std::size_t>(problems[j].p.n));
    gpu::download<float>(session, out[j].data(), got);
    simt::expect_equal<float>(got, scores_on_cpu(problems[j].p, problems[j].score), "scores");
  }
}

constexpr ProbabilityScore kScores[] = {ProbabilityScore::entropy, ProbabilityScore::margin,
                                        ProbabilityScore::least_confidence};

SIMT_CASE(scores_of_few_classes) {
  std::vector<Problem> problems;
  std::uint64_t key = 0;
  for (const std::int64_t classes : {1, 2, 3, 16}) {
    for (const ProbabilityScore score : kScores) problems.push_back({probabilities(40, classes, ++key), score});
  }
  expect_scores(problems);
}

SIMT_CASE(scores_of_many_classes) {
  std::vector<Problem> problems;
  std::uint64_t key = 50;
  for (const std::int64_t classes : {17, 32, 33, 70}) {
    for (const ProbabilityScore score : kScores) problems.push_back({probabilities(33, classes, ++key), score});
  }
  expect_scores(problems);
}

SIMT_CASE(scores_of_ragged_jobs_in_more_than_one_launch) {
  std::vector<Problem> problems;
  for (std::int64_t j = 0; j < 35; ++j) {
    constexpr std::int64_t kSizes[] = {0, 1, 2, 31, 32, 33, 257};
    problems.push_back(
        {probabilities(kSizes[j % 7], 1 + j % 5 * 6, 100 + static_cast<std::uint64_t>(j)), kScores[j % 3]});
  }
  expect_scores(problems);
}

SIMT_CASE(softmax_of_rows) {
  Session session(0);
  Context context({}, 1);
  for (const auto& [n, classes] : {std::pair{1, 1}, {33, 2}, {257, 10}, {40, 33}}) {
    std::vector<float> logits;
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(n) * static_cast<std::uint64_t>(classes); ++i)
      logits.push_back(static_cast<float>(static_cast<std::int32_t>(random_u32(91, i) % 4000) - 2000) * 0.01f);
    logits.back() = 100;
    std::vector<float> want(logits.size()), got(logits.size());
    softmax_rows(context, matrix<const float>(logits.data(), n, classes), want.data());
    const Buffer<float> in = gpu::upload<float>(session, logits), out(session, logits.size());
    const SoftmaxJob jobs[] = {{in.data(), n, classes, out.data()}, {in.data(), n, classes, in.data()}};
    for (const SoftmaxJob& job : jobs) {
      cuda::softmax(session, &job, 1);
      gpu::download<float>(session, job.probabilities, got);
      simt::expect_equal<float>(got, want, "probabilities");
    }
  }
}

SIMT_CASE(softmax_of_what_is_not_finite) {
  Session session(0);
  const std::vector<float> z = {kNan, 1, kInfinity, 1, 2, -kInfinity};
  const Buffer<float> in = gpu::upload<float>(session, z), out(session, 6);
  const SoftmaxJob job{in.data(), 3, 2, out.data()};
  cuda::softmax(session, &job, 1);
  std::vector<float> got(6);
  gpu::download<float>(session, out.data(), got);
  for (const std::size_t i : {0u, 1u, 2u}) simt::expect(std::isnan(got[i]), "p[%zu] is a number", i);
  simt::expect(got[4] == 1 && got[5] == 0, "%g and %g", static_cast<double>(got[4]), static_cast<double>(got[5]));
}

SIMT_CASE(bald_clamps_what_rounding_left_below_zero) {
  Session session(0);
  const std::vector<float> sum_p = {1, 1, 1, 1, 2, 0, kNan, 1, 1, 1}, sum_entropy = {2.0f, 1.0f, 0.5f, 0.5f, kInfinity};
  for (const bool clamp : {false, true}) {
    const Buffer<float> p = gpu::upload<float>(session, sum_p), entropy = gpu::upload<float>(session, sum_entropy),
                        scores(session, 5);
    BaldJob job{nullptr, 5, 2, p.data(), entropy.data(), 2, scores.data()};
    job.clamp = clamp;
    cuda::bald_finish(session, &job, 1);
    std::vector<float> got(5);
    gpu::download<float>(session, scores.data(), got);
    simt::expect(clamp ? got[0] == 0 : got[0] < -0.3f, "clamp %d: %g", clamp, static_cast<double>(got[0]));
    simt::expect(got[1] > 0.19f && got[1] < 0.2f, "%g", static_cast<double>(got[1]));
    simt::expect(clamp ? got[2] == 0 : got[2] == -0.25f, "clamp %d: %g", clamp, static_cast<double>(got[2]));
    simt::expect(std::isnan(got[3]), "%g", static_cast<double>(got[3]));
    simt::expect(got[4] == -kInfinity, "%g", static_cast<double>(got[4]));
  }
}

struct Bald {
  std::vector<float> sum_p, sum_entropy, scores;
};

Bald bald_on_cpu(const std::vector<Rows>& passes) {
  Context context({}, 1);
  const std::int64_t n = passes[0].n, classes = passes[0].width;
  Bald bald{std::vector<float>(static_cast<std::size_t>(n * classes)), std::vector<float>(static_cast<std::size_t>(n)),
            std::vector<float>(static_cast<std::size_t>(n))};
  const MatrixView<float> sum_p = matrix(bald.sum_p.data(), n, classes);
  for (const Rows& p : passes) bald_accumulate(context, p.view(), sum_p, bald.sum_entropy);
  bald_finish(context, sum_p, bald.sum_entropy, static_cast<std::int32_t>(passes.size()), bald.scores);
  return bald;
}

SIMT_CASE(bald_over_three_passes) {
  Session session(0);
  std::vector<std::vector<Rows>> problems;
  std::vector<Buffer<float>> memory;
  std::vector<BaldJob> jobs;
  for (const auto& [n, classes] : {std::pair{1, 1}, {33, 2}, {40, 16}, {230, 33}, {257, 10}}) {
    std::vector<Rows> passes;
    for (std::uint64_t pass = 0; pass < 3; ++pass) {
      passes.push_back(test::make_probabilities(n, classes, 7 * static_cast<std::uint64_t>(n) + pass));
    }
    passes[1].row(n - 1)[0] = 0;
    BaldJob job;
    job.n = n;
    job.classes = classes;
    job.passes = 3;
    for (float** part : {&job.sum_p, &job.sum_entropy, &job.scores}) {
      const auto size = static_cast<std::size_t>(part == &job.sum_p ? n * classes : n);
      memory.emplace_back(session, size);
      *part = memory.back().data();
      session.fill(*part, 0, size * sizeof(float));
    }
    jobs.push_back(job);
    problems.push_back(passes);
  }
  for (std::size_t pass = 0; pass < 3; ++pass) {
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      memory.push_back(gpu::upload<float>(session, problems[j][pass].data));
      jobs[j].probabilities = memory.back().data();
    }
    cuda::bald_accumulate(session, jobs.data(), static_cast<std::int32_t>(jobs.size()));
  }
  cuda::bald_finish(session, jobs.data(), static_cast<std::int32_t>(jobs.size()));
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const Bald want = bald_on_cpu(problems[j]);
    Bald got = want;
    gpu::download<float>(session, jobs[j].sum_p, got.sum_p);
    gpu::download<float>(session, jobs[j].sum_entropy, got.sum_entropy);
    gpu::download<float>(session, jobs[j].scores, got.scores);
    simt::expect_equal<float>(got.sum_p, want.sum_p, "mean probabilities");
    simt::expect_equal<float>(got.sum_entropy, want.sum_entropy, "sums of entropies");
    simt::expect_equal<float>(got.scores, want.scores, "scores");
  }
}

SIMT_CASE(bald_keeps_what_is_not_a_number) {
  Session session(0);
  const std::vector<float> p = {kNan, 0.5f, 0.25f, 0.75f}, zeros = {0, 0, 0, 0};
  const Buffer<float> in = gpu::upload<float>(session, p), sum_p = gpu::upload<float>(session, zeros),
                      sum_entropy = gpu::upload<float>(session, std::span(zeros).first(2)), scores(session, 2);
  const BaldJob job{in.data(), 2, 2, sum_p.data(), sum_entropy.data(), 1, scores.data()};
  cuda::bald_accumulate(session, &job, 1);
  cuda::bald_finish(session, &job, 1);
  std::vector<float> got(2);
  gpu::download<float>(session, scores.data(), got);
  simt::expect(std::isnan(got[0]), "a row with a NaN scored %g", static_cast<double>(got[0]));
  simt::expect(got[1] == 0, "one pass disagrees with itself by %g", static_cast<double>(got[1]));
}

}  // namespace
}  // namespace quarry
