// SPDX-License-Identifier: MIT
// What every strategy of the table must do. A new strategy is covered by being in the table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <string>

#include "quarry/al/strategy.h"
#include "quarry/core/error.h"
#include "quarry/ops/scores.h"
#include "tests/support/select_data.h"

namespace quarry {
namespace {

using test::Rows;
using test::Shape;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Owns what a problem's views look at.
struct Case {
  Rows probabilities, features, labelled;
  std::vector<float> bald;
  std::vector<std::int32_t> pool_index;
  SelectionProblem problem;

  Case(std::int64_t n, std::int32_t count, std::int64_t classes = 4, std::int64_t labelled_n = 12,
       Shape shape = Shape::clustered)
      : probabilities(test::make_probabilities(n, classes, 100)),
        features(test::make_rows(shape, n, 9, 101)),
        labelled(test::make_rows(shape, labelled_n, 9, 102)) {
    for (std::int64_t i = 0; i < n; ++i) {
      bald.push_back(0.1f * std::abs(test::bell(103, static_cast<std::uint64_t>(i))));
      pool_index.push_back(static_cast<std::int32_t>(5 + 3 * i));
    }
    problem.n = n;
    problem.count = count;
    problem.seed = 9;
    problem.cycle = 4;
  }

  const SelectionProblem& view() {
    problem.probabilities = probabilities.view();
    problem.candidate_features = features.view();
    problem.labelled_features = labelled.view();
    problem.bald = problem.keychain = bald;
    problem.pool_index = pool_index;
    return problem;
  }

  /// Candidate i of the new case is candidate order[i] of this one.
  Case permuted(const std::vector<std::int32_t>& order) const {
    Case other = *this;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto to = static_cast<std::int64_t>(i), from = static_cast<std::int64_t>(order[i]);
      std::copy_n(probabilities.data.data() + from * probabilities.width, probabilities.width,
                  other.probabilities.row(to));
      std::copy_n(features.data.data() + from * features.width, features.width, other.features.row(to));
      other.bald[i] = bald[static_cast<std::size_t>(from)];
      other.pool_index[i] = pool_index[static_cast<std::size_t>(from)];
    }
    return other;
  }

  void spoil(std::int64_t i, float value) {
    probabilities.row(i)[1] = value;
    features.row(i)[2] = value;
    bald[static_cast<std::size_t>(i)] = value;
  }
};

class EveryStrategy : public ::testing::TestWithParam<std::string> {
 protected:
  Selection select(Case& c, int workers = 1) {
    Context context({}, workers);
    const Selection selection = make_strategy(GetParam())->select(context, c.view());
    EXPECT_EQ(selection.positions.size(), static_cast<std::size_t>(c.problem.count));
    std::set<std::int32_t> distinct(selection.positions.begin(), selection.positions.end());
    EXPECT_EQ(distinct.size(), selection.positions.size()) << "a position twice";
    for (std::int32_t p : selection.positions) EXPECT_TRUE(p >= 0 && p < c.problem.n) << p;
    EXPECT_TRUE(selection.scores.empty() || selection.scores.size() == static_cast<std::size_t>(c.problem.n));
    return selection;
  }
  bool is_random() const { return GetParam() == "random"; }
  bool draws() const { return is_random() || GetParam() == "badge"; }
};

std::vector<std::int32_t> counting(std::int32_t n) {
  std::vector<std::int32_t> x(static_cast<std::size_t>(n));
  std::iota(x.begin(), x.end(), 0);
  return x;
}

TEST_P(EveryStrategy, PicksAreRepeatableWhateverTheWorkers) {
  for (const TieRule ties : {TieRule::lowest_index, TieRule::numpy_isclose, TieRule::random}) {
    for (const bool numpy : {false, true}) {
      for (const std::int32_t count : {1, 7, 60}) {
        Case c(600, count);
        c.problem.ties = ties;
        c.problem.numpy_random = c.problem.random_reseeded = numpy;
        const Selection one = select(c);
        for (const int workers : {1, 2, 4}) {
          const Selection again = select(c, workers);
          EXPECT_EQ(again.positions, one.positions);
          EXPECT_EQ(again.scores, one.scores);
        }
        EXPECT_FALSE(one.all_non_finite);
      }
    }
  }
}

TEST_P(EveryStrategy, ASmallerBatchIsAPrefix) {
  Case many(300, 40), few(300, 11);
  std::vector<std::int32_t> head = select(many).positions;
  head.resize(11);
  EXPECT_EQ(select(few).positions, head);
}

TEST_P(EveryStrategy, FollowsThePermutationOfTheCandidates) {
  const bool by_position = draws() && !is_random();  // BADGE's draws after the first pick
  Case c(200, by_position ? 1 : 25);
  std::vector<std::int32_t> order = counting(200);
  std::sort(order.begin(), order.end(), [](std::int32_t a, std::int32_t b) {
    return random_u32(3, static_cast<std::uint64_t>(a)) < random_u32(3, static_cast<std::uint64_t>(b));
  });
  Case moved = c.permuted(order);
  std::vector<std::int32_t> expected = select(c).positions, found;
  for (std::int32_t p : select(moved).positions) found.push_back(order[static_cast<std::size_t>(p)]);
  EXPECT_EQ(found, expected);
}

TEST_P(EveryStrategy, SeedAndCycleMatterExactlyToWhatDraws) {
  Case c(400, 10), other_seed(400, 10), other_cycle(400, 10);
  other_seed.problem.seed += 1;
  other_cycle.problem.cycle += 1;
  EXPECT_EQ(select(c).positions != select(other_seed).positions, draws());
  EXPECT_EQ(select(c).positions != select(other_cycle).positions, draws());
}

TEST_P(EveryStrategy, EveryCandidateCanBePicked) {
  for (const Shape shape : test::kShapes) {
    Case c(45, 45, 3, 5, shape);
    std::vector<std::int32_t> sorted = select(c).positions;
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, counting(45));
  }
}

