// SPDX-License-Identifier: MIT
// The random keys of a fit, the same on host and device.
#pragma once

#include <cstdint>

#include "quarry/core/rng.h"

namespace quarry {

struct FitKeys {
  std::uint64_t init = 0, order = 0, dropout = 0;
};

/// Place of the fit in its run (FitPlace; model = FitModel, 0 for the classifier); it counts only if every use has its
/// own weights (B8).
QUARRY_HD constexpr FitKeys fit_keys(std::uint64_t seed, bool per_use, std::int32_t iteration, std::int32_t trial,
                                     std::int32_t fold, std::int32_t model = 0) {
  std::uint64_t use = 0;
  if (per_use) {
    use = hash_combine(use, static_cast<std::uint64_t>(std::int64_t{iteration}));
    use = hash_combine(use, static_cast<std::uint64_t>(std::int64_t{trial}));
    use = hash_combine(use, static_cast<std::uint64_t>(std::int64_t{fold}));
    if (model != 0) use = hash_combine(use, static_cast<std::uint64_t>(std::int64_t{model}));
  }
  return {stream_key(seed, RngPurpose::init, use), stream_key(seed, RngPurpose::order, use),
          stream_key(seed, RngPurpose::dropout, use)};
}

}  // namespace quarry
