// SPDX-License-Identifier: MIT
// How a strategy tells equal scores apart.
#pragma once

#include <cstdint>

namespace quarry {

enum class TieRule : std::int32_t {
  lowest_index,   ///< the default
  numpy_isclose,  ///< spec 8: among |score - max| <= 1e-8 + 1e-5 |max|, by NumPy's generator of the run seed
  random,         ///< among exactly equal scores, by Philox
  numpy_equal,    ///< among exactly equal scores, by NumPy's generator of the run seed (spec 8, the first version)
};

/// Whether the rule draws from NumPy's generator.
constexpr bool draws_from_numpy(TieRule rule) {
  return rule == TieRule::numpy_isclose || rule == TieRule::numpy_equal;
}

}  // namespace quarry
