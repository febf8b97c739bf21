// SPDX-License-Identifier: MIT
// AVX2 + FMA lane types. Included once, by the .cpp of an op that is compiled for AVX2; everything is local to it.
// The interface is that of ScalarLane in quarry/core/exact_math.h and more; lanes_portable.h explains each member.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define QUARRY_LANE [[gnu::always_inline]] static inline

namespace quarry {
namespace {

/// n lanes on, from the front: load at kFirst + 8 - n.
alignas(32) constexpr std::int32_t kFirst[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

struct LaneF32 {
  using T = float;
  using V = __m256;
  using U = std::uint32_t;
  using I = __m256i;
  using M = __m256;
  static constexpr int N = 8;
  static constexpr int kAccumulators = 12, kMaxRows = 6;

  QUARRY_LANE V set(T x) { return _mm256_set1_ps(x); }
  QUARRY_LANE I iset(U x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  QUARRY_LANE V load(const T* p) { return _mm256_load_ps(p); }
  QUARRY_LANE void store(T* p, V x) { _mm256_store_ps(p, x); }
  QUARRY_LANE V load_partial(const T* p, std::int64_t n) {
    return n >= N ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first(n));
  }
  QUARRY_LANE void store_partial(T* p, std::int64_t n, V x) {
    if (n >= N) {
      _mm256_storeu_ps(p, x);
    } else {
      _mm256_maskstore_ps(p, first(n), x);
    }
  }
  QUARRY_LANE V add(V a, V b) { return _mm256_add_ps(a, b); }
  QUARRY_LANE V sub(V a, V b) { return _mm256_sub_ps(a, b); }
  QUARRY_LANE V mul(V a, V b) { return _mm256_mul_ps(a, b); }
  QUARRY_LANE V div(V a, V b) { return _mm256_div_ps(a, b); }
  QUARRY_LANE V sqrt(V a) { return _mm256_sqrt_ps(a); }
  QUARRY_LANE V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  QUARRY_LANE V relu(V x) { return _mm256_max_ps(_mm256_setzero_ps(), x); }
  QUARRY_LANE I bits(V x) { return _mm256_castps_si256(x); }
  QUARRY_LANE V from_bits(I x) { return _mm256_castsi256_ps(x); }
  QUARRY_LANE I iadd(I a, I b) { return _mm256_add_epi32(a, b); }
  QUARRY_LANE I isub(I a, I b) { return _mm256_sub_epi32(a, b); }
  QUARRY_LANE I iand(I a, I b) { return _mm256_and_si256(a, b); }
  QUARRY_LANE I ior(I a, I b) { return _mm256_or_si256(a, b); }
  template <int n>
  QUARRY_LANE I shl(I a) {
    return _mm256_slli_epi32(a, n);
  }
  template <int n>
  QUARRY_LANE I shr(I a) {
    return _mm256_srli_epi32(a, n);
  }
  QUARRY_LANE M lt(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  QUARRY_LANE M le(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
  QUARRY_LANE M eq(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
  QUARRY_LANE M is_nan(V a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
  QUARRY_LANE V select(M m, V a, V b) { return _mm256_blendv_ps(b, a, m); }
  QUARRY_LANE M at_least(const std::uint32_t* words, std::uint32_t threshold) {
    const __m256i w = _mm256_load_si256(reinterpret_cast<const __m256i*>(words));
    const __m256i t = _mm256_set1_epi32(static_cast<int>(threshold));
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(w, t), w));
  }
  QUARRY_LANE T tree(V x) {
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
  }
  QUARRY_LANE void transpose(const T* source, std::ptrdiff_t from, T* target, std::ptrdiff_t to) {
    // rows i and i + 4 share a register, 128 bits each; then 4x4 transposes
    for (int q = 0; q < 2; ++q) {
      V t[4];
      for (int i = 0; i < 4; ++i) {
        const T* p = source + i * from + 4 * q;
        t[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_load_ps(p)), _mm_load_ps(p + 4 * from), 1);
      }
      const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(t[0], t[1]));
      const __m256d b = _mm256_castps_pd(_mm256_unpackhi_ps(t[0], t[1]));
      const __m256d c = _mm256_castps_pd(_mm256_unpacklo_ps(t[2], t[3]));
      const __m256d d = _mm256_castps_pd(_mm256_unpackhi_ps(t[2], t[3]));
      T* out = target + 4 * q * to;
      store(out, _mm256_castpd_ps(_mm256_unpacklo_pd(a, c)));
      store(out + to, _mm256_castpd_ps(_mm256_unpackhi_pd(a, c)));
      store(out + 2 * to, _mm256_castpd_ps(_mm256_unpacklo_pd(b, d)));
      store(out + 3 * to, _mm256_castpd_ps(_mm256_unpackhi_pd(b, d)));
    }
  }

 private:
  QUARRY_LANE __m256i first(std::int64_t n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kFirst + 8 - (n > 0 ? n : 0)));
  }
};

struct LaneF64 {
  using T = double;
  using V = __m256d;
  using U = std::uint64_t;
  using I = __m256i;
  using M = __m256d;
  static constexpr int N = 4;
  static constexpr int kAccumulators = 12, kMaxRows = 6;

