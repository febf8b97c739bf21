// SPDX-License-Identifier: MIT
// The best `count` scores. Keys of 64 bits order score and position at once (quarry/ops/top_k.h), no two are equal, so
// any way of sorting them gives the CPU's picks.
//
// Few picks: a block sorts a tile of keys in shared memory and hands on its best `count`; what the tiles hand on is
// the next level's input, until one tile holds all. Many picks: all keys are sorted (quarry/core/gpu_library.h).
#include <algorithm>
#include <vector>

#include "kernels/simt.h"
#include "quarry/core/error.h"
#include "quarry/core/gpu_library.h"
#include "quarry/ops/select_device.h"
#include "quarry/ops/top_k.h"

namespace quarry {
namespace {

constexpr std::int64_t kTile = 2048;      // keys that a block sorts: 16 KiB
constexpr std::int64_t kFew = kTile / 2;  // picks by tiles; a level then has at most about half the keys of the last
constexpr std::int64_t kSmallestTile = 64;
constexpr std::int64_t kMostThreads = 512;
constexpr std::int64_t kThreads = 256;  // of the element-wise kernels
constexpr std::int32_t kBatch = 32;     // problems of one launch

/// One problem at one level.
struct TileJob {
  const float* scores;        // [n], first level
  const std::uint64_t* keys;  // [n], later levels; 0 = no key
  std::int64_t n;
  std::uint64_t* best;  // [tiles][count], or null at the last level
  std::int32_t* picks;
  std::int32_t* any_finite;
  std::int32_t count;
};
struct TileJobs {
  TileJob job[kBatch];
};
static_assert(sizeof(TileJobs) <= 4000, "arguments of a kernel");

/// Sorts keys [tile] in shared memory, largest first; tile is a power of two. Bitonic (Batcher 1968).
__device__ void sort_tile(std::uint64_t* keys, std::int32_t tile) {
  for (std::int32_t size = 2; size <= tile; size *= 2) {
    for (std::int32_t stride = size / 2; stride > 0; stride /= 2) {
      __syncthreads();
      for (std::int32_t pair = threadIdx.x; pair < tile / 2; pair += blockDim.x) {
        const std::int32_t i = 2 * pair - (pair & (stride - 1)), j = i + stride;
        const std::uint64_t a = keys[i], b = keys[j];
        if ((a < b) == ((i & size) == 0)) {
          keys[i] = b;
          keys[j] = a;
        }
      }
    }
  }
  __syncthreads();
}

/// Block (t, p) takes tile t of problem p.
__global__ void top_k_tiles(TileJobs jobs, std::int32_t tile) {
  QUARRY_DYNAMIC_SHARED(std::uint64_t, keys);
  const TileJob& job = jobs.job[blockIdx.y];
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * tile;
  if (begin >= job.n && blockIdx.x > 0) return;  // a whole block
  for (std::int32_t i = threadIdx.x; i < tile; i += blockDim.x) {
    const std::int64_t at = begin + i;
    std::uint64_t key = 0;
    if (at < job.n)
      key = job.scores != nullptr ? rank_key(job.scores[at], static_cast<std::uint32_t>(at)) : job.keys[at];
    keys[i] = key;
  }
  sort_tile(keys, tile);
  for (std::int32_t i = threadIdx.x; i < job.count; i += blockDim.x) {
    if (job.best != nullptr) {
      job.best[static_cast<std::int64_t>(blockIdx.x) * job.count + i] = keys[i];
    } else {
      job.picks[i] = rank_position(keys[i]);
    }
  }
  if (job.best == nullptr && threadIdx.x == 0) *job.any_finite = job.count == 0 || rank_is_finite(keys[0]);
}

__global__ void top_k_keys(const float* scores, std::uint64_t* keys, std::int64_t n) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) keys[i] = rank_key(scores[i], static_cast<std::uint32_t>(i));
}

__global__ void top_k_picks(const std::uint64_t* sorted, std::int32_t* picks, std::int32_t count,
                            std::int32_t* any_finite) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) picks[i] = rank_position(sorted[i]);
  if (i == 0) *any_finite = rank_is_finite(sorted[0]);
}

constexpr std::int64_t tiles_of(std::int64_t n, std::int64_t tile) {
  return std::max<std::int64_t>(1, (n + tile - 1) / tile);
}
constexpr std::size_t round_up(std::size_t bytes) {
  return (bytes + 255) / 256 * 256;
}
constexpr bool by_sorting(std::int64_t n, std::int32_t count) {
  return n > kTile && count > kFew;
}
/// Bytes of what the tiles of a level of n keys hand on.
constexpr std::size_t level_bytes(std::int64_t n, std::int32_t count) {
  return round_up(static_cast<std::size_t>(tiles_of(n, kTile) * count) * sizeof(std::uint64_t));
}

