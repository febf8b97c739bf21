// SPDX-License-Identifier: MIT
// CUDA's programming model on the host, for kernels/simt.h. Needs no CUDA header. What the harness finds and how is
// told in executor.h; how to test a kernel with it in tests/simt/cases.h.
//
// Stricter than a GPU: every thread of a block must come to every barrier, at the same line; a mask names lanes that
// exist and have not exited; raw __shared__ does not compile.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

#include "quarry/core/gpu.h"
#include "tests/simt/emulator/arithmetic.h"
#include "tests/simt/emulator/executor.h"
#include "tests/simt/emulator/matrix.h"
#include "tests/simt/emulator/sanitizer.h"
#include "tests/simt/emulator/vector_types.h"
#include "tests/simt/emulator/warp.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

#define threadIdx (::simt::position->thread)
#define blockIdx (::simt::position->block)
#define blockDim (::simt::position->block_dim)
#define gridDim (::simt::position->grid_dim)
inline constexpr int warpSize = 32;

/// QUARRY_SHARED(float, tile, [4][32]): the block's own memory of exactly this type, new and poisoned in each block.
#define QUARRY_SHARED(T, name, ...)       \
  static const char name##_declaration{}; \
  auto& name = ::simt::shared<T __VA_ARGS__>(&name##_declaration, #name, {__FILE__, __LINE__})
#define QUARRY_DYNAMIC_SHARED(T, name) T* const name = static_cast<T*>(::simt::dynamic_shared({__FILE__, __LINE__}))
#define QUARRY_UNROLL

namespace simt {

template <class T>
T& shared(const void* key, const char* name, Site site) {
  static_assert(std::is_trivially_default_constructible_v<std::remove_all_extents_t<T>>,
                "nothing constructs shared memory");
  return *static_cast<T*>(shared_array(key, name, sizeof(T), alignof(T), site));
}

/// Runs every thread of the launch; returns when all have ended. Error: simt::Error for a fault of the kernel.
template <class... P>
void run(const char* name, const quarry::gpu::LaunchShape& shape, void (*kernel)(P...),
         const std::tuple<P...>& values) {
  struct Call {
    void (*kernel)(P...);
    const std::tuple<P...>& values;
  } call{kernel, values};
  execute(
      name, shape,
      [](const void* context) {
        const Call& c = *static_cast<const Call*>(context);
        std::apply(c.kernel, c.values);
      },
      &call);
}

}  // namespace simt

namespace quarry {

inline void grid_sync(SIMT_HERE) {
  simt::grid_barrier({file, line});
}

inline void cluster_sync(SIMT_HERE) {
  simt::cluster_barrier({file, line});
}
inline unsigned cluster_rank(SIMT_HERE) {
  return simt::cluster_rank({file, line});
}
template <class T>
T* cluster_shared(T* mine, unsigned rank, SIMT_HERE) {
  return static_cast<T*>(simt::cluster_shared(mine, rank, {file, line}));
}

/// The copy happens when it is waited for; until then the target holds nothing.
template <unsigned kBytes>
void async_copy(void* shared, const void* global, SIMT_HERE) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  simt::async_begin({shared, global, kBytes}, {file, line});
  simt::poison(shared, kBytes);
}
inline void async_commit() {
  simt::async_close();
}
template <unsigned kGroups>
void async_wait() {
  simt::AsyncCopy copy{};
  while (simt::async_next(kGroups, copy)) {
    auto* to = static_cast<unsigned char*>(copy.to);
    const auto* from = static_cast<const unsigned char*>(copy.from);
    for (unsigned i = 0; i < copy.bytes; ++i) to[i] = from[i];
  }
}

}  // namespace quarry
