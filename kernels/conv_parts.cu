// SPDX-License-Identifier: MIT
// What the kernels of conv.cu do beside a convolution, for one that a library has made: statistics for batch
// normalisation, and gradients added to what is there.
#include "kernels/conv_layer.h"
#include "kernels/conv_statistics.h"
#include "kernels/fleet_units.h"

namespace quarry {
namespace conv {
namespace {

/// What write_statistics makes of a y that is there; its numbers go where the convolution's sums would be.
template <class T>
__global__ void __launch_bounds__(kThreads, 4)
    conv_statistics_kernel(Layer layer, const std::int32_t* present, const T* y, float* statistics) {
  const int model = static_cast<int>(blockIdx.z), images = present[model];
  if (images == 0) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int rows = layer.out_height * layer.out_width * layer.batch;
  const T* const of_model = y + std::int64_t{model} * rows * layer.out_channels;
  Sums acc = {};
  QUARRY_UNROLL
  for (int r = 0; r < 2 * kRowParts; ++r) {
    const int row = static_cast<int>(blockIdx.x) * kRows + warp * 16 * kRowParts + 8 * r + lane / 4;
    if (row >= rows || row % layer.batch >= images) continue;
    QUARRY_UNROLL
    for (int j = 0; j < kColumnParts; ++j) {
      const int column = static_cast<int>(blockIdx.y) * kColumns + 8 * j + 2 * (lane % 4);
      if (column >= layer.out_channels) continue;
      acc[r / 2][j][r % 2 * 2] = to_float(of_model[row * layer.out_channels + column]);
      acc[r / 2][j][r % 2 * 2 + 1] = to_float(of_model[row * layer.out_channels + column + 1]);
    }
  }
  write_statistics(acc, layer, model, images, rows, statistics);
}

/// sum += other, 16 bytes a thread.
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_add_kernel(const std::int32_t* present, const T* other, T* sum, std::int32_t units) {
  constexpr int kCount = fleet::Unit<T>::kCount;
  const int model = static_cast<int>(blockIdx.y), unit = static_cast<int>(blockIdx.x) * kThreads + threadIdx.x;
  if (present[model] == 0 || unit >= units) return;
  const std::int64_t at = (std::int64_t{model} * units + unit) * kCount;
  float a[kCount], b[kCount];
  fleet::load_unit(sum + at, a);
  fleet::load_unit(other + at, b);
  QUARRY_UNROLL
  for (int i = 0; i < kCount; ++i) a[i] += b[i];
  fleet::store_unit(sum + at, a);
}

}  // namespace
}  // namespace conv

namespace cuda {

void conv_statistics(gpu::Session& session, ConvPrecision precision, const ConvShape& shape, const FleetImages& fleet,
                     const void* y, float* statistics) {
  const conv::Layer layer = conv::layer_of(shape);
  if (fleet.members == 0) return;
  fleet::with_numbers(precision, [&](auto number) {
    using T = decltype(number);
    gpu::launch(session, "conv_statistics", conv_forward_launch(shape, fleet.members), conv::conv_statistics_kernel<T>,
                layer, fleet.images, static_cast<const T*>(y), statistics);
  });
}

void conv_add_input_gradient(gpu::Session& session, ConvPrecision precision, const ConvShape& shape,
                             const FleetImages& fleet, const void* gradient, void* sum) {
  static_cast<void>(conv::layer_of(shape));  // a shape that cannot be is refused
  if (fleet.members == 0) return;
  fleet::with_numbers(precision, [&](auto number) {
    using T = decltype(number);
    const auto units = static_cast<std::int32_t>(conv_input_size(shape) / fleet::Unit<T>::kCount);
    gpu::LaunchShape launch;
    launch.grid = {static_cast<unsigned>((units + conv::kThreads - 1) / conv::kThreads),
                   static_cast<unsigned>(fleet.members), 1};
    launch.block.x = conv::kThreads;
    gpu::launch(session, "conv_add", launch, conv::conv_add_kernel<T>, fleet.images, static_cast<const T*>(gradient),
                static_cast<T*>(sum), units);
  });
}

}  // namespace cuda
}  // namespace quarry
