// SPDX-License-Identifier: MIT
#include "kernels/mlp_tables.h"
#include "quarry/core/error.h"

namespace quarry {
namespace {

template <class T>
const MlpOps<T>& choose(SimdLevel level, const MlpOps<T>& portable, [[maybe_unused]] const MlpOps<T>* avx2,
                        [[maybe_unused]] const MlpOps<T>* avx512) {
  switch (level) {
    case SimdLevel::portable:
      return portable;
    case SimdLevel::avx2:
      if (avx2 != nullptr) return *avx2;
      break;
    case SimdLevel::avx512:
      if (avx512 != nullptr) return *avx512;
      break;
  }
  fail("this build has no {} kernels; use QUARRY_SIMD=portable", to_string(level));
}

}  // namespace

#if defined(__x86_64__)
template <>
const MlpOps<float>& mlp_ops<float>(SimdLevel level) {
  return choose(level, kMlpOpsF32_portable, &kMlpOpsF32_avx2, &kMlpOpsF32_avx512);
}
template <>
const MlpOps<double>& mlp_ops<double>(SimdLevel level) {
  return choose(level, kMlpOpsF64_portable, &kMlpOpsF64_avx2, &kMlpOpsF64_avx512);
}
#else
template <>
const MlpOps<float>& mlp_ops<float>(SimdLevel level) {
  return choose<float>(level, kMlpOpsF32_portable, nullptr, nullptr);
}
template <>
const MlpOps<double>& mlp_ops<double>(SimdLevel level) {
  return choose<double>(level, kMlpOpsF64_portable, nullptr, nullptr);
}
#endif

}  // namespace quarry
