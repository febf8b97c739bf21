// SPDX-License-Identifier: MIT
// The convolutions of a fleet by cuDNN (training.convolution = "cudnn"): an execution of its own for every member, with
// that member's part of the fleet's tensors as they lie, spread over a few queues. Part of a recorded step like the
// fleet's kernels. What our convolutions do in their epilogues follows as kernels of ours (ops/conv_device.h).
//
// Every member is convolved in every step, whether it has images in it or not: of one without, nothing is read
// afterwards. Where a place holds no image, activations and gradients are zero, and so is what comes of them. In bf16
// the weight gradient is rounded to bf16 before the step, as PyTorch's mixed precision does it: cuDNN 9.19 has no
// engine that makes it in float of operands in bf16.
//
// The engine of a layer and pass is planned from the layer, the batch and the precision alone, so that a member's bits
// are those of any fleet, as with our kernels.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "quarry/core/gpu_convolution.h"
#include "src/nn/conv_fleet_arrays.h"

namespace quarry::cuda {

/// The convolutions that train such a network, each once, in the network's order; the first layer has no gradient of
/// its input.
std::vector<gpu::ConvolutionProblem> library_problems(const ResNetPlan& plan, ConvPrecision precision,
                                                      std::int32_t batch);

/// "cuDNN 9.19.0, choices 1a2b3c4d": the version, and the CRC-32 of the engines it chooses for the problems on the
/// session's device. Errors: as Convolutions.
std::string library_name(gpu::Session& session, std::span<const gpu::ConvolutionProblem> problems);

class LibraryConvolutions {
 public:
  /// Plans and workspaces. Errors: as gpu::Convolutions; Failure if the memory does not suffice.
  LibraryConvolutions(gpu::Session& session, const ResNetPlan& plan, const NetSize& size);

  /// The pass of a layer for all members; operands as gpu::ConvolutionOperands has them, of the fleet.
  void run(const ConvShape& shape, ConvPass pass, const void* first, const void* second, void* result);

  /// Gives the workspaces back, behind what is in the queue. Nothing can be run after it.
  void release();

 private:
  const gpu::ConvolutionPlan& plan_of(const gpu::ConvolutionProblem& problem) const;

  const NetSize size_;
  gpu::Convolutions convolutions_;
  std::vector<gpu::ConvolutionPlan> plans_;
  std::vector<gpu::Buffer<unsigned char>> memory_;
  std::vector<gpu::Scratch> workspaces_;
};

}  // namespace quarry::cuda
