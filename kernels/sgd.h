// SPDX-License-Identifier: MIT
// One step of stochastic gradient descent on one number (quarry/ops/conv_device.h, SgdRates).
#pragma once

#include <cmath>

#include "kernels/simt.h"
#include "quarry/ops/conv_device.h"

namespace quarry {

struct SgdStep {
  float minus_lr, weight_decay, momentum;
};

__device__ inline SgdStep sgd_step(const SgdRates& rates, int member) {
  return {-rates.lr[member], rates.weight_decay[member], rates.momentum[member]};
}

/// The new weight; `velocity` becomes the new one.
__device__ inline float sgd_update(const SgdStep& step, float weight, float& velocity, float gradient) {
  const float decayed = std::fma(step.weight_decay, weight, gradient);
  velocity = std::fma(step.momentum, velocity, decayed);
  return std::fma(step.minus_lr, velocity, weight);
}

}  // namespace quarry
