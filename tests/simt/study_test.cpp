// SPDX-License-Identifier: MIT
// Whole tiny studies on the fake GPU: journals, networks and results.csv are the CPU's byte for byte, and the device
// is never waited for inside a cycle.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "quarry/study/runner.h"
#include "src/study/device_segment_cuda.h"
#include "tests/simt/fake_gpu.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree.h"

namespace quarry {

using test::FaultyFileSystem;
using test::ProcessEnded;
using test::TempDir;

namespace {

constexpr const char* kTiny = R"(
study = "tiny"
[output]
networks = "every"
[data]
name = "moons"
pool_limit = 40
[pool]
n_initial = 8
[acquisition]
budget = 3
mc_passes = 3
[model]
hidden = [5, 3]
[training]
epochs = 3
[search]
trials = 12
startup_trials = 10
folds = 2
depth_high = 2
width_high = 6
)";

using Overrides = std::vector<std::string>;

StudyConfig tiny(const Overrides& overrides) {
  return parse_study(kTiny, "tiny.toml", overrides);
}

RunOptions options_for(DeviceKind kind) {
  RunOptions options;
  options.out = "/out";
  options.device.kind = kind;
  options.workers = 1;
  options.progress = ProgressMode::quiet;
  return options;
}

std::map<std::string, std::string> files_of(const StudyConfig& study, const RunOptions& options) {
  FaultyFileSystem files;
  const RunSummary summary = run_study(files, study, options);
  EXPECT_EQ(summary.finished, summary.runs);
  return test::contract_files(files.disk().files());
}

class DeviceStudy : public testing::Test {
 protected:
  void SetUp() override { gpu::fake_gpu().reset(); }
  void TearDown() override { EXPECT_EQ(gpu::fake_gpu().in_use, 0u); }

