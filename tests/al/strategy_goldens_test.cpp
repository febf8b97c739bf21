// SPDX-License-Identifier: MIT
// Index lists of independent programs: tests/goldens/make_strategy_goldens.py.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "quarry/al/pool.h"
#include "quarry/al/strategy.h"
#include "quarry/ops/scores.h"

namespace quarry {
namespace {

struct Golden {
  std::string name;
  std::vector<std::int64_t> arguments;
  std::vector<double> values;

  std::vector<std::int32_t> picks() const { return {values.begin(), values.end()}; }
  std::vector<float> floats() const { return {values.begin(), values.end()}; }
};

std::vector<Golden> load(const std::string& name) {
  std::ifstream file(QUARRY_GOLDENS "/al/strategy_goldens.txt");
  std::vector<Golden> found;
  std::string line, word;
  while (std::getline(file, line)) {
    std::istringstream in(line);
    Golden golden;
    in >> golden.name >> word;
    if (golden.name != name) continue;
    while (in >> word && word != "|") golden.arguments.push_back(std::atoll(word.c_str()));
    while (in >> word) golden.values.push_back(std::strtod(word.c_str(), nullptr));
    found.push_back(golden);
  }
  EXPECT_FALSE(found.empty()) << "no golden " << name;
  return found;
}

/// An array and its owner.
struct Array {
  std::vector<float> data;
  std::int64_t rows, columns;
  explicit Array(const Golden& golden)
      : data(golden.floats()), rows(golden.arguments.at(0)), columns(golden.arguments.at(1)) {}
  explicit Array(const std::string& name) : Array(load(name).at(0)) {}
  MatrixView<const float> view() const { return matrix<const float>(data.data(), rows, columns); }
};

std::vector<std::int32_t> select(const std::string& strategy, SelectionProblem problem, std::int64_t count) {
  Context context({}, 2);
  problem.count = static_cast<std::int32_t>(count);
  return make_strategy(strategy)->select(context, problem).positions;
}

TEST(StrategyGoldens, UncertaintyScores) {
  const Array p("probabilities");
  for (const char* name : {"entropy", "margin", "least_confidence"}) {
    const Golden golden = load(name).at(0);
    SelectionProblem problem;
    problem.n = p.rows;
    problem.probabilities = p.view();
    EXPECT_EQ(select(name, problem, golden.arguments[0]), golden.picks()) << name;
  }
}

TEST(StrategyGoldens, BaldFromGivenPasses) {
  const Golden passes = load("passes").at(0);
  const std::int64_t t = passes.arguments[0], n = passes.arguments[1], classes = passes.arguments[2];
  const std::vector<float> p = passes.floats();
  Context context({}, 2);
  std::vector<float> sum_p(static_cast<std::size_t>(n * classes), 0.0f), sum_entropy(static_cast<std::size_t>(n), 0.0f),
      scores(static_cast<std::size_t>(n));
  const MatrixView<float> sums = matrix(sum_p.data(), n, classes);
  for (std::int64_t pass = 0; pass < t; ++pass) {
    bald_accumulate(context, matrix<const float>(p.data() + pass * n * classes, n, classes), sums, sum_entropy);
  }
  bald_finish(context, sums, sum_entropy, static_cast<std::int32_t>(t), scores);
  const Golden expected = load("bald_scores").at(0);
  for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_NEAR(scores[i], expected.values[i], 2e-6) << i;
  const Golden picks = load("bald").at(0);
  SelectionProblem problem;
  problem.n = n;
  problem.bald = scores;
  EXPECT_EQ(select("bald", problem, picks.arguments[0]), picks.picks());
}

TEST(StrategyGoldens, Coreset) {
  const Array features("features"), labelled("labelled");
  SelectionProblem problem;
  problem.n = features.rows;
  problem.candidate_features = features.view();
  problem.labelled_features = labelled.view();
  const Golden picks = load("coreset").at(0), expected = load("coreset_scores").at(0);
  EXPECT_EQ(select("coreset", problem, picks.arguments[0]), picks.picks());
  Context context({}, 1);
  const std::vector<float> scores = make_strategy("coreset")->score(context, problem);
  for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_NEAR(scores[i], expected.values[i], 3e-6) << i;
}

TEST(StrategyGoldens, CoresetOnAGridFullOfTies) {
  std::vector<float> grid;
  for (int y = 0; y < 12; ++y) {
    for (int x = 0; x < 12; ++x) grid.insert(grid.end(), {static_cast<float>(x), static_cast<float>(y)});
  }
  const std::vector<float> labelled = {0, 0, 77 % 12, 77 / 12};
  SelectionProblem problem;
  problem.n = 144;
  problem.candidate_features = matrix<const float>(grid.data(), 144, 2);
  problem.labelled_features = matrix<const float>(labelled.data(), 2, 2);
  const Golden golden = load("coreset_grid").at(0);
  EXPECT_EQ(select("coreset", problem, golden.arguments[0]), golden.picks());
}

TEST(StrategyGoldens, BadgeWithTheNumpyStream) {
  const Array p("badge_probabilities"), h("features");
  for (const Golden& golden : load("badge")) {
    SelectionProblem problem;
    problem.n = h.rows;
    problem.probabilities = p.view();
    problem.candidate_features = h.view();
    problem.seed = static_cast<std::uint64_t>(golden.arguments[0]);
    problem.numpy_random = true;
    EXPECT_EQ(select("badge", problem, golden.arguments[1]), golden.picks()) << "seed " << problem.seed;
  }
}

TEST(StrategyGoldens, TiesAsNumpyBreaksThem) {
  const Golden close = load("close_scores").at(0);
  const std::vector<float> scores = close.floats();
  for (const Golden& golden : load("isclose")) {
    SelectionProblem problem;
    problem.n = static_cast<std::int64_t>(scores.size());
    problem.bald = scores;
    problem.ties = TieRule::numpy_isclose;
    problem.seed = static_cast<std::uint64_t>(golden.arguments[0]);
    EXPECT_EQ(select("bald", problem, golden.arguments[1]), golden.picks()) << "seed " << problem.seed;
  }
}

TEST(StrategyGoldens, RandomReseededWalksThroughThePool) {
  for (const Golden& golden : load("reseeded")) {
    const auto seed = static_cast<std::uint64_t>(golden.arguments[2]);
    Pool pool(static_cast<std::int32_t>(golden.arguments[0]), static_cast<std::int32_t>(golden.arguments[1]),
              {true, seed, 0});
    for (std::size_t cycle = 0; cycle < golden.values.size(); ++cycle) {
      const std::vector<std::int32_t> candidates(pool.unlabelled().begin(), pool.unlabelled().end());
      SelectionProblem problem;
      problem.n = static_cast<std::int64_t>(candidates.size());
      problem.pool_index = candidates;
      problem.seed = seed;
      problem.cycle = cycle;
      problem.random_reseeded = true;
      problem.ties = TieRule::numpy_isclose;
      pool.acquire(candidates[static_cast<std::size_t>(select("random", problem, 1).at(0))]);
    }
    EXPECT_EQ(std::vector<std::int32_t>(pool.added().begin(), pool.added().end()), golden.picks()) << "seed " << seed;
    // acceptance 17.6 of the study's specification
    if (seed == 42) {
      EXPECT_EQ(golden.picks().at(0), 424);
    }
  }
}

}  // namespace
}  // namespace quarry
