// SPDX-License-Identifier: MIT
// What the selection kernels share on the device: teams of blocks, largest keys, rows against centres, and lists of
// positions in order. The rules of quarry/ops/badge.h that bits depend on are in badge_rules.h.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/simt.h"
#include "quarry/ops/top_k.h"

#if defined(__CUDACC__)
#define QUARRY_NO_UNROLL _Pragma("unroll 1")
#else
#define QUARRY_NO_UNROLL
#endif

namespace quarry::select {

inline constexpr int kWarp = 32;
inline constexpr int kThreads = 512, kWarps = kThreads / kWarp;  ///< of a block
inline constexpr unsigned kAllLanes = 0xffffffffu;

using Key = unsigned long long;  ///< a rank_key in the type that atomicMax takes

/// Jobs of one launch, by value: no copy to the device ahead of it.
inline constexpr int kJobsPerLaunch = 32;
template <class Job>
struct Batch {
  Job jobs[kJobsPerLaunch];
};

/// The blocks that work on one job: the whole grid, which then has one job, or a single block.
template <bool kGrid>
struct Team {
  __device__ static int block() { return kGrid ? static_cast<int>(blockIdx.x) : 0; }
  __device__ static int blocks() { return kGrid ? static_cast<int>(gridDim.x) : 1; }
  /// Whether this is the one thread that writes for the team.
  __device__ static bool is_first() { return block() == 0 && threadIdx.x == 0; }
  __device__ static int job() { return kGrid ? 0 : static_cast<int>(blockIdx.x); }
  /// Every thread of the team arrives; what was written before is seen after.
  __device__ static void sync() {
    if constexpr (kGrid) {
      grid_sync();
    } else {
      __syncthreads();
    }
  }
  /// Element indices of this thread: first(), first() + stride(), ...
  __device__ static std::int64_t first() { return static_cast<std::int64_t>(block()) * kThreads + threadIdx.x; }
  __device__ static std::int64_t stride() { return static_cast<std::int64_t>(blocks()) * kThreads; }
  /// The same for warps, spread over the blocks first.
  __device__ static std::int64_t first_warp() { return static_cast<int>(threadIdx.x) / kWarp * blocks() + block(); }
  __device__ static std::int64_t warp_stride() { return blocks() * kWarps; }
};

__device__ inline int lane_id() {
  return static_cast<int>(threadIdx.x) % kWarp;
}

/// The largest key of the block, known to thread 0 alone; all threads call it. `partial` [kWarps] is shared memory
/// that may be used again after the next barrier.
__device__ inline Key block_max(Key mine, Key* partial) {
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const Key other = __shfl_down_sync(kAllLanes, mine, static_cast<unsigned>(step));
    mine = other > mine ? other : mine;
  }
  if (lane_id() == 0) partial[threadIdx.x / kWarp] = mine;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < kWarps; ++w) mine = partial[w] > mine ? partial[w] : mine;
  }
  return mine;
}

/// Rows that others are compared with: rows[index[j]] or rows[j], of `width` numbers; a null `rows` is the origin.
struct Centers {
  const float* rows = nullptr;
  const std::int32_t* index = nullptr;
  std::int64_t width = 1, count = 0;

  __device__ const float* row(std::int64_t j) const {
    return rows + (index == nullptr ? j : static_cast<std::int64_t>(index[j])) * width;
  }
};

struct alignas(16) Quad {
  float v[4];
};

/// Where a warp turns 32 rows of 32 features round, so that global memory is read along rows and each lane adds up
/// one row in feature order. A row is 9 quads long: eight lanes that read a quad each touch every bank once.
inline constexpr int kMostCenters = 8;
struct WarpTile {
  Quad row[kWarp][9];
  Quad center[kMostCenters][8];
};

/// sum = sum + (x - c)^2. Never decreases, rounding included.
struct SquareStep {
  static constexpr bool kGrows = true;
  static constexpr float kAbsent = std::numeric_limits<float>::quiet_NaN();  ///< a centre that is below nothing
  __device__ static float add(float x, float c, float sum) {
    const float difference = x - c;
    return std::fma(difference, difference, sum);
  }
};
/// sum = sum + x c.
struct ProductStep {
  static constexpr bool kGrows = false;
  static constexpr float kAbsent = 0;
  __device__ static float add(float x, float c, float sum) { return std::fma(x, c, sum); }
};

