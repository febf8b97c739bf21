// SPDX-License-Identifier: MIT
// bfloat16: the upper half of a float, rounded to nearest, ties to even. The same bits on host and device.
#pragma once

#include <cstdint>
#include <cstring>

#include "quarry/core/host_device.h"

namespace quarry {

struct Bfloat16 {
  std::uint16_t bits;
};

QUARRY_HD inline float to_float(Bfloat16 x) {
  const std::uint32_t wide = std::uint32_t{x.bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}
QUARRY_HD inline float to_float(float x) {
  return x;
}

/// Every NaN becomes the positive quiet NaN; what is beyond the range becomes infinity.
QUARRY_HD inline Bfloat16 to_bfloat16(float x) {
  if (x != x) return {0x7fc0};
  std::uint32_t wide;
  std::memcpy(&wide, &x, sizeof wide);
  wide += 0x7fffu + ((wide >> 16) & 1u);
  return {static_cast<std::uint16_t>(wide >> 16)};
}

/// x as the type of the tensor it goes to.
template <class T>
QUARRY_HD inline T from_float(float x) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return x;
  } else {
    return to_bfloat16(x);
  }
}

}  // namespace quarry
