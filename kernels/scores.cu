// SPDX-License-Identifier: MIT
// Uncertainty scores on the device: one thread adds up one row in class order, which is what fixes the bits. Rows of
// few classes are read straight from memory (a warp's reads stay within a few lines); rows of many are turned round in
// shared memory, 32 by 32, so that memory is read along rows.
#include <algorithm>

#include "kernels/select_shapes.h"
#include "kernels/simt.h"
#include "quarry/core/error.h"
#include "quarry/ops/scores.h"
#include "quarry/ops/select_device.h"

namespace quarry {
namespace {

constexpr int kWarp = 32, kThreads = 256, kWarps = kThreads / kWarp;
constexpr std::int64_t kFewClasses = 16;

/// Jobs of one launch, by value, side by side in grid.y: a launch for each would cost more than a small job.
constexpr int kJobsPerLaunch = 32;
template <class Job>
struct Batch {
  Job jobs[kJobsPerLaunch];
};

struct WarpTile {
  float value[kWarp][kWarp + 1];  // odd rows: a column touches every bank once
};

/// Adds the classes of row first_row + lane to `row`. load(e) gives element e of [n][classes] and is called once for
/// each. The whole warp calls it.
template <class Row, class Load>
__device__ inline void add_row(Row& row, const Load& load, std::int64_t first_row, std::int64_t n, std::int64_t classes,
                               WarpTile& tile) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t present = n - first_row < kWarp ? n - first_row : kWarp;
  if (classes <= kFewClasses) {
    for (std::int64_t c = 0; lane < present && c < classes; ++c) row.add(load((first_row + lane) * classes + c));
    return;
  }
  for (std::int64_t begin = 0; begin < classes; begin += kWarp) {
    const int here = classes - begin < kWarp ? static_cast<int>(classes - begin) : kWarp;
    for (int r = 0; lane < here && r < present; ++r) {
      tile.value[r][lane] = load((first_row + r) * classes + begin + lane);
    }
    __syncwarp();
    for (int c = 0; lane < present && c < here; ++c) row.add(tile.value[lane][c]);
    __syncwarp();
  }
}

/// The first row of this warp; rows beyond n may follow.
__device__ inline std::int64_t first_row() {
  return static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x / kWarp * kWarp;
}

template <class Row>
__device__ inline void score_rows(const ScoreJob& job, WarpTile& tile) {
  const std::int64_t begin = first_row(), i = begin + threadIdx.x % kWarp;
  FiniteRow<Row> row;
  add_row(
      row, [&job](std::int64_t e) { return job.probabilities[e]; }, begin, job.n, job.classes, tile);
  if (i < job.n) job.scores[i] = row.score();
}

__global__ void __launch_bounds__(kThreads) probability_scores_kernel(Batch<ScoreJob> batch) {
  QUARRY_SHARED(WarpTile, tiles, [kWarps]);
  const ScoreJob job = batch.jobs[blockIdx.y];
  if (first_row() >= job.n) return;
  WarpTile& tile = tiles[threadIdx.x / kWarp];
  switch (job.score) {
    case ProbabilityScore::entropy:
      return score_rows<RowEntropy<float>>(job, tile);
    case ProbabilityScore::margin:
      return score_rows<RowMargin>(job, tile);
    case ProbabilityScore::least_confidence:
      return score_rows<RowLeastConfidence>(job, tile);
  }
}

__global__ void __launch_bounds__(kThreads) bald_accumulate_kernel(Batch<BaldJob> batch) {
  QUARRY_SHARED(WarpTile, tiles, [kWarps]);
  const BaldJob job = batch.jobs[blockIdx.y];
  const std::int64_t begin = first_row(), i = begin + threadIdx.x % kWarp;
  if (begin >= job.n) return;
  RowEntropy<float> row;
  const auto load = [&job](std::int64_t e) {
    const float p = job.probabilities[e];
    job.sum_p[e] += p;
    return p;
  };
  add_row(row, load, begin, job.n, job.classes, tiles[threadIdx.x / kWarp]);
  if (i < job.n) job.sum_entropy[i] += row.score();
}

__global__ void __launch_bounds__(kThreads) bald_finish_kernel(Batch<BaldJob> batch) {
  QUARRY_SHARED(WarpTile, tiles, [kWarps]);
  const BaldJob job = batch.jobs[blockIdx.y];
  const std::int64_t begin = first_row(), i = begin + threadIdx.x % kWarp;
  if (begin >= job.n) return;
  RowEntropy<float> row;
  const auto load = [&job](std::int64_t e) { return job.sum_p[e] = bald_mean(job.sum_p[e], job.passes); };
  add_row(row, load, begin, job.n, job.classes, tiles[threadIdx.x / kWarp]);
  if (i >= job.n) return;
  const float score = row.score() - bald_mean(job.sum_entropy[i], job.passes);
  job.scores[i] = job.clamp && score < 0 && score - score == 0 ? 0 : score;
}

/// A thread makes a row: its passes over it stay within the cache.
__global__ void __launch_bounds__(kThreads) softmax_kernel(Batch<SoftmaxJob> batch) {
  const SoftmaxJob job = batch.jobs[blockIdx.y];
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= job.n) return;
  const float* const z = job.logits + i * job.classes;
  float* const p = job.probabilities + i * job.classes;
  float largest = z[0];
  for (std::int64_t c = 1; c < job.classes; ++c) largest = largest < z[c] ? z[c] : largest;
  float sum = 0;
  for (std::int64_t c = 0; c < job.classes; ++c) {
    const float e = exact_exp(z[c] - largest);
    sum += e;
    p[c] = e;
  }
  for (std::int64_t c = 0; c < job.classes; ++c) p[c] = p[c] / sum;
}

