// SPDX-License-Identifier: MIT
// What a .cu file includes instead of the CUDA headers. nvcc sees CUDA; a plain C++ compiler sees the same programming
// model run thread by thread on the host (tests/simt/emulator), which is how CI finds faults in kernels without a GPU.
//
// A kernel is written in ordinary CUDA C++ (threadIdx, __syncthreads, __shfl_down_sync, atomicAdd on integers, ...)
// with four spellings of its own:
//   QUARRY_SHARED(float, tile, [4][32]);   for  __shared__ float tile[4][32];
//   QUARRY_DYNAMIC_SHARED(float, pool);    for  extern __shared__ float pool[];
//   grid_sync()                            for  cooperative_groups::this_grid().sync()
//   gpu::launch(session, "name", shape, kernel, arguments...)  for  kernel<<<...>>>(arguments...)
// Not allowed in kernels: raw __shared__, inline PTX, cooperative_groups, CUB (libraries have their own door), atomics
// on floating-point numbers, waiting for another block except by grid_sync, a return before a barrier that others
// reach.
#pragma once

#include <tuple>
#include <utility>

#include "quarry/core/gpu.h"

#if defined(__CUDACC__)

#include <cuda_runtime.h>

#define QUARRY_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
#define QUARRY_DYNAMIC_SHARED(T, name)                              \
  extern __shared__ __align__(128) unsigned char quarry_dynamic_[]; \
  T* const name = reinterpret_cast<T*>(quarry_dynamic_)
#define QUARRY_UNROLL _Pragma("unroll")

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
