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

#include "kernels/k_center_list.h"
#include "kernels/select_shapes.h"
#include "quarry/core/error.h"

namespace quarry {
namespace {

using namespace k_centers;
using select::Batch;
using select::Centers;
using select::kJobsPerLaunch;

/// One pass: nearest[i] = min(nearest[i], distance to each centre), from infinity when `starting`. A candidate without
/// a finite distance at the start keeps that. `taken` has just been picked. Returns this thread's largest key.
template <bool kGrid, int kCenters>
__device__ inline Key update_all(const Task& task, const Centers& centers, bool starting, std::int64_t taken,
                                 const Workplace& at) {
  const KCenterJob& job = task.job;
  const Scratch& s = task.scratch;
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

template <bool kGrid>
__device__ inline std::int32_t lazy_greedy(const Task& task, std::int32_t made, const Workplace& at) {
  const KCenterJob& job = task.job;
  std::int32_t applied = made;  // picks that `nearest` takes into account
  bool left = true;
  while (left && made < job.count) {
    if (made > applied) {
      const Centers pending{job.candidates, job.picks + applied, job.width, made - applied};
      update_all<kGrid, select::kMostCenters>(task, pending, false, -1, at);
      applied = made;
    }
    const Key outside = make_list<kGrid>(task, at);
    left = pick_from_list<kGrid>(task, outside, at, &made);
  }
  return made;
}

template <bool kGrid>
__device__ inline std::int32_t plain_greedy(const Task& task, std::int32_t made, const Workplace& at) {
  const KCenterJob& job = task.job;
  const Scratch& s = task.scratch;
  std::int64_t last = -1;
  while (made < job.count) {
    const Centers center{last < 0 ? nullptr : job.candidates + last * job.width, nullptr, job.width, last < 0 ? 0 : 1};
    offer(update_all<kGrid, 1>(task, center, false, last, at), &s.best[made], at);
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
__device__ inline std::int32_t start(const Task& task, const Workplace& at) {
  const KCenterJob& job = task.job;
  const Scratch& s = task.scratch;
  constexpr int kCenters = select::kMostCenters;
  const bool from_nothing = job.m == 0;
  const std::int64_t first = Team<kGrid>::first(), stride = Team<kGrid>::stride();
  for (std::int64_t k = first; k <= job.count; k += stride) s.best[k] = 0;
  Team<kGrid>::sync();
  const Centers known{from_nothing ? nullptr : job.labelled, nullptr, job.width, from_nothing ? 1 : job.m};
  offer(update_all<kGrid, kCenters>(task, known, true, -1, at), &s.best[job.count], at);
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
  update_all<kGrid, 1>(task, {job.candidates + pick * job.width, nullptr, job.width, 1}, true, pick, at);
  if (Team<kGrid>::is_first()) job.picks[0] = pick;
  Team<kGrid>::sync();
  return 1;
}

/// How many of the first `made` picks had a distance above zero: all that have before the first that had none. One
/// thread calls it, behind the barrier after the last of them.
__device__ inline std::int32_t picks_apart(const Task& task, std::int32_t made) {
  const KCenterJob& job = task.job;
  if (task.scratch.best[job.count] == 0) return 0;  // no distance was finite
  const bool from_nothing = job.m == 0;             // then the first pick's key is the start's
  std::int32_t apart = 0;
  for (std::int32_t k = 0; k < made; ++k)
    apart += task.scratch.best[k == 0 && from_nothing ? job.count : k] > rank_key(0, 0);
  return apart;
}

template <bool kGrid, KCenterMethod kMethod>
__global__ void __launch_bounds__(kThreads, 1) k_center_kernel(Batch<Order> batch) {
  QUARRY_DYNAMIC_SHARED(unsigned char, pool);
  QUARRY_SHARED(Key, partial, [kWarps]);
  QUARRY_SHARED(int, cut, [kWarps]);
  QUARRY_SHARED(Key, task_bytes, [sizeof(Task) / sizeof(Key)]);
  if (threadIdx.x == 0) {
    const Task task(batch.jobs[Team<kGrid>::job()]);
    std::memcpy(task_bytes, &task, sizeof task);
  }
  __syncthreads();
  const Task& task = *reinterpret_cast<const Task*>(task_bytes);
  const KCenterJob& job = task.job;
  const Workplace at{pool, partial, cut};
  std::int32_t made = start<kGrid>(task, at);
  if (made < job.count) {
    made = kMethod == KCenterMethod::lazy ? lazy_greedy<kGrid>(task, made, at) : plain_greedy<kGrid>(task, made, at);
  }
  if (job.apart != nullptr && Team<kGrid>::is_first()) *job.apart = picks_apart(task, made);
  if (made < job.count && Team<kGrid>::block() == 0) {
    select::append_in_order(job.n, made, job.count, job.picks, cut,
                            [&](std::int64_t i) { return task.scratch.nearest[i] == kNever; });
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
  Batch<Order> batch = {};
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
