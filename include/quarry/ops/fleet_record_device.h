// SPDX-License-Identifier: MIT
// What a fleet of networks tells the host of a training: a few numbers of each, made on the device. Every pointer is a
// device pointer. Nothing allocates, synchronises or reads back.
#pragma once

#include <cstdint>

#include "quarry/core/gpu.h"

namespace quarry::cuda {

/// What has become of a member so far.
struct ConvNetProgress {
  double loss_sum = 0;               ///< of the rows of the last epoch, or evaluation, as they came
  std::int32_t correct = 0;          ///< of the last evaluation
  std::int32_t diverged_epoch = -1;  ///< first epoch with a training loss that is not finite
  std::int32_t non_finite = 0;       ///< a parameter or buffer was not finite when they were looked at
  std::int32_t unused = 0;           ///< written too: every byte goes to the host
};
static_assert(sizeof(ConvNetProgress) == sizeof(double) + 4 * sizeof(std::int32_t), "padding that is never written");

/// Of each member, [member].
struct FleetProgress {
  std::int32_t members = 0;
  const double* loss_sum = nullptr;
  const std::int32_t *correct = nullptr, *diverged_epoch = nullptr, *non_finite = nullptr;
};
/// out [member].
void fleet_progress(gpu::Session& session, const FleetProgress& progress, ConvNetProgress* out);

/// Numbers of each member: [member][rows][width], of which `used` of each row count.
struct FleetNumbers {
  std::int32_t members = 0;
  std::int64_t rows = 0;
  std::int32_t width = 0, used = 0;
  const float* values = nullptr;
};
/// non_finite [member] in and out: 1 where a number is an infinity or NaN; others stay.
void flag_non_finite(gpu::Session& session, const FleetNumbers& numbers, std::int32_t* non_finite);

}  // namespace quarry::cuda
