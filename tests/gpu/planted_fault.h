// SPDX-License-Identifier: MIT
#pragma once

#include "quarry/core/gpu.h"

namespace quarry::testing {

/// Launches a kernel that writes one element beyond its buffer, and waits for it.
void write_out_of_bounds(gpu::Session& session);

}  // namespace quarry::testing
