// SPDX-License-Identifier: MIT
// Lane types for any machine: plain arrays. The other levels have the same members and give the same bits.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quarry/core/exact_math.h"
#include "quarry/core/rng.h"

#define QUARRY_LANE [[gnu::always_inline]] static inline

namespace quarry {
namespace {

template <class Real, int n_lanes>
struct PortableLane {
  using S = ScalarLane<Real>;
  using T = Real;           ///< element
  using U = typename S::U;  ///< unsigned integer as wide as an element
  static constexpr int N = n_lanes;
  /// Register budget of the matrix loops: accumulators in all, and rows of a block.
  static constexpr int kAccumulators = 8, kMaxRows = 4;
  struct V {
    T x[N];
  };
  struct I {
    U x[N];
  };
  struct M {
    bool x[N];
  };

  QUARRY_LANE V set(T x) {
    V r;
    for (T& y : r.x) y = x;
    return r;
  }
  QUARRY_LANE I iset(U x) {
    I r;
    for (U& y : r.x) y = x;
    return r;
  }
  /// Aligned to kAlignment.
  QUARRY_LANE V load(const T* p) {
    V r;
    std::memcpy(&r, p, sizeof r);
    return r;
  }
  QUARRY_LANE void store(T* p, V v) { std::memcpy(p, &v, sizeof v); }
  /// The first n elements (all if n >= N, none if n <= 0), unaligned; the other lanes are zero.
  QUARRY_LANE V load_partial(const T* p, std::int64_t n) {
    V r;
    for (int i = 0; i < N; ++i) r.x[i] = i < n ? p[i] : T(0);
    return r;
  }
  QUARRY_LANE void store_partial(T* p, std::int64_t n, V v) {
    for (int i = 0; i < N && i < n; ++i) p[i] = v.x[i];
  }
  QUARRY_LANE V add(V a, V b) {
    return each(a, b, [](T x, T y) { return x + y; });
  }
  QUARRY_LANE V sub(V a, V b) {
    return each(a, b, [](T x, T y) { return x - y; });
  }
  QUARRY_LANE V mul(V a, V b) {
    return each(a, b, [](T x, T y) { return x * y; });
  }
  QUARRY_LANE V div(V a, V b) {
    return each(a, b, [](T x, T y) { return x / y; });
  }
  QUARRY_LANE V sqrt(V a) {
    return each(a, a, [](T x, T) { return std::sqrt(x); });
  }
  /// a * b + c with one rounding.
  QUARRY_LANE V fma(V a, V b, V c) {
    V r;
    for (int i = 0; i < N; ++i) r.x[i] = std::fma(a.x[i], b.x[i], c.x[i]);
    return r;
  }
  /// 0 > x ? 0 : x.
  QUARRY_LANE V relu(V a) {
    return each(a, a, [](T x, T) { return T(0) > x ? T(0) : x; });
  }
  QUARRY_LANE I bits(V v) {
    I r;
    std::memcpy(&r, &v, sizeof r);
    return r;
  }
  QUARRY_LANE V from_bits(I v) {
    V r;
    std::memcpy(&r, &v, sizeof r);
    return r;
  }
  QUARRY_LANE I iadd(I a, I b) {
    return ieach(a, b, [](U x, U y) { return x + y; });
  }
  QUARRY_LANE I isub(I a, I b) {
    return ieach(a, b, [](U x, U y) { return x - y; });
  }
  QUARRY_LANE I iand(I a, I b) {
    return ieach(a, b, [](U x, U y) { return x & y; });
  }
  QUARRY_LANE I ior(I a, I b) {
    return ieach(a, b, [](U x, U y) { return x | y; });
  }
  template <int n>
  QUARRY_LANE I shl(I a) {
    return ieach(a, a, [](U x, U) { return x << n; });
  }
  template <int n>
  QUARRY_LANE I shr(I a) {
    return ieach(a, a, [](U x, U) { return x >> n; });
  }
  QUARRY_LANE M lt(V a, V b) {
    return test(a, b, [](T x, T y) { return x < y; });
  }
  QUARRY_LANE M le(V a, V b) {
    return test(a, b, [](T x, T y) { return x <= y; });
  }
  QUARRY_LANE M eq(V a, V b) {
    return test(a, b, [](T x, T y) { return x == y; });
  }
  QUARRY_LANE M is_nan(V a) {
    return test(a, a, [](T x, T) { return x != x; });
  }
  /// m ? a : b.
  QUARRY_LANE V select(M m, V a, V b) {
    V r;
    for (int i = 0; i < N; ++i) r.x[i] = m.x[i] ? a.x[i] : b.x[i];
    return r;
  }
  /// words[i] >= threshold; words aligned.
  QUARRY_LANE M at_least(const std::uint32_t* words, std::uint32_t threshold) {
    M r;
    for (int i = 0; i < N; ++i) r.x[i] = words[i] >= threshold;
    return r;
  }
  /// Lane i += lane i + N/2, + N/4, ..., + 1; then lane 0.
  QUARRY_LANE T tree(V v) {
    for (int step = N / 2; step > 0; step /= 2) {
      for (int i = 0; i < step; ++i) v.x[i] += v.x[i + step];
    }
    return v.x[0];
  }
  /// target[j][i] = source[i][j] for i, j < N; strides in elements, rows aligned.
  QUARRY_LANE void transpose(const T* source, std::ptrdiff_t from, T* target, std::ptrdiff_t to) {
    for (int i = 0; i < N; ++i) {
      for (int j = 0; j < N; ++j) target[j * to + i] = source[i * from + j];
    }
  }

 private:
  template <class F>
  QUARRY_LANE V each(V a, V b, F f) {
    V r;
    for (int i = 0; i < N; ++i) r.x[i] = f(a.x[i], b.x[i]);
    return r;
  }
  template <class F>
  QUARRY_LANE I ieach(I a, I b, F f) {
    I r;
    for (int i = 0; i < N; ++i) r.x[i] = f(a.x[i], b.x[i]);
    return r;
  }
  template <class F>
  QUARRY_LANE M test(V a, V b, F f) {
    M r;
    for (int i = 0; i < N; ++i) r.x[i] = f(a.x[i], b.x[i]);
    return r;
  }
};

using LaneF32 = PortableLane<float, 4>;
using LaneF64 = PortableLane<double, 2>;

/// Philox4x32-10 of the counters (row[i], c1, c2, c3): words[w][i] for i < n_rows (levels may write up to 32).
struct Philox32 {
  static void block(std::uint64_t key, const std::uint32_t* row, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3,
                    int n_rows, std::uint32_t (*words)[32]) {
    for (int i = 0; i < n_rows; ++i) {
      const PhiloxBlock block = philox(philox_key(key), row[i], c1, c2, c3);
      for (int w = 0; w < 4; ++w) words[w][i] = block.word[w];
    }
  }
};

}  // namespace
}  // namespace quarry
