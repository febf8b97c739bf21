// SPDX-License-Identifier: MIT
#include "quarry/al/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"

namespace quarry {
namespace {

PermutationSource numpy_source(std::uint64_t seed) {
  return {true, seed, 0};
}
PermutationSource philox_source(std::uint64_t seed) {
  return {false, seed, stream_key(seed, RngPurpose::initial_pool)};
}

std::vector<std::int32_t> head(std::span<const std::int32_t> x, std::size_t n) {
  return {x.begin(), x.begin() + n};
}

TEST(Pool, PublishedAnswersOfTheNumpyStream) {
  const Pool pool(480, 40, numpy_source(2));
  EXPECT_EQ(head(pool.unviolated(), 5), (std::vector<std::int32_t>{418, 277, 369, 223, 425}));
  EXPECT_EQ(pool.unviolated().size(), 40u);
  EXPECT_EQ(pool.unlabelled().size(), 440u);
}

TEST(Pool, ASmallerInitialSetIsAPrefix) {
  for (const PermutationSource& source : {numpy_source(7), philox_source(7)}) {
    const Pool large(300, 100, source), small(300, 20, source);
    EXPECT_EQ(head(large.unviolated(), 20), head(small.unviolated(), 20));
  }
}

TEST(Pool, PhiloxSeedsGiveDifferentDraws) {
  EXPECT_NE(Pool(100, 100, philox_source(1)).labelled(), Pool(100, 100, philox_source(2)).labelled());
}

TEST(Pool, MinusOneLabelsEverything) {
  const Pool pool(50, -1, numpy_source(3));
  EXPECT_TRUE(pool.unlabelled().empty());
  std::vector<std::int32_t> sorted = pool.labelled(), all(50);
  std::sort(sorted.begin(), sorted.end());
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
}

TEST(Pool, AddedInstancesTrainAndNeverValidate) {
  Pool pool(100, 8, philox_source(1));
  const Split split{{5, 0, 3, 7}, {1, 2, 4, 6}};
  const std::vector<std::int32_t> u(pool.unviolated().begin(), pool.unviolated().end());
  const std::int32_t first = pool.unlabelled()[3], second = pool.unlabelled()[0];
  pool.acquire(first);
  pool.acquire(second);
  EXPECT_EQ(pool.training(split), (std::vector<std::int32_t>{u[5], u[0], u[3], u[7], first, second}));
  EXPECT_EQ(pool.validation(split), (std::vector<std::int32_t>{u[1], u[2], u[4], u[6]}));
}

TEST(Pool, RefusesWhatBreaksItsInvariants) {
  Pool pool(10, 3, philox_source(1));
  EXPECT_THROW(pool.acquire(-1), Error);
  EXPECT_THROW(pool.acquire(10), Error);
  EXPECT_THROW(pool.acquire(pool.unviolated()[0]), Error);
  const std::int32_t index = pool.unlabelled()[0];
  pool.acquire(index);
  EXPECT_THROW(pool.acquire(index), Error);
  EXPECT_THROW(pool.training(Split{{3}, {}}), Error);
  EXPECT_THROW(pool.validation(Split{{}, {-1}}), Error);
  EXPECT_EQ(pool.added().size(), 1u);
}

TEST(Pool, RefusesImpossibleSizes) {
  for (std::int32_t n_initial : {0, -2, 11}) {
    try {
      Pool(10, n_initial, philox_source(1));
      ADD_FAILURE() << n_initial << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_NE(std::string(error.what()).find("1..10"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(Pool(10, 2, numpy_source(std::uint64_t{1} << 32)), Error);
}

// The slow model: sets and a linear search.
struct Model {
  std::set<std::int32_t> unlabelled;
  std::vector<std::int32_t> labelled, added;
};

TEST(Pool, FollowsAModelUnderRandomOperations) {
  const std::uint64_t key = 20240601;
  std::uint32_t step = 0;
  for (int round = 0; round < 60; ++round) {
    const auto size = static_cast<std::int32_t>(1 + random_below(key, 60, 0, step++));
    const auto n_initial =
        static_cast<std::int32_t>(1 + random_below(key, static_cast<std::uint64_t>(size), 0, step++));
    Pool pool(size, n_initial, round % 2 ? numpy_source(step) : philox_source(step));
    Model model;
    for (std::int32_t i = 0; i < size; ++i) model.unlabelled.insert(i);
    for (std::int32_t i : pool.unviolated()) {
      model.labelled.push_back(i);
      ASSERT_EQ(model.unlabelled.erase(i), 1u) << "drawn twice or out of range";
    }
    for (int operation = 0; operation < 80; ++operation) {
      const auto index =
          static_cast<std::int32_t>(random_below(key, static_cast<std::uint64_t>(size) + 4, 1, step++)) - 2;
      if (model.unlabelled.erase(index) == 1) {
        pool.acquire(index);
        model.labelled.push_back(index);
        model.added.push_back(index);
      } else {
        EXPECT_THROW(pool.acquire(index), Error);
      }
      ASSERT_EQ(pool.labelled(), model.labelled);
      ASSERT_TRUE(std::equal(pool.added().begin(), pool.added().end(), model.added.begin(), model.added.end()));
      ASSERT_TRUE(std::equal(pool.unlabelled().begin(), pool.unlabelled().end(), model.unlabelled.begin(),
                             model.unlabelled.end()));
      for (std::int32_t i = 0; i < size; ++i) ASSERT_EQ(pool.is_labelled(i), model.unlabelled.count(i) == 0);
    }
  }
}

}  // namespace
}  // namespace quarry