template <class Job>
void launch(gpu::Session& session, const char* name, void (*kernel)(Batch<Job>), const Job* jobs, std::int32_t n_jobs) {
  for (std::int32_t begin = 0; begin < n_jobs; begin += kJobsPerLaunch) {
    const std::int32_t here = std::min(n_jobs - begin, kJobsPerLaunch);
    Batch<Job> batch = {};
    std::int64_t most = 0;
    for (std::int32_t j = 0; j < here; ++j) {
      batch.jobs[j] = jobs[begin + j];
      most = std::max(most, jobs[begin + j].n);
    }
    if (most > 0) gpu::launch(session, name, cuda::score_shape(most, here), kernel, batch);
  }
}

}  // namespace

namespace cuda {

gpu::LaunchShape score_shape(std::int64_t most_rows, std::int32_t n_jobs) {
  gpu::LaunchShape shape;
  shape.grid.x = static_cast<unsigned>((most_rows + kThreads - 1) / kThreads);
  shape.grid.y = static_cast<unsigned>(n_jobs);
  shape.block.x = kThreads;
  return shape;
}

void probability_scores(gpu::Session& session, const ScoreJob* jobs, std::int32_t n_jobs) {
  for (std::int32_t j = 0; j < n_jobs; ++j) QUARRY_CHECK(jobs[j].classes >= 1, "{} classes", jobs[j].classes);
  launch(session, "probability_scores", probability_scores_kernel, jobs, n_jobs);
}

void softmax(gpu::Session& session, const SoftmaxJob* jobs, std::int32_t n_jobs) {
  for (std::int32_t j = 0; j < n_jobs; ++j) QUARRY_CHECK(jobs[j].classes >= 1, "{} classes", jobs[j].classes);
  launch(session, "softmax", softmax_kernel, jobs, n_jobs);
}

void bald_accumulate(gpu::Session& session, const BaldJob* jobs, std::int32_t n_jobs) {
  launch(session, "bald_accumulate", bald_accumulate_kernel, jobs, n_jobs);
}

void bald_finish(gpu::Session& session, const BaldJob* jobs, std::int32_t n_jobs) {
  for (std::int32_t j = 0; j < n_jobs; ++j) QUARRY_CHECK(jobs[j].passes >= 1, "{} passes", jobs[j].passes);
  launch(session, "bald_finish", bald_finish_kernel, jobs, n_jobs);
}

}  // namespace cuda
}  // namespace quarry
