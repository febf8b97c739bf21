// SPDX-License-Identifier: MIT
#include "tests/support/mlp_cases.h"

#include <cstdio>

namespace quarry::testing {

std::vector<SimdLevel> simd_levels() {
  static const std::vector<SimdLevel> levels = [] {
    std::vector<SimdLevel> result{SimdLevel::portable};
#if defined(__x86_64__)
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (avx2) result.push_back(SimdLevel::avx2);
    if (avx512) result.push_back(SimdLevel::avx512);
#endif
    for (const SimdLevel level : {SimdLevel::avx2, SimdLevel::avx512}) {
      if (level > result.back()) std::printf("SKIPPED level %s: this CPU lacks it\n", to_string(level).data());
    }
    return result;
  }();
  return levels;
}

}  // namespace quarry::testing
