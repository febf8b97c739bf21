// SPDX-License-Identifier: MIT
// What a .cu file includes instead of the CUDA headers. nvcc sees CUDA; a plain C++ compiler sees the same programming
// model run thread by thread on the host (tests/simt/emulator), which is how CI finds faults in kernels without a GPU.
//
// A kernel is written in ordinary CUDA C++ (threadIdx, __syncthreads, __shfl_down_sync, atomicAdd on integers, ...)
// with spellings of its own:
//   QUARRY_SHARED(float, tile, [4][32]);   for  __shared__ float tile[4][32];
//   QUARRY_DYNAMIC_SHARED(float, pool);    for  extern __shared__ float pool[];
//   quarry::grid_sync()                    for  cooperative_groups::this_grid().sync()
//   quarry::async_copy<16>(to, from), async_commit(), async_wait<groups>()   for  the __pipeline_ functions (cp.async)
//   quarry::cluster_sync(), cluster_rank(), cluster_shared(pointer, rank)     for  cooperative_groups::this_cluster()
//   quarry::ldmatrix_x4(registers, row), mma_bf16(d, a, b, c)                for  the PTX of these names
//   gpu::launch(session, "name", shape, kernel, arguments...)  for  kernel<<<...>>>(arguments...)
// Not allowed in kernels: raw __shared__, inline PTX of its own, cooperative_groups, CUB (libraries have their own
// door), atomics on floating-point numbers, waiting for another block except by grid_sync or cluster_sync, a return
// before a barrier that others reach.
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

// Clusters: launches that ask for them are refused below compute capability 9.0, so __trap is never reached.

/// Waits for every thread of the blocks of the cluster.
__device__ __forceinline__ void cluster_sync() {
#if __CUDA_ARCH__ >= 900
  cooperative_groups::this_cluster().sync();
#else
  __trap();
#endif
}
/// The block's number in its cluster, from 0.
__device__ __forceinline__ unsigned cluster_rank() {
#if __CUDA_ARCH__ >= 900
  return cooperative_groups::this_cluster().block_rank();
#else
  __trap();
  return 0;
#endif
}
/// The place of shared memory in block `rank` of the cluster that `mine` is in this one. From the cluster_sync after
/// that block's declaration of it to the last one before that block ends.
template <class T>
__device__ __forceinline__ T* cluster_shared(T* mine, [[maybe_unused]] unsigned rank) {
#if __CUDA_ARCH__ >= 900
  return cooperative_groups::this_cluster().map_shared_rank(mine, rank);
#else
  __trap();
  return mine;
#endif
}

/// Four 8 x 8 matrices of 16-bit values from shared memory, by a whole warp: lane l names row l % 8 of matrix l / 8, 16
/// bytes that begin at a multiple of 16. It gets of each matrix m in out[m] the values of row l / 4 in columns
/// 2 (l % 4) and the next, the first one in the low half; kTransposed: of the matrix's transpose.
template <bool kTransposed = false>
__device__ __forceinline__ void ldmatrix_x4(unsigned (&out)[4], const void* row) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
  }
}
/// d = a b + c by a whole warp: a [16][16] and b [16][8] of bfloat16, c and d [16][8] of float, spread over the lanes
/// as PTX ISA has it for mma.m16n8k16. With g = lane / 4 and t = 2 (lane % 4): a[0] is row g, columns t and t + 1; a[1]
/// row g + 8; a[2] row g, columns t + 8 and t + 9; a[3] row g + 8 of these. b[0] is rows t and t + 1 of column g; b[1]
/// rows t + 8 and t + 9. d[0], d[1] are row g, columns t and t + 1; d[2], d[3] row g + 8. d may be c. In which order
/// the hardware adds, and with how many bits, is its own affair.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                         const float (&c)[4]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
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
