// SPDX-License-Identifier: MIT
// Switches of the study's searches, its earlier versions' presets, and what of them a GPU refuses (spec 2, 12, 14).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "quarry/core/error.h"
#include "quarry/study/plan.h"
#include "src/study/study_runner.h"
#include "tests/study/run_driver.h"

namespace quarry {
namespace {

using test::Driver;
using test::moons;
using test::study_of;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

FitRows rows_with(std::size_t validation) {
  FitRows rows;
  rows.train = {0, 1, 2};
  for (std::size_t i = 0; i < validation; ++i) rows.validation.push_back(static_cast<std::int32_t>(3 + i));
  rows.unviolated = static_cast<std::int64_t>(3 + validation);
  return rows;
}

MemberResult<float> with_loss(double loss, std::vector<double> epochs = {}) {
  MemberResult<float> result;
  result.validation.loss = loss;
  result.epoch_losses = std::move(epochs);
  return result;
}

TEST(TrialValues, KFoldsArePooledOverRowsAndRepeatsAreNot) {  // B9
  RunConfig config;
  config.mode = Mode::online_dynamic;
  config.trials = config.startup_trials = 1;
  for (const auto& [kind, value] : {std::pair(CrossValidation::k_fold, 1.8), {CrossValidation::shuffle_split, 2.0}}) {
    config.cross_validation = kind;
    TuningRound round(config, 2, 2, -1, {rows_with(3), rows_with(2)});
    ASSERT_EQ(round.next_fits().size(), 2u);
    round.give({with_loss(1), with_loss(3)});
    EXPECT_NEAR(round.chosen().value, value, 1e-15);
  }
}

TEST(TrialValues, AreOfTheLastOrOfTheBestEpoch) {  // B12
  RunConfig config;
  config.trials = config.startup_trials = 1;
  for (const auto& [objective, value] :
       {std::pair(TrialObjective::last_epoch, 2.0), {TrialObjective::best_epoch, 1.0}}) {
    config.objective = objective;
    TuningRound round(config, 2, 2, -1, {rows_with(3)});
    round.next_fits();
    round.give({with_loss(2, {3, 1, 2})});
    EXPECT_EQ(round.chosen().value, value);
  }
}

TEST(StopWhenBeaten, ARoundEndsWithTheFirstTrialBelowTheEarlierOnes) {  // spec 12
  RunConfig config;
  config.trials = config.startup_trials = 5;
  const auto finished = [&](double best_before) {
    TuningRound round(config, 2, 2, -1, {rows_with(3)}, FitModel::classifier, best_before);
    std::vector<MemberResult<float>> results;
    for (const double loss : {2.0, 1.0, 0.5, 0.1, 0.7}) results.push_back(with_loss(loss));
    EXPECT_EQ(round.next_fits().size(), 5u);
    round.give(std::move(results));
    EXPECT_TRUE(round.done());
    TuningRound again(config, 2, 2, -1, {rows_with(3)}, FitModel::classifier, best_before);
    again.restore(round.record());
    EXPECT_EQ(again.trials(), round.trials());
    EXPECT_EQ(again.chosen().number, round.chosen().number);
    return std::pair(round.trials(), round.chosen().value);
  };
  EXPECT_EQ(finished(1), std::pair(5, 0.1));
  config.stop_when_beaten = true;
  EXPECT_EQ(finished(1), std::pair(3, 0.5)) << "1 does not beat 1";
  EXPECT_EQ(finished(3), std::pair(1, 2.0));
  EXPECT_EQ(finished(0.05), std::pair(5, 0.1));
  EXPECT_EQ(finished(-kInfinity), std::pair(5, 0.1)) << "the first search of a run has no such end";
}

constexpr const char* kEarly = R"(
[pool]
n_initial = 12
[acquisition]
strategy = "entropy"
budget = 4
[training]
epochs = 12
stopping_warmup = 5
patience = 2
[search]
mode = "online_dynamic"
trials = 6
startup_trials = 3
folds = 3
depth_high = 2
width_high = 8
)";

struct Searches {
  std::vector<std::size_t> trials;
  std::vector<double> best;
};

Searches searches_of(const Driver& run) {
  Searches s;
  for (const Json& record : run.records) {
    if (record.at("type").string() != "tuning") continue;
    const auto& trials = record.at("trials").items();
    s.trials.push_back(trials.size());
    s.best.push_back(trials.at(static_cast<std::size_t>(record.at("chosen").integer())).at("value").number());
  }
  return s;
}

TEST(StopWhenBeaten, TheBestOfAllEarlierSearchesCounts) {
  int shorter = 0;
  for (const char* seed : {"run.seed=1", "run.seed=2", "run.seed=3"}) {
    const Searches whole =
        searches_of(Driver(study_of(kEarly, {"preset=seed", "search.stop_when_beaten=false", seed}), moons()));
    EXPECT_THAT(whole.trials, ElementsAre(6, 6, 6, 6, 6));
    const Searches s = searches_of(Driver(study_of(kEarly, {"preset=seed", seed}), moons()));
    ASSERT_EQ(s.trials.size(), 5u);
    EXPECT_EQ(s.trials[0], 6u);
    double smallest = s.best[0];
    for (std::size_t i = 1; i < 5; ++i) {
      if (s.trials[i] < 6) {
        EXPECT_LT(s.best[i], smallest);
        ++shorter;
      }
      smallest = std::min(smallest, s.best[i]);
    }
  }
  EXPECT_GT(shorter, 0) << "no search ended early: choose other seeds";
}

TEST(StopWhenBeaten, ARunGoesOnAfterAnyRecordWithTheSameBytes) {
  const StudyConfig study = study_of(kEarly, {"preset=seed", "run.seed=1", "acquisition.budget=2"});
  const Driver whole(study, moons());
  const std::string text = posix_file_system().read(whole.directory.path() + "/run/journal.jsonl");
  std::size_t cuts = 0;
  for (std::size_t end = text.find('\n'); end + 1 < text.size(); end = text.find('\n', end + 1), ++cuts) {
    const Driver rest(study, moons(), text.substr(0, end + 1));
    EXPECT_EQ(posix_file_system().read(rest.directory.path() + "/run/journal.jsonl"), text) << cuts;
  }
  EXPECT_EQ(cuts, 6u);
}

TEST(WholePool, ItsSearchHasSplitsAndAShareOfItsOwn) {  // spec 12, offline
  const std::vector<std::string> common = {"search.mode=constant_whole", "search.trials=2", "acquisition.budget=0"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), common.begin(), common.end());
    return Driver(study_of(kEarly, more), moons());
  };
  const Driver seed = with({"preset=seed"}), one = with({"preset=faithful"});
  ASSERT_EQ(seed.fits.size(), 2u * 10 + 1);
  std::set<std::vector<std::int32_t>> splits;
  for (std::size_t f = 0; f < 10; ++f) {
    EXPECT_EQ(seed.fits[f].train.size(), 384u);
    EXPECT_EQ(seed.fits[f].validation.size(), 96u);
    EXPECT_EQ(seed.fits[f].validation, seed.fits[f + 10].validation) << "the same for every trial";
    splits.insert(seed.fits[f].validation);
  }
  EXPECT_EQ(splits.size(), 10u);
  EXPECT_EQ(seed.fits.back().train.size(), 9u) << "the network that is kept is of the initial set";
  ASSERT_EQ(one.fits.size(), 2u + 1);
  EXPECT_EQ(one.fits[0].train.size(), 360u);
  // The plan counts the same fits, and a share that leaves nothing is refused.
  const RunConfig run = study_of(kEarly, {"preset=seed", common[0], common[1], common[2]}).runs[0].config;
  const DataSize size{480, 120, 2, 2, {}};
  EXPECT_EQ(run_cost(run, size).fits, 21);
  RunConfig greedy = run;
  greedy.whole_val_share = 0.999;
  EXPECT_THROW(check_run_fits_data(greedy, size), Error);
}

