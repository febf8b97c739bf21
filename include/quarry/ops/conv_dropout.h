// SPDX-License-Identifier: MIT
// Channel dropout of a residual network: which channels live. Shared by the CPU and CUDA backends.
//
// A channel of a site (nn/resnet.h, DropoutSites) lives if word >= floor(p 2^32), with
//   word = Philox(key; channel / 4, row, step, site)[channel % 4]
// Training: row = place in the batch, step = number of the training step since the start. Scoring: row = 0 for every
// image, step = pass. What lives is scaled by 1 / (1 - p), the rest is 0.
#pragma once

#include <cstdint>

#include "quarry/core/host_device.h"
#include "quarry/core/rng.h"

namespace quarry {

QUARRY_HD constexpr std::uint32_t dropout_threshold(double rate) {
  return static_cast<std::uint32_t>(rate * 0x1.0p32);
}

/// Words of the channels 4 * quad ... 4 * quad + 3.
QUARRY_HD constexpr PhiloxBlock channel_dropout_words(std::uint64_t key, std::uint32_t row, std::uint32_t step,
                                                      std::uint32_t site, std::uint32_t quad) {
  return philox(philox_key(key), quad, row, step, site);
}

}  // namespace quarry
