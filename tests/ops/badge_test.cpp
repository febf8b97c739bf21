// SPDX-License-Identifier: MIT
#include "quarry/ops/badge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "kernels/select_lanes.h"
#include "quarry/core/error.h"
#include "quarry/core/numpy_rng.h"
#include "tests/support/select_data.h"

namespace quarry {
namespace {

using test::make_probabilities;
using test::make_rows;
using test::Rows;
using test::Shape;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr BadgeSampling kAll[] = {BadgeSampling::rejection, BadgeSampling::plain, BadgeSampling::numpy};

std::vector<std::int32_t> solve(const Rows& p, const Rows& h, std::int32_t count, BadgeParams params, int workers = 1,
                                BadgeStats* stats = nullptr) {
  Context context({}, workers);
  std::vector<std::int32_t> picks(static_cast<std::size_t>(count), -7);
  badge(context, params, p.view(), h.view(), picks, stats);
  std::set<std::int32_t> distinct(picks.begin(), picks.end());
  EXPECT_EQ(distinct.size(), picks.size()) << "a candidate twice";
  return picks;
}

/// Gradient embeddings in full, in double.
std::vector<std::vector<double>> embeddings(const Rows& p, const Rows& h) {
  std::vector<std::vector<double>> all;
  for (std::int64_t i = 0; i < p.n; ++i) {
    std::vector<double> g;
    const float* row = p.data.data() + i * p.width;
    const std::int64_t predicted = std::max_element(row, row + p.width) - row;
    for (std::int64_t c = 0; c < p.width; ++c) {
      const double q = double{row[c]} - (c == predicted ? 1.0 : 0.0);
      for (std::int64_t f = 0; f < h.width; ++f) g.push_back(q * double{h.view()(i, f)});
    }
    all.push_back(g);
  }
  return all;
}

double square_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

double square_norm(const std::vector<double>& a) {
  return square_distance(a, std::vector<double>(a.size(), 0.0));
}

/// k-means++ on full embeddings with a given stream of uniforms.
template <class Uniform>
std::vector<std::int32_t> slow_picks(const Rows& p, const Rows& h, std::int32_t count, Uniform uniform) {
  const auto g = embeddings(p, h);
  std::vector<std::int32_t> picks = {0};
  for (std::size_t i = 1; i < g.size(); ++i) {
    if (square_norm(g[i]) > square_norm(g[static_cast<std::size_t>(picks[0])])) picks[0] = static_cast<std::int32_t>(i);
  }
  std::vector<double> weight(g.size(), std::numeric_limits<double>::infinity());
  while (static_cast<std::int32_t>(picks.size()) < count) {
    double total = 0;
    for (std::size_t i = 0; i < g.size(); ++i) {
      weight[i] = std::min(weight[i], square_distance(g[i], g[static_cast<std::size_t>(picks.back())]));
      total += weight[i];
    }
    const double u = uniform();
    double sum = 0;
    for (std::size_t i = 0; i < g.size(); ++i) {
      sum += weight[i] / total;
      if (sum >= u) {
        picks.push_back(static_cast<std::int32_t>(i));
        break;
      }
    }
  }
  return picks;
}

TEST(Badge, PlainPassesFollowTheDefinition) {
  for (const std::int64_t classes : {2, 10}) {
    for (const std::int64_t width : {6, 40}) {
      const Rows p = make_probabilities(150, classes, 1), h = make_rows(Shape::clustered, 150, width, 2);
      NumpyRandom numpy(5);
      EXPECT_EQ(solve(p, h, 40, {BadgeSampling::numpy, 0, 5}), slow_picks(p, h, 40, [&] { return numpy.uniform(); }));
      std::uint64_t j = 0;
      EXPECT_EQ(solve(p, h, 40, {BadgeSampling::plain, 77, 0}),
                slow_picks(p, h, 40, [&] { return random_uniform(77, j++); }));
    }
  }
}

TEST(Badge, RejectionDrawsFromTheExactDistribution) {
  // the first pick is fixed; compare how often each ordered pair of further picks comes with its exact probability
  const Rows p = make_probabilities(9, 3, 11, 0.8f), h = make_rows(Shape::iid, 9, 4, 12);
  const auto g = embeddings(p, h);
  const std::int32_t first = solve(p, h, 1, {BadgeSampling::rejection, 0, 0})[0];
  std::map<std::vector<std::int32_t>, double> expected;
  std::vector<double> one(9), two(9);
  for (std::size_t i = 0; i < 9; ++i) one[i] = square_distance(g[i], g[static_cast<std::size_t>(first)]);
  const double one_total = std::accumulate(one.begin(), one.end(), 0.0);
  for (std::size_t a = 0; a < 9; ++a) {
    for (std::size_t i = 0; i < 9; ++i) two[i] = std::min(one[i], square_distance(g[i], g[a]));
    const double two_total = std::accumulate(two.begin(), two.end(), 0.0);
    for (std::size_t b = 0; b < 9; ++b) {
      expected[{static_cast<std::int32_t>(a), static_cast<std::int32_t>(b)}] = one[a] / one_total * two[b] / two_total;
    }
  }
  constexpr int kDraws = 8000;
  for (const BadgeSampling sampling : {BadgeSampling::rejection, BadgeSampling::plain}) {
    std::map<std::vector<std::int32_t>, int> seen;
    for (int draw = 0; draw < kDraws; ++draw) {
      const auto picks = solve(p, h, 3, {sampling, mix64(static_cast<std::uint64_t>(draw) + 1), 0});
      EXPECT_EQ(picks[0], first);
      ++seen[{picks[1], picks[2]}];
    }
    double chi_square = 0, rare = 0;
    int cells = 0, rare_seen = 0;
    for (const auto& [pair, probability] : expected) {
      const double mean = kDraws * probability;
      if (mean < 10) {
        rare += mean;
        rare_seen += seen[pair];
        continue;
      }
      ++cells;
      chi_square += (seen[pair] - mean) * (seen[pair] - mean) / mean;
    }
    if (rare > 0) chi_square += (rare_seen - rare) * (rare_seen - rare) / std::max(rare, 1.0);
    // mean = cells, sd = sqrt(2 cells): five standard deviations
    EXPECT_GT(cells, 20);
    EXPECT_LT(chi_square, cells + 5 * std::sqrt(2.0 * cells)) << "sampling " << int(sampling);
  }
}

TEST(Badge, RejectionNeedsFewPasses) {
  const Rows p = make_probabilities(3000, 10, 21), h = make_rows(Shape::clustered, 3000, 16, 22);
  BadgeStats stats;
  solve(p, h, 200, {BadgeSampling::rejection, 5, 0}, 1, &stats);
  EXPECT_LE(stats.passes, 20);
  EXPECT_LE(stats.proposals, 800);
  solve(p, h, 200, {BadgeSampling::plain, 5, 0}, 1, &stats);
  EXPECT_EQ(stats.passes, 199);
}

TEST(Badge, ManyPicksPassTheCapacityOfTheTiles) {
  const Rows p = make_probabilities(2600, 2, 31), h = make_rows(Shape::iid, 2600, 3, 32);
  const auto picks = solve(p, h, 2500, {BadgeSampling::rejection, 5, 0});
  EXPECT_EQ(picks, solve(p, h, 2500, {BadgeSampling::rejection, 5, 0}, 3));
}

TEST(Badge, WorkersAndInstructionSetsChangeNothing) {
  const Rows p = make_probabilities(400, 10, 41), h = make_rows(Shape::clustered, 400, 33, 42);
  for (const BadgeSampling sampling : kAll) {
    const BadgeParams params{sampling, 9, 9};
    const auto reference = solve(p, h, 80, params);
    for (const char* level : test::simd_names()) {
      const test::SimdScope scope(level);
      for (const int workers : {1, 4}) {
        EXPECT_EQ(solve(p, h, 80, params, workers), reference) << level << ", " << workers << " workers";
      }
    }
  }
}

TEST(Badge, DuplicatesAreNeverPickedWhileSomethingElseIsLeft) {
  Rows p = make_probabilities(40, 3, 51), h = make_rows(Shape::iid, 40, 5, 52);
  for (std::int64_t i = 20; i < 40; ++i) {  // row i repeats row i - 20
    std::copy_n(p.row(i - 20), 3, p.row(i));
    std::copy_n(h.row(i - 20), 5, h.row(i));
  }
  for (const BadgeSampling sampling : kAll) {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      const auto picks = solve(p, h, 40, {sampling, seed, seed});
      std::set<std::int32_t> originals;
      for (std::size_t k = 0; k < 20; ++k) originals.insert(picks[k] % 20);
      EXPECT_EQ(originals.size(), 20u);
      EXPECT_TRUE(std::is_sorted(picks.begin() + 20, picks.end())) << "all distances are zero: by position";
    }
  }
}

TEST(Badge, NoGradientAtAllGoesByPosition) {
  Rows p{6, 2, {1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0}}, h = make_rows(Shape::iid, 6, 3, 61);
  for (const BadgeSampling sampling : kAll) {
    EXPECT_EQ(solve(p, h, 6, {sampling, 1, 1}), (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}));
  }
}

