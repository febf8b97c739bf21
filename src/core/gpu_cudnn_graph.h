// SPDX-License-Identifier: MIT
// What src/core/gpu_cudnn*.cpp know of each other.
#pragma once

#include <memory>
#include <string>

#include "quarry/core/gpu_convolution.h"
#include "src/core/gpu_cudnn.h"

namespace quarry::gpu {

/// The tensors' numbers in a graph.
inline constexpr std::int64_t kCudnnInput = 1, kCudnnWeights = 2, kCudnnOutput = 3;

/// Error: usage if cuDNN refuses the text.
std::shared_ptr<const CudnnDescriptor> cudnn_properties(const std::string& json);

/// plan_convolution over a descriptor, for execution with `handle` unless it is null. ConvolutionPlan::native is the
/// finalized execution plan.
ConvolutionPlan plan_cudnn(const ConvolutionProblem& problem, std::shared_ptr<const CudnnDescriptor> properties,
                           cudnnHandle_t handle);

}  // namespace quarry::gpu
