// SPDX-License-Identifier: MIT
// The loops of TPE in AVX-512.
#if defined(__x86_64__)
#include "kernels/lanes_avx512.h"
#include "kernels/tpe_kernels.h"

namespace quarry::cpu {

const TpeKernels kTpeAvx512 = {TpeLoops<LaneF64>::log, TpeLoops<LaneF64>::candidates, TpeLoops<LaneF64>::densities};

}  // namespace quarry::cpu
#endif
