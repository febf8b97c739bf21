// SPDX-License-Identifier: MIT
// Animated GIFs of rasters: one palette for all frames, and of each frame only what changed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/report/raster.h"

namespace quarry {

/// Up to 255 colours for all frames of an animation; the 256th of a GIF says "as before". Give every frame to add(),
/// then call choose(), then index(). The same frames give the same colours.
class GifPalette {
 public:
  static constexpr std::size_t kMost = 255;

  GifPalette();
  void add(const Raster& frame);
  /// Median cut over the colours seen, 64 levels a channel: the box whose pixels differ most is divided until there
  /// are 255; a box gets the colour that most of its pixels have.
  /// Source: P. Heckbert, "Color image quantization for frame buffer display", SIGGRAPH 1982.
  void choose();
  /// The nearest chosen colour of every pixel, [height][width]; for frames that were added.
  std::vector<std::uint8_t> index(const Raster& frame) const;

  using Colour = std::array<std::uint8_t, 3>;
  const std::vector<Colour>& colours() const { return colours_; }

 private:
  struct Bin {
    std::uint64_t count = 0;
    std::array<std::uint64_t, 3> sum{};
  };
  std::vector<Bin> bins_;  ///< by the upper 6 bits of red, green and blue
  std::vector<Colour> colours_;
  std::vector<std::uint8_t> nearest_;  ///< index by bin
};

/// Writes a GIF89a that plays for ever. Bytes depend on the frames, the palette and the delays alone.
/// Source: CompuServe, "Graphics Interchange Format, version 89a", 1990.
class GifWriter {
 public:
  GifWriter(std::int32_t width, std::int32_t height, const GifPalette& palette);
  /// The next frame, [height][width] of colour numbers, shown for `hundredths` of a second.
  void add(const std::vector<std::uint8_t>& indices, std::int32_t hundredths);
  /// The file. Call it once, at the end.
  std::string finish();

 private:
  std::int32_t width_, height_;
  std::string bytes_;
  std::vector<std::uint8_t> before_;
};

/// Codes of 9 to 12 bits for values of 8 bits, in sub-blocks of up to 255 bytes, as a GIF has them: the variant of
/// LZW with a code that clears the table.
std::string gif_lzw(const std::vector<std::uint8_t>& values);

}  // namespace quarry
