// SPDX-License-Identifier: MIT
// AVX-512 lane types. Included once, by the .cpp of an op that is compiled for AVX-512; everything is local to it.
// The interface is that of ScalarLane in quarry/core/exact_math.h and more; lanes_portable.h explains each member.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined vectors inside its own intrinsics for mistakes.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <cstddef>
#include <cstdint>

#define QUARRY_LANE [[gnu::always_inline]] static inline

namespace quarry {
namespace {

struct LaneF32 {
  using T = float;
  using V = __m512;
  using U = std::uint32_t;
  using I = __m512i;
  using M = __mmask16;
  static constexpr int N = 16;
  static constexpr int kAccumulators = 24, kMaxRows = 12;

  QUARRY_LANE V set(T x) { return _mm512_set1_ps(x); }
  QUARRY_LANE I iset(U x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  QUARRY_LANE V load(const T* p) { return _mm512_load_ps(p); }
  QUARRY_LANE void store(T* p, V x) { _mm512_store_ps(p, x); }
  QUARRY_LANE V load_partial(const T* p, std::int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
  QUARRY_LANE void store_partial(T* p, std::int64_t n, V x) { _mm512_mask_storeu_ps(p, first(n), x); }
  QUARRY_LANE V add(V a, V b) { return _mm512_add_ps(a, b); }
  QUARRY_LANE V sub(V a, V b) { return _mm512_sub_ps(a, b); }
  QUARRY_LANE V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  QUARRY_LANE V div(V a, V b) { return _mm512_div_ps(a, b); }
  QUARRY_LANE V sqrt(V a) { return _mm512_sqrt_ps(a); }
  QUARRY_LANE V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  QUARRY_LANE V relu(V x) { return _mm512_max_ps(_mm512_setzero_ps(), x); }
  QUARRY_LANE I bits(V x) { return _mm512_castps_si512(x); }
  QUARRY_LANE V from_bits(I x) { return _mm512_castsi512_ps(x); }
  QUARRY_LANE I iadd(I a, I b) { return _mm512_add_epi32(a, b); }
  QUARRY_LANE I isub(I a, I b) { return _mm512_sub_epi32(a, b); }
  QUARRY_LANE I iand(I a, I b) { return _mm512_and_si512(a, b); }
  QUARRY_LANE I ior(I a, I b) { return _mm512_or_si512(a, b); }
  template <int n>
  QUARRY_LANE I shl(I a) {
    return _mm512_slli_epi32(a, n);
  }
  template <int n>
  QUARRY_LANE I shr(I a) {
    return _mm512_srli_epi32(a, n);
  }
  QUARRY_LANE M lt(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  QUARRY_LANE M le(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
  QUARRY_LANE M eq(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  QUARRY_LANE M is_nan(V a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
  QUARRY_LANE V select(M m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }
  QUARRY_LANE M at_least(const std::uint32_t* words, std::uint32_t threshold) {
    return _mm512_cmpge_epu32_mask(_mm512_load_si512(words), _mm512_set1_epi32(static_cast<int>(threshold)));
  }
  QUARRY_LANE T tree(V x) {
    const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
  }
  /// Four rows a quarter apart share a register, loaded quarter by quarter (loads are cheaper than shuffles); then
  /// 4x4 transposes inside the quarters.
  QUARRY_LANE void transpose(const T* source, std::ptrdiff_t from, T* target, std::ptrdiff_t to) {
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      V t[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const T* p = source + i * from + 4 * q;
        t[i] = _mm512_zextps128_ps512(_mm_load_ps(p));
        t[i] = _mm512_mask_broadcast_f32x4(t[i], 0x00f0, _mm_load_ps(p + 4 * from));
        t[i] = _mm512_mask_broadcast_f32x4(t[i], 0x0f00, _mm_load_ps(p + 8 * from));
        t[i] = _mm512_mask_broadcast_f32x4(t[i], 0xf000, _mm_load_ps(p + 12 * from));
      }
      const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(t[0], t[1]));
      const __m512d b = _mm512_castps_pd(_mm512_unpackhi_ps(t[0], t[1]));
      const __m512d c = _mm512_castps_pd(_mm512_unpacklo_ps(t[2], t[3]));
      const __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(t[2], t[3]));
      T* out = target + 4 * q * to;
      store(out, _mm512_castpd_ps(_mm512_unpacklo_pd(a, c)));
      store(out + to, _mm512_castpd_ps(_mm512_unpackhi_pd(a, c)));
      store(out + 2 * to, _mm512_castpd_ps(_mm512_unpacklo_pd(b, d)));
      store(out + 3 * to, _mm512_castpd_ps(_mm512_unpackhi_pd(b, d)));
    }
  }

 private:
  QUARRY_LANE M first(std::int64_t n) {
    return n >= N ? 0xffff : n > 0 ? static_cast<M>((1u << n) - 1) : 0;
  }
};

struct LaneF64 {
  using T = double;
  using V = __m512d;
  using U = std::uint64_t;
  using I = __m512i;
  using M = __mmask8;
  static constexpr int N = 8;
  static constexpr int kAccumulators = 24, kMaxRows = 12;

  QUARRY_LANE V set(T x) { return _mm512_set1_pd(x); }
  QUARRY_LANE I iset(U x) { return _mm512_set1_epi64(static_cast<std::int64_t>(x)); }
  QUARRY_LANE V load(const T* p) { return _mm512_load_pd(p); }
  QUARRY_LANE void store(T* p, V x) { _mm512_store_pd(p, x); }
  QUARRY_LANE V load_partial(const T* p, std::int64_t n) { return _mm512_maskz_loadu_pd(first(n), p); }
  QUARRY_LANE void store_partial(T* p, std::int64_t n, V x) { _mm512_mask_storeu_pd(p, first(n), x); }
  QUARRY_LANE V add(V a, V b) { return _mm512_add_pd(a, b); }
  QUARRY_LANE V sub(V a, V b) { return _mm512_sub_pd(a, b); }
  QUARRY_LANE V mul(V a, V b) { return _mm512_mul_pd(a, b); }
  QUARRY_LANE V div(V a, V b) { return _mm512_div_pd(a, b); }
  QUARRY_LANE V sqrt(V a) { return _mm512_sqrt_pd(a); }
  QUARRY_LANE V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  QUARRY_LANE V relu(V x) { return _mm512_max_pd(_mm512_setzero_pd(), x); }
  QUARRY_LANE I bits(V x) { return _mm512_castpd_si512(x); }
  QUARRY_LANE V from_bits(I x) { return _mm512_castsi512_pd(x); }
  QUARRY_LANE I iadd(I a, I b) { return _mm512_add_epi64(a, b); }
  QUARRY_LANE I isub(I a, I b) { return _mm512_sub_epi64(a, b); }
  QUARRY_LANE I iand(I a, I b) { return _mm512_and_si512(a, b); }
  QUARRY_LANE I ior(I a, I b) { return _mm512_or_si512(a, b); }
  template <int n>
  QUARRY_LANE I shl(I a) {
    return _mm512_slli_epi64(a, n);
  }
  template <int n>
  QUARRY_LANE I shr(I a) {
    return _mm512_srli_epi64(a, n);
  }
  QUARRY_LANE M lt(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
  QUARRY_LANE M le(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
  QUARRY_LANE M eq(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
  QUARRY_LANE M is_nan(V a) { return _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q); }
  QUARRY_LANE V select(M m, V a, V b) { return _mm512_mask_blend_pd(m, b, a); }
  QUARRY_LANE M at_least(const std::uint32_t* words, std::uint32_t threshold) {
    const __m256i w = _mm256_load_si256(reinterpret_cast<const __m256i*>(words));
    return _mm256_cmpge_epu32_mask(w, _mm256_set1_epi32(static_cast<int>(threshold)));
  }
  QUARRY_LANE T tree(V x) {
    const __m256d a = _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1));
    const __m128d b = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
  }
  QUARRY_LANE void transpose(const T* source, std::ptrdiff_t from, T* target, std::ptrdiff_t to) {
    // four rows two apart share a register, 128 bits each; then 2x2 transposes
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      V t[2];
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const T* p = source + i * from + 2 * q;
        t[i] = _mm512_zextpd128_pd512(_mm_load_pd(p));
        t[i] = _mm512_mask_broadcast_f64x2(t[i], 0x0c, _mm_load_pd(p + 2 * from));
        t[i] = _mm512_mask_broadcast_f64x2(t[i], 0x30, _mm_load_pd(p + 4 * from));
        t[i] = _mm512_mask_broadcast_f64x2(t[i], 0xc0, _mm_load_pd(p + 6 * from));
      }
      store(target + 2 * q * to, _mm512_unpacklo_pd(t[0], t[1]));
      store(target + (2 * q + 1) * to, _mm512_unpackhi_pd(t[0], t[1]));
    }
  }

 private:
  QUARRY_LANE M first(std::int64_t n) {
    return n >= N ? 0xff : n > 0 ? static_cast<M>((1u << n) - 1) : 0;
  }
};

/// Philox4x32-10 of 32 counters (row, c1, c2, c3). Even rows live in the low halves of 64-bit lanes, odd rows in a
/// second set of registers: _mm512_mul_epu32 reads low halves only, so the high halves may hold anything.
struct Philox32 {
  static void block(std::uint64_t key, const std::uint32_t* row, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3,
                    int n_rows, std::uint32_t (*words)[32]) {
    for (int half = 0; half < 2 && 16 * half < n_rows; ++half) {
      const __m512i rows = _mm512_load_si512(row + 16 * half);
      __m512i a[2], b[2], c[2], d[2];
      a[0] = rows;
      a[1] = _mm512_srli_epi64(rows, 32);
      for (int s = 0; s < 2; ++s) {
        b[s] = _mm512_set1_epi32(static_cast<int>(c1));
        c[s] = _mm512_set1_epi32(static_cast<int>(c2));
        d[s] = _mm512_set1_epi32(static_cast<int>(c3));
      }
      const __m512i m0 = _mm512_set1_epi64(0xD2511F53), m1 = _mm512_set1_epi64(0xCD9E8D57);
      std::uint32_t low = static_cast<std::uint32_t>(key), high = static_cast<std::uint32_t>(key >> 32);
#pragma GCC unroll 10
      for (int round = 0; round < 10; ++round) {
        const __m512i k0 = _mm512_set1_epi32(static_cast<int>(low)), k1 = _mm512_set1_epi32(static_cast<int>(high));
#pragma GCC unroll 2
        for (int s = 0; s < 2; ++s) {
          const __m512i p0 = _mm512_mul_epu32(a[s], m0), p1 = _mm512_mul_epu32(c[s], m1);
          a[s] = _mm512_ternarylogic_epi32(_mm512_srli_epi64(p1, 32), b[s], k0, 0x96);
          c[s] = _mm512_ternarylogic_epi32(_mm512_srli_epi64(p0, 32), d[s], k1, 0x96);
          b[s] = p1;
          d[s] = p0;
        }
        low += 0x9E3779B9u;
        high += 0xBB67AE85u;
      }
      const __m512i* x[4] = {a, b, c, d};
#pragma GCC unroll 4
      for (int w = 0; w < 4; ++w) {
        _mm512_store_si512(words[w] + 16 * half,
                           _mm512_mask_blend_epi32(0xaaaa, x[w][0], _mm512_slli_epi64(x[w][1], 32)));
      }
    }
  }
};

}  // namespace
}  // namespace quarry
