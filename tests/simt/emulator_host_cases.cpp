// SPDX-License-Identifier: MIT
// What the emulator's built-ins compute: small kernels whose results are known.
#include <cstring>
#include <numeric>

#include "quarry/core/error.h"
#include "tests/simt/cases.h"

namespace {

using quarry::gpu::Buffer;
using quarry::gpu::download;
using quarry::gpu::Session;
using quarry::gpu::upload;

std::vector<int> counted(std::size_t n) {
  std::vector<int> values(n);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

/// Runs a kernel(in, out, n) over one array of ints.
std::vector<int> run_on(void (*kernel)(const int*, int*, int), const std::vector<int>& in, std::size_t n_out,
                        const quarry::gpu::LaunchShape& shape) {
  Session session(0);
  const Buffer<int> device = upload<int>(session, in);
  const Buffer<int> out(session, n_out);
  quarry::gpu::launch(session, "test", shape, kernel, device.data(), out.data(), static_cast<int>(in.size()));
  std::vector<int> result(n_out);
  download<int>(session, out.data(), result);
  return result;
}

__global__ void reverse_in_shared(const int* in, int* out, int n) {
  QUARRY_SHARED(int, tile, [2][32]);
  const unsigned i = threadIdx.x;
  tile[i / 32][i % 32] = in[i];
  __syncthreads();
  const unsigned j = static_cast<unsigned>(n) - 1 - i;
  out[i] = tile[j / 32][j % 32];
}
SIMT_CASE(barrier_hands_shared_memory_over) {
  std::vector<int> want = counted(64);
  const std::vector<int> got = run_on(&reverse_in_shared, want, 64, {{1}, {64}});
  std::vector<int> reversed(want.rbegin(), want.rend());
  simt::expect_equal<int>(got, reversed, "reversed");
}

__global__ void block_sums(const int* in, int* out, int n) {
  QUARRY_DYNAMIC_SHARED(int, parts);
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  int sum = static_cast<int>(i) < n ? in[i] : 0;
  for (unsigned step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    int total = 0;
    for (unsigned w = 0; w < blockDim.x / 32; ++w) total += parts[w];
    out[blockIdx.x] = total;
  }
}
SIMT_CASE(shuffles_add_up_ragged_blocks) {
  const std::vector<int> got = run_on(&block_sums, counted(300), 3, {{3}, {128}, 16});
  const std::vector<int> want = {127 * 64, (128 + 255) * 64, (256 + 299) * 22};
  simt::expect_equal<int>(got, want, "sums");
}

__global__ void shuffle_kinds(const int*, int* out, int) {
  const int lane = static_cast<int>(threadIdx.x);
  int* mine = out + lane * 8;
  mine[0] = __shfl_sync(0xffffffffu, lane, 5);
  mine[1] = __shfl_up_sync(0xffffffffu, lane, 3);
  mine[2] = __shfl_xor_sync(0xffffffffu, lane, 9);
  mine[3] = __shfl_sync(0xffffffffu, lane, 9, 8);
  mine[4] = __shfl_down_sync(0xffffffffu, lane, 2, 16);
  mine[5] = static_cast<int>(__shfl_xor_sync(0xffffffffu, 0x100000000LL * lane, 1) >> 32);
  mine[6] = static_cast<int>(__shfl_sync(0xffffffffu, lane + 0.5, 7) * 2);
  mine[7] = lane < 16 ? __shfl_xor_sync(0x0000ffffu, lane, 2) : __shfl_xor_sync(0xffff0000u, lane, 4);
}
SIMT_CASE(shuffles_read_the_lane_they_name) {
  const std::vector<int> got = run_on(&shuffle_kinds, {}, 256, {{1}, {32}});
  std::vector<int> want;
  for (int lane = 0; lane < 32; ++lane) {
    for (int v : {5, lane < 3 ? lane : lane - 3, lane ^ 9, lane / 8 * 8 + 1, lane % 16 < 14 ? lane + 2 : lane, lane ^ 1,
                  15, lane < 16 ? lane ^ 2 : lane ^ 4})
      want.push_back(v);
  }
  simt::expect_equal<int>(got, want, "lanes");
}

__global__ void votes(const int*, int* out, int) {
  const int lane = static_cast<int>(threadIdx.x);
  int* mine = out + lane * 10;
  mine[0] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0));
  mine[1] = __any_sync(0xffffffffu, lane == 40);
  mine[2] = __all_sync(0xffffffffu, lane < 32);
  mine[3] = __reduce_add_sync(0xffffffffu, lane - 20);
  mine[4] = __reduce_min_sync(0xffffffffu, lane - 20);
  mine[5] = static_cast<int>(__reduce_max_sync(0xffffffffu, static_cast<unsigned>(lane)));
  mine[6] = static_cast<int>(__match_any_sync(0xffffffffu, lane / 8));
  mine[7] = __syncthreads_count(lane < 10);
  mine[8] = __syncthreads_or(lane == 31);
  mine[9] = __syncthreads_and(lane != 31);
}
SIMT_CASE(votes_and_reductions) {
  const std::vector<int> got = run_on(&votes, {}, 320, {{1}, {32}});
  std::vector<int> want;
  for (int lane = 0; lane < 32; ++lane) {
    for (int v : {0x49249249, 0, 1, 496 - 640, -20, 31, static_cast<int>(0xffu << (lane / 8 * 8)), 10, 1, 0})
      want.push_back(v);
  }
  simt::expect_equal<int>(got, want, "votes");
}

