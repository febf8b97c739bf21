// SPDX-License-Identifier: MIT
// Small image sets and networks for the tests of the convolutional fleets.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "quarry/core/rng.h"
#include "quarry/data/images.h"
#include "quarry/nn/conv_fleet.h"

namespace quarry::testing {

/// Stripes along one axis, their direction, period and colour by class, with noise.
inline ImagePart striped_images(const ImageShape& shape, std::int32_t classes, std::int64_t n, std::uint64_t key) {
  ImagePart part;
  part.n = n;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto label = static_cast<std::int32_t>(i % classes);
    part.labels.push_back(label);
    for (std::int64_t p = 0; p < shape.pixels(); ++p) {
      const std::int64_t x = p % shape.width, y = p / shape.width % shape.height, c = p / shape.width / shape.height;
      const double place = static_cast<double>(label % 2 == 0 ? x : y), period = 3.0 + label / 2;
      const double wave = std::sin(6.283185307179586 * place / period + static_cast<double>(c));
      const double noise = random_uniform(key, static_cast<std::uint64_t>(i * shape.pixels() + p));
      part.pixels.push_back(static_cast<std::uint8_t>(100 + 60 * wave + 80 * noise * (c == label % 3 ? 1.0 : 0.7)));
    }
  }
  return part;
}

inline ImageDataset striped_set(std::int32_t side, std::int32_t classes, std::int64_t train, std::int64_t test) {
  ImageDataset data;
  data.name = "stripes";
  data.shape = {3, side, side};
  data.n_classes = classes;
  data.train = striped_images(data.shape, classes, train, 1);
  data.test = striped_images(data.shape, classes, test, 2);
  data.mean = {0.49f, 0.48f, 0.45f};
  data.deviation = {0.25f, 0.24f, 0.26f};
  return data;
}

inline std::vector<std::int32_t> row_range(std::int32_t first, std::int32_t last) {
  std::vector<std::int32_t> rows;
  for (std::int32_t i = first; i < last; ++i) rows.push_back(i);
  return rows;
}

inline ConvMemberSpec small_member(const ImageDataset& data, std::int32_t train, std::int32_t validation) {
  ConvMemberSpec spec;
  spec.network.kind = ResNetKind::resnet8;
  spec.network.input = data.shape;
  spec.network.classes = data.n_classes;
  spec.lr = 0.05;
  spec.epochs = 2;
  spec.warmup_epochs = 1;
  spec.batch_size = 16;
  spec.init_key = 11;
  spec.order_key = 12;
  spec.augment_key = 13;
  spec.dropout_key = 14;
  spec.train = row_range(0, train);
  spec.validation = row_range(train, train + validation);
  return spec;
}

}  // namespace quarry::testing
