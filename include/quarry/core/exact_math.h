// SPDX-License-Identifier: MIT
// exp and log with the same bits everywhere: scalar code, AVX2, AVX-512, and later CUDA.
//
// The formulas use IEEE add, multiply, fma, divide and integer operations only, so every implementation of those
// gives the same result. They are templates over a "lane" type: ScalarLane below, and the vector types of
// kernels/simd_*.h. Measured errors: exp and log below 1 unit in the last place, in float and double
// (tests/core/exact_math_test.cpp). Denormals are neither flushed nor lost; exp overflows to infinity and underflows
// through the denormals to 0; log(+-0) = -inf, log(x < 0) = NaN; every NaN result is the positive quiet NaN.
// The polynomials are our own minimax fits (tests/goldens/core/make_exact_math.py).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "quarry/core/host_device.h"

namespace quarry {

/// Constants of the formulas per precision. ln2 is split in a rounded head and its remainder.
template <class Real>
struct ExactMath;

template <>
struct ExactMath<float> {
  using U = std::uint32_t;
  static constexpr int kMantissa = 23;
  static constexpr U kBias = 127, kNan = 0x7fc00000u, kInf = 0x7f800000u, kSqrtHalf = 0x3f3504f3u;
  static constexpr U kSplit = 256;  ///< shifts the binary exponent to positive numbers before it is halved
  static constexpr float kLog2e = 0x1.715476p+0f, kLn2Head = 0x1.62e43p-1f, kLn2Tail = -0x1.05c61p-29f;
  static constexpr float kRound = 0x1.8p+23f;      ///< adding it rounds to an integer, found in the low bits
  static constexpr float kExact = 0x1.0p+23f;      ///< integer k in the low bits of this number reads as kExact + k
  static constexpr float kLow = -105, kHigh = 89;  ///< beyond these exp is exactly 0 and infinity
  static constexpr float kSmallest = 0x1.0p-126f;  ///< smallest normal number
};

template <>
struct ExactMath<double> {
  using U = std::uint64_t;
  static constexpr int kMantissa = 52;
  static constexpr U kBias = 1023, kNan = 0x7ff8000000000000u, kInf = 0x7ff0000000000000u,
                     kSqrtHalf = 0x3fe6a09e667f3bcdu;
  static constexpr U kSplit = 4096;
  static constexpr double kLog2e = 0x1.71547652b82fep+0, kLn2Head = 0x1.62e42fefa39efp-1,
                          kLn2Tail = 0x1.abc9e3b39803fp-56;
  static constexpr double kRound = 0x1.8p+52;
  static constexpr double kExact = 0x1.0p+52;
  static constexpr double kLow = -746, kHigh = 710;
  static constexpr double kSmallest = 0x1.0p-1022;
};

/// One value as a "vector" of width 1: the interface that exact_exp_lanes and exact_log_lanes ask of a lane type.
template <class Real>
struct ScalarLane {
  using T = Real;                         ///< element
  using V = Real;                         ///< vector of elements
  using U = typename ExactMath<Real>::U;  ///< unsigned integer as wide as an element
  using I = U;                            ///< vector of those
  using M = bool;                         ///< vector of truth values
  QUARRY_HD static V set(T x) { return x; }
  QUARRY_HD static I iset(U x) { return x; }
  QUARRY_HD static V add(V a, V b) { return a + b; }
  QUARRY_HD static V sub(V a, V b) { return a - b; }
  QUARRY_HD static V mul(V a, V b) { return a * b; }
  QUARRY_HD static V div(V a, V b) { return a / b; }
  QUARRY_HD static V fma(V a, V b, V c) { return std::fma(a, b, c); }
  QUARRY_HD static I bits(V x) {
    I i;
    std::memcpy(&i, &x, sizeof i);
    return i;
  }
  QUARRY_HD static V from_bits(I i) {
    V x;
    std::memcpy(&x, &i, sizeof x);
    return x;
  }
  QUARRY_HD static I iadd(I a, I b) { return a + b; }
  QUARRY_HD static I isub(I a, I b) { return a - b; }
  QUARRY_HD static I iand(I a, I b) { return a & b; }
  QUARRY_HD static I ior(I a, I b) { return a | b; }
  template <int n>
  QUARRY_HD static I shl(I a) {
    return a << n;
  }
  template <int n>
  QUARRY_HD static I shr(I a) {
    return a >> n;
  }
  QUARRY_HD static M lt(V a, V b) { return a < b; }
  QUARRY_HD static M eq(V a, V b) { return a == b; }
  QUARRY_HD static M is_nan(V a) { return a != a; }
  QUARRY_HD static V select(M m, V a, V b) { return m ? a : b; }
};

namespace exact_detail {

/// q[0] + q[1] x + ..., highest power first, by fma.
template <class Lane, int n>
QUARRY_HD inline typename Lane::V horner(typename Lane::V x, const typename Lane::T (&q)[n]) {
  typename Lane::V y = Lane::set(q[n - 1]);
  for (int i = n - 2; i >= 0; --i) y = Lane::fma(y, x, Lane::set(q[i]));
  return y;
}

/// (exp(r) - 1 - r) / r^2 on [-ln2/2, ln2/2].
template <class Lane>
QUARRY_HD inline typename Lane::V exp_polynomial(typename Lane::V r) {
  using T = typename Lane::T;
  if constexpr (sizeof(T) == 4) {
    const T q[5] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558ecp-5f, 0x1.123988p-7f, 0x1.6a2646p-10f};
    return horner<Lane>(r, q);
  } else {
    const T q[10] = {0x1.0000000000009p-1,  0x1.55555555554fbp-3,  0x1.5555555550b42p-5,  0x1.11111111279fcp-7,
                     0x1.6c16c183ae177p-10, 0x1.a01a012a182a5p-13, 0x1.a0199b24acbe9p-16, 0x1.71df273b42e93p-19,
                     0x1.28ac9503e2da0p-22, 0x1.ad7ae8b3659b3p-26};
    return horner<Lane>(r, q);
  }
}

/// (log((1 + s) / (1 - s)) - 2 s) / (s z) with z = s^2, on [0, ((sqrt 2 - 1) / (sqrt 2 + 1))^2].
template <class Lane>
QUARRY_HD inline typename Lane::V log_polynomial(typename Lane::V z) {
  using T = typename Lane::T;
  if constexpr (sizeof(T) == 4) {
    const T q[4] = {0x1.555556p-1f, 0x1.999a76p-2f, 0x1.2439ap-2f, 0x1.e2ddf6p-3f};
    return horner<Lane>(z, q);
  } else {
    const T q[7] = {0x1.555555555558bp-1, 0x1.9999999981a4cp-2, 0x1.24924940a557cp-2, 0x1.c71c52ef95b81p-3,
                    0x1.7466158b3a875p-3, 0x1.39a571923b3d4p-3, 0x1.2ee3a32477c94p-3};
    return horner<Lane>(z, q);
  }
}

}  // namespace exact_detail

