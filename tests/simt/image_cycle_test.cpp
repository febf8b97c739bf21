// SPDX-License-Identifier: MIT
// A cycle of an image study on the fake GPU: what is made of a network behind its training, and that nothing but the
// record of it comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/ops/metrics_device.h"
#include "src/study/device_image_selection_cuda.h"
#include "tests/simt/image_device.h"

namespace quarry {
namespace {

using test::Machine;
using test::runs_of;
using test::tiny;
using test::whole_cycle;

class ImageCycle : public test::ImagesOnDevice {};

TEST_F(ImageCycle, TestsAndPicksAreThoseOfTheNetworkThatWasTrained) {
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

/// What jobs cost: copies to the host and their bytes, waits for a place in the queue and for the whole of it.
struct Traffic {
  std::int64_t copies, bytes, waits, synchronizations;
};
Traffic traffic_of(ImageExecutor& executor, std::span<const ImageJob> jobs) {
  const gpu::FakeGpu before = gpu::fake_gpu();
  executor.run(jobs, [](std::size_t, ImageResult) {});
  const gpu::FakeGpu& after = gpu::fake_gpu();
  return {after.copies_out - before.copies_out, after.bytes_out - before.bytes_out, after.waits - before.waits,
          after.synchronizations - before.synchronizations};
}

TEST_F(ImageCycle, ACycleReadsItsRecordBackAndNothingElse) {
  const Machine machine;
  for (const ConvPrecision precision : {ConvPrecision::fp32, ConvPrecision::bf16}) {
    for (const std::string strategy : {"entropy", "bald", "coreset", "badge", "random"}) {
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
      // An object's third call waits for its first, and so on; its making is one. The fleet is made, loaded twice and
      // trained, then waited for; a selection scores once, or as often as it has parts.
      const std::int64_t scored = strategy == "bald" ? jobs[0].select->mc_passes : strategy == "coreset" ? 2 : 1;
      EXPECT_LE(traffic.waits, 2 + 1 + 3 * (scored - 1));
      jobs[0].member->keep_network = jobs[1].member->keep_network = true;
      EXPECT_GT(traffic_of(*machine.executor, jobs).bytes, 4 * plan_resnet(jobs[0].member->network).n_parameters);
    }
  }
}

TEST_F(ImageCycle, ATrialReadsItsRecordBackAndNothingElse) {
  const Machine machine;
  std::vector<ImageJob> jobs(4);
  for (std::int32_t fold = 0; fold < 4; ++fold)
    jobs[static_cast<std::size_t>(fold)].member = trial_member(runs_of({})[0].config, *tiny(), 0.05, 0.001, {0, fold},
                                                               {0, 1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 11, 12, 13, 14});
  const Traffic trials = traffic_of(*machine.executor, jobs);
  EXPECT_EQ(trials.copies, 1);
  EXPECT_LE(trials.bytes, 4 * 2 * 24);
  EXPECT_LE(trials.waits, 5 + 1) << "made, loaded four times, trained, evaluated; then waited for";
  EXPECT_LE(trials.synchronizations, 2) << "before the first work and at the end";
  jobs.resize(1);
  jobs[0].member = final_member(runs_of({})[0].config, *tiny(), 0.05, 0.001, {0, 1, 2, 3, 4, 5, 6});
  jobs[0].member->keep_network = false;
  jobs[0].test = true;
  const Traffic last = traffic_of(*machine.executor, jobs);
  EXPECT_EQ(last.copies, 2);
  EXPECT_LE(last.bytes, 2 * 24 + 24);
  EXPECT_LE(last.waits, 1 + 1);
  EXPECT_LE(last.synchronizations, 3);
}

/// Bytes of the next machine's device beside the images.
void leave_beside_images(std::size_t memory) {
  static const std::size_t images = [] {
    const Machine machine;
    return gpu::fake_gpu().in_use;
  }();
  gpu::fake_gpu().info.memory = images + memory;
}
constexpr std::size_t kPlenty = std::size_t{1} << 29;

TEST_F(ImageCycle, WhatATrainingLeavesNoRoomForIsRefusedBeforeIt) {
  ImageJob job = whole_cycle("coreset", ConvPrecision::fp32);
  job.member->keep_network = false;
  for (std::int32_t i = 20; i < 2000; ++i) {
    job.select->candidates.push_back(100 + i);
    job.select->candidate_rows.push_back(i % 40);
  }
  const ResNetPlan plan = plan_resnet(job.member->network);
  const std::size_t training = cuda::conv_member_memory(*job.member),
                    noted = 3 * sizeof(cuda::ConvNetProgress),  // behind an epoch, its validation and at the end
      record = sizeof(LogitMetrics) + answer_size(*job.select) * sizeof(std::int32_t),
                    behind = cuda::ConvNetworks::memory(plan, 1) + noted + record + selection_memory(*job.select, plan);
  ASSERT_GT(behind, training);
  std::int64_t epochs = 0;
  const auto picks_with = [&](std::size_t memory) {
    leave_beside_images(memory);
    Picks picks;
    epochs = 0;
    Machine().executor->run(
        std::span(&job, 1), [&](std::size_t, const ImageResult& r) { picks = r.picks; },
        [&](std::int64_t, std::int64_t) { ++epochs; });
    return picks;
  };
  const Picks want = picks_with(kPlenty);
  const std::size_t enough = (behind + 8) / 9 * 10;  // a tenth stays free
  EXPECT_EQ(picks_with(enough).indices, want.indices);
  try {
    picks_with(enough - 10);
    FAIL() << "chose without memory";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), testing::HasSubstr(std::to_string(behind)));
    EXPECT_EQ(epochs, 0);
  }
}

/// What cycles of networks of their own say, and where the NumPy stream of each ends.
struct Cycles {
  std::vector<double> metrics;
  std::vector<std::vector<std::int32_t>> picks;
  std::vector<std::uint64_t> drawn;
  std::int64_t copies = 0, calls_behind = 0;  ///< to the host; of the runtime, behind the last epoch

