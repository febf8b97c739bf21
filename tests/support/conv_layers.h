// SPDX-License-Identifier: MIT
// The convolutions of a network of the program, for tests and benchmarks of single layers.
#pragma once

#include <algorithm>
#include <tuple>
#include <vector>

#include "quarry/nn/resnet.h"
#include "quarry/ops/conv_device.h"

namespace quarry::test {

/// The distinct layers for images of 3 x 32 x 32, in the network's order.
inline std::vector<ConvShape> distinct_layers(ResNetKind kind, std::int32_t batch) {
  std::vector<ConvShape> shapes;
  for (const ConvLayer& layer : plan_resnet({kind, {3, 32, 32}, 10, 0}).layers) {
    ConvShape s;
    s.in_channels = layer.in_channels;
    s.out_channels = layer.out_channels;
    s.kernel = layer.kernel;
    s.stride = layer.stride;
    s.padding = layer.padding;
    s.in_height = layer.in_height;
    s.in_width = layer.in_width;
    s.out_height = layer.out_height;
    s.out_width = layer.out_width;
    s.batch = batch;
    const auto same = [&](const ConvShape& other) {
      return std::tie(s.in_channels, s.out_channels, s.kernel, s.stride, s.in_height) ==
             std::tie(other.in_channels, other.out_channels, other.kernel, other.stride, other.in_height);
    };
    if (std::none_of(shapes.begin(), shapes.end(), same)) shapes.push_back(s);
  }
  return shapes;
}

}  // namespace quarry::test