TEST(Badge, SaysHowManyPicksWereDrawn) {
  Rows p = make_probabilities(40, 3, 81), h = make_rows(Shape::iid, 40, 4, 82);
  for (std::int64_t i = 4; i < 40; ++i) {  // four different ones
    std::copy_n(p.row(i % 4), 3, p.row(i));
    std::copy_n(h.row(i % 4), 4, h.row(i));
  }
  for (const BadgeSampling sampling : kAll) {
    BadgeStats stats;
    solve(p, h, 40, {sampling, 5, 5}, 1, &stats);
    EXPECT_EQ(stats.drawn, 4);
    solve(p, h, 3, {sampling, 5, 5}, 1, &stats);
    EXPECT_EQ(stats.drawn, 3);
    BadgeStats none;
    solve({1, 2, {kNaN, 1}}, {1, 1, {1}}, 1, {sampling, 5, 5}, 1, &none);
    EXPECT_EQ(none.drawn, 0) << "no embedding is finite";
  }
}

TEST(Badge, NonFiniteAndHugeEmbeddingsComeLast) {
  Rows p = make_probabilities(30, 3, 71), h = make_rows(Shape::iid, 30, 4, 72);
  p.row(2)[1] = kNaN;
  h.row(9)[0] = std::numeric_limits<float>::infinity();
  h.row(14)[3] = -kNaN;
  h.row(25)[0] = 1.8e19f;  // its square fits fp32, four times its norm does not
  std::fill_n(p.row(25), 3, 0.33333334f);
  for (const BadgeSampling sampling : kAll) {
    const auto picks = solve(p, h, 30, {sampling, 3, 3});
    EXPECT_EQ(std::vector<std::int32_t>(picks.end() - 4, picks.end()), (std::vector<std::int32_t>{2, 9, 14, 25}));
  }
}

