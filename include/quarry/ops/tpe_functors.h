// SPDX-License-Identifier: MIT
// Tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kegl: "Algorithms for Hyper-Parameter Optimization",
// NIPS 2011) of one parameter, with the semantics of Optuna 3.1; docs/search.md has the rules in words.
//
// Two mixtures are built, l from the values of the best trials and g from those of the others. Candidates are drawn
// from l; the one with the largest l(x) / g(x) wins, the first on ties. These functors are shared by host and device:
// double, fma only where written, sums in component order, no library mathematics. A mixture of m observations has
// m + 1 components in the order of the observations (trial order), the prior last. L is a lane type (exact_math.h).
#pragma once

#include <cstdint>

#include "quarry/core/special_math.h"
#include "quarry/ops/argsort.h"

namespace quarry {

enum class TpeKind : std::int32_t { real, real_log, integer, integer_log };

QUARRY_HD constexpr bool is_log(TpeKind kind) {
  return kind == TpeKind::real_log || kind == TpeKind::integer_log;
}
QUARRY_HD constexpr bool is_integer(TpeKind kind) {
  return kind == TpeKind::integer || kind == TpeKind::integer_log;
}

/// Where the values of a numerical parameter live. The mixtures live in sampling space: the logarithm of the value if
/// log, else the value. An integer owns the interval of +-1/2 around it.
struct TpeDomain {
  TpeKind kind = TpeKind::real;
  double low = 0, high = 1;                ///< bounds of the value
  double sample_low = 0, sample_high = 1;  ///< interval in sampling space
};

QUARRY_HD inline TpeDomain make_tpe_domain(TpeKind kind, double low, double high) {
  const double half = is_integer(kind) ? 0.5 : 0.0;
  const double from = low - half, to = high + half;
  return {kind, low, high, is_log(kind) ? exact_log(from) : from, is_log(kind) ? exact_log(to) : to};
}

/// Nearest integer, halves to even, for |x| < 2^51.
template <class L>
QUARRY_HD inline typename L::V round_to_even(typename L::V x) {
  return L::sub(L::add(x, L::set(0x1.8p52)), L::set(0x1.8p52));
}

/// The value that a point of the sampling space stands for.
template <class L>
QUARRY_HD inline typename L::V tpe_value(const TpeDomain& domain, typename L::V x) {
  if (is_log(domain.kind)) x = exact_exp_lanes<L>(x);
  if (is_integer(domain.kind)) {
    const typename L::V low = L::set(domain.low);
    x = L::add(round_to_even<L>(L::sub(x, low)), low);
  }
  return special::clamp<L>(x, L::set(domain.low), L::set(domain.high));
}

/// Start-up draw from u in [0, 1): uniform in sampling space.
QUARRY_HD inline double tpe_uniform(const TpeDomain& domain, double u) {
  return tpe_value<ScalarDouble>(domain, domain.sample_low + (domain.sample_high - domain.sample_low) * u);
}

/// Candidate drawn from a component by the inverse distribution function at v, in sampling space; integers sit on
/// their own point.
template <class L>
QUARRY_HD inline typename L::V tpe_candidate(const TpeDomain& domain, typename L::V mu, typename L::V sigma,
                                             typename L::V v) {
  using V = typename L::V;
  const V low = L::set(domain.sample_low), high = L::set(domain.sample_high);
  const V z = special::truncated_ppf_around_zero<L>(v, L::div(L::sub(low, mu), sigma), L::div(L::sub(high, mu), sigma));
  const V x = special::clamp<L>(L::add(L::mul(z, sigma), mu), low, high);
  if (!is_integer(domain.kind)) return x;
  const V value = tpe_value<L>(domain, x);
  return is_log(domain.kind) ? exact_log_lanes<L>(value) : value;
}

/// What the density of a component is multiplied by: its weight over its mass in the interval, and constants.
/// normalised = false: reals lack the factor 1/sigma, as in Optuna up to 3.4.
template <class L>
QUARRY_HD inline typename L::V tpe_coefficient(const TpeDomain& domain, bool normalised, typename L::V mu,
                                               typename L::V inverse_sigma, typename L::V weight) {
  using V = typename L::V;
  const V mass = special::normal_mass<L>(L::mul(L::sub(L::set(domain.sample_low), mu), inverse_sigma),
                                         L::mul(L::sub(L::set(domain.sample_high), mu), inverse_sigma));
  const V share = L::div(weight, mass);
  if (domain.kind == TpeKind::integer) return share;
  const V real = L::mul(share, L::set(special::kInvSqrtTwoPi));
  return normalised ? L::mul(real, inverse_sigma) : real;
}

/// Density of one component at x before the coefficient, reals (and integers in log space, as Optuna has it). Far
/// away it stops at 1e-304, which the prior drowns: denormal numbers are slow.
template <class L>
QUARRY_HD inline typename L::V tpe_component_real(typename L::V x, typename L::V mu, typename L::V inverse_sigma) {
  using V = typename L::V;
  const V z = L::mul(L::sub(x, mu), inverse_sigma);
  const V exponent = L::mul(L::mul(L::set(-0.5), z), z), least = L::set(-700);
  return exact_exp_lanes<L>(L::select(L::lt(exponent, least), least, exponent));
}

/// Integers: the component's mass in [x - 1/2, x + 1/2].
template <class L>
QUARRY_HD inline typename L::V tpe_component_integer(typename L::V x, typename L::V mu, typename L::V inverse_sigma) {
  using V = typename L::V;
  const V least = L::set(-37), most = L::set(37), half = L::set(0.5);
  const V from = L::mul(L::sub(L::sub(x, half), mu), inverse_sigma);
  const V to = L::mul(L::sub(L::add(x, half), mu), inverse_sigma);
  return special::normal_mass<L>(special::clamp<L>(from, least, most), special::clamp<L>(to, least, most));
}

/// Size of the group of best trials among n.
QUARRY_HD constexpr std::int32_t tpe_n_below(std::int32_t n) {
  const double share = 0.1 * n;
  const auto floor = static_cast<std::int32_t>(share);
  const std::int32_t ceil = floor + (share > floor ? 1 : 0);
  return ceil < 25 ? ceil : 25;
}

/// Unnormalised weight of observation i of m: the last 25 count fully, older ones less, down to 1/m.
QUARRY_HD constexpr double tpe_weight(std::int32_t i, std::int32_t m) {
  const std::int32_t ramp = m - 25;
  if (i >= ramp || (i == ramp - 1 && ramp > 1)) return 1.0;
  const double first = 1.0 / m;
  return ramp == 1 ? first : first + i * ((1.0 - first) / (ramp - 1));
}

/// A mixture of n = m + 1 components in arrays of the caller.
struct TpeMixture {
  std::int32_t n = 0;
  double* mu = nullptr;     ///< centre, in sampling space
  double* sigma = nullptr;  ///< bandwidth
  double* inverse_sigma = nullptr;
  double* weight = nullptr;       ///< normalised
  double* coefficient = nullptr;  ///< tpe_coefficient
  std::int32_t* order = nullptr;  ///< scratch
};

/// Bandwidth of the centre at place i of the sorted order (mixture.mu and order are set): the larger of the gaps to the
/// two neighbours (the ends of the interval count as neighbours, but not for the first and last of at least two
/// centres), at least range / min(100, m + 2), at most the range. The prior's is the range, whatever its place.
QUARRY_HD inline double tpe_bandwidth(const TpeDomain& domain, const TpeMixture& mixture, std::int32_t i) {
  const std::int32_t n = mixture.n;
  const double range = domain.sample_high - domain.sample_low;
  if (mixture.order[i] == n - 1) return range;
  const double least = range / (n + 1 < 100 ? n + 1.0 : 100.0);
  const double centre = mixture.mu[mixture.order[i]];
  const double left = centre - (i > 0 ? mixture.mu[mixture.order[i - 1]] : domain.sample_low);
  const double right = (i + 1 < n ? mixture.mu[mixture.order[i + 1]] : domain.sample_high) - centre;
  double sigma = left > right ? left : right;
  if (n > 1 && i == 0) sigma = right;
  if (n > 1 && i == n - 1) sigma = left;
  return special::clamp<ScalarDouble>(sigma, least, range);
}

/// The prior's centre.
QUARRY_HD inline double tpe_prior(const TpeDomain& domain) {
  return 0.5 * (domain.sample_low + domain.sample_high);
}

/// Everything but the coefficients; mixture.n and the centres of the observations are set.
QUARRY_HD inline void tpe_build(const TpeDomain& domain, const TpeMixture& mixture) {
  const std::int32_t m = mixture.n - 1;
  double total = 1.0;  // the prior's weight
  for (std::int32_t i = 0; i < m; ++i) {
    mixture.weight[i] = tpe_weight(i, m);
    total += mixture.weight[i];
  }
  mixture.weight[m] = 1.0;
  mixture.mu[m] = tpe_prior(domain);
  numpy_argsort(mixture.mu, mixture.n, mixture.order);
  for (std::int32_t i = 0; i <= m; ++i) mixture.sigma[mixture.order[i]] = tpe_bandwidth(domain, mixture, i);
  for (std::int32_t i = 0; i <= m; ++i) {
    mixture.weight[i] /= total;
    mixture.inverse_sigma[i] = 1.0 / mixture.sigma[i];
  }
}

/// Component of a draw: right-sided search of u in the cumulative weights.
QUARRY_HD inline std::int32_t tpe_component(const double* weight, std::int32_t n, double u) {
  double total = 0;
  for (std::int32_t i = 0; i < n; ++i) total += weight[i];
  std::int32_t k = 0;
  double cumulative = weight[0];
  while (k + 1 < n && cumulative / total <= u) cumulative += weight[++k];
  return k;
}

/// Categorical parameter of c choices: each of the m observed choices is a component with mass 1/(m + 1) on every
/// choice and 1 more on its own, normalised; the prior is uniform. Probability of `choice` under component k.
QUARRY_HD inline double tpe_category(const std::int32_t* observed, std::int32_t m, std::int32_t c, std::int32_t k,
                                     std::int32_t choice) {
  if (k == m) return 1.0 / c;
  const double base = 1.0 / (m + 1.0);
  return (base + (observed[k] == choice ? 1.0 : 0.0)) / (c * base + 1.0);
}

/// Probability of `choice` under the mixture. Choices that were seen with the same weights get the same bits, so that
/// they tie.
QUARRY_HD inline double tpe_category_density(const std::int32_t* observed, std::int32_t m, std::int32_t c,
                                             std::int32_t choice) {
  double total = 0, own = 0;
  for (std::int32_t i = 0; i < m; ++i) {
    const double weight = tpe_weight(i, m);
    total += weight;
    if (observed[i] == choice) own += weight;
  }
  const double base = 1.0 / (m + 1.0);
  return (1.0 / c + (total * base + own) / (c * base + 1.0)) / (total + 1.0);
}

/// Choice drawn from component k at v.
QUARRY_HD inline std::int32_t tpe_category_draw(const std::int32_t* observed, std::int32_t m, std::int32_t c,
                                                std::int32_t k, double v) {
  double cumulative = 0;
  for (std::int32_t choice = 0; choice + 1 < c; ++choice) {
    cumulative += tpe_category(observed, m, c, k, choice);
    if (cumulative >= v) return choice;
  }
  return c - 1;
}

}  // namespace quarry
