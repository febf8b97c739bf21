// SPDX-License-Identifier: MIT
#include "src/report/gif.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "quarry/core/rng.h"
#include "src/report/subprocess.h"
#include "tests/report/gif_decoder.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

std::uint8_t random_byte(std::uint64_t stream, std::uint64_t i) {
  return static_cast<std::uint8_t>(256 * random_uniform(stream, i));
}

/// A frame of `colours` different random colours.
Raster random_frame(std::int32_t width, std::int32_t height, int colours, std::uint64_t stream) {
  Raster frame{width, height, {}};
  for (std::size_t i = 0; i < frame.pixels(); ++i) {
    const auto colour = static_cast<std::uint64_t>(colours * random_uniform(stream, i));
    for (std::uint64_t c = 0; c < 3; ++c)  // neighbouring bins, so that close colours must not be mixed up
      frame.rgb.push_back(static_cast<std::uint8_t>(4 * (colour >> (2 * c) & 3) + 64 * c));
  }
  return frame;
}

std::string gif_of_rasters(const std::vector<Raster>& frames, const GifPalette& palette) {
  GifWriter writer(frames[0].width, frames[0].height, palette);
  for (const Raster& frame : frames) writer.add(palette.index(frame), 7);
  return writer.finish();
}

GifPalette palette_of(const std::vector<Raster>& frames) {
  GifPalette palette;
  for (const Raster& frame : frames) palette.add(frame);
  palette.choose();
  return palette;
}

/// A palette of exactly these greys would not test all values; the bytes of one frame go through the whole writer.
test::DecodedGif through(const std::vector<std::uint8_t>& values) {
  Raster all{255, 1, {}};
  for (int v = 0; v < 255; ++v)
    for (int c = 0; c < 3; ++c)
      all.rgb.push_back(static_cast<std::uint8_t>(c == 0 ? 4 * (v % 64) : c == 1 ? 4 * (v / 64) : 0));
  const GifPalette palette = palette_of({all});
  GifWriter writer(static_cast<std::int32_t>(values.size()), 1, palette);
  writer.add(values, 1);
  const test::DecodedGif gif = test::decode_gif(writer.finish());
  for (std::size_t i = 0; i < values.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_EQ(gif.frames[0][3 * i + c], palette.colours().at(values[i])[c]) << "pixel " << i;
  return gif;
}

// Ends around every change of the code's width, at 512, 1024 and 2048 codes, and around the full table.
TEST(Gif, EveryLengthOfValuesComesBack) {
  std::vector<std::uint8_t> values;
  for (std::size_t i = 0; i < 12000; ++i) values.push_back(static_cast<std::uint8_t>(random_byte(1, i) % 255));
  const auto length = [&](std::size_t n) {
    through({values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n)});
  };
  for (std::size_t n = 1; n < 300; ++n) length(n);
  for (std::size_t n = 760; n < 800; ++n) length(n);
  for (std::size_t n = 1790; n < 1850; ++n) length(n);
  for (std::size_t n = 3840; n < 4000; ++n) length(n);
  length(12000);
}

TEST(Gif, RunsComeBackAndAreShort) {
  through(std::vector<std::uint8_t>(20000, 17));                          // a code that is used the moment it is made
  EXPECT_LT(gif_lzw(std::vector<std::uint8_t>(20000, 17)).size(), 320u);  // strings of 1, 2, 3, ... values
}

TEST(Gif, FramesComeBackPixelByPixel) {
  std::vector<Raster> frames = {random_frame(31, 17, 60, 1), random_frame(31, 17, 60, 2)};
  frames.push_back(frames.back());  // nothing changes
  frames.push_back(frames.back());
  for (std::size_t c = 0; c < 3; ++c) frames.back().rgb[3 * (5 * 31 + 7) + c] = frames[0].rgb[c];  // one pixel does
  const test::DecodedGif gif = test::decode_gif(gif_of_rasters(frames, palette_of(frames)));
  EXPECT_EQ(gif.width, 31);
  EXPECT_EQ(gif.height, 17);
  EXPECT_TRUE(gif.endless);
  EXPECT_EQ(gif.delays, (std::vector<int>(4, 7)));
  ASSERT_EQ(gif.frames.size(), 4u);
  for (std::size_t f = 0; f < 4; ++f) EXPECT_EQ(gif.frames[f], frames[f].rgb) << "frame " << f;
  EXPECT_EQ(gif.coded_pixels, (std::vector<std::size_t>{31 * 17, gif.coded_pixels[1], 1, 1}));
}

