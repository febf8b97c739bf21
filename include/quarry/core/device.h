// SPDX-License-Identifier: MIT
// Where work runs. The choice is made at run time; one binary holds every backend it was built with.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace quarry {

enum class DeviceKind { cpu, cuda };

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int ordinal = 0;
  bool operator==(const Device&) const = default;
};

/// "cpu" or "cuda:0".
std::string to_string(Device device);

/// GPUs that can be used, cuda:0 to cuda:<count - 1>.
struct UsableGpus {
  int count = 0;
  std::string why;  ///< there is none, and what to do: one line
};
/// Of this machine and build (gpu::device_count): the first call starts the driver.
UsableGpus usable_gpus();

/// "auto", "cpu", "cuda" or "cuda:i". "auto" is the first GPU if one can be used, else the CPU. Looks for GPUs only if
/// it has to; `look` says where.
/// Errors: usage for any other text, device when a GPU is asked for and cannot be used (with the reason).
Device parse_device(std::string_view text, const std::function<UsableGpus()>& look = usable_gpus);

/// Empty if device 0 can be used, else why not, in one line.
std::string why_no_cuda();

/// Instruction sets of the CPU kernels, from narrow to wide; all give the same bits.
enum class SimdLevel { portable, avx2, avx512 };

/// The widest level this CPU has, or the one named by QUARRY_SIMD=portable|avx2|avx512.
/// Errors: usage for an unknown name or a level this CPU lacks.
SimdLevel simd_level();
std::string_view to_string(SimdLevel level);

}  // namespace quarry
