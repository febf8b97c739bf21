// SPDX-License-Identifier: MIT
// Which engine runs a convolution: a table by layer shape, direction and kind of device, and by nothing else, unless
// the user has chosen cuDNN for them all. Never by the width of the fleet or by a timing, so that the bits of a member
// do not depend on where it trained. Sums of two engines differ in their order; results therefore record the version of
// the table and the engines they used.
#pragma once

#include <cstdint>
#include <string_view>

#include "quarry/core/gpu_convolution.h"
#include "quarry/ops/conv_device.h"

namespace quarry {

enum class ConvEngine : std::int32_t {
  fp32_fma,  ///< conv.cu, conv_weights.cu: one chain of fused multiply-adds a number
  bf16_mma,  ///< the same kernels on tensor cores (mma.sync m16n8k16), for compute capability 8.0 and later
  cudnn,  ///< quarry/core/gpu_convolution.h, one member at a time. No line of the table: a user's choice for the whole
          ///< network (ConvChoice), and what the others are compared with
};

enum class ConvPass : std::int32_t { forward, input_gradient, weight_gradient };

/// Counts the tables that have been: a change of any entry, or of an engine's order of sums, is a new version.
inline constexpr std::int32_t kConvEngineTable = 1;

/// The engine for a layer on devices of compute capability `major`.`minor`.
/// Error: usage where no engine of the table runs there, naming what to choose instead.
ConvEngine conv_engine(const ConvShape& shape, ConvPass pass, ConvPrecision precision, int major, int minor);

std::string_view to_string(ConvEngine engine);

/// One member's convolution, all places for images, as cuDNN is asked for it.
/// Error: a check fails on out channels that are no multiple of 8, and on a padding other than (kernel - 1) / 2.
gpu::ConvolutionProblem convolution_problem(const ConvShape& shape, ConvPass pass, ConvPrecision precision);

}  // namespace quarry
