// SPDX-License-Identifier: MIT
#include "quarry/ops/top_k.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "quarry/core/error.h"
#include "tests/support/select_data.h"

namespace quarry {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<std::int32_t> best(const std::vector<float>& scores, std::size_t count, bool* finite = nullptr) {
  Context context({}, 1);
  std::vector<std::int32_t> picks(count, -7);
  const bool any = top_k(context, scores, picks);
  if (finite != nullptr) *finite = any;
  return picks;
}

TEST(TopK, OrdersByScoreThenPosition) {
  const std::vector<float> scores = {1, 3, -2, 3, 0.5f, -0.0f, 0.0f};
  EXPECT_EQ(best(scores, 7), (std::vector<std::int32_t>{1, 3, 0, 4, 5, 6, 2}));
  EXPECT_EQ(best(scores, 1), (std::vector<std::int32_t>{1}));
  EXPECT_TRUE(best(scores, 0).empty());
}

TEST(TopK, NonFiniteScoresComeLast) {
  const std::vector<float> scores = {kNaN, -3e38f, kInfinity, -kInfinity, 3e38f, -kNaN};
  bool finite = false;
  EXPECT_EQ(best(scores, 6, &finite), (std::vector<std::int32_t>{4, 1, 0, 2, 3, 5}));
  EXPECT_TRUE(finite);
  EXPECT_EQ(best({kNaN, kInfinity, kNaN}, 2, &finite), (std::vector<std::int32_t>{0, 1}));
  EXPECT_FALSE(finite);
}

TEST(TopK, AgreesWithAStableSort) {
  for (const std::int64_t n : {1, 2, 63, 64, 65, 1000}) {
    std::vector<float> scores(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = std::floor(test::bell(5, i) * 20) / 8;
    std::vector<std::int32_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    for (std::size_t count = 0; count <= scores.size(); count += 1 + count / 3) {
      EXPECT_EQ(best(scores, count),
                std::vector<std::int32_t>(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count)));
    }
  }
}

TEST(TopK, RefusesMorePicksThanScores) {
  EXPECT_THROW(best({1, 2}, 3), Error);
}

TEST(TopK, DenormalsAndExtremesKeepTheirOrder) {
  EXPECT_EQ(best({1e-45f, 0, -1e-45f, 3.4e38f, -3.4e38f, 1.2e-38f}, 6), (std::vector<std::int32_t>{3, 5, 0, 1, 2, 4}));
}

}  // namespace
}  // namespace quarry
