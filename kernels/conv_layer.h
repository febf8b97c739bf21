// SPDX-License-Identifier: MIT
// A convolutional layer as its kernels see it: which positions meet under a tap, and launches for either precision.
#pragma once

#include "kernels/conv_tile.h"
#include "kernels/fleet_units.h"
#include "kernels/simt.h"
#include "quarry/core/error.h"
#include "quarry/ops/conv_device.h"

namespace quarry::conv {

struct Layer {
  std::int32_t in_height, in_width, out_height, out_width;
  std::int32_t kernel, stride, padding;
  std::int32_t in_channels, out_channels;  ///< padded
  std::int32_t weight_rows;                ///< out channels that there are
  std::int32_t batch;
};

/// The pixel of the input under tap (ky, kx) of the output's pixel (y, x), or -1.
__device__ inline int input_pixel(const Layer& layer, int y, int x, int ky, int kx) {
  const int from_y = y * layer.stride + ky - layer.padding, from_x = x * layer.stride + kx - layer.padding;
  const bool inside = from_y >= 0 && from_y < layer.in_height && from_x >= 0 && from_x < layer.in_width;
  return inside ? from_y * layer.in_width + from_x : -1;
}

/// The pixel of the output that has the input's pixel (y, x) under tap (ky, kx), or -1.
__device__ inline int output_pixel(const Layer& layer, int y, int x, int ky, int kx) {
  const int far_y = y + layer.padding - ky, far_x = x + layer.padding - kx;
  if (far_y < 0 || far_x < 0) return -1;
  const int to_y = far_y / layer.stride, to_x = far_x / layer.stride;
  const bool meets =
      to_y * layer.stride == far_y && to_x * layer.stride == far_x && to_y < layer.out_height && to_x < layer.out_width;
  return meets ? to_y * layer.out_width + to_x : -1;
}

inline Layer layer_of(const ConvShape& s) {
  QUARRY_CHECK(s.in_channels >= 1 && s.out_channels >= 1, "{} to {} channels", s.in_channels, s.out_channels);
  QUARRY_CHECK(s.kernel >= 1 && s.kernel <= 5 && s.stride >= 1 && s.padding >= 0 && s.padding < s.kernel,
               "kernel {}, stride {}, padding {}", s.kernel, s.stride, s.padding);
  QUARRY_CHECK(s.in_height + 2 * s.padding >= s.kernel && s.in_width + 2 * s.padding >= s.kernel, "{} x {} pixels",
               s.in_height, s.in_width);
  QUARRY_CHECK((s.in_height + 2 * s.padding - s.kernel) / s.stride + 1 == s.out_height &&
                   (s.in_width + 2 * s.padding - s.kernel) / s.stride + 1 == s.out_width,
               "{} x {} pixels do not become {} x {}", s.in_height, s.in_width, s.out_height, s.out_width);
  QUARRY_CHECK(s.batch >= 1 && s.split_rows >= 32 && s.split_rows % 32 == 0, "batch {}, pieces of {}", s.batch,
               s.split_rows);
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  QUARRY_CHECK(conv_input_size(s) < kMost && conv_output_size(s) < kMost && conv_weight_size(s) < kMost,
               "a member has {}, {} and {} numbers", conv_input_size(s), conv_output_size(s), conv_weight_size(s));
  return {s.in_height,
          s.in_width,
          s.out_height,
          s.out_width,
          s.kernel,
          s.stride,
          s.padding,
          padded_channels(s.in_channels),
          padded_channels(s.out_channels),
          s.out_channels,
          s.batch};
}

}  // namespace quarry::conv
