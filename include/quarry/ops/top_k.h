// SPDX-License-Identifier: MIT
// The best `count` scores.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "quarry/core/context.h"
#include "quarry/core/host_device.h"

namespace quarry {

/// picks[0 .. picks.size()-1] = positions in order (score descending, position ascending); -0 equals 0; non-finite
/// scores rank last, by position. Returns false if no score is finite: then the picks are the lowest positions.
/// Errors: a check fails if picks.size() > scores.size() or there are 2^31 scores or more.
bool top_k(Context& context, std::span<const float> scores, std::span<std::int32_t> picks);

/// One 64-bit key whose descending order is the order of top_k: larger scores first, then lower positions, and every
/// non-finite score after every finite one. No two positions share a key, and no key of a position below 2^31 is 0.
QUARRY_HD inline std::uint64_t rank_key(float score, std::uint32_t position) {
  const float number = score + 0.0f;  // -0 becomes 0
  std::uint32_t bits;
  std::memcpy(&bits, &number, sizeof bits);
  std::uint32_t order = 0;
  if ((bits & 0x7f800000u) != 0x7f800000u) order = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return (std::uint64_t{order} << 32) | static_cast<std::uint32_t>(~position);
}
/// The position inside a key.
QUARRY_HD constexpr std::int32_t rank_position(std::uint64_t key) {
  return static_cast<std::int32_t>(~static_cast<std::uint32_t>(key));
}
/// Whether the score inside a key was finite.
QUARRY_HD constexpr bool rank_is_finite(std::uint64_t key) {
  return (key >> 32) != 0;
}

}  // namespace quarry
