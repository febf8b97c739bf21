// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "quarry/data/data_table.h"
#include "quarry/data/generators.h"
#include "tests/data/support.h"

namespace quarry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct GoldenRow {
  float x, y;
  int label, honeypot;
};

std::vector<GoldenRow> golden_rows(const std::string& name) {
  std::ifstream file(QUARRY_GOLDENS "/data/" + name + ".txt");
  EXPECT_TRUE(file) << name;
  std::vector<GoldenRow> rows;
  for (GoldenRow row; file >> row.x >> row.y >> row.label >> row.honeypot;) rows.push_back(row);
  return rows;
}

DataConfig faithful(const std::string& name, const std::string& version = "final") {
  DataConfig config;
  config.name = name;
  config.version = version;
  config.scaler_fit = ScalerFit::test;
  return config;
}

/// Rows of the pool, then of the test part.
std::vector<GoldenRow> rows_of(const Dataset& set) {
  std::vector<GoldenRow> rows;
  for (const DataPart* part : {&set.train, &set.test}) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(part->n); ++i) {
      rows.push_back({part->features[2 * i], part->features[2 * i + 1], part->labels[i],
                      part->honeypot.empty() ? 0 : part->honeypot[i]});
    }
  }
  return rows;
}

void expect_same_bits(const Dataset& set, const std::string& golden) {
  const std::vector<GoldenRow> expected = golden_rows(golden), actual = rows_of(set);
  ASSERT_EQ(actual.size(), expected.size()) << golden;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(actual[i].x, expected[i].x) << golden << " row " << i;
    EXPECT_EQ(actual[i].y, expected[i].y) << golden << " row " << i;
    EXPECT_EQ(actual[i].label, expected[i].label) << golden << " row " << i;
    EXPECT_EQ(actual[i].honeypot, expected[i].honeypot) << golden << " row " << i;
  }
}

TEST(ToySets, EveryRowOfBothVersionsEqualsNumpyAndScikitLearn) {
  for (const std::string name : {"moons", "adversarial_moons", "blobs", "diverging_sine"}) {
    for (const std::string version : {"final", "seed"}) {
      expect_same_bits(load_dataset(faithful(name, version)), name + "_" + version);
    }
  }
}

TEST(ToySets, EveryRowOfTheOlderVersionsEqualsNumpyAndScikitLearn) {  // spec 3.6
  const std::pair<const char*, std::vector<const char*>> older[] = {
      {"moons", {"july_17"}},
      {"adversarial_moons", {"july_12", "july_14", "july_15", "july_16"}},
      {"blobs", {"july_15"}}};
  for (const auto& [name, versions] : older)
    for (const std::string version : versions)
      expect_same_bits(load_dataset(faithful(name, version)), name + ("_" + version));
  EXPECT_EQ(load_dataset(faithful("moons", "july_17")).test.n, 100) << "the test part of the old results figure";
}

TEST(ToySets, TheVersionOfTheKeychainsHasOldMoonsAndTheNewSine) {  // spec 2.1
  for (const std::string name : {"moons", "adversarial_moons", "blobs"})
    expect_same_bits(load_dataset(faithful(name, "keychain")), name + "_seed");
  expect_same_bits(load_dataset(faithful("diverging_sine", "keychain")), "diverging_sine_final");
}

TEST(ToySets, AVersionThatASetNeverHadIsAnError) {
  const std::pair<const char*, const char*> never[] = {{"moons", "june_22"},
                                                       {"adversarial_moons", "july_17"},
                                                       {"blobs", "july_12"},
                                                       {"diverging_sine", "july_17"},
                                                       {"toy", "july_12"}};
  for (const auto& [name, version] : never)
    EXPECT_THAT(error_of([&, n = name, v = version] { load_dataset(faithful(n, v)); }, ErrorKind::usage),
                HasSubstr(fmt::format("the data set '{}' has no data.version '{}'; expected ", name, version)));
}

TEST(ToySets, TheScalerIsFittedOnThePoolByDefault) {
  DataConfig config = faithful("moons");
  config.scaler_fit = ScalerFit::train;
  expect_same_bits(load_dataset(config), "moons_fit_train");
}

TEST(ToySets, TheStandardScalerEqualsScikitLearn) {
  DataConfig config = faithful("blobs");
  config.scaler = Scaler::standard;
  config.scaler_fit = ScalerFit::train;
  const std::vector<GoldenRow> expected = golden_rows("blobs_standard"), actual = rows_of(load_dataset(config));
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual[i].x, expected[i].x, 1e-6);
    EXPECT_NEAR(actual[i].y, expected[i].y, 1e-6);
  }
}

struct Published {
  const char* name;
  std::int64_t n_train, n_test;
  int train_counts[2], test_counts[2];
  int honeypots_train, honeypots_test;
  float rows[4][2];  // training rows 0, 1, 2 and test row 0
  int labels[4];
  double low[2], high[2];  // of the training part
};

