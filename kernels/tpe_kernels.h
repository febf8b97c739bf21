// SPDX-License-Identifier: MIT
// TPE's loops over components and candidates for one lane type, compiled once per instruction set. Arrays are padded
// to kTpeLanes elements, so that every width divides them.
#pragma once

#include "quarry/ops/tpe_functors.h"

namespace quarry::cpu {

inline constexpr std::int32_t kTpeLanes = 8;

/// The entry points of one instruction set.
struct TpeKernels {
  /// x[i] = log x[i].
  void (*log)(double* x, std::int32_t n);
  /// at[i] = candidate of a component of centre mu[i] and bandwidth sigma[i] at v[i].
  void (*candidates)(const TpeDomain& domain, const double* mu, const double* sigma, const double* v, std::int32_t n,
                     double* at);
  /// out[i] = density of the mixture at at[i], each summed in component order. Sets the coefficients.
  void (*densities)(const TpeDomain& domain, bool normalised, const TpeMixture& mixture, const double* at,
                    std::int32_t n, double* out);
};

template <class L>
struct TpeLoops {
  static void log(double* x, std::int32_t n) {
    for (std::int32_t i = 0; i < n; i += L::N) L::store(x + i, exact_log_lanes<L>(L::load(x + i)));
  }

  static void candidates(const TpeDomain& domain, const double* mu, const double* sigma, const double* v,
                         std::int32_t n, double* at) {
    for (std::int32_t i = 0; i < n; i += L::N) {
      L::store(at + i, tpe_candidate<L>(domain, L::load(mu + i), L::load(sigma + i), L::load(v + i)));
    }
  }

  static void densities(const TpeDomain& domain, bool normalised, const TpeMixture& mixture, const double* at,
                        std::int32_t n, double* out) {
    using V = typename L::V;
    for (std::int32_t i = 0; i < mixture.n; i += L::N) {
      L::store(mixture.coefficient + i,
               tpe_coefficient<L>(domain, normalised, L::load(mixture.mu + i), L::load(mixture.inverse_sigma + i),
                                  L::load(mixture.weight + i)));
    }
    for (std::int32_t c = 0; c < n; c += L::N) {
      const V x = L::load(at + c);
      V sum = L::set(0);
      for (std::int32_t i = 0; i < mixture.n; ++i) {
        const V mu = L::set(mixture.mu[i]), inverse_sigma = L::set(mixture.inverse_sigma[i]);
        const V density = domain.kind == TpeKind::integer ? tpe_component_integer<L>(x, mu, inverse_sigma)
                                                          : tpe_component_real<L>(x, mu, inverse_sigma);
        sum = L::fma(L::set(mixture.coefficient[i]), density, sum);
      }
      L::store(out + c, sum);
    }
  }
};

extern const TpeKernels kTpePortable, kTpeAvx2, kTpeAvx512;

}  // namespace quarry::cpu
