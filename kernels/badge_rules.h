// SPDX-License-Identifier: MIT
// What BADGE's picks depend on bit by bit, shared by the backends (contract: quarry/ops/badge.h).
#pragma once

#include <cstdint>
#include <limits>

#include "quarry/core/host_device.h"
#include "quarry/core/rng.h"

namespace quarry::badge_rules {

inline constexpr std::int64_t kChunk = 256;  ///< candidates whose weights are summed together
/// A norm above this counts as not finite, so that no distance overflows fp32.
inline constexpr double kLargestNorm = 8.5e37;
inline constexpr std::int32_t kWindow = 16;         ///< proposals between two looks at the share accepted
inline constexpr std::int64_t kMostPending = 1024;  ///< picks that the weights may lag behind

/// The uniform of a proposal's block: word 0 chooses the candidate, word 2 decides whether it is accepted.
QUARRY_HD constexpr double proposal_uniform(const PhiloxBlock& block, int word) {
  return static_cast<double>(((std::uint64_t{block.word[word]} << 32) | block.word[word + 1]) >> 11) * 0x1.0p-53;
}

/// |g|^2 + |g'|^2 - 2 (q.q')(h.h') in double (the product of two floats is exact there), clamped at zero.
QUARRY_HD inline float gradient_distance(float qq, float hh, double norm, double other_norm) {
  const double product = static_cast<double>(qq) * static_cast<double>(hh);
  const double distance = (norm + other_norm) - (product + product);
  return static_cast<float>(distance < 0 ? 0.0 : distance);
}

/// Whether the weights are brought up to date after a window, or when kMostPending picks are pending.
QUARRY_HD constexpr bool needs_refresh(std::int64_t pending, std::int32_t proposed, std::int32_t accepted) {
  return pending == kMostPending || (pending > 0 && 2 * accepted < proposed);
}

}  // namespace quarry::badge_rules
