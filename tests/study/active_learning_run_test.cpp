// SPDX-License-Identifier: MIT
// The protocol of a run: what is validated and trained on, what is picked, and that nothing leaks.
#include "quarry/study/active_learning_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/study/run_driver.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree.h"

namespace quarry {

using test::Driver;
using test::TempDir;

namespace {

StudyConfig study_of(const std::string& toml, std::vector<std::string> overrides = {}) {
  return parse_study(toml, "test.toml", overrides);
}

std::shared_ptr<const Dataset> moons() {
  static const auto data = std::make_shared<const Dataset>(load_dataset(DataConfig{}));
  return data;
}

constexpr const char* kTuned = R"(
[data]
name = "moons"
[pool]
n_initial = 12
[acquisition]
strategy = "entropy"
budget = 3
[training]
epochs = 8
[search]
trials = 3
startup_trials = 2
folds = 3
depth_high = 2
width_high = 8
)";

TEST(ActiveLearningRun, ReseededRandomWalksThroughConsecutiveIndices) {  // spec 17.6, B4
  const StudyConfig study = study_of(R"(
preset = "faithful"
[run]
seed = 42
[data]
name = "moons"
[pool]
n_initial = 40
[acquisition]
strategy = "random"
budget = 5
[training]
epochs = 1
[search]
mode = "fixed"
)");
  EXPECT_EQ(Driver(study, moons()).picks(), (std::vector<std::int32_t>{424, 425, 426, 427, 428}));
}

TEST(ActiveLearningRun, ValidationIsUnviolatedAndNeverTrainedOn) {
  for (const char* mode : {"fixed", "constant_initial", "online_static", "online_dynamic"}) {
    const Driver run(study_of(kTuned, {fmt::format("search.mode={}", mode)}), moons());
    std::set<std::int32_t> initial, added;
    for (const Json& index : run.records[0].at("initial").items())
      initial.insert(static_cast<std::int32_t>(index.integer()));
    for (std::int32_t index : run.picks()) added.insert(index);
    ASSERT_EQ(added.size(), 3u) << mode;
    for (const MemberSpec& fit : run.fits) {
      EXPECT_EQ(fit.validation.size(), 3u);  // ceil(0.25 * 12)
      const std::set<std::int32_t> train(fit.train.begin(), fit.train.end());
      EXPECT_EQ(train.size(), fit.train.size());
      for (std::int32_t row : fit.validation) {
        EXPECT_TRUE(initial.contains(row)) << mode;
        EXPECT_FALSE(train.contains(row)) << mode;
        EXPECT_FALSE(added.contains(row)) << mode;
      }
      for (std::int32_t row : train) EXPECT_TRUE(initial.contains(row) || added.contains(row)) << mode;
    }
    // The last network sees everything acquired.
    for (std::int32_t row : added)
      EXPECT_NE(std::find(run.fits.back().train.begin(), run.fits.back().train.end(), row),
                run.fits.back().train.end());
  }
}

TEST(ActiveLearningRun, FitsPerModeAreTheSpecs) {  // spec 15.1 with B = 3, 3 trials, 3 folds
  const auto count = [](const char* mode) {
    return Driver(study_of(kTuned, {fmt::format("search.mode={}", mode), "search.pruner=none"}), moons()).fits.size();
  };
  EXPECT_EQ(count("fixed"), 4u);
  EXPECT_EQ(count("constant_initial"), 3u + 3u);
  EXPECT_EQ(count("constant_whole"), 3u + 1u + 3u);
  EXPECT_EQ(count("online_static"), 3u * 4u);
  EXPECT_EQ(count("online_dynamic"), (3u * 3u + 1u) * 4u);
}

TEST(ActiveLearningRun, TuningOnTheWholePoolThenTrainingOnTheInitialSet) {
  const Driver run(study_of(kTuned, {"search.mode=constant_whole"}), moons());
  for (std::size_t f = 0; f < 3; ++f) {
    EXPECT_EQ(run.fits[f].train.size(), 360u);
    EXPECT_EQ(run.fits[f].validation.size(), 120u);
  }
  EXPECT_EQ(run.fits[3].train.size(), 9u);
}

TEST(ActiveLearningRun, CachedLastTrialIsUsedWhenAsked) {  // B1
  const Driver best(study_of(kTuned, {"search.mode=constant_initial", "search.trials=6"}), moons());
  const Driver last(
      study_of(kTuned, {"search.mode=constant_initial", "search.trials=6", "search.cache_last_trial=true"}), moons());
  const auto lr = [](const Driver& run, std::size_t record) { return run.records.at(record).at("lr").number(); };
  const auto trial_lr = [](const Driver& run, std::size_t trial) {
    return run.records.at(1).at("trials").items().at(trial).at("parameters").at("lr").number();
  };
  const auto chosen = static_cast<std::size_t>(best.records.at(1).at("chosen").integer());
  ASSERT_NE(chosen, 5u) << "the last trial won: choose another seed for this test";
  EXPECT_EQ(lr(best, 2), trial_lr(best, chosen));
  EXPECT_EQ(lr(best, 4), trial_lr(best, chosen));
  EXPECT_EQ(lr(last, 2), trial_lr(last, 5));
  EXPECT_EQ(lr(last, 4), trial_lr(last, 5));
}

TEST(ActiveLearningRun, RefitOnAllTrainsOnTheValidationPartToo) {  // B18
  const Driver run(study_of(kTuned, {"search.mode=fixed", "training.refit_on_all=true"}), moons());
  EXPECT_EQ(run.fits.front().train.size(), 12u);
  EXPECT_TRUE(run.fits.front().validation.empty());
}

TEST(ActiveLearningRun, KFoldsAreDisjointAndCoverTheInitialSet) {  // B9
  const Driver run(study_of(kTuned, {"search.mode=online_dynamic", "search.cross_validation=k_fold"}), moons());
  std::set<std::int32_t> covered;
  for (std::size_t f = 0; f < 3; ++f)
    for (std::int32_t row : run.fits[f].validation) EXPECT_TRUE(covered.insert(row).second);
  EXPECT_EQ(covered.size(), 12u);
}

TEST(ActiveLearningRun, SamplerSeedPolicyDecidesWhetherStartUpTrialsRepeat) {  // B8, spec 17.8
  const auto first_points = [](const Driver& run) {
    std::vector<std::string> points;
    for (const Json& record : run.records)
      if (record.at("type").string() == "tuning")
        points.push_back(record.at("trials").items().at(0).at("parameters").dump());
    return points;
  };
  const auto fixed =
      first_points(Driver(study_of(kTuned, {"search.mode=online_static", "search.sampler_seed=fixed"}), moons()));
  const auto per_use =
      first_points(Driver(study_of(kTuned, {"search.mode=online_static", "search.sampler_seed=per_use"}), moons()));
  ASSERT_EQ(fixed.size(), 4u);
  EXPECT_EQ(std::set<std::string>(fixed.begin(), fixed.end()).size(), 1u);
  EXPECT_EQ(std::set<std::string>(per_use.begin(), per_use.end()).size(), 4u);
}

/// The journal without the first record (its fingerprint names the data) and without test figures.
std::string decisions(const Driver& run) {
  std::string text;
  for (std::size_t r = 1; r < run.records.size(); ++r)
    for (const auto& [key, value] : run.records[r].members())
      if (!key.starts_with("test_")) text += key + "=" + value.dump() + "\n";
  return text;
}

TEST(ActiveLearningRun, TestLabelsDecideNothing) {  // leak canary
  auto changed = std::make_shared<Dataset>(*moons());
  for (std::int32_t& label : changed->test.labels) label = 1 - label;
  for (const char* mode : {"constant_initial", "online_dynamic"}) {
    const StudyConfig study = study_of(kTuned, {fmt::format("search.mode={}", mode)});
    const Driver with(study, moons()), without(study, changed);
    EXPECT_EQ(decisions(with), decisions(without)) << mode;
    EXPECT_NE(with.records.back().at("test_acc").number(), without.records.back().at("test_acc").number());
  }
}

TEST(ActiveLearningRun, LabelsNeverAskedForDecideNothing) {  // leak canary
  const StudyConfig study = study_of(kTuned, {"search.mode=online_dynamic"});
  const Driver before(study, moons());
  std::set<std::int32_t> known;
  for (const Json& index : before.records[0].at("initial").items())
    known.insert(static_cast<std::int32_t>(index.integer()));
  for (std::int32_t index : before.picks()) known.insert(index);
  auto changed = std::make_shared<Dataset>(*moons());
  for (std::size_t i = 0; i < changed->train.labels.size(); ++i)
    if (!known.contains(static_cast<std::int32_t>(i))) changed->train.labels[i] = 1 - changed->train.labels[i];
  const Driver after(study, changed);
  for (std::size_t r = 1; r < before.records.size(); ++r) EXPECT_EQ(before.records[r].dump(), after.records[r].dump());
}

TEST(ActiveLearningRun, EveryTrialFailingIsAResult) {
  const Driver run(study_of(kTuned, {"search.mode=online_dynamic", "search.nan_trial=failed", "search.lr_low=900",
                                     "search.lr_high=1000", "search.weight_decay_low=0.09", "training.epochs=40"}),
                   moons());
  ASSERT_EQ(run.picks().size(), 3u);
  for (const Json& record : run.records) {
    if (record.at("type").string() != "cycle") continue;
    EXPECT_TRUE(record.at("every_trial_failed").boolean());
    EXPECT_TRUE(record.at("diverged").boolean());
  }
}

TEST(ActiveLearningRun, BatchesOfAcquisitionEndExactlyAtTheBudget) {
  const Driver run(study_of(kTuned, {"search.mode=fixed", "acquisition.budget=7", "acquisition.size=3"}), moons());
  std::vector<std::size_t> sizes;
  for (const Json& record : run.records)
    if (record.at("type").string() == "cycle") sizes.push_back(record.at("added").items().size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{0, 3, 3, 1}));
}

