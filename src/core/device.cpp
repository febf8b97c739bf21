// SPDX-License-Identifier: MIT
#include "quarry/core/device.h"

#include <cstdint>
#include <cstdlib>

#include "quarry/core/error.h"
#include "quarry/core/gpu.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

SimdLevel widest_level() {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (avx512) return SimdLevel::avx512;
  if (avx2) return SimdLevel::avx2;
#endif
  return SimdLevel::portable;
}

}  // namespace

std::string to_string(Device device) {
  if (device.kind == DeviceKind::cpu) return "cpu";
  return fmt::format("cuda:{}", device.ordinal);
}

UsableGpus usable_gpus() {
  UsableGpus gpus;
  gpus.count = gpu::device_count(&gpus.why);
  return gpus;
}

std::string why_no_cuda() {
  return usable_gpus().why;
}

Device parse_device(std::string_view text, const std::function<UsableGpus()>& look) {
  if (text == "cpu") return {};
  if (text == "auto") return {look().count > 0 ? DeviceKind::cuda : DeviceKind::cpu, 0};
  std::int64_t ordinal = 0;
  const bool numbered = text.substr(0, 5) == "cuda:" && text.size() > 5 && text.size() <= 8 && text[5] != '-' &&
                        parse_number(text.substr(5), ordinal);
  if (text != "cuda" && !numbered) {
    usage_error("unknown device '{}'; expected auto, cpu, cuda or cuda:0, cuda:1, ...", printable(text));
  }
  const UsableGpus gpus = look();
  if (gpus.count == 0) device_error("device '{}' cannot be used: {}", text, gpus.why);
  if (ordinal >= gpus.count) {
    device_error("there is no device '{}'; the last one is cuda:{} (quarry doctor lists them)", text, gpus.count - 1);
  }
  return {DeviceKind::cuda, static_cast<int>(ordinal)};
}

SimdLevel simd_level() {
  const SimdLevel widest = widest_level();
  const char* variable = std::getenv("QUARRY_SIMD");
  if (!variable || !*variable) return widest;
  for (const SimdLevel level : {SimdLevel::portable, SimdLevel::avx2, SimdLevel::avx512}) {
    if (to_string(level) != variable) continue;
    if (level > widest) {
      usage_error("QUARRY_SIMD={} asks for instructions this CPU lacks; its widest level is {}", variable,
                  to_string(widest));
    }
    return level;
  }
  usage_error("QUARRY_SIMD='{}' is unknown; expected portable, avx2 or avx512", printable(variable));
}

std::string_view to_string(SimdLevel level) {
  switch (level) {
    case SimdLevel::portable:
      return "portable";
    case SimdLevel::avx2:
      return "avx2";
    case SimdLevel::avx512:
      return "avx512";
  }
  return "unknown";
}

}  // namespace quarry