TEST(Badge, FactoredDistancesMatchFullOnes) {
  // |g - g'|^2 by the lane kernels against full embeddings in double, relative to the norms
  const Rows p = make_probabilities(36, 5, 81), h = make_rows(Shape::iid, 36, 50, 82);
  const auto g = embeddings(p, h);
  std::vector<float> q(36 * 5), tile_q(5 * 32), tile_h(50 * 32);
  std::vector<double> norm(36), tile_norm(32);
  for (std::int64_t i = 0; i < 36; ++i) {
    const float* row = p.data.data() + i * 5;
    std::copy_n(row, 5, &q[static_cast<std::size_t>(i * 5)]);
    q[static_cast<std::size_t>(i * 5 + (std::max_element(row, row + 5) - row))] -= 1.0f;
    norm[static_cast<std::size_t>(i)] = square_norm(g[static_cast<std::size_t>(i)]);
  }
  for (std::int64_t lane = 0; lane < 32; ++lane) {
    select::put_lane(&q[static_cast<std::size_t>(lane * 5)], 5, lane, tile_q.data());
    select::put_lane(h.data.data() + lane * 50, 50, lane, tile_h.data());
    tile_norm[static_cast<std::size_t>(lane)] = norm[static_cast<std::size_t>(lane)];
  }
  for (const char* level : test::simd_names()) {
    const test::SimdScope scope(level);
    Context context({}, 1);
    const select::LaneKernels& lanes = select::lane_kernels(context.simd());
    for (std::int64_t i = 0; i < 36; i += 3) {
      select::GradientRows center{{{&q[static_cast<std::size_t>(i * 5)]}, 1}, {{h.data.data() + i * 50}, 1}, {}};
      center.norm[0] = norm[static_cast<std::size_t>(i)];
      std::vector<float> nearest(32, std::numeric_limits<float>::infinity());
      lanes.gradient_tiles(center, {tile_q.data(), tile_h.data(), tile_norm.data(), 1, 5, 50}, nearest.data());
      for (std::size_t lane = 0; lane < 32; ++lane) {
        const double exact = square_distance(g[static_cast<std::size_t>(i)], g[lane]);
        const double scale = norm[static_cast<std::size_t>(i)] + norm[lane];
        EXPECT_NEAR(nearest[lane], exact, 2e-6 * scale);
        EXPECT_GE(nearest[lane], 0.0f);
      }
    }
  }
}

TEST(Badge, RefusesShapesThatDoNotFit) {
  const Rows p = make_probabilities(5, 3, 91), h = make_rows(Shape::iid, 4, 2, 92);
  EXPECT_THROW(solve(p, h, 2, {}), Error);
  EXPECT_THROW(solve(p, make_rows(Shape::iid, 5, 2, 92), 6, {}), Error);
}

}  // namespace
}  // namespace quarry
