// SPDX-License-Identifier: MIT
// Image sets small enough to train residual networks on in a test: each class brightens its own part of the image.
#pragma once

#include <cstdint>

#include "quarry/core/rng.h"
#include "quarry/data/images.h"

namespace quarry::test {

inline ImagePart tiny_part(const ImageShape& shape, std::int32_t classes, std::int64_t n, std::uint64_t key) {
  ImagePart part;
  part.n = n;
  const std::int64_t pixels = shape.pixels();
  for (std::int64_t i = 0; i < n; ++i) {
    const auto label = static_cast<std::int32_t>(
        random_below(key, static_cast<std::uint64_t>(classes), static_cast<std::uint64_t>(i)));
    part.labels.push_back(label);
    for (std::int64_t p = 0; p < pixels; ++p) {
      const bool bright = p % shape.width * classes / shape.width == label;
      const std::uint32_t noise =
          random_u32(key, static_cast<std::uint64_t>(i * pixels + p), 1) % (bright ? 100u : 160u);
      part.pixels.push_back(static_cast<std::uint8_t>(noise + (bright ? 120u : 0u)));
    }
  }
  return part;
}

inline ImageDataset tiny_images(std::int64_t n_train = 60, std::int64_t n_test = 20, std::int32_t classes = 4,
                                ImageShape shape = {1, 8, 8}) {
  ImageDataset data;
  data.name = "tiny";
  data.shape = shape;
  data.n_classes = classes;
  data.mean.assign(static_cast<std::size_t>(shape.channels), 0.4f);
  data.deviation.assign(static_cast<std::size_t>(shape.channels), 0.25f);
  data.train = tiny_part(shape, classes, n_train, 7);
  data.test = tiny_part(shape, classes, n_test, 8);
  data.source = "made for a test";
  return data;
}

}  // namespace quarry::test