__global__ void count_all(const int* in, int* out, int n) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i == 0) out[0] = out[1] = 0;
  quarry::grid_sync();
  if (static_cast<int>(i) < n) {
    atomicAdd(&out[0], in[i]);
    atomicMax(&out[1], in[i]);
  }
  quarry::grid_sync();
  out[2 + i] = out[0];
}
SIMT_CASE(grid_barriers_and_atomics) {
  quarry::gpu::LaunchShape shape{{3}, {40}};
  shape.cooperative = true;
  const std::vector<int> got = run_on(&count_all, counted(100), 122, shape);
  std::vector<int> want(122, 4950);
  want[1] = 99;
  simt::expect_equal<int>(got, want, "counts");
}

__global__ void through_async_copies(const int* in, int* out, int) {
  QUARRY_SHARED(int4, tile, [2][16]);
  const unsigned i = threadIdx.x;
  for (unsigned stage = 0; stage < 2; ++stage) {
    quarry::async_copy<16>(&tile[stage][i], in + (stage * 16 + i) * 4);
    quarry::async_commit();
  }
  quarry::async_wait<1>();
  out[i] = tile[0][i].y;
  quarry::async_wait<0>();
  __syncthreads();
  out[16 + i] = tile[1][15 - i].w;
}
SIMT_CASE(asynchronous_copies_arrive_when_waited_for) {
  const std::vector<int> got = run_on(&through_async_copies, counted(128), 32, {{1}, {16}});
  std::vector<int> want;
  for (int i = 0; i < 16; ++i) want.push_back(4 * i + 1);
  for (int i = 0; i < 16; ++i) want.push_back(64 + 4 * (15 - i) + 3);
  simt::expect_equal<int>(got, want, "copied");
}

__global__ void positions(const int*, int* out, int) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  out[block * 24 + thread] = static_cast<int>(block * 100 + thread);
}
SIMT_CASE(every_position_of_a_grid_runs_once) {
  const std::vector<int> got = run_on(&positions, {}, 6 * 24, {{3, 2, 1}, {4, 3, 2}});
  std::vector<int> want;
  for (int block = 0; block < 6; ++block)
    for (int thread = 0; thread < 24; ++thread) want.push_back(block * 100 + thread);
  simt::expect_equal<int>(got, want, "positions");
}