TEST_P(EveryStrategy, TwoClassesAndOneLabelledPoint) {
  Case c(50, 10, 2, 1);
  select(c);
}

TEST_P(EveryStrategy, NoLabelledPoint) {
  Case c(50, 10, 3, 0);
  EXPECT_FALSE(select(c).all_non_finite);
}

TEST_P(EveryStrategy, OneCandidate) {
  Case c(1, 1);
  EXPECT_EQ(select(c).positions, std::vector<std::int32_t>{0});
}

TEST_P(EveryStrategy, NonFiniteRowsComeLastByPosition) {
  for (const TieRule ties : {TieRule::lowest_index, TieRule::numpy_isclose, TieRule::random}) {
    for (const bool numpy : {false, true}) {
      Case c(30, 30);
      c.problem.ties = ties;
      c.problem.numpy_random = numpy;
      c.spoil(4, kNaN);
      c.spoil(0, kInfinity);
      c.spoil(21, -kInfinity);
      const Selection selection = select(c);
      EXPECT_FALSE(selection.all_non_finite);
      if (is_random()) continue;  // it looks at no row
      EXPECT_EQ(std::vector<std::int32_t>(selection.positions.end() - 3, selection.positions.end()),
                (std::vector<std::int32_t>{0, 4, 21}));
    }
  }
}

TEST_P(EveryStrategy, NothingFiniteGivesLowestPositionsAndSaysSo) {
  for (const TieRule ties : {TieRule::lowest_index, TieRule::numpy_isclose, TieRule::random}) {
    for (const bool numpy : {false, true}) {
      Case c(8, 3);
      c.problem.ties = ties;
      c.problem.numpy_random = numpy;
      for (std::int64_t i = 0; i < 8; ++i) c.spoil(i, kNaN);
      const Selection selection = select(c);
      EXPECT_EQ(selection.all_non_finite, !is_random());
      if (!is_random()) {
        EXPECT_EQ(selection.positions, counting(3));
      }
    }
  }
}

TEST_P(EveryStrategy, EqualCandidatesGoByPosition) {
  for (const float feature : {0.0f, 1.5f}) {
    for (const bool numpy : {false, true}) {
      Case c(20, 6);
      c.problem.numpy_random = numpy;
      for (std::int64_t i = 0; i < 20; ++i) {
        std::fill_n(c.probabilities.row(i), 4, 0.25f);
        std::fill_n(c.features.row(i), 9, feature);
        c.bald[static_cast<std::size_t>(i)] = 0.5f;
      }
      std::fill(c.labelled.data.begin(), c.labelled.data.end(), feature);
      const Selection selection = select(c);
      if (!is_random()) {
        EXPECT_EQ(selection.positions, counting(6));
      }
    }
  }
}

