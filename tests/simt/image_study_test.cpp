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
using test::runs_of;
using test::TempDir;
using test::tiny;
using test::whole_cycle;

class ImageStudy : public test::ImagesOnDevice {};

TEST_F(ImageStudy, FitsDoNotDependOnWhatTrainsBesideThem) {
  std::vector<ConvMemberSpec> members;
  for (int cycle = 0; cycle < 3; ++cycle)
    members.push_back(learning_member(runs_of({})[0].config, *tiny(), cycle, {0, 1, 2, 3, 4, 5}));
  members[1].lr = 1e30;  // diverges
  members[2].precision = ConvPrecision::bf16;
  members.push_back(members[0]);
  const auto fit = [](const std::vector<ConvMemberSpec>& some) {
    std::int64_t epochs = 0, all_epochs = 0;
    std::vector<ConvMemberResult> results =
        test::fit(*Machine().executor, some, [&](std::int64_t done, std::int64_t all) {
          EXPECT_EQ(done, ++epochs);
          all_epochs = all;
        });
    EXPECT_EQ(epochs, all_epochs);
    return results;
  };
  const std::vector<ConvMemberResult> all = fit(members);
  EXPECT_TRUE(all[1].diverged);
  EXPECT_EQ(all[1].diverged_epoch, 0);
  EXPECT_EQ(all[3].parameters, all[0].parameters);
  for (const std::size_t m : {0u, 2u}) {
    EXPECT_FALSE(all[m].diverged);
    const ConvMemberResult alone = std::move(fit({members[m]})[0]);
    EXPECT_EQ(alone.parameters, all[m].parameters);
    EXPECT_EQ(alone.buffers, all[m].buffers);
    EXPECT_EQ(alone.train_loss, all[m].train_loss);
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
    if (run->finished()) return read_file(out.path() + "/journal.jsonl");
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
    EXPECT_EQ(journal_of(open, 2), whole);
  }
}

TEST_F(ImageStudy, ASearchHasTheSameBytesWhereverItStops) {
  const StudyRun run =
      runs_of({"search.mode=frozen_set", "pool.acquired=somewhere", "pool.acquired_labels=8", "search.trials=3",
               "search.startup_trials=1", "search.folds=2", "model.lr=0.05", "model.weight_decay=0.001"})[0];
  const auto open = [&](const std::string& out, ImageExecutor& executor) {
    return std::make_unique<FrozenSetRun>(posix_file_system(), run, tiny(), AcquiredSet{{3, 1, 4, 15, 9, 2, 6, 5}}, out,
                                          ImageRunMeans{engine_of(run, executor)});
  };
  const std::string whole = journal_of(open, 0);
  EXPECT_EQ(parse_journal(whole, "journal").records.size(), 5u);
  EXPECT_EQ(journal_of(open, 2), whole);
}

TEST_F(ImageStudy, AFailureAnywhereIsToldAndLeavesNothingBehind) {
  const ImageJob job = whole_cycle("badge", ConvPrecision::fp32);
  const auto work = [&] {
    std::vector<float> parameters;
    Machine().executor->run(std::span(&job, 1),
                            [&](std::size_t, const ImageResult& r) { parameters = r.fit.parameters; });
    return parameters;
  };
  const std::vector<float> want = work();
  const std::int64_t calls = gpu::fake_gpu().calls, pieces = gpu::fake_gpu().work;
  constexpr int kPlaces = 16;
  for (int k = 0; k < kPlaces; ++k) {
    for (const bool at_call : {true, false}) {
      gpu::fake_gpu().reset();
      gpu::fake_gpu().fail_code = 700;
      (at_call ? gpu::fake_gpu().fail_call : gpu::fake_gpu().fail_work) = 1 + (at_call ? calls : pieces) * k / kPlaces;
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
  EXPECT_EQ(number, 0);
  const auto loss_of = [](ImageExecutor& on) {
    const ImageJob job = whole_cycle("entropy", ConvPrecision::fp32);
    double loss = 0;
    on.run(std::span(&job, 1), [&](std::size_t, const ImageResult& r) { loss = r.test.loss; });
    return loss;
  };
  EXPECT_EQ(loss_of(*executor), loss_of(*Machine().executor));
}

TEST_F(ImageStudy, AStopReachesEveryPartOfACycle) {
  static std::atomic<bool> stop;
  const ImageJob job = whole_cycle("bald", ConvPrecision::fp32);
  const auto run = [&](std::int64_t stop_at) {
    gpu::fake_gpu().reset();
    stop = false;
    const Machine machine(&stop);
    gpu::fake_gpu().fail_work = stop_at;
    gpu::fake_gpu().at_work = [] { stop = true; };
    machine.executor->run(std::span(&job, 1), [](std::size_t, ImageResult) {});
    return gpu::fake_gpu().work;
  };
  const std::int64_t whole = run(0);
  // While the network is loaded, and while the passes of its selection are in the queue.
  for (const std::int64_t at : {whole / 50, whole / 2}) EXPECT_THROW(run(at), Interrupted) << at << " of " << whole;
}

TEST_F(ImageStudy, AStopBehindTheLastEpochReachesTestsAndSelections) {
  std::atomic<bool> stop;
  const Machine machine(&stop);
  const auto run = [&](const ImageJob& job) {
    machine.executor->run(
        std::span(&job, 1), [](std::size_t, const ImageResult&) {},
        [&](std::int64_t done, std::int64_t all) { stop = done == all; });
  };
  stop = false;
  ImageJob test = whole_cycle("entropy", ConvPrecision::fp32), choice = test, alone;
  test.select.reset();
  EXPECT_THROW(run(test), Interrupted);
  stop = false;
  choice.test = false;
  EXPECT_THROW(run(choice), Interrupted);
  alone.select = test::select_job("random");
  stop = true;
  EXPECT_THROW(run(alone), Interrupted);
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
