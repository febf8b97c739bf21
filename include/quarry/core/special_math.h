// SPDX-License-Identifier: MIT
// Error function, normal distribution and truncated normal distribution in double, the same bits in scalar code, on
// every SIMD level and later on a GPU: built on quarry/core/exact_math.h, fma only where written, no library
// mathematics.
//
// One approximation carries nearly everything: erfcx(x) = exp(x^2) erfc(x) for x >= 0, as a polynomial in
// (x - 3) / (x + 3). The polynomials are our own Chebyshev expansions (tests/goldens/core/make_special_math.py).
// Relative errors are below 1e-14 over the whole range, tails included (tests/core/special_math_test.cpp).
// Functions of a lane type L (see exact_math.h; here the lanes need sqrt too) have no branches; the others are scalar.
#pragma once

#include "quarry/core/exact_math.h"
#include "quarry/core/host_device.h"

namespace quarry {

/// ScalarLane with a square root: what the templates below ask of a lane type of double.
struct ScalarDouble : ScalarLane<double> {
  QUARRY_HD static double sqrt(double x) { return std::sqrt(x); }
};

namespace special {

inline constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1;       ///< 1 / sqrt 2
inline constexpr double kSqrtTwoOverPi = 0x1.9884533d43651p-1;  ///< sqrt(2 / pi)
inline constexpr double kInvSqrtTwoPi = 0x1.9884533d43651p-2;   ///< 1 / sqrt(2 pi)
inline constexpr double kLogTwoPi = 0x1.d67f1c864beb5p+0;       ///< log(2 pi)

template <class L>
QUARRY_HD inline typename L::V absolute(typename L::V x) {
  return L::select(L::lt(x, L::set(0)), L::sub(L::set(0), x), x);
}

template <class L>
QUARRY_HD inline typename L::V clamp(typename L::V x, typename L::V low, typename L::V high) {
  x = L::select(L::lt(x, low), low, x);
  return L::select(L::lt(high, x), high, x);
}

/// exp(x^2) erfc(x) for 0 <= x <= 1e300. Even and odd powers apart: two chains have half the latency of one.
template <class L>
QUARRY_HD inline typename L::V erfcx(typename L::V x) {
  using V = typename L::V;
  constexpr double even[13] = {0x1.12f21ddd9f5e2p+0,   0x1.2e326945de2bfp-1,   0x1.e995f11b16284p-4,
                               -0x1.3dd3e70bb42bbp-10, -0x1.1f78e1a4b701ap-11, 0x1.c32546d0402f9p-14,
                               -0x1.251b91be03b8cp-16, 0x1.732a3254d888bp-19,  -0x1.b60a0f57088ecp-22,
                               0x1.8ba264c4df850p-25,  -0x1.0de28adc31b97p-30, -0x1.0ceab3c19e071p-30,
                               0x1.691ad124a068ep-33};
  constexpr double odd[12] = {-0x1.c44c471baa374p-1,  -0x1.3deb21415ddf3p-2,  -0x1.b78993d68e0b5p-6,
                              0x1.8dae3a181e4d4p-9,   -0x1.2238fa8d3e88dp-12, 0x1.fdfea32e244b4p-16,
                              -0x1.3eb3af3da872ep-18, 0x1.0c1e2ebd5f692p-20,  -0x1.f6326b9426a64p-23,
                              0x1.b7a7561066d9ep-25,  -0x1.2ab73f477c0acp-27, 0x1.bde3c6a0bc366p-31};
  const V r = L::div(L::set(1), L::add(x, L::set(3)));
  const V t = L::mul(L::sub(x, L::set(3)), r);
  const V u = L::mul(t, t);
  return L::mul(L::fma(exact_detail::horner<L>(u, odd), t, exact_detail::horner<L>(u, even)), r);
}

/// exp(-x^2 / 2) with the rounding error of the square carried along: accurate in the far tail too.
template <class L>
QUARRY_HD inline typename L::V exp_minus_half_square(typename L::V x) {
  using V = typename L::V;
  const V square = L::mul(x, x);
  const V error = L::fma(x, x, L::sub(L::set(0), square));
  const V e = exact_exp_lanes<L>(L::mul(L::set(-0.5), square));
  return L::fma(L::mul(L::set(-0.5), error), e, e);
}

/// Upper tail P(Z > x) of the standard normal for x >= 0; beyond 40 it stays at that of 40, which is 0.
template <class L>
QUARRY_HD inline typename L::V normal_upper(typename L::V x) {
  const typename L::V clipped = L::select(L::lt(x, L::set(40)), x, L::set(40));
  return L::mul(L::mul(L::set(0.5), exp_minus_half_square<L>(clipped)), erfcx<L>(L::mul(clipped, L::set(kSqrtHalf))));
}

/// P(a < Z < b) for a <= b.
template <class L>
QUARRY_HD inline typename L::V normal_mass(typename L::V a, typename L::V b) {
  using V = typename L::V;
  const V upper_a = normal_upper<L>(absolute<L>(a)), upper_b = normal_upper<L>(absolute<L>(b));
  const V around_zero = L::sub(L::sub(L::set(1), upper_a), upper_b);
  const V one_sided = absolute<L>(L::sub(upper_a, upper_b));
  return L::select(L::lt(L::mul(a, b), L::set(0)), around_zero, one_sided);
}

/// Two steps of Halley's method from x < 0 towards the root of log Phi(x) = y, y <= log(1/2): the derivative is
/// r = phi / Phi and the second derivative -r (x + r), so they cost nothing more.
template <class L>
QUARRY_HD inline typename L::V refine_ppf(typename L::V x, typename L::V y) {
  using V = typename L::V;
  for (int step = 0; step < 2; ++step) {
    const V scaled = erfcx<L>(L::mul(x, L::set(-kSqrtHalf)));
    const V log_scaled = exact_log_lanes<L>(L::mul(L::set(0.5), scaled));
    const V f = L::sub(L::fma(L::mul(L::set(-0.5), x), x, log_scaled), y);
    const V r = L::div(L::set(kSqrtTwoOverPi), scaled);
    const V newton = L::div(f, r);
    x = L::sub(x, L::div(newton, L::fma(L::mul(L::set(0.5), newton), L::add(x, r), L::set(1))));
  }
  return x;
}

/// The x < 0 whose log distribution function is y, for log(0.2) >= y >= -800.
template <class L>
QUARRY_HD inline typename L::V ppf_lower_tail(typename L::V y) {
  using V = typename L::V;
  constexpr double start[7] = {0x1.66980ed005fafp-6,  0x1.068d3ec458470p+2, -0x1.d912112222b71p+3, 0x1.9aba98986f2afp+5,
                               -0x1.c50ad63742d26p+6, 0x1.0cb0d11a017c6p+7, -0x1.040d40e606366p+6};
  const V v = L::sqrt(L::mul(L::set(-2), y));
  const V x = L::sub(exact_detail::horner<L>(L::div(L::set(1), v), start), v);
  return refine_ppf<L>(x, y);
}

/// Inverse distribution function from d = p - 1/2, |d| <= 0.3.
template <class L>
QUARRY_HD inline typename L::V ppf_central(typename L::V d) {
  constexpr double q[17] = {0x1.40d931ff62706p+1,   0x1.4ffddeaa22d84p+1,   0x1.71713082e265cp+2,
                            0x1.f55d0d71e524dp+3,   0x1.78494c734e6e4p+5,   0x1.2ba8a9aaef2ffp+7,
                            0x1.f04e66e7318b2p+8,   0x1.a5fa0e6b30c61p+10,  0x1.74616679bdf1ap+12,
                            0x1.1aeaf2668b970p+14,  0x1.087fe832d746cp+17,  -0x1.7d9665133f758p+19,
                            0x1.b04d82f342e63p+23,  -0x1.b6a51c544f319p+26, 0x1.61bda20fb9eb6p+29,
                            -0x1.4601008640e47p+31, 0x1.41584d3afc1d0p+32};
  return L::mul(exact_detail::horner<L>(L::mul(d, d), q), d);
}

/// Inverse distribution function from both tails, lower + upper = 1 up to rounding: the smaller one carries the
/// accuracy. Both must be positive.
template <class L>
QUARRY_HD inline typename L::V ppf_two_sided(typename L::V lower, typename L::V upper) {
  using V = typename L::V;
  const auto left = L::lt(lower, upper);
  const V smaller = L::select(left, lower, upper);
  const V central = ppf_central<L>(L::sub(smaller, L::set(0.5)));
  const V tail = ppf_lower_tail<L>(exact_log_lanes<L>(smaller));
  const V x = L::select(L::lt(smaller, L::set(0.2)), tail, central);
  return L::select(left, x, L::sub(L::set(0), x));
}

/// Inverse distribution function of the standard normal truncated to [a, b], a <= 0 <= b, a < b, 0 <= q <= 1.
template <class L>
QUARRY_HD inline typename L::V truncated_ppf_around_zero(typename L::V q, typename L::V a, typename L::V b) {
  using V = typename L::V;
  const V below = normal_upper<L>(L::sub(L::set(0), a)), above = normal_upper<L>(b);
  const V mass = L::sub(L::sub(L::set(1), below), above);
  const V lower = L::fma(q, mass, below), upper = L::fma(L::sub(L::set(1), q), mass, above);
  const V smallest = L::set(1e-300);  // keeps the logarithm finite; nothing is drawn beyond -37
  V x = ppf_two_sided<L>(L::select(L::lt(lower, smallest), smallest, lower),
                         L::select(L::lt(upper, smallest), smallest, upper));
  x = L::select(L::lt(L::set(0), q), clamp<L>(x, a, b), a);
  return L::select(L::lt(q, L::set(1)), x, b);
}

}  // namespace special

// Scalar functions.

QUARRY_HD inline double exact_erfc(double x) {
  if (x != x) return x;
  const double a = x < 0 ? -x : x;
  const double clipped = a < 28 ? a : 28;  // erfc(28) is 0
  const double square = clipped * clipped, error = std::fma(clipped, clipped, -square);
  const double e = exact_exp(-square);
  const double upper = std::fma(-error, e, e) * special::erfcx<ScalarDouble>(clipped);
  return x < 0 ? 2.0 - upper : upper;
}

QUARRY_HD inline double exact_erf(double x) {
  constexpr double q[12] = {0x1.20dd750429b6dp+0,   -0x1.812746b0379c1p-2,  0x1.ce2f21a040fbfp-4,
                            -0x1.b82ce31204d17p-6,  0x1.565bccfa6f4bep-8,   -0x1.c02db06ca928fp-11,
                            0x1.f9a2bee1b1f05p-14,  -0x1.f4ca8c11f4161p-17, 0x1.b982295083cfcp-20,
                            -0x1.5c14fc0842667p-23, 0x1.d777c51831224p-27,  -0x1.acbabf57ef501p-31};
  if (x >= -1.0 && x <= 1.0) return exact_detail::horner<ScalarDouble>(x * x, q) * x;
  return x < 0 ? exact_erfc(-x) - 1.0 : 1.0 - exact_erfc(x);
}

/// log(1 + x), x > -1, accurate for small x.
QUARRY_HD inline double exact_log1p(double x) {
  const double u = 1.0 + x;
  if (u == 1.0) return x;
  return exact_log(u) + (x - (u - 1.0)) / u;  // the second term is what rounding 1 + x lost
}

/// Distribution function of the standard normal.
QUARRY_HD inline double normal_cdf(double x) {
  const double upper = special::normal_upper<ScalarDouble>(x < 0 ? -x : x);
  return x < 0 ? upper : 1.0 - upper;
}

/// Its logarithm, accurate in both tails.
QUARRY_HD inline double normal_log_cdf(double x) {
  if (x > 0) return exact_log1p(-special::normal_upper<ScalarDouble>(x));
  if (x > -1.0) return exact_log(special::normal_upper<ScalarDouble>(-x));
  return -0.5 * (x * x) + exact_log(0.5 * special::erfcx<ScalarDouble>(-x * special::kSqrtHalf));
}

/// log P(a < Z < b) for a < b, also where the mass itself is below the smallest double.
QUARRY_HD inline double normal_log_mass(double a, double b) {
  if (a < 0 && b > 0) {
    if (a >= -1.0 && b <= 1.0)
      return exact_log(0.5 * (exact_erf(b * special::kSqrtHalf) - exact_erf(a * special::kSqrtHalf)));
    return exact_log1p(-special::normal_upper<ScalarDouble>(-a) - special::normal_upper<ScalarDouble>(b));
  }
  const double near = a >= 0 ? a : -b, far = a >= 0 ? b : -a;  // 0 <= near < far
  const double decay = exact_exp(0.5 * (near - far) * (near + far));
  const double scaled = special::erfcx<ScalarDouble>(near * special::kSqrtHalf) -
                        decay * special::erfcx<ScalarDouble>(far * special::kSqrtHalf);
  return -0.5 * (near * near) + exact_log(0.5 * scaled);
}

/// The x <= 0 whose log distribution function is y <= log(1/2).
QUARRY_HD inline double normal_ppf_of_log(double y) {
  if (y > -1.6) return special::ppf_central<ScalarDouble>(exact_exp(y) - 0.5);
  if (y > -800.0) return special::ppf_lower_tail<ScalarDouble>(y);
  if (y == -__builtin_inf()) return y;
  const double v2 = -2.0 * y;
  return special::refine_ppf<ScalarDouble>(-std::sqrt(v2 - special::kLogTwoPi - exact_log(v2)), y);
}

/// Inverse distribution function of the standard normal, p in [0, 1].
QUARRY_HD inline double normal_ppf(double p) {
  if (p <= 0) return -__builtin_inf();
  if (p >= 1) return __builtin_inf();
  return special::ppf_two_sided<ScalarDouble>(p, 1.0 - p);
}

/// Inverse distribution function of the standard normal truncated to [a, b], a < b, q in [0, 1].
QUARRY_HD inline double truncated_normal_ppf(double q, double a, double b) {
  if (a <= 0 && b >= 0) return special::truncated_ppf_around_zero<ScalarDouble>(q, a, b);
  if (q <= 0) return a;
  if (q >= 1) return b;
  // One tail: the two ends' probabilities, both divided by the density at the nearer end, are interpolated.
  const double near = a > 0 ? a : -b, far = a > 0 ? b : -a;
  const double of_near = a > 0 ? 1.0 - q : q, of_far = a > 0 ? q : 1.0 - q;
  const double decay = exact_exp(0.5 * (near - far) * (near + far));
  const double scaled = of_near * special::erfcx<ScalarDouble>(near * special::kSqrtHalf) +
                        of_far * (decay * special::erfcx<ScalarDouble>(far * special::kSqrtHalf));
  const double x = -normal_ppf_of_log(-0.5 * (near * near) + exact_log(0.5 * scaled));
  return special::clamp<ScalarDouble>(a > 0 ? x : -x, a, b);
}

}  // namespace quarry
