// SPDX-License-Identifier: MIT
#include "quarry/core/context.h"

#include "quarry/core/error.h"

namespace quarry {

Context::Context(Device device, int workers) : device_(device), simd_(simd_level()), pool_(workers) {
  if (device.kind != DeviceKind::cpu) {
    device_error("a Context is for the CPU, not for {}: a study goes to a GPU by run_study", to_string(device));
  }
  arenas_.reserve(static_cast<std::size_t>(pool_.workers()));
  for (int worker = 0; worker < pool_.workers(); ++worker) arenas_.push_back(std::make_unique<Arena>());
}

}  // namespace quarry
