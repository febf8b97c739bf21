// SPDX-License-Identifier: MIT
// Launch shapes of the selection kernels: blocks that fit the device, memory that fits a block.
#include "kernels/select_shapes.h"

#include <gtest/gtest.h>

namespace quarry::cuda {
namespace {

gpu::DeviceInfo device(int multiprocessors, std::size_t shared) {
  gpu::DeviceInfo info;
  info.multiprocessors = multiprocessors;
  info.shared_per_block = shared;
  return info;
}

const gpu::DeviceInfo kSmall = device(46, 99 << 10), kLarge = device(132, 227 << 10);

TEST(SelectShapes, BlocksAndMemoryFitTheDevice) {
  for (const gpu::DeviceInfo& info : {kSmall, kLarge}) {
    for (const std::int64_t n : {0, 1, 33, 3000, 10'000, 50'000, 1'000'000}) {
      for (const std::int64_t width : {1, 2, 96, 512, 4096, 100'000}) {
        const KCenterShape shape = k_center_shape(info, n, width);
        EXPECT_GE(shape.launch.grid.x, 1u);
        EXPECT_LE(shape.launch.grid.x, static_cast<unsigned>(info.multiprocessors));
        EXPECT_LE(shape.launch.shared_bytes + 1024, info.shared_per_block);
        EXPECT_GE(shape.list_rows, 1);
        EXPECT_LE(shape.list_rows, static_cast<std::int32_t>(shape.launch.block.x));
        EXPECT_EQ(shape.launch.cooperative, n * width >= kOneBlockBelow);
        EXPECT_TRUE(shape.launch.cooperative || shape.launch.grid.x == 1);
        // the list's rows and a centre
        const std::size_t list_bytes = static_cast<std::size_t>((shape.list_rows + 1) * (width | 1)) * sizeof(float);
        EXPECT_TRUE(shape.resident == 0 || shape.launch.shared_bytes >= list_bytes);
        const gpu::LaunchShape badge = badge_shape(info, n, 10, width);
        EXPECT_GE(badge.grid.x, 1u);
        EXPECT_LE(badge.grid.x, static_cast<unsigned>(info.multiprocessors));
        EXPECT_LE(badge.shared_bytes + 4096, info.shared_per_block);
        EXPECT_EQ(badge.cooperative, n * (width + 10) >= kOneBlockBelow);
      }
    }
  }
}

TEST(SelectShapes, AMiddlingPoolIsResidentAsAWhole) {
  const KCenterShape shape = k_center_shape(kLarge, 10'000, 512);
  EXPECT_TRUE(shape.launch.cooperative);
  EXPECT_TRUE(shape.resident);
  EXPECT_GE(static_cast<std::int64_t>(shape.list_rows) * shape.launch.grid.x, 10'000);
}

TEST(SelectShapes, RowsTooWideForABlockStayInGlobalMemory) {
  EXPECT_FALSE(k_center_shape(kSmall, 100'000, 4096).resident);
  EXPECT_TRUE(k_center_shape(kSmall, 100'000, 512).resident);
}

TEST(SelectShapes, ScoresTakeAThreadPerRowAndJobsSideBySide) {
  EXPECT_EQ(score_shape(257, 3).grid.x, 2u);
  EXPECT_EQ(score_shape(256, 3).grid.x, 1u);
  EXPECT_EQ(score_shape(256, 3).grid.y, 3u);
}

}  // namespace
}  // namespace quarry::cuda