  static void expect_equal(const Overrides& overrides, const RunOptions& options = options_for(DeviceKind::cuda)) {
    const StudyConfig study = tiny(overrides);
    const auto want = files_of(study, options_for(DeviceKind::cpu)), got = files_of(study, options);
    ASSERT_EQ(want.size(), got.size());
    for (const auto& [path, bytes] : want) {
      ASSERT_TRUE(got.contains(path)) << path;
      EXPECT_EQ(got.at(path), bytes) << path << " with " << testing::PrintToString(overrides);
    }
  }
};

TEST_F(DeviceStudy, EveryModeSideBySide) {
  expect_equal(
      {"search.mode=[\"fixed\", \"constant_whole\", \"constant_initial\", \"online_static\", "
       "\"online_dynamic\"]",
       "acquisition.strategy=margin"});
}

TEST_F(DeviceStudy, EveryStrategySideBySide) {
  expect_equal(
      {"acquisition.strategy=[\"random\", \"entropy\", \"margin\", \"least_confidence\", \"bald\", \"coreset\", "
       "\"badge\"]",
       "search.mode=fixed", "acquisition.size=2"});
}

TEST_F(DeviceStudy, EveryStrategyAfterATuning) {  // the width of the features is known to the device alone
  expect_equal({"acquisition.strategy=[\"entropy\", \"bald\", \"coreset\", \"badge\"]", "search.mode=constant_initial",
                "search.trials=3"});
}

struct Switch {
  const char* name;
  Overrides overrides;
};

class DeviceStudySwitch : public DeviceStudy, public testing::WithParamInterface<Switch> {};

TEST_P(DeviceStudySwitch, GivesTheBytesOfTheCpu) {
  Overrides overrides = {"search.trials=4", "search.startup_trials=2"};
  overrides.insert(overrides.end(), GetParam().overrides.begin(), GetParam().overrides.end());
  expect_equal(overrides);
}

const std::string kAllStrategies =
    "acquisition.strategy=[\"random\", \"entropy\", \"margin\", \"least_confidence\", \"bald\", \"coreset\", "
    "\"badge\"]";

INSTANTIATE_TEST_SUITE_P(
    All, DeviceStudySwitch,
    testing::Values(
        Switch{"faithful",
               {"run.rng=numpy", kAllStrategies, "acquisition.ties=numpy_isclose", "acquisition.random_rng=reseeded",
                "search.mode=fixed", "acquisition.budget=2"}},
        Switch{"numpy_searches", {"run.rng=numpy", "search.mode=online_static", "search.sampler_seed=fixed"}},
        Switch{
            "random_ties",
            {kAllStrategies, "acquisition.ties=random", "search.mode=fixed", "model.hidden=[2]", "acquisition.size=2"}},
        Switch{"equal_ties_by_numpy",
               {"run.rng=numpy", kAllStrategies, "acquisition.ties=numpy_equal", "search.mode=fixed",
                "model.hidden=[2]", "acquisition.size=2"}},
        Switch{"splits_of_the_whole_pool",
               {"search.mode=constant_whole", "search.whole_folds=3", "search.whole_val_share=0.3",
                "search.pruner_startup=1", "search.pruner_warmup=0.4", "search.trials=6"}},
        Switch{"early_pruner",
               {"search.mode=online_static", "search.pruner_startup=1", "search.pruner_warmup=0", "search.trials=7",
                "training.epochs=5", "acquisition.budget=1"}},
        Switch{"subset",
               {"acquisition.strategy=[\"random\", \"entropy\", \"coreset\"]", "acquisition.candidates=7",
                "acquisition.size=2", "search.mode=fixed"}},
        Switch{"logit_features",
               {"acquisition.strategy=coreset", "acquisition.coreset_layer=logits", "search.mode=fixed"}},
        Switch{"no_hidden_layer",
               {"acquisition.strategy=[\"coreset\", \"badge\"]", "model.hidden=[]", "search.mode=fixed"}},
        Switch{"refit_on_all", {"training.refit_on_all=true", "search.mode=[\"fixed\", \"online_static\"]"}},
        Switch{"last_trial",
               {"search.cache_last_trial=true",
                "search.mode=[\"constant_whole\", \"constant_initial\", \"online_static\"]"}},
        Switch{"k_fold", {"search.mode=online_dynamic", "search.cross_validation=k_fold", "pool.n_initial=9"}},
        Switch{"best_epoch", {"search.mode=online_static", "search.objective=best_epoch", "search.pruner=none"}},
        Switch{"median_current",
               {"search.mode=online_static", "search.pruner=median_current", "search.trials=14",
                "search.startup_trials=10", "acquisition.budget=0", "training.epochs=5"}},
        Switch{"random_sampler", {"search.mode=online_dynamic", "search.sampler=random", "search.pruner=none"}},
        Switch{"updates",
               {"search.mode=online_static", "training.updates=5", "training.batch_size=4", "training.drop_last=true"}},
        Switch{"fixed_seeds",
               {"search.mode=online_static", "training.initial_weights=fixed", "training.loss=ce_on_probs",
                "training.weight_by_size=false"}},
        Switch{"momentum", {"search.mode=[\"fixed\", \"constant_initial\"]", "model.momentum=0.9"}},
        Switch{"adam", {"search.mode=[\"fixed\", \"online_static\"]", "training.optimizer=adam"}},
        Switch{"all_trials_fail",
               {"search.mode=[\"online_static\", \"online_dynamic\"]", "search.nan_trial=failed", "search.lr_low=900",
                "search.lr_high=1000", "search.weight_decay_low=0.09", "training.epochs=40", "acquisition.budget=1"}},
        Switch{"everything_labelled", {"pool.n_initial=-1", "search.mode=constant_initial"}},
        Switch{"mixed",
               {"data.name=[\"moons\", \"blobs\"]", "run.seed=[1, 2]", "pool.n_initial=[8, 10]",
                "search.mode=[\"fixed\", \"online_static\"]", "acquisition.budget=2"}}),
    [](const auto& parameter) { return std::string(parameter.param.name); });

TEST_F(DeviceStudy, WhatTheKernelsLackIsRefusedBeforeAnythingStarts) {
  FaultyFileSystem files;
  try {
    run_study(files, tiny({"preset=seed"}), options_for(DeviceKind::cuda));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("training.early_stopping does not run on a GPU unless"), std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(files.disk().files().empty());
}

TEST_F(DeviceStudy, SingleLaunchesGiveTheSameBytesAsGraphs) {
  RunOptions options = options_for(DeviceKind::cuda);
  options.graphs = false;
  options.profile = true;
  expect_equal({"search.mode=online_static", "search.trials=4", "search.startup_trials=2"}, options);
}

TEST_F(DeviceStudy, AFleetOfOneGivesTheSameBytes) {
  RunOptions options = options_for(DeviceKind::cuda);
  options.fleet = 1;
  expect_equal({"acquisition.strategy=[\"entropy\", \"random\"]", "search.mode=fixed"}, options);
}

TEST_F(DeviceStudy, KilledAnywhereAndContinuedEndsInTheSameBytes) {
  const StudyConfig study = tiny({"search.mode=[\"constant_initial\", \"online_static\"]", "search.trials=3",
                                  "search.startup_trials=2", "acquisition.budget=2"});
  const auto want = files_of(study, options_for(DeviceKind::cpu));
  std::int64_t interrupted = 0;
  for (std::int64_t n = 20;; n += 9) {
    FaultyFileSystem files;
    files.disk().end_at(n);
    try {
      run_study(files, study, options_for(DeviceKind::cuda));
    } catch (const ProcessEnded&) {
    }
    if (!files.disk().faulted()) break;
    ++interrupted;
    files.disk().restart_after_kill();
    run_study(files, study, options_for(DeviceKind::cuda));
    EXPECT_EQ(test::contract_files(files.disk().files()), want) << "ended at call " << n;
  }
  EXPECT_GE(interrupted, 4);
}

TEST_F(DeviceStudy, AStopKeepsWhatWasEnqueuedAndTheStudyContinues) {
  const StudyConfig study = tiny({"search.mode=fixed", "acquisition.budget=9"});
  const StudyRun& run = study.runs.at(0);
  const auto data = std::make_shared<const Dataset>(load_dataset(run.config.data));
  FaultyFileSystem files;
  std::atomic<bool> stop{false};
  std::int32_t committed = 0;
  DeviceStudyOptions options;
  options.stop = &stop;
  DeviceStudyHooks hooks;
  hooks.open = [&](std::size_t) {
    return std::make_unique<ActiveLearningRun>(files, run, data, "/out/tiny/runs/" + run.id, study.networks);
  };
  hooks.data = [&](std::size_t) { return data; };
  hooks.planned = [](const SegmentPlan& plan) { EXPECT_EQ(plan.shape.cycles, 10); };
  hooks.committed = [&](const ActiveLearningRun&, double) {
    ++committed;
    stop = true;
  };
  hooks.finished = [](const ActiveLearningRun&) { FAIL() << "the run was not stopped"; };
  EXPECT_THROW(run_on_device(1, options, hooks), Interrupted);
  EXPECT_GE(committed, 4);
  EXPECT_LT(committed, 10);
  const RunSummary summary = run_study(files, study, options_for(DeviceKind::cuda));
  EXPECT_EQ(summary.resumed, 1);
  EXPECT_EQ(test::contract_files(files.disk().files()), files_of(study, options_for(DeviceKind::cpu)));
}

TEST_F(DeviceStudy, NetworksBeyondSharedMemoryGiveTheSameBytes) {
  gpu::fake_gpu().info.shared_per_block = gpu::fake_gpu().info.shared_per_multiprocessor = 6 << 10;
  const cuda::MlpBounds bounds{2, 2, 2, 24, 8, 32, false, false};
  ASSERT_GT(cuda::plan_mlp_fit(gpu::device_info(0), 1, bounds).workspace_bytes, 0u);
  expect_equal({"search.mode=[\"fixed\", \"online_static\"]", "model.hidden=[24, 24]", "search.trials=3",
                "search.startup_trials=2", "acquisition.budget=1", "acquisition.strategy=bald"});
}

/// Runs that are about to begin.
struct Opened {
  explicit Opened(const Overrides& overrides) : study(tiny(overrides)) {
    for (const StudyRun& run : study.runs) {
      const auto data = std::make_shared<const Dataset>(load_dataset(run.config.data));
      open.push_back(std::make_unique<ActiveLearningRun>(posix_file_system(), run, data,
                                                         directory.path() + "/" + run.id, study.networks));
      runs.push_back({open.back().get(), data});
    }
  }
  StudyConfig study;
  TempDir directory;
  std::vector<std::unique_ptr<ActiveLearningRun>> open;
  std::vector<DeviceRun> runs;
};

TEST_F(DeviceStudy, ACycleIsEnqueuedWithoutWaitingAndCopiesOutNothingButItsRecord) {
  const Opened opened({kAllStrategies, "search.mode=[\"fixed\", \"online_static\", \"online_dynamic\"]",
                       "search.trials=3", "search.startup_trials=2"});
  gpu::Session session(0);
  DeviceDataSets data;
  for (const DeviceRun& run : opened.runs) data[run.data.get()] = std::make_unique<DeviceData>(session, *run.data);
  const SegmentPlan plan = choose_segment(session.device(), opened.runs, session.memory_free());
  ASSERT_EQ(plan.shape.cycles, 4);
  DeviceSegment segment(session, data, opened.runs, plan.shape, true);
  for (std::int32_t cycle = 0; cycle < plan.shape.cycles; ++cycle) {
    const gpu::Counters before = session.counters();
    const std::int64_t work = gpu::fake_gpu().work;
    segment.enqueue();
    const gpu::Counters& after = session.counters();
    EXPECT_EQ(after.blocking, before.blocking);
    EXPECT_EQ(after.allocations, before.allocations);
    EXPECT_EQ(after.copies_in - before.copies_in, 1);    // the plan
    EXPECT_EQ(after.copies_out - before.copies_out, 4);  // the record, and the searches' three arrays
    EXPECT_GT(after.launches, before.launches);
    EXPECT_EQ(gpu::fake_gpu().work, work);  // the device has not even begun
  }
}

TEST_F(DeviceStudy, WhatIsPlannedIsWhatIsAllocated) {
  const Opened opened(
      {kAllStrategies, "search.mode=[\"fixed\", \"online_static\"]", "run.rng=numpy", "search.trials=3"});
  gpu::Session session(0);
  const SegmentPlan plan = choose_segment(session.device(), opened.runs, session.memory_free());
  DeviceDataSets data;
  for (const DeviceRun& run : opened.runs) data[run.data.get()] = std::make_unique<DeviceData>(session, *run.data);
  const DeviceSegment segment(session, data, opened.runs, plan.shape, true);
  EXPECT_EQ(session.memory_in_use(), plan.device_bytes);
}

TEST_F(DeviceStudy, ASegmentIsMadeSmallerUntilItFits) {
  const Opened opened({"search.mode=online_static", "run.seed=[1, 2, 3, 4]"});
  const gpu::DeviceInfo device = gpu::device_info(0);
  const auto bytes = [&](SegmentShape shape) { return plan_segment(device, opened.runs, shape).device_bytes; };
  const auto chosen = [&](std::size_t memory) { return choose_segment(device, opened.runs, memory).shape; };
  const SegmentShape whole = chosen(bytes({4, 4, 10}));
  EXPECT_EQ(whole.runs, 4);
  EXPECT_EQ(whole.cycles, 4);
  EXPECT_EQ(whole.step_trials, 10);
  EXPECT_LT(chosen(bytes({4, 4, 10}) - 1).cycles, 4);
  EXPECT_LT(chosen(bytes({4, 1, 10}) - 1).step_trials, 10);
  EXPECT_EQ(chosen(bytes({4, 1, 10}) - 1).runs, 4);
  EXPECT_EQ(chosen(bytes({4, 1, 1}) - 1).runs, 2);
  EXPECT_EQ(chosen(bytes({1, 1, 1})).runs, 1);
  try {
    chosen(bytes({1, 1, 1}) - 1);
    FAIL() << "a segment that does not fit was planned";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_NE(std::string(error.what()).find(std::to_string(bytes({1, 1, 1}))), std::string::npos) << error.what();
  }
}

TEST_F(DeviceStudy, LittleMemoryChangesNoByte) {
  const Overrides overrides = {"search.mode=online_static", "run.seed=[1, 2, 3]", "search.trials=4",
                               "search.startup_trials=3", "acquisition.budget=1"};
  const Opened opened(overrides);
  const std::size_t least = plan_segment(gpu::device_info(0), opened.runs, {1, 1, 1}).device_bytes;
  gpu::fake_gpu().info.memory = least + least / 4;
  ASSERT_EQ(choose_segment(gpu::device_info(0), opened.runs, gpu::fake_gpu().info.memory).shape.runs, 1);
  expect_equal(overrides);
}

TEST_F(DeviceStudy, ADeviceThatFailsLeavesWhatIsCommitted) {
  const StudyConfig study = tiny({"search.mode=fixed"});
  const auto want = files_of(study, options_for(DeviceKind::cpu));
  FaultyFileSystem files;
  gpu::fake_gpu().fail_work = 40;
  gpu::fake_gpu().fail_code = 700;
  EXPECT_THROW(run_study(files, study, options_for(DeviceKind::cuda)), gpu::Failure);
  gpu::fake_gpu().reset();
  run_study(files, study, options_for(DeviceKind::cuda));
  EXPECT_EQ(test::contract_files(files.disk().files()), want);
}

}  // namespace
}  // namespace quarry
