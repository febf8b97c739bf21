// SPDX-License-Identifier: MIT
#include "quarry/study/environment.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "src/core/device_failure.h"

namespace quarry {
namespace {

/// The value after "model name :" in /proc/cpuinfo (x86), or after "Model :" (some other architectures).
std::string cpu_model() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (!line.starts_with("model name") && !line.starts_with("Model\t")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<int>(online) : 1;
}

}  // namespace

MachineInfo machine_info() {
  MachineInfo info;
  info.cpu = cpu_model();
  utsname name{};
  info.system = uname(&name) == 0 ? fmt::format("{} {} {}", name.sysname, name.release, name.machine) : "unknown";
  info.cores = usable_cores();
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page_bytes > 0) {
    info.memory_bytes = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
  }
  return info;
}

std::string gpu_text(const gpu::DeviceInfo& info) {
  return fmt::format("{}, compute capability {}.{}, {:.1f} GiB, {} multiprocessors, driver for CUDA {}, runtime {}",
                     info.name, info.major, info.minor, static_cast<double>(info.memory) / (1 << 30),
                     info.multiprocessors, gpu::version_text(info.driver), gpu::version_text(info.runtime));
}

void add_gpu(Json& record, const gpu::DeviceInfo& info) {
  record.set("gpu", info.name)
      .set("compute_capability", fmt::format("{}.{}", info.major, info.minor))
      .set("gpu_memory_bytes", static_cast<std::int64_t>(info.memory))
      .set("multiprocessors", info.multiprocessors)
      .set("cuda_driver", gpu::version_text(info.driver))
      .set("cuda_runtime", gpu::version_text(info.runtime));
}

Json environment_record(Device device, int workers) {
  const BuildInfo& build = build_info();
  Json libraries = Json::object();
  for (const LibraryVersion& library : build.libraries) libraries.set(library.name, library.version);
  const MachineInfo machine = machine_info();
  Json record = Json::object();
  record.set("quarry", build.version)
      .set("commit", build.commit)
      .set("compiler", build.compiler)
      .set("flags", build.flags)
      .set("build_type", build.build_type)
      .set("cuda", build.cuda)
      .set("libraries", std::move(libraries))
      .set("system", machine.system)
      .set("cpu", machine.cpu)
      .set("cores", machine.cores)
      .set("memory_bytes", static_cast<std::int64_t>(machine.memory_bytes))
      .set("simd", to_string(simd_level()))
      .set("device", to_string(device))
      .set("workers", workers);
  if (device.kind == DeviceKind::cuda) add_gpu(record, gpu::device_info(device.ordinal));
  return record;
}

}  // namespace quarry
