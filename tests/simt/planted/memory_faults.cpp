// SPDX-License-Identifier: MIT
// Memory that is not there, memory that nobody wrote, copies that have not arrived, and more than a device has.
#include "tests/simt/planted/planted.h"

namespace planted {
namespace {

/// Hides from the compiler that an index is out of bounds.
__attribute__((noinline)) float peek(const float* p, int i) {
  return p[i];
}
__attribute__((noinline)) void poke(float* p, int i, float value) {
  p[i] = value;
}

__global__ void read_past_end(const float* x, float* y, int n) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * peek(x, i);
  if (i == n - 1 && peek(x, n) == 12345.0f) y[0] = 0;
}
__global__ void write_past_end(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * x[i];
  poke(y, i + 1, i + 1 < kN ? 2 * x[i + 1] : 0);
}
bool write_past_end_alone() {
  return is_doubled(outputs_of([](const float* x, float* y, int n) {
    const int i = static_cast<int>(threadIdx.x);
    poke(y, i, 2 * x[i]);
    if (i == 0) poke(y, n, 1);
  }));
}
__global__ void write_before_start(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * x[i];
  if (i == 0) poke(y, -1, 1);
}
__global__ void shared_read_past_end(const float* x, float* y, int n) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  __syncthreads();
  y[i] = 2 * tile[i];
  if (peek(tile, i == 7 ? n : i) == 12345.0f) y[i] = 0;
}
__global__ void shared_write_past_end(const float* x, float* y, int n) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  if (i == 3) poke(tile, n, 1);
  __syncthreads();
  y[i] = 2 * tile[i];
}
__global__ void shared_row_overrun(const float* x, float* y, int n) {
  QUARRY_SHARED(float, tile, [4][16]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i / 16][i % 16] = x[i];
  __syncthreads();
  const int column = i == 5 ? i % 16 + n / 4 : i % 16;  // walks into the next row
  y[i] = 2 * tile[i / 16][column];
}
__global__ void dynamic_shared_overrun_kernel(const float* x, float* y, int) {
  QUARRY_DYNAMIC_SHARED(float, pool);
  const int i = static_cast<int>(threadIdx.x);
  poke(pool, i + 1, x[i]);
  __syncthreads();
  y[i] = 2 * pool[i + 1];
}
bool dynamic_shared_overrun() {
  return is_doubled(outputs_of(&dynamic_shared_overrun_kernel, {{{1}, {kN}, kN * sizeof(float)}}));
}
__global__ void misaligned_vector(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * x[i];
  if (i != 1) return;
  const float4 four = *reinterpret_cast<const float4*>(x + i);
  y[i] = 2 * four.x;
}
__global__ void index_overflow(const float* x, float* y, int n) {
  const int i = static_cast<int>(threadIdx.x);
  const int far = (n << 20) * (n + i);
  y[i] = far == 12345 ? 0 : 2 * x[i];
}