const Published kPublished[] = {
    {"moons",
     480,
     120,
     {235, 245},
     {65, 55},
     0,
     0,
     {{0.353793f, 0.543664f}, {0.896498f, 0.329965f}, {0.070494f, 0.631932f}, {0.354434f, 0.496705f}},
     {0, 1, 0, 1},
     {-0.0813, 0.0817},
     {1.0748, 0.9471}},
    {"adversarial_moons",
     480,
     120,
     {236, 244},
     {64, 56},
     83,
     17,
     {{0.308247f, 0.656763f}, {0.694560f, 0.339612f}, {0.175202f, 0.080727f}, {0.366474f, 0.594906f}},
     {0, 1, 1, 0},
     {-0.0295, -0.0436},
     {1.0283, 1.0399}},
    {"blobs",
     320,
     80,
     {166, 154},
     {34, 46},
     157,
     43,
     {{0.627038f, 0.588955f}, {0.715045f, 0.591800f}, {0.131752f, 0.178935f}, {0.677268f, 0.675401f}},
     {1, 0, 0, 0},
     {-0.0634, -0.0023},
     {1.0295, 1.1461}},
    {"diverging_sine",
     400,
     100,
     {205, 195},
     {45, 55},
     0,
     0,
     {{0.443548f, 0.319315f}, {0.290323f, 0.603586f}, {0.495968f, 0.467783f}, {0.850806f, 0.612853f}},
     {1, 0, 1, 0},
     {-0.0040, -0.0148},
     {1.0000, 1.0540}},
};

int count(const std::vector<std::int32_t>& labels, std::int32_t label) {
  return static_cast<int>(std::count(labels.begin(), labels.end(), label));
}

int total(const std::vector<std::uint8_t>& flags) {
  return std::accumulate(flags.begin(), flags.end(), 0);
}

TEST(ToySets, PublishedRowsCountsAndRanges) {
  for (const Published& p : kPublished) {
    SCOPED_TRACE(p.name);
    const Dataset set = load_dataset(faithful(p.name));
    EXPECT_EQ(set.train.n, p.n_train);
    EXPECT_EQ(set.test.n, p.n_test);
    for (int c = 0; c < 2; ++c) {
      EXPECT_EQ(count(set.train.labels, c), p.train_counts[c]);
      EXPECT_EQ(count(set.test.labels, c), p.test_counts[c]);
    }
    EXPECT_EQ(total(set.train.honeypot), p.honeypots_train);
    EXPECT_EQ(total(set.test.honeypot), p.honeypots_test);
    EXPECT_EQ(set.train.honeypot.empty(), p.honeypots_train == 0);
    for (int i = 0; i < 4; ++i) {
      const DataPart& part = i < 3 ? set.train : set.test;
      const auto row = static_cast<std::size_t>(i % 3);
      EXPECT_NEAR(part.features[2 * row], p.rows[i][0], 1e-6);
      EXPECT_NEAR(part.features[2 * row + 1], p.rows[i][1], 1e-6);
      EXPECT_EQ(part.labels[row], p.labels[i]);
    }
    for (std::size_t j = 0; j < 2; ++j) {
      float low = 1e9f, high = -1e9f, test_low = 1e9f, test_high = -1e9f;
      for (std::size_t i = j; i < set.train.features.size(); i += 2) {
        low = std::min(low, set.train.features[i]);
        high = std::max(high, set.train.features[i]);
      }
      for (std::size_t i = j; i < set.test.features.size(); i += 2) {
        test_low = std::min(test_low, set.test.features[i]);
        test_high = std::max(test_high, set.test.features[i]);
      }
      EXPECT_NEAR(low, p.low[j], 6e-5);
      EXPECT_NEAR(high, p.high[j], 6e-5);
      EXPECT_NEAR(test_low, 0, 1e-6);  // B3: fitted on the test part
      EXPECT_NEAR(test_high, 1, 1e-6);
    }
  }
}

TEST(ToySets, TheFirstSetHasTightBlobsAndHoneypotsWithFlippedLabels) {  // spec 3.6
  for (const ToyVersion version : {ToyVersion::june_22, ToyVersion::july_10}) {
    const bool moons = version == ToyVersion::july_10;
    ToyOptions options;
    options.version = version;
    const ToyPoints p = make_toy(options);
    ASSERT_EQ(p.labels.size(), 500u);
    EXPECT_EQ(total(p.honeypot), 100);
    double mean[2] = {0, 0}, spread = 0;
    for (std::size_t i = 400; i < 500; ++i)
      for (std::size_t j = 0; j < 2; ++j) mean[j] += p.x[2 * i + j] / 100;
    for (std::size_t i = 400; i < 500; ++i)
      for (std::size_t j = 0; j < 2; ++j) spread += (p.x[2 * i + j] - mean[j]) * (p.x[2 * i + j] - mean[j]) / 200;
    EXPECT_NEAR(std::sqrt(spread), moons ? 0.2 : 0.05, moons ? 0.03 : 0.008);
    const int ones = std::accumulate(p.labels.begin() + 400, p.labels.end(), 0);
    EXPECT_NEAR(ones, 50, 20);
    EXPECT_NE(ones, 50) << "coin flips, not alternating";
    for (std::size_t i = 0; i < 400 && !moons; ++i)
      for (std::size_t j = 0; j < 2; ++j) EXPECT_LT(std::abs(p.x[2 * i + j]), 0.2 + 5 * 0.05);
    EXPECT_EQ(std::accumulate(p.labels.begin(), p.labels.begin() + 400, 0), 200);
  }
  const Dataset set = load_dataset(faithful("toy"));
  EXPECT_EQ(set.train.n, 300);
  EXPECT_EQ(set.test.n, 100);
  EXPECT_EQ(set.train.features, load_dataset(faithful("toy", "june_22")).train.features);
  EXPECT_NE(set.train.features, load_dataset(faithful("toy", "july_10")).train.features);
}

