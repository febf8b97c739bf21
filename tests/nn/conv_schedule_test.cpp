// SPDX-License-Identifier: MIT
// What a fit consists of: batches, order, learning rates (check values of the study's specification).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/nn/conv_fleet.h"

namespace quarry {
namespace {

TEST(ConvSchedule, BatchesPerEpoch) {
  const std::pair<std::int64_t, std::int64_t> filled[] = {{100, 4},    {1000, 32}, {2000, 63}, {2100, 66},
                                                          {4000, 126}, {32, 2},    {31, 1},    {1, 1}};
  for (const auto& [rows, batches] : filled) EXPECT_EQ(batches_per_epoch(rows, 32, BatchRule::fill), batches) << rows;
  const std::pair<std::int64_t, std::int64_t> dropped[] = {{1800, 56}, {3600, 112}, {2000, 62}, {4000, 125},
                                                           {100, 3},   {32, 1},     {31, 1},    {1, 1}};
  for (const auto& [rows, batches] : dropped) {
    EXPECT_EQ(batches_per_epoch(rows, 32, BatchRule::drop_last), batches) << rows;
  }
  for (const BatchRule rule : {BatchRule::fill_last, BatchRule::keep_last}) {
    EXPECT_EQ(batches_per_epoch(100, 32, rule), 4);
    EXPECT_EQ(batches_per_epoch(96, 32, rule), 3);
    EXPECT_EQ(batches_per_epoch(1, 32, rule), 1);
  }
  EXPECT_THROW(batches_per_epoch(0, 32, BatchRule::fill), Error);
  EXPECT_THROW(batches_per_epoch(5, 0, BatchRule::fill), Error);
}

std::vector<std::int32_t> permutation(std::uint64_t key, std::uint32_t step, std::int32_t n) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(n));
  std::vector<std::uint64_t> scratch(order.size());
  random_permutation(key, step, static_cast<std::uint32_t>(n), scratch.data(), order.data());
  return order;
}

TEST(ConvSchedule, OrderIsOnePermutationAfterAnother) {
  struct Case {
    std::int32_t rows, batch;
    BatchRule rule;
    std::size_t slots;
    std::uint32_t permutations;
  };
  const Case cases[] = {{100, 32, BatchRule::fill, 128, 2},    {64, 32, BatchRule::fill, 96, 2},
                        {5, 32, BatchRule::fill, 32, 7},       {100, 32, BatchRule::fill_last, 128, 2},
                        {64, 32, BatchRule::fill_last, 64, 1}, {100, 32, BatchRule::drop_last, 96, 1},
                        {20, 32, BatchRule::drop_last, 20, 1}, {100, 32, BatchRule::keep_last, 100, 1}};
  for (const Case& c : cases) {
    for (const std::int32_t epoch : {0, 3}) {
      const std::vector<std::int32_t> order = epoch_order(77, epoch, c.rows, c.batch, c.rule);
      ASSERT_EQ(order.size(), c.slots);
      std::vector<std::int32_t> expected;
      for (std::uint32_t q = 0; q < c.permutations; ++q) {
        const auto next = permutation(77, static_cast<std::uint32_t>(epoch) * c.permutations + q, c.rows);
        expected.insert(expected.end(), next.begin(), next.end());
      }
      expected.resize(c.slots);
      EXPECT_EQ(order, expected);
      const std::set<std::int32_t> first(order.begin(),
                                         order.begin() + std::min<std::ptrdiff_t>(c.rows, std::ssize(order)));
      EXPECT_EQ(first.size(), static_cast<std::size_t>(std::min<std::ptrdiff_t>(c.rows, std::ssize(order))));
    }
  }
  EXPECT_NE(epoch_order(77, 0, 100, 32, BatchRule::fill), epoch_order(77, 1, 100, 32, BatchRule::fill));
  EXPECT_NE(epoch_order(77, 0, 100, 32, BatchRule::fill), epoch_order(78, 0, 100, 32, BatchRule::fill));
}

TEST(ConvSchedule, LearningRates) {
  const auto factor = [](std::int32_t e) { return lr_factor(LrSchedule::warmup_cosine, e, 200, 10, 0.01); };
  const std::pair<std::int32_t, double> exact[] = {{0, 0.01},  {1, 0.109}, {5, 0.505},
                                                   {9, 0.901}, {10, 1.0},  {105, 0.5}};
  for (const auto& [e, value] : exact) EXPECT_NEAR(factor(e), value, 1e-15) << e;
  const std::pair<std::int32_t, double> rounded[] = {{11, 0.99993165},  {50, 0.89457025},  {100, 0.54128967},
                                                     {150, 0.16135922}, {190, 0.00681935}, {198, 0.00027337}};
  for (const auto& [e, value] : rounded)
    EXPECT_NEAR(factor(e), value, 1e-8) << e;  // printed with 8 digits, not all rounded
  EXPECT_NEAR(factor(199), 0.0000683475, 5e-11);
  double sum = 0;
  for (std::int32_t e = 0; e < 200; ++e) sum += factor(e);
  EXPECT_NEAR(sum / 200, 0.500275, 1e-12);
  EXPECT_EQ(lr_factor(LrSchedule::constant, 3, 200, 10, 0.01), 1.0);
  EXPECT_EQ(lr_factor(LrSchedule::warmup_cosine, 0, 20, 0, 0.01), 1.0);
}

}  // namespace
}  // namespace quarry
