// SPDX-License-Identifier: MIT
// Batch normalisation, ReLU, residual sum and channel dropout of a fleet on a GPU; tensors, members and the images of a
// step as in conv_device.h. Per member and channel:
//   out = relu((y - mean) scale gamma + beta + residual) drop,   scale = 1 / sqrt(variance + 1e-5)
// with any of residual, relu and drop left out. Training takes mean and biased variance of the step's batch and moves
// the running ones: running = 0.9 running + 0.1 batch, with the unbiased variance. A batch of a single number has an
// unbiased variance of 0 here.
//
// Sums over the batch: the tiles' means and squared deviations of conv_forward, respectively float sums over slabs of
// 256 rows, are combined in double, in an order that follows from the shape alone. What is stored of y is what is
// normalised. Every pointer is a device pointer aligned to 16 bytes. Nothing allocates, synchronises or reads back.
#pragma once

#include "quarry/ops/conv_device.h"

namespace quarry {

struct BatchNormShape {
  std::int32_t channels = 0, height = 0, width = 0;
  std::int32_t batch = 32;
};

inline constexpr double kBatchNormEpsilon = 1e-5;
inline constexpr float kBatchNormMomentum = 0.1f;
inline constexpr std::int32_t kBatchNormSlab = 256;  ///< rows whose gradients are summed in float

/// Of a layer, [member][padded channels] each; gamma and beta of the padding are 0.
struct BatchNorm {
  float *gamma = nullptr, *beta = nullptr;
  float *running_mean = nullptr, *running_variance = nullptr;
  float *mean = nullptr, *scale = nullptr;  ///< out of batch_norm_statistics or batch_norm_running, in of the others
};

/// What comes behind the normalisation; zeros and nulls leave it out.
struct BatchNormEnd {
  const void* residual = nullptr;  ///< as y
  bool relu = true;
  /// Factors of dropout, [member][batch][padded channels] if per_image, else [member][padded channels]; in
  /// batch_norm_gradient the same as forward.
  const float* drop = nullptr;
  bool per_image = false;
};

/// Gradients of one layer.
struct BatchNormGradient {
  const void *y = nullptr, *out = nullptr;  ///< of the forward pass; out decides where the ReLU was open
  const void* d_out = nullptr;
  void* d_y = nullptr;         ///< may be d_out
  void* d_residual = nullptr;  ///< gradient of what goes into the ReLU; or null. Not d_y; may be d_out
  /// The step of gamma and beta; or, with d_gamma and d_beta, their gradients and no step.
  SgdRates rates;
  float *gamma_velocity = nullptr, *beta_velocity = nullptr;
  float *d_gamma = nullptr, *d_beta = nullptr;
};

/// Slabs of rows (positions x images), and bytes of scratch of batch_norm_gradient: pure functions.
std::int64_t batch_norm_slabs(const BatchNormShape& shape);
std::size_t batch_norm_scratch(const BatchNormShape& shape, std::int32_t members);

namespace cuda {

/// Mean and scale of the batch from the statistics of conv_forward on a layer of this output; moves the running ones.
void batch_norm_statistics(gpu::Session& session, const BatchNormShape& shape, const FleetImages& fleet,
                           const float* statistics, const BatchNorm& norm);
/// Mean and scale from the running ones: evaluation.
void batch_norm_running(gpu::Session& session, const BatchNormShape& shape, const FleetImages& fleet,
                        const BatchNorm& norm);
/// out may be y or the residual.
void batch_norm_apply(gpu::Session& session, ConvPrecision precision, const BatchNormShape& shape,
                      const FleetImages& fleet, const void* y, const BatchNorm& norm, const BatchNormEnd& end,
                      void* out);
/// Backward through the batch statistics.
void batch_norm_gradient(gpu::Session& session, ConvPrecision precision, const BatchNormShape& shape,
                         const FleetImages& fleet, const BatchNorm& norm, const BatchNormEnd& end,
                         const BatchNormGradient& gradient, void* scratch);

}  // namespace cuda
}  // namespace quarry
