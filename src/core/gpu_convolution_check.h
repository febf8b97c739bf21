// SPDX-License-Identifier: MIT
// What every implementation of Convolutions (quarry/core/gpu_convolution.h) checks before it queues anything.
#pragma once

#include <span>

#include "quarry/core/gpu_convolution.h"
#include "src/core/gpu_library_check.h"

namespace quarry::gpu {

inline void check_execution(const ConvolutionPlan& plan, std::int64_t maker,
                            std::span<const ConvolutionOperands> networks, std::span<const Scratch> workspaces) {
  QUARRY_CHECK(plan.maker == maker, "a convolution planned by another than executes it");
  QUARRY_CHECK(!workspaces.empty() && workspaces.size() <= kConvolutionQueues, "{} workspaces for convolutions",
               workspaces.size());
  for (const ConvolutionOperands& of : networks) {
    QUARRY_CHECK(of.first != nullptr && of.second != nullptr && of.result != nullptr,
                 "a convolution of cuDNN without a tensor");
  }
  for (const Scratch& workspace : workspaces) {
    if (plan.workspace > 0) check_scratch(workspace, plan.workspace);
  }
}

}  // namespace quarry::gpu
