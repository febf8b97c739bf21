// SPDX-License-Identifier: MIT
// The published numbers are consistent with each other: what was copied wrongly would have to be wrong twice.
#include "quarry/report/published_numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <tuple>

namespace quarry {
namespace {

TEST(PublishedNumbers, GridMeansAndDeviationsAreThoseOfTheirSeeds) {
  for (const PublishedGridRow& row : kPublishedGrid) {
    SCOPED_TRACE(std::string(row.dataset) + " " + std::to_string(row.labels) + " " + std::string(row.strategy) + " " +
                 std::to_string(row.lr) + " " + std::to_string(row.weight_decay));
    ASSERT_EQ(row.seeds, row.dataset == "CIFAR10" ? 5 : 3);
    double mean = 0, square = 0;
    for (int i = 0; i < row.seeds; ++i) mean += row.values[static_cast<std::size_t>(i)] / row.seeds;
    for (int i = 0; i < row.seeds; ++i)
      square += std::pow(row.values[static_cast<std::size_t>(i)] - mean, 2) / row.seeds;
    EXPECT_NEAR(row.mean, mean, 0.0101);
    EXPECT_NEAR(row.deviation, std::sqrt(square), 0.0101);  // with n - 1 it would be 12 to 22 % larger
  }
}

TEST(PublishedNumbers, GridHasEveryPairOnceButTheMissingOnes) {
  std::set<std::tuple<std::string, int, std::string, double, double>> rows;
  for (const PublishedGridRow& row : kPublishedGrid)
    EXPECT_TRUE(rows.insert({std::string(row.dataset), row.labels, std::string(row.strategy), row.lr, row.weight_decay})
                    .second);
  for (const char* dataset : {"CIFAR10", "CIFAR100"})
    for (const int labels : {2100, 4000})
      for (const char* strategy : {"random", "entropy", "coreset", "badge"})
        for (const double lr : {0.001, 0.01, 0.1})
          for (const double wd : {0.0005, 0.005, 0.05}) {
            const bool missing = std::string(strategy) == "badge" && lr == 0.1 && wd == 0.05;
            EXPECT_EQ(rows.count({dataset, labels, strategy, lr, wd}), missing ? 0u : 1u)
                << dataset << labels << strategy << lr << wd;
          }
}

TEST(PublishedNumbers, NewerTableIsTheGrid) {
  int compared = 0;
  for (const PublishedGridRow& row : kPublishedGrid)
    for (std::size_t i = 0; i < kNamedPairs.size(); ++i) {
      if (!(kNamedPairs[i] == HyperparameterPair{row.lr, row.weight_decay})) continue;
      const auto cell =
          published_cell(PublishedTable::newer, row.dataset, row.labels == 2100 ? 2000 : 4000, row.strategy, i, false);
      ASSERT_TRUE(cell);
      EXPECT_DOUBLE_EQ(cell->mean, row.mean);
      EXPECT_DOUBLE_EQ(cell->deviation, row.deviation);
      EXPECT_EQ(cell->seeds, row.seeds);
      ++compared;
    }
  EXPECT_EQ(compared, 64);
}

/// At 4,000 labels the older table has three of the newer table's five runs: the first, third and fifth.
TEST(PublishedNumbers, OlderTableIsThreeOfTheGridsSeeds) {
  int compared = 0;
  for (const PublishedGridRow& row : kPublishedGrid)
    for (std::size_t i = 0; i < kNamedPairs.size(); ++i) {
      if (row.dataset != "CIFAR10" || row.labels != 4000 ||
          !(kNamedPairs[i] == HyperparameterPair{row.lr, row.weight_decay}))
        continue;
      const auto cell = published_cell(PublishedTable::older, "CIFAR10", 4000, row.strategy, i, false);
      ASSERT_TRUE(cell);
      const double mean = (row.values[0] + row.values[2] + row.values[4]) / 3;
      EXPECT_NEAR(cell->mean, mean, 0.0101) << row.strategy << " HP" << i + 1;
      EXPECT_EQ(cell->seeds, 3);
      ++compared;
    }
  EXPECT_EQ(compared, 16);
}

/// The runs of these searches are the same in both tables.
TEST(PublishedNumbers, SearchesThatWereNotRepeatedAgreeBetweenTheTables) {
  int different = 0;
  for (const char* strategy : {"entropy", "coreset", "badge"})
    for (const int labels : {2000, 4000})
      for (std::size_t i = 0; i < 4; ++i) {
        const auto older = published_cell(PublishedTable::older, "CIFAR10", labels, strategy, i, true);
        const auto newer = published_cell(PublishedTable::newer, "CIFAR10", labels, strategy, i, true);
        ASSERT_TRUE(older && newer);
        EXPECT_EQ(older->seeds, 3);
        if (older->mean != newer->mean || older->deviation != newer->deviation) {
          EXPECT_TRUE(std::string(strategy) == "coreset" && labels == 2000 && i == 2);  // the one that was
          ++different;
        }
      }
  EXPECT_EQ(different, 1);
}

TEST(PublishedNumbers, Lookups) {
  const auto random = published_cell(PublishedTable::older, "CIFAR10", 2000, "random", 0, true);
  ASSERT_TRUE(random);
  EXPECT_DOUBLE_EQ(random->mean, 77.42);
  EXPECT_EQ(random->seeds, 5);
  EXPECT_FALSE(published_cell(PublishedTable::older, "CIFAR100", 2000, "random", 0, true));
  EXPECT_FALSE(published_cell(PublishedTable::newer, "CIFAR10", 2100, "random", 0, true));
  EXPECT_FALSE(published_cell(PublishedTable::newer, "CIFAR10", 2000, "margin", 0, true));
  EXPECT_FALSE(published_cell(PublishedTable::newer, "CIFAR10", 2000, "random", 4, true));
  EXPECT_DOUBLE_EQ(published_fixed("CIFAR100", 4000, "coreset", {0.01, 0.005})->mean, 48.55);
  EXPECT_DOUBLE_EQ(published_fixed("CIFAR10", 2000, "badge", {0.1, 0.005})->mean, 66.69);
  EXPECT_FALSE(published_fixed("CIFAR10", 2000, "badge", {0.01, 0.005}));
  EXPECT_FALSE(published_fixed("CIFAR10", 4000, "badge", {0.1, 0.05}));
}

}  // namespace
}  // namespace quarry
