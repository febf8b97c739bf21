// SPDX-License-Identifier: MIT
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/tpe_kernels.h"

namespace quarry::cpu {
namespace {

struct Lane {
  static constexpr int N = 8;
  using T = double;
  using U = std::uint64_t;
  using V = __m512d;
  using I = __m512i;
  using M = __mmask8;
  static V load(const T* p) { return _mm512_loadu_pd(p); }
  static void store(T* p, V x) { _mm512_storeu_pd(p, x); }
  static V set(T x) { return _mm512_set1_pd(x); }
  static I iset(U x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
  static V add(V a, V b) { return _mm512_add_pd(a, b); }
  static V sub(V a, V b) { return _mm512_sub_pd(a, b); }
  static V mul(V a, V b) { return _mm512_mul_pd(a, b); }
  static V div(V a, V b) { return _mm512_div_pd(a, b); }
  static V sqrt(V a) { return _mm512_maskz_sqrt_pd(0xff, a); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  static I bits(V x) { return _mm512_castpd_si512(x); }
  static V from_bits(I x) { return _mm512_castsi512_pd(x); }
  static I iadd(I a, I b) { return _mm512_add_epi64(a, b); }
  static I isub(I a, I b) { return _mm512_sub_epi64(a, b); }
  static I iand(I a, I b) { return _mm512_and_si512(a, b); }
  static I ior(I a, I b) { return _mm512_or_si512(a, b); }
  template <int n>
  static I shl(I a) {
    return _mm512_maskz_slli_epi64(0xff, a, n);  // the plain form warns in GCC 12
  }
  template <int n>
  static I shr(I a) {
    return _mm512_maskz_srli_epi64(0xff, a, n);
  }
  static M lt(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
  static M eq(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
  static M is_nan(V a) { return _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q); }
  static V select(M m, V a, V b) { return _mm512_mask_blend_pd(m, b, a); }
};

}  // namespace

const TpeKernels kTpeAvx512 = {TpeLoops<Lane>::log, TpeLoops<Lane>::candidates, TpeLoops<Lane>::densities};

}  // namespace quarry::cpu
#endif
