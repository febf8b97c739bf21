// SPDX-License-Identifier: MIT
#include "quarry/ops/scores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quarry/core/error.h"
#include "tests/support/select_data.h"

namespace quarry {
namespace {

using test::make_probabilities;
using test::Rows;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Op = void (*)(Context&, MatrixView<const float>, std::span<float>);
constexpr Op kOps[] = {entropy_scores, margin_scores, least_confidence_scores};

std::vector<float> run(Op op, const Rows& p, int workers = 1) {
  Context context({}, workers);
  std::vector<float> scores(static_cast<std::size_t>(p.n), -7.0f);
  op(context, p.view(), scores);
  return scores;
}

TEST(Scores, MatchDoubleReferences) {
  for (const std::int64_t classes : {2, 3, 10, 33}) {
    const Rows p = make_probabilities(500, classes, 1, 4.0f);
    const std::vector<float> entropy = run(entropy_scores, p), margin = run(margin_scores, p),
                             least = run(least_confidence_scores, p);
    for (std::int64_t i = 0; i < p.n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      std::vector<float> row(p.data.begin() + i * classes, p.data.begin() + (i + 1) * classes);
      double expected = 0;
      for (float x : row) expected -= double{x} * std::log(double{x} + 1.1754944e-38);
      EXPECT_NEAR(entropy[at], expected, 4e-7 * (1 + expected));
      EXPECT_GE(entropy[at], 0.0f);
      EXPECT_LE(entropy[at], std::log(static_cast<double>(classes)) * (1 + 1e-6));
      std::sort(row.begin(), row.end());
      EXPECT_EQ(margin[at], -(row[row.size() - 1] - row[row.size() - 2]));
      EXPECT_EQ(least[at], 1.0f - row.back());
    }
  }
}

TEST(Scores, ExactCases) {
  const Rows p{4, 2, {1, 0, 0, 1, 0.5f, 0.5f, 0.25f, 0.75f}};
  EXPECT_EQ(run(margin_scores, p), (std::vector<float>{-1, -1, 0, -0.5f}));
  EXPECT_EQ(run(least_confidence_scores, p), (std::vector<float>{0, 0, 0.5f, 0.25f}));
  const std::vector<float> entropy = run(entropy_scores, p);
  EXPECT_EQ(entropy[0], 0.0f);
  EXPECT_FALSE(std::signbit(entropy[0]));
  EXPECT_EQ(entropy[1], 0.0f);
  EXPECT_FLOAT_EQ(entropy[2], 0.69314718f);
  EXPECT_EQ(run(margin_scores, Rows{1, 3, {0.4f, 0.2f, 0.4f}}), std::vector<float>{0});
}

TEST(Scores, OneClass) {
  const Rows p{2, 1, {1, 1}};
  EXPECT_EQ(run(entropy_scores, p), (std::vector<float>{0, 0}));
  EXPECT_EQ(run(margin_scores, p), (std::vector<float>{-1, -1}));
  EXPECT_EQ(run(least_confidence_scores, p), (std::vector<float>{0, 0}));
}

TEST(Scores, NonFiniteRowsScoreNaN) {
  const Rows p{4, 3, {kNaN, 0.5f, 0.5f, 0.2f, 0.8f, kInfinity, 0.1f, -kInfinity, 0.9f, 0.2f, 0.3f, 0.5f}};
  for (const Op op : kOps) {
    const std::vector<float> scores = run(op, p);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(scores[i]));
    EXPECT_TRUE(std::isfinite(scores[3]));
  }
}

TEST(Scores, WorkersChangeNothing) {
  const Rows p = make_probabilities(5000, 10, 2);
  for (const Op op : kOps) {
    const std::vector<float> one = run(op, p, 1);
    EXPECT_EQ(run(op, p, 2), one);
    EXPECT_EQ(run(op, p, 4), one);
  }
}

TEST(Scores, RefuseShapesThatDoNotFit) {
  Context context({}, 1);
  const Rows p = make_probabilities(5, 2, 3);
  std::vector<float> short_scores(4);
  for (const Op op : kOps) EXPECT_THROW(op(context, p.view(), short_scores), Error);
}

/// BALD of passes [t] that each hold one row set, through the streaming op.
std::vector<float> bald(const std::vector<Rows>& passes, int workers = 1) {
  Context context({}, workers);
  const std::int64_t n = passes[0].n, classes = passes[0].width;
  std::vector<float> sum_p(static_cast<std::size_t>(n * classes)), sum_entropy(static_cast<std::size_t>(n)),
      scores(sum_entropy);
  for (const Rows& p : passes) bald_accumulate(context, p.view(), matrix(sum_p.data(), n, classes), sum_entropy);
  bald_finish(context, matrix(sum_p.data(), n, classes), sum_entropy, static_cast<std::int32_t>(passes.size()), scores);
  return scores;
}

TEST(Bald, AgreeingPassesTellNothingAndOpposedOnesTellEverything) {
  const Rows same{2, 2, {0.3f, 0.7f, 1, 0}}, opposed{2, 2, {0.3f, 0.7f, 0, 1}};
  for (float score : bald({same, same, same, same})) EXPECT_NEAR(score, 0, 1e-7);
  const std::vector<float> scores = bald({same, opposed, same, opposed});
  EXPECT_NEAR(scores[0], 0, 1e-7);
  EXPECT_FLOAT_EQ(scores[1], 0.69314718f);
}

TEST(Bald, MatchesADoubleReference) {
  std::vector<Rows> passes;
  for (std::uint64_t t = 0; t < 30; ++t) passes.push_back(make_probabilities(200, 5, 50 + t));
  const std::vector<float> scores = bald(passes);
  EXPECT_EQ(bald(passes, 3), scores);
  for (std::int64_t i = 0; i < 200; ++i) {
    double mean_entropy = 0, entropy = 0;
    for (std::int64_t c = 0; c < 5; ++c) {
      double mean = 0;
      for (const Rows& p : passes) {
        const double x = p.view()(i, c);
        mean += x / 30;
        mean_entropy -= x * std::log(x) / 30;
      }
      entropy -= mean * std::log(mean);
    }
    EXPECT_NEAR(scores[static_cast<std::size_t>(i)], entropy - mean_entropy, 2e-6);
  }
}

TEST(Bald, ANaNInOnePassMakesTheScoreNaN) {
  Rows good = make_probabilities(3, 2, 1), bad = good;
  bad.row(1)[0] = kNaN;
  const std::vector<float> scores = bald({good, bad, good});
  EXPECT_TRUE(std::isfinite(scores[0]));
  EXPECT_TRUE(std::isnan(scores[1]));
}

}  // namespace
}  // namespace quarry
