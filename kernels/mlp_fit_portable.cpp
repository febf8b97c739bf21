// SPDX-License-Identifier: MIT
// The MLP ops in portable C++: arrays of lanes.
#include "kernels/lanes_portable.h"
#include "kernels/mlp_score.h"
#include "kernels/mlp_tables.h"

namespace quarry {

const MlpOps<float> kMlpOpsF32_portable = make_ops<LaneF32>();
const MlpOps<double> kMlpOpsF64_portable = make_ops<LaneF64>();

}  // namespace quarry