/// exp of every lane: x = n ln2 + r, exp(r) by polynomial, times 2^n in two factors so that only the last
/// multiplication can round into the denormals or overflow.
template <class Lane>
QUARRY_HD inline typename Lane::V exact_exp_lanes(typename Lane::V x) {
  using V = typename Lane::V;
  using I = typename Lane::I;
  using T = typename Lane::T;
  using K = ExactMath<T>;
  const V low = Lane::set(K::kLow), high = Lane::set(K::kHigh);
  V y = Lane::select(Lane::lt(x, low), low, x);
  y = Lane::select(Lane::lt(high, y), high, y);
  const V shifted = Lane::fma(y, Lane::set(K::kLog2e), Lane::set(K::kRound));
  const V n = Lane::sub(shifted, Lane::set(K::kRound));
  V r = Lane::fma(n, Lane::set(-K::kLn2Head), y);
  r = Lane::fma(n, Lane::set(-K::kLn2Tail), r);
  const V q = exact_detail::exp_polynomial<Lane>(r);
  const V p = Lane::add(Lane::set(T(1)), Lane::fma(Lane::mul(r, r), q, r));
  const I exponent =
      Lane::iadd(Lane::isub(Lane::bits(shifted), Lane::bits(Lane::set(K::kRound))), Lane::iset(K::kSplit));
  const I first = Lane::template shr<1>(exponent);
  const I second = Lane::isub(exponent, first);
  const I bias = Lane::iset(K::kBias - K::kSplit / 2);
  const V scale1 = Lane::from_bits(Lane::template shl<K::kMantissa>(Lane::iadd(first, bias)));
  const V scale2 = Lane::from_bits(Lane::template shl<K::kMantissa>(Lane::iadd(second, bias)));
  const V result = Lane::mul(Lane::mul(p, scale1), scale2);
  return Lane::select(Lane::is_nan(x), Lane::from_bits(Lane::iset(K::kNan)), result);
}

