// SPDX-License-Identifier: MIT
// Clusters of blocks and products of matrices: barriers that lack, blocks and lanes that do not come.
#include "tests/simt/planted/planted.h"

namespace planted {
namespace {

quarry::gpu::LaunchShape clusters(unsigned blocks, unsigned threads, unsigned cluster) {
  quarry::gpu::LaunchShape shape{{blocks}, {threads}};
  shape.cluster = cluster;
  return shape;
}

/// Each block doubles what the other block of its cluster has in shared memory. kBarriers: 1 before it, 2 behind it.
template <int kBarriers>
__global__ void exchange(const float* x, float* y, int) {
  QUARRY_SHARED(float, tile, [32]);
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  tile[threadIdx.x] = 0;
  quarry::cluster_sync();
  tile[threadIdx.x] = x[i];
  if (kBarriers & 1) quarry::cluster_sync();
  const unsigned other = quarry::cluster_rank() ^ 1u;
  const float* const there = quarry::cluster_shared(&tile[0], other);
  y[i ^ 32] = 2 * there[threadIdx.x];
  if (kBarriers & 2) quarry::cluster_sync();
}
template <int kBarriers>
bool exchanged() {
  return is_doubled(outputs_of(&exchange<kBarriers>, {clusters(2, 32, 2)}));
}
__global__ void undeclared(const float* x, float* y, int) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  y[i] = 2 * x[i];
  QUARRY_SHARED(float, tile, [32]);
  tile[threadIdx.x] = 1;
  if (*quarry::cluster_shared(&tile[threadIdx.x], 1) == 12345.0f) y[i] = 0;
  quarry::cluster_sync();
}
bool undeclared_memory() {
  return is_doubled(outputs_of(&undeclared, {clusters(2, 32, 2)}));
}
__global__ void barrier_for_some(const float* x, float* y, int) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  y[i] = 2 * x[i];
  if (quarry::cluster_rank() == 0) quarry::cluster_sync();
}
template <unsigned kCluster>
bool cluster_barrier_for_some() {
  return is_doubled(outputs_of(&barrier_for_some, {clusters(2, 32, kCluster)}));
}

/// Doubles its inputs as the diagonal of a product. kBarrier: before the rows that other lanes wrote are read.
template <bool kBarrier>
__global__ void diagonal(const float* x, float* y, int) {
  QUARRY_SHARED(unsigned, rows, [32][4]);
  const unsigned lane = threadIdx.x % 32;
  y[threadIdx.x] = 2 * x[threadIdx.x];
  if (threadIdx.x >= 32) return;
  for (unsigned k = 0; k < 4; ++k) rows[(lane + 1) % 32][k] = 0;
  if (kBarrier) __syncwarp();
  unsigned a[4];
  quarry::ldmatrix_x4(a, rows[lane]);
  float d[4] = {};
  quarry::mma_bf16(d, a, {0, 0}, d);
  if (d[0] == 12345.0f) y[lane] = 0;
}
__global__ void misaligned_row(const float* x, float* y, int) {
  QUARRY_SHARED(unsigned, rows, [33][4]);
  y[threadIdx.x] = 2 * x[threadIdx.x];
  for (unsigned i = threadIdx.x; i < 132; i += blockDim.x) rows[i / 4][i % 4] = 0;
  __syncthreads();
  unsigned a[4];
  quarry::ldmatrix_x4(a, &rows[threadIdx.x % 32][1]);
  if (a[0] == 12345) y[threadIdx.x] = 0;
}
__global__ void product_of_some_lanes(const float* x, float* y, int) {
  y[threadIdx.x] = 2 * x[threadIdx.x];
  float d[4] = {};
  if (threadIdx.x % 32 != 7) quarry::mma_bf16(d, {0, 0, 0, 0}, {0, 0}, d);
  if (d[0] == 12345.0f) y[threadIdx.x] = 0;
}

}  // namespace

const std::vector<Fault>& cluster_faults() {
  static const std::vector<Fault> faults = {
      {"exchange in a cluster", &exchanged<3>, "ok"},
      {"rows of a product, with a barrier", &doubles<diagonal<true>>, "ok"},
      {"no cluster barrier before another block's memory is read", &exchanged<2>, "wwsw"},
      {"another block's memory that it has not declared", &undeclared_memory, "eeee"},
      {"cluster barrier that a block misses", &cluster_barrier_for_some<2>, "eeee"},
      {"cluster rank in a launch without clusters", &cluster_barrier_for_some<1>, "eeee"},
      {"no barrier before rows of other lanes are read", &doubles<diagonal<false>>, "--ss"},
      {"ldmatrix of rows at odd places", &doubles<misaligned_row>, "eeee"},
      {"product that a lane misses", &doubles<product_of_some_lanes>, "eeee"},
  };
  return faults;
}

}  // namespace planted
