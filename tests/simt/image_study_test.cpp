// SPDX-License-Identifier: MIT
// Image studies on the fake GPU: runs have the same bytes however they are packed or stopped; failures are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/study/device_image_selection_cuda.h"
#include "tests/simt/image_device.h"
#include "tests/support/image_steps.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::Machine;
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

/// A cycle of a run on data set 0 that keeps its network, tests and chooses.
ImageJob whole_cycle(const std::string& strategy, ConvPrecision precision) {
  ImageJob job;
  job.member = learning_member(runs_of({"model.dropout=0.2"})[0].config, *tiny(), 0, {0, 1, 2, 3, 4, 5});
  job.member->precision = precision;
  job.test = true;
  job.select = select_job(strategy);
  return job;
}

TEST_F(ImageStudy, TestsAndPicksAreThoseOfTheNetworkThatWasTrained) {
  for (const ConvPrecision precision : {ConvPrecision::fp32, ConvPrecision::bf16}) {
    std::vector<ImageJob> jobs = {whole_cycle("badge", precision), whole_cycle("bald", precision)};
    jobs[1].member->order_key += 1;  // a network of its own, beside the first
    jobs.push_back(jobs[1]);         // the same network, and another choice
    jobs[2].select->strategy = "coreset";
    std::vector<ImageResult> results(jobs.size());
    Machine().executor->run(jobs, [&](std::size_t j, ImageResult result) { results[j] = std::move(result); });
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      gpu::Session session(0);
      const cuda::DeviceImages train(session, *tiny(), tiny()->train), test(session, *tiny(), tiny()->test);
      const TrainedConvNet kept{jobs[j].member->network, results[j].fit.parameters, results[j].fit.buffers};
      const auto network = test::on_device(session, kept);
      const gpu::Buffer<float> device(session, 6 * 4);
      InQueue queue(session);
      queue.scorers.push_back(
          std::make_unique<DeviceScorer>(session, DeviceConvNet{*network, 0, 1 << 29}, test.pool(), 6));
      queue.scorers.back()->score({0, 1, 2, 3, 4, 5}, device.data(), nullptr);
      std::vector<float> logits(device.size());
      gpu::download<float>(session, device.data(), logits);
      DataPart labels;
      labels.n = 6;
      labels.labels = tiny()->test.labels;
      const TestMetrics want =
          test_metrics(matrix<const float>(logits.data(), 6, 4), labels, Loss::ce_on_logits, 1, true);
      EXPECT_EQ(results[j].test.loss, want.loss);
      EXPECT_EQ(results[j].test.nll, want.nll);
      EXPECT_EQ(results[j].test.auc, want.auc);
      EXPECT_EQ(results[j].test.accuracy, want.accuracy);
      EXPECT_EQ(results[j].test.accuracy_clean, want.accuracy_clean);
      const gpu::Buffer<std::int32_t> answer(session, answer_size(*jobs[j].select));
      enqueue_selection(session, queue, {*network, 0, 1 << 29}, train.pool(), *jobs[j].select, nullptr, answer.data());
      std::vector<std::int32_t> numbers(answer.size());
      gpu::download<std::int32_t>(session, answer.data(), numbers);
      EXPECT_EQ(results[j].picks.indices, read_answer(*jobs[j].select, numbers).indices);
    }
    EXPECT_NE(results[0].test.loss, results[1].test.loss);
    EXPECT_EQ(results[1].test.loss, results[2].test.loss);
  }
}

/// What jobs cost: copies to the host and their bytes, and calls that wait for the whole queue.
struct Traffic {
  std::int64_t copies, bytes, synchronizations;
};
Traffic traffic_of(ImageExecutor& executor, std::span<const ImageJob> jobs) {
  const gpu::FakeGpu before = gpu::fake_gpu();
  executor.run(jobs, [](std::size_t, ImageResult) {});
  const gpu::FakeGpu& after = gpu::fake_gpu();
  return {after.copies_out - before.copies_out, after.bytes_out - before.bytes_out,
          after.synchronizations - before.synchronizations};
}

