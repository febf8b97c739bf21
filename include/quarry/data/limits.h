// SPDX-License-Identifier: MIT
// What the readers accept at most. Every size in a file is checked against these before memory is asked for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quarry {

struct Limits {
  static constexpr std::size_t kMaxClasses = 10'000;

  std::uint64_t max_rows = 0x7fffffff;  ///< instances are numbered by 32-bit integers
  std::uint64_t max_columns = std::uint64_t{1} << 20;
  std::uint64_t max_inflate_ratio = 1000;  ///< inflated over deflated bytes
  std::uint64_t max_inflated = std::uint64_t{4} << 30;

  /// A result may take four times the bytes it came from and 64 MB: room for floats from bytes, none for a few
  /// bytes that claim a billion rows.
  static constexpr bool affordable(std::uint64_t wanted_bytes, std::uint64_t input_bytes) {
    return wanted_bytes <= 4 * input_bytes + (std::uint64_t{64} << 20);
  }
};

}  // namespace quarry
