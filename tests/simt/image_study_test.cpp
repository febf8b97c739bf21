// SPDX-License-Identifier: MIT
// Image studies on the fake GPU: runs have the same bytes however they are packed or stopped; failures are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simt/image_device.h"
#include "tests/support/image_steps.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::Machine;
using test::network;
using test::select_job;
using test::TempDir;
using test::tiny;

class ImageStudy : public test::ImagesOnDevice {};

std::vector<StudyRun> runs_of(std::vector<std::string> overrides) {
  std::vector<std::string> all = {"preset=hyperparameter_study", "data.name=cifar10",        "model.network=resnet8",
                                  "training.epochs=1",           "training.warmup_epochs=0", "training.batch_size=4",
                                  "training.batches=fill_last",  "pool.n_initial=4",         "acquisition.budget=4",
                                  "acquisition.size=2",          "acquisition.candidates=9", "run.seed=3"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return parse_study("", "test.toml", all).runs;
}

TEST_F(ImageStudy, FitsDoNotDependOnWhatTrainsBesideThem) {
  std::vector<ImageFitJob> jobs;
  for (int cycle = 0; cycle < 3; ++cycle) {
    jobs.push_back({0, learning_member(runs_of({})[0].config, *tiny(), cycle, {0, 1, 2, 3, 4, 5})});
  }
  jobs[1].member.lr = 1e30;  // diverges
  jobs[2].member.precision = ConvPrecision::bf16;
  jobs.push_back(jobs[0]);
  const auto fit = [](const std::vector<ImageFitJob>& some) {
    std::vector<ConvMemberResult> results(some.size());
    std::int64_t epochs = 0, all_epochs = 0;
    Machine().executor->fit(
        some, [&](std::size_t j, ConvMemberResult r) { results[j] = std::move(r); },
        [&](std::int64_t done, std::int64_t all) {
          EXPECT_EQ(done, ++epochs);
          all_epochs = all;
        });
    EXPECT_EQ(epochs, all_epochs);
    return results;
  };
  const std::vector<ConvMemberResult> all = fit(jobs);
  EXPECT_TRUE(all[1].diverged);
  EXPECT_EQ(all[1].diverged_epoch, 0);
  EXPECT_EQ(all[3].parameters, all[0].parameters);
  for (const std::size_t j : {0u, 2u}) {
    EXPECT_FALSE(all[j].diverged);
    const ConvMemberResult alone = std::move(fit({jobs[j]})[0]);
    EXPECT_EQ(alone.parameters, all[j].parameters);
    EXPECT_EQ(alone.buffers, all[j].buffers);
    EXPECT_EQ(alone.train_loss, all[j].train_loss);
  }
}

/// The run's journal; with `stop_every` > 0 the process ends and begins again after so many steps.
template <class Open>
std::string journal_of(const Open& open, int stop_every) {
  const TempDir out;
  for (;;) {
    Machine machine;
    auto run = open(out.path(), *machine.executor);
    int steps = 0;
    while ((stop_every == 0 || steps < stop_every) && test::step(*run, *machine.executor)) ++steps;
    if (run->want() == std::decay_t<decltype(*run)>::Want::nothing) return read_file(out.path() + "/journal.jsonl");
  }
}

std::string engine_of(const StudyRun& run, ImageExecutor& executor) {
  return executor.engine(network_of(run.config, *tiny()), means_of(run.config), run.config.batch_size);
}

TEST_F(ImageStudy, AnActiveLearningRunHasTheSameBytesWhereverItStops) {
  for (const StudyRun& run :
       runs_of({"acquisition.strategy=[badge, bald]", "model.dropout=0.2", "acquisition.mc_passes=2"})) {
    SCOPED_TRACE(run.config.strategy);
    const auto open = [&](const std::string& out, ImageExecutor& executor) {
      return std::make_unique<ImageLearningRun>(posix_file_system(), run, tiny(), out,
                                                ImageRunMeans{engine_of(run, executor)});
    };
    const std::string whole = journal_of(open, 0);
    const std::vector<Json> records = parse_journal(whole, "journal").records;
    ASSERT_EQ(records.size(), 4u);
    EXPECT_THAT(records[0].at("engine").string(), testing::HasSubstr("compute capability 9.0"));
    EXPECT_EQ(journal_of(open, 5), whole);
  }
}

TEST_F(ImageStudy, ASearchHasTheSameBytesWhereverItStops) {
  const StudyRun run =
      runs_of({"search.mode=frozen_set", "pool.acquired=somewhere", "pool.acquired_labels=8", "search.trials=3",
               "search.startup_trials=1", "search.folds=2", "model.lr=0.05", "model.weight_decay=0.001"})[0];
  const auto open = [&](const std::string& out, ImageExecutor& executor) {
    return std::make_unique<FrozenSetRun>(posix_file_system(), run, tiny(),
                                          std::vector<std::int32_t>{3, 1, 4, 15, 9, 2, 6, 5}, out,
                                          ImageRunMeans{engine_of(run, executor)});
  };
  const std::string whole = journal_of(open, 0);
  EXPECT_EQ(parse_journal(whole, "journal").records.size(), 5u);
  EXPECT_EQ(journal_of(open, 2), whole);
}

TEST_F(ImageStudy, AFailureAnywhereIsToldAndLeavesNothingBehind) {
  const TrainedConvNet net = network(0);
  const ImageFitJob fit{0, learning_member(runs_of({})[0].config, *tiny(), 0, {0, 1, 2, 3})};
  const auto work = [&] {
    Machine machine;
    std::vector<float> parameters;
    machine.executor->fit(std::span(&fit, 1), [&](std::size_t, ConvMemberResult r) { parameters = r.parameters; });
    machine.executor->test({0, &net});
    machine.executor->select(select_job("badge", net));
    return parameters;
  };
  const std::vector<float> want = work();
  const std::int64_t calls = gpu::fake_gpu().calls, pieces = gpu::fake_gpu().work;
  for (int k = 0; k < 8; ++k) {
    for (const bool at_call : {true, false}) {
      gpu::fake_gpu().reset();
      gpu::fake_gpu().fail_code = 700;
      (at_call ? gpu::fake_gpu().fail_call : gpu::fake_gpu().fail_work) = 1 + (at_call ? calls : pieces) * k / 8;
      EXPECT_THROW(work(), gpu::Failure) << k;
      EXPECT_EQ(gpu::fake_gpu().leaked, 0);
      EXPECT_EQ(gpu::fake_gpu().in_use, 0u);
    }
  }
  gpu::fake_gpu().reset();
  EXPECT_EQ(work(), want);
}

TEST_F(ImageStudy, ASetWhoseUploadFailedIsUploadedAgain) {
  Context context({}, 1);
  const auto executor = make_device_image_executor(context, {});
  gpu::fake_gpu().fail_call = gpu::fake_gpu().calls + 1;
  gpu::fake_gpu().fail_code = gpu::kOutOfMemory;
  EXPECT_THROW(executor->load(tiny()), gpu::Failure);
  const std::int32_t number = executor->load(tiny());
  const TrainedConvNet net = network(0);
  EXPECT_EQ(executor->test({number, &net}).loss, Machine().executor->test({0, &net}).loss);
}

TEST_F(ImageStudy, AStopReachesEveryCall) {
  const std::atomic<bool> stop{true};
  const Machine machine(&stop);
  const TrainedConvNet net = network(0);
  const ImageFitJob fit{0, learning_member(runs_of({})[0].config, *tiny(), 0, {0, 1, 2, 3})};
  EXPECT_THROW(machine.executor->fit(std::span(&fit, 1), [](std::size_t, ConvMemberResult) {}), Interrupted);
  EXPECT_THROW(machine.executor->test({0, &net}), Interrupted);
  EXPECT_THROW(machine.executor->select(select_job("entropy", net)), Interrupted);
}

TEST_F(ImageStudy, AnotherEngineDoesNotContinueARun) {
  const TempDir out;
  const StudyRun run = runs_of({})[0];
  { ImageLearningRun on_cpu(posix_file_system(), run, tiny(), out.path(), {}); }
  const Machine machine;
  EXPECT_THROW(ImageLearningRun(posix_file_system(), run, tiny(), out.path(), {engine_of(run, *machine.executor)}),
               Error);
}

}  // namespace
}  // namespace quarry
