// SPDX-License-Identifier: MIT
// What the kernels of batch normalisation share: the layer, sums over threads, factors of dropout.
#pragma once

#include "kernels/fleet_units.h"
#include "kernels/simt.h"
#include "quarry/core/error.h"
#include "quarry/ops/batch_norm_device.h"

namespace quarry::fleet {

constexpr int kRowsOfBlock = 64;
constexpr int kGroup = 32, kSlices = 8;  ///< channels and threads for each, where sums are added up

struct Norm {
  std::int32_t channels, rows, batch;  ///< channels padded
  const std::int32_t* images;
  BatchNorm norm;
};

/// A channel's slices, added in order; in every thread of the channel.
__device__ inline double add_slices(double mine, double (&shared)[kSlices][kGroup]) {
  const int thread = static_cast<int>(threadIdx.x), channel = thread % kGroup;
  shared[thread / kGroup][channel] = mine;
  __syncthreads();
  double sum = shared[0][channel];
  QUARRY_UNROLL
  for (int s = 1; s < kSlices; ++s) sum += shared[s][channel];
  __syncthreads();  // before the next sum
  return sum;
}

/// The factors of dropout of a thread's channels; all 1 without.
struct Drop {
  const float* factors;
  bool per_image;
};
template <int kCount>
__device__ inline void load_drop(const Drop& drop, const Norm& layer, int model, int image, int channel,
                                 float (&out)[kCount]) {
  if (drop.factors == nullptr) {
    QUARRY_UNROLL
    for (int i = 0; i < kCount; ++i) out[i] = 1;
    return;
  }
  const std::int64_t row = drop.per_image ? std::int64_t{model} * layer.batch + image : model;
  load_floats(drop.factors + row * layer.channels + channel, out);
}

inline Norm layer_of(const BatchNormShape& s, const FleetImages& fleet, const BatchNorm& norm) {
  QUARRY_CHECK(s.channels >= 1 && s.height >= 1 && s.width >= 1 && s.batch >= 1, "{} channels of {} x {}, batch {}",
               s.channels, s.height, s.width, s.batch);
  const std::int64_t rows = std::int64_t{s.height} * s.width * s.batch;
  QUARRY_CHECK(rows * padded_channels(s.channels) < std::int64_t{1} << 31, "{} rows of {} channels", rows, s.channels);
  return {padded_channels(s.channels), static_cast<std::int32_t>(rows), s.batch, fleet.images, norm};
}

inline gpu::LaunchShape group_shape(const Norm& layer, std::int32_t members) {
  gpu::LaunchShape shape;
  shape.grid.x = static_cast<unsigned>((layer.channels + kGroup - 1) / kGroup);
  shape.grid.y = static_cast<unsigned>(members);
  shape.block.x = kGroup * kSlices;
  return shape;
}

}  // namespace quarry::fleet