TEST_F(ImageStudy, ACycleReadsItsRecordBackAndNothingElse) {
  const Machine machine;
  for (const ConvPrecision precision : {ConvPrecision::fp32, ConvPrecision::bf16}) {
    for (const char* strategy : {"entropy", "bald", "coreset", "badge", "random"}) {
      SCOPED_TRACE(strategy);
      std::vector<ImageJob> jobs(3, whole_cycle(strategy, precision));  // of two networks
      jobs[2].member->order_key += 1;
      for (ImageJob& job : jobs) job.member->keep_network = false;
      const Traffic traffic = traffic_of(*machine.executor, jobs);
      EXPECT_EQ(traffic.copies, 2) << "of the trainings, and of the tests and selections";
      // Of each network twice what has become of it, and its test; of each job its picks and two numbers.
      EXPECT_LE(traffic.bytes, 2 * (2 * 24 + 24) + 3 * 4 * (6 + 2));
      // Before the first work, and at the end of what made it: the training, a test and a selection of each network.
      EXPECT_LE(traffic.synchronizations, 1 + 1 + 2 + 3);
      jobs[0].member->keep_network = jobs[1].member->keep_network = true;
      EXPECT_GT(traffic_of(*machine.executor, jobs).bytes, 4 * plan_resnet(jobs[0].member->network).n_parameters);
    }
  }
}

TEST_F(ImageStudy, ATrialReadsItsRecordBackAndNothingElse) {
  const Machine machine;
  std::vector<ImageJob> jobs(4);
  for (std::int32_t fold = 0; fold < 4; ++fold)
    jobs[static_cast<std::size_t>(fold)].member = trial_member(runs_of({})[0].config, *tiny(), 0.05, 0.001, {0, fold},
                                                               {0, 1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 11, 12, 13, 14});
  const Traffic trials = traffic_of(*machine.executor, jobs);
  EXPECT_EQ(trials.copies, 1);
  EXPECT_LE(trials.bytes, 4 * 2 * 24);
  EXPECT_LE(trials.synchronizations, 2) << "before the first work and at the end";
  jobs.resize(1);
  jobs[0].member = final_member(runs_of({})[0].config, *tiny(), 0.05, 0.001, {0, 1, 2, 3, 4, 5, 6});
  jobs[0].member->keep_network = false;
  jobs[0].test = true;
  const Traffic last = traffic_of(*machine.executor, jobs);
  EXPECT_EQ(last.copies, 2);
  EXPECT_LE(last.bytes, 2 * 24 + 24);
  EXPECT_LE(last.synchronizations, 3);
}

TEST_F(ImageStudy, WhatATrainingLeavesNoRoomForIsRefusedBeforeIt) {
  ImageJob job = whole_cycle("coreset", ConvPrecision::fp32);
  job.member->keep_network = false;
  for (std::int32_t i = 20; i < 20000; ++i) {
    job.select->candidates.push_back(100 + i);
    job.select->candidate_rows.push_back(i % 40);
  }
  const ResNetPlan plan = plan_resnet(job.member->network);
  const std::size_t training = cuda::conv_member_memory(*job.member),
                    behind = cuda::ConvNetworks::memory(plan, 1) + selection_memory(*job.select, plan);
  ASSERT_GT(behind, training);
  const std::size_t images = [] {
    const Machine machine;
    return gpu::fake_gpu().in_use;
  }();
  std::int64_t epochs = 0;
  const auto picks_with = [&](std::size_t memory) {
    gpu::fake_gpu().info.memory = images + memory;
    Picks picks;
    epochs = 0;
    Machine().executor->run(
        std::span(&job, 1), [&](std::size_t, const ImageResult& r) { picks = r.picks; },
        [&](std::int64_t, std::int64_t) { ++epochs; });
    return picks;
  };
  const Picks want = picks_with(std::size_t{1} << 29);
  EXPECT_EQ(picks_with(behind * 10 / 9 + 4096).indices, want.indices);
  try {
    picks_with(behind);  // of which a tenth stays free
    FAIL() << "chose without memory";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), testing::HasSubstr(std::to_string(behind)));
    EXPECT_EQ(epochs, 0);
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

std::string engine_of(const StudyRun& run, const ImageExecutor& executor) {
  return executor.engine(network_of(run.config, *tiny()), run.config.precision, run.config.batch_size);
}

TEST_F(ImageStudy, AnActiveLearningRunHasTheSameBytesWhereverItStops) {
  for (const StudyRun& run :
       runs_of({"acquisition.strategy=[badge, bald]", "model.dropout=0.2", "acquisition.mc_passes=2"})) {
    SCOPED_TRACE(run.config.strategy);
    const auto open = [&](const std::string& out, const ImageExecutor& executor) {
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
  const auto open = [&](const std::string& out, const ImageExecutor& executor) {
    return std::make_unique<FrozenSetRun>(posix_file_system(), run, tiny(),
                                          std::vector<std::int32_t>{3, 1, 4, 15, 9, 2, 6, 5}, out,
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
