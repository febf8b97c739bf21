// SPDX-License-Identifier: MIT
// Which GPUs there are, and the check of every call.
#include <cuda_runtime_api.h>

#include <vector>

#include "src/core/device_failure.h"
#include "src/core/gpu_check.h"
#include "src/core/gpu_recent.h"

namespace quarry::gpu {
namespace {

constexpr int kLeastMajor = 8;  // compute capability that every kernel has a path for

struct Devices {
  std::vector<DeviceInfo> usable;
  std::string why;  ///< there is none
};

RuntimeError error_of(int code) {
  const auto error = static_cast<cudaError_t>(code);
  return {code, cudaGetErrorName(error), cudaGetErrorString(error)};
}

DeviceInfo describe(int ordinal, int driver, int runtime) {
  cudaDeviceProp properties{};
  check_runtime(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties");
  DeviceInfo info;
  info.ordinal = ordinal;
  info.name = properties.name;
  info.major = properties.major;
  info.minor = properties.minor;
  info.memory = properties.totalGlobalMem;
  info.multiprocessors = properties.multiProcessorCount;
  info.shared_per_block = properties.sharedMemPerBlockOptin;
  info.shared_per_multiprocessor = properties.sharedMemPerMultiprocessor;
  info.driver = driver;
  info.runtime = runtime;
  return info;
}

Devices find_devices() {
  Devices found;
  int count = 0, driver = 0, runtime = 0;
  check_runtime(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");  // 0 without a driver
  check_runtime(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  const cudaError_t answer = driver == 0 ? cudaErrorInsufficientDriver : cudaGetDeviceCount(&count);
  if (answer != cudaSuccess || count == 0) {
    cudaGetLastError();  // an answer, not a failure: leave nothing for the next check to find
    found.why = why_no_device(error_of(answer == cudaSuccess ? cudaErrorNoDevice : answer), driver, runtime);
    return found;
  }
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    const DeviceInfo info = describe(ordinal, driver, runtime);
    if (info.major >= kLeastMajor) {
      found.usable.push_back(info);
    } else if (found.why.empty()) {
      found.why = fmt::format("{} has compute capability {}.{}, quarry needs {}.0 or later; use --device cpu",
                              info.name, info.major, info.minor, kLeastMajor);
    }
  }
  return found;
}

/// Looked for once: asking starts the driver, which takes a good part of a second.
const Devices& devices() {
  static const Devices found = [] {
    try {
      return find_devices();
    } catch (const Failure& failure) {
      return Devices{{}, failure.what()};
    }
  }();
  return found;
}

}  // namespace

void check_runtime(int code, const char* call) {
  if (code == cudaSuccess) return;
  if (!is_sticky(code)) cudaGetLastError();
  throw failure_of(error_of(code), call, recent_launches().text());
}

int device_count(std::string* why) {
  if (why != nullptr) *why = devices().usable.empty() ? devices().why : "";
  return static_cast<int>(devices().usable.size());
}

DeviceInfo device_info(int ordinal) {
  QUARRY_CHECK(ordinal >= 0 && ordinal < device_count(), "device {} of {}", ordinal, device_count());
  return devices().usable[static_cast<std::size_t>(ordinal)];
}

}  // namespace quarry::gpu
