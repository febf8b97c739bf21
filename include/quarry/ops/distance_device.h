// SPDX-License-Identifier: MIT
// Smallest distances by matrix products, for wide features (convolutional networks): |x - y|^2 = |x|^2 + |y|^2 - 2 x.y.
// A precision of its own, beside nearest_center of quarry/ops/k_center.h: not bit-equal with it, and never used where
// the picks of an MLP study depend on it. With width w, u = 2^-24 and S = sum |x_f y_f|, a distance is off by at most
// about u sqrt(w) (|x|^2 + |y|^2 + 2 S): absolute, not relative, so that of two close
// points far from the origin little is left.
//
// The products are made in tiles of one shape, so a result depends neither on how many candidates there are nor on
// where a candidate stands.
#pragma once

#include <cstdint>

#include "quarry/core/gpu_library.h"

namespace quarry::cuda {

/// Bytes of scratch; a pure function.
std::size_t nearest_center_gemm_scratch(std::int64_t n, std::int64_t m, std::int64_t width);

/// nearest[i] = min(nearest[i], |candidate i - centre j|^2 over all j), clamped at 0. A distance that is not finite
/// changes nothing; start from +infinity. candidates [n][width], centers [m][width], nearest [n]: device pointers.
/// Asynchronous; scratch aligned to 256 bytes. Errors: a check fails on shapes or too little scratch.
void nearest_center_gemm(gpu::Blas& blas, const float* candidates, std::int64_t n, const float* centers, std::int64_t m,
                         std::int64_t width, float* nearest, gpu::Scratch scratch);

}  // namespace quarry::cuda
