// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "src/report/raster.h"
#include "src/report/subprocess.h"
#include "tests/support/byte_writers.h"

namespace quarry {
namespace {

std::string block(const std::string& type, const std::string& body) {
  return big_bytes(body.size(), 4) + type + body + std::string(4, '\0');
}

std::string deflated(const std::string& plain) {
  uLongf size = compressBound(plain.size());
  std::string packed(size, '\0');
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(plain.data()),
                     plain.size()),
            Z_OK);
  return packed.substr(0, size);
}

std::string png_bytes(std::size_t width, std::size_t height, int channels, const std::string& rows) {
  const std::string packed = deflated(rows), signature("\x89PNG\r\n\x1a\n", 8);
  std::string header = big_bytes(width, 4) + big_bytes(height, 4) + '\x08';
  header += channels == 4 ? '\x06' : '\x02';
  return signature + block("IHDR", header + std::string(3, '\0')) + block("tEXt", "Software") +
         block("IDAT", packed.substr(0, packed.size() / 2)) + block("IDAT", packed.substr(packed.size() / 2)) +
         block("IEND", "");
}

constexpr std::size_t kWidth = 23, kHeight = 15;

/// Of few values, so that the choices of the Paeth filter are often equally near.
std::vector<int> random_pixels(std::size_t channels) {
  std::vector<int> pixels;
  for (std::size_t i = 0; i < kWidth * kHeight * channels; ++i)
    pixels.push_back(static_cast<int>(8 * random_uniform(3, i)) * 36);
  return pixels;
}

/// The rows of an image, row y filtered by y % 5, by the formulas of the specification.
std::string filtered(const std::vector<int>& pixels, std::size_t channels) {
  std::string rows;
  const std::size_t length = kWidth * channels;
  for (std::size_t y = 0; y < kHeight; ++y) {
    rows += static_cast<char>(y % 5);
    for (std::size_t i = 0; i < length; ++i) {
      const auto at = [&](bool left, bool above) {
        return (left && i < channels) || (above && y == 0)
                   ? 0
                   : pixels[(y - (above ? 1 : 0)) * length + i - (left ? channels : 0)];
      };
      const int a = at(true, false), b = at(false, true), c = at(true, true), p = a + b - c;
      const int nearest = std::abs(p - a) <= std::abs(p - b) && std::abs(p - a) <= std::abs(p - c) ? a
                          : std::abs(p - b) <= std::abs(p - c)                                     ? b
                                                                                                   : c;
      const int guess[] = {0, a, b, (a + b) / 2, nearest};
      rows += static_cast<char>((pixels[y * length + i] - guess[y % 5]) & 0xff);
    }
  }
  return rows;
}

TEST(PngReader, EveryFilterIsUndone) {
  const std::vector<int> pixels = random_pixels(3);
  const Raster raster = read_png(png_bytes(kWidth, kHeight, 3, filtered(pixels, 3)), "a.png");
  ASSERT_EQ(raster.width, 23);
  ASSERT_EQ(raster.height, 15);
  EXPECT_EQ(std::vector<int>(raster.rgb.begin(), raster.rgb.end()), pixels);
}

TEST(PngReader, TransparencyLiesOverWhite) {
  const std::vector<int> pixels = random_pixels(4);
  const Raster raster = read_png(png_bytes(kWidth, kHeight, 4, filtered(pixels, 4)), "a.png");
  for (std::size_t i = 0; i < kWidth * kHeight; ++i)
    for (std::size_t c = 0; c < 3; ++c) {
      const double alpha = pixels[4 * i + 3] / 255.0;
      EXPECT_NEAR(raster.rgb[3 * i + c], alpha * pixels[4 * i + c] + 255 * (1 - alpha), 0.51);
    }
}

TEST(PngReader, DamagedFilesAreRefused) {
  const std::string good = png_bytes(kWidth, kHeight, 3, filtered(random_pixels(3), 3));
  for (std::size_t n = 0; n + 12 < good.size(); ++n) EXPECT_THROW(read_png(good.substr(0, n), "a.png"), Error) << n;
  for (std::size_t i : {0u, 16u, 20u, 24u, 25u, 26u, 28u, 54u, 63u}) {  // signature, header, a length, pixels
    std::string bad = good;
    bad[i] = static_cast<char>(~bad[i]);
    EXPECT_THROW(read_png(bad, "a.png"), Error) << i;
  }
  std::string filter(filtered(random_pixels(3), 3));
  filter[0] = 5;
  EXPECT_THROW(read_png(png_bytes(kWidth, kHeight, 3, filter), "a.png"), Error);
  EXPECT_THROW(read_png(png_bytes(kWidth, kHeight + 1, 3, filtered(random_pixels(3), 3)), "a.png"), Error);
}

TEST(PngReader, ReadsWhatGnuplotWrites) {
  const ProgramResult drawn = run_program({"gnuplot", "-d", "-e",
                                           "set terminal pngcairo size 60,40 background '#336699'; unset border; unset "
                                           "tics; unset key; set margins 0,0,0,0; "
                                           "plot [0:1][0:1] 2"},
                                          "/", 60);
  if (!drawn.found) GTEST_SKIP() << "gnuplot is not installed";
  const Raster raster = read_png(drawn.output, "gnuplot");
  ASSERT_EQ(raster.width, 60);
  ASSERT_EQ(raster.height, 40);
  EXPECT_EQ(std::vector<std::uint8_t>(raster.rgb.end() - 3, raster.rgb.end()),
            (std::vector<std::uint8_t>{0x33, 0x66, 0x99}));
}

}  // namespace
}  // namespace quarry
