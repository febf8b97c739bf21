// SPDX-License-Identifier: MIT
// What a .cu file includes instead of the CUDA headers. nvcc sees CUDA; a plain C++ compiler sees the same programming
// model run thread by thread on the host (tests/simt/emulator), which is how CI finds faults in kernels without a GPU.
//
// A kernel is written in ordinary CUDA C++ (threadIdx, __syncthreads, __shfl_down_sync, atomicAdd on integers, ...)
// with five spellings of its own:
//   QUARRY_SHARED(float, tile, [4][32]);   for  __shared__ float tile[4][32];
//   QUARRY_DYNAMIC_SHARED(float, pool);    for  extern __shared__ float pool[];
//   quarry::grid_sync()                    for  cooperative_groups::this_grid().sync()
//   quarry::async_copy<16>(to, from), async_commit(), async_wait<groups>()   for  the __pipeline_ functions (cp.async)
//   gpu::launch(session, "name", shape, kernel, arguments...)  for  kernel<<<...>>>(arguments...)
// Not allowed in kernels: raw __shared__, inline PTX, cooperative_groups, CUB (libraries have their own door), atomics
// on floating-point numbers, waiting for another block except by grid_sync, a return before a barrier that others
// reach.
#pragma once

#include <tuple>
#include <utility>

#include "quarry/core/gpu.h"

#if defined(__CUDACC__)

#include <cooperative_groups.h>
#include <cuda_pipeline.h>
#include <cuda_runtime.h>

#define QUARRY_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
#define QUARRY_DYNAMIC_SHARED(T, name)                              \
  extern __shared__ __align__(128) unsigned char quarry_dynamic_[]; \
  T* const name = reinterpret_cast<T*>(quarry_dynamic_)
#define QUARRY_UNROLL _Pragma("unroll")

namespace quarry {

/// Waits for every thread of the grid. The launch must be cooperative.
__device__ __forceinline__ void grid_sync() {
  cooperative_groups::this_grid().sync();
}

/// Starts a copy of 4, 8 or 16 bytes from global to shared memory; both addresses are multiples of the size.
template <unsigned kBytes>
__device__ __forceinline__ void async_copy(void* shared, const void* global) {
  __pipeline_memcpy_async(shared, global, kBytes);
}
/// Closes the group of the copies that this thread has started.
__device__ __forceinline__ void async_commit() {
  __pipeline_commit();
}
/// Waits until all groups but the newest kGroups of this thread have arrived.
template <unsigned kGroups>
__device__ __forceinline__ void async_wait() {
  __pipeline_wait_prior(kGroups);
}

}  // namespace quarry

namespace quarry::gpu {

template <class... P, class... A>
void launch(Session& session, const char* name, const LaunchShape& shape, void (*kernel)(P...), A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A));
  std::tuple<P...> values{static_cast<P>(std::forward<A>(arguments))...};
  std::apply(
      [&](P&... value) {
        void* addresses[] = {const_cast<void*>(static_cast<const void*>(&value))...};
        session.launch({name, shape, reinterpret_cast<const void*>(kernel), addresses, {}});
      },
      values);
}

}  // namespace quarry::gpu

#else

#include "tests/simt/emulator/simt.h"

namespace quarry::gpu {

template <class... P, class... A>
void launch(Session& session, const char* name, const LaunchShape& shape, void (*kernel)(P...), A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A));
  std::tuple<P...> values{static_cast<P>(std::forward<A>(arguments))...};
  session.launch({name, shape, nullptr, nullptr, [=] { simt::run(name, shape, kernel, values); }});
}

}  // namespace quarry::gpu

#endif
