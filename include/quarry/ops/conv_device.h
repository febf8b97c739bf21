// SPDX-License-Identifier: MIT
// Convolutions of a fleet of networks on a GPU: the same layer of M members in one launch, each with its own weights.
//
// Tensors are dense, the members outermost:
//   activations and their gradients  [member][y][x][image][channel]   of float or Bfloat16 (ConvPrecision)
//   weights, momentum, gradients     [member][out channel][ky][kx][in channel]
// Channels of activations, and in-channels of weights, are padded with zeros to a multiple of 8 (padded_channels), so
// that every position begins at a multiple of 16 bytes; the kernels keep the zeros. The image axis has `batch` places,
// of which the first images[member] hold images in this step. The other places of every activation and gradient are
// zero; the kernels keep them zero, given that their inputs do. A member with no images sits the step out: nothing of
// it is written.
//
// Sums. A number of the output is the sum over ky, kx, in channel (forward), ky, kx, out channel (input gradient), or
// y, x, image (weight gradient; pieces of split_rows positions, then the pieces in order). fp32: in exactly that order
// by fma from zero. bf16: the inputs are Bfloat16, sums are float, 16 terms at a time in the order of the tensor core.
// Either way the order follows from the ConvShape alone: the bits of a member are those of every fleet and every GPU
// of one kind, and nothing of a member (a NaN, say) reaches another.
//
// Every pointer is a device pointer aligned to 16 bytes. Nothing allocates, synchronises or reads back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quarry/core/gpu.h"
#include "quarry/core/host_device.h"
#include "quarry/ops/conv_precision.h"

namespace quarry {

QUARRY_HD constexpr std::int32_t padded_channels(std::int32_t channels) {
  return (channels + 7) / 8 * 8;
}

/// A layer: kernel x kernel, square, no bias. Out sizes are (in + 2 padding - kernel) / stride + 1.
struct ConvShape {
  std::int32_t in_channels = 0, out_channels = 0;
  std::int32_t kernel = 3, stride = 1, padding = 1;
  std::int32_t in_height = 0, in_width = 0, out_height = 0, out_width = 0;
  std::int32_t batch = 32;         ///< places for images
  std::int32_t split_rows = 4096;  ///< positions x images of a piece of the weight gradient; a multiple of 32
};

/// Sizes of one member, in numbers.
std::int64_t conv_input_size(const ConvShape& shape);
std::int64_t conv_output_size(const ConvShape& shape);
std::int64_t conv_weight_size(const ConvShape& shape);

/// Tiles of conv_forward that a member's output has: 128 rows each, a row being an image at a position. And floats of
/// the statistics that they leave behind: of each tile and channel the mean and the sum of squared deviations from it,
/// [member][tile][2][padded out channel], over the images that are there, of the numbers as they are stored (what
/// batch_norm_device.h wants).
std::int32_t conv_tiles(const ConvShape& shape);
std::int64_t conv_statistics_size(const ConvShape& shape);

/// Bytes of scratch of conv_weight_gradient and conv_weight_step for so many members; 0 without splits.
std::size_t conv_scratch(const ConvShape& shape, std::int32_t members);

struct FleetImages {
  std::int32_t members = 0;
  const std::int32_t* images = nullptr;  ///< [members] 0..batch
};

/// What stochastic gradient descent needs of a member, [members] each: g' = g + decay w; v = momentum v + g';
/// w = w - lr v, an fma each. v is zero before the first step, which makes v = g' there.
struct SgdRates {
  const float *lr = nullptr, *weight_decay = nullptr, *momentum = nullptr;
};

/// The weights of a layer. `copy`: what the other kernels read in bf16; null in fp32, where they read `weights`.
struct SgdWeights {
  float *weights = nullptr, *velocity = nullptr;
  void* copy = nullptr;
};

namespace cuda {

/// Launch shapes: pure functions.
gpu::LaunchShape conv_forward_launch(const ConvShape& shape, std::int32_t members);
gpu::LaunchShape conv_input_gradient_launch(const ConvShape& shape, std::int32_t members);
gpu::LaunchShape conv_weight_gradient_launch(const ConvShape& shape, std::int32_t members);

/// Errors of all: a check fails on a shape that cannot be, or one whose tensors of a member have 2^31 numbers or more.
/// y = x * w. statistics: conv_statistics_size floats a member, or null.
void conv_forward(gpu::Session& session, ConvPrecision precision, const ConvShape& shape, const FleetImages& fleet,
                  const void* x, const void* w, void* y, float* statistics);
/// dx = gradient of the input from dy; add: dx += it (a single rounding to bf16).
void conv_input_gradient(gpu::Session& session, ConvPrecision precision, const ConvShape& shape,
                         const FleetImages& fleet, const void* dy, const void* w, void* dx, bool add);
/// gradient = that of the weights, float. scratch: conv_scratch bytes.
void conv_weight_gradient(gpu::Session& session, ConvPrecision precision, const ConvShape& shape,
                          const FleetImages& fleet, const void* x, const void* dy, float* gradient, void* scratch);
/// The same gradient, and the step of the optimiser in the epilogue.
void conv_weight_step(gpu::Session& session, ConvPrecision precision, const ConvShape& shape, const FleetImages& fleet,
                      const void* x, const void* dy, const SgdRates& rates, const SgdWeights& weights, void* scratch);

/// What the kernels above do beside a convolution, for one that a library has made.
/// The statistics that conv_forward leaves behind of the same y, bit for bit.
void conv_statistics(gpu::Session& session, ConvPrecision precision, const ConvShape& shape, const FleetImages& fleet,
                     const void* y, float* statistics);
/// sum += gradient, both of the layer's input; rounded once more.
void conv_add_input_gradient(gpu::Session& session, ConvPrecision precision, const ConvShape& shape,
                             const FleetImages& fleet, const void* gradient, void* sum);
/// The step of conv_weight_step with a gradient that is there, in numbers of the precision.
void conv_gradient_step(gpu::Session& session, ConvPrecision precision, const ConvShape& shape,
                        const FleetImages& fleet, const void* gradient, const SgdRates& rates,
                        const SgdWeights& weights);

}  // namespace cuda
}  // namespace quarry
