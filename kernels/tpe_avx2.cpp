// SPDX-License-Identifier: MIT
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/tpe_kernels.h"

namespace quarry::cpu {
namespace {

struct Lane {
  static constexpr int N = 4;
  using T = double;
  using U = std::uint64_t;
  using V = __m256d;
  using I = __m256i;
  using M = __m256d;
  static V load(const T* p) { return _mm256_loadu_pd(p); }
  static void store(T* p, V x) { _mm256_storeu_pd(p, x); }
  static V set(T x) { return _mm256_set1_pd(x); }
  static I iset(U x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
  static V add(V a, V b) { return _mm256_add_pd(a, b); }
  static V sub(V a, V b) { return _mm256_sub_pd(a, b); }
  static V mul(V a, V b) { return _mm256_mul_pd(a, b); }
  static V div(V a, V b) { return _mm256_div_pd(a, b); }
  static V sqrt(V a) { return _mm256_sqrt_pd(a); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  static I bits(V x) { return _mm256_castpd_si256(x); }
  static V from_bits(I x) { return _mm256_castsi256_pd(x); }
  static I iadd(I a, I b) { return _mm256_add_epi64(a, b); }
  static I isub(I a, I b) { return _mm256_sub_epi64(a, b); }
  static I iand(I a, I b) { return _mm256_and_si256(a, b); }
  static I ior(I a, I b) { return _mm256_or_si256(a, b); }
  template <int n>
  static I shl(I a) {
    return _mm256_slli_epi64(a, n);
  }
  template <int n>
  static I shr(I a) {
    return _mm256_srli_epi64(a, n);
  }
  static M lt(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_LT_OQ); }
  static M eq(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_EQ_OQ); }
  static M is_nan(V a) { return _mm256_cmp_pd(a, a, _CMP_UNORD_Q); }
  static V select(M m, V a, V b) { return _mm256_blendv_pd(b, a, m); }
};

}  // namespace

const TpeKernels kTpeAvx2 = {TpeLoops<Lane>::log, TpeLoops<Lane>::candidates, TpeLoops<Lane>::densities};

}  // namespace quarry::cpu
#endif