__global__ void uninitialised_shared(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [kN + 1]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  __syncthreads();
  y[i] = tile[i] + (i == 3 ? tile[kN] : tile[i]);
}
__global__ void uninitialised_shared_steers(const float* x, float* y, int n) {
  QUARRY_SHARED(int, flag);
  const int i = static_cast<int>(threadIdx.x);
  if (i == n) flag = 1;
  __syncthreads();
  y[i] = flag == 12345 ? 0 : 2 * x[i];
}
__global__ void uninitialised_through_shuffle(const float* x, float* y, int) {
  QUARRY_SHARED(int, flags, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  if (i != 9) flags[i] = 0;
  const int from_nine = __shfl_sync(0xffffffffu, flags[i], 9);
  y[i] = from_nine == 12345 ? 0 : 2 * x[i];
}
__global__ void uninitialised_by_voters(const float* x, float* y, int) {
  QUARRY_SHARED(int, flags, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  if (i > 0) flags[i] = 0;
  y[i] = __syncthreads_or(flags[i] == 12345) != 0 ? 0 : 2 * x[i];
}
__global__ void adds_to_output(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] += 2 * x[i];
}
bool uninitialised_global() {
  Setup setup;
  setup.zeroed = false;
  return is_doubled(outputs_of(&adds_to_output, setup));
}
__global__ void writes_all_but_one(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  if (i != 17) y[i] = 2 * x[i];
}
bool output_left_unwritten() {
  Setup setup;
  setup.zeroed = false;
  return is_doubled(outputs_of(&writes_all_but_one, setup));
}
__global__ void counts_on_former_block_kernel(const float* x, float* y, int) {
  QUARRY_SHARED(float, kept, [32]);
  const int i = static_cast<int>(threadIdx.x);
  if (blockIdx.x == 0) kept[i] = 2;
  y[static_cast<int>(blockIdx.x) * 32 + i] = kept[i] * x[static_cast<int>(blockIdx.x) * 32 + i];
}
bool counts_on_former_block() {
  return is_doubled(outputs_of(&counts_on_former_block_kernel, {{{2}, {32}}}));
}

__global__ void no_wait_for_copy(const float* x, float* y, int) {
  QUARRY_SHARED(float4, tile, [kN / 4]);
  const int i = static_cast<int>(threadIdx.x);
  if (i < kN / 4) {
    quarry::async_copy<16>(&tile[i], x + 4 * i);
    quarry::async_commit();
  }
  __syncthreads();
  y[i] = 2 * reinterpret_cast<const float*>(tile)[i];
  quarry::async_wait<0>();
}
__global__ void waits_for_too_few(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [2][kN]);
  const int i = static_cast<int>(threadIdx.x);
  for (int stage = 0; stage < 2; ++stage) {
    quarry::async_copy<4>(&tile[stage][i], x + i);
    quarry::async_commit();
  }
  quarry::async_wait<1>();
  y[i] = tile[0][i] + tile[1][i];
  quarry::async_wait<0>();
}
__global__ void never_commits(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [kN]);
  const int i = static_cast<int>(threadIdx.x);
  quarry::async_copy<4>(&tile[i], x + i);
  quarry::async_wait<0>();
  y[i] = 2 * x[i];
}
__global__ void misaligned_copy(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [kN + 4]);
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) quarry::async_copy<16>(tile + 1, x);
  quarry::async_commit();
  quarry::async_wait<0>();
  y[i] = 2 * x[i];
}

__global__ void much_static(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [13000]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  y[i] = 2 * tile[i];
}
__global__ void just_doubles(const float* x, float* y, int n) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < n) y[i] = 2 * x[i];
}
bool much_dynamic() {
  return is_doubled(outputs_of(&just_doubles, {{{1}, {kN}, 228 * 1024}}));
}
bool many_threads() {
  return is_doubled(outputs_of(&just_doubles, {{{1}, {1056}}}));
}
bool no_blocks() {
  return is_doubled(outputs_of(&just_doubles, {{{0}, {kN}}}));
}

}  // namespace

const std::vector<Fault>& memory_faults() {
  static const std::vector<Fault> faults = {
      {"global memory read past its end", &doubles<read_past_end>, "-s--"},
      {"global memory written past its end", &write_past_end_alone, "-s--"},
      {"a neighbour's element written too", &doubles<write_past_end>, "-ss-"},
      {"global memory written before its start", &doubles<write_before_start>, "-s--"},
      {"shared memory read past its end", &doubles<shared_read_past_end>, "-s-s"},
      {"shared memory written past its end", &doubles<shared_write_past_end>, "esee"},
      {"shared row overrun inside the array", &doubles<shared_row_overrun>, "wsww"},
      {"dynamic shared memory overrun", &dynamic_shared_overrun, "esee"},
      {"misaligned vector load", &doubles<misaligned_vector>, "--s-"},
      {"signed overflow in an index", &doubles<index_overflow>, "-s--"},
      {"uninitialised shared memory in a result", &doubles<uninitialised_shared>, "wwws"},
      {"uninitialised shared memory steers a branch", &doubles<uninitialised_shared_steers>, "---s"},
      {"uninitialised value through a shuffle", &doubles<uninitialised_through_shuffle>, "---s"},
      {"uninitialised value in a vote", &doubles<uninitialised_by_voters>, "---s"},
      {"uninitialised global memory", &uninitialised_global, "wwws"},
      {"an output left unwritten", &output_left_unwritten, "wwws"},
      {"counts on a former block's shared memory", &counts_on_former_block, "wwws"},
      {"asynchronous copy not waited for", &doubles<no_wait_for_copy>, "wwss"},
      {"waits for too few asynchronous copies", &doubles<waits_for_too_few>, "wwws"},
      {"asynchronous copy never committed", &doubles<never_commits>, "eeee"},
      {"misaligned asynchronous copy", &doubles<misaligned_copy>, "eeee"},
      {"more static shared memory than 48 KiB", &doubles<much_static>, "eeee"},
      {"more dynamic shared memory than the device has", &much_dynamic, "eeee"},
      {"a block of more than 1024 threads", &many_threads, "eeee"},
      {"an empty grid", &no_blocks, "eeee"},
  };
  return faults;
}

}  // namespace planted
