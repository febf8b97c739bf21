// SPDX-License-Identifier: MIT
#include "quarry/data/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "quarry/core/rng.h"
#include "tests/data/support.h"

namespace quarry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<Split> golden(const std::string& name) {
  std::ifstream file(QUARRY_GOLDENS "/data/" + name + ".txt");
  EXPECT_TRUE(file) << name;
  std::vector<Split> splits;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Split split;
    std::vector<std::int32_t>* part = &split.train;
    for (std::string word; words >> word;) {
      if (word == "|") {
        part = &split.validation;
      } else {
        part->push_back(std::stoi(word));
      }
    }
    splits.push_back(split);
  }
  return splits;
}

void expect_equal(const std::vector<Split>& actual, const std::string& name) {
  const std::vector<Split> expected = golden(name);
  ASSERT_EQ(actual.size(), expected.size()) << name;
  for (std::size_t r = 0; r < expected.size(); ++r) {
    EXPECT_EQ(actual[r].train, expected[r].train) << name << " repeat " << r;
    EXPECT_EQ(actual[r].validation, expected[r].validation) << name << " repeat " << r;
  }
}

PermutationSource numpy(std::uint64_t seed) {
  PermutationSource source;
  source.numpy = true;
  source.seed = seed;
  return source;
}

PermutationSource philox(std::uint64_t seed) {
  PermutationSource source;
  source.key = stream_key(seed, RngPurpose::split);
  return source;
}

TEST(ShuffleSplit, EqualsScikitLearn) {
  expect_equal(shuffle_split(20, 0.25, 6, numpy(2)), "shuffle_split_20_0.25_6_2");
  expect_equal(shuffle_split(40, 0.5, 6, numpy(2)), "shuffle_split_40_0.5_6_2");
  expect_equal(shuffle_split(60, 0.1, 10, numpy(0)), "shuffle_split_60_0.1_10_0");
  expect_equal(shuffle_split(21, 0.9, 3, numpy(4294967295u)), "shuffle_split_21_0.9_3_4294967295");
}

TEST(ShuffleSplit, PublishedSizes) {
  const double shares[] = {0.10, 0.25, 0.50, 0.90};
  const std::int32_t n[] = {20, 40, 60, 100};
  const std::int32_t train[4][4] = {{18, 15, 10, 2}, {36, 30, 20, 4}, {54, 45, 30, 6}, {90, 75, 50, 10}};
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) {
      const Split split = shuffle_split(n[i], shares[j], 1, philox(1)).at(0);
      EXPECT_EQ(split.train.size(), static_cast<std::size_t>(train[i][j]));
      EXPECT_EQ(split.validation.size(), static_cast<std::size_t>(n[i] - train[i][j]));
    }
  }
}

std::vector<std::int32_t> sorted_union(const Split& split) {
  std::vector<std::int32_t> all = split.train;
  all.insert(all.end(), split.validation.begin(), split.validation.end());
  std::sort(all.begin(), all.end());
  return all;
}

TEST(ShuffleSplit, EveryRepeatIsAPartitionAndRepeatZeroIsTheSingleSplit) {
  std::vector<std::int32_t> everything(37);
  std::iota(everything.begin(), everything.end(), 0);
  for (const PermutationSource& source : {numpy(5), philox(5)}) {
    const std::vector<Split> six = shuffle_split(37, 0.3, 6, source);
    for (const Split& split : six) EXPECT_EQ(sorted_union(split), everything);
    EXPECT_NE(six[0].validation, six[1].validation);
    const std::vector<Split> one = shuffle_split(37, 0.3, 1, source);
    EXPECT_EQ(one[0].train, six[0].train);
    EXPECT_EQ(one[0].validation, six[0].validation);
  }
  EXPECT_NE(shuffle_split(37, 0.3, 1, philox(5))[0].train, shuffle_split(37, 0.3, 1, philox(6))[0].train);
}

TEST(ShuffleSplit, PhiloxOrderIsAContract) {
  // Sorting (random word of element, element): the words are philox's, checked by its own known answers.
  std::vector<std::int32_t> expected(9);
  std::iota(expected.begin(), expected.end(), 0);
  const std::uint64_t key = philox(3).key;
  std::vector<std::uint64_t> scratch(9);
  random_permutation(key, 2, 9, scratch.data(), expected.data());
  const Split split = shuffle_split(9, 0.5, 3, philox(3)).at(2);
  EXPECT_EQ(split.validation, std::vector<std::int32_t>(expected.begin(), expected.begin() + 5));
  EXPECT_EQ(split.train, std::vector<std::int32_t>(expected.begin() + 5, expected.end()));
}

TEST(ShuffleSplit, EmptyPartsAndBadSharesAreRefused) {
  for (const double share : {0.0, 1.0, -0.5, 2.0, std::nan("")}) {
    EXPECT_THAT(error_of([&] { shuffle_split(20, share, 1, philox(1)); }, ErrorKind::usage),
                HasSubstr("validation share"));
  }
  EXPECT_THAT(error_of([&] { shuffle_split(1, 0.5, 1, philox(1)); }, ErrorKind::usage), HasSubstr("1 labelled"));
  EXPECT_THAT(error_of([&] { shuffle_split(0, 0.5, 1, philox(1)); }, ErrorKind::usage), HasSubstr("0 labelled"));
  EXPECT_THAT(error_of([&] { shuffle_split(3, 0.9, 1, philox(1)); }, ErrorKind::usage), HasSubstr("0 for training"));
  EXPECT_THAT(error_of([&] { shuffle_split(20, 0.5, 1, numpy(1ull << 32)); }, ErrorKind::usage),
              HasSubstr("4294967295"));
}

TEST(KFold, EqualsScikitLearn) {
  expect_equal(k_fold(20, 6, numpy(2)), "k_fold_20_6_2");
  expect_equal(k_fold(23, 5, numpy(7)), "k_fold_23_5_7");
  expect_equal(k_fold(7, 7, numpy(42)), "k_fold_7_7_42");
}

TEST(KFold, FoldsAreDisjointAndCoverEverything) {
  for (const PermutationSource& source : {numpy(1), philox(1)}) {
    std::vector<std::int32_t> seen;
    for (const Split& split : k_fold(23, 5, source)) {
      EXPECT_EQ(split.validation.size(), seen.size() < 15 ? 5u : 4u);
      EXPECT_EQ(sorted_union(split).size(), 23u);
      seen.insert(seen.end(), split.validation.begin(), split.validation.end());
    }
    std::sort(seen.begin(), seen.end());
    for (std::int32_t i = 0; i < 23; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
  }
  for (const std::int32_t folds : {-1, 0, 1, 8}) {
    EXPECT_THAT(error_of([&] { k_fold(7, folds, philox(1)); }, ErrorKind::usage), HasSubstr("expected 2 to 7"));
  }
}

}  // namespace
}  // namespace quarry
