// SPDX-License-Identifier: MIT
// What stands for the emulator (tests/simt/cases.h) when the cases run on a real GPU.
#pragma once

#include <stdexcept>
#include <string>

#include "quarry/core/gpu.h"

namespace simt {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace simt

namespace quarry::gpu {

/// A GPU has the properties it has: what a case sets here is not looked at.
struct FakeGpu {
  DeviceInfo info;
};
inline FakeGpu& fake_gpu() {
  static FakeGpu ignored;
  return ignored;
}

}  // namespace quarry::gpu
