// SPDX-License-Identifier: MIT
// k-center greedy on the device. One kernel makes all picks of a job; its blocks agree on each pick by the largest
// rank_key, an integer maximum, so that no order of blocks can change it.
//
// plain: a pass over all candidates per pick.
// lazy:  smallest distances only shrink, so an old one is an upper bound. The candidates of the largest bounds are kept
//        in a list, one thread each, with their features in shared memory. While the list's largest distance beats
//        every bound outside, picks touch the list alone; else one pass brings all candidates up to date with the
//        picks since the last one, and the list is made anew. Same picks, ties included.
#include <algorithm>

#include "kernels/select_device.h"
#include "kernels/select_shapes.h"
#include "quarry/core/error.h"

namespace quarry {
namespace {

using select::Batch;
using select::block_max;
using select::Centers;
using select::Key;
using select::kJobsPerLaunch;
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

struct Task {
  KCenterJob job;
  std::int32_t list_rows, resident;
};

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

__device__ inline Key key_of(float bound, std::int64_t i) {
  return bound >= 0 && bound < kNever ? rank_key(bound, static_cast<std::uint32_t>(i)) : 0;
}

/// What a block works with.
struct Workplace {
  unsigned char* pool;  // dynamic shared memory: tiles of a pass, bins of the list's making, rows of the list
  Key* partial;         // [kWarps]
  int* cut;             // [2]
  __device__ WarpTile& tile() const { return reinterpret_cast<WarpTile*>(pool)[threadIdx.x / kWarp]; }
  __device__ unsigned* bins() const { return reinterpret_cast<unsigned*>(pool); }
  __device__ float* rows() const { return reinterpret_cast<float*>(pool); }
};

/// Offers the block's largest key for `slot`.
__device__ inline void offer(Key mine, Key* slot, const Workplace& at) {
  mine = block_max(mine, at.partial);
  if (threadIdx.x == 0 && mine != 0) atomicMax(slot, mine);
}

/// One pass: nearest[i] = min(nearest[i], distance to each centre), from infinity when `starting`. A candidate without
/// a finite distance at the start keeps that. `taken` has just been picked. Returns this thread's largest key.
template <bool kGrid, int kCenters>
__device__ inline Key update_all(const KCenterJob& job, const Scratch& s, const Centers& centers, bool starting,
                                 std::int64_t taken, const Workplace& at) {
  Key top = 0;
  for (std::int64_t w = Team<kGrid>::first_warp(); w * kWarp < job.n; w += Team<kGrid>::warp_stride()) {
    const std::int64_t i = w * kWarp + lane_id();
    float bound = i >= job.n || i == taken ? kTaken : starting ? kNever : s.nearest[i];
    const bool open = starting ? bound >= 0 : bound < kNever;
    float limit = open ? bound : kTaken;
    for (std::int64_t c = 0; c < centers.count; c += kCenters) {
      float sum[kCenters];
      select::accumulate<SquareStep>(job.candidates, w * kWarp, job.n, centers, c, limit, at.tile(), sum);
      QUARRY_UNROLL for (int k = 0; k < kCenters; ++k) limit = sum[k] < limit ? sum[k] : limit;
    }
    if (open) bound = limit;
    if (i < job.n) s.nearest[i] = bound;
    const Key key = key_of(bound, i);
    top = key > top ? key : top;
  }
  return top;
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
__device__ inline Key find_floor(const KCenterJob& job, const Scratch& s, unsigned want, const Workplace& at) {
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
__device__ inline Key make_list(const Task& task, const Scratch& s, const Workplace& at) {
  const KCenterJob& job = task.job;
  for (std::int64_t b = Team<kGrid>::first(); b < kRounds * kBins; b += Team<kGrid>::stride()) s.histogram[b] = 0;
  if (Team<kGrid>::is_first()) {
    *s.outside = 0;
    *s.listed = 0;
  }
  Team<kGrid>::sync();
  const std::int64_t room = static_cast<std::int64_t>(task.list_rows) * Team<kGrid>::blocks();
  const Key floor = find_floor<kGrid>(job, s, static_cast<unsigned>(room < job.n ? room : job.n), at);
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
  const float* row;
  std::int32_t position = -1;
  float bound = kTaken;
};

/// This thread's entry; brings the rows of the block's entries into shared memory where they are to be resident.
/// `spare` is what a thread without an entry may read.
template <bool kGrid>
__device__ inline Entry load_entry(const Task& task, const Scratch& s, float* rows, const float* spare) {
  const KCenterJob& job = task.job;
  const std::int64_t stride = job.width | 1;  // odd: lanes that read a feature of their rows touch different banks
  const std::int64_t blocks = Team<kGrid>::blocks(), block = Team<kGrid>::block(), size = *s.listed;
  if (task.resident != 0) {
    for (std::int64_t t = threadIdx.x / kWarp; t < task.list_rows && t * blocks + block < size; t += kWarps) {
      const float* row = job.candidates + s.list[t * blocks + block] * job.width;
      for (std::int64_t f = lane_id(); f < job.width; f += kWarp) rows[t * stride + f] = row[f];
    }
  }
  Entry entry{spare};
  const std::int64_t t = threadIdx.x;
  if (t < task.list_rows && t * blocks + block < size) {
    entry.position = s.list[t * blocks + block];
    entry.bound = s.nearest[entry.position];
    entry.row = task.resident != 0 ? rows + t * stride : job.candidates + entry.position * job.width;
  }
  return entry;
}

/// Lowers the entry's bound to its distance from `center`.
__device__ inline void update_entry(Entry& entry, const float* center, std::int64_t width) {
  float sum = 0;
  for (std::int64_t f = 0; f < width;) {
    const std::int64_t end = width - f < kWarp ? width : f + kWarp;
    for (; f < end; ++f) sum = SquareStep::add(entry.row[f], center[f], sum);
    if (!__any_sync(select::kAllLanes, sum < entry.bound)) return;
  }
  if (sum < entry.bound) entry.bound = sum;
}

/// Notes a pick; `nearest` of it is not looked at by others before the team's next barrier.
__device__ inline void record(const KCenterJob& job, const Scratch& s, std::int32_t made, std::int32_t pick) {
  job.picks[made] = pick;
  s.nearest[pick] = kTaken;
}

/// Picks from the list while its best beats `outside`. Returns whether any candidate is left.
template <bool kGrid>
__device__ inline bool pick_from_list(const Task& task, const Scratch& s, Key outside, const Workplace& at,
                                      std::int32_t* made) {
  const KCenterJob& job = task.job;
  const std::int64_t width = job.width;
  float* center = at.rows();  // first, the list's rows after it
  if (task.resident != 0) {
    for (std::int64_t f = threadIdx.x; f < width; f += kThreads) center[f] = 0;
  }
  Entry entry = load_entry<kGrid>(task, s, at.rows() + (width | 1), task.resident != 0 ? center : job.candidates);
  __syncthreads();
  for (std::int32_t last = -1;;) {
    if (last >= 0) {
      const float* from = job.candidates + last * width;
      if (task.resident != 0) {
        for (std::int64_t f = threadIdx.x; f < width; f += kThreads) center[f] = from[f];
        __syncthreads();
        from = center;
      }
      if (entry.position == last) entry.bound = kTaken;
      update_entry(entry, from, width);
    }
    offer(key_of(entry.bound, entry.position), &s.best[*made], at);
    Team<kGrid>::sync();
    const Key top = s.best[*made];
    if (top <= outside) return outside != 0;
    last = rank_position(top);
    if (Team<kGrid>::is_first()) record(job, s, *made, last);
    if (++*made == job.count) return true;
  }
}

template <bool kGrid>
__device__ inline std::int32_t lazy_greedy(const Task& task, const Scratch& s, std::int32_t made, const Workplace& at) {
  const KCenterJob& job = task.job;
  std::int32_t applied = made;  // picks that `nearest` takes into account
  bool left = true;
  while (left && made < job.count) {
    if (made > applied) {
      const Centers pending{job.candidates, job.picks + applied, job.width, made - applied};
      update_all<kGrid, select::kMostCenters>(job, s, pending, false, -1, at);
      applied = made;
    }
    const Key outside = make_list<kGrid>(task, s, at);
    left = pick_from_list<kGrid>(task, s, outside, at, &made);
  }
  return made;
}

template <bool kGrid>
__device__ inline std::int32_t plain_greedy(const Task& task, const Scratch& s, std::int32_t made,
                                            const Workplace& at) {
  const KCenterJob& job = task.job;
  std::int64_t last = -1;
  while (made < job.count) {
    const Centers center{last < 0 ? nullptr : job.candidates + last * job.width, nullptr, job.width, last < 0 ? 0 : 1};
    offer(update_all<kGrid, 1>(job, s, center, false, last, at), &s.best[made], at);
    Team<kGrid>::sync();
    const Key top = s.best[made];
    if (top == 0) break;
    last = rank_position(top);
    if (Team<kGrid>::is_first()) job.picks[made] = static_cast<std::int32_t>(last);
    ++made;
  }
  return made;
}

/// Distances to the labelled points, scores, and the first pick if there is no labelled point. Returns the number of
/// picks made: all of them if no candidate has a finite distance.
template <bool kGrid>
__device__ inline std::int32_t start(const KCenterJob& job, const Scratch& s, const Workplace& at) {
  constexpr int kCenters = select::kMostCenters;
  const bool from_nothing = job.m == 0;
  const std::int64_t first = Team<kGrid>::first(), stride = Team<kGrid>::stride();
  for (std::int64_t k = first; k <= job.count; k += stride) s.best[k] = 0;
  Team<kGrid>::sync();
  const Centers known{from_nothing ? nullptr : job.labelled, nullptr, job.width, from_nothing ? 1 : job.m};
  offer(update_all<kGrid, kCenters>(job, s, known, true, -1, at), &s.best[job.count], at);
  Team<kGrid>::sync();
  const Key top = s.best[job.count];
  if (job.scores != nullptr) {
    for (std::int64_t i = first; i < job.n; i += stride) {
      const float nearest = s.nearest[i];
      job.scores[i] = nearest < kNever ? std::sqrt(nearest) : SquareStep::kAbsent;
    }
  }
  if (Team<kGrid>::is_first()) *job.any_finite = top != 0 || job.n == 0 ? 1 : 0;
  if (top == 0) {
    for (std::int64_t k = first; k < job.count; k += stride) job.picks[k] = static_cast<std::int32_t>(k);
    return job.count;
  }
  Team<kGrid>::sync();
  if (!from_nothing || job.count == 0) return 0;
  const std::int32_t pick = rank_position(top);  // from here on only picks are centres
  update_all<kGrid, 1>(job, s, {job.candidates + pick * job.width, nullptr, job.width, 1}, true, pick, at);
  if (Team<kGrid>::is_first()) job.picks[0] = pick;
  Team<kGrid>::sync();
  return 1;
}

template <bool kGrid, KCenterMethod kMethod>
__global__ void __launch_bounds__(kThreads, 1) k_center_kernel(Batch<Task> batch) {
  QUARRY_DYNAMIC_SHARED(unsigned char, pool);
  QUARRY_SHARED(Key, partial, [kWarps]);
  QUARRY_SHARED(int, cut, [kWarps]);
  const Task task = batch.jobs[Team<kGrid>::job()];
  const KCenterJob& job = task.job;
  const Workplace at{pool, partial, cut};
  std::size_t bytes = 0;
  const Scratch s = lay_out(job.scratch, job.n, job.count, &bytes);
  std::int32_t made = start<kGrid>(job, s, at);
  if (made < job.count) {
    made =
        kMethod == KCenterMethod::lazy ? lazy_greedy<kGrid>(task, s, made, at) : plain_greedy<kGrid>(task, s, made, at);
  }
  if (made < job.count && Team<kGrid>::block() == 0) {
    select::append_in_order(job.n, made, job.count, job.picks, cut,
                            [&](std::int64_t i) { return s.nearest[i] == kNever; });
  }
}

}  // namespace

namespace cuda {

std::size_t k_center_scratch(std::int64_t n, std::int64_t, std::int64_t, std::int32_t count, KCenterMethod) {
  std::size_t bytes = 0;
  lay_out(nullptr, n, count, &bytes);
  return bytes;
}

KCenterShape k_center_shape(const gpu::DeviceInfo& device, std::int64_t n, std::int64_t width) {
  constexpr std::int64_t kStaticShared = 1024;  // more than the kernel has
  const bool one_block = n * width < kOneBlockBelow;
  const std::int64_t blocks = one_block ? 1 : std::min<std::int64_t>(device.multiprocessors, (n + kWarp - 1) / kWarp);
  const std::int64_t limit = static_cast<std::int64_t>(device.shared_per_block) - kStaticShared;
  const std::int64_t row = (width | 1) * 4,
                     most_rows = std::clamp<std::int64_t>((n + blocks - 1) / blocks, 1, kThreads);
  const std::int64_t rows = std::min(most_rows, limit / row - 1);
  KCenterShape shape;
  shape.resident = rows >= std::min<std::int64_t>(most_rows, kWarp) ? 1 : 0;
  shape.list_rows = static_cast<std::int32_t>(std::max<std::int64_t>(1, shape.resident != 0 ? rows : most_rows));
  const std::int64_t list = shape.resident != 0 ? (rows + 1) * row : 0;
  shape.launch.grid.x = static_cast<unsigned>(blocks);
  shape.launch.block.x = kThreads;
  shape.launch.shared_bytes =
      static_cast<std::size_t>(std::max<std::int64_t>(list, static_cast<std::int64_t>(sizeof(WarpTile)) * kWarps));
  shape.launch.cooperative = !one_block;
  return shape;
}

void k_center_launch(gpu::Session& session, KCenterMethod method, const KCenterJob* jobs, const KCenterShape* shapes,
                     std::int32_t n_jobs) {
  Batch<Task> batch = {};
  gpu::LaunchShape launch = shapes[0].launch;
  for (std::int32_t j = 0; j < n_jobs; ++j) {
    batch.jobs[j] = {jobs[j], shapes[j].list_rows, shapes[j].resident};
    launch.shared_bytes = std::max(launch.shared_bytes, shapes[j].launch.shared_bytes);
  }
  const bool lazy = method == KCenterMethod::lazy;
  if (launch.cooperative) {
    gpu::launch(session, "k_center", launch,
                lazy ? k_center_kernel<true, KCenterMethod::lazy> : k_center_kernel<true, KCenterMethod::plain>, batch);
  } else {
    launch.grid.x = static_cast<unsigned>(n_jobs);
    gpu::launch(session, "k_center", launch,
                lazy ? k_center_kernel<false, KCenterMethod::lazy> : k_center_kernel<false, KCenterMethod::plain>,
                batch);
  }
}

void k_center(gpu::Session& session, KCenterMethod method, const KCenterJob* jobs, std::int32_t n_jobs) {
  KCenterJob together[kJobsPerLaunch];
  KCenterShape shapes[kJobsPerLaunch];
  std::int32_t n = 0;
  for (std::int32_t j = 0; j < n_jobs; ++j) {
    QUARRY_CHECK(jobs[j].n < (std::int64_t{1} << 31) && jobs[j].count <= jobs[j].n, "{} picks of {} candidates",
                 jobs[j].count, jobs[j].n);
    const KCenterShape shape = k_center_shape(session.device(), jobs[j].n, jobs[j].width);
    if (shape.launch.cooperative) {
      k_center_launch(session, method, &jobs[j], &shape, 1);
      continue;
    }
    together[n] = jobs[j];
    shapes[n++] = shape;
    if (n == kJobsPerLaunch) {
      k_center_launch(session, method, together, shapes, n);
      n = 0;
    }
  }
  if (n > 0) k_center_launch(session, method, together, shapes, n);
}

}  // namespace cuda
}  // namespace quarry
