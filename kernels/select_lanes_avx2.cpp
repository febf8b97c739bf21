// SPDX-License-Identifier: MIT
#include <immintrin.h>

#include "kernels/select_lanes.h"

namespace {

struct Lanes {
  static constexpr int kRows = 2;
  __m256 v[4];

  static Lanes zero() { return broadcast(0); }
  static Lanes load(const float* p) {
    return {{_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8), _mm256_loadu_ps(p + 16), _mm256_loadu_ps(p + 24)}};
  }
  static Lanes broadcast(float x) {
    const __m256 all = _mm256_set1_ps(x);
    return {{all, all, all, all}};
  }
  static Lanes fma(Lanes x, Lanes y, Lanes z) {
    for (int i = 0; i < 4; ++i) z.v[i] = _mm256_fmadd_ps(x.v[i], y.v[i], z.v[i]);
    return z;
  }
  void store(float* p) const {
    for (int i = 0; i < 4; ++i) _mm256_storeu_ps(p + 8 * i, v[i]);
  }
  Lanes operator-(Lanes other) const {
    for (int i = 0; i < 4; ++i) other.v[i] = _mm256_sub_ps(v[i], other.v[i]);
    return other;
  }
  bool any_below(Lanes limit) const {
    __m256 any = _mm256_setzero_ps();
    for (int i = 0; i < 4; ++i) any = _mm256_or_ps(any, _mm256_cmp_ps(v[i], limit.v[i], _CMP_LT_OQ));
    return _mm256_movemask_ps(any) != 0;
  }
  /// x where it is below the limit (never where it is NaN), else the limit.
  static Lanes lower(Lanes x, Lanes limit) {
    for (int i = 0; i < 4; ++i) {
      limit.v[i] = _mm256_blendv_ps(limit.v[i], x.v[i], _mm256_cmp_ps(x.v[i], limit.v[i], _CMP_LT_OQ));
    }
    return limit;
  }
  static float smallest(Lanes x, Lanes limit) {
    const Lanes y = lower(x, limit);
    const __m256 four = _mm256_min_ps(_mm256_min_ps(y.v[0], y.v[1]), _mm256_min_ps(y.v[2], y.v[3]));
    __m128 m = _mm_min_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1));
    m = _mm_min_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_min_ss(m, _mm_shuffle_ps(m, m, 1)));
  }
  static Lanes gradient_distance(Lanes qq, Lanes hh, double norm, const double* norms) {
    for (int i = 0; i < 4; ++i) {
      const __m128 low = half(_mm256_castps256_ps128(qq.v[i]), _mm256_castps256_ps128(hh.v[i]), norm, norms + 8 * i);
      const __m128 high =
          half(_mm256_extractf128_ps(qq.v[i], 1), _mm256_extractf128_ps(hh.v[i], 1), norm, norms + 8 * i + 4);
      qq.v[i] = _mm256_set_m128(high, low);
    }
    return qq;
  }

 private:
  static __m128 half(__m128 qq, __m128 hh, double norm, const double* norms) {
    const __m256d product = _mm256_mul_pd(_mm256_cvtps_pd(qq), _mm256_cvtps_pd(hh));
    const __m256d both = _mm256_add_pd(_mm256_set1_pd(norm), _mm256_loadu_pd(norms));
    const __m256d distance = _mm256_sub_pd(both, _mm256_add_pd(product, product));
    const __m256d negative = _mm256_cmp_pd(distance, _mm256_setzero_pd(), _CMP_LT_OQ);
    return _mm256_cvtpd_ps(_mm256_andnot_pd(negative, distance));
  }
};

#include "kernels/select_lanes.inl"

}  // namespace

namespace quarry::select {
const LaneKernels kAvx2Lanes = {distance_rows, distance_tiles, gradient_rows, gradient_tiles, square_norms};
}  // namespace quarry::select
