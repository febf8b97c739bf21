// SPDX-License-Identifier: MIT
// Images as they enter a network: crop, flip and normalisation against a padded copy of the image.
#include "quarry/ops/augment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "quarry/core/error.h"
#include "src/nn/image_batch.h"
#include "tests/support/conv_cases.h"

namespace quarry::testing {
namespace {

/// Pads the image with black, crops, flips, scales: one step after another.
std::vector<float> by_hand(const ImageDataset& data, const ImagePart& part, std::int64_t row, AugmentDraw draw) {
  const std::int32_t h = data.shape.height, w = data.shape.width;
  std::vector<float> out;
  for (std::int32_t c = 0; c < data.shape.channels; ++c) {
    std::vector<std::vector<std::uint8_t>> padded(static_cast<std::size_t>(h + 8),
                                                  std::vector<std::uint8_t>(static_cast<std::size_t>(w + 8), 0));
    for (std::int32_t y = 0; y < h; ++y) {
      for (std::int32_t x = 0; x < w; ++x) {
        padded[static_cast<std::size_t>(y + 4)][static_cast<std::size_t>(x + 4)] =
            part.pixels[static_cast<std::size_t>(((row * data.shape.channels + c) * h + y) * w + x)];
      }
    }
    const auto at = static_cast<std::size_t>(c);
    for (std::int32_t y = 0; y < h; ++y) {
      std::vector<float> line;
      for (std::int32_t x = 0; x < w; ++x) {
        const std::uint8_t byte = padded[static_cast<std::size_t>(y + draw.dy)][static_cast<std::size_t>(x + draw.dx)];
        line.push_back((static_cast<float>(byte) / 255.0f - data.mean[at]) / data.deviation[at]);
      }
      if (draw.flip) line = {line.rbegin(), line.rend()};
      out.insert(out.end(), line.begin(), line.end());
    }
  }
  return out;
}

TEST(Augment, EveryCropAndFlip) {
  for (const ImageShape shape : {ImageShape{3, 6, 5}, ImageShape{1, 3, 2}}) {  // the second: nothing but padding too
    ImageDataset data = striped_set(6, 3, 1, 1);
    data.shape = shape;
    data.train = striped_images(shape, 3, 3, 9);
    data.mean.resize(static_cast<std::size_t>(shape.channels));
    data.deviation.resize(static_cast<std::size_t>(shape.channels));
    const ImageReader reader(data);
    std::vector<float> out(static_cast<std::size_t>(shape.pixels()));
    for (std::int32_t dy = 0; dy <= 8; ++dy) {
      for (std::int32_t dx = 0; dx <= 8; ++dx) {
        for (const bool flip : {false, true}) {
          reader.read(data.train, (dx + dy) % 3, {dx, dy, flip}, out.data());
          EXPECT_EQ(out, by_hand(data, data.train, (dx + dy) % 3, {dx, dy, flip})) << dx << " " << dy << " " << flip;
        }
      }
    }
  }
}

TEST(Augment, DrawsAreUniformAndByCoordinates) {
  int x[9] = {}, y[9] = {}, flips = 0;
  constexpr int n = 90000;
  for (int i = 0; i < n; ++i) {
    const AugmentDraw draw = augment_draw(3, static_cast<std::uint64_t>(i % 300), static_cast<std::uint32_t>(i / 300));
    ++x[draw.dx];
    ++y[draw.dy];
    flips += draw.flip ? 1 : 0;
    const PhiloxBlock block = random_block(3, static_cast<std::uint64_t>(i % 300), static_cast<std::uint32_t>(i / 300));
    ASSERT_EQ(draw.dx, static_cast<int>(std::floor(9.0 * block.word[0] / 4294967296.0)));
    ASSERT_EQ(draw.dy, static_cast<int>(std::floor(9.0 * block.word[1] / 4294967296.0)));
    ASSERT_EQ(draw.flip, block.word[2] >= 0x80000000u);
  }
  for (int k = 0; k < 9; ++k) {
    EXPECT_NEAR(x[k], n / 9, 5 * std::sqrt(n / 9.0));
    EXPECT_NEAR(y[k], n / 9, 5 * std::sqrt(n / 9.0));
  }
  EXPECT_NEAR(flips, n / 2, 5 * std::sqrt(n / 4.0));
}

TEST(Augment, SetsThatDoNotFitAreRefused) {
  ImageDataset data = striped_set(6, 3, 4, 1);
  EXPECT_NO_THROW(check_part(data, data.train));
  data.train.pixels.pop_back();
  EXPECT_THROW(check_part(data, data.train), Error);
  data = striped_set(6, 3, 4, 1);
  data.train.labels.pop_back();
  EXPECT_THROW(check_part(data, data.train), Error);
  data.mean.pop_back();
  EXPECT_THROW(ImageReader{data}, Error);
}

}  // namespace
}  // namespace quarry::testing
