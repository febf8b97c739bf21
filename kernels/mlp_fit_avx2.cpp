// SPDX-License-Identifier: MIT
// The MLP ops in AVX2 and FMA.
#include "kernels/lanes_avx2.h"
#include "kernels/mlp_score.h"
#include "kernels/mlp_tables.h"

namespace quarry {

const MlpOps<float> kMlpOpsF32_avx2 = make_ops<LaneF32>();
const MlpOps<double> kMlpOpsF64_avx2 = make_ops<LaneF64>();

}  // namespace quarry
