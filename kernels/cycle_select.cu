// SPDX-License-Identifier: MIT
// From scores to picks to the next lists of rows (kernels/cycle.h); the host's counterparts are src/al/pick_rules.cpp,
// src/al/strategies/ and src/al/pool.cpp.
#include <cmath>

#include "kernels/cycle.h"
#include "kernels/simt.h"
#include "quarry/core/rng.h"

namespace quarry {
namespace {

constexpr std::int32_t kThreads = 256, kWarps = kThreads / 32;
constexpr unsigned kWholeWarp = 0xffffffffu;

__device__ std::int32_t thread() {
  return static_cast<std::int32_t>(threadIdx.x);
}

/// Sum over the threads before this one; `total` is that of all. partial [kWarps] in shared memory. All threads.
__device__ std::int32_t sum_before(std::int32_t value, std::int32_t* partial, std::int32_t& total) {
  const std::int32_t lane = thread() % 32, warp = thread() / 32;
  std::int32_t upto = value;
  for (int step = 1; step < 32; step *= 2) {
    const std::int32_t other = __shfl_up_sync(kWholeWarp, upto, step);
    if (lane >= step) upto += other;
  }
  if (lane == 31) partial[warp] = upto;
  __syncthreads();
  std::int32_t before = upto - value;
  total = 0;
  for (std::int32_t w = 0; w < kWarps; ++w) {
    if (w < warp) before += partial[w];
    total += partial[w];
  }
  __syncthreads();
  return before;
}

/// The part of 0 ... n - 1 that a thread looks at: in one piece, so that parts in thread order are in order.
struct Part {
  std::int32_t begin, end;
};
__device__ Part part_of(std::int32_t n) {
  const std::int32_t each = (n + kThreads - 1) / kThreads, begin = thread() * each;
  return {begin < n ? begin : n, begin + each < n ? begin + each : n};
}

// ---- candidates

__device__ std::uint64_t place_key(const SubsetRun& run, std::int32_t i) {
  const auto at = static_cast<std::uint32_t>(i);
  return (std::uint64_t{random_u32(run.key, at, run.step)} << 32) | at;
}

/// The `wanted`-th smallest place key, a byte at a time from the top. All threads.
__device__ std::uint64_t last_wanted_key(const SubsetRun& run) {
  QUARRY_SHARED(std::int32_t, count, [256]);
  QUARRY_SHARED(std::int32_t, found, [2]);
  std::uint64_t prefix = 0;
  std::int32_t left = run.wanted;
  for (int shift = 56; shift >= 0; shift -= 8) {
    count[thread()] = 0;
    __syncthreads();
    for (std::int32_t i = thread(); i < run.n; i += kThreads) {
      const std::uint64_t key = place_key(run, i);
      if (shift < 56 && (key ^ prefix) >> (shift + 8) != 0) continue;
      atomicAdd(&count[static_cast<std::int32_t>(key >> shift & 255)], 1);
    }
    __syncthreads();
    if (thread() == 0) {
      std::int32_t byte = 0, rest = left;
      while (count[byte] < rest) rest -= count[byte++];
      found[0] = byte;
      found[1] = rest;
    }
    __syncthreads();
    prefix |= static_cast<std::uint64_t>(found[0]) << shift;
    left = found[1];
    __syncthreads();
  }
  return prefix;
}

__global__ void __launch_bounds__(kThreads, 1) random_subsets_kernel(const SubsetRun* runs) {
  QUARRY_SHARED(std::int32_t, partial, [kWarps]);
  const SubsetRun run = runs[blockIdx.x];
  const std::uint64_t last = last_wanted_key(run);
  const Part part = part_of(run.n);
  std::int32_t mine = 0, all = 0;
  for (std::int32_t i = part.begin; i < part.end; ++i) mine += place_key(run, i) <= last;
  std::int32_t at = sum_before(mine, partial, all);
  for (std::int32_t i = part.begin; i < part.end; ++i) {
    if (place_key(run, i) <= last) run.candidates[at++] = run.unlabelled[i];
  }
}

__global__ void __launch_bounds__(kThreads, 1) random_scores_kernel(const RandomRun* runs) {
  const RandomRun run = runs[blockIdx.x];
  for (std::int32_t i = thread(); i < run.n; i += kThreads) {
    run.scores[i] = run.stream != nullptr
                        ? run.stream[i]
                        : random_uniform(run.key, static_cast<std::uint64_t>(std::int64_t{run.candidates[i]}));
  }
}

// ---- picks

/// NumPy's bounded integer in [0, max], the first that a fresh generator draws.
__device__ std::uint32_t bounded(const std::uint32_t* words, std::uint32_t max) {
  if (max == 0) return 0;
  std::uint32_t mask = max;
  for (int shift = 1; shift <= 16; shift *= 2) mask |= mask >> shift;
  std::int32_t i = 0;
  while ((words[i] & mask) > max && i < kTieWords - 1) ++i;
  return words[i] & mask;
}

template <class T>
__device__ bool is_finite(T x) {
  return x - x == 0;
}

/// Whether a score counts as equal to the largest.
template <class T>
__device__ bool ties_with(const TieBreaker& ties, T score, T max) {
  if (ties.rule != TieRule::numpy_isclose) return score == max;
  const double bound = 1e-8 + 1e-5 * std::abs(static_cast<double>(max));
  return std::abs(score - max) <= static_cast<T>(bound);
}

template <class T>
struct Scores {
  const T* value;
  const unsigned char* taken;
  std::int32_t n;
  __device__ bool counts(std::int32_t i) const { return !taken[i] && is_finite(value[i]); }
};

/// Position of the largest score, lowest on ties; -1 if none counts. All threads.
template <class T>
__device__ std::int32_t largest(const Scores<T>& scores) {
  QUARRY_SHARED(std::int32_t, best, [kThreads]);
  const Part part = part_of(scores.n);
  std::int32_t mine = -1;
  for (std::int32_t i = part.begin; i < part.end; ++i) {
    if (scores.counts(i) && (mine < 0 || scores.value[i] > scores.value[mine])) mine = i;
  }
  best[thread()] = mine;
  __syncthreads();
  for (std::int32_t apart = kThreads / 2; apart > 0; apart /= 2) {
    if (thread() < apart) {
      const std::int32_t a = best[thread()], b = best[thread() + apart];
      const bool other =
          b >= 0 && (a < 0 || scores.value[b] > scores.value[a] || (scores.value[b] == scores.value[a] && b < a));
      if (other) best[thread()] = b;
    }
    __syncthreads();
  }
  const std::int32_t result = best[0];
  __syncthreads();
  return result;
}

/// next_pick of src/al/pick_rules.cpp. All threads.
template <class T>
__device__ std::int32_t next_pick(const Scores<T>& scores, const TieBreaker& ties, std::int32_t number) {
  QUARRY_SHARED(std::int32_t, partial, [kWarps]);
  QUARRY_SHARED(std::int32_t, chosen, [1]);
  const std::int32_t top = largest(scores);
  if (top < 0 || ties.rule == TieRule::lowest_index) return top;
  const T max = scores.value[top];
  const Part part = part_of(scores.n);
  std::int32_t mine = 0, all = 0;
  for (std::int32_t i = part.begin; i < part.end; ++i) {
    mine += scores.counts(i) && ties_with(ties, scores.value[i], max);
  }
  std::int32_t at = sum_before(mine, partial, all);
  const auto tied = static_cast<std::uint32_t>(all);
  const auto drawn = static_cast<std::int32_t>(
      ties.rule == TieRule::random ? random_below(ties.key, tied, static_cast<std::uint64_t>(std::int64_t{number}))
                                   : bounded(ties.words, tied - 1));
  for (std::int32_t i = part.begin; i < part.end; ++i) {
    if (!scores.counts(i) || !ties_with(ties, scores.value[i], max)) continue;
    if (at++ == drawn) chosen[0] = i;
  }
  __syncthreads();
  return chosen[0];  // largest() has barriers before the next one is written
}

/// Where picks go.
struct Picked {
  unsigned char* taken;
  std::int32_t* positions;
  std::int32_t n, count;
  std::int32_t* any_finite;
};

/// pick(number) until enough or -1, then the lowest positions that are left. All threads.
template <class Pick>
__device__ void pick_all(const Picked& out, Pick pick) {
  for (std::int32_t i = thread(); i < out.n; i += kThreads) out.taken[i] = 0;
  __syncthreads();
  std::int32_t number = 0;
  for (; number < out.count; ++number) {
    const std::int32_t position = pick(number);
    if (position < 0) break;
    if (thread() == 0) {
      out.positions[number] = position;
      out.taken[position] = 1;
    }
    __syncthreads();
  }
  if (thread() != 0) return;
  *out.any_finite = number > 0;
  for (std::int32_t i = 0; number < out.count; ++i) {
    if (!out.taken[i]) out.positions[number++] = i;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 1) pick_by_score_kernel(const PickRun* runs) {
  const PickRun run = runs[blockIdx.x];
  const Scores<T> scores{static_cast<const T*>(run.scores), run.taken, run.n};
  pick_all({run.taken, run.positions, run.n, run.count, run.any_finite},
           [&](std::int32_t number) { return next_pick(scores, run.ties, number); });
}

/// The distances of quarry/ops/k_center.h to m centres. All threads.
__device__ void update_nearest(const CenterPickRun& run, const float* centers, std::int32_t m) {
  for (std::int32_t i = thread(); i < run.n; i += kThreads) {
    const float* const x = run.candidates + static_cast<std::int64_t>(i) * run.width;
    float nearest = run.nearest[i];
    for (std::int32_t c = 0; c < m; ++c) {
      const float* const y = centers + static_cast<std::int64_t>(c) * run.width;
      float sum = 0;
      for (std::int32_t f = 0; f < run.width; ++f) {
        const float difference = x[f] - y[f];
        sum = std::fma(difference, difference, sum);
      }
      if (sum < nearest) nearest = sum;
    }
    run.nearest[i] = nearest;
    run.scores[i] = std::sqrt(nearest);
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kThreads, 1) pick_centers_kernel(const CenterPickRun* runs) {
  const CenterPickRun run = runs[blockIdx.x];
  for (std::int32_t i = thread(); i < run.n; i += kThreads) run.nearest[i] = __builtin_inff();
  __syncthreads();
  update_nearest(run, run.labelled, run.m);
  const Scores<float> scores{run.scores, run.taken, run.n};
  std::int32_t last = -1, apart = 0;
  pick_all({run.taken, run.positions, run.n, run.count, run.any_finite}, [&](std::int32_t number) {
    if (last >= 0) update_nearest(run, run.candidates + static_cast<std::int64_t>(last) * run.width, 1);
    last = next_pick(scores, run.ties, number);
    apart += last >= 0 && run.scores[last] > 0;
    return last;
  });
  if (run.apart != nullptr && thread() == 0) *run.apart = apart;
}

__global__ void __launch_bounds__(kThreads, 1) spread_rows_kernel(const SpreadRun* runs) {
  const SpreadRun run = runs[blockIdx.x];
  const std::int32_t known = run.network->sizes[run.network->n_layers - 1];
  const std::int64_t all = static_cast<std::int64_t>(run.n) * run.width;
  for (std::int64_t i = thread(); i < all; i += kThreads) {
    const std::int64_t row = i / run.width, column = i % run.width;
    run.spread[i] = column < known ? run.packed[row * known + column] : 0;
  }
}

__global__ void __launch_bounds__(kThreads, 1) record_picks_kernel(const PickedRun* runs) {
  const PickedRun run = runs[blockIdx.x];
  for (std::int32_t k = thread(); k < run.count; k += kThreads) run.picks[k] = run.candidates[run.positions[k]];
  if (thread() == 0) run.record->all_non_finite = *run.any_finite == 0;
}

__global__ void __launch_bounds__(kThreads, 1) acquire_kernel(const AcquireRun* runs) {
  QUARRY_SHARED(std::int32_t, partial, [kWarps]);
  const AcquireRun run = runs[blockIdx.x];
  for (std::int32_t l = 0; l < run.n_lists; ++l) {
    const RowList list = run.lists[l];
    std::int32_t* const end = list.rows + list.base + run.added;
    for (std::int32_t k = thread(); k < run.n_picks; k += kThreads) end[k] = run.picks[k];
    for (std::int32_t k = thread(); k < list.n_tail; k += kThreads) end[run.n_picks + k] = list.tail[k];
  }
  const auto is_picked = [&](std::int32_t row) {
    bool picked = false;
    for (std::int32_t k = 0; k < run.n_picks; ++k) picked = picked || run.picks[k] == row;
    return picked;
  };
  const Part part = part_of(run.n_unlabelled);
  std::int32_t mine = 0, all = 0;
  for (std::int32_t i = part.begin; i < part.end; ++i) mine += !is_picked(run.unlabelled[i]);
  std::int32_t at = sum_before(mine, partial, all);
  for (std::int32_t i = part.begin; i < part.end; ++i) {
    if (!is_picked(run.unlabelled[i])) run.remaining[at++] = run.unlabelled[i];
  }
}

template <class Run>
void launch(gpu::Session& session, const char* name, void (*kernel)(const Run*), const Run* runs, std::int32_t n) {
  if (n == 0) return;
  gpu::LaunchShape shape;
  shape.grid.x = static_cast<unsigned>(n);
  shape.block.x = kThreads;
  gpu::launch(session, name, shape, kernel, runs);
}

}  // namespace

namespace cuda {

void random_subsets(gpu::Session& session, const SubsetRun* runs, std::int32_t n) {
  launch(session, "random_subsets", &random_subsets_kernel, runs, n);
}
void random_scores(gpu::Session& session, const RandomRun* runs, std::int32_t n) {
  launch(session, "random_scores", &random_scores_kernel, runs, n);
}
void pick_by_score(gpu::Session& session, const PickRun* runs, std::int32_t n, bool doubles) {
  launch(session, "pick_by_score", doubles ? &pick_by_score_kernel<double> : &pick_by_score_kernel<float>, runs, n);
}
void pick_centers(gpu::Session& session, const CenterPickRun* runs, std::int32_t n) {
  launch(session, "pick_centers", &pick_centers_kernel, runs, n);
}
void spread_rows(gpu::Session& session, const SpreadRun* runs, std::int32_t n) {
  launch(session, "spread_rows", &spread_rows_kernel, runs, n);
}
void record_picks(gpu::Session& session, const PickedRun* runs, std::int32_t n) {
  launch(session, "record_picks", &record_picks_kernel, runs, n);
}
void acquire(gpu::Session& session, const AcquireRun* runs, std::int32_t n) {
  launch(session, "acquire", &acquire_kernel, runs, n);
}

}  // namespace cuda
}  // namespace quarry