TEST(Dropout, OfASearchIsTunedOrFixedAndInTheEarlyVersionsForScoringAlone) {
  const Driver early(study_of(kEarly, {"preset=keychain", "acquisition.budget=1", "acquisition.strategy=bald"}),
                     moons());
  for (const MemberSpec& fit : early.fits) {
    EXPECT_EQ(fit.dropout, 0.15);
    EXPECT_EQ(fit.dropout_epochs, DropoutEpochs::none);
  }
  std::set<double> rates;
  for (const Json& record : early.records) {
    if (record.at("type").string() == "cycle") rates.insert(record.at("drop_rate").number());
    if (record.at("type").string() != "tuning") continue;
    for (const Json& trial : record.at("trials").items()) EXPECT_EQ(trial.at("parameters").find("drop_rate"), nullptr);
  }
  EXPECT_EQ(rates, std::set<double>{0.15}) << "that of BALD's passes";
  const Driver final(study_of(kEarly, {"preset=faithful", "acquisition.budget=1"}), moons());
  rates.clear();
  for (const MemberSpec& fit : final.fits) rates.insert(fit.dropout);
  EXPECT_GT(rates.size(), 3u);
}

TEST(Pruner, StartsAsEachVersionHasIt) {  // spec 2.1, 17.7
  const auto options = [](const char* preset, std::int32_t steps) {
    const RunConfig run = study_of("", {std::string("preset=") + preset}).runs[0].config;
    const MedianPrunerOptions o = pruner_options(run, steps);
    return std::pair(o.startup_trials, o.warmup_steps);
  };
  EXPECT_EQ(options("seed", 10), std::pair(5, 6));
  EXPECT_EQ(options("keychain", 10), std::pair(5, 4));
  EXPECT_EQ(options("faithful", 6), std::pair(10, 2));
  EXPECT_EQ(options("faithful", 200), std::pair(10, 80));
  EXPECT_EQ(options("corrected", 200), std::pair(10, 80));
}

