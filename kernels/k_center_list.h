// SPDX-License-Identifier: MIT
// The list of k-center's lazy method on the device: the candidates of the largest bounds, found by counting digits of
// their keys, one per thread, with their features in shared memory.
#pragma once

#include <type_traits>

#include "kernels/select_device.h"
#include "quarry/ops/select_device.h"

namespace quarry::k_centers {

using select::Key;
using select::kThreads;
using select::kWarp;
using select::kWarps;
using select::lane_id;
using select::SquareStep;
using select::Team;
using select::WarpTile;

constexpr float kNever = std::numeric_limits<float>::infinity();
constexpr float kTaken = -1;  // in place of a smallest distance

/// A key is looked at in digits from the top: five of 11 bits, one of 9.
constexpr int kRounds = 6, kDigitBits = 11, kBins = 1 << kDigitBits;

/// The parts of a job's scratch.
struct Scratch {
  Key* best;            // [count + 1] largest key before each pick; the last: before the first pick of all
  Key* outside;         // largest key outside the list
  unsigned* listed;     // length of the list
  unsigned* histogram;  // [kRounds][kBins]
  float* nearest;       // [n] upper bounds, kNever, or kTaken
  std::int32_t* list;   // [n]
};

/// Lays the parts out from `base` (may be null) and adds up their bytes.
QUARRY_HD inline Scratch lay_out(void* base, std::int64_t n, std::int32_t count, std::size_t* bytes) {
  auto* at = static_cast<unsigned char*>(base);
  std::size_t used = 0;
  const auto take = [&](std::size_t size) {
    unsigned char* part = at == nullptr ? nullptr : at + used;
    used += select::padded_bytes(size);
    return static_cast<void*>(part);
  };
  const auto rows = static_cast<std::size_t>(n);
  Scratch s;
  s.best = static_cast<Key*>(take((static_cast<std::size_t>(count) + 1) * sizeof(Key)));
  s.outside = static_cast<Key*>(take(sizeof(Key)));
  s.listed = static_cast<unsigned*>(take(sizeof(unsigned)));
  s.histogram = static_cast<unsigned*>(take(kRounds * kBins * sizeof(unsigned)));
  s.nearest = static_cast<float*>(take(rows * sizeof(float)));
  s.list = static_cast<std::int32_t*>(take(rows * sizeof(std::int32_t)));
  *bytes = used;
  return s;
}

/// A job and its part of the launch shape (KCenterShape).
struct Order {
  KCenterJob job;
  std::int32_t list_rows, resident;
};

/// What a block works on: in shared memory, because in registers it would push out the sums of a pass.
struct Task {
  KCenterJob job;
  Scratch scratch;
  std::int32_t list_rows, resident;
  __device__ explicit Task(const Order& order) : job(order.job), list_rows(order.list_rows), resident(order.resident) {
    std::size_t bytes = 0;
    scratch = lay_out(job.scratch, job.n, job.count, &bytes);
  }
};
static_assert(sizeof(Task) % sizeof(Key) == 0 && std::is_trivially_copyable_v<Task>);

__device__ inline Key key_of(float bound, std::int64_t i) {
  return bound >= 0 && bound < kNever ? rank_key(bound, static_cast<std::uint32_t>(i)) : 0;
}

/// What a block works with.
struct Workplace {
  unsigned char* pool;  // dynamic shared memory: tiles of a pass, bins of the list's making, rows of the list
  Key* partial;         // [kWarps]
  int* cut;             // [kWarps], find_cut uses 2
  __device__ WarpTile& tile() const { return reinterpret_cast<WarpTile*>(pool)[threadIdx.x / kWarp]; }
  __device__ unsigned* bins() const { return reinterpret_cast<unsigned*>(pool); }
  __device__ float* rows() const { return reinterpret_cast<float*>(pool); }
};

/// Offers the block's largest key for `slot`.
__device__ inline void offer(Key mine, Key* slot, const Workplace& at) {
  mine = select::block_max(mine, at.partial);
  if (threadIdx.x == 0 && mine != 0) atomicMax(slot, mine);
}

/// The digit of the histogram at which `want` keys are reached from the top, and how many keys are above it; cut[0] is
/// -1 if there are fewer keys. One whole block calls it.
__device__ inline void find_cut(const unsigned* histogram, unsigned above, unsigned want, int* cut) {
  constexpr int kPerLane = kBins / kWarp;
  if (threadIdx.x < kWarp) {
    const int lane = lane_id(), top = kBins - 1 - lane * kPerLane;
    unsigned here = 0;
    for (int k = 0; k < kPerLane; ++k) here += histogram[top - k];
    unsigned upto = here;
    for (int step = 1; step < kWarp; step *= 2) {
      const unsigned other = __shfl_up_sync(select::kAllLanes, upto, static_cast<unsigned>(step));
      if (lane >= step) upto += other;
    }
    unsigned before = above + upto - here;
    if (before < want && before + here >= want) {
      int bin = top;
      for (; before + histogram[bin] < want; --bin) before += histogram[bin];
      cut[0] = bin;
      cut[1] = static_cast<int>(before);
    } else if (lane == kWarp - 1 && before + here < want) {
      cut[0] = -1;
    }
  }
  __syncthreads();
}

/// The least key of the list: between want / 2 and `want` of the largest keys are at or above it, or all.
template <bool kGrid>
__device__ inline Key find_floor(const Task& task, unsigned want, const Workplace& at) {
  const KCenterJob& job = task.job;
  const Scratch& s = task.scratch;
  Key prefix = 0;
  unsigned above = 0;
  for (int round = 0;; ++round) {
    const int bits = round < kRounds - 1 ? kDigitBits : 9, shift = round < kRounds - 1 ? 53 - round * kDigitBits : 0;
    for (int b = static_cast<int>(threadIdx.x); b < kBins; b += kThreads) at.bins()[b] = 0;
    __syncthreads();
    for (std::int64_t i = Team<kGrid>::first(); i < job.n; i += Team<kGrid>::stride()) {
      const Key key = key_of(s.nearest[i], i);
      if (key == 0 || (round > 0 && key >> (shift + bits) != prefix)) continue;
      atomicAdd(&at.bins()[(key >> shift) & ((1u << bits) - 1)], 1u);
    }
    __syncthreads();
    unsigned* histogram = s.histogram + round * kBins;
    for (int b = static_cast<int>(threadIdx.x); b < kBins; b += kThreads) {
      if (at.bins()[b] != 0) atomicAdd(&histogram[b], at.bins()[b]);
    }
    Team<kGrid>::sync();
    find_cut(histogram, above, want, at.cut);
    if (at.cut[0] < 0) return 1;
    const Key digit = static_cast<Key>(at.cut[0]);
    const unsigned greater = static_cast<unsigned>(at.cut[1]);
    prefix = (prefix << bits) | digit;
    if (greater + histogram[digit] == want) return prefix << shift;
    if (2 * greater >= want) return (prefix + 1) << shift;
    above = greater;
    __syncthreads();  // before cut changes
  }
}

/// Makes the list from up-to-date distances; returns the largest key outside it.
template <bool kGrid>
__device__ inline Key make_list(const Task& task, const Workplace& at) {
  const KCenterJob& job = task.job;
  const Scratch& s = task.scratch;
  for (std::int64_t b = Team<kGrid>::first(); b < kRounds * kBins; b += Team<kGrid>::stride()) s.histogram[b] = 0;
  if (Team<kGrid>::is_first()) {
    *s.outside = 0;
    *s.listed = 0;
  }
  Team<kGrid>::sync();
  const std::int64_t room = static_cast<std::int64_t>(task.list_rows) * Team<kGrid>::blocks();
  const Key floor = find_floor<kGrid>(task, static_cast<unsigned>(room < job.n ? room : job.n), at);
  Key outside = 0;
  for (std::int64_t i = Team<kGrid>::first(); i < job.n; i += Team<kGrid>::stride()) {
    const Key key = key_of(s.nearest[i], i);
    if (key >= floor) {
      s.list[atomicAdd(s.listed, 1u)] = static_cast<std::int32_t>(i);  // in any order: only maxima are taken of it
    } else {
      outside = key > outside ? key : outside;
    }
  }
  offer(outside, s.outside, at);
  Team<kGrid>::sync();
  return *s.outside;
}

/// A thread's candidate of the list.
struct Entry {
  std::int32_t position = -1;
  float bound = kTaken;
};

template <bool kGrid>
__device__ inline Entry load_entry(const Task& task) {
  const std::int64_t blocks = Team<kGrid>::blocks(), block = Team<kGrid>::block(), t = threadIdx.x;
  Entry entry;
  if (t < task.list_rows && t * blocks + block < *task.scratch.listed) {
    entry.position = task.scratch.list[t * blocks + block];
    entry.bound = task.scratch.nearest[entry.position];
  }
  return entry;
}

/// Brings the features of the block's entries into shared memory: `stride` numbers a row.
template <bool kGrid>
__device__ inline void load_rows(const Task& task, float* rows, std::int64_t stride) {
  const KCenterJob& job = task.job;
  const std::int64_t blocks = Team<kGrid>::blocks(), block = Team<kGrid>::block(), size = *task.scratch.listed;
  for (std::int64_t t = threadIdx.x / kWarp; t < task.list_rows && t * blocks + block < size; t += kWarps) {
    const float* row = job.candidates + task.scratch.list[t * blocks + block] * job.width;
    for (std::int64_t f = lane_id(); f < job.width; f += kWarp) rows[t * stride + f] = row[f];
  }
}

/// Lowers the entry's bound to the distance of its `row` from `center`; without an entry any row will do.
__device__ inline void update_entry(Entry& entry, const float* row, const float* center, std::int64_t width) {
  float sum = 0;
  for (std::int64_t f = 0; f < width;) {
    const std::int64_t end = width - f < kWarp ? width : f + kWarp;
    for (; f < end; ++f) sum = SquareStep::add(row[f], center[f], sum);
    if (!__any_sync(select::kAllLanes, sum < entry.bound)) return;
  }
  if (sum < entry.bound) entry.bound = sum;
}

/// Notes a pick; `nearest` of it is not looked at by others before the team's next barrier.
__device__ inline void record(const Task& task, std::int32_t made, std::int32_t pick) {
  task.job.picks[made] = pick;
  task.scratch.nearest[pick] = kTaken;
}

/// Picks from the list while its best beats `outside`. Returns whether any candidate is left.
template <bool kGrid>
__device__ inline bool pick_from_list(const Task& task, Key outside, const Workplace& at, std::int32_t* made) {
  const KCenterJob& job = task.job;
  const std::int64_t width = job.width, stride = width | 1;  // odd: a feature of 32 rows touches every bank once
  float *center = at.rows(), *rows = center + stride;
  Entry entry = load_entry<kGrid>(task);
  if (task.resident != 0) load_rows<kGrid>(task, rows, stride);
  for (std::int32_t last = -1;;) {
    if (last >= 0) {
      const float* from = job.candidates + last * width;
      if (entry.position == last) entry.bound = kTaken;
      if (task.resident != 0) {
        for (std::int64_t f = threadIdx.x; f < width; f += kThreads) center[f] = from[f];
        __syncthreads();
        update_entry(entry, entry.position < 0 ? center : rows + threadIdx.x * stride, center, width);
      } else {
        update_entry(entry, entry.position < 0 ? from : job.candidates + entry.position * width, from, width);
      }
    }
    offer(key_of(entry.bound, entry.position), &task.scratch.best[*made], at);
    Team<kGrid>::sync();
    const Key top = task.scratch.best[*made];
    if (top <= outside) return outside != 0;
    last = rank_position(top);
    if (Team<kGrid>::is_first()) record(task, *made, last);
    if (++*made == job.count) return true;
  }
}

}  // namespace quarry::k_centers
