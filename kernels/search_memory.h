// SPDX-License-Identifier: MIT
// The scratch memory of a search on the device, and the constants of its kernels.
#pragma once

#include <cstdint>

#include "quarry/core/host_device.h"
#include "quarry/ops/tpe_functors.h"

namespace quarry::cuda {

inline constexpr std::int32_t kSearchThreads = 512, kSearchWarps = kSearchThreads / 32;

/// Arrays in DeviceSearch::scratch. A "place" is a component of one of the two mixtures of a parameter: those of the
/// best trials come first, those of the others from place n_below + 1 on (n_below best trials at most, and the prior).
struct SearchMemory {
  std::int64_t places = 0;  ///< per parameter: two mixtures of all trials together
  // [parameter][place]
  double *mu, *sigma, *inverse_sigma, *weight, *coefficient;
  std::int32_t* order;  ///< categorical: the observed choices
  std::int32_t *from_left, *from_right;
  // [parameter][...]
  double* density;         ///< [candidate][place]
  double* candidate;       ///< [candidate]
  double* mixture;         ///< [side][candidate]: density of the whole mixture
  double* value;           ///< the parameter's value, should it be asked
  std::int64_t* position;  ///< where the parameter's uniforms start in the stream; -1: it draws nothing
  std::int32_t* observed;  ///< [side]: observations
  // [trial]
  double* rank;
  std::int32_t *tier, *side;
  double* column;     ///< [warp][trial]: values of the trials at one step
  std::int64_t size;  ///< doubles of all arrays
};

/// Cuts scratch into its arrays; without memory (null) only `size` has a meaning.
QUARRY_HD inline SearchMemory search_memory(double* scratch, std::int64_t parameters, std::int64_t trials,
                                            std::int64_t candidates) {
  std::int64_t used = 0;
  const auto doubles = [&](std::int64_t n) {
    double* const at = scratch == nullptr ? nullptr : scratch + used;
    used += n;
    return at;
  };
  const auto integers = [&](std::int64_t n) { return reinterpret_cast<std::int32_t*>(doubles((n + 1) / 2)); };
  SearchMemory memory;
  memory.places = trials + 2;
  const std::int64_t all = parameters * memory.places;
  memory.mu = doubles(all);
  memory.sigma = doubles(all);
  memory.inverse_sigma = doubles(all);
  memory.weight = doubles(all);
  memory.coefficient = doubles(all);
  memory.order = integers(all);
  memory.from_left = integers(all);
  memory.from_right = integers(all);
  memory.density = doubles(all * candidates);
  memory.candidate = doubles(parameters * candidates);
  memory.mixture = doubles(2 * parameters * candidates);
  memory.value = doubles(parameters);
  memory.position = reinterpret_cast<std::int64_t*>(doubles(parameters));
  memory.observed = integers(2 * parameters);
  memory.rank = doubles(trials);
  memory.tier = integers(trials);
  memory.side = integers(trials);
  memory.column = doubles(kSearchWarps * trials);
  memory.size = used;
  return memory;
}

}  // namespace quarry::cuda
