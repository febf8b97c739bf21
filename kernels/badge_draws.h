// SPDX-License-Identifier: MIT
// BADGE's draws on the device: work of one block, while others wait for it at the grid's next barrier.
//
// Rejection sampling draws a window of proposals at once, a warp each: the weights they are drawn from and the picks
// they are compared with do not change inside a window, but for the picks of the window itself, whose distances to each
// other are worked out beforehand. One thread then accepts in order, so that the picks are those of one proposal after
// another.
#pragma once

#include <type_traits>

#include "kernels/badge_rules.h"
#include "kernels/select_device.h"
#include "quarry/ops/select_device.h"

namespace quarry::badge_draws {

using badge_rules::gradient_distance;
using badge_rules::kChunk;
using badge_rules::kMostPending;
using badge_rules::kWindow;
using select::kAllLanes;
using select::Key;
using select::kThreads;
using select::kWarp;
using select::kWarps;
using select::lane_id;

static_assert(kWindow == kWarps, "a warp per proposal");

constexpr int kInFlight = 8;  // values read ahead of a sequential sum

/// What the first block tells the others.
struct State {
  Key largest;             // bits of the largest finite norm + 1; 0: none
  std::int32_t first;      // lowest position that has it
  std::int32_t made;       // picks
  std::int32_t pick;       // plain: the last draw, -1: nothing left to draw
  std::int32_t finished;   // rejection: no more draws
  std::int64_t proposals;  // draws so far
};

/// The parts of a job's scratch.
struct Scratch {
  State* state;
  double* norm;                  // [n]
  double* upto;                  // [chunks] sums of weights up to the chunk's end
  float* weight;                 // [n] squared distances to the nearest pick, or older and larger ones
  float* q;                      // [n][classes] p - onehot(arg max p)
  float *pending_q, *pending_h;  // rejection: [tiles][classes][32], [tiles][width][32] of picks not in the weights
};

QUARRY_HD inline std::int64_t chunk_count(std::int64_t n) {
  return (n + kChunk - 1) / kChunk;
}

/// Lays the parts out from `base` (may be null) and adds up their bytes.
QUARRY_HD inline Scratch lay_out(void* base, std::int64_t n, std::int64_t classes, std::int64_t width,
                                 std::int32_t count, BadgeSampling sampling, std::size_t* bytes) {
  auto* at = static_cast<unsigned char*>(base);
  std::size_t used = 0;
  const auto take = [&](std::int64_t size) {
    unsigned char* part = at == nullptr ? nullptr : at + used;
    used += select::padded_bytes(static_cast<std::size_t>(size));
    return static_cast<void*>(part);
  };
  const std::int64_t most = count < kMostPending ? count : kMostPending;
  const std::int64_t pending = sampling == BadgeSampling::rejection ? (most + kWarp - 1) / kWarp * kWarp : 0;
  Scratch s;
  s.state = static_cast<State*>(take(sizeof(State)));
  s.norm = static_cast<double*>(take(n * 8));
  s.upto = static_cast<double*>(take(chunk_count(n) * 8));
  s.weight = static_cast<float*>(take(n * 4));
  s.q = static_cast<float*>(take(n * classes * 4));
  s.pending_q = static_cast<float*>(take(pending * classes * 4));
  s.pending_h = static_cast<float*>(take(pending * width * 4));
  *bytes = used;
  return s;
}

/// What a block works on: in shared memory, because in registers it would push out the sums of a pass.
struct Task {
  BadgeJob job;
  Scratch scratch;
  QUARRY_HD explicit Task(const BadgeJob& j) : job(j) {
    std::size_t bytes = 0;
    scratch = lay_out(j.scratch, j.n, j.classes, j.width, j.count, j.sampling, &bytes);
  }
};
static_assert(sizeof(Task) % sizeof(Key) == 0 && std::is_trivially_copyable_v<Task>);

/// The position whose share of the total holds `target`.
__device__ inline std::int64_t find(const Scratch& s, std::int64_t n, double target) {
  std::int64_t low = 0, high = chunk_count(n);
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (target < s.upto[middle]) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  const std::int64_t c = low < chunk_count(n) ? low : low - 1, begin = c * kChunk;
  double left = target - (c == 0 ? 0.0 : s.upto[c - 1]);
  std::int64_t last = begin;
  for (std::int64_t i = begin; i < n && i < begin + kChunk; i += kInFlight) {
    float weight[kInFlight];
    QUARRY_UNROLL for (int k = 0; k < kInFlight; ++k) weight[k] = i + k < n ? s.weight[i + k] : 0;
    QUARRY_UNROLL for (int k = 0; k < kInFlight; ++k) {
      if (!(weight[k] > 0)) continue;
      last = i + k;  // rounding may leave a rest beyond the last one
      left -= static_cast<double>(weight[k]);
      if (left < 0) return last;
    }
  }
  return last;
}

/// A window of proposals, in shared memory.
struct Window {
  double uniform[kWindow];  // decides on acceptance
  std::int32_t proposal[kWindow];
  float weight[kWindow];
  float square[kWindow];         // distance to the nearest pick before the window, at most the weight
  float pair[kWindow][kWindow];  // distance of a proposal to an earlier one of the window
  std::int32_t made, refresh, finished;
  std::int64_t proposals;
};

/// x.y of n numbers, by fma in order; those of x are `stride` apart.
__device__ inline float dot(const float* x, std::int64_t stride, const float* y, std::int64_t n) {
  float sum = 0;
  std::int64_t k = 0;
  for (; k + kInFlight <= n; k += kInFlight) {
    float a[kInFlight], b[kInFlight];
    QUARRY_UNROLL for (int j = 0; j < kInFlight; ++j) a[j] = x[(k + j) * stride];
    QUARRY_UNROLL for (int j = 0; j < kInFlight; ++j) b[j] = y[k + j];
    QUARRY_UNROLL for (int j = 0; j < kInFlight; ++j) sum = std::fma(a[j], b[j], sum);
  }
  for (; k < n; ++k) sum = std::fma(x[k * stride], y[k], sum);
  return sum;
}

/// The warp's proposal and its distance to picks[applied ... ], which are in the tiles.
__device__ inline void propose(const BadgeJob& job, const Scratch& s, std::int32_t applied, Window& window) {
  const int lane = lane_id(), warp = static_cast<int>(threadIdx.x) / kWarp;
  const PhiloxBlock block = random_block(job.key, static_cast<std::uint64_t>(window.proposals + warp));
  const double total = s.upto[chunk_count(job.n) - 1];
  const std::int64_t proposal = find(s, job.n, badge_rules::proposal_uniform(block, 0) * total);
  const float* q = s.q + proposal * job.classes;
  const float* h = job.features + proposal * job.width;
  const float weight = s.weight[proposal];
  float square = weight;
  const std::int32_t pending = window.made - applied;
  for (std::int32_t k = lane; k < pending; k += kWarp) {
    const float* tile_q = s.pending_q + k / kWarp * job.classes * kWarp + lane;
    const float* tile_h = s.pending_h + k / kWarp * job.width * kWarp + lane;
    const float distance = gradient_distance(dot(tile_q, kWarp, q, job.classes), dot(tile_h, kWarp, h, job.width),
                                             s.norm[proposal], s.norm[job.picks[applied + k]]);
    square = distance < square ? distance : square;
  }
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const float other = __shfl_down_sync(kAllLanes, square, static_cast<unsigned>(step));
    square = other < square ? other : square;
  }
  if (lane != 0) return;
  window.uniform[warp] = badge_rules::proposal_uniform(block, 2);
  window.proposal[warp] = static_cast<std::int32_t>(proposal);
  window.weight[warp] = weight;
  window.square[warp] = square;
}

