// SPDX-License-Identifier: MIT
// Threads and blocks that do not wait for each other, or wait where others do not.
#include "tests/simt/planted/planted.h"

namespace planted {
namespace {

__global__ void no_barrier(const float* x, float* y, int n) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  y[n - 1 - i] = 2 * tile[n - 1 - i];
}
__global__ void no_barrier_before_reuse(const float* x, float* y, int n) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int round = 0; round < 2; ++round) {
    tile[i] = x[i];
    __syncthreads();
    sum += tile[(i + 33) % n];
    tile[i] = -1;
  }
  y[i] = 2 * x[i] + (sum - 2 * x[(i + 33) % n]);
}
__global__ void warp_barrier_between_warps(const float* x, float* y, int n) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  __syncwarp();
  y[n - 1 - i] = 2 * tile[n - 1 - i];
}
__global__ void lock_step(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x), lane = i % 32;
  tile[i] = x[i];
  __syncthreads();
  float* mine = tile + (i - lane);
  for (int half = 16; half > 0; half /= 2)
    if (lane < half) mine[lane] = mine[lane] + mine[lane + half];
  __syncthreads();
  y[i] = 2 * x[i] + (tile[0] - 528);
}
__global__ void lock_step_volatile(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x), lane = i % 32;
  tile[i] = x[i];
  __syncthreads();
  volatile float* mine = tile + (i - lane);
  for (int half = 16; half > 0; half /= 2)
    if (lane < half) mine[lane] = mine[lane] + mine[lane + half];
  __syncthreads();
  y[i] = 2 * x[i] + (tile[0] - 528);
}
__global__ void shuffle_for_barrier(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  const float first = __shfl_sync(0xffffffffu, x[i], 0);
  y[i] = tile[i ^ 1] - x[i ^ 1] + 2 * x[i] + 0 * first;
}
__global__ void ballot_for_barrier(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  const unsigned all = __ballot_sync(0xffffffffu, 1);
  y[i] = all == 0xffffffffu ? tile[i ^ 1] - x[i ^ 1] + 2 * x[i] : 0;
}
__global__ void no_barrier_after_copy(const float* x, float* y, int n) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  quarry::async_copy<4>(&tile[i], x + i);
  quarry::async_commit();
  quarry::async_wait<0>();
  y[n - 1 - i] = 2 * tile[n - 1 - i];
}

__global__ void barrier_for_some(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < 32) __syncthreads();
  y[i] = 2 * x[i];
}
__global__ void barrier_in_each_arm(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < 32) {
    __syncthreads();
    y[i] = 2 * x[i];
  } else {
    __syncthreads();
    y[i] = x[i] + x[i];
  }
}
__global__ void exit_before_barrier(const float* x, float* y, int n) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * x[i];
  if (i == n - 1) return;
  __syncthreads();
}
__global__ void barriers_by_trip_count(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  for (int round = 0; round < 1 + i / 32; ++round) __syncthreads();
  y[i] = 2 * x[i];
}

__global__ void sum_without_atomics(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * x[i];
  y[kN] += 1;
}
template <Kernel kernel>
bool doubles_and_counts() {
  Setup setup;
  setup.outputs = kN + 1;
  return is_doubled(outputs_of(kernel, setup));
}
__global__ void histogram_without_atomics(const float* x, float* y, int) {
  QUARRY_SHARED(int, bins, [4]);
  const int i = static_cast<int>(threadIdx.x);
  if (i < 4) bins[i] = 0;
  __syncthreads();
  bins[i % 4]++;
  __syncthreads();
  y[i] = 2 * x[i] + static_cast<float>(bins[i % 4] - 16);
}
__global__ void plain_read_of_a_counter(const float* x, float* y, int) {
  QUARRY_SHARED(int, count);
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) count = 0;
  __syncthreads();
  atomicAdd(&count, 1);
  y[i] = count > 0 ? 2 * x[i] : 0;
}
__global__ void blocks_share_an_element_kernel(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  if (blockIdx.x == 0) y[i] = 2 * x[i];
  if (i == 0) y[kN] += 1;
}
bool blocks_share_an_element() {
  return is_doubled(outputs_of(&blocks_share_an_element_kernel, {{{8}, {kN}}, kN + 1}));
}
__global__ void needs_block_0_first_kernel(const float* x, float* y, int n) {
  const int i = static_cast<int>(threadIdx.x);
  if (blockIdx.x == 0) {
    y[i + n] = 2 * x[i];
  } else {
    y[i] = y[i + n];
  }
}
bool needs_block_0_first() {
  return is_doubled(outputs_of(&needs_block_0_first_kernel, {{{2}, {kN}}, 2 * kN}));
}
/// The last block to come uses the others' results, but no fence orders them before the counter.
__global__ void last_block_without_fence_kernel(const float* x, float* y, int n) {
  const int i = static_cast<int>(threadIdx.x);
  const int half = n / 2 * static_cast<int>(blockIdx.x);
  y[n + half + i] = x[half + i];
  __syncthreads();
  QUARRY_SHARED(int, ticket);
  if (i == 0) ticket = atomicAdd(reinterpret_cast<int*>(y + 2 * n), 1);
  __syncthreads();
  if (ticket == 1) y[i] = 2 * y[n + i], y[i + n / 2] = 2 * y[n + n / 2 + i];
}
bool last_block_without_fence() {
  return is_doubled(outputs_of(&last_block_without_fence_kernel, {{{2}, {kN / 2}}, 2 * kN + 1}));
}

