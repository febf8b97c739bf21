// SPDX-License-Identifier: MIT
#include "src/al/pick_rules.h"

#include <cmath>

#include "quarry/core/error.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/core/rng.h"
#include "quarry/ops/top_k.h"

namespace quarry {
namespace {

/// Whether NumPy's isclose(score, max) holds for an array of T and its maximum: the difference is rounded to T, and so
/// is the bound, which is worked out in double.
template <class T>
bool is_close(T score, T max) {
  const double bound = 1e-8 + 1e-5 * std::abs(static_cast<double>(max));
  return std::abs(score - max) <= static_cast<T>(bound);
}

void check_matrix(std::string_view strategy, std::string_view what, MatrixView<const float> matrix, std::int64_t n) {
  QUARRY_CHECK(matrix.data != nullptr && matrix.extent[0] == n && matrix.extent[1] >= 1,
               "strategy {} needs {} of {} candidates, got {} x {}", strategy, what, n, matrix.extent[0],
               matrix.extent[1]);
}

}  // namespace

std::uint32_t numpy_seed(std::uint64_t seed) {
  if (seed > 0xffffffffu) {
    usage_error("seed {} does not fit NumPy's generator; use one of 0..4294967295, or rng = \"philox\"", seed);
  }
  return static_cast<std::uint32_t>(seed);
}

void check_problem(std::string_view strategy, const StrategyNeeds& needs, const SelectionProblem& problem) {
  const std::int64_t n = problem.n;
  QUARRY_CHECK(problem.count >= 1 && problem.count <= n && n < (std::int64_t{1} << 31), "strategy {}: {} picks of {}",
               strategy, problem.count, n);
  QUARRY_CHECK(problem.pool_index.empty() || static_cast<std::int64_t>(problem.pool_index.size()) == n,
               "strategy {}: {} pool indices of {} candidates", strategy, problem.pool_index.size(), n);
  if (needs.probabilities) check_matrix(strategy, "the class probabilities", problem.probabilities, n);
  if (needs.features) check_matrix(strategy, "the features", problem.candidate_features, n);
  if (needs.bald) {
    QUARRY_CHECK(static_cast<std::int64_t>(problem.bald.size()) == n, "strategy {} needs {} BALD scores, got {}",
                 strategy, n, problem.bald.size());
  }
  if (needs.keychain) {
    QUARRY_CHECK(static_cast<std::int64_t>(problem.keychain.size()) == n,
                 "strategy {} needs {} scores of a meta model, got {}", strategy, n, problem.keychain.size());
  }
}

template <class T>
std::int32_t next_pick(const SelectionProblem& problem, std::span<const T> scores, const std::vector<bool>& taken,
                       std::int32_t number) {
  std::int32_t best = -1;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (taken[i] || !std::isfinite(scores[i])) continue;
    if (best < 0 || scores[i] > scores[static_cast<std::size_t>(best)]) best = static_cast<std::int32_t>(i);
  }
  if (best < 0 || problem.ties == TieRule::lowest_index) return best;
  const T max = scores[static_cast<std::size_t>(best)];
  const bool isclose = problem.ties == TieRule::numpy_isclose;
  std::vector<std::int32_t> tied;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (taken[i] || !std::isfinite(scores[i])) continue;
    if (isclose ? is_close(scores[i], max) : scores[i] == max) tied.push_back(static_cast<std::int32_t>(i));
  }
  if (draws_from_numpy(problem.ties)) {
    return tied[NumpyRandom(numpy_seed(problem.seed)).bounded(static_cast<std::uint32_t>(tied.size() - 1))];
  }
  const std::uint64_t key = stream_key(problem.seed, RngPurpose::tie, problem.cycle);
  return tied[random_below(key, tied.size(), static_cast<std::uint64_t>(number))];
}

template <class T>
Selection pick_by_score(Context& context, const SelectionProblem& problem, std::vector<T> scores) {
  Selection selection;
  selection.scores.assign(scores.begin(), scores.end());
  const auto count = static_cast<std::size_t>(problem.count);
  if constexpr (sizeof(T) == sizeof(float)) {
    if (problem.ties == TieRule::lowest_index) {
      selection.positions.resize(count);
      selection.all_non_finite = !top_k(context, scores, selection.positions);
      return selection;
    }
  }
  std::vector<bool> taken(scores.size(), false);
  while (selection.positions.size() < count) {
    const std::int32_t pick =
        next_pick<T>(problem, scores, taken, static_cast<std::int32_t>(selection.positions.size()));
    if (pick < 0) break;
    selection.positions.push_back(pick);
    taken[static_cast<std::size_t>(pick)] = true;
  }
  append_lowest(problem, taken, selection);
  return selection;
}

void append_lowest(const SelectionProblem& problem, std::vector<bool>& taken, Selection& selection) {
  selection.all_non_finite = selection.positions.empty();
  for (std::size_t i = 0; selection.positions.size() < static_cast<std::size_t>(problem.count); ++i) {
    if (!taken[i]) selection.positions.push_back(static_cast<std::int32_t>(i));
  }
}

template std::int32_t next_pick<float>(const SelectionProblem&, std::span<const float>, const std::vector<bool>&,
                                       std::int32_t);
template Selection pick_by_score<float>(Context&, const SelectionProblem&, std::vector<float>);
template Selection pick_by_score<double>(Context&, const SelectionProblem&, std::vector<double>);

}  // namespace quarry
