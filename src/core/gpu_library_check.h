// SPDX-License-Identifier: MIT
// What every implementation of quarry/core/gpu_library.h checks before it queues a call.
#pragma once

#include <cstdint>

#include "quarry/core/error.h"
#include "quarry/core/gpu_library.h"

namespace quarry::gpu {

inline void check_count(std::int64_t n) {
  QUARRY_CHECK(n >= 0 && n < (std::int64_t{1} << 31), "{} elements for a library call", n);
}
inline void check_scratch(Scratch scratch, std::size_t needed) {
  QUARRY_CHECK(scratch.data != nullptr && scratch.bytes >= needed, "{} bytes of scratch where {} are needed",
               scratch.bytes, needed);
}

}  // namespace quarry::gpu