gpu::LaunchShape one_thread_each(std::int64_t n) {
  return {{static_cast<unsigned>((n + kThreads - 1) / kThreads)}, {kThreads}};
}

void sort_all(gpu::Session& session, const TopKJob& job, char* scratch) {
  const std::size_t bytes = round_up(static_cast<std::size_t>(job.n) * sizeof(std::uint64_t));
  auto* const keys = reinterpret_cast<std::uint64_t*>(scratch);
  auto* const sorted = reinterpret_cast<std::uint64_t*>(scratch + bytes);
  gpu::launch(session, "top_k_keys", one_thread_each(job.n), top_k_keys, job.scores, keys, job.n);
  gpu::sort_keys_descending(session, keys, sorted, job.n, {scratch + 2 * bytes, gpu::sort_scratch(job.n)});
  gpu::launch(session, "top_k_picks", one_thread_each(job.count), top_k_picks, sorted, job.picks, job.count,
              job.any_finite);
}

/// A problem on its way through the levels; its scratch holds what two levels hand on.
struct Problem {
  TileJob job;
  std::uint64_t* room[2];
};

/// One launch: the next level of up to kBatch problems. Those that are done leave `open`.
void next_level(gpu::Session& session, std::vector<Problem>& open, std::int64_t tile) {
  const auto n_jobs = std::min<std::size_t>(open.size(), kBatch);
  TileJobs jobs{};
  std::int64_t most_tiles = 1;
  std::vector<Problem> still;
  for (std::size_t p = 0; p < n_jobs; ++p) {
    Problem& problem = open[p];
    const std::int64_t tiles = tiles_of(problem.job.n, tile);
    most_tiles = std::max(most_tiles, tiles);
    if (tiles > 1) problem.job.best = problem.room[0];
    jobs.job[p] = problem.job;
    if (tiles == 1) continue;
    problem.job = {nullptr,           problem.room[0],        tiles * problem.job.count, nullptr,
                   problem.job.picks, problem.job.any_finite, problem.job.count};
    std::swap(problem.room[0], problem.room[1]);
    still.push_back(problem);
  }
  const gpu::LaunchShape shape{{static_cast<unsigned>(most_tiles), static_cast<unsigned>(n_jobs)},
                               {static_cast<unsigned>(std::min(tile / 2, kMostThreads))},
                               static_cast<std::size_t>(tile) * sizeof(std::uint64_t)};
  gpu::launch(session, "top_k_tiles", shape, top_k_tiles, jobs, static_cast<std::int32_t>(tile));
  open.erase(open.begin(), open.begin() + static_cast<std::ptrdiff_t>(n_jobs));
  open.insert(open.end(), still.begin(), still.end());
}

}  // namespace

std::size_t cuda::top_k_scratch(std::int64_t n, std::int32_t count) {
  if (by_sorting(n, count)) {
    return 2 * round_up(static_cast<std::size_t>(n) * sizeof(std::uint64_t)) + round_up(gpu::sort_scratch(n));
  }
  if (n <= kTile) return 0;
  return level_bytes(n, count) + level_bytes(tiles_of(n, kTile) * count, count);
}

void cuda::top_k(gpu::Session& session, const TopKJob* jobs, std::int32_t n_jobs, void* scratch) {
  auto* room = static_cast<char*>(scratch);
  std::vector<Problem> open;
  std::int64_t tile = kSmallestTile;
  for (std::int32_t p = 0; p < n_jobs; ++p) {
    const TopKJob& job = jobs[p];
    QUARRY_CHECK(job.count >= 0 && job.count <= job.n && job.n < (std::int64_t{1} << 31), "the best {} of {} scores",
                 job.count, job.n);
    const std::size_t bytes = cuda::top_k_scratch(job.n, job.count);  // none for a single tile
    if (by_sorting(job.n, job.count)) {
      sort_all(session, job, room);
    } else {
      char* const next = bytes > 0 ? room + level_bytes(job.n, job.count) : room;
      open.push_back({{job.scores, nullptr, job.n, nullptr, job.picks, job.any_finite, job.count},
                      {reinterpret_cast<std::uint64_t*>(room), reinterpret_cast<std::uint64_t*>(next)}});
      while (tile < kTile && tile < job.n) tile *= 2;
    }
    room += bytes;
  }
  while (!open.empty()) next_level(session, open, tile);
}

}  // namespace quarry
