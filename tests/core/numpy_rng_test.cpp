// SPDX-License-Identifier: MIT
#include "quarry/core/numpy_rng.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "quarry/core/error.h"

namespace quarry {
namespace {

struct Golden {
  std::string what;
  std::uint32_t seed = 0;
  std::vector<std::int32_t> arguments;
  std::vector<double> values;
};

std::vector<Golden> goldens() {
  std::ifstream file(QUARRY_GOLDENS "/core/numpy_legacy.txt");
  std::vector<Golden> result;
  std::string line, word;
  while (std::getline(file, line)) {
    std::istringstream in(line);
    Golden golden;
    in >> golden.what >> golden.seed;
    while (in >> word && word != "|") golden.arguments.push_back(std::atoi(word.c_str()));
    while (in >> word) golden.values.push_back(std::strtod(word.c_str(), nullptr));
    result.push_back(golden);
  }
  return result;
}

std::vector<double> to_doubles(const std::vector<std::int32_t>& x) {
  return {x.begin(), x.end()};
}

std::vector<double> draw(const Golden& golden) {
  NumpyRandom random(golden.seed);
  const std::int32_t n = golden.arguments[0];
  std::vector<double> result;
  if (golden.what == "words") {
    for (std::int32_t i = 0; i < n; ++i) {
      const double word = random.next_u32();
      if (i >= n - 20) result.push_back(word);
    }
  } else if (golden.what == "uniform") {
    for (std::int32_t i = 0; i < n; ++i) result.push_back(random.uniform());
  } else if (golden.what == "range") {
    for (std::int32_t i = 0; i < n; ++i) result.push_back(random.uniform(-1.5, 2.25));
  } else if (golden.what == "normal") {
    for (std::int32_t i = 0; i < n; ++i) result.push_back(random.normal(0.5, 0.125));
  } else if (golden.what == "permutation") {
    result = to_doubles(random.permutation(n));
  } else if (golden.what == "choice") {
    result = to_doubles(random.choice_without_replacement(n, golden.arguments[1]));
  } else if (golden.what == "weighted") {
    std::vector<double> weights;
    for (std::int32_t i = 0; i < n; ++i) {
      // NumPy's integer powers by squaring
      const double u = random.uniform(), u2 = u * u, u4 = u2 * u2;
      weights.push_back(i % 3 == 0 ? 0 : u4 * u4);
    }
    result = to_doubles(random.choice_weighted(weights, golden.arguments[1]));
  } else if (golden.what == "distinct") {
    std::vector<double> weights;
    for (std::int32_t i = 0; i < n; ++i) weights.push_back(1 + i % 5);
    result = to_doubles(random.choice_weighted_distinct(weights, golden.arguments[1]));
  } else if (golden.what == "mixed") {
    for (std::int32_t i = 0; i < n; ++i) {
      result.push_back(random.normal());
      result.push_back(random.uniform());
      result.push_back(random.permutation(10)[3]);
    }
  }
  return result;
}

TEST(NumpyRandom, MatchesNumpyBitForBit) {
  std::map<std::string, int> seen;
  for (const Golden& golden : goldens()) {
    EXPECT_EQ(draw(golden), golden.values) << golden.what << " seed " << golden.seed << " n " << golden.arguments[0];
    ++seen[golden.what];
  }
  EXPECT_EQ(seen, (std::map<std::string, int>{{"words", 4},
                                              {"uniform", 4},
                                              {"range", 4},
                                              {"normal", 4},
                                              {"permutation", 16},
                                              {"choice", 4},
                                              {"weighted", 24},
                                              {"distinct", 12},
                                              {"mixed", 4}}));
}

TEST(NumpyRandom, FixedAnswersOfTheStudy) {
  const auto first_five = [](std::uint32_t seed, std::int32_t n) {
    return NumpyRandom(seed).choice_without_replacement(n, 5);
  };
  EXPECT_EQ(first_five(42, 600), (std::vector<std::int32_t>{110, 419, 565, 77, 181}));
  EXPECT_EQ(first_five(42, 400), (std::vector<std::int32_t>{209, 280, 33, 210, 93}));
  EXPECT_EQ(first_five(2, 480), (std::vector<std::int32_t>{418, 277, 369, 223, 425}));
}

TEST(NumpyRandom, ReseedStartsAfresh) {
  NumpyRandom random(5);
  random.normal();  // leaves a cached second value
  random.reseed(5);
  EXPECT_EQ(random.normal(), NumpyRandom(5).normal());
}

TEST(NumpyRandom, RefusesImpossibleChoices) {
  NumpyRandom random(1);
  EXPECT_THROW(random.choice_without_replacement(3, 4), Error);
  EXPECT_THROW(random.choice_weighted(std::vector<double>{0, 0}, 1), Error);
  EXPECT_THROW(random.choice_weighted(std::vector<double>{1, -1}, 1), Error);
  EXPECT_THROW(random.choice_weighted({}, 1), Error);
  EXPECT_THROW(random.choice_weighted_distinct(std::vector<double>{1, 0, 1}, 3), Error);
}

}  // namespace
}  // namespace quarry