  QUARRY_LANE V set(T x) { return _mm256_set1_pd(x); }
  QUARRY_LANE I iset(U x) { return _mm256_set1_epi64x(static_cast<std::int64_t>(x)); }
  QUARRY_LANE V load(const T* p) { return _mm256_load_pd(p); }
  QUARRY_LANE void store(T* p, V x) { _mm256_store_pd(p, x); }
  QUARRY_LANE V load_partial(const T* p, std::int64_t n) {
    return n >= N ? _mm256_loadu_pd(p) : _mm256_maskload_pd(p, first(n));
  }
  QUARRY_LANE void store_partial(T* p, std::int64_t n, V x) {
    if (n >= N) {
      _mm256_storeu_pd(p, x);
    } else {
      _mm256_maskstore_pd(p, first(n), x);
    }
  }
  QUARRY_LANE V add(V a, V b) { return _mm256_add_pd(a, b); }
  QUARRY_LANE V sub(V a, V b) { return _mm256_sub_pd(a, b); }
  QUARRY_LANE V mul(V a, V b) { return _mm256_mul_pd(a, b); }
  QUARRY_LANE V div(V a, V b) { return _mm256_div_pd(a, b); }
  QUARRY_LANE V sqrt(V a) { return _mm256_sqrt_pd(a); }
  QUARRY_LANE V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  QUARRY_LANE V relu(V x) { return _mm256_max_pd(_mm256_setzero_pd(), x); }
  QUARRY_LANE I bits(V x) { return _mm256_castpd_si256(x); }
  QUARRY_LANE V from_bits(I x) { return _mm256_castsi256_pd(x); }
  QUARRY_LANE I iadd(I a, I b) { return _mm256_add_epi64(a, b); }
  QUARRY_LANE I isub(I a, I b) { return _mm256_sub_epi64(a, b); }
  QUARRY_LANE I iand(I a, I b) { return _mm256_and_si256(a, b); }
  QUARRY_LANE I ior(I a, I b) { return _mm256_or_si256(a, b); }
  template <int n>
  QUARRY_LANE I shl(I a) {
    return _mm256_slli_epi64(a, n);
  }
  template <int n>
  QUARRY_LANE I shr(I a) {
    return _mm256_srli_epi64(a, n);
  }
  QUARRY_LANE M lt(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_LT_OQ); }
  QUARRY_LANE M le(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_LE_OQ); }
  QUARRY_LANE M eq(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_EQ_OQ); }
  QUARRY_LANE M is_nan(V a) { return _mm256_cmp_pd(a, a, _CMP_UNORD_Q); }
  QUARRY_LANE V select(M m, V a, V b) { return _mm256_blendv_pd(b, a, m); }
  QUARRY_LANE M at_least(const std::uint32_t* words, std::uint32_t threshold) {
    const __m128i w = _mm_load_si128(reinterpret_cast<const __m128i*>(words));
    const __m128i t = _mm_set1_epi32(static_cast<int>(threshold));
    return _mm256_castsi256_pd(_mm256_cvtepi32_epi64(_mm_cmpeq_epi32(_mm_max_epu32(w, t), w)));
  }
  QUARRY_LANE T tree(V x) {
    const __m128d b = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
  }
  QUARRY_LANE void transpose(const T* source, std::ptrdiff_t from, T* target, std::ptrdiff_t to) {
    for (int q = 0; q < 2; ++q) {  // rows i and i + 2 share a register
      const T* p = source + 2 * q;
      const V a = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_load_pd(p)), _mm_load_pd(p + 2 * from), 1);
      const V b = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_load_pd(p + from)), _mm_load_pd(p + 3 * from), 1);
      store(target + 2 * q * to, _mm256_unpacklo_pd(a, b));
      store(target + (2 * q + 1) * to, _mm256_unpackhi_pd(a, b));
    }
  }

 private:
  QUARRY_LANE __m256i first(std::int64_t n) {
    return _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kFirst + 8 - (n > 0 ? n : 0))));
  }
};

/// Philox4x32-10 of 32 counters (row, c1, c2, c3); even and odd rows apart, as in lanes_avx512.h.
struct Philox32 {
  static void block(std::uint64_t key, const std::uint32_t* row, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3,
                    int n_rows, std::uint32_t (*words)[32]) {
    for (int eight = 0; 8 * eight < n_rows; ++eight) {
      const __m256i rows = _mm256_load_si256(reinterpret_cast<const __m256i*>(row + 8 * eight));
      __m256i a[2] = {rows, _mm256_srli_epi64(rows, 32)}, b[2], c[2], d[2];
      for (int s = 0; s < 2; ++s) {
        b[s] = _mm256_set1_epi32(static_cast<int>(c1));
        c[s] = _mm256_set1_epi32(static_cast<int>(c2));
        d[s] = _mm256_set1_epi32(static_cast<int>(c3));
      }
      const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57);
      std::uint32_t low = static_cast<std::uint32_t>(key), high = static_cast<std::uint32_t>(key >> 32);
      for (int round = 0; round < 10; ++round) {
        const __m256i k0 = _mm256_set1_epi32(static_cast<int>(low)), k1 = _mm256_set1_epi32(static_cast<int>(high));
        for (int s = 0; s < 2; ++s) {
          const __m256i p0 = _mm256_mul_epu32(a[s], m0), p1 = _mm256_mul_epu32(c[s], m1);
          a[s] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), b[s]), k0);
          c[s] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), d[s]), k1);
          b[s] = p1;
          d[s] = p0;
        }
        low += 0x9E3779B9u;
        high += 0xBB67AE85u;
      }
      const __m256i* x[4] = {a, b, c, d};
      for (int w = 0; w < 4; ++w) {
        const __m256i both = _mm256_blend_epi32(x[w][0], _mm256_slli_epi64(x[w][1], 32), 0xaa);
        _mm256_store_si256(reinterpret_cast<__m256i*>(words[w] + 8 * eight), both);
      }
    }
  }
};

}  // namespace
}  // namespace quarry
