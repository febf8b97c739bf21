// SPDX-License-Identifier: MIT
// What strategies share: from scores to picks under a tie rule, checks of a problem, seeds of NumPy's generator.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "quarry/al/strategy.h"

namespace quarry {

/// Error: usage if the run seed does not fit NumPy's generator.
std::uint32_t numpy_seed(std::uint64_t seed);

/// Error: a check fails if n, count or what the strategy needs is missing or of another size.
void check_problem(std::string_view strategy, const StrategyNeeds& needs, const SelectionProblem& problem);

/// Position of the next pick among those not taken, or -1 if none of them has a finite score. `number` counts the
/// picks of this call from 0.
template <class T>
std::int32_t next_pick(const SelectionProblem& problem, std::span<const T> scores, const std::vector<bool>& taken,
                       std::int32_t number);

/// problem.count picks from scores that picking does not change; the selection carries the scores as floats.
template <class T>
Selection pick_by_score(Context& context, const SelectionProblem& problem, std::vector<T> scores);

/// Appends the lowest positions not taken until there are problem.count picks; says so if there was none before.
void append_lowest(const SelectionProblem& problem, std::vector<bool>& taken, Selection& selection);

/// A strategy that is its score.
class ScoredStrategy : public Strategy {
 public:
  Selection select(Context& context, const SelectionProblem& problem) const override {
    return pick_by_score(context, problem, score(context, problem));
  }
};

}  // namespace quarry
