// SPDX-License-Identifier: MIT
// The loops of TPE in portable C++.
#include "kernels/lanes_portable.h"
#include "kernels/tpe_kernels.h"

namespace quarry::cpu {

const TpeKernels kTpePortable = {TpeLoops<LaneF64>::log, TpeLoops<LaneF64>::candidates, TpeLoops<LaneF64>::densities};

}  // namespace quarry::cpu
