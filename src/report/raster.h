// SPDX-License-Identifier: MIT
// A picture as pixels, and the PNG files it comes from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quarry {

struct Raster {
  std::int32_t width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  ///< [height][width][3], top row first

  std::size_t pixels() const { return static_cast<std::size_t>(width) * static_cast<std::size_t>(height); }
};

/// Reads the PNG that gnuplot's pngcairo writes: 8 bits a channel, RGB or RGBA (laid over white), not interlaced.
/// Checksums are not looked at. Error: failed, with `name`, for anything else or a damaged file.
/// Source: PNG (Portable Network Graphics) Specification, ISO/IEC 15948.
Raster read_png(std::string_view bytes, const std::string& name);

}  // namespace quarry