TEST_P(EveryStrategy, AsksForWhatItNeeds) {
  const StrategyNeeds needs = make_strategy(GetParam())->needs();
  Context context({}, 1);
  SelectionProblem empty;
  empty.n = 10;
  if (needs.probabilities || needs.features || needs.bald || needs.keychain) {
    EXPECT_THROW(make_strategy(GetParam())->select(context, empty), Error);
  } else {
    EXPECT_EQ(make_strategy(GetParam())->select(context, empty).positions.size(), 1u);
  }
}

TEST_P(EveryStrategy, RefusesImpossibleCounts) {
  Context context({}, 1);
  for (const std::int32_t count : {0, -1, 11}) {
    Case c(10, 1);
    c.problem.count = count;
    EXPECT_THROW(make_strategy(GetParam())->select(context, c.view()), Error) << count;
  }
}

TEST_P(EveryStrategy, ScoresOfTheSelectionAreItsScores) {
  Case c(100, 5);
  Context context({}, 1);
  const std::vector<float> scores = make_strategy(GetParam())->score(context, c.view());
  const Selection selection = select(c);
  EXPECT_EQ(scores, selection.scores);
  if (scores.empty()) return;
  EXPECT_EQ(selection.positions[0], std::max_element(scores.begin(), scores.end()) - scores.begin());
}

TEST_P(EveryStrategy, HasASummary) {
  const auto table = strategy_table();
  const auto entry =
      std::find_if(table.begin(), table.end(), [](const StrategyEntry& e) { return e.name == GetParam(); });
  ASSERT_NE(entry, table.end());
  EXPECT_GT(entry->summary.size(), 10u);
  EXPECT_LT(entry->summary.size(), 100u);
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const StrategyEntry& entry : strategy_table()) all.emplace_back(entry.name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Table, EveryStrategy, ::testing::ValuesIn(names()),
                         [](const auto& strategy) { return strategy.param; });

TEST(StrategyTable, UnknownNamesAreUsageErrorsWithASuggestion) {
  try {
    make_strategy("entropi");
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    const std::string message = error.what();
    EXPECT_NE(message.find("'entropi'"), std::string::npos) << message;
    EXPECT_NE(message.find("Did you mean 'entropy'?"), std::string::npos) << message;
    EXPECT_NE(message.find("coreset"), std::string::npos) << message;
  }
  EXPECT_THROW(make_strategy(""), Error);
}

TEST(StrategyTable, NamesAreDistinct) {
  const std::vector<std::string> all = names();
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
}

TEST(TieRules, RandomChoosesAmongExactTiesOnly) {
  Case c(12, 1);
  std::fill(c.bald.begin(), c.bald.end(), 0.25f);
  c.bald[3] = 0.5f;
  c.bald[7] = 0.5f;
  c.bald[8] = 0.499999f;
  c.problem.ties = TieRule::random;
  std::set<std::int32_t> seen;
  Context context({}, 1);
  for (std::uint64_t cycle = 0; cycle < 40; ++cycle) {
    c.problem.cycle = cycle;
    seen.insert(make_strategy("bald")->select(context, c.view()).positions[0]);
  }
  EXPECT_EQ(seen, (std::set<std::int32_t>{3, 7}));
}

TEST(TieRules, NumpyEqualDrawsAmongExactTiesByTheRunSeed) {  // spec 8, first version
  Case c(12, 1);
  std::fill(c.bald.begin(), c.bald.end(), 0.25f);
  for (const std::size_t i : {1, 3, 7, 9}) c.bald[i] = 0.5f;
  c.bald[8] = 0.499999f;  // close enough for numpy_isclose
  Context context({}, 1);
  std::set<std::int32_t> equal, close;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    c.problem.seed = seed;
    c.problem.ties = TieRule::numpy_equal;
    const std::int32_t pick = make_strategy("bald")->select(context, c.view()).positions[0];
    const std::int32_t tied[] = {1, 3, 7, 9};
    EXPECT_EQ(pick, tied[NumpyRandom(static_cast<std::uint32_t>(seed)).bounded(3)]);
    equal.insert(pick);
    c.problem.cycle += 1;
    EXPECT_EQ(make_strategy("bald")->select(context, c.view()).positions[0], pick) << "reseeded at every query";
    c.problem.ties = TieRule::numpy_isclose;
    close.insert(make_strategy("bald")->select(context, c.view()).positions[0]);
  }
  EXPECT_EQ(equal, (std::set<std::int32_t>{1, 3, 7, 9}));
  EXPECT_EQ(close, (std::set<std::int32_t>{1, 3, 7, 8, 9}));
}

