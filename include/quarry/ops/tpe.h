// SPDX-License-Identifier: MIT
// TPE's choice of one parameter on the CPU; the mathematics is in quarry/ops/tpe_functors.h.
#pragma once

#include <cstdint>
#include <span>

#include "quarry/core/buffer.h"
#include "quarry/core/device.h"
#include "quarry/ops/tpe_functors.h"

namespace quarry {

/// One choice of a numerical parameter.
struct TpeProblem {
  TpeDomain domain;
  std::span<const double> below;     ///< values of the best trials, in trial order
  std::span<const double> above;     ///< values of the others, in trial order
  bool normalised = true;            ///< tpe_coefficient
  std::span<const double> uniforms;  ///< of the candidates: component choices, then inverse distribution functions
};

struct TpeChoice {
  double value = 0;
  double ratio = 0;  ///< l(value) / g(value)
};

/// Memory of the calls below: grows to what a call needs, reused by the next.
struct TpeScratch {
  Buffer<double> components, candidates;
  Buffer<std::int32_t> order;
};

namespace cpu {
/// Chooses a value. Equal bits at every SIMD level.
TpeChoice tpe_choose(SimdLevel level, const TpeProblem& problem, TpeScratch& scratch);
/// Log density (reals) or log mass (integers) of the mixture of the observations at each of the values.
void tpe_log_density(SimdLevel level, const TpeDomain& domain, bool normalised, std::span<const double> observations,
                     std::span<const double> values, TpeScratch& scratch, std::span<double> out);
/// Chooses a category among c; uniforms as in TpeProblem.
TpeChoice tpe_choose_category(std::span<const std::int32_t> below, std::span<const std::int32_t> above, std::int32_t c,
                              std::span<const double> uniforms);
}  // namespace cpu

}  // namespace quarry
