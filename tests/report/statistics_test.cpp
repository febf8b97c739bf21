// SPDX-License-Identifier: MIT
#include "quarry/report/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "quarry/core/file_system.h"
#include "quarry/core/json.h"
#include "quarry/core/rng.h"

namespace quarry {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

const Json& goldens() {
  static const Json json = [] {
    const std::string path = std::string(QUARRY_GOLDENS) + "/statistics.json";
    return Json::parse(read_file(path), path);
  }();
  return json;
}

std::vector<double> numbers(const Json& array) {
  std::vector<double> values;
  for (const Json& item : array.items()) values.push_back(item.number());
  return values;
}

void expect_close(double got, double wanted, double relative) {
  EXPECT_LE(std::abs(got - wanted), relative * std::abs(wanted) + 1e-300) << got << " instead of " << wanted;
}

/// A normal deviate by the sum of twelve uniforms: good enough for simulated studies, and exact to reproduce.
double deviate(std::uint64_t key, std::uint64_t element) {
  double sum = -6;
  for (std::uint32_t draw = 0; draw < 12; ++draw) sum += random_uniform(key, element, 0, draw);
  return sum;
}

TEST(Statistics, DistributionsMatchSciPy) {
  for (const Json& row : goldens().at("quantiles").items()) {
    const auto v = numbers(row);
    expect_close(t_quantile(v[0], v[1]), v[2], 1e-12);
  }
  for (const Json& row : goldens().at("tails").items()) {
    const auto v = numbers(row);
    expect_close(t_two_sided_p(v[0], v[1]), v[2], 1e-11);
  }
  for (const Json& row : goldens().at("betas").items()) {
    const auto v = numbers(row);
    expect_close(incomplete_beta(v[0], v[1], v[2]), v[3], 1e-11);
  }
}

TEST(Statistics, SamplesMatchSciPy) {
  for (const Json& sample : goldens().at("samples").items()) {
    const auto values = numbers(sample.at("values"));
    const Estimate got = estimate(values);
    EXPECT_EQ(got.n, static_cast<std::int64_t>(values.size()));
    expect_close(got.mean, sample.at("mean").number(), 1e-14);
    expect_close(got.sd, sample.at("sd").number(), 1e-12);
    expect_close(got.half_width, sample.at("half_width").number(), 1e-11);
    expect_close(median(values), sample.at("median").number(), 1e-15);
  }
}

TEST(Statistics, PairedTestsMatchSciPy) {
  for (const Json& pair : goldens().at("paired").items()) {
    const auto differences = numbers(pair.at("differences"));
    expect_close(sign_flip_p(differences), pair.at("sign_flip").number(), 1e-12);
    expect_close(paired_t_p(differences), pair.at("t").number(), 1e-10);
  }
}

TEST(Statistics, HolmMatchesClosedTesting) {
  for (const Json& family : goldens().at("holm").items()) {
    const auto got = holm(numbers(family.at("p"))), wanted = numbers(family.at("adjusted"));
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i) expect_close(got[i], wanted[i], 1e-14);
  }
  EXPECT_TRUE(holm({}).empty());
}

TEST(Statistics, AreasMatchNumPy) {
  for (const Json& curve : goldens().at("areas").items())
    expect_close(area_under_curve(numbers(curve.at("labels")), numbers(curve.at("values"))), curve.at("area").number(),
                 1e-13);
  const double one[] = {20}, value[] = {0.75}, same[] = {20, 20}, two[] = {1, 1};
  EXPECT_EQ(area_under_curve(one, value), 0.75);
  EXPECT_ANY_THROW(area_under_curve(same, two));
}

TEST(Statistics, CountsWhatIsNotFinite) {
  const double values[] = {1, kNaN, 3, kInfinity};
  const Estimate got = estimate(values);
  EXPECT_EQ(got.n, 2);
  EXPECT_EQ(got.non_finite, 2);
  EXPECT_EQ(got.mean, 2);
  const double none[] = {kNaN};
  EXPECT_TRUE(std::isnan(estimate(none).mean));
  const double single[] = {4};
  EXPECT_EQ(estimate(single).half_width, kInfinity);
  EXPECT_EQ(sign_flip_p(values), 1);
  EXPECT_EQ(paired_t_p(values), 1);
  EXPECT_TRUE(std::isnan(median({})));
}

