// SPDX-License-Identifier: MIT
// The ask/tell state machine against a small independent model, parallel start-up, resume, trials without a value.
#include "quarry/hpo/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "tests/hpo/support.h"

namespace quarry {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

void expect_same_trial(const Trial& a, const Trial& b) {
  EXPECT_EQ(a.number, b.number);
  EXPECT_EQ(a.state, b.state);
  EXPECT_TRUE(same_bits(a.point, b.point)) << "trial " << a.number;
  EXPECT_TRUE(same_bits(a.intermediate, b.intermediate)) << "trial " << a.number;
  EXPECT_TRUE(same_bits({a.value}, {b.value})) << "trial " << a.number;
}

TpeOptions tpe_options(std::uint64_t key, bool numpy, std::int32_t startup = 10) {
  TpeOptions options;
  options.startup_trials = startup;
  options.numpy_random = numpy;
  options.numpy_seed = static_cast<std::uint32_t>(key);
  options.key = stream_key(key, RngPurpose::tpe);
  return options;
}

/// A curve that depends on the point alone.
std::vector<double> curve_of(const std::vector<double>& point, int steps = 6) {
  double value = 0;
  for (std::size_t p = 0; p < point.size(); ++p) {
    if (!std::isnan(point[p])) value += std::abs(std::sin(point[p] * (1.0 + static_cast<double>(p))));
  }
  std::vector<double> curve;
  for (int s = 0; s < steps; ++s) curve.push_back(value + std::cos(value * 7 + s));
  return curve;
}

Search study_search(bool numpy, std::uint64_t key = 1) {
  return Search(mlp_study_space(), make_tpe_sampler(tpe_options(key, numpy)), make_median_pruner({10, 2}));
}

void run_sequentially(Search& search, std::size_t trials) {
  while (search.trials().size() < trials) {
    const Trial trial = search.ask();
    const std::vector<double> curve = curve_of(trial.point);
    search.tell(trial.number, curve, curve.back());
  }
}

TEST(Search, ParallelStartUpGivesTheSequentialResult) {
  for (const bool numpy : {false, true}) {
    Search sequential = study_search(numpy), parallel = study_search(numpy);
    run_sequentially(sequential, 40);
    EXPECT_EQ(parallel.independent_asks(), 10);
    std::size_t told = 0;
    while (told < 40) {
      while (parallel.independent_asks() > 0 && parallel.trials().size() < told + 7) parallel.ask();
      EXPECT_GT(parallel.trials().size(), told);
      for (; told < parallel.trials().size(); ++told) {
        const std::vector<double> curve = curve_of(parallel.trials()[told].point);
        parallel.tell(static_cast<std::int32_t>(told), curve, curve.back());
      }
    }
    for (std::size_t i = 0; i < 40; ++i) expect_same_trial(sequential.trials()[i], parallel.trials()[i]);
  }
}

Search lagging_search(std::int32_t lag, std::uint64_t key = 1) {
  SearchOptions options;
  options.lag = lag;
  return Search(mlp_study_space(), make_tpe_sampler(tpe_options(key, false)), make_no_pruner(), options);
}

TEST(Search, WithALagTrialsThatRunTogetherGiveTheSequentialResult) {
  for (const std::int32_t lag : {1, 3}) {
    Search sequential = lagging_search(lag), parallel = lagging_search(lag);
    run_sequentially(sequential, 40);
    std::size_t told = 0;
    std::size_t most_together = 0;
    while (told < 40) {
      while (parallel.independent_asks() > 0 && parallel.trials().size() < 40) parallel.ask();
      if (told > 20) most_together = std::max(most_together, parallel.trials().size() - told);
      const std::vector<double> curve = curve_of(parallel.trials()[told].point);  // one worker is done
      parallel.tell(static_cast<std::int32_t>(told), curve, curve.back());
      ++told;
    }
    EXPECT_EQ(most_together, static_cast<std::size_t>(lag) + 1);
    for (std::size_t i = 0; i < 40; ++i) expect_same_trial(sequential.trials()[i], parallel.trials()[i]);
  }
}

TEST(Search, WithALagTheLatestResultsAreNotKnown) {
  // Two searches whose results differ from trial 20 on part at trial 20 + lag + 1, not before.
  for (const std::int32_t lag : {0, 3}) {
    Search one = lagging_search(lag), other = lagging_search(lag);
    for (std::int32_t t = 0; t < 30; ++t) {
      const Trial a = one.ask(), b = other.ask();
      EXPECT_EQ(same_bits(a.point, b.point), t <= 20 + lag) << "trial " << t << " with lag " << lag;
      one.tell(t, {}, curve_of(a.point).back());
      other.tell(t, {}, t < 20 ? curve_of(b.point).back() : -1.0 - t);
    }
  }
}

TEST(Search, TheFirstPointCanBeGiven) {
  SearchOptions options;
  options.first_point = {0.25, 1e-3};
  Space space;
  space.parameters = {real("lr", 1e-5, 1, true), real("weight_decay", 1e-5, 0.1, true)};
  Search search(space, make_tpe_sampler(tpe_options(1, false)), make_no_pruner(), options);
  Search plain(space, make_tpe_sampler(tpe_options(1, false)), make_no_pruner());
  EXPECT_EQ(search.ask().point, options.first_point);
  EXPECT_NE(plain.ask().point, options.first_point);
  EXPECT_TRUE(same_bits(search.ask().point, plain.ask().point)) << "the others are the sampler's own";
  options.first_point = {1};
  EXPECT_THROW(Search(space, make_tpe_sampler({}), make_no_pruner(), options), Error);
}

TEST(Search, StartUpPointsDoNotDependOnResults) {
  for (const bool numpy : {false, true}) {
    Search one = study_search(numpy), other = study_search(numpy), third = study_search(numpy, 2);
    for (int i = 0; i < 11; ++i) {
      const Trial a = one.ask(), b = other.ask(), c = third.ask();
      EXPECT_EQ(same_bits(a.point, b.point), i < 10) << "trial " << i;
      EXPECT_FALSE(same_bits(a.point, c.point)) << "another key, trial " << i;
      one.tell(i, {}, i);
      other.tell(i, {}, -i);
      third.tell(i, {}, i);
    }
  }
}

TEST(Search, ReplayContinuesWhereTheRecordEnds) {
  for (const bool numpy : {false, true}) {
    Search whole = study_search(numpy);
    run_sequentially(whole, 30);
    for (const std::size_t cut : {0u, 3u, 10u, 21u}) {
      Search resumed = study_search(numpy);
      for (std::size_t i = 0; i < cut; ++i) resumed.replay(whole.trials()[i]);
      run_sequentially(resumed, 30);
      for (std::size_t i = 0; i < 30; ++i) expect_same_trial(whole.trials()[i], resumed.trials()[i]);
    }
  }
}

TEST(Search, ReplayRefusesAForeignRecord) {
  Search whole = study_search(false);
  run_sequentially(whole, 15);
  Trial trial = whole.trials()[0];
  EXPECT_THROW(study_search(false, 2).replay(trial), Error) << "another key";
  trial.number = 1;
  EXPECT_THROW(study_search(false).replay(trial), Error) << "out of order";
  trial = whole.trials()[0];
  trial.state = TrialState::pruned;
  EXPECT_THROW(study_search(false).replay(trial), Error) << "cannot have been pruned";
  trial.state = TrialState::running;
  EXPECT_THROW(study_search(false).replay(trial), Error);
}

TEST(Search, AdoptTakesOverAFinishedSearch) {
  Search whole = study_search(true);
  run_sequentially(whole, 25);
  Search adopted = study_search(true);
  for (const Trial& trial : whole.trials()) adopted.adopt(trial);
  EXPECT_EQ(adopted.best()->number, whole.best()->number);
  for (std::size_t i = 0; i < 25; ++i) expect_same_trial(whole.trials()[i], adopted.trials()[i]);
  EXPECT_TRUE(same_bits(adopted.thresholds(6), whole.thresholds(6)));
  EXPECT_THROW(adopted.ask(), Error);
  EXPECT_THROW(adopted.adopt(whole.trials()[3]), Error) << "out of order";
}

TEST(Search, TrialsWithoutAValue) {
  for (const NanTrial rule : {NanTrial::failed, NanTrial::worst}) {
    Search search(mlp_study_space(), make_tpe_sampler(tpe_options(3, false, 3)), make_no_pruner(), rule);
    const bool failed = rule == NanTrial::failed;
    EXPECT_EQ(search.best(), nullptr);
    for (int i = 0; i < 4; ++i) {
      search.ask();
      EXPECT_EQ(search.tell(i, {}, kNaN).state, failed ? TrialState::failed : TrialState::complete);
    }
    // Failed trials do not end the start-up; trials that count as worst do.
    EXPECT_EQ(search.independent_asks(), failed ? 3 : 1);
    EXPECT_EQ(search.best() == nullptr, failed);
    if (!failed) {
      EXPECT_EQ(search.best()->number, 0);
    }
    search.ask();
    search.tell(4, {}, kInfinity);  // complete under both rules
    EXPECT_EQ(search.best()->number, 4);
    search.ask();
    search.tell(5, {}, 1e300);
    EXPECT_EQ(search.best()->number, 5);
    search.ask();
    search.tell(6, {}, 1e300);
    EXPECT_EQ(search.best()->number, 5) << "the lowest number on ties";
    for (int i = 7; i < 40; ++i) {
      const Trial trial = search.ask();
      const double value = i % 3 == 0 ? kNaN : curve_of(trial.point).back();
      search.tell(i, {}, value);
      for (std::size_t p = 0; p < trial.point.size(); ++p) {
        EXPECT_EQ(std::isnan(trial.point[p]), !search.space().asked(p, trial.point));
      }
    }
  }
}

TEST(Search, RefusesWhatIsOutOfTurn) {
  Search search = study_search(false);
  EXPECT_THROW(search.tell(0, {}, 1), Error) << "nothing was asked";
  search.ask();
  search.ask();
  EXPECT_THROW(search.tell(1, {}, 1), Error) << "trial 0 is first";
  search.tell(0, {}, 1);
  EXPECT_THROW(search.tell(0, {}, 1), Error) << "told twice";
  EXPECT_EQ(search.independent_asks(), 8);
  run_sequentially(search, 2);
  search.tell(1, {}, 2);
  run_sequentially(search, 12);
  search.ask();
  EXPECT_EQ(search.independent_asks(), 0);
  EXPECT_THROW(search.ask(), Error) << "trial 13 depends on trial 12";
  Space empty;
  EXPECT_THROW(Search(empty, make_random_sampler({}), make_no_pruner()), Error);
}

/// What a search must do, written down again and naively: states, counts, medians by sorting, the best by a scan.
struct Model {
  std::int32_t sampler_startup, pruner_startup, warmup;
  bool current, nan_fails;
  std::vector<TrialState> states;
  std::vector<double> values;
  std::vector<std::vector<double>> curves;
  std::int32_t asked = 0;

