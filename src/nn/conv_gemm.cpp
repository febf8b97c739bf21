// SPDX-License-Identifier: MIT
#include "src/nn/conv_gemm.h"

#include <algorithm>

#if QUARRY_HAS_OPENBLAS
#include <cblas.h>
#endif

namespace quarry {

#if QUARRY_HAS_OPENBLAS

namespace {

/// OpenBLAS's own threads stay idle: the fleets have one member per worker already.
void one_thread() {
  static const bool done = [] {
    openblas_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k, const float* a, blasint lda,
          const float* b, blasint ldb, float beta, float* c) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1.0f, a, lda, b, ldb, beta, c, n);
}

void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k, const double* a, blasint lda,
          const double* b, blasint ldb, double beta, double* c) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1.0, a, lda, b, ldb, beta, c, n);
}

}  // namespace

template <class T>
void conv_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
               const T* b, bool accumulate, T* c) {
  one_thread();
  const auto rows = static_cast<blasint>(m), columns = static_cast<blasint>(n), depth = static_cast<blasint>(k);
  gemm(transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, rows, columns, depth, a,
       transpose_a ? rows : depth, b, transpose_b ? depth : columns, accumulate ? T(1) : T(0), c);
}

#else

template <class T>
void conv_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
               const T* b, bool accumulate, T* c) {
  if (!accumulate) std::fill(c, c + m * n, T(0));
  const auto at_a = [&](std::int64_t i, std::int64_t p) { return transpose_a ? a[p * m + i] : a[i * k + p]; };
  if (transpose_b) {
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        T sum = 0;
        for (std::int64_t p = 0; p < k; ++p) sum += at_a(i, p) * b[j * k + p];
        c[i * n + j] += sum;
      }
    }
    return;
  }
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t p = 0; p < k; ++p) {
      const T factor = at_a(i, p);
      for (std::int64_t j = 0; j < n; ++j) c[i * n + j] += factor * b[p * n + j];
    }
  }
}

#endif

template void conv_gemm<float>(bool, bool, std::int64_t, std::int64_t, std::int64_t, const float*, const float*, bool,
                               float*);
template void conv_gemm<double>(bool, bool, std::int64_t, std::int64_t, std::int64_t, const double*, const double*,
                                bool, double*);

}  // namespace quarry