/// Distances of the warp's proposal to the earlier ones of the window.
__device__ inline void compare_within(const BadgeJob& job, const Scratch& s, Window& window) {
  const int lane = lane_id(), warp = static_cast<int>(threadIdx.x) / kWarp;
  if (lane >= warp) return;
  const std::int64_t mine = window.proposal[warp], other = window.proposal[lane];
  window.pair[warp][lane] =
      gradient_distance(dot(s.q + other * job.classes, 1, s.q + mine * job.classes, job.classes),
                        dot(job.features + other * job.width, 1, job.features + mine * job.width, job.width),
                        s.norm[mine], s.norm[other]);
}

/// Accepts in order; one thread calls it.
__device__ inline void accept(const BadgeJob& job, std::int32_t applied, Window& window) {
  const std::int32_t before = window.made;
  std::int32_t made = before, proposed = 0;
  unsigned accepted = 0;  // a bit per proposal of the window
  while (proposed < kWindow && made < job.count && made - applied < kMostPending) {
    const std::int32_t w = proposed++;
    float square = window.square[w];
    for (std::int32_t a = 0; a < w; ++a) {
      if (((accepted >> a) & 1u) != 0 && window.pair[w][a] < square) square = window.pair[w][a];
    }
    if (!(window.uniform[w] * static_cast<double>(window.weight[w]) < static_cast<double>(square))) continue;
    accepted |= 1u << w;
    job.picks[made++] = window.proposal[w];
  }
  window.made = made;
  window.proposals += proposed;
  window.refresh = badge_rules::needs_refresh(made - applied, proposed, made - before) ? 1 : 0;
  // With nothing pending the weights are exact and the first proposal is accepted, unless they are not finite.
  window.finished = made == job.count || made == applied ? 1 : 0;
}

