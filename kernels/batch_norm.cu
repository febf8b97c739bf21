// SPDX-License-Identifier: MIT
// Batch normalisation of fleets, forward. The tiles' means and squared deviations come from conv_forward; for each
// channel 8 threads add them up in double. The rest goes number by number, 16 bytes at a time.
#include <cmath>

#include "kernels/batch_norm.h"
#include "kernels/fleet_units.h"
#include "kernels/simt.h"

namespace quarry {
namespace fleet {
namespace {

constexpr int kTileRows = 128;  ///< of the statistics of conv_forward

__device__ inline float scale_of(double variance) {
  return static_cast<float>(1.0 / std::sqrt(variance + kBatchNormEpsilon));
}

__global__ void __launch_bounds__(kGroup* kSlices) norm_statistics_kernel(Norm layer, const float* statistics) {
  QUARRY_SHARED(double, shared, [kSlices][kGroup]);
  const int model = static_cast<int>(blockIdx.y), images = layer.images[model];
  if (images == 0) return;
  const int thread = static_cast<int>(threadIdx.x), channel = static_cast<int>(blockIdx.x) * kGroup + thread % kGroup;
  const int tiles = (layer.rows + kTileRows - 1) / kTileRows, slice = thread / kGroup;
  const bool real = channel < layer.channels;
  const float* const of_model = statistics + std::int64_t{model} * tiles * 2 * layer.channels + channel;
  const auto present = [&](int tile) {
    const int behind = (tile + 1) * kTileRows < layer.rows ? (tile + 1) * kTileRows : layer.rows;
    return rows_present(behind, layer.batch, images) - rows_present(tile * kTileRows, layer.batch, images);
  };
  const double n = rows_present(layer.rows, layer.batch, images);
  double sum = 0, squares = 0;
  for (int tile = slice; real && tile < tiles; tile += kSlices) {
    sum += present(tile) * static_cast<double>(of_model[std::int64_t{2} * tile * layer.channels]);
  }
  const double mean = add_slices(sum, shared) / n;
  for (int tile = slice; real && tile < tiles; tile += kSlices) {
    const float* const of_tile = of_model + std::int64_t{2} * tile * layer.channels;
    const double off = static_cast<double>(of_tile[0]) - mean;
    squares += static_cast<double>(of_tile[layer.channels]) + present(tile) * off * off;
  }
  squares = add_slices(squares, shared);
  if (!real || slice != 0) return;
  const std::int64_t at = std::int64_t{model} * layer.channels + channel;
  layer.norm.mean[at] = static_cast<float>(mean);
  layer.norm.scale[at] = scale_of(squares / n);
  const auto unbiased = static_cast<float>(n > 1 ? squares / (n - 1) : 0.0);
  float &running_mean = layer.norm.running_mean[at], &running_variance = layer.norm.running_variance[at];
  running_mean = std::fma(kBatchNormMomentum, static_cast<float>(mean) - running_mean, running_mean);
  running_variance = std::fma(kBatchNormMomentum, unbiased - running_variance, running_variance);
}

__global__ void __launch_bounds__(kThreads) norm_running_kernel(Norm layer) {
  const int model = static_cast<int>(blockIdx.y), channel = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (layer.images[model] == 0 || channel >= layer.channels) return;
  const std::int64_t at = std::int64_t{model} * layer.channels + channel;
  layer.norm.mean[at] = layer.norm.running_mean[at];
  layer.norm.scale[at] = scale_of(static_cast<double>(layer.norm.running_variance[at]));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    norm_apply_kernel(Norm layer, const T* y, const T* residual, bool relu, Drop drop, T* out) {
  constexpr int kCount = Unit<T>::kCount;
  const int model = static_cast<int>(blockIdx.z), images = layer.images[model];
  if (images == 0) return;
  const Lane lane = lane_of<T>(layer.channels, layer.rows, kRowsOfBlock);
  const std::int64_t channels = std::int64_t{model} * layer.channels + lane.channel;
  const std::int64_t first = std::int64_t{model} * layer.rows * layer.channels + lane.channel;
  float mean[kCount], factor[kCount], beta[kCount], gamma[kCount];
  load_floats(layer.norm.mean + channels, mean);
  load_floats(layer.norm.scale + channels, factor);
  load_floats(layer.norm.gamma + channels, gamma);
  load_floats(layer.norm.beta + channels, beta);
  QUARRY_UNROLL
  for (int i = 0; i < kCount; ++i) factor[i] *= gamma[i];
  for (int row = lane.row; row < lane.row_behind; row += lane.step) {
    const std::int64_t at = first + std::int64_t{row} * layer.channels;
    const int image = row % layer.batch;
    float x[kCount] = {}, other[kCount] = {}, dropped[kCount];
    if (image < images) {
      load_unit(y + at, x);
      if (residual != nullptr) load_unit(residual + at, other);
      load_drop(drop, layer, model, image, lane.channel, dropped);
      QUARRY_UNROLL
      for (int i = 0; i < kCount; ++i) {
        x[i] = std::fma(x[i] - mean[i], factor[i], beta[i]) + other[i];
        if (relu && x[i] < 0) x[i] = 0;
        x[i] *= dropped[i];
      }
    }
    store_unit(out + at, x);
  }
}

}  // namespace
}  // namespace fleet

namespace cuda {

void batch_norm_statistics(gpu::Session& session, const BatchNormShape& shape, const FleetImages& fleet,
                           const float* statistics, const BatchNorm& norm) {
  const fleet::Norm layer = fleet::layer_of(shape, fleet, norm);
  if (fleet.members == 0) return;
  gpu::launch(session, "norm_statistics", fleet::group_shape(layer, fleet.members), fleet::norm_statistics_kernel,
              layer, statistics);
}

void batch_norm_running(gpu::Session& session, const BatchNormShape& shape, const FleetImages& fleet,
                        const BatchNorm& norm) {
  const fleet::Norm layer = fleet::layer_of(shape, fleet, norm);
  if (fleet.members == 0) return;
  gpu::LaunchShape launch = fleet::group_shape(layer, fleet.members);
  launch.block.x = fleet::kThreads;
  launch.grid.x = static_cast<unsigned>((layer.channels + fleet::kThreads - 1) / fleet::kThreads);
  gpu::launch(session, "norm_running", launch, fleet::norm_running_kernel, layer);
}

void batch_norm_apply(gpu::Session& session, ConvPrecision precision, const BatchNormShape& shape,
                      const FleetImages& fleet, const void* y, const BatchNorm& norm, const BatchNormEnd& end,
                      void* out) {
  const fleet::Norm layer = fleet::layer_of(shape, fleet, norm);
  if (fleet.members == 0) return;
  fleet::with_numbers(precision, [&](auto number) {
    using T = decltype(number);
    gpu::launch(
        session, "norm_apply",
        fleet::lane_shape(layer.channels, fleet::Unit<T>::kCount, layer.rows, fleet::kRowsOfBlock, fleet.members),
        fleet::norm_apply_kernel<T>, layer, static_cast<const T*>(y), static_cast<const T*>(end.residual), end.relu,
        fleet::Drop{end.drop, end.per_image}, static_cast<T*>(out));
  });
}

}  // namespace cuda
}  // namespace quarry
