// SPDX-License-Identifier: MIT
// A few numbers of each member of a fleet for the host.
#include "kernels/simt.h"
#include "quarry/core/error.h"
#include "quarry/ops/fleet_record_device.h"

namespace quarry {
namespace fleet {
namespace {

constexpr unsigned kRecordThreads = 128;
constexpr std::int64_t kNumbersEach = 16;  ///< that a thread looks at

__global__ void __launch_bounds__(kRecordThreads)
    fleet_progress_kernel(cuda::FleetProgress progress, cuda::ConvNetProgress* out) {
  const int m = static_cast<int>(blockIdx.x * kRecordThreads + threadIdx.x);
  if (m >= progress.members) return;
  out[m].loss_sum = progress.loss_sum[m];
  out[m].correct = progress.correct[m];
  out[m].diverged_epoch = progress.diverged_epoch[m];
  out[m].non_finite = progress.non_finite[m];
  out[m].unused = 0;
}

__global__ void __launch_bounds__(kRecordThreads)
    flag_non_finite_kernel(cuda::FleetNumbers numbers, std::int32_t* non_finite) {
  const std::int64_t size = numbers.rows * numbers.width, stride = std::int64_t{gridDim.x} * kRecordThreads;
  const float* const values = numbers.values + blockIdx.y * size;
  bool found = false;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kRecordThreads + threadIdx.x; i < size; i += stride) {
    const float x = values[i];
    found = found || (i % numbers.width < numbers.used && x - x != 0);
  }
  if (found) atomicMax(non_finite + blockIdx.y, 1);
}

}  // namespace
}  // namespace fleet

void cuda::fleet_progress(gpu::Session& session, const FleetProgress& progress, ConvNetProgress* out) {
  if (progress.members == 0) return;
  gpu::LaunchShape shape;
  shape.grid.x = (static_cast<unsigned>(progress.members) + fleet::kRecordThreads - 1) / fleet::kRecordThreads;
  shape.block.x = fleet::kRecordThreads;
  gpu::launch(session, "fleet_progress", shape, fleet::fleet_progress_kernel, progress, out);
}

void cuda::flag_non_finite(gpu::Session& session, const FleetNumbers& numbers, std::int32_t* non_finite) {
  QUARRY_CHECK(numbers.rows >= 0 && numbers.used >= 0 && numbers.used <= numbers.width, "{} rows, {} of {} numbers",
               numbers.rows, numbers.used, numbers.width);
  const std::int64_t size = numbers.rows * numbers.width;
  if (numbers.members == 0 || size == 0) return;
  constexpr std::int64_t kEach = fleet::kRecordThreads * fleet::kNumbersEach;
  gpu::LaunchShape shape;
  shape.grid.x = static_cast<unsigned>((size + kEach - 1) / kEach);
  shape.grid.y = static_cast<unsigned>(numbers.members);
  shape.block.x = fleet::kRecordThreads;
  gpu::launch(session, "flag_non_finite", shape, fleet::flag_non_finite_kernel, numbers, non_finite);
}

}  // namespace quarry
