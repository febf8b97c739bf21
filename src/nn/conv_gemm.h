// SPDX-License-Identifier: MIT
// Matrix products of the reference engine, row-major and contiguous, on one thread: OpenBLAS where it was found.
#pragma once

#include <cstdint>

namespace quarry {

/// C [m][n] = A B + (accumulate ? C : 0). A is [m][k], or [k][m] if transpose_a; B is [k][n], or [n][k] if transpose_b.
template <class T>
void conv_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
               const T* b, bool accumulate, T* c);

}  // namespace quarry