TEST(Entropy, WithoutEpsilonAProbabilityOfZeroIsNaNAndComesLast) {  // spec 12
  Case c(4, 2, 2);
  c.probabilities = {4, 2, {0.5f, 0.5f, 1, 0, 0.25f, 0.75f, 1, 1e-30f}};
  Context context({}, 1);
  const auto entropy = make_strategy("entropy");
  const std::vector<float> guarded = entropy->score(context, c.view());
  for (const float score : guarded) EXPECT_TRUE(std::isfinite(score));
  c.problem.log_epsilon = false;
  const std::vector<float> bare = entropy->score(context, c.view());
  EXPECT_EQ(bare[0], guarded[0]);
  EXPECT_TRUE(std::isnan(bare[1]));
  EXPECT_NEAR(bare[2], -0.25 * std::log(0.25) - 0.75 * std::log(0.75), 1e-6);
  EXPECT_NEAR(bare[3] / 1e-30, 30 * std::log(10.0), 1e-3);
  c.problem.count = 4;
  EXPECT_EQ(entropy->select(context, c.view()).positions, (std::vector<std::int32_t>{0, 2, 3, 1}));
}

TEST(TieRules, NumpySeedsMustFitItsGenerator) {
  Case c(12, 1);
  c.problem.seed = std::uint64_t{1} << 32;
  Context context({}, 1);
  EXPECT_NO_THROW(make_strategy("random")->select(context, c.view()));
  c.problem.random_reseeded = true;
  EXPECT_THROW(make_strategy("random")->select(context, c.view()), Error);
  c.problem.ties = TieRule::numpy_isclose;
  EXPECT_THROW(make_strategy("bald")->select(context, c.view()), Error);
  c.problem.numpy_random = true;
  EXPECT_THROW(make_strategy("badge")->select(context, c.view()), Error);
}

TEST(TieRules, CoresetBatchesUseTheRuleBeforeEveryPick) {
  // four corners tie around the labelled centre; then the opposite corner leads whatever the first was
  Case c(4, 2, 2, 1);
  c.features = {4, 2, {1, 1, 1, -1, -1, 1, -1, -1}};
  c.labelled = {1, 2, {0, 0}};
  Context context({}, 1);
  std::set<std::int32_t> first;
  for (std::uint64_t cycle = 0; cycle < 40; ++cycle) {
    c.problem.cycle = cycle;
    c.problem.ties = TieRule::random;
    const std::vector<std::int32_t> picks = make_strategy("coreset")->select(context, c.view()).positions;
    first.insert(picks[0]);
  }
  EXPECT_EQ(first.size(), 4u);
}

TEST(Bald, ClampIsAChoice) {
  Case c(4, 4);
  c.bald = {-1e-8f, 0, -2e-8f, kNaN};
  Context context({}, 1);
  EXPECT_EQ(make_strategy("bald")->select(context, c.view()).positions, (std::vector<std::int32_t>{0, 1, 2, 3}));
  c.problem.bald_clamp = false;
  EXPECT_EQ(make_strategy("bald")->select(context, c.view()).positions, (std::vector<std::int32_t>{1, 0, 2, 3}));
}

TEST(Random, DependsOnThePoolIndexNotOnThePosition) {
  Case c(50, 1);
  Context context({}, 1);
  const std::vector<float> all = make_strategy("random")->score(context, c.view());
  c.pool_index.erase(c.pool_index.begin(), c.pool_index.begin() + 20);
  SelectionProblem rest = c.problem;
  rest.n = 30;
  rest.pool_index = c.pool_index;
  EXPECT_EQ(make_strategy("random")->score(context, rest), std::vector<float>(all.begin() + 20, all.end()));
}

}  // namespace
}  // namespace quarry
