// SPDX-License-Identifier: MIT
#include "quarry/ops/k_center.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "quarry/core/error.h"
#include "tests/support/select_data.h"

namespace quarry {
namespace {

using test::make_rows;
using test::Rows;
using test::Shape;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Answer {
  std::vector<std::int32_t> picks;
  std::vector<float> scores;
  bool any_finite = false;
  std::int64_t distances = 0;
  std::int32_t apart = 0;
};

Answer solve(const Rows& candidates, const Rows& labelled, std::int32_t count,
             KCenterMethod method = KCenterMethod::lazy, int workers = 1) {
  Context context({}, workers);
  Answer answer;
  answer.picks.assign(static_cast<std::size_t>(count), -7);
  answer.scores.assign(static_cast<std::size_t>(candidates.n), -7);
  KCenterStats stats;
  answer.any_finite =
      k_center(context, {method}, candidates.view(), labelled.view(), answer.picks, answer.scores, &stats);
  answer.distances = stats.distances;
  answer.apart = stats.apart;
  return answer;
}

Rows nothing(std::int64_t width) {
  return {0, width, {}};
}

float slow_distance(const Rows& a, std::int64_t i, const Rows& b, std::int64_t j) {
  float sum = 0;
  for (std::int64_t f = 0; f < a.width; ++f) {
    const float difference = a.view()(i, f) - b.view()(j, f);
    sum = std::fma(difference, difference, sum);
  }
  return sum;
}

/// The definition, with loops: min over all centres anew for each pick.
std::vector<std::int32_t> slow_picks(const Rows& candidates, const Rows& labelled, std::int32_t count) {
  std::vector<std::int32_t> picks;
  while (static_cast<std::int32_t>(picks.size()) < count) {
    std::int64_t best = -1;
    float best_distance = -1;
    for (std::int64_t i = 0; i < candidates.n; ++i) {
      if (std::find(picks.begin(), picks.end(), i) != picks.end()) continue;
      float nearest = kInfinity;
      for (std::int64_t j = 0; j < labelled.n; ++j)
        nearest = std::min(nearest, slow_distance(candidates, i, labelled, j));
      for (std::int32_t j : picks) nearest = std::min(nearest, slow_distance(candidates, i, candidates, j));
      if (nearest > best_distance) {
        best_distance = nearest;
        best = i;
      }
    }
    picks.push_back(static_cast<std::int32_t>(best));
  }
  return picks;
}

TEST(KCenter, FollowsTheDefinition) {
  for (const Shape shape : test::kShapes) {
    for (const std::int64_t width : {1, 2, 31, 33, 70}) {
      const Rows candidates = make_rows(shape, 40, width, 11), labelled = make_rows(shape, 35, width, 12);
      const std::vector<std::int32_t> expected = slow_picks(candidates, labelled, 40);
      for (const KCenterMethod method : {KCenterMethod::lazy, KCenterMethod::plain}) {
        const Answer answer = solve(candidates, labelled, 40, method);
        EXPECT_EQ(answer.picks, expected) << "shape " << int(shape) << ", width " << width;
        EXPECT_TRUE(answer.any_finite);
        for (std::int64_t i = 0; i < candidates.n; ++i) {
          float nearest = kInfinity;
          for (std::int64_t j = 0; j < labelled.n; ++j) {
            nearest = std::min(nearest, slow_distance(candidates, i, labelled, j));
          }
          EXPECT_EQ(answer.scores[static_cast<std::size_t>(i)], std::sqrt(nearest));
        }
      }
    }
  }
}

TEST(KCenter, LazyEqualsPlainOnLargerPools) {
  for (const Shape shape : test::kShapes) {
    for (const std::int64_t labelled_n : {0, 1, 40}) {
      const Rows candidates = make_rows(shape, 1500, 24, 21), labelled = make_rows(shape, labelled_n, 24, 22);
      const Answer plain = solve(candidates, labelled, 400, KCenterMethod::plain);
      const Answer lazy = solve(candidates, labelled, 400);
      EXPECT_EQ(lazy.picks, plain.picks) << "shape " << int(shape) << ", " << labelled_n << " labelled";
      EXPECT_EQ(lazy.scores, plain.scores);
      EXPECT_LE(lazy.distances, plain.distances);
    }
  }
}

TEST(KCenter, WorkersAndInstructionSetsChangeNothing) {
  const Rows candidates = make_rows(Shape::clustered, 500, 67, 31), labelled = make_rows(Shape::clustered, 33, 67, 32);
  const Answer reference = solve(candidates, labelled, 60);
  for (const char* level : test::simd_names()) {
    const test::SimdScope scope(level);
    for (const int workers : {1, 4}) {
      for (const KCenterMethod method : {KCenterMethod::lazy, KCenterMethod::plain}) {
        const Answer answer = solve(candidates, labelled, 60, method, workers);
        EXPECT_EQ(answer.picks, reference.picks) << level << ", " << workers << " workers";
        EXPECT_EQ(answer.scores, reference.scores) << level << ", " << workers << " workers";
      }
    }
  }
}

TEST(KCenter, BigUpdatesGoOverTheWorkersAndGiveTheSame) {
  // enough features that the lazy method wakes the workers
  const Rows candidates = make_rows(Shape::clustered, 600, 512, 41), labelled = make_rows(Shape::clustered, 3, 512, 42);
  const Answer one = solve(candidates, labelled, 300, KCenterMethod::lazy, 1);
  const Answer four = solve(candidates, labelled, 300, KCenterMethod::lazy, 4);
  EXPECT_EQ(one.picks, four.picks);
  EXPECT_EQ(one.picks, solve(candidates, labelled, 300, KCenterMethod::plain, 2).picks);
}

TEST(KCenter, FirstPickWithoutLabelsHasTheLargestNorm) {
  Rows candidates{4, 2, {1, 1, -3, 4, 5, 0, 0, 0}};  // norms 1.41, 5, 5, 0
  for (const KCenterMethod method : {KCenterMethod::lazy, KCenterMethod::plain}) {
    const Answer answer = solve(candidates, nothing(2), 4, method);
    EXPECT_EQ(answer.picks, (std::vector<std::int32_t>{1, 2, 3, 0}));
    EXPECT_EQ(answer.scores[1], 5.0f);
    EXPECT_EQ(answer.scores[3], 0.0f);
  }
}

TEST(KCenter, TiesGoToTheLowestPosition) {
  // a square around the labelled point: all at the same distance, then opposite corners tie
  Rows candidates{4, 2, {1, 1, 1, -1, -1, 1, -1, -1}}, labelled{1, 2, {0, 0}};
  for (const KCenterMethod method : {KCenterMethod::lazy, KCenterMethod::plain}) {
    EXPECT_EQ(solve(candidates, labelled, 4, method).picks, (std::vector<std::int32_t>{0, 1, 2, 3}));
  }
}

TEST(KCenter, SaysHowManyPicksADistanceChose) {
  const Rows candidates{6, 1, {0, 2, kNaN, 2, 0, 5}}, labelled{1, 1, {0}}, there{2, 1, {5, 2}};
  for (const KCenterMethod method : {KCenterMethod::lazy, KCenterMethod::plain}) {
    const Answer answer = solve(candidates, labelled, 6, method);
    EXPECT_EQ(answer.picks, (std::vector<std::int32_t>{5, 1, 0, 3, 4, 2}));
    EXPECT_EQ(answer.apart, 2);
    EXPECT_EQ(solve(candidates, labelled, 2, method).apart, 2);
    EXPECT_EQ(solve(candidates, there, 3, method).apart, 1);
    EXPECT_EQ(solve(candidates, nothing(1), 6, method).apart, 3) << "5, then 0, then 2";
    EXPECT_EQ(solve({3, 1, {0, 0, 0}}, nothing(1), 3, method).apart, 0);
    EXPECT_EQ(solve({2, 1, {kNaN, kNaN}}, labelled, 2, method).apart, 0);
  }
}

TEST(KCenter, NonFiniteCandidatesComeLast) {
  Rows candidates = make_rows(Shape::iid, 40, 5, 51), labelled = make_rows(Shape::iid, 6, 5, 52);
  candidates.row(3)[0] = kNaN;
  candidates.row(0)[4] = kInfinity;
  candidates.row(17)[2] = -kInfinity;
  candidates.row(20)[1] = 3e30f;  // its distance overflows
  labelled.row(2)[1] = kNaN;      // changes nothing
  for (const Rows& known : {labelled, nothing(5)}) {
    for (const KCenterMethod method : {KCenterMethod::lazy, KCenterMethod::plain}) {
      const Answer answer = solve(candidates, known, 40, method);
      EXPECT_TRUE(answer.any_finite);
      EXPECT_EQ(std::vector<std::int32_t>(answer.picks.end() - 4, answer.picks.end()),
                (std::vector<std::int32_t>{0, 3, 17, 20}));
      std::vector<std::int32_t> sorted = answer.picks;
      std::sort(sorted.begin(), sorted.end());
      EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
      EXPECT_TRUE(std::isnan(answer.scores[3]));
    }
  }
}

TEST(KCenter, DistanceThatOverflowsToTheLabelledButNotToAPickChangesNothing) {
  const Rows candidates{4, 1, {1, 1.9e19f, 1e19f, 2}}, labelled{1, 1, {0}};
  for (const KCenterMethod method : {KCenterMethod::lazy, KCenterMethod::plain}) {
    EXPECT_EQ(solve(candidates, labelled, 4, method).picks, (std::vector<std::int32_t>{2, 3, 0, 1}));
  }
}

TEST(KCenter, NothingFiniteGivesTheLowestPositionsAndSaysSo) {
  const Rows candidates = make_rows(Shape::iid, 9, 3, 61);
  const Rows labelled{2, 3, std::vector<float>(6, kNaN)};
  for (const KCenterMethod method : {KCenterMethod::lazy, KCenterMethod::plain}) {
    const Answer answer = solve(candidates, labelled, 3, method);
    EXPECT_FALSE(answer.any_finite);
    EXPECT_EQ(answer.picks, (std::vector<std::int32_t>{0, 1, 2}));
  }
}

TEST(KCenter, ExactOnSmallIntegers) {
  const Rows candidates = make_rows(Shape::integers, 50, 100, 71), labelled = make_rows(Shape::integers, 40, 100, 72);
  Context context({}, 1);
  std::vector<float> nearest(50, kInfinity);
  nearest_center(context, candidates.view(), labelled.view(), nearest);
  for (std::int64_t i = 0; i < 50; ++i) {
    std::int64_t least = INT64_MAX;
    for (std::int64_t j = 0; j < 40; ++j) {
      std::int64_t sum = 0;
      for (std::int64_t f = 0; f < 100; ++f) {
        const auto d = static_cast<std::int64_t>(candidates.view()(i, f) - labelled.view()(j, f));
        sum += d * d;
      }
      least = std::min(least, sum);
    }
    EXPECT_EQ(nearest[static_cast<std::size_t>(i)], static_cast<float>(least));
  }
}

TEST(KCenter, NearestCenterAddsUpOverCalls) {
  const Rows candidates = make_rows(Shape::iid, 65, 9, 81), centers = make_rows(Shape::iid, 50, 9, 82);
  Context context({}, 2);
  std::vector<float> once(65, kInfinity), twice = once;
  nearest_center(context, candidates.view(), centers.view(), once);
  nearest_center(context, candidates.view(), matrix<const float>(centers.data.data(), 33, 9), twice);
  nearest_center(context, candidates.view(), matrix<const float>(centers.data.data() + 33 * 9, 17, 9), twice);
  EXPECT_EQ(once, twice);
}

TEST(KCenter, RefusesShapesThatDoNotFit) {
  const Rows candidates = make_rows(Shape::iid, 5, 3, 91), labelled = make_rows(Shape::iid, 5, 2, 92);
  EXPECT_THROW(solve(candidates, labelled, 2), Error);
  EXPECT_THROW(solve(candidates, candidates, 6), Error);
}

}  // namespace
}  // namespace quarry
