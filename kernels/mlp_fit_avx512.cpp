// SPDX-License-Identifier: MIT
// The MLP ops in AVX-512 (F, DQ, BW, VL).
#include "kernels/lanes_avx512.h"
#include "kernels/mlp_score.h"
#include "kernels/mlp_tables.h"

namespace quarry {

const MlpOps<float> kMlpOpsF32_avx512 = make_ops<LaneF32>();
const MlpOps<double> kMlpOpsF64_avx512 = make_ops<LaneF64>();

}  // namespace quarry