/// log of every lane: x = 2^k m with m in [sqrt 1/2, sqrt 2), log(m) through s = (m - 1) / (m + 1).
template <class Lane>
QUARRY_HD inline typename Lane::V exact_log_lanes(typename Lane::V x) {
  using V = typename Lane::V;
  using I = typename Lane::I;
  using T = typename Lane::T;
  using K = ExactMath<T>;
  const V zero = Lane::set(T(0)), one = Lane::set(T(1));
  const auto tiny = Lane::lt(x, Lane::set(K::kSmallest));
  const V scaled = Lane::select(tiny, Lane::mul(x, Lane::set(K::kExact)), x);
  const V shift = Lane::select(tiny, Lane::set(T(K::kMantissa)), zero);
  const I one_bits = Lane::bits(one);
  const I i = Lane::iadd(Lane::bits(scaled), Lane::isub(one_bits, Lane::iset(K::kSqrtHalf)));
  const I fraction = Lane::iand(i, Lane::iset((typename K::U(1) << K::kMantissa) - 1));
  const V m = Lane::from_bits(Lane::iadd(fraction, Lane::iset(K::kSqrtHalf)));
  const I biased = Lane::template shr<K::kMantissa>(i);
  const V exact = Lane::set(K::kExact);
  V k = Lane::sub(Lane::from_bits(Lane::ior(biased, Lane::bits(exact))), exact);
  k = Lane::sub(Lane::sub(k, Lane::set(T(K::kBias))), shift);

  const V f = Lane::sub(m, one);
  const V s = Lane::div(f, Lane::add(f, Lane::set(T(2))));
  const V z = Lane::mul(s, s);
  const V tail = Lane::mul(z, exact_detail::log_polynomial<Lane>(z));
  const V half_square = Lane::mul(Lane::mul(Lane::set(T(0.5)), f), f);
  const V small = Lane::fma(k, Lane::set(K::kLn2Tail), Lane::mul(s, Lane::add(half_square, tail)));
  V result = Lane::fma(k, Lane::set(K::kLn2Head), Lane::sub(f, Lane::sub(half_square, small)));

  const V infinity = Lane::from_bits(Lane::iset(K::kInf));
  const V nan = Lane::from_bits(Lane::iset(K::kNan));
  result = Lane::select(Lane::eq(x, infinity), infinity, result);
  result = Lane::select(Lane::eq(x, zero), Lane::sub(zero, infinity), result);
  result = Lane::select(Lane::lt(x, zero), nan, result);
  return Lane::select(Lane::is_nan(x), nan, result);
}

QUARRY_HD inline float exact_exp(float x) {
  return exact_exp_lanes<ScalarLane<float>>(x);
}
QUARRY_HD inline double exact_exp(double x) {
  return exact_exp_lanes<ScalarLane<double>>(x);
}
QUARRY_HD inline float exact_log(float x) {
  return exact_log_lanes<ScalarLane<float>>(x);
}
QUARRY_HD inline double exact_log(double x) {
  return exact_log_lanes<ScalarLane<double>>(x);
}

}  // namespace quarry
