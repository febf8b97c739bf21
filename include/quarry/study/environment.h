// SPDX-License-Identifier: MIT
// What a result was made with and on: kept beside the results, outside the byte contract.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quarry/core/device.h"
#include "quarry/core/gpu.h"
#include "quarry/core/json.h"

namespace quarry {

/// A library and the version this build was made with.
struct LibraryVersion {
  std::string name, version;
};

/// This build of quarry. Filled in by the build system.
struct BuildInfo {
  std::string version;     ///< "0.1.0"
  std::string commit;      ///< git commit, "-dirty" after it with local changes; "unknown" without git
  std::string compiler;    ///< "GNU 12.2.0"
  std::string flags;       ///< flags of every file (kernels add their instruction set)
  std::string build_type;  ///< "Release"
  std::string cuda;        ///< "ON (nvcc 13.0, architectures 90a-real)", or "OFF" and why
  std::vector<LibraryVersion> libraries;
};
const BuildInfo& build_info();

/// This machine, as far as it says.
struct MachineInfo {
  std::string cpu;     ///< model name, "unknown" if the system does not tell
  std::string system;  ///< kernel name, release and architecture
  int cores = 1;       ///< cores this process may use
  std::uint64_t memory_bytes = 0;
};
MachineInfo machine_info();

/// The environment record (environment.json): build, machine, SIMD level, device, workers; with a GPU also what it is
/// and its driver. No host or user name.
Json environment_record(Device device, int workers);

/// The GPU's part of the record, added to it.
void add_gpu(Json& record, const gpu::DeviceInfo& info);

/// "NVIDIA H200, compute capability 9.0, 139.8 GiB, 132 multiprocessors, driver for CUDA 13.0, runtime 13.0".
std::string gpu_text(const gpu::DeviceInfo& info);

}  // namespace quarry