TEST(Gif, ManyColoursBecomeNearOnes) {
  Raster frame{128, 128, {}};
  for (int y = 0; y < 128; ++y)
    for (int x = 0; x < 128; ++x)
      for (int v : {2 * x, 2 * y, 255 - x - y}) frame.rgb.push_back(static_cast<std::uint8_t>(v));
  const GifPalette palette = palette_of({frame});
  EXPECT_EQ(palette.colours().size(), GifPalette::kMost);
  const test::DecodedGif gif = test::decode_gif(gif_of_rasters({frame}, palette));
  int worst = 0;
  double sum = 0;
  for (std::size_t i = 0; i < frame.rgb.size(); ++i) {
    const int off = std::abs(int{gif.frames[0][i]} - int{frame.rgb[i]});
    worst = std::max(worst, off);
    sum += off;
  }
  EXPECT_LE(worst, 32);
  EXPECT_LE(sum / static_cast<double>(frame.rgb.size()), 5);
}

// More colours than there are entries: a few nearly white pixels do not stain a white page.
TEST(Gif, LargePlainAreasKeepTheirColour) {
  Raster frame{64, 64, {}};
  for (std::size_t i = 0; i < frame.pixels(); ++i)
    for (std::uint64_t c = 0; c < 3; ++c)
      frame.rgb.push_back(i < 2000 ? random_byte(c, i) : i == 2000 ? std::uint8_t{248} : std::uint8_t{255});
  const GifPalette palette = palette_of({frame});
  const std::vector<std::uint8_t> indices = palette.index(frame);
  EXPECT_EQ(palette.colours().at(indices.back()), (GifPalette::Colour{255, 255, 255}));
  EXPECT_EQ(indices[2000], indices.back());
}

TEST(Gif, ContractsAreChecked) {
  const Raster frame = random_frame(4, 4, 3, 1);
  const GifPalette palette = palette_of({frame});
  GifWriter writer(4, 4, palette);
  EXPECT_THROW(writer.add(std::vector<std::uint8_t>(15), 1), Error);
  EXPECT_THROW(writer.finish(), Error);
  EXPECT_THROW(GifWriter(70000, 4, palette), Error);
  EXPECT_THROW(GifPalette().choose(), Error);
  EXPECT_THROW(GifPalette().index(frame), Error);
}

// Someone else's decoder, where there is one.
TEST(Gif, PillowReadsTheSamePixels) {
  const std::string script =
      "import sys\nfrom PIL import Image\nim=Image.open('a.gif')\nfor i in range(im.n_frames):\n im.seek(i)\n "
      "sys.stdout.buffer.write(im.convert('RGB').tobytes())\n";
  const ProgramResult found = run_program({"/usr/bin/python3", "-c", "import PIL.Image"}, "/", 60);
  if (!found.found || found.status != 0) GTEST_SKIP() << "Debian's package python3-pil is not installed";
  const std::vector<Raster> frames = {random_frame(203, 111, 64, 1), random_frame(203, 111, 64, 2),
                                      random_frame(203, 111, 20, 3)};
  const test::TempDir folder;
  posix_file_system().write_atomically(folder / "a.gif", gif_of_rasters(frames, palette_of(frames)));
  const ProgramResult read = run_program({"/usr/bin/python3", "-c", script}, folder.path(), 60);
  ASSERT_EQ(read.status, 0) << read.errors;
  std::string expected;
  for (const Raster& frame : frames) expected.append(frame.rgb.begin(), frame.rgb.end());
  EXPECT_EQ(read.output, expected);
}

}  // namespace
}  // namespace quarry