quarry::gpu::LaunchShape cooperative(unsigned blocks, unsigned threads) {
  quarry::gpu::LaunchShape shape{{blocks}, {threads}};
  shape.cooperative = true;
  return shape;
}
__global__ void grid_barrier_kernel(const float* x, float* y, int) {
  quarry::grid_sync();
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * x[i];
}
bool grid_barrier_in_a_plain_launch() {
  return is_doubled(outputs_of(&grid_barrier_kernel));
}
__global__ void grid_barrier_for_some_kernel(const float* x, float* y, int) {
  const int i = static_cast<int>(blockIdx.x * 32 + threadIdx.x);
  if (blockIdx.x == 0) quarry::grid_sync();
  y[i] = 2 * x[i];
}
bool grid_barrier_for_some() {
  return is_doubled(outputs_of(&grid_barrier_for_some_kernel, {cooperative(2, 32)}));
}
__global__ void no_grid_barrier_kernel(const float* x, float* y, int n) {
  const int i = static_cast<int>(blockIdx.x * 32 + threadIdx.x);
  y[n + i] = x[i];
  __syncthreads();
  const int j = n - 1 - i;
  y[j] = 2 * y[n + j];
}
bool no_grid_barrier() {
  return is_doubled(outputs_of(&no_grid_barrier_kernel, {cooperative(2, 32), 2 * kN}));
}

}  // namespace

const std::vector<Fault>& order_faults() {
  static const std::vector<Fault> faults = {
      {"no barrier between write and read", &doubles<no_barrier>, "wwss"},
      {"no barrier before a buffer is used again", &doubles<no_barrier_before_reuse>, "wwsw"},
      {"__syncwarp between warps", &doubles<warp_barrier_between_warps>, "wwss"},
      {"warps taken for lock-step", &doubles<lock_step>, "wwsw"},
      {"warps taken for lock-step, volatile", &doubles<lock_step_volatile>, "wwsw"},
      {"shuffle taken for a barrier", &doubles<shuffle_for_barrier>, "--s-"},
      {"ballot taken for a barrier", &doubles<ballot_for_barrier>, "--s-"},
      {"no barrier after an asynchronous copy", &doubles<no_barrier_after_copy>, "wwss"},
      {"barrier that some threads miss", &doubles<barrier_for_some>, "eeee"},
      {"barrier in each arm of a branch", &doubles<barrier_in_each_arm>, "eeee"},
      {"exit before a barrier", &doubles<exit_before_barrier>, "eeee"},
      {"more barriers in one warp than in another", &doubles<barriers_by_trip_count>, "eeee"},
      {"sum in global memory without atomics", &doubles_and_counts<sum_without_atomics>, "--s-"},
      {"histogram in shared memory without atomics", &doubles<histogram_without_atomics>, "--s-"},
      {"counter read beside others' atomics", &doubles<plain_read_of_a_counter>, "--s-"},
      {"blocks share an element without atomics", &blocks_share_an_element, "--s-"},
      {"block 1 needs block 0 first", &needs_block_0_first, "wwsw"},
      {"last block without a fence", &last_block_without_fence, "--s-"},
      {"grid barrier in a plain launch", &grid_barrier_in_a_plain_launch, "eeee"},
      {"grid barrier that a block misses", &grid_barrier_for_some, "eeee"},
      {"no grid barrier between phases", &no_grid_barrier, "wwsw"},
  };
  return faults;
}

}  // namespace planted
