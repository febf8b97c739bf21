// SPDX-License-Identifier: MIT
// BADGE on the device. One kernel makes all picks of a job. Passes over the candidates (norms, weights) are work of all
// blocks of the job, draws that of its first block (badge_draws.h).
#include <algorithm>

#include "kernels/badge_draws.h"
#include "kernels/select_shapes.h"
#include "quarry/core/error.h"

namespace quarry {
namespace {

using namespace badge_draws;
using select::Batch;
using select::Centers;
using select::kJobsPerLaunch;
using select::ProductStep;
using select::Team;
using select::WarpTile;

constexpr float kNever = std::numeric_limits<float>::infinity();

/// The class of the largest probability, the lowest of equals.
__device__ inline std::int64_t predicted_class(const float* p, std::int64_t classes) {
  std::int64_t best = 0;
  for (std::int64_t c = 1; c < classes; ++c) {
    if (p[best] < p[c]) best = c;
  }
  return best;
}

/// |row|^2 of row first_row + lane, by fma in feature order. The whole warp calls it.
__device__ inline float square_norm(const float* rows, std::int64_t first_row, std::int64_t n, std::int64_t width,
                                    WarpTile& tile) {
  const int lane = lane_id();
  float sum = 0;
  for (std::int64_t begin = 0; begin < width; begin += kWarp) {
    __syncwarp();
    select::load_rows(rows + first_row * width + begin + lane, begin + lane < width ? n - first_row : 0, width, tile);
    select::wait_for_tile();
    for (int k = 0; k < kWarp / 4; ++k) {
      const select::Quad x = tile.row[lane][k];
      QUARRY_UNROLL for (int j = 0; j < 4; ++j) sum = std::fma(x.v[j], x.v[j], sum);
    }
  }
  return sum;
}

/// Residuals, norms and first weights; the first pick goes to the state.
template <bool kGrid>
__device__ inline void embed(const BadgeJob& job, const Scratch& s, WarpTile& tile, Key* partial) {
  if (Team<kGrid>::is_first()) *s.state = {0, INT32_MAX, 0, 0, 0, 0};
  Team<kGrid>::sync();
  Key largest = 0;
  for (std::int64_t w = Team<kGrid>::first_warp(); w * kWarp < job.n; w += Team<kGrid>::warp_stride()) {
    const std::int64_t i = w * kWarp + lane_id();
    if (i < job.n) {
      const float* p = job.probabilities + i * job.classes;
      const std::int64_t predicted = predicted_class(p, job.classes);
      for (std::int64_t c = 0; c < job.classes; ++c) s.q[i * job.classes + c] = c == predicted ? p[c] - 1.0f : p[c];
    }
    const float qq = square_norm(s.q, w * kWarp, job.n, job.classes, tile);
    const float hh = square_norm(job.features, w * kWarp, job.n, job.width, tile);
    if (i >= job.n) continue;
    const double norm = static_cast<double>(qq) * static_cast<double>(hh);
    const bool finite = norm <= badge_rules::kLargestNorm;
    s.norm[i] = norm;
    s.weight[i] = finite ? kNever : 0.0f;
    if (!finite) continue;
    Key bits;
    std::memcpy(&bits, &norm, sizeof bits);  // ordered as the norms are: none is negative
    largest = bits + 1 > largest ? bits + 1 : largest;
  }
  largest = select::block_max(largest, partial);
  if (threadIdx.x == 0 && largest != 0) atomicMax(&s.state->largest, largest);
  Team<kGrid>::sync();
  largest = s.state->largest;
  for (std::int64_t i = Team<kGrid>::first(); i < job.n; i += Team<kGrid>::stride()) {
    Key bits;
    std::memcpy(&bits, &s.norm[i], sizeof bits);
    if (bits + 1 == largest) atomicMin(&s.state->first, static_cast<std::int32_t>(i));
  }
  Team<kGrid>::sync();
}

/// One pass: weight[i] = min(weight[i], squared distance to each of picks[begin .. end-1]). A pick's own
/// becomes 0: its norm and its products with itself are the same numbers.
template <bool kGrid, int kCenters>
__device__ inline void update_weights(const BadgeJob& job, const Scratch& s, std::int32_t begin, std::int32_t end,
                                      WarpTile& tile) {
  const Centers q{s.q, job.picks + begin, job.classes, end - begin};
  const Centers h{job.features, job.picks + begin, job.width, end - begin};
  for (std::int64_t w = Team<kGrid>::first_warp(); w * kWarp < job.n; w += Team<kGrid>::warp_stride()) {
    const std::int64_t i = w * kWarp + lane_id();
    float weight = i < job.n ? s.weight[i] : 0;
    const double norm = i < job.n ? s.norm[i] : 0;
    for (std::int64_t c = 0; c < q.count; c += kCenters) {
      float qq[kCenters], hh[kCenters];
      select::accumulate<ProductStep>(s.q, w * kWarp, job.n, q, c, 0, tile, qq);
      select::accumulate<ProductStep>(job.features, w * kWarp, job.n, h, c, 0, tile, hh);
      QUARRY_UNROLL for (int k = 0; k < kCenters; ++k) {
        if (c + k >= q.count) continue;
        const float distance = gradient_distance(qq[k], hh[k], norm, s.norm[q.index[c + k]]);
        weight = distance < weight ? distance : weight;
      }
    }
    if (i < job.n) s.weight[i] = weight;
  }
}

/// Sums of the weights of each chunk, in order; then, by one thread, of the chunks, in order.
template <bool kGrid>
__device__ inline void sum_weights(const BadgeJob& job, const Scratch& s) {
  const std::int64_t chunks = chunk_count(job.n), blocks = Team<kGrid>::blocks();
  for (std::int64_t c = threadIdx.x * blocks + Team<kGrid>::block(); c < chunks; c += kThreads * blocks) {
    const std::int64_t end = job.n - c * kChunk < kChunk ? job.n : (c + 1) * kChunk;
    double sum = 0;
    for (std::int64_t i = c * kChunk; i < end; ++i) sum += static_cast<double>(s.weight[i]);
    s.upto[c] = sum;
  }
  Team<kGrid>::sync();
  if (Team<kGrid>::is_first()) {
    double sum = 0;
    for (std::int64_t c = 0; c < chunks; c += kInFlight) {
      double part[kInFlight];
      QUARRY_UNROLL for (int k = 0; k < kInFlight; ++k) part[k] = c + k < chunks ? s.upto[c + k] : 0;
      QUARRY_UNROLL for (int k = 0; k < kInFlight; ++k) {
        sum += part[k];
        if (c + k < chunks) s.upto[c + k] = sum;
      }
    }
  }
}

template <bool kGrid>
__device__ inline std::int32_t draw_by_rejection(const BadgeJob& job, const Scratch& s, WarpTile& tile,
                                                 Window& window) {
  std::int32_t applied = 0, made = 1;  // the weights take picks[0 .. applied-1] into account
  while (made < job.count) {
    update_weights<kGrid, select::kMostCenters>(job, s, applied, made, tile);
    applied = made;
    Team<kGrid>::sync();
    sum_weights<kGrid>(job, s);
    if (Team<kGrid>::block() == 0) draw_windows(job, s, applied, window);
    Team<kGrid>::sync();
    made = s.state->made;
    if (s.state->finished != 0) break;
  }
  return made;
}

template <bool kGrid>
__device__ inline std::int32_t draw_by_passes(const BadgeJob& job, const Scratch& s, WarpTile& tile, double* share,
                                              Window& window) {
  for (std::int32_t made = 1;; ++made) {
    if (made == job.count) return made;
    update_weights<kGrid, 1>(job, s, made - 1, made, tile);
    Team<kGrid>::sync();
    if (Team<kGrid>::block() == 0) draw_by_inverse(job, s, share, window);
    Team<kGrid>::sync();
    if (s.state->pick < 0) return made;
    if (Team<kGrid>::is_first()) job.picks[made] = s.state->pick;
    Team<kGrid>::sync();
  }
}

/// What the draws left: first the finite candidates by position, then the others. The first block calls it.
__device__ inline void append_rest(const BadgeJob& job, const Scratch& s, std::int32_t made, std::int32_t* shared) {
  constexpr float kPicked = -1;
  __syncthreads();
  for (std::int64_t i = threadIdx.x; i < job.n; i += kThreads) s.weight[i] = 0;
  __syncthreads();
  for (std::int32_t k = static_cast<std::int32_t>(threadIdx.x); k < made; k += kThreads)
    s.weight[job.picks[k]] = kPicked;
  __syncthreads();
  for (const bool finite : {true, false}) {
    made = select::append_in_order(job.n, made, job.count, job.picks, shared, [&](std::int64_t i) {
      return s.weight[i] != kPicked && (s.norm[i] <= badge_rules::kLargestNorm) == finite;
    });
  }
}

template <bool kGrid, bool kRejection>
__global__ void __launch_bounds__(kThreads, 1) badge_kernel(Batch<BadgeJob> batch) {
  QUARRY_DYNAMIC_SHARED(unsigned char, pool);
  QUARRY_SHARED(Key, partial, [kWarps]);
  QUARRY_SHARED(std::int32_t, counts, [kWarps]);
  QUARRY_SHARED(Window, window, [1]);
  QUARRY_SHARED(Key, task_bytes, [sizeof(Task) / sizeof(Key)]);
  if (threadIdx.x == 0) {
    const Task task(batch.jobs[Team<kGrid>::job()]);
    std::memcpy(task_bytes, &task, sizeof task);
  }
  __syncthreads();
  const Task& task = *reinterpret_cast<const Task*>(task_bytes);
  const BadgeJob& job = task.job;
  const Scratch& s = task.scratch;
  WarpTile& tile = reinterpret_cast<WarpTile*>(pool)[threadIdx.x / kWarp];
  embed<kGrid>(job, s, tile, partial);
  const bool any = s.state->largest != 0;
  if (Team<kGrid>::is_first()) {
    *job.any_finite = any || job.n == 0 ? 1 : 0;
    if (job.draws != nullptr) *job.draws = 0;
  }
  if (!any) {
    for (std::int64_t k = Team<kGrid>::first(); k < job.count; k += Team<kGrid>::stride()) {
      job.picks[k] = static_cast<std::int32_t>(k);
    }
    return;
  }
  if (job.count == 0) return;
  if (Team<kGrid>::is_first()) job.picks[0] = s.state->first;
  Team<kGrid>::sync();
  const std::int32_t made = kRejection
                                ? draw_by_rejection<kGrid>(job, s, tile, window[0])
                                : draw_by_passes<kGrid>(job, s, tile, reinterpret_cast<double*>(pool), window[0]);
  if (Team<kGrid>::is_first() && job.draws != nullptr) *job.draws = made - 1;
  if (made < job.count && Team<kGrid>::block() == 0) append_rest(job, s, made, counts);
}

constexpr int kEmbedWarps = 8;

/// A warp per candidate.
__global__ void __launch_bounds__(kEmbedWarps* kWarp) badge_embeddings_kernel(BadgeJob job, float* embeddings) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kEmbedWarps + threadIdx.x / kWarp;
  if (i >= job.n) return;
  const float *p = job.probabilities + i * job.classes, *h = job.features + i * job.width;
  const std::int64_t predicted = predicted_class(p, job.classes);
  for (std::int64_t c = 0; c < job.classes; ++c) {
    const float q = c == predicted ? p[c] - 1.0f : p[c];
    float* g = embeddings + (i * job.classes + c) * job.width;
    for (std::int64_t f = lane_id(); f < job.width; f += kWarp) g[f] = q * h[f];
  }
}

}  // namespace

