// SPDX-License-Identifier: MIT
// What a launch is refused for, on a real GPU and on the fake one.
#pragma once

#include "quarry/core/error.h"
#include "quarry/core/gpu.h"

namespace quarry::gpu {

inline void check_cluster(const Launch& launch, const DeviceInfo& device) {
  constexpr unsigned kMostBlocks = 8;
  constexpr int kLeastMajor = 9;
  const unsigned cluster = launch.shape.cluster;
  if (cluster == 1) return;
  QUARRY_CHECK(device.major >= kLeastMajor, "{} wants clusters of blocks, which {} does not have", launch.name,
               device.name);
  QUARRY_CHECK(cluster >= 1 && cluster <= kMostBlocks && launch.shape.grid.x % cluster == 0,
               "{} wants {} blocks in clusters of {}", launch.name, launch.shape.grid.x, cluster);
}

}  // namespace quarry::gpu