TEST(ToySets, NoiseCanBeOverriddenAndTurnedOff) {
  ToyOptions options;
  options.noise = 0;
  const ToyPoints clean = make_moons(options);
  for (std::size_t i = 0; i < clean.labels.size(); ++i) {
    const double x = clean.x[2 * i], y = clean.x[2 * i + 1];
    const double radius = clean.labels[i] == 0 ? std::hypot(x, y) : std::hypot(x - 1, y - 0.5);
    EXPECT_NEAR(radius, 1, 1e-12);
  }
  for (const double bad : {-0.1, std::numeric_limits<double>::quiet_NaN(), HUGE_VAL}) {
    options.noise = bad;
    EXPECT_THAT(error_of([&] { make_moons(options); }, ErrorKind::usage), HasSubstr("data.noise"));
  }
}

TEST(ToySets, BlobHoneypotsRepeatTheCleanNoiseUnlessAskedOtherwise) {
  ToyOptions options;
  // In generation order both calls draw the same normals and the same shuffle of 200 indices.
  const ToyPoints same = make_blobs(options);
  const auto clean_noise = [](const ToyPoints& p, std::size_t i, std::size_t j) {
    return (p.x[2 * i + j] - (j == 1 && p.labels[i] == 1 ? 2.0 : 0.0)) / 0.25;
  };
  const auto honeypot_noise = [](const ToyPoints& p, std::size_t i, std::size_t j) {
    return (p.x[2 * (200 + i) + j] - 1.0) / 0.375;
  };
  options.separate_honeypot_noise = true;
  const ToyPoints apart = make_blobs(options);
  int equal = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      EXPECT_NEAR(honeypot_noise(same, i, j), clean_noise(same, i, j), 1e-12);
      EXPECT_EQ(apart.x[2 * i + j], same.x[2 * i + j]);
      equal += std::abs(honeypot_noise(apart, i, j) - clean_noise(apart, i, j)) < 1e-6;
    }
  }
  EXPECT_LT(equal, 5);
  const ToyPoints ring = make_adversarial_moons(options);
  EXPECT_NE(ring.x[1000], make_adversarial_moons({}).x[1000]);
}

TEST(ToySets, HoneypotLabelsAlternateAndCleanPointsKeepTheirs) {
  for (const auto& [points, clean] : {std::pair(make_blobs({}), 200u), std::pair(make_adversarial_moons({}), 500u)}) {
    for (std::size_t i = clean; i < points.labels.size(); ++i) {
      EXPECT_EQ(points.labels[i], static_cast<std::int32_t>((i - clean) % 2));
      EXPECT_EQ(points.honeypot[i], 1);
    }
    EXPECT_EQ(total(points.honeypot), static_cast<int>(points.labels.size() - clean));
  }
}

TEST(ToySets, PoolLimitKeepsTheFirstRowsAndTheScaling) {
  DataConfig config = faithful("blobs");
  const Dataset whole = load_dataset(config);
  config.pool_limit = 50;
  const Dataset part = load_dataset(config);
  EXPECT_EQ(part.train.n, 50);
  EXPECT_EQ(part.test.n, whole.test.n);
  EXPECT_EQ(part.train.features, std::vector<float>(whole.train.features.begin(), whole.train.features.begin() + 100));
  EXPECT_EQ(part.train.labels.size(), 50u);
  EXPECT_EQ(part.train.honeypot.size(), 50u);
  config.pool_limit = 1;
  EXPECT_THAT(error_of([&] { load_dataset(config); }), HasSubstr("at least two classes"));
  config.pool_limit = -1;
  EXPECT_THAT(error_of([&] { load_dataset(config); }, ErrorKind::usage), HasSubstr("data.pool_limit"));
}

TEST(DataTable, UnknownNamesAndMeaninglessKeysAreUsageErrors) {
  DataConfig config = faithful("mons");
  EXPECT_THAT(error_of([&] { load_dataset(config); }, ErrorKind::usage), HasSubstr("Did you mean 'moons'?"));
  config = faithful("moons", "august");
  EXPECT_THAT(error_of([&] { load_dataset(config); }, ErrorKind::usage),
              HasSubstr("expected one of final, keychain, seed, june_22"));
  config = faithful("moons");
  config.path = "x.csv";
  EXPECT_THAT(error_of([&] { load_dataset(config); }, ErrorKind::usage), HasSubstr("data.path has no meaning"));
}

}  // namespace
}  // namespace quarry