TEST(Presets, TheFirstVersion) {  // spec 2.1, 12
  const RunConfig run = study_of("", {"preset=seed"}).runs[0].config;
  EXPECT_EQ(run.data.version, "seed");
  EXPECT_EQ(run.data.scaler_fit, ScalerFit::test);
  EXPECT_EQ(run.rng, RngKind::numpy);
  EXPECT_EQ(run.loss, Loss::ce_on_probs);
  EXPECT_EQ(run.epochs, 1000);
  EXPECT_EQ(run.early_stopping, EarlyStopping::published);
  EXPECT_EQ(run.patience, 20);
  EXPECT_EQ(run.stopping_warmup, 100);
  EXPECT_EQ(run.train_report, TrainReport::running);
  EXPECT_EQ(run.ties, TieRule::numpy_equal);
  EXPECT_FALSE(run.log_epsilon);
  EXPECT_FALSE(run.tune_dropout);
  EXPECT_EQ(run.dropout, 0.15);
  EXPECT_EQ(run.dropout_epochs, DropoutEpochs::none);
  EXPECT_EQ(run.folds, 10);
  EXPECT_EQ(run.whole_folds, 10);
  EXPECT_EQ(run.whole_val_share, 0.2);
  EXPECT_TRUE(run.stop_when_beaten);
  EXPECT_EQ(run.trials, 50) << "as its README says; 10 and 25 were left from debugging";
}

TEST(Presets, TheVersionOfTheKeychains) {
  const RunConfig run = study_of("", {"preset=keychain"}).runs[0].config;
  EXPECT_EQ(run.data.version, "keychain");
  EXPECT_EQ(run.loss, Loss::ce_on_probs);
  EXPECT_EQ(run.epochs, 200);
  EXPECT_EQ(run.early_stopping, EarlyStopping::none);
  EXPECT_EQ(run.train_report, TrainReport::running);
  EXPECT_EQ(run.ties, TieRule::numpy_equal);
  EXPECT_TRUE(run.log_epsilon);
  EXPECT_FALSE(run.tune_dropout);
  EXPECT_EQ(run.dropout, 0.15);
  EXPECT_EQ(run.dropout_epochs, DropoutEpochs::none);
  EXPECT_EQ(run.folds, 10);
  EXPECT_TRUE(run.stop_when_beaten);
}

TEST(OnAGpu, SwitchesThatItsKernelsLackAreRefusedByName) {
  const auto message = [](std::vector<std::string> overrides) -> std::string {
    try {
      refuse_on_device(study_of(kEarly, std::move(overrides)).runs[0]);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({"preset=faithful"}), "");
  const StudyRun run = study_of(kEarly, {"preset=seed"}).runs[0];
  EXPECT_EQ(message({"preset=seed"}),
            fmt::format("run {}: training.early_stopping does not run on a GPU unless it is none; use --device cpu, "
                        "or --set training.early_stopping=none",
                        run.id));
  EXPECT_THAT(message({"training.early_stopping=patience"}), HasSubstr("--set training.early_stopping=none"));
  EXPECT_THAT(message({"training.train_report=running", "training.dropout_epochs=none"}),
              HasSubstr("--set training.train_report=evaluated"));
  EXPECT_THAT(message({"acquisition.log_epsilon=false"}), HasSubstr("--set acquisition.log_epsilon=true"));
  EXPECT_THAT(message({"search.tune_dropout=false"}), HasSubstr("--set search.tune_dropout=true"));
  for (const char* mode : {"online_static", "online_dynamic"})
    EXPECT_THAT(message({"search.stop_when_beaten=true", std::string("search.mode=") + mode}),
                HasSubstr("--set search.stop_when_beaten=false"));
  for (const char* mode : {"fixed", "constant_initial", "constant_whole"})  // there is nothing earlier to beat
    EXPECT_EQ(message({"search.stop_when_beaten=true", std::string("search.mode=") + mode}), "");
}

TEST(OnAGpu, WhatARefusalSaysToSetIsEnough) {
  std::vector<std::string> overrides = {"preset=seed", "search.mode=online_dynamic"};
  for (int i = 0; i < 6; ++i) {
    try {
      refuse_on_device(study_of(kEarly, overrides).runs[0]);
      EXPECT_EQ(i, 5);
      return;
    } catch (const Error& error) {
      const std::string what = error.what();
      overrides.push_back(what.substr(what.find("--set ") + 6));
    }
  }
  ADD_FAILURE() << "refused to the end";
}

}  // namespace
}  // namespace quarry
