// SPDX-License-Identifier: MIT
// What the tests of image studies on the fake GPU share: a tiny set, an untrained network, an executor.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "quarry/nn/conv_fleet_device.h"
#include "quarry/study/image_executor.h"
#include "quarry/study/image_fits.h"
#include "tests/simt/fake_gpu.h"
#include "tests/support/tiny_images.h"

namespace quarry::test {

inline std::shared_ptr<const ImageDataset> tiny() {
  static const auto data = std::make_shared<const ImageDataset>(tiny_images(40, 6, 4, {1, 4, 4}));
  return data;
}

/// An untrained network: choosing asks no more of it.
inline TrainedConvNet network(double dropout) {
  TrainedConvNet net;
  net.spec = {ResNetKind::resnet8, tiny()->shape, tiny()->n_classes, dropout};
  const ResNetPlan plan = plan_resnet(net.spec);
  net.parameters = initial_parameters(plan, 17);
  net.buffers = initial_buffers(plan);
  return net;
}

/// A network in device memory, alone.
inline std::shared_ptr<const cuda::ConvNetworks> on_device(gpu::Session& session, const TrainedConvNet& net) {
  const ResNetPlan plan = plan_resnet(net.spec);
  const cuda::ConvNetMember member;
  const ImageShape& input = net.spec.input;
  cuda::ConvFleetNet fleet(session, plan, ConvPrecision::fp32, 1,
                           {nullptr, nullptr, input.channels, input.height, input.width, nullptr, nullptr},
                           std::span(&member, 1));
  fleet.load(0, net.parameters, net.buffers);
  return fleet.leave_networks();
}

inline ImageSelectJob select_job(const std::string& strategy) {
  ImageSelectJob job;
  job.strategy = strategy;
  job.mc_passes = 3;
  job.mc_key = 5;
  for (std::int32_t i = 0; i < 20; ++i) {
    job.candidates.push_back(100 + i);
    job.candidate_rows.push_back((7 * i + 3) % 40);
  }
  job.labelled_rows = {0, 1, 2};
  job.problem.count = 6;
  job.problem.seed = 21;
  job.problem.cycle = 2;
  return job;
}

inline std::vector<StudyRun> runs_of(std::vector<std::string> overrides) {
  std::vector<std::string> all = {"preset=hyperparameter_study", "data.name=cifar10",        "model.network=resnet8",
                                  "training.epochs=1",           "training.warmup_epochs=0", "training.batch_size=4",
                                  "training.batches=fill_last",  "pool.n_initial=4",         "acquisition.budget=4",
                                  "acquisition.size=2",          "acquisition.candidates=9", "run.seed=3"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return parse_study("", "test.toml", all).runs;
}

/// A cycle of a run on data set 0 that keeps its network, tests and chooses.
inline ImageJob whole_cycle(const std::string& strategy, ConvPrecision precision) {
  ImageJob job;
  job.member = learning_member(runs_of({"model.dropout=0.2"})[0].config, *tiny(), 0, {0, 1, 2, 3, 4, 5});
  job.member->precision = precision;
  job.test = true;
  job.select = select_job(strategy);
  return job;
}

class ImagesOnDevice : public testing::Test {
 protected:
  void SetUp() override { gpu::fake_gpu().reset(); }
  void TearDown() override {
    EXPECT_EQ(gpu::fake_gpu().in_use, 0u);
    EXPECT_EQ(gpu::fake_gpu().leaked, 0);
  }
};

struct Machine {
  explicit Machine(const std::atomic<bool>* stop = nullptr)
      : context({}, 1), executor(make_device_image_executor(context, {0, true, stop})) {
    executor->load(tiny());
  }
  Context context;
  std::unique_ptr<ImageExecutor> executor;
};

}  // namespace quarry::test