TEST(Statistics, SignFlipsAtTheEdges) {
  EXPECT_EQ(sign_flip_p({}), 1);
  for (std::int64_t n = 1; n <= 20; ++n) {
    const std::vector<double> same(static_cast<std::size_t>(n), 0.1);
    EXPECT_EQ(sign_flip_p(same), smallest_sign_flip_p(n)) << n;
    EXPECT_EQ(smallest_sign_flip_p(n), 2 / std::pow(2.0, static_cast<double>(n)));
  }
  const std::vector<double> zeros(30, 0.0), ones(30, 1.0);
  EXPECT_EQ(sign_flip_p(zeros), 1);
  EXPECT_EQ(sign_flip_p(ones), 1.0 / 100001);
  // With random patterns the p-value is close to the exact one: 21 values of equal size, 15 of them positive.
  std::vector<double> mixed(21, 1.0);
  for (std::size_t i = 0; i < 6; ++i) mixed[i] = -1;
  EXPECT_NEAR(sign_flip_p(mixed), 0.07835, 0.004);  // two tails of Binomial(21, 1/2) at 15
}

TEST(Statistics, SaysHowManySeedsItTakes) {
  EXPECT_EQ(smallest_sign_flip_p(3), 0.25);
  EXPECT_EQ(pairs_for_holm(1), 6);
  EXPECT_EQ(pairs_for_holm(10), 9);   // five strategies
  EXPECT_EQ(pairs_for_holm(28), 11);  // eight strategies
  EXPECT_EQ(too_few_seeds(3, 6).rfind("n = 3 seeds: cannot be significant at 5 %", 0), 0u) << too_few_seeds(3, 6);
  EXPECT_EQ(too_few_seeds(9, 10), "");
  EXPECT_NE(too_few_seeds(8, 10).find("at least 9 seeds"), std::string::npos);
  EXPECT_EQ(too_few_seeds(50, 28), "");
}

/// Share of simulated studies (strategies x seeds of AULC with a common seed effect) in which any pair is called
/// different after Holm; `shift` is added to the last strategy.
double share_significant(int studies, int strategies, int seeds, double shift, std::uint64_t key) {
  int significant = 0;
  for (int study = 0; study < studies; ++study) {
    std::vector<std::vector<double>> area(static_cast<std::size_t>(strategies));
    for (int s = 0; s < strategies; ++s)
      for (int r = 0; r < seeds; ++r) {
        const auto seed_effect = 2 * deviate(key, static_cast<std::uint64_t>(study * 1000 + r));
        const auto own = deviate(key + 1, static_cast<std::uint64_t>((study * 100 + s) * 1000 + r));
        area[static_cast<std::size_t>(s)].push_back(seed_effect + own + (s + 1 == strategies ? shift : 0));
      }
    std::vector<double> p_values;
    for (std::size_t a = 0; a < area.size(); ++a)
      for (std::size_t b = a + 1; b < area.size(); ++b) {
        std::vector<double> differences;
        for (std::size_t r = 0; r < area[a].size(); ++r) differences.push_back(area[b][r] - area[a][r]);
        p_values.push_back(sign_flip_p(differences));
      }
    const std::vector<double> adjusted = holm(p_values);
    significant += std::any_of(adjusted.begin(), adjusted.end(), [](double p) { return p <= 0.05; });
  }
  return static_cast<double>(significant) / studies;
}

TEST(Statistics, FalseWinsAreRareOnNullStudies) {
  // Family-wise error at most 5 %; three standard errors of 1000 studies are 2.1 %.
  EXPECT_LE(share_significant(1000, 4, 9, 0, 11), 0.05 + 0.021);
  EXPECT_EQ(share_significant(50, 4, 3, 0, 12), 0);  // three seeds can never show anything
}

TEST(Statistics, PlantedEffectsAreFound) {
  // One pair, ten seeds, differences of sd sqrt(2) shifted by 1.5: a t-test's power is 0.852; sign flips lose little.
  EXPECT_NEAR(share_significant(1000, 2, 10, 1.5, 13), 0.85, 0.04);
}

}  // namespace
}  // namespace quarry
