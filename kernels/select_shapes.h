// SPDX-License-Identifier: MIT
// Launch shapes of the selection kernels: pure functions of device and problem. Results depend on none of them; tests
// launch shapes of their own.
#pragma once

#include "quarry/ops/select_device.h"

namespace quarry::cuda {

/// Scores: a thread per row of the largest job, jobs side by side.
gpu::LaunchShape score_shape(std::int64_t most_rows, std::int32_t n_jobs);

/// Below this many numbers [n][width] a problem gets one block and shares its launch with others; above it gets the
/// whole device, in a launch of its own.
inline constexpr std::int64_t kOneBlockBelow = std::int64_t{1} << 19;

struct KCenterShape {
  gpu::LaunchShape launch;     ///< of one job
  std::int32_t list_rows = 1;  ///< lazy: candidates a block keeps in its list, at most one per thread
  std::int32_t resident = 1;   ///< lazy: whether the list's features are in shared memory
};
KCenterShape k_center_shape(const gpu::DeviceInfo& device, std::int64_t n, std::int64_t width);

gpu::LaunchShape badge_shape(const gpu::DeviceInfo& device, std::int64_t n, std::int64_t classes, std::int64_t width);

/// Launches jobs in shapes that were chosen elsewhere: at most select::kJobsPerLaunch jobs of one block each, or one
/// job with a cooperative grid. BADGE: either all jobs sample by rejection or none.
void k_center_launch(gpu::Session& session, KCenterMethod method, const KCenterJob* jobs, const KCenterShape* shapes,
                     std::int32_t n_jobs);
void badge_launch(gpu::Session& session, const BadgeJob* jobs, const gpu::LaunchShape& shape, std::int32_t n_jobs);

}  // namespace quarry::cuda
