// SPDX-License-Identifier: MIT
// BADGE on the device. One kernel makes all picks of a job. Passes over the candidates (norms, weights) are work of all
// blocks of the job; draws are work of its first block while the others wait at the next barrier of the grid.
//
// Rejection sampling draws a window of proposals at once, a warp each: the weights they are drawn from and the picks
// they are compared with do not change inside a window, but for the picks of the window itself, whose distances to each
// other are worked out beforehand. One thread then accepts in order, so that the picks are those of one proposal after
// another.
#include <algorithm>

#include "kernels/badge_rules.h"
#include "kernels/select_device.h"
#include "kernels/select_shapes.h"
#include "quarry/core/error.h"

namespace quarry {
namespace {

using badge_rules::gradient_distance;
using badge_rules::kChunk;
using badge_rules::kMostPending;
using badge_rules::kWindow;
using select::Batch;
using select::Centers;
using select::kAllLanes;
using select::Key;
using select::kJobsPerLaunch;
using select::kThreads;
using select::kWarp;
using select::kWarps;
using select::lane_id;
using select::ProductStep;
using select::Team;
using select::WarpTile;

static_assert(kWindow == kWarps, "a warp per proposal");

constexpr float kNever = std::numeric_limits<float>::infinity();
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
    __syncwarp();
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

/// One pass: weight[i] = min(weight[i], squared distance to each of picks[begin .. end-1]); that of `taken` becomes 0.
template <bool kGrid, int kCenters>
__device__ inline void update_weights(const BadgeJob& job, const Scratch& s, std::int32_t begin, std::int32_t end,
                                      std::int64_t taken, WarpTile& tile) {
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
    if (i < job.n) s.weight[i] = i == taken ? 0 : weight;
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

/// x.y of rows whose elements are `x_stride` and 1 apart, by fma in order.
__device__ inline float dot(const float* x, std::int64_t x_stride, const float* y, std::int64_t n) {
  float sum = 0;
  for (std::int64_t k = 0; k < n; ++k) sum = std::fma(x[k * x_stride], y[k], sum);
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

template <bool kGrid>
__device__ inline std::int32_t draw_by_rejection(const BadgeJob& job, const Scratch& s, WarpTile& tile,
                                                 Window& window) {
  std::int32_t applied = 0, made = 1;  // the weights take picks[0 .. applied-1] into account
  while (made < job.count) {
    update_weights<kGrid, select::kMostCenters>(job, s, applied, made, -1, tile);
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

template <bool kGrid>
__device__ inline std::int32_t draw_by_passes(const BadgeJob& job, const Scratch& s, WarpTile& tile, double* share,
                                              Window& window) {
  for (std::int32_t made = 1;; ++made) {
    if (made == job.count) return made;
    update_weights<kGrid, 1>(job, s, made - 1, made, job.picks[made - 1], tile);
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
  if (Team<kGrid>::is_first()) *job.any_finite = any || job.n == 0 ? 1 : 0;
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
