// SPDX-License-Identifier: MIT
// Batch normalisation of fleets, backward: sums over slabs of rows in float, added up in double by 8 threads a channel,
// which take the step of gamma and beta too; then the gradient of the input, number by number.
#include <cmath>

#include "kernels/batch_norm.h"
#include "kernels/fleet_units.h"
#include "kernels/sgd.h"
#include "kernels/simt.h"

namespace quarry {
namespace fleet {
namespace {

constexpr int kSlab = kBatchNormSlab;  ///< rows of a partial sum of gradients

/// What backward kernels read and write.
template <class T>
struct Back {
  const T *y, *out, *d_out;
  bool relu;
  Drop drop;
  T *d_y, *d_residual;
  float* sums;          ///< [member][slab][2][channels]
  float* coefficients;  ///< [member][3][channels]: gamma scale, mean of dz, mean of dz xhat
};

/// dz: the gradient of what goes into the ReLU, and xhat, of one row's unit.
template <class T>
__device__ inline void load_gradient(const Norm& layer, const Back<T>& back, std::int64_t at, int model, int image,
                                     const Lane& lane, const float (&mean)[Unit<T>::kCount],
                                     const float (&scale)[Unit<T>::kCount], float (&dz)[Unit<T>::kCount],
                                     float (&xhat)[Unit<T>::kCount]) {
  constexpr int kCount = Unit<T>::kCount;
  float out[kCount], dropped[kCount];
  load_unit(back.d_out + at, dz);
  load_unit(back.y + at, xhat);
  load_drop(back.drop, layer, model, image, lane.channel, dropped);
  if (back.relu) load_unit(back.out + at, out);
  QUARRY_UNROLL
  for (int i = 0; i < kCount; ++i) {
    dz[i] = back.relu && out[i] <= 0 ? 0 : dz[i] * dropped[i];
    xhat[i] = (xhat[i] - mean[i]) * scale[i];
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) norm_sums_kernel(Norm layer, Back<T> back) {
  constexpr int kCount = Unit<T>::kCount;
  QUARRY_SHARED(float, shared, [kThreads][2 * kCount]);
  const int model = static_cast<int>(blockIdx.z), images = layer.images[model], thread = static_cast<int>(threadIdx.x);
  if (images == 0) return;
  const Lane lane = lane_of<T>(layer.channels, layer.rows, kSlab);
  const std::int64_t channels = std::int64_t{model} * layer.channels + lane.channel;
  const std::int64_t first = std::int64_t{model} * layer.rows * layer.channels + lane.channel;
  float mean[kCount], scale[kCount], sum[kCount] = {}, product[kCount] = {};
  load_floats(layer.norm.mean + channels, mean);
  load_floats(layer.norm.scale + channels, scale);
  for (int row = lane.row; row < lane.row_behind; row += lane.step) {
    const int image = row % layer.batch;
    if (image >= images) continue;
    float dz[kCount], xhat[kCount];
    load_gradient(layer, back, first + std::int64_t{row} * layer.channels, model, image, lane, mean, scale, dz, xhat);
    QUARRY_UNROLL
    for (int i = 0; i < kCount; ++i) {
      sum[i] += dz[i];
      product[i] = std::fma(dz[i], xhat[i], product[i]);
    }
  }
  QUARRY_UNROLL
  for (int i = 0; i < kCount; ++i) {
    shared[thread][i] = sum[i];
    shared[thread][kCount + i] = product[i];
  }
  __syncthreads();
  // The lanes of each number in order: thread t takes number t / side of unit t % side.
  for (int t = thread; t < lane.side * 2 * kCount; t += kThreads) {
    const int place = t % lane.side, number = t / lane.side;
    float total = shared[place][number];
    for (int l = 1; l < lane.step; ++l) total += shared[l * lane.side + place][number];
    const std::int64_t row = (std::int64_t{model} * gridDim.x + blockIdx.x) * 2 + number / kCount;
    const int channel = (static_cast<int>(blockIdx.y) * kSide + place) * kCount + number % kCount;
    back.sums[row * layer.channels + channel] = total;
  }
}

/// Adds up the slabs; coefficients for the gradient of y, with gamma as it was; then gamma's and beta's gradients or
/// step.
__global__ void __launch_bounds__(kGroup* kSlices)
    norm_step_kernel(Norm layer, const float* sums, float* coefficients, BatchNormGradient gradient) {
  QUARRY_SHARED(double, shared, [kSlices][kGroup]);
  const int model = static_cast<int>(blockIdx.y), images = layer.images[model];
  if (images == 0) return;
  const int thread = static_cast<int>(threadIdx.x), channel = static_cast<int>(blockIdx.x) * kGroup + thread % kGroup;
  const int slabs = (layer.rows + kSlab - 1) / kSlab, slice = thread / kGroup;
  const bool real = channel < layer.channels;
  const float* const of_model = sums + std::int64_t{model} * slabs * 2 * layer.channels + channel;
  double d_beta = 0, d_gamma = 0;
  for (int slab = slice; real && slab < slabs; slab += kSlices) {
    const float* const of_slab = of_model + std::int64_t{2} * slab * layer.channels;
    d_beta += static_cast<double>(of_slab[0]);
    d_gamma += static_cast<double>(of_slab[layer.channels]);
  }
  d_beta = add_slices(d_beta, shared);
  d_gamma = add_slices(d_gamma, shared);
  if (!real || slice != 0) return;
  const double n = rows_present(layer.rows, layer.batch, images);
  const std::int64_t at = std::int64_t{model} * layer.channels + channel;
  const float gamma = layer.norm.gamma[at];
  float* const out = coefficients + std::int64_t{3} * model * layer.channels + channel;
  out[0] = gamma * layer.norm.scale[at];
  out[layer.channels] = static_cast<float>(d_beta / n);
  out[2 * layer.channels] = static_cast<float>(d_gamma / n);
  if (gradient.d_gamma != nullptr) {
    gradient.d_gamma[at] = static_cast<float>(d_gamma);
    gradient.d_beta[at] = static_cast<float>(d_beta);
    return;
  }
  const SgdStep step = sgd_step(gradient.rates, model);
  layer.norm.gamma[at] = sgd_update(step, gamma, gradient.gamma_velocity[at], static_cast<float>(d_gamma));
  layer.norm.beta[at] = sgd_update(step, layer.norm.beta[at], gradient.beta_velocity[at], static_cast<float>(d_beta));
}

template <class T>
__global__ void __launch_bounds__(kThreads) norm_gradient_kernel(Norm layer, Back<T> back) {
  constexpr int kCount = Unit<T>::kCount;
  const int model = static_cast<int>(blockIdx.z), images = layer.images[model];
  if (images == 0) return;
  const Lane lane = lane_of<T>(layer.channels, layer.rows, kRowsOfBlock);
  const std::int64_t channels = std::int64_t{model} * layer.channels + lane.channel;
  const std::int64_t first = std::int64_t{model} * layer.rows * layer.channels + lane.channel;
  const float* const coefficients = back.coefficients + std::int64_t{3} * model * layer.channels + lane.channel;
  float mean[kCount], scale[kCount], factor[kCount], mean_dz[kCount], mean_product[kCount];
  load_floats(layer.norm.mean + channels, mean);
  load_floats(layer.norm.scale + channels, scale);
  load_floats(coefficients, factor);
  load_floats(coefficients + layer.channels, mean_dz);
  load_floats(coefficients + 2 * layer.channels, mean_product);
  for (int row = lane.row; row < lane.row_behind; row += lane.step) {
    const std::int64_t at = first + std::int64_t{row} * layer.channels;
    const int image = row % layer.batch;
    float dz[kCount] = {}, xhat[kCount] = {};
    if (image < images) {
      load_gradient(layer, back, at, model, image, lane, mean, scale, dz, xhat);
      QUARRY_UNROLL
      for (int i = 0; i < kCount; ++i) xhat[i] = factor[i] * (dz[i] - mean_dz[i] - xhat[i] * mean_product[i]);
    }
    if (back.d_residual != nullptr) store_unit(back.d_residual + at, dz);
    store_unit(back.d_y + at, xhat);
  }
}

template <class T>
void run_gradient(gpu::Session& session, const Norm& layer, std::int32_t members, const BatchNormEnd& end,
                  const BatchNormGradient& gradient, float* sums, float* coefficients) {
  const Back<T> back = {static_cast<const T*>(gradient.y),
                        static_cast<const T*>(gradient.out),
                        static_cast<const T*>(gradient.d_out),
                        end.relu,
                        {end.drop, end.per_image},
                        static_cast<T*>(gradient.d_y),
                        static_cast<T*>(gradient.d_residual),
                        sums,
                        coefficients};
  constexpr int unit = Unit<T>::kCount;
  gpu::launch(session, "norm_sums", lane_shape(layer.channels, unit, layer.rows, kSlab, members), norm_sums_kernel<T>,
              layer, back);
  gpu::launch(session, "norm_step", group_shape(layer, members), norm_step_kernel, layer, sums, coefficients, gradient);
  gpu::launch(session, "norm_gradient", lane_shape(layer.channels, unit, layer.rows, kRowsOfBlock, members),
              norm_gradient_kernel<T>, layer, back);
}

}  // namespace
}  // namespace fleet

namespace cuda {

void batch_norm_gradient(gpu::Session& session, ConvPrecision precision, const BatchNormShape& shape,
                         const FleetImages& fleet, const BatchNorm& norm, const BatchNormEnd& end,
                         const BatchNormGradient& gradient, void* scratch) {
  const fleet::Norm layer = fleet::layer_of(shape, fleet, norm);
  if (fleet.members == 0) return;
  float* const sums = static_cast<float*>(scratch);
  float* const coefficients = sums + fleet.members * batch_norm_slabs(shape) * 2 * layer.channels;
  fleet::with_numbers(precision, [&](auto number) {
    fleet::run_gradient<decltype(number)>(session, layer, fleet.members, end, gradient, sums, coefficients);
  });
}

}  // namespace cuda
}  // namespace quarry
