// SPDX-License-Identifier: MIT
#include "quarry/core/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

namespace quarry {
namespace {

__extension__ using Product = unsigned __int128;
using Words = std::array<std::uint32_t, 4>;

Words words(const PhiloxBlock& block) {
  return {block.word[0], block.word[1], block.word[2], block.word[3]};
}

// Known answers published with Random123 (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(words(philox({0, 0}, 0, 0, 0, 0)), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t f = 0xffffffff;
  EXPECT_EQ(words(philox({f, f}, f, f, f, f)), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(words(philox({0xa4093822, 0x299f31d0}, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344)),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, IsAConstantExpression) {
  static_assert(philox({0, 0}, 0, 0, 0, 0).word[0] == 0x6627e8d5);
  static_assert(random_below(1, 1, 2) == 0);
}

TEST(Random, CoordinatesGoWhereTheDesignSays) {
  const std::uint64_t key = 0x0123456789abcdefULL, element = 0xfedcba9876543210ULL;
  const Words expected = words(philox({0x89abcdefu, 0x01234567u}, 0x76543210u, 0xfedcba98u, 11, 22));
  EXPECT_EQ(words(random_block(key, element, 11, 22)), expected);
  EXPECT_EQ(random_u32(key, element, 11, 22), expected[0]);
  EXPECT_EQ(random_u64(key, element, 11, 22), (std::uint64_t{expected[1]} << 32) | expected[0]);
}

// Every coordinate and every part of the key matters, and none can be traded for another.
TEST(Random, CoordinatesAreIndependent) {
  std::set<std::uint64_t> seen;
  std::size_t drawn = 0;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    for (const auto purpose : {RngPurpose::init, RngPurpose::order, RngPurpose::data}) {
      for (std::uint64_t part = 0; part < 4; ++part) {
        for (const std::uint64_t element : {0ull, 1ull, 2ull, 1ull << 32, 2ull << 32}) {
          for (std::uint32_t step = 0; step < 4; ++step) {
            for (std::uint32_t draw = 0; draw < 4; ++draw) {
              seen.insert(random_u64(stream_key(seed, purpose, part), element, step, draw));
              ++drawn;
            }
          }
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), drawn);
}

// Changing one bit of any input changes about half of the output bits.
TEST(Random, Avalanche) {
  double total = 0;
  int cases = 0;
  for (int bit = 0; bit < 64; ++bit) {
    for (std::uint64_t i = 0; i < 64; ++i) {
      const std::uint64_t flip = std::uint64_t{1} << bit;
      const std::uint64_t base = random_u64(i, i * 77, 3);
      for (const std::uint64_t other : {random_u64(i ^ flip, i * 77, 3), random_u64(i, (i * 77) ^ flip, 3)}) {
        total += __builtin_popcountll(base ^ other);
        ++cases;
      }
      const std::uint64_t mixed = stream_key(i, RngPurpose::init) ^ stream_key(i ^ flip, RngPurpose::init);
      total += __builtin_popcountll(mixed);
      ++cases;
    }
  }
  EXPECT_NEAR(total / cases, 32, 5 * 4 / std::sqrt(cases));  // sd of one count is 4
}

TEST(Random, UniformMoments) {
  constexpr int n = 200000;
  const std::uint64_t key = stream_key(1, RngPurpose::data);
  double sum = 0, squares = 0, lag = 0, previous = 0.5;
  for (int i = 0; i < n; ++i) {
    const double u = random_uniform(key, static_cast<std::uint64_t>(i));
    ASSERT_TRUE(u >= 0 && u < 1);
    sum += u;
    squares += u * u;
    lag += (u - 0.5) * (previous - 0.5);
    previous = u;
  }
  EXPECT_NEAR(sum / n, 0.5, 5 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(squares / n, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / n));
  EXPECT_NEAR(lag / n, 0, 5 / 12.0 / std::sqrt(n));
}

TEST(Random, UniformFloatIsBelowOne) {
  EXPECT_EQ(uniform_float(0), 0.0f);
  EXPECT_LT(uniform_float(0xffffffffu), 1.0f);
  EXPECT_EQ(uniform_float(0x80000000u), 0.5f);
}

TEST(Random, BelowIsTheHighHalfOfTheProduct) {
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::uint64_t bound = 1 + (random_u64(9, i) >> (i % 64));
    const auto product = static_cast<Product>(random_u64(3, i, 4, 5)) * bound;
    ASSERT_EQ(random_below(3, bound, i, 4, 5), static_cast<std::uint64_t>(product >> 64));
  }
}

std::vector<std::int32_t> permutation(std::uint64_t key, std::uint32_t step, std::uint32_t n) {
  std::vector<std::uint64_t> scratch(n);
  std::vector<std::int32_t> result(n);
  random_permutation(key, step, n, scratch.data(), result.data());
  return result;
}

TEST(RandomPermutation, IsTheStableOrderOfTheWords) {
  for (const std::uint32_t n : {0u, 1u, 2u, 15u, 100u, 127u, 128u, 129u, 257u, 2000u, 60000u}) {
    for (std::uint32_t step = 0; step < 3; ++step) {
      std::vector<std::int32_t> expected(n);
      std::iota(expected.begin(), expected.end(), 0);
      std::stable_sort(expected.begin(), expected.end(), [&](std::int32_t a, std::int32_t b) {
        return random_u32(42, static_cast<std::uint64_t>(a), step) <
               random_u32(42, static_cast<std::uint64_t>(b), step);
      });
      ASSERT_EQ(permutation(42, step, n), expected) << n;
    }
  }
}

// 300 000 words of 32 bits hold about ten equal pairs, so this meets the rule for equal words.
TEST(RandomPermutation, EqualWordsKeepIndexOrder) {
  constexpr std::uint32_t n = 300000;
  const std::vector<std::int32_t> order = permutation(7, 0, n);
  int equal = 0;
  for (std::uint32_t i = 1; i < n; ++i) {
    const auto before = random_u32(7, static_cast<std::uint64_t>(order[i - 1]));
    const auto after = random_u32(7, static_cast<std::uint64_t>(order[i]));
    ASSERT_LE(before, after);
    if (before != after) continue;
    ++equal;
    ASSERT_LT(order[i - 1], order[i]);
  }
  EXPECT_GT(equal, 0);
}

TEST(RandomPermutation, EveryOrderOfThreeIsEquallyLikely) {
  constexpr int n = 60000;
  std::vector<int> counts(27);
  for (std::uint32_t step = 0; step < n; ++step) {
    const auto p = permutation(5, step, 3);
    ++counts[static_cast<std::size_t>(9 * p[0] + 3 * p[1] + p[2])];
  }
  for (const auto& order : {std::array{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
    const int count = counts[static_cast<std::size_t>(9 * order[0] + 3 * order[1] + order[2])];
    EXPECT_NEAR(count, n / 6, 5 * std::sqrt(n / 6.0));
  }
}

}  // namespace
}  // namespace quarry