  bool operator==(const Cycles& other) const {
    return metrics == other.metrics && picks == other.picks && drawn == other.drawn;
  }
};

/// memory: of the device beside the images. fail_behind: the number behind the last epoch, when it is first there, of a
/// call that finds no memory; 0: none.
Cycles cycles_of(const std::vector<std::string>& strategies, std::size_t memory, std::int64_t fail_behind) {
  gpu::fake_gpu().reset();
  leave_beside_images(memory);
  const Machine machine;
  std::vector<NumpyRandom> streams(strategies.size(), NumpyRandom(9));
  std::vector<ImageJob> jobs;
  for (const std::string& strategy : strategies) {
    jobs.push_back(whole_cycle(strategy, ConvPrecision::fp32));
    jobs.back().member->order_key += jobs.size();
    jobs.back().member->keep_network = false;
    jobs.back().select->problem.numpy_stream = &streams[jobs.size() - 1];
  }
  Cycles out;
  out.metrics.resize(3 * jobs.size());
  out.picks.resize(jobs.size());
  std::int64_t last_epoch = 0;  // its call, once it is there
  const std::int64_t copies = gpu::fake_gpu().copies_out;
  const auto done = [&](std::size_t j, const ImageResult& result) {
    if (out.calls_behind == 0) out.calls_behind = gpu::fake_gpu().calls - last_epoch;
    out.metrics[3 * j] = result.test.loss;
    out.metrics[3 * j + 1] = result.test.accuracy;
    out.metrics[3 * j + 2] = result.test.auc;
    out.picks[j] = result.picks.indices;
  };
  machine.executor->run(jobs, done, [&](std::int64_t epochs, std::int64_t all) {
    if (epochs < all || last_epoch > 0) return;
    last_epoch = gpu::fake_gpu().calls;
    if (fail_behind == 0) return;
    gpu::fake_gpu().fail_call = last_epoch + fail_behind;
    gpu::fake_gpu().fail_code = gpu::kOutOfMemory;
  });
  for (const NumpyRandom& stream : streams) out.drawn.push_back(stream.drawn());
  out.copies = gpu::fake_gpu().copies_out - copies;
  return out;
}

TEST_F(ImageCycle, NetworksThatFollowOthersTellTheSame) {
  const std::vector<std::string> strategies = {"badge", "entropy", "badge"};
  const Cycles together = cycles_of(strategies, kPlenty, 0);
  EXPECT_EQ(together.copies, 2);
  EXPECT_GT(together.drawn[0], 0u);
  EXPECT_EQ(together.drawn[1], 0u);
  const std::size_t one = cuda::conv_member_memory(*whole_cycle("badge", ConvPrecision::fp32).member);
  const Cycles one_by_one = cycles_of(strategies, one * 5 / 3, 0);
  EXPECT_EQ(one_by_one.copies, 6) << "not one after the other";
  EXPECT_EQ(one_by_one, together);
  // In the middle of what follows the training, and when all of it is in the queue.
  for (const std::int64_t call : {together.calls_behind * 2 / 3, together.calls_behind - 8}) {
    const Cycles again = cycles_of(strategies, kPlenty, call);
    EXPECT_GE(again.copies, 6) << "nothing failed";
    EXPECT_EQ(again, together) << call << " of " << together.calls_behind;
  }
}

TEST_F(ImageCycle, ASelectionThatFindsNoMemoryIsNotBlamedOnTheTraining) {
  const std::int64_t calls = cycles_of({"badge"}, kPlenty, 0).calls_behind;
  try {
    cycles_of({"badge"}, kPlenty, calls * 2 / 3);
    FAIL() << "chose without memory";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), testing::HasSubstr("use a smaller acquisition.candidates"));
    EXPECT_THAT(error.what(), testing::HasSubstr("out of memory"));
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("batch_size")));
  }
}

}  // namespace
}  // namespace quarry