namespace cuda {

std::size_t badge_scratch(std::int64_t n, std::int64_t classes, std::int64_t width, std::int32_t count,
                          BadgeSampling sampling) {
  std::size_t bytes = 0;
  lay_out(nullptr, n, classes, width, count, sampling, &bytes);
  return bytes;
}

gpu::LaunchShape badge_shape(const gpu::DeviceInfo& device, std::int64_t n, std::int64_t classes, std::int64_t width) {
  const bool one_block = n * (classes + width) < kOneBlockBelow;
  gpu::LaunchShape shape;
  shape.grid.x =
      static_cast<unsigned>(one_block ? 1 : std::min<std::int64_t>(device.multiprocessors, (n + kWarp - 1) / kWarp));
  shape.block.x = kThreads;
  shape.shared_bytes = sizeof(WarpTile) * kWarps;
  shape.cooperative = !one_block;
  return shape;
}

void badge_launch(gpu::Session& session, const BadgeJob* jobs, const gpu::LaunchShape& shape, std::int32_t n_jobs) {
  Batch<BadgeJob> batch = {};
  std::copy_n(jobs, n_jobs, batch.jobs);
  const bool rejection = jobs[0].sampling == BadgeSampling::rejection;
  gpu::LaunchShape launch = shape;
  if (launch.cooperative) {
    gpu::launch(session, "badge", launch, rejection ? badge_kernel<true, true> : badge_kernel<true, false>, batch);
  } else {
    launch.grid.x = static_cast<unsigned>(n_jobs);
    gpu::launch(session, "badge", launch, rejection ? badge_kernel<false, true> : badge_kernel<false, false>, batch);
  }
}

void badge(gpu::Session& session, const BadgeJob* jobs, std::int32_t n_jobs) {
  for (const bool rejection : {true, false}) {
    BadgeJob together[kJobsPerLaunch];
    std::int32_t n = 0;
    const auto launch_together = [&] {
      if (n > 0) badge_launch(session, together, badge_shape(session.device(), 0, 1, 1), n);
      n = 0;
    };
    for (std::int32_t j = 0; j < n_jobs; ++j) {
      const BadgeJob& job = jobs[j];
      if ((job.sampling == BadgeSampling::rejection) != rejection) continue;
      QUARRY_CHECK(job.n < (std::int64_t{1} << 31) && job.count <= job.n, "{} picks of {} candidates", job.count,
                   job.n);
      const gpu::LaunchShape shape = badge_shape(session.device(), job.n, job.classes, job.width);
      if (shape.cooperative) {
        badge_launch(session, &job, shape, 1);
        continue;
      }
      together[n++] = job;
      if (n == kJobsPerLaunch) launch_together();
    }
    launch_together();
  }
}

void badge_embeddings(gpu::Session& session, const BadgeJob& job, float* embeddings) {
  if (job.n == 0) return;
  gpu::LaunchShape shape;
  shape.grid.x = static_cast<unsigned>((job.n + kEmbedWarps - 1) / kEmbedWarps);
  shape.block.x = kEmbedWarps * kWarp;
  gpu::launch(session, "badge_embeddings", shape, badge_embeddings_kernel, job, embeddings);
}

}  // namespace cuda
}  // namespace quarry
