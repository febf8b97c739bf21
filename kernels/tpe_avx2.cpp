// SPDX-License-Identifier: MIT
// The loops of TPE in AVX2.
#if defined(__x86_64__)
#include "kernels/lanes_avx2.h"
#include "kernels/tpe_kernels.h"

namespace quarry::cpu {

const TpeKernels kTpeAvx2 = {TpeLoops<LaneF64>::log, TpeLoops<LaneF64>::candidates, TpeLoops<LaneF64>::densities};

}  // namespace quarry::cpu
#endif