/// c [16][8] += a [16][16] b [16][8], of small integers, which bfloat16 holds exactly.
__global__ void product_kernel(const int* in, int* out, int) {
  QUARRY_SHARED(unsigned short, a, [16][16]);
  QUARRY_SHARED(unsigned short, b, [16][8]);
  const auto bfloat16 = [](int value) {
    const auto x = static_cast<float>(value);
    unsigned bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    return static_cast<unsigned short>(bits >> 16);
  };
  const unsigned lane = threadIdx.x;
  for (unsigned i = lane; i < 256; i += 32) a[i / 16][i % 16] = bfloat16(in[i]);
  for (unsigned i = lane; i < 128; i += 32) b[i / 8][i % 8] = bfloat16(in[256 + i]);
  __syncwarp();
  unsigned part_a[4], part_b[4];
  quarry::ldmatrix_x4(part_a, &a[lane % 16][lane / 16 * 8]);
  quarry::ldmatrix_x4<true>(part_b, &b[lane % 16][0]);
  const unsigned row = lane / 4, column = 2 * (lane % 4);
  float d[4];
  for (unsigned i = 0; i < 4; ++i) {
    d[i] = static_cast<float>(in[384 + (row + 8 * (i / 2)) * 8 + column + i % 2]);
  }
  quarry::mma_bf16(d, part_a, {part_b[0], part_b[1]}, d);
  for (unsigned i = 0; i < 4; ++i) out[(row + 8 * (i / 2)) * 8 + column + i % 2] = static_cast<int>(d[i]);
}
SIMT_CASE(a_warp_multiplies_matrices) {
  std::vector<int> in;
  for (int i = 0; i < 512; ++i) in.push_back(i * 37 % 23 - 11);
  std::vector<int> want;
  for (std::size_t row = 0; row < 16; ++row) {
    for (std::size_t column = 0; column < 8; ++column) {
      want.push_back(in[384 + row * 8 + column]);
      for (std::size_t k = 0; k < 16; ++k) want.back() += in[row * 16 + k] * in[256 + k * 8 + column];
    }
  }
  simt::expect_equal<int>(run_on(&product_kernel, in, 128, {{1}, {32}}), want, "product");
}

/// Each block adds up what the blocks of its cluster hold.
__global__ void cluster_sums(const int* in, int* out, int) {
  QUARRY_SHARED(int, tile, [16]);
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  tile[threadIdx.x] = in[i];
  quarry::cluster_sync();
  int sum = 0;
  for (unsigned rank = 0; rank < 4; ++rank) sum += *quarry::cluster_shared(&tile[threadIdx.x], rank);
  out[i] = sum * 10 + static_cast<int>(quarry::cluster_rank());
  quarry::cluster_sync();  // nobody ends while its memory is read
}
SIMT_CASE(blocks_of_a_cluster_see_each_others_memory) {
  quarry::gpu::LaunchShape shape{{8}, {16}};
  shape.cluster = 4;
  std::vector<int> want;
  for (int i = 0; i < 128; ++i) {
    int sum = 0;
    for (int rank = 0; rank < 4; ++rank) sum += i / 64 * 64 + rank * 16 + i % 16;
    want.push_back(sum * 10 + i / 16 % 4);
  }
  simt::expect_equal<int>(run_on(&cluster_sums, counted(128), 128, shape), want, "sums");
}

SIMT_CASE(clusters_are_refused_where_there_are_none) {
  quarry::gpu::LaunchShape shape{{8}, {16}};
  const auto refused = [&](unsigned cluster) {
    shape.cluster = cluster;
    try {
      run_on(&cluster_sums, counted(128), 128, shape);
    } catch (const quarry::Error&) {
      return true;
    }
    return false;
  };
  simt::expect(refused(3) && refused(16), "clusters of 3 and of 16 in 8 blocks");
  simt::expect(!refused(4), "clusters of 4 in 8 blocks");
  quarry::gpu::fake_gpu().info.major = 8;
  simt::expect(refused(4), "clusters on compute capability 8");
}

}  // namespace
