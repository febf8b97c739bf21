// SPDX-License-Identifier: MIT
// Correct kernels that do what the faulty ones do wrong: nothing may be found in them.
#include "tests/simt/planted/planted.h"

namespace planted {
namespace {

__global__ void barriers(const float* x, float* y, int n) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int round = 0; round < 3; ++round) {
    tile[i] = x[i];
    __syncthreads();
    sum += tile[n - 1 - i];
    __syncthreads();
    tile[i] = -1;
  }
  y[n - 1 - i] = sum - x[n - 1 - i];
}
__global__ void warp_barriers(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x), lane = i % 32;
  tile[i] = x[i];
  __syncwarp();
  for (int half = 16; half > 0; half /= 2) {
    const float other = lane < half ? tile[i + half] : 0;
    __syncwarp();
    if (lane < half) tile[i] += other;
    __syncwarp();
  }
  y[i] = 2 * x[i] + (tile[i - lane] - (i < 32 ? 528 : 1552));
}
__global__ void part_of_a_warp(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  float v = x[i];
  if (i % 32 < 16) v = __shfl_xor_sync(0x0000ffffu, __shfl_xor_sync(0x0000ffffu, v, 8), 8);
  y[i] = 2 * v;
}
__global__ void histogram(const float* x, float* y, int) {
  QUARRY_SHARED(int, bins, [4]);
  const int i = static_cast<int>(threadIdx.x);
  if (i < 4) bins[i] = 0;
  __syncthreads();
  atomicAdd(&bins[i % 4], 1);
  __syncthreads();
  y[i] = 2 * x[i] + static_cast<float>(bins[i % 4] - 16);
}
__global__ void last_block_kernel(const float* x, float* y, int n) {
  QUARRY_SHARED(int, ticket);
  const int i = static_cast<int>(threadIdx.x);
  const int half = n / 2 * static_cast<int>(blockIdx.x);
  y[n + half + i] = x[half + i];
  __threadfence();
  __syncthreads();
  if (i == 0) ticket = atomicAdd(reinterpret_cast<int*>(y + 2 * n), 1);
  __syncthreads();
  if (ticket != 1) return;
  __threadfence();
  y[i] = 2 * y[n + i];
  y[i + n / 2] = 2 * y[n + n / 2 + i];
}
bool last_block() {
  return is_doubled(outputs_of(&last_block_kernel, {{{2}, {kN / 2}}, 2 * kN + 1}));
}
__global__ void phases_kernel(const float* x, float* y, int n) {
  const int i = static_cast<int>(blockIdx.x * 32 + threadIdx.x);
  for (int round = 0; round < 2; ++round) {
    y[n + i] = x[i];
    quarry::grid_sync();
    const int j = n - 1 - i;
    y[j] = 2 * y[n + j];
    quarry::grid_sync();
  }
}
bool phases() {
  quarry::gpu::LaunchShape shape{{2}, {32}};
  shape.cooperative = true;
  return is_doubled(outputs_of(&phases_kernel, {shape, 2 * kN}));
}
__global__ void double_buffered(const float* x, float* y, int n) {
  QUARRY_SHARED(float, tile, [2][kN]);
  const int i = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int stage = 0; stage < 2; ++stage) {
    quarry::async_copy<4>(&tile[stage][i], x + i);
    quarry::async_commit();
  }
  quarry::async_wait<1>();
  __syncthreads();
  sum += tile[0][n - 1 - i];
  quarry::async_wait<0>();
  __syncthreads();
  sum += tile[1][n - 1 - i];
  y[n - 1 - i] = sum;
}
__global__ void shared_in_each_block_kernel(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [16]);
  QUARRY_DYNAMIC_SHARED(float, pool);
  const int i = static_cast<int>(threadIdx.x), place = static_cast<int>(blockIdx.x) * 16 + i;
  tile[i] = x[place];
  pool[15 - i] = x[place];
  __syncthreads();
  y[place] = tile[i] + pool[15 - i];
}
bool shared_in_each_block() {
  return is_doubled(outputs_of(&shared_in_each_block_kernel, {{{4}, {16}, 64}}));
}

}  // namespace

const std::vector<Fault>& controls() {
  static const std::vector<Fault> faults = {
      {"barriers", &doubles<barriers>, "ok"},
      {"warp barriers", &doubles<warp_barriers>, "ok"},
      {"shuffles in a part of a warp", &doubles<part_of_a_warp>, "ok"},
      {"histogram with atomics", &doubles<histogram>, "ok"},
      {"last block with fences", &last_block, "ok"},
      {"phases with grid barriers", &phases, "ok"},
      {"double buffering with asynchronous copies", &doubles<double_buffered>, "ok"},
      {"shared memory in each block", &shared_in_each_block, "ok"},
  };
  return faults;
}

}  // namespace planted
