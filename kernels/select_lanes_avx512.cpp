// SPDX-License-Identifier: MIT
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 warns about its own AVX-512 header
#endif
#include <immintrin.h>

#include "kernels/select_lanes.h"

namespace {

struct Lanes {
  static constexpr int kRows = 4;
  __m512 a, b;

  static Lanes zero() { return {_mm512_setzero_ps(), _mm512_setzero_ps()}; }
  static Lanes load(const float* p) { return {_mm512_loadu_ps(p), _mm512_loadu_ps(p + 16)}; }
  static Lanes broadcast(float x) { return {_mm512_set1_ps(x), _mm512_set1_ps(x)}; }
  static Lanes fma(Lanes x, Lanes y, Lanes z) {
    return {_mm512_fmadd_ps(x.a, y.a, z.a), _mm512_fmadd_ps(x.b, y.b, z.b)};
  }
  void store(float* p) const {
    _mm512_storeu_ps(p, a);
    _mm512_storeu_ps(p + 16, b);
  }
  Lanes operator-(Lanes other) const { return {_mm512_sub_ps(a, other.a), _mm512_sub_ps(b, other.b)}; }
  bool any_below(Lanes limit) const {
    return (_mm512_cmp_ps_mask(a, limit.a, _CMP_LT_OQ) | _mm512_cmp_ps_mask(b, limit.b, _CMP_LT_OQ)) != 0;
  }
  /// x where it is below the limit (never where it is NaN), else the limit.
  static Lanes lower(Lanes x, Lanes limit) {
    return {_mm512_mask_mov_ps(limit.a, _mm512_cmp_ps_mask(x.a, limit.a, _CMP_LT_OQ), x.a),
            _mm512_mask_mov_ps(limit.b, _mm512_cmp_ps_mask(x.b, limit.b, _CMP_LT_OQ), x.b)};
  }
  static float smallest(Lanes x, Lanes limit) {
    const Lanes y = lower(x, limit);
    return _mm512_reduce_min_ps(_mm512_min_ps(y.a, y.b));
  }
  static Lanes gradient_distance(Lanes qq, Lanes hh, double norm, const double* norms) {
    return {half(qq.a, hh.a, norm, norms), half(qq.b, hh.b, norm, norms + 16)};
  }

 private:
  static __m512 half(__m512 qq, __m512 hh, double norm, const double* norms) {
    const __m256 low = quarter(_mm512_castps512_ps256(qq), _mm512_castps512_ps256(hh), norm, norms);
    const __m256 high = quarter(_mm512_extractf32x8_ps(qq, 1), _mm512_extractf32x8_ps(hh, 1), norm, norms + 8);
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
  }
  static __m256 quarter(__m256 qq, __m256 hh, double norm, const double* norms) {
    const __m512d product = _mm512_mul_pd(_mm512_cvtps_pd(qq), _mm512_cvtps_pd(hh));
    const __m512d both = _mm512_add_pd(_mm512_set1_pd(norm), _mm512_loadu_pd(norms));
    const __m512d distance = _mm512_sub_pd(both, _mm512_add_pd(product, product));
    // max(0, d) as "d below 0 becomes 0", which keeps NaN
    const __mmask8 negative = _mm512_cmp_pd_mask(distance, _mm512_setzero_pd(), _CMP_LT_OQ);
    return _mm512_cvtpd_ps(_mm512_mask_mov_pd(distance, negative, _mm512_setzero_pd()));
  }
};

#include "kernels/select_lanes.inl"

}  // namespace

namespace quarry::select {
const LaneKernels kAvx512Lanes = {distance_rows, distance_tiles, gradient_rows, gradient_tiles, square_norms};
}  // namespace quarry::select
