// SPDX-License-Identifier: MIT
// The steps of a cycle between training, scoring and search, beside the host's (kernels/cycle.h).
#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "kernels/cycle.h"
#include "quarry/al/strategy.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/core/rng.h"
#include "quarry/ops/k_center.h"
#include "src/al/pick_rules.h"
#include "tests/simt/cases.h"

namespace quarry {
namespace {

constexpr std::int32_t kSizes[] = {1, 2, 31, 257, 300};
const float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

template <class T>
std::vector<T> downloaded(gpu::Session& session, const T* device, std::int32_t n) {
  std::vector<T> values(static_cast<std::size_t>(n));
  gpu::download<T>(session, device, values);
  return values;
}

/// 0, 3, 6, ...: rows that are not their positions.
std::vector<std::int32_t> some_rows(std::int32_t n) {
  std::vector<std::int32_t> rows;
  for (std::int32_t i = 0; i < n; ++i) rows.push_back(3 * i);
  return rows;
}

SIMT_CASE(random_subsets_are_those_of_the_permutation) {
  for (const std::int32_t n : kSizes) {
    for (const std::int32_t wanted : {1, (n + 1) / 2, n}) {
      const std::vector<std::int32_t> rows = some_rows(n);
      std::vector<std::uint64_t> keys(rows.size());
      std::vector<std::int32_t> order(rows.size()), want;
      random_permutation(77, 5, static_cast<std::uint32_t>(n), keys.data(), order.data());
      for (std::int32_t i = 0; i < wanted; ++i) want.push_back(3 * order[static_cast<std::size_t>(i)]);
      std::sort(want.begin(), want.end());

      gpu::Session session(0);
      const auto unlabelled = gpu::upload<std::int32_t>(session, rows);
      const gpu::Buffer<std::int32_t> got(session, want.size());
      const std::vector<SubsetRun> runs = {{unlabelled.data(), n, wanted, 77, 5, got.data()}};
      const auto on_device = gpu::upload<SubsetRun>(session, runs);
      cuda::random_subsets(session, on_device.data(), 1);
      simt::expect_equal<std::int32_t>(downloaded(session, got.data(), wanted), want, "candidates");
    }
  }
}

/// Few distinct values, so that many tie; near ties; some not finite.
template <class T>
std::vector<T> tying_scores(std::int32_t n, std::uint64_t key, bool finite) {
  std::vector<T> scores;
  for (std::int32_t i = 0; i < n; ++i) {
    const std::uint32_t word = random_u32(key, static_cast<std::uint64_t>(i));
    T score = static_cast<T>(word % 3) + static_cast<T>(word % 5 == 0 ? 1e-6 : 0);
    if (word % 7 == 0 || !finite) score = word % 2 == 0 ? static_cast<T>(kNan) : static_cast<T>(kInfinity);
    scores.push_back(score);
  }
  return scores;
}

struct PickMemory {
  PickMemory(gpu::Session& session, std::int32_t n, std::int32_t count)
      : taken(session, static_cast<std::size_t>(n)),
        positions(session, static_cast<std::size_t>(count)),
        any_finite(session, 1) {}
  gpu::Buffer<unsigned char> taken;
  gpu::Buffer<std::int32_t> positions, any_finite;
};

std::vector<std::uint32_t> numpy_words(std::uint32_t seed) {
  NumpyRandom random(seed);
  std::vector<std::uint32_t> words(kTieWords);
  for (std::uint32_t& word : words) word = random.next_u32();
  return words;
}

SelectionProblem problem_of(TieRule ties, std::int32_t n, std::int32_t count) {
  SelectionProblem problem;
  problem.n = n;
  problem.count = count;
  problem.seed = 9;
  problem.cycle = 2;
  problem.ties = ties;
  return problem;
}

TieBreaker tie_breaker(TieRule ties, const std::uint32_t* words) {
  return {ties, stream_key(9, RngPurpose::tie, 2), words};
}

constexpr TieRule kTieRules[] = {TieRule::lowest_index, TieRule::numpy_isclose, TieRule::random, TieRule::numpy_equal};

void expect_picks(gpu::Session& session, const PickMemory& memory, const Selection& want) {
  const auto count = static_cast<std::int32_t>(want.positions.size());
  simt::expect_equal<std::int32_t>(downloaded(session, memory.positions.data(), count), want.positions, "positions");
  const bool any = downloaded(session, memory.any_finite.data(), 1)[0] != 0;
  simt::expect(any == !want.all_non_finite, "any_finite is %d", int{any});
}

template <class T>
void check_picks(std::int32_t n, TieRule ties, bool finite) {
  Context context(Device{}, 1);
  const std::vector<T> scores = tying_scores<T>(n, static_cast<std::uint64_t>(n), finite);
  const std::int32_t count = std::min(n, 4);
  const Selection want = pick_by_score(context, problem_of(ties, n, count), scores);
  gpu::Session session(0);
  const auto values = gpu::upload<T>(session, scores);
  const auto words = gpu::upload<std::uint32_t>(session, numpy_words(9));
  const PickMemory memory(session, n, count);
  const std::vector<PickRun> runs = {{values.data(), n, count, tie_breaker(ties, words.data()), memory.taken.data(),
                                      memory.positions.data(), memory.any_finite.data()}};
  const auto on_device = gpu::upload<PickRun>(session, runs);
  cuda::pick_by_score(session, on_device.data(), 1, sizeof(T) == sizeof(double));
  expect_picks(session, memory, want);
}

SIMT_CASE(picks_by_score_under_every_tie_rule) {
  for (const std::int32_t n : kSizes) {
    for (const TieRule ties : kTieRules) {
      check_picks<float>(n, ties, true);
      check_picks<double>(n, ties, true);
    }
  }
  check_picks<float>(40, TieRule::random, false);
  check_picks<double>(40, TieRule::lowest_index, false);
}

SIMT_CASE(random_scores_by_row_or_from_a_stream) {
  const std::int32_t n = 300;
  const std::vector<std::int32_t> rows = some_rows(n);
  std::vector<double> want, stream;
  for (std::int32_t i = 0; i < n; ++i) {
    want.push_back(random_uniform(5, static_cast<std::uint64_t>(3 * i)));
    stream.push_back(i * 0.25);
  }
  gpu::Session session(0);
  const auto candidates = gpu::upload<std::int32_t>(session, rows);
  const auto uniforms = gpu::upload<double>(session, stream);
  const gpu::Buffer<double> first(session, rows.size()), second(session, rows.size());
  const std::vector<RandomRun> runs = {{candidates.data(), n, 5, nullptr, first.data()},
                                       {candidates.data(), n, 5, uniforms.data(), second.data()}};
  const auto on_device = gpu::upload<RandomRun>(session, runs);
  cuda::random_scores(session, on_device.data(), 2);
  simt::expect_equal<double>(downloaded(session, first.data(), n), want, "scores");
  simt::expect_equal<double>(downloaded(session, second.data(), n), stream, "scores of a stream");
}

std::vector<float> points(std::int32_t n, std::int32_t width, std::uint64_t key) {
  std::vector<float> values;
  for (std::int32_t i = 0; i < n * width; ++i)
    values.push_back(static_cast<float>(random_u32(key, static_cast<std::uint64_t>(i)) % 4));
  return values;
}

void check_centers(std::int32_t n, std::int32_t m, TieRule ties, bool finite) {
  constexpr std::int32_t kWidth = 3;
  Context context(Device{}, 1);
  std::vector<float> candidates = points(n, kWidth, 1), labelled = points(m, kWidth, 2);
  candidates[0] = kNan;
  if (!finite) std::fill(candidates.begin(), candidates.end(), kInfinity);
  SelectionProblem problem = problem_of(ties, n, std::min(n, 3));
  problem.candidate_features = matrix<const float>(candidates.data(), n, kWidth);
  problem.labelled_features = matrix<const float>(labelled.data(), m, kWidth);
  const Selection want = make_strategy("coreset")->select(context, problem);

  gpu::Session session(0);
  const auto x = gpu::upload<float>(session, candidates), y = gpu::upload<float>(session, labelled);
  const auto words = gpu::upload<std::uint32_t>(session, numpy_words(9));
  const gpu::Buffer<float> nearest(session, static_cast<std::size_t>(n)), scores(session, static_cast<std::size_t>(n));
  const PickMemory memory(session, n, problem.count);
  const std::vector<CenterPickRun> runs = {{x.data(), y.data(), n, m, kWidth, problem.count,
                                            tie_breaker(ties, words.data()), nearest.data(), scores.data(),
                                            memory.taken.data(), memory.positions.data(), memory.any_finite.data()}};
  const auto on_device = gpu::upload<CenterPickRun>(session, runs);
  cuda::pick_centers(session, on_device.data(), 1);
  expect_picks(session, memory, want);
}

SIMT_CASE(distances_to_picked_centers) {
  constexpr std::int32_t n = 70, m = 4, kWidth = 7, kCount = 3;
  std::vector<float> candidates, labelled;
  for (std::uint64_t i = 0; i < n * kWidth; ++i) candidates.push_back(static_cast<float>(random_uniform(1, i)));
  for (std::uint64_t i = 0; i < m * kWidth; ++i) labelled.push_back(static_cast<float>(random_uniform(2, i)));
  gpu::Session session(0);
  const auto x = gpu::upload<float>(session, candidates), y = gpu::upload<float>(session, labelled);
  const auto words = gpu::upload<std::uint32_t>(session, numpy_words(9));
  const gpu::Buffer<float> nearest(session, n), scores(session, n);
  const PickMemory memory(session, n, kCount);
  const std::vector<CenterPickRun> runs = {{x.data(), y.data(), n, m, kWidth, kCount,
                                            tie_breaker(TieRule::random, words.data()), nearest.data(), scores.data(),
                                            memory.taken.data(), memory.positions.data(), memory.any_finite.data()}};
  const auto on_device = gpu::upload<CenterPickRun>(session, runs);
  cuda::pick_centers(session, on_device.data(), 1);

  std::vector<float> centers = labelled;
  const std::vector<std::int32_t> picks = downloaded(session, memory.positions.data(), kCount);
  for (std::size_t k = 0; k + 1 < kCount; ++k)  // the last pick's distances are for nobody
    centers.insert(centers.end(), candidates.begin() + picks[k] * kWidth, candidates.begin() + (picks[k] + 1) * kWidth);
  std::vector<float> want(n, kInfinity);
  Context context(Device{}, 1);
  nearest_center(context, matrix<const float>(candidates.data(), n, kWidth),
                 matrix<const float>(centers.data(), m + kCount - 1, kWidth), want);
  simt::expect_equal<float>(downloaded(session, nearest.data(), n), want, "distances");
  for (float& d : want) d = std::sqrt(d);
  simt::expect_equal<float>(downloaded(session, scores.data(), n), want, "scores");
}

SIMT_CASE(picks_of_centers_under_the_other_tie_rules) {
  for (const TieRule ties : {TieRule::numpy_isclose, TieRule::random, TieRule::numpy_equal}) {
    for (const std::int32_t n : {2, 33, 260}) check_centers(n, 5, ties, true);
    check_centers(7, 1, ties, false);
  }
}

SIMT_CASE(rows_spread_to_a_known_width) {
  const std::vector<std::int32_t> sizes = {7, 9, 3, 2};
  const std::int32_t n = 90;
  const std::vector<float> packed = points(n, 3, 4);
  std::vector<float> want;
  for (std::int32_t i = 0; i < n; ++i)
    for (std::int32_t c = 0; c < 5; ++c) want.push_back(c < 3 ? packed[static_cast<std::size_t>(3 * i + c)] : 0.0f);
  gpu::Session session(0);
  const auto device_sizes = gpu::upload<std::int32_t>(session, sizes);
  const auto features = gpu::upload<float>(session, packed);
  const gpu::Buffer<float> spread(session, want.size());
  std::vector<DeviceNetwork> network(1);
  network[0].n_layers = 3;
  network[0].sizes = device_sizes.data();
  const auto device_network = gpu::upload<DeviceNetwork>(session, network);
  const std::vector<SpreadRun> runs = {{device_network.data(), features.data(), spread.data(), n, 5}};
  const auto on_device = gpu::upload<SpreadRun>(session, runs);
  cuda::spread_rows(session, on_device.data(), 1);
  simt::expect_equal<float>(downloaded(session, spread.data(), 5 * n), want, "features");
}

SIMT_CASE(acquired_rows_join_their_lists_and_leave_the_pool) {
  for (const std::int32_t n : kSizes) {
    const std::vector<std::int32_t> rows = some_rows(n), tail = {1000, 1001, 1002};
    std::vector<std::int32_t> picks = {rows.back()}, want;
    if (n > 2) picks.insert(picks.end(), {rows[0], rows[static_cast<std::size_t>(n / 2)]});
    const auto count = static_cast<std::int32_t>(picks.size());
    std::remove_copy_if(rows.begin(), rows.end(), std::back_inserter(want),
                        [&](std::int32_t row) { return std::find(picks.begin(), picks.end(), row) != picks.end(); });
    gpu::Session session(0);
    const auto unlabelled = gpu::upload<std::int32_t>(session, rows),
               chosen = gpu::upload<std::int32_t>(session, picks);
    const auto last = gpu::upload<std::int32_t>(session, tail);
    const std::vector<std::int32_t> before = {-5, -6, -7, -8, -8, -8, -8, -8, -8};  // two of the base, one acquired
    const auto plain = gpu::upload<std::int32_t>(session, before), tailed = gpu::upload<std::int32_t>(session, before);
    const gpu::Buffer<std::int32_t> remaining(session, want.size());
    const std::vector<RowList> lists = {{plain.data(), 2, nullptr, 0}, {tailed.data(), 2, last.data(), 3}};
    const auto device_lists = gpu::upload<RowList>(session, lists);
    const std::vector<AcquireRun> runs = {
        {chosen.data(), count, 1, device_lists.data(), 2, unlabelled.data(), n, remaining.data()}};
    const auto on_device = gpu::upload<AcquireRun>(session, runs);
    cuda::acquire(session, on_device.data(), 1);
    std::vector<std::int32_t> with_picks = before, with_tail;
    std::copy(picks.begin(), picks.end(), with_picks.begin() + 3);
    with_tail = with_picks;
    std::copy(tail.begin(), tail.end(), with_tail.begin() + 3 + count);
    simt::expect_equal<std::int32_t>(downloaded(session, plain.data(), 9), with_picks, "list");
    simt::expect_equal<std::int32_t>(downloaded(session, tailed.data(), 9), with_tail, "list with a tail");
    const auto left = static_cast<std::int32_t>(want.size());
    simt::expect_equal<std::int32_t>(downloaded(session, remaining.data(), left), want, "remaining");
  }
}

SIMT_CASE(picks_become_rows_of_the_record) {
  const std::int32_t n = 300;
  std::vector<std::int32_t> positions, want;
  for (std::int32_t i = 0; i < n; ++i) {
    positions.push_back((7 * i) % n);
    want.push_back(3 * positions.back());
  }
  gpu::Session session(0);
  const auto candidates = gpu::upload<std::int32_t>(session, some_rows(n));
  const auto chosen = gpu::upload<std::int32_t>(session, positions);
  const auto any_finite = gpu::upload<std::int32_t>(session, std::vector<std::int32_t>{0, 1});
  const gpu::Buffer<std::int32_t> picks(session, positions.size());
  const gpu::Buffer<RunRecord> records(session, 2);
  const auto runs = gpu::upload<PickedRun>(
      session, std::vector<PickedRun>{
                   {chosen.data(), candidates.data(), any_finite.data(), n, picks.data(), records.data()},
                   {chosen.data(), candidates.data(), any_finite.data() + 1, 0, nullptr, records.data() + 1}});
  cuda::record_picks(session, runs.data(), 2);
  simt::expect_equal<std::int32_t>(downloaded(session, picks.data(), n), want, "picks");
  const std::vector<RunRecord> recorded = downloaded(session, records.data(), 2);
  simt::expect(recorded[0].all_non_finite == 1 && recorded[1].all_non_finite == 0, "all_non_finite");
}

SIMT_CASE(networks_go_to_their_jobs_and_records) {
  constexpr std::int32_t kRuns = 130;                  // more than a block has threads
  const std::vector<std::int32_t> sizes = {30, 4, 2};  // 134 parameters
  constexpr std::size_t kParameters = 134;
  gpu::Session session(0);
  const auto device_sizes = gpu::upload<std::int32_t>(session, sizes);
  std::vector<float> values(kParameters);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * 0.5f;
  const auto parameters = gpu::upload<float>(session, values);
  std::vector<DeviceNetwork> networks(kRuns);
  for (std::size_t r = 0; r < networks.size(); ++r) {
    networks[r].lr = 1.0 / static_cast<double>(r + 1);
    networks[r].weight_decay = static_cast<double>(r);
    networks[r].n_layers = 2;
    networks[r].sizes = device_sizes.data();
    networks[r].parameters = parameters.data();
    networks[r].result.steps = static_cast<std::int64_t>(r) + 7;
  }
  const auto device = gpu::upload<DeviceNetwork>(session, networks);
  const auto jobs = gpu::upload<MlpFitJob>(session, std::vector<MlpFitJob>(kRuns));
  cuda::network_rates(session, device.data(), jobs.data(), kRuns);
  const std::vector<MlpFitJob> rated = downloaded(session, jobs.data(), kRuns);
  for (std::size_t r = 0; r < networks.size(); ++r)
    simt::expect(rated[r].lr == networks[r].lr && rated[r].weight_decay == networks[r].weight_decay, "rates of run %zu",
                 r);

  const gpu::Buffer<RunRecord> records(session, 2);
  session.fill(records.data(), 0xff, 2 * sizeof(RunRecord));
  const gpu::Buffer<float> copy(session, kParameters);
  const auto fitted =
      gpu::upload<FittedRun>(session, std::vector<FittedRun>{{device.data() + 3, records.data(), copy.data()},
                                                             {device.data() + 5, records.data() + 1, nullptr}});
  cuda::record_fits(session, fitted.data(), 2);
  const std::vector<RunRecord> recorded = downloaded(session, records.data(), 2);
  simt::expect(recorded[0].fit.steps == 10 && recorded[1].fit.steps == 12, "another run's result");
  simt::expect(recorded[0].unused == 0 && recorded[1].unused == 0, "bytes that nobody has written");
  simt::expect_equal<float>(downloaded(session, copy.data(), kParameters), values, "parameters");
}

}  // namespace
}  // namespace quarry