/// Puts picks[from .. to-1] into the tiles.
__device__ inline void add_pending(const BadgeJob& job, const Scratch& s, std::int32_t applied, std::int32_t from,
                                   std::int32_t to) {
  for (std::int32_t made = from; made < to; ++made) {
    const std::int64_t pick = job.picks[made], tile = (made - applied) / kWarp, lane = (made - applied) % kWarp;
    for (std::int64_t c = threadIdx.x; c < job.classes; c += kThreads) {
      s.pending_q[(tile * job.classes + c) * kWarp + lane] = s.q[pick * job.classes + c];
    }
    for (std::int64_t f = threadIdx.x; f < job.width; f += kThreads) {
      s.pending_h[(tile * job.width + f) * kWarp + lane] = job.features[pick * job.width + f];
    }
  }
}

/// Windows until the weights have to be brought up to date or the draws end. The first block calls it.
__device__ inline void draw_windows(const BadgeJob& job, const Scratch& s, std::int32_t applied, Window& window) {
  __syncthreads();  // the sums of weights are there
  if (threadIdx.x == 0) {
    window.made = applied;
    window.proposals = s.state->proposals;
    window.refresh = 0;
    window.finished = s.upto[chunk_count(job.n) - 1] > 0 ? 0 : 1;
  }
  __syncthreads();
  while (window.refresh == 0 && window.finished == 0) {
    const std::int32_t before = window.made;
    propose(job, s, applied, window);
    __syncthreads();
    compare_within(job, s, window);
    __syncthreads();
    if (threadIdx.x == 0) accept(job, applied, window);
    __syncthreads();
    add_pending(job, s, applied, before, window.made);
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    s.state->made = window.made;
    s.state->finished = window.finished;
    s.state->proposals = window.proposals;
  }
}

/// The sum of all weights, in order.
__device__ inline double total_in_order(const Scratch& s, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; i += kInFlight) {
    float weight[kInFlight];
    QUARRY_UNROLL for (int k = 0; k < kInFlight; ++k) weight[k] = i + k < n ? s.weight[i + k] : 0;
    QUARRY_UNROLL for (int k = 0; k < kInFlight; ++k) sum += static_cast<double>(weight[k]);
  }
  return sum;
}

/// The first position at which the running sum of weight / total reaches the draw's uniform; the first block calls it.
/// `share` [kThreads]: the block divides, one thread adds up.
__device__ inline void draw_by_inverse(const BadgeJob& job, const Scratch& s, double* share, Window& window) {
  if (threadIdx.x == 0) {
    window.uniform[0] = total_in_order(s, job.n);
    window.finished = window.uniform[0] > 0 ? 0 : 1;
    window.made = -1;
  }
  __syncthreads();
  const double total = window.uniform[0];
  double u = 0, sum = 0;
  if (window.finished == 0) {
    const std::int64_t draw = s.state->proposals;
    u = job.sampling == BadgeSampling::numpy ? job.numpy_stream[draw]
                                             : random_uniform(job.key, static_cast<std::uint64_t>(draw));
  }
  for (std::int64_t begin = 0; begin < job.n && window.finished == 0; begin += kThreads) {
    const float weight = begin + threadIdx.x < job.n ? s.weight[begin + threadIdx.x] : 0;
    share[threadIdx.x] = weight > 0 ? static_cast<double>(weight) / total : -1;
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int k = 0; k < kThreads && window.finished == 0; ++k) {
        if (share[k] < 0) continue;
        window.made = static_cast<std::int32_t>(begin) + k;
        sum += share[k];
        if (sum >= u) window.finished = 1;
      }
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    s.state->pick = window.made;
    if (window.made >= 0) ++s.state->proposals;
  }
}

}  // namespace quarry::badge_draws