/// The trials of a tuning as another executor would hand them over.
std::vector<Trial> trials_of(const Json& record, const Space& space) {
  std::vector<Trial> trials;
  for (const Json& entry : record.at("trials").items()) {
    Trial trial;
    trial.number = static_cast<std::int32_t>(entry.at("number").integer());
    const std::string state = entry.at("state").string();
    trial.state = state == "complete" ? TrialState::complete
                  : state == "pruned" ? TrialState::pruned
                                      : TrialState::failed;
    trial.value = entry.at("value").number();
    trial.intermediate.resize(static_cast<std::size_t>(entry.at("steps").integer()));
    for (const Parameter& p : space.parameters) {
      const Json* value = entry.at("parameters").find(p.name);
      trial.point.push_back(value != nullptr ? value->number() : std::numeric_limits<double>::quiet_NaN());
    }
    trials.push_back(std::move(trial));
  }
  return trials;
}

TEST(ActiveLearningRun, TakesOverWhatAnotherExecutorDidAndWritesTheSameBytes) {
  for (const char* mode : {"fixed", "constant_whole", "constant_initial", "online_static", "online_dynamic"}) {
    const StudyConfig study = study_of(kTuned, {fmt::format("search.mode={}", mode), "output.networks=every"});
    const Driver run(study, moons());
    const TempDir directory;
    ActiveLearningRun other(posix_file_system(), study.runs.at(0), moons(), directory.path() + "/run", study.networks);
    const std::int32_t number = run.executor->load(moons());
    std::size_t next = 1;
    using Want = ActiveLearningRun::Want;
    while (other.want() != Want::nothing) {
      if (other.tuning_wanted())
        other.give_tuning(trials_of(run.records.at(next++), study_space(study.runs.at(0).config)));
      const FitJob fit{number, other.fits().at(0)};
      other.give_network(run.executor->fit({&fit, 1}).front());
      TestJob test = other.test_job();
      test.data = number;
      other.give_test(run.executor->test({&test, 1}).front());
      ++next;
      if (other.want() == Want::nothing) break;
      SelectJob select = other.select_job();
      select.data = number;
      other.give_picks(run.executor->select({&select, 1}).front());
    }
    EXPECT_EQ(test::read_tree(directory.path() + "/run"), test::read_tree(run.directory.path() + "/run")) << mode;
  }
}

}  // namespace
}  // namespace quarry
