// SPDX-License-Identifier: MIT
// The MLP ops of each instruction set; mlp_ops() in kernels/mlp_fit.cpp chooses.
#pragma once

#include "quarry/ops/mlp.h"

namespace quarry {

extern const MlpOps<float> kMlpOpsF32_portable, kMlpOpsF32_avx2, kMlpOpsF32_avx512;
extern const MlpOps<double> kMlpOpsF64_portable, kMlpOpsF64_avx2, kMlpOpsF64_avx512;

}  // namespace quarry
