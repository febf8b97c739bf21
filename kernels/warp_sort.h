// SPDX-License-Identifier: MIT
// numpy_argsort (quarry/ops/argsort.h) by one warp: the same permutation, equal keys included. The parts are handled in
// the same order; within a part the work is spread over the lanes:
//   partition       The k-th exchange of the sequential scans swaps the k-th key from the left that is not below the
//                   pivot with the k-th from the right that is not above it, as long as the former lies left of the
//                   latter. Both lists depend on the keys before the partition only, so ballots find them.
//   insertion sort  is stable: the place of a key is the number of keys that go before it.
#pragma once

#include "kernels/simt.h"
#include "quarry/ops/argsort.h"

namespace quarry::cuda {

inline constexpr unsigned kAllLanes = 0xffffffffu;

__device__ inline std::int32_t lane_of_thread() {
  return static_cast<std::int32_t>(threadIdx.x % 32);
}

/// Keys of one warp, its arrays of scratch as long as the keys.
struct WarpSort {
  const double* x;
  std::int32_t *keys, *from_left, *from_right;
};

/// argsort_detail::partition. All lanes return the place of the pivot.
__device__ inline std::int32_t warp_partition(const WarpSort& sort, std::int32_t left, std::int32_t right) {
  const double* const x = sort.x;
  std::int32_t* const keys = sort.keys;
  const std::int32_t lane = lane_of_thread(), last = right - 1;
  if (lane == 0) argsort_detail::place_pivot(x, keys, left, right);
  __syncwarp();
  const double pivot = x[keys[last]];
  const std::int32_t inner = last - left - 1;
  std::int32_t n_left = 0, n_right = 0;
  for (std::int32_t first = 0; first < inner; first += 32) {
    const std::int32_t from_left = left + 1 + first + lane, from_right = last - 1 - first - lane;
    const bool stops_left = first + lane < inner && !(x[keys[from_left]] < pivot);
    const bool stops_right = first + lane < inner && !(pivot < x[keys[from_right]]);
    const unsigned lefts = __ballot_sync(kAllLanes, stops_left), rights = __ballot_sync(kAllLanes, stops_right);
    const unsigned before = (1u << lane) - 1;
    if (stops_left) sort.from_left[n_left + __popc(lefts & before)] = from_left;
    if (stops_right) sort.from_right[n_right + __popc(rights & before)] = from_right;
    n_left += __popc(lefts);
    n_right += __popc(rights);
  }
  __syncwarp();
  const std::int32_t pairs = n_left < n_right ? n_left : n_right;
  std::int32_t exchanges = 0;
  for (std::int32_t first = 0; first < pairs; first += 32) {
    const std::int32_t k = first + lane;
    const bool apart = k < pairs && sort.from_left[k] < sort.from_right[k];
    if (apart) argsort_detail::exchange(keys[sort.from_left[k]], keys[sort.from_right[k]]);
    exchanges += __popc(__ballot_sync(kAllLanes, apart));
  }
  // The scan from the left stops at its next key, or at the last key that the scan from the right swapped.
  std::int32_t stop = exchanges < n_left ? sort.from_left[exchanges] : last;
  const std::int32_t swapped = exchanges > 0 ? sort.from_right[exchanges - 1] : last;
  stop = stop < swapped ? stop : swapped;
  __syncwarp();
  if (lane == 0) argsort_detail::exchange(keys[stop], keys[last]);
  __syncwarp();
  return stop;
}

/// argsort_detail::insertion_sort of n <= 32 keys.
__device__ inline void warp_insertion_sort(const double* x, std::int32_t* keys, std::int32_t n) {
  const std::int32_t lane = lane_of_thread();
  const std::int32_t key = lane < n ? keys[lane] : 0;
  const double mine = x[key];
  std::int32_t place = 0;
  for (std::int32_t other = 0; other < n; ++other) {
    const double theirs = __shfl_sync(kAllLanes, mine, other);
    place += theirs < mine || (theirs == mine && other < lane);
  }
  __syncwarp();
  if (lane < n) keys[place] = key;
  __syncwarp();
}

/// keys[0..n): the sorting permutation of x[0..n), finite, n >= 1, as numpy_argsort. Whole warps call it.
__device__ inline void warp_argsort(const WarpSort& sort, std::int32_t n) {
  const std::int32_t lane = lane_of_thread();
  for (std::int32_t i = lane; i < n; i += 32) sort.keys[i] = i;
  __syncwarp();
  struct Part {
    std::int32_t left, right, depth;
  };
  Part mine{};  // of the stack: lane k holds entry k. The larger part waits, so at most log2(n) parts wait
  Part part{0, n - 1, argsort_detail::most_partitions(n)};
  std::int32_t waiting = 0;
  for (;;) {
    const std::int32_t whole = part.right - part.left + 1;
    if (part.depth < 0) {
      if (lane == 0) argsort_detail::heap_sort(sort.x, sort.keys + part.left, whole);
      __syncwarp();
    } else {
      while (part.right - part.left > argsort_detail::kSmallSort) {
        const std::int32_t pivot = warp_partition(sort, part.left, part.right);
        --part.depth;
        Part larger = part;
        if (pivot - part.left < part.right - pivot) {
          larger.left = pivot + 1;
          part.right = pivot - 1;
        } else {
          larger.right = pivot - 1;
          part.left = pivot + 1;
        }
        if (lane == waiting) mine = larger;
        ++waiting;
      }
      warp_insertion_sort(sort.x, sort.keys + part.left, part.right - part.left + 1);
    }
    if (waiting == 0) return;
    --waiting;
    part = {__shfl_sync(kAllLanes, mine.left, waiting), __shfl_sync(kAllLanes, mine.right, waiting),
            __shfl_sync(kAllLanes, mine.depth, waiting)};
  }
}

}  // namespace quarry::cuda
