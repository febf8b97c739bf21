// SPDX-License-Identifier: MIT
#include "src/core/device_failure.h"

#include <algorithm>
#include <iterator>

namespace quarry::gpu {
namespace {

enum class Scope { call, kernel, device };  // what failed; after the last two the process is of no more use

struct Meaning {
  int code;
  Scope scope;
  const char* advice;
};

// Codes of cudaError_t. What is sticky is what the runtime's documentation says ends the process's use of CUDA, and
// what takes the device away.
constexpr Meaning kMeanings[] = {
    {kOutOfMemory, Scope::call, "free memory on the device, or let fewer runs share it (--fleet)"},
    {35, Scope::call, "install or update the NVIDIA driver, or use --device cpu"},
    {46, Scope::device, "another process holds the device alone, or it is down: see nvidia-smi"},
    {98, Scope::call, "this build has no code for this device: build with CMAKE_CUDA_ARCHITECTURES for it"},
    {100, Scope::call, "see whether nvidia-smi lists a device, or use --device cpu"},
    {101, Scope::call, "choose a device that 'quarry doctor' lists"},
    {200, Scope::call, "this build has no code for this device: build with CMAKE_CUDA_ARCHITECTURES for it"},
    {209, Scope::call, "this build has no code for this device: build with CMAKE_CUDA_ARCHITECTURES for it"},
    {214, Scope::device, "the device's memory is damaged: see nvidia-smi -q -d ECC; a reset of the device may help"},
    {220, Scope::device, "a link between devices failed: see nvidia-smi nvlink -s"},
    {226, Scope::device, "the device contained a hardware error: see nvidia-smi and the kernel log"},
    {700, Scope::kernel,
     "a kernel used an address that is not its own: this is a bug; compute-sanitizer finds the place"},
    {701, Scope::call, "the kernel needs more registers or shared memory than the device has: this is a bug"},
    {702, Scope::device, "a kernel ran longer than the system allows: use a device that drives no display"},
    {709, Scope::device, "the device was reset by somebody else"},
    {710, Scope::kernel, "an assertion in a kernel failed: this is a bug"},
    {714, Scope::kernel, "a kernel damaged its stack: this is a bug; compute-sanitizer finds the place"},
    {715, Scope::kernel, "a kernel ran into an illegal instruction: this is a bug, or the device is faulty"},
    {716, Scope::kernel, "a kernel used a misaligned address: this is a bug; compute-sanitizer finds the place"},
    {717, Scope::kernel,
     "a kernel used an address in the wrong memory: this is a bug; compute-sanitizer finds the place"},
    {718, Scope::kernel, "a kernel jumped to an invalid place: this is a bug; compute-sanitizer finds the place"},
    {719, Scope::kernel, "a kernel failed: this is a bug, or the device is faulty; compute-sanitizer finds the place"},
    {720, Scope::call, "a cooperative kernel asked for more blocks than the device runs at once: this is a bug"},
    {721, Scope::kernel, "a kernel kept tensor memory: this is a bug"},
    {802, Scope::call, "the system's devices are still starting: see that nvidia-fabricmanager runs"},
    {803, Scope::call, "the driver's kernel module and its library differ: restart the machine after a driver update"},
    {804, Scope::call, "the driver is older than this build allows on this device: update it"},
};

const Meaning* meaning_of(int code) {
  const auto* found = std::find_if(std::begin(kMeanings), std::end(kMeanings),
                                   [&](const Meaning& meaning) { return meaning.code == code; });
  return found == std::end(kMeanings) ? nullptr : found;
}

std::string advice_of(int code) {
  const Meaning* meaning = meaning_of(code);
  return meaning != nullptr ? meaning->advice : "see 'quarry doctor' and nvidia-smi, or use --device cpu";
}

}  // namespace

bool is_sticky(int code) {
  const Meaning* meaning = meaning_of(code);
  return meaning != nullptr && meaning->scope != Scope::call;
}

bool is_device_loss(int code) {
  const Meaning* meaning = meaning_of(code);
  return meaning != nullptr && meaning->scope == Scope::device;
}

Failure failure_of(const RuntimeError& error, std::string_view call, std::string_view recent) {
  const bool sticky = is_sticky(error.code);
  std::string message = fmt::format("GPU: {} failed: {} ({}, error {}); {}", call, error.text, error.name, error.code,
                                    advice_of(error.code));
  if (sticky && !recent.empty()) message += fmt::format("; kernels launched last: {}", recent);
  return Failure(error.code, sticky, message);
}

std::string why_no_device(const RuntimeError& error, int driver, int runtime) {
  if (driver == 0) return "no NVIDIA driver is installed; install it (package nvidia-driver), or use --device cpu";
  if (error.code == 35) {
    return fmt::format(
        "the NVIDIA driver supports CUDA {}, this build needs {}; update the driver, or use --device cpu",
        version_text(driver), version_text(runtime));
  }
  if (error.code == 100) {
    return "the NVIDIA driver finds no device (or CUDA_VISIBLE_DEVICES hides it); see nvidia-smi, or use --device cpu";
  }
  return fmt::format("the NVIDIA driver cannot be used: {} ({}, error {}); {}", error.text, error.name, error.code,
                     advice_of(error.code));
}

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

}  // namespace quarry::gpu
