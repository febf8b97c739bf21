// SPDX-License-Identifier: MIT
// What a failed call of the CUDA runtime means and what to do about it, in words. Pure functions of error codes, shared
// by the real device and by the fake one of the tests.
#pragma once

#include <string>
#include <string_view>

#include "quarry/core/gpu.h"

namespace quarry::gpu {

/// An error as the runtime states it.
struct RuntimeError {
  int code = 0;
  std::string_view name;  ///< "cudaErrorIllegalAddress"
  std::string_view text;  ///< "an illegal memory access was encountered"
};

/// True for the codes after which every later call of the process fails: the process must be replaced.
bool is_sticky(int code);

/// True for those of them that speak of the device as a whole (lost, unavailable, memory errors, timeout) and not of
/// one kernel.
bool is_device_loss(int code);

/// `call` is what failed ("cudaMemcpyAsync"); `recent` (may be empty) are the kernels launched last, any of which may
/// be the cause of a sticky failure, because launches report late.
Failure failure_of(const RuntimeError& error, std::string_view call, std::string_view recent = {});

/// One line on why the runtime counts no device, and what to do. Versions are 1000 major + 10 minor; driver 0 = none.
std::string why_no_device(const RuntimeError& error, int driver, int runtime);

/// "13.0".
std::string version_text(int version);

}  // namespace quarry::gpu