  std::int32_t told() const { return static_cast<std::int32_t>(states.size()); }
  std::int32_t count(TrialState state) const {
    return static_cast<std::int32_t>(std::count(states.begin(), states.end(), state));
  }
  std::int32_t independent() const {
    const std::int32_t left = sampler_startup - count(TrialState::complete) - count(TrialState::pruned);
    const std::int32_t free = left - (asked - told());
    return free > 0 ? free : asked == told() ? 1 : 0;
  }
  bool prunes(double value, std::size_t step) const {
    const std::int32_t complete = count(TrialState::complete);
    if (complete < std::max(1, pruner_startup) || static_cast<std::int32_t>(step) < warmup) return false;
    if (std::isnan(value)) return true;
    std::vector<double> at;
    for (std::size_t i = 0; i < states.size(); ++i) {
      if (states[i] == TrialState::complete && step < curves[i].size() && !std::isnan(curves[i][step])) {
        at.push_back(curves[i][step]);
      }
    }
    if (at.empty()) return false;
    std::sort(at.begin(), at.end());
    const double low = at[(at.size() - 1) / 2], high = at[at.size() / 2];
    return value > high - (high - low) * 0.5;
  }
  void tell(std::vector<double> curve, double value) {
    TrialState state = nan_fails && std::isnan(value) ? TrialState::failed : TrialState::complete;
    double best = kNaN;
    for (std::size_t step = 0; step < curve.size(); ++step) {
      if (std::isnan(best) || current || curve[step] < best) best = curve[step];
      if (!prunes(best, step)) continue;
      curve.resize(step + 1);
      value = curve[step];
      state = TrialState::pruned;
    }
    states.push_back(state);
    values.push_back(value);
    curves.push_back(std::move(curve));
  }
  std::int32_t best() const {
    std::int32_t best = -1;
    for (std::int32_t i = told(); i-- > 0;) {
      if (states[static_cast<std::size_t>(i)] != TrialState::complete) continue;
      const double mine = values[static_cast<std::size_t>(i)];
      if (best < 0 || mine <= values[static_cast<std::size_t>(best)] ||
          std::isnan(values[static_cast<std::size_t>(best)])) {
        best = i;
      }
    }
    return best;
  }
};

struct Sequence {
  std::uint64_t number;
  std::uint32_t draw = 0;
  std::uint64_t below(std::uint64_t bound) { return random_below(77, bound, number, draw++); }
  double uniform() { return random_uniform(77, number, 0, draw++); }
};

Search search_of(const Model& model, Sequence setup) {
  Space space;
  space.parameters = {real("x", -1, 1), integer("n", 1, 4), categorical("c", {"a", "b", "c"})};
  space.parameters[2].parent = "n";
  space.parameters[2].parent_at_least = 2;
  const TpeOptions options = tpe_options(setup.number, setup.number % 2 == 0, model.sampler_startup);
  const MedianPrunerOptions pruning{model.pruner_startup, model.warmup};
  return Search(space, make_tpe_sampler(options),
                model.current ? make_median_current_pruner(pruning) : make_median_pruner(pruning),
                model.nan_fails ? NanTrial::failed : NanTrial::worst);
}

void compare(const Search& search, const Model& model) {
  ASSERT_EQ(static_cast<std::int32_t>(search.trials().size()), model.asked);
  ASSERT_EQ(search.independent_asks(), model.independent());
  const Trial* best = search.best();
  ASSERT_EQ(best == nullptr ? -1 : best->number, model.best());
  for (std::int32_t i = 0; i < model.asked; ++i) {
    const Trial& trial = search.trials()[static_cast<std::size_t>(i)];
    ASSERT_EQ(trial.number, i);
    if (i >= model.told()) {
      ASSERT_EQ(trial.state, TrialState::running);
      continue;
    }
    const auto t = static_cast<std::size_t>(i);
    ASSERT_EQ(trial.state, model.states[t]);
    ASSERT_TRUE(same_bits(trial.intermediate, model.curves[t]));
    ASSERT_TRUE(same_bits({trial.value}, {model.values[t]}));
  }
}

TEST(Search, ThousandRandomSequencesFollowTheModel) {
  int pruned = 0, failed = 0, killed = 0;
  for (std::uint64_t number = 0; number < 1000; ++number) {
    SCOPED_TRACE(testing::Message() << "sequence " << number);
    Sequence random{number};
    Model model{static_cast<std::int32_t>(random.below(6)),
                static_cast<std::int32_t>(random.below(5)),
                static_cast<std::int32_t>(random.below(3)),
                random.below(4) == 0,
                random.below(2) == 0,
                {},
                {},
                {}};
    Search search = search_of(model, random);
    for (int event = 0; event < 30; ++event) {
      const std::uint64_t what = random.below(10);
      if (what < 5) {
        if (model.independent() > 0) {
          search.ask();
          ++model.asked;
        } else {
          ASSERT_THROW(search.ask(), Error);
        }
      } else if (what < 9) {
        if (model.told() == model.asked) {
          ASSERT_THROW(search.tell(model.told(), {}, 0), Error);
          continue;
        }
        std::vector<double> curve(random.below(5));
        for (double& value : curve) value = random.below(8) == 0 ? kNaN : std::floor(random.uniform() * 10);
        const double value = curve.empty() ? random.uniform() : random.below(6) == 0 ? kNaN : curve.back();
        search.tell(model.told(), curve, value);
        model.tell(curve, value);
      } else {  // killed and resumed: asked but untold trials are lost and asked again
        Search resumed = search_of(model, random);
        for (std::int32_t i = 0; i < model.told(); ++i) resumed.replay(search.trials()[static_cast<std::size_t>(i)]);
        for (std::int32_t i = model.told(); i < model.asked; ++i) {
          ASSERT_TRUE(same_bits(resumed.ask().point, search.trials()[static_cast<std::size_t>(i)].point));
        }
        search = std::move(resumed);
        ++killed;
      }
      compare(search, model);
      if (HasFatalFailure()) return;
    }
    pruned += model.count(TrialState::pruned);
    failed += model.count(TrialState::failed);
  }
  EXPECT_GT(pruned, 500);
  EXPECT_GT(failed, 200);
  EXPECT_GT(killed, 1000);
}

}  // namespace
}  // namespace quarry
