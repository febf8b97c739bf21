// SPDX-License-Identifier: MIT
// Test metrics. A thread makes the loss and the probabilities of a row; a warp counts, for a row, the rows whose
// probability of its class is smaller or equal, which is its rank; a block adds up.
#include <cmath>
#include <limits>

#include "kernels/simt.h"
#include "quarry/core/error.h"
#include "quarry/core/exact_math.h"
#include "quarry/ops/metrics_device.h"

namespace quarry {
namespace {

constexpr int kWarp = 32, kThreads = 128, kWarps = kThreads / kWarp;
using Count = unsigned long long;  // what atomicAdd knows
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// The scratch of a job.
struct MetricsWork {
  LogitMetricsJob job;
  double *probabilities, *losses;  ///< [class][n], [n]
  Count *ranks, *members;          ///< [class]: twice the sum of its rows' ranks; rows, and kNonFinite
  Count* correct;                  ///< one number
};
/// Added to a class's members for each of its probabilities that is not finite.
constexpr Count kNonFinite = Count{1} << 40;

__global__ void __launch_bounds__(kThreads) metrics_rows_kernel(MetricsWork work) {
  const LogitMetricsJob& job = work.job;
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= job.n) return;
  const float* const z = job.logits + i * job.classes;
  const std::int64_t label = job.labels[i];
  double largest = z[0];
  std::int64_t best = 0, first_nan = -1;
  for (std::int64_t c = 0; c < job.classes; ++c) {
    const double v = z[c];
    if (v != v && first_nan < 0) first_nan = c;
    if (v > z[best]) best = c;
    largest = v > largest ? v : largest;
  }
  double sum = 0;
  for (std::int64_t c = 0; c < job.classes; ++c) sum += exact_exp(static_cast<double>(z[c]) - largest);
  work.losses[i] = exact_log(sum) - (static_cast<double>(z[label]) - largest);
  for (std::int64_t c = 0; c < job.classes; ++c) {
    const double p = exact_exp(static_cast<double>(z[c]) - largest) / sum;
    work.probabilities[c * job.n + i] = p;
    if (p - p != 0) atomicAdd(work.members + c, kNonFinite);
  }
  atomicAdd(work.members + label, Count{1});
  if ((first_nan >= 0 ? first_nan : best) == label) atomicAdd(work.correct, Count{1});
}

__global__ void __launch_bounds__(kThreads) metrics_ranks_kernel(MetricsWork work) {
  const std::int64_t n = work.job.n;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t i = std::int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  if (i >= n) return;
  const std::int32_t label = work.job.labels[i];
  const double* const p = work.probabilities + label * n;
  const double mine = p[i];
  Count doubled = 0;  // twice the mean rank of its equals, less one
  for (std::int64_t j = lane; j < n; j += kWarp) doubled += p[j] < mine ? 2 : p[j] == mine ? 1 : 0;
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    doubled += __shfl_xor_sync(0xffffffffu, doubled, distance);
  if (lane == 0) atomicAdd(work.ranks + label, doubled + 1);
}

/// Of a class, from exact halves: Mann-Whitney.
__device__ inline double area_of(Count ranks, double positives, double negatives) {
  const double rank_sum = static_cast<double>(ranks) / 2;
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

__global__ void __launch_bounds__(kThreads) metrics_sum_kernel(MetricsWork work) {
  QUARRY_SHARED(double, losses, [kThreads]);
  const LogitMetricsJob& job = work.job;
  double sum = 0;
  for (std::int64_t first = 0; first < job.n; first += kThreads) {
    const std::int64_t i = first + threadIdx.x, here = job.n - first < kThreads ? job.n - first : kThreads;
    if (i < job.n) losses[threadIdx.x] = work.losses[i];
    __syncthreads();
    for (std::int64_t k = 0; threadIdx.x == 0 && k < here; ++k) sum += losses[k];
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  const auto n = static_cast<double>(job.n);
  double area = 0;
  std::int64_t present = 0;
  for (std::int64_t c = 0; c < job.classes; ++c) {
    const Count members = work.members[c] % kNonFinite;
    if (members == 0 || members == static_cast<Count>(job.n)) continue;
    const auto positives = static_cast<double>(members);
    area += members == work.members[c] ? area_of(work.ranks[c], positives, n - positives) : kNan;
    ++present;
  }
  job.metrics->loss = sum / n;
  job.metrics->accuracy = static_cast<double>(*work.correct) / n;
  job.metrics->auc = present > 0 ? area / static_cast<double>(present) : kNan;
}

gpu::LaunchShape blocks_for(std::int64_t items, std::int64_t each) {
  gpu::LaunchShape shape;
  shape.grid.x = static_cast<unsigned>((items + each - 1) / each);
  shape.block.x = kThreads;
  return shape;
}

}  // namespace

void cuda::logit_metrics(gpu::Session& session, const LogitMetricsJob& job) {
  QUARRY_CHECK(job.n >= 1 && job.classes >= 1, "metrics of {} rows and {} classes", job.n, job.classes);
  auto* const counts = static_cast<Count*>(job.scratch);
  const std::int64_t n_counts = 2 * job.classes + 1;
  auto* const numbers = reinterpret_cast<double*>(counts + n_counts);
  const MetricsWork work = {
      job, numbers, numbers + job.classes * job.n, counts, counts + job.classes, counts + 2 * job.classes};
  session.fill(counts, 0, static_cast<std::size_t>(n_counts) * sizeof(Count));
  gpu::launch(session, "metrics_rows", blocks_for(job.n, kThreads), metrics_rows_kernel, work);
  gpu::launch(session, "metrics_ranks", blocks_for(job.n, kWarps), metrics_ranks_kernel, work);
  gpu::launch(session, "metrics_sum", blocks_for(1, 1), metrics_sum_kernel, work);
}

}  // namespace quarry
