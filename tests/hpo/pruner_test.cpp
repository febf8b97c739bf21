// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "quarry/core/error.h"
#include "quarry/hpo/search.h"

namespace quarry {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Trial trial_of(TrialState state, std::vector<double> curve) {
  Trial trial;
  trial.state = state;
  trial.value = curve.empty() ? kNaN : curve.back();
  trial.intermediate = std::move(curve);
  return trial;
}

std::vector<Trial> complete_trials(const std::vector<std::vector<double>>& curves) {
  std::vector<Trial> trials;
  for (const auto& curve : curves) trials.push_back(trial_of(TrialState::complete, curve));
  return trials;
}

/// The step after which the curve is pruned, -1 if never.
int pruned_at(const Pruner& pruner, const std::vector<Trial>& trials, const std::vector<double>& curve) {
  double best = kNaN;
  for (std::size_t s = 0; s < curve.size(); ++s) {
    best = pruner.compares_current() ? curve[s] : std::fmin(best, curve[s]);
    if (is_pruned(best, pruner.threshold(trials, static_cast<std::int32_t>(s)))) return static_cast<int>(s);
  }
  return -1;
}

TEST(MedianPruner, DecisionTable) {
  struct Case {
    const char* what;
    std::int32_t startup, warmup;
    std::vector<std::vector<double>> complete;
    std::vector<double> curve;
    int best_so_far, current;  // expected step, by the two rules
  };
  const std::vector<std::vector<double>> three = {{1, 1, 1}, {2, 2, 2}, {3, 3, 3}};
  const std::vector<Case> cases = {
      {"above the median", 3, 0, three, {2.5, 2.5, 2.5}, 0, 0},
      {"equal to the median stays", 3, 0, three, {2, 2, 2}, -1, -1},
      {"one completed trial short", 4, 0, three, {9, 9, 9}, -1, -1},
      {"warm-up: the first possible step", 3, 2, three, {9, 9, 9}, 2, 2},
      {"a good start keeps a bad end by the best so far", 3, 0, three, {1.5, 9, 9}, -1, 1},
      {"the median is that of the step", 3, 0, {{1, 5}, {2, 6}, {3, 7}}, {2, 2.1}, -1, -1},
      {"the best so far meets a falling median", 3, 0, {{5, 1}, {5, 1}, {5, 1}}, {4, 3}, 1, 1},
      {"even count: halfway", 2, 0, {{1}, {2}}, {1.5}, -1, -1},
      {"even count: above halfway", 2, 0, {{1}, {2}}, {1.5000001}, 0, 0},
      {"trials that stopped before this step do not count", 3, 0, {{1, 1}, {1, 1}, {1}}, {1, 2}, -1, 1},
      {"no value at this step: no check for a number", 1, 0, {{1}}, {1, 99}, -1, -1},
      {"NaN of others is left out", 3, 0, {{kNaN}, {1}, {3}}, {2.5}, 0, 0},
      {"only NaN of others: no check for a number", 2, 0, {{kNaN}, {kNaN}}, {7}, -1, -1},
      {"nothing but NaN so far", 3, 1, three, {kNaN, kNaN, 1}, 1, 1},
      {"a number before NaN", 3, 1, three, {1, kNaN, 1}, -1, 1},
      {"NaN during start-up", 4, 0, three, {kNaN, kNaN, kNaN}, -1, -1},
      {"infinite median", 2, 0, {{kInfinity}, {kInfinity}}, {5}, -1, -1},
      {"infinity against numbers", 3, 0, three, {kInfinity}, 0, 0},
      {"infinite upper middle", 2, 0, {{1}, {kInfinity}}, {1e300}, -1, -1},
      {"no completed trial at all", 0, 0, {}, {5}, -1, -1},
      {"no reports", 3, 0, three, {}, -1, -1},
  };
  for (const Case& item : cases) {
    const MedianPrunerOptions options{item.startup, item.warmup};
    const std::vector<Trial> trials = complete_trials(item.complete);
    EXPECT_EQ(pruned_at(*make_median_pruner(options), trials, item.curve), item.best_so_far) << item.what;
    EXPECT_EQ(pruned_at(*make_median_current_pruner(options), trials, item.curve), item.current) << item.what;
    EXPECT_EQ(pruned_at(*make_no_pruner(), trials, item.curve), -1) << item.what;
  }
}

TEST(MedianPruner, OnlyCompleteTrialsCount) {
  const auto pruner = make_median_pruner({3, 0});
  std::vector<Trial> trials = complete_trials({{1}, {2}});
  for (const TrialState state : {TrialState::pruned, TrialState::failed, TrialState::running}) {
    trials.push_back(trial_of(state, {100.0}));
  }
  EXPECT_TRUE(std::isnan(pruner->threshold(trials, 0))) << "two of three completed";
  trials.push_back(trial_of(TrialState::complete, {3}));
  EXPECT_EQ(pruner->threshold(trials, 0), 2) << "the values of the others are left out";
}

TEST(MedianPruner, StudyDefaults) {
  // Spec: none before 10 completed trials; first possible epoch 80 of 200, first possible fold 2 of 6.
  const std::vector<double> good(200, 1.0), bad(200, 2.0);
  const auto epochs = make_median_pruner({10, 80}), folds = make_median_pruner({10, 2});
  EXPECT_EQ(pruned_at(*epochs, complete_trials(std::vector(9, good)), bad), -1);
  EXPECT_EQ(pruned_at(*epochs, complete_trials(std::vector(10, good)), bad), 80);
  EXPECT_EQ(pruned_at(*folds, complete_trials(std::vector(10, std::vector(6, 1.0))), std::vector(6, 2.0)), 2);
  EXPECT_EQ(MedianPrunerOptions().startup_trials, 10);
}

TEST(MedianPruner, RefusesNegativeOptions) {
  EXPECT_THROW(make_median_pruner({-1, 0}), Error);
  EXPECT_THROW(make_median_current_pruner({0, -1}), Error);
}

TEST(HalvingPruner, TheBestThirdGoesOnAtTheRungs) {
  const auto pruner = make_halving_pruner();
  // Best values so far of seven trials after one step: 1 ... 7; the third of them ends at 2.
  std::vector<Trial> trials = complete_trials({{4}, {2}, {7}, {1}, {6}, {3}, {5}});
  EXPECT_EQ(pruner->threshold(trials, 0), 2);
  EXPECT_TRUE(std::isnan(pruner->threshold(trials, 1))) << "no rung after two steps";
  EXPECT_TRUE(std::isnan(pruner->threshold(trials, 2))) << "nobody got so far";
  trials = complete_trials({{9, 9, 3}, {9, 1, 9}, {2, 9, 9}});
  EXPECT_EQ(pruner->threshold(trials, 2), 1) << "the best value up to the rung counts";
  trials.push_back(trial_of(TrialState::pruned, {0.5}));
  trials.push_back(trial_of(TrialState::failed, {0.1, 0.1, 0.1}));
  trials.push_back(trial_of(TrialState::running, {0.1, 0.1, 0.1}));
  EXPECT_EQ(pruner->threshold(trials, 2), 1) << "of the others only those that reached it";
  EXPECT_EQ(pruner->threshold(trials, 0), 0.5) << "a pruned trial counts where it was";
  EXPECT_TRUE(std::isnan(pruner->threshold(complete_trials({{1}, {2}}), 0))) << "no third of two";
  EXPECT_EQ(pruned_at(*pruner, complete_trials({{1}, {2}, {kNaN}}), {1}), -1);
  EXPECT_EQ(pruned_at(*pruner, complete_trials({{1}, {2}, {kNaN}}), {1.5}), 0);
}

TEST(PrunerTable, EveryPrunerWorksByName) {
  ASSERT_FALSE(pruner_table().empty());
  for (const NamedSummary& entry : pruner_table()) {
    EXPECT_FALSE(entry.summary.empty());
    const auto pruner = make_pruner(entry.name, {1, 0});
    const std::vector<Trial> trials = complete_trials({{1.0}, {1.0}, {1.0}});
    EXPECT_EQ(pruned_at(*pruner, trials, {2.0}), entry.name == "none" ? -1 : 0) << entry.name;
  }
  try {
    make_pruner("medain", {});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("'median'"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace quarry
