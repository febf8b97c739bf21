// SPDX-License-Identifier: MIT
#include "quarry/core/buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/core/tensor.h"

namespace quarry {
namespace {

bool aligned(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p) % kAlignment == 0;
}

TEST(Buffer, IsZeroAlignedAndMoves) {
  Buffer<double> buffer(1001);
  EXPECT_TRUE(aligned(buffer.data()));
  for (const double value : buffer.span()) ASSERT_EQ(value, 0);
  buffer[1000] = 7;
  const double* const data = buffer.data();
  Buffer<double> moved(std::move(buffer));
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved[1000], 7);
  EXPECT_EQ(buffer.size(), 0u);
  buffer = std::move(moved);
  EXPECT_EQ(buffer.size(), 1001u);
  EXPECT_EQ(moved.data(), nullptr);
}

TEST(Buffer, RefusesWhatCannotBeAddressed) {
  EXPECT_THROW(Buffer<double>(SIZE_MAX / 4), Error);
}

TEST(Arena, BlocksAreAlignedDisjointAndStay) {
  Arena arena(1024);
  const ArenaScope scope(arena);
  std::vector<std::span<std::uint8_t>> taken;
  for (std::size_t n = 0; n < 300; ++n) {
    taken.push_back(arena.take<std::uint8_t>(n));
    EXPECT_TRUE(aligned(taken.back().data()));
    std::memset(taken.back().data(), static_cast<int>(n % 251), n);
  }
  for (std::size_t n = 0; n < 300; ++n) {
    for (const std::uint8_t byte : taken[n]) ASSERT_EQ(byte, n % 251);
  }
}

TEST(Arena, ScopesGiveBackAndMemoryIsReused) {
  Arena arena(4096);
  std::size_t high_water = 0;
  const float *first = nullptr, *second = nullptr;
  for (int round = 0; round < 1000; ++round) {
    const ArenaScope scope(arena);
    const float* const outer = arena.take<float>(100).data();
    {
      const ArenaScope inner(arena);
      arena.take<double>(10000)[9999] = 1;  // needs a block of its own
    }
    const float* const after = arena.take<float>(100).data();
    if (round == 0) {
      first = outer;
      second = after;
      high_water = arena.high_water_bytes();
    }
    ASSERT_EQ(outer, first);
    ASSERT_EQ(after, second);
  }
  EXPECT_EQ(arena.high_water_bytes(), high_water);
  EXPECT_GE(high_water, 10000 * sizeof(double) + 400);
  EXPECT_LT(high_water, 10000 * sizeof(double) + 1024);
}

TEST(Arena, RefusesWhatCannotBeAddressed) {
  Arena arena;
  EXPECT_THROW(arena.take<double>(SIZE_MAX / 4), Error);
}

TEST(Context, HasOneArenaPerWorker) {
  Context context({}, 3);
  EXPECT_EQ(context.pool().workers(), 3);
  EXPECT_NE(&context.arena(0), &context.arena(2));
  EXPECT_EQ(context.device(), Device{});
  EXPECT_THROW(Context({DeviceKind::cuda, 0}, 1), Error);
}

TEST(TensorView, IndexesRowMajor) {
  int data[24];
  for (int i = 0; i < 24; ++i) data[i] = i;
  const TensorView<int, 3> view{data, {2, 3, 4}};
  EXPECT_EQ(view.size(), 24);
  EXPECT_EQ(view[1][2][3], 23);
  EXPECT_EQ(view[1](0, 1), 13);
  const MatrixView<const int> row_pairs = matrix(data, 12, 2);
  EXPECT_EQ(row_pairs(11, 1), 23);
}

}  // namespace
}  // namespace quarry
