// SPDX-License-Identifier: MIT
// Weighted draws as NumPy's legacy choice(n, k, p=...) makes them, over any source of uniforms in [0, 1).
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "quarry/core/error.h"

namespace quarry {

/// Divided by their sum, NumPy's pairwise one. Error: a check fails for a negative weight or a sum that is not positive
/// and finite.
std::vector<double> normalised_weights(std::span<const double> weights);

/// Cumulative sums, divided by the last.
std::vector<double> cumulative_weights(std::span<const double> weights);

/// With replacement, by probabilities: k uniforms, each searched for from the right in the cumulative sums.
template <class Uniform>
std::vector<std::int32_t> choose_by(std::span<const double> probabilities, std::int32_t k, Uniform&& uniform) {
  QUARRY_CHECK(k >= 0, "cannot choose {}", k);
  const std::vector<double> cumulative = cumulative_weights(probabilities);
  std::vector<std::int32_t> result(static_cast<std::size_t>(k));
  for (std::int32_t& pick : result) {
    const auto above = std::upper_bound(cumulative.begin(), cumulative.end(), uniform());
    pick = static_cast<std::int32_t>(above - cumulative.begin());
  }
  return result;
}

/// Without replacement, in the order of their first draw: draws as many as are missing, keeps the new ones, gives them
/// weight zero, and again. Error: a check fails if fewer than k weights are positive.
template <class Uniform>
std::vector<std::int32_t> choose_weighted_distinct(std::span<const double> weights, std::int32_t k, Uniform&& uniform) {
  QUARRY_CHECK(k >= 0 && k <= std::count_if(weights.begin(), weights.end(), [](double w) { return w > 0; }),
               "cannot choose {} different ones of {} weights", k, weights.size());
  std::vector<std::int32_t> result;
  if (k == 0) return result;
  std::vector<double> left = normalised_weights(weights);
  while (result.size() < static_cast<std::size_t>(k)) {
    const std::vector<double> cumulative = cumulative_weights(left);
    for (std::size_t missing = static_cast<std::size_t>(k) - result.size(); missing > 0; --missing) {
      const auto above = std::upper_bound(cumulative.begin(), cumulative.end(), uniform());
      const auto pick = static_cast<std::int32_t>(above - cumulative.begin());
      if (left[static_cast<std::size_t>(pick)] == 0) continue;  // drawn in this round
      left[static_cast<std::size_t>(pick)] = 0;
      result.push_back(pick);
    }
  }
  return result;
}

}  // namespace quarry