/// One feature of each row of a tile, this lane's: `row` points at the first row's. Rows beyond `present` are zeros.
/// The copies run until the lane waits for them.
__device__ inline void load_rows(const float* row, std::int64_t present, std::int64_t width, WarpTile& tile) {
  constexpr int kTogether = 4;  // more would keep an address for each row in registers
  const int lane = lane_id();
  QUARRY_NO_UNROLL for (int begin = 0; begin < kWarp; begin += kTogether) {
    QUARRY_UNROLL for (int r = begin; r < begin + kTogether; ++r, row += width) {
      float* to = &tile.row[r][lane / 4].v[lane % 4];
      if (r < present) {
        async_copy<4>(to, row);
      } else {
        *to = 0;
      }
    }
  }
}

/// The same for up to kCenters centres from `first` on; `absent` stands for a centre that is not there.
template <int kCenters>
__device__ inline void load_centers(const Centers& centers, std::int64_t first, std::int64_t feature, float absent,
                                    WarpTile& tile) {
  const int lane = lane_id();
  for (int c = 0; c < kCenters; ++c) {
    float* to = &tile.center[c][lane / 4].v[lane % 4];
    const bool there = first + c < centers.count;
    if (there && feature < centers.width && centers.rows != nullptr) {
      async_copy<4>(to, centers.row(first + c) + feature);
    } else {
      *to = there ? 0 : absent;
    }
  }
}

__device__ inline void wait_for_tile() {
  async_commit();
  async_wait<0>();
  __syncwarp();
}

/// sum[c] = Step over all features, in order, of row first_row + lane of rows [n][width] and centre first_center + c.
/// Rows and centres that are not there may be asked for. Growing sums are left early when no lane of the warp has one
/// below its `limit`: a sum at or above it need not be exact. The whole warp calls it.
template <class Step, int kCenters>
__device__ inline void accumulate(const float* rows, std::int64_t first_row, std::int64_t n, const Centers& centers,
                                  std::int64_t first_center, float limit, WarpTile& tile, float (&sum)[kCenters]) {
  const int lane = lane_id();
  const std::int64_t width = centers.width;
  QUARRY_UNROLL for (int c = 0; c < kCenters; ++c) sum[c] = 0;
  for (std::int64_t begin = 0; begin < width; begin += kWarp) {
    __syncwarp();
    load_rows(rows + first_row * width + begin + lane, begin + lane < width ? n - first_row : 0, width, tile);
    load_centers<kCenters>(centers, first_center, begin + lane, Step::kAbsent, tile);
    wait_for_tile();
    const int quads = width - begin < kWarp ? static_cast<int>(width - begin + 3) / 4 : 8;
    QUARRY_NO_UNROLL for (int k = 0; k < quads; ++k) {  // a quad is work enough; more in flight would spill
      const Quad x = tile.row[lane][k];
      QUARRY_UNROLL for (int c = 0; c < kCenters; ++c) {
        const Quad y = tile.center[c][k];
        QUARRY_UNROLL for (int j = 0; j < 4; ++j) sum[c] = Step::add(x.v[j], y.v[j], sum[c]);
      }
    }
    if constexpr (Step::kGrows) {
      bool below = false;
      QUARRY_UNROLL for (int c = 0; c < kCenters; ++c) below = below || sum[c] < limit;
      if (!__any_sync(kAllLanes, below)) return;
    }
  }
}

/// picks[made ...] = the positions i of 0..n-1, in order, for which wanted(i), up to `count` picks in all. One whole
/// block calls it; returns the new number made, to every thread. `shared` [kWarps].
template <class Wanted>
__device__ inline std::int32_t append_in_order(std::int64_t n, std::int32_t made, std::int32_t count,
                                               std::int32_t* picks, std::int32_t* shared, const Wanted& wanted) {
  const int lane = lane_id(), warp = static_cast<int>(threadIdx.x) / kWarp;
  for (std::int64_t begin = 0; begin < n && made < count; begin += kThreads) {
    const std::int64_t i = begin + threadIdx.x;
    const unsigned votes = __ballot_sync(kAllLanes, i < n && wanted(i));
    __syncthreads();
    if (lane == 0) shared[warp] = __popc(votes);
    __syncthreads();
    std::int32_t at = made + __popc(votes & ((1u << lane) - 1u));
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) at += shared[w];
      made += shared[w];
    }
    if (((votes >> lane) & 1u) != 0 && at < count) picks[at] = static_cast<std::int32_t>(i);
  }
  return made < count ? made : count;
}

/// Bytes rounded up so that anything may follow.
QUARRY_HD constexpr std::size_t padded_bytes(std::size_t bytes) {
  return (bytes + 15) / 16 * 16;
}

}  // namespace quarry::select
