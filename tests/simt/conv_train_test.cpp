// SPDX-License-Identifier: MIT
// train_conv_fleet on the fake GPU beside the CPU's.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <string>

#include "quarry/core/progress.h"
#include "quarry/nn/conv_fleet_device.h"
#include "src/nn/conv_fleet_arrays.h"
#include "tests/simt/fake_gpu.h"
#include "tests/support/conv_cases.h"

namespace quarry {
namespace {

class ConvTrain : public ::testing::Test {
 protected:
  ConvTrain() : data_(testing::striped_set(6, 3, 24, 6)) { gpu::fake_gpu().reset(); }

  ConvMemberSpec member(std::int32_t train, std::int32_t validation, std::uint64_t key) const {
    ConvMemberSpec spec = testing::small_member(data_, train, validation);
    spec.batch_size = 4;
    spec.order_key = key;
    spec.init_key = key + 1;
    spec.batches = BatchRule::keep_last;
    return spec;
  }
  std::vector<ConvMemberResult> on_gpu(const std::vector<ConvMemberSpec>& members, bool graphs = true,
                                       const std::atomic<bool>* stop = nullptr,
                                       const std::function<void(std::int64_t)>& epochs = {}) const {
    gpu::Session session(0);
    const cuda::DeviceImages images(session, data_, data_.train);
    std::vector<ConvMemberResult> results(members.size());
    cuda::train_conv_fleet(session, data_, images.pool(), members, {graphs, stop, epochs, {}, 0},
                           [&](std::size_t m, ConvMemberResult result) { results[m] = std::move(result); });
    return results;
  }
  /// How far b is from a, by the way from where a began.
  static double off(const ConvMemberSpec& spec, const std::vector<float>& a, const std::vector<float>& b) {
    const std::vector<float> start = initial_parameters(plan_resnet(spec.network), spec.init_key);
    double off = 0, way = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      off += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
      way += std::pow(static_cast<double>(a[i]) - static_cast<double>(start[i]), 2);
    }
    return std::sqrt(off / way);
  }
  ImageDataset data_;
};

TEST_F(ConvTrain, MakesWhatTheCpuMakes) {
  std::vector<ConvMemberSpec> members = {member(6, 5, 7), member(10, 2, 8), member(4, 3, 9)};
  members[0].validate_every_epoch = true;
  members[1].augment = false;
  members[2].epochs = 1;  // a group of its own
  members[2].network.dropout = 0.3;
  Context context({}, 1);
  const std::vector<ConvMemberResult> want = train_conv_fleet(context, data_, members), got = on_gpu(members);
  for (std::size_t m = 0; m < members.size(); ++m) {
    EXPECT_LT(off(members[m], want[m].parameters, got[m].parameters), 1e-3) << m;
    EXPECT_NEAR(got[m].train_loss, want[m].train_loss, 1e-3);
    EXPECT_NEAR(got[m].validation.loss, want[m].validation.loss, 1e-3);
    EXPECT_EQ(got[m].validation.accuracy, want[m].validation.accuracy);
    EXPECT_EQ(got[m].steps, want[m].steps);
    EXPECT_EQ(got[m].epochs_run, want[m].epochs_run);
    EXPECT_EQ(got[m].diverged, want[m].diverged);
    ASSERT_EQ(got[m].epoch_validation.size(), want[m].epoch_validation.size());
    for (std::size_t e = 0; e < want[m].epoch_validation.size(); ++e) {
      EXPECT_NEAR(got[m].epoch_validation[e].loss, want[m].epoch_validation[e].loss, 1e-3);
    }
  }
}

TEST_F(ConvTrain, SplitsAFleetThatMemoryIsTooSmallFor) {
  std::vector<ConvMemberSpec> members = {member(4, 2, 7), member(6, 2, 8), member(4, 2, 9)};
  for (ConvMemberSpec& m : members) m.epochs = 1;
  const std::vector<ConvMemberResult> all = on_gpu(members);
  const std::size_t one = cuda::ConvFleetNet::memory(plan_resnet(members[0].network), ConvPrecision::fp32, 4, 1, 1);
  gpu::fake_gpu().info.memory = 3 * one;  // nine tenths are for members
  const std::vector<ConvMemberResult> split = on_gpu(members);
  for (std::size_t m = 0; m < members.size(); ++m) {
    EXPECT_EQ(all[m].parameters, split[m].parameters);
    EXPECT_EQ(all[m].validation.loss, split[m].validation.loss);
  }
  gpu::fake_gpu().info.memory = one;
  EXPECT_THROW(on_gpu(members), Error);
}

TEST_F(ConvTrain, ASplitWhereAnAllocationFailsAllTheSame) {
  std::vector<ConvMemberSpec> members = {member(4, 2, 7), member(4, 2, 8), member(4, 2, 9)};
  for (ConvMemberSpec& m : members) m.epochs = 1;
  const std::vector<ConvMemberResult> all = on_gpu(members);
  const auto fail_at = [](std::int64_t call) {
    gpu::fake_gpu().reset();
    gpu::fake_gpu().fail_call = call;
    gpu::fake_gpu().fail_code = gpu::kOutOfMemory;
  };
  fail_at(60);  // in the middle of the fleet's arrays
  const std::vector<ConvMemberResult> split = on_gpu(members);
  EXPECT_GT(gpu::fake_gpu().calls, 60);
  for (std::size_t m = 0; m < members.size(); ++m) EXPECT_EQ(all[m].parameters, split[m].parameters);
  EXPECT_EQ(gpu::fake_gpu().leaked, 0);
  fail_at(60);
  try {
    on_gpu({members[0]});
    FAIL() << "trained without memory";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    const std::size_t bytes = cuda::conv_member_memory(members[0]);
    EXPECT_NE(std::string(error.what()).find(std::to_string(bytes)), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("out of memory"), std::string::npos) << "the allocation's own reason";
  }
}

TEST_F(ConvTrain, EpochsThatAreTrainedAgainAreCountedOnce) {
  std::vector<ConvMemberSpec> members = {member(4, 9, 7), member(4, 9, 8)};
  for (ConvMemberSpec& m : members) m.epochs = 2;  // the rows of the validation behind them need a longer buffer
  std::int64_t done = 0, most = 0, backwards = 0;
  const auto count = [&](std::int64_t epochs) {
    done += epochs;
    most = std::max(most, done);
    backwards += epochs < 0;
    if (done == 4 && backwards == 0) {
      gpu::fake_gpu().fail_call = gpu::fake_gpu().calls + 1;
      gpu::fake_gpu().fail_code = gpu::kOutOfMemory;
    }
  };
  on_gpu(members, true, nullptr, count);
  EXPECT_EQ(backwards, 1);
  EXPECT_EQ(done, 4);
  EXPECT_EQ(most, 4);
}

TEST_F(ConvTrain, ANetOutlivesAnAllocationThatFailed) {
  const ConvMemberSpec spec = member(4, 2, 7);
  const ResNetPlan plan = plan_resnet(spec.network);
  gpu::Session session(0);
  const cuda::DeviceImages images(session, data_, data_.train);
  cuda::ConvNetMember one;
  one.rates = {0.1f};
  const std::vector<std::vector<std::int32_t>> rows = {{0, 1, 2, 3}};
  const auto loss = [&](std::int64_t failing_call) {
    cuda::ConvFleetNet net(session, plan, ConvPrecision::fp32, 4, images.pool(), std::span(&one, 1), true);
    net.load(0, initial_parameters(plan, spec.init_key), initial_buffers(plan));
    gpu::fake_gpu().fail_call = failing_call == 0 ? 0 : gpu::fake_gpu().calls + failing_call;
    gpu::fake_gpu().fail_code = gpu::kOutOfMemory;
    if (failing_call > 0) {
      EXPECT_THROW(net.train_epoch(0, rows), gpu::Failure) << failing_call;
    }
    net.train_epoch(0, rows);
    return net.progress()[0].loss_sum;
  };
  const double want = loss(0);
  EXPECT_GT(want, 0);
  for (const std::int64_t call : {1, 2, 3}) EXPECT_EQ(loss(call), want) << call;  // one is the place of the rows
}

/// What a queued copy reads must outlive the constructor's failure: AddressSanitizer sees it if it does not.
TEST_F(ConvTrain, AConstructorThatFailsAnywhereLeavesNothingBehind) {
  const ResNetPlan plan = plan_resnet(member(4, 2, 7).network);
  gpu::Session session(0);
  const cuda::DeviceImages images(session, data_, data_.train);
  cuda::ConvNetMember one;
  one.rates = {0.1f};
  const auto make = [&] {
    return std::make_unique<cuda::ConvFleetNet>(session, plan, ConvPrecision::fp32, 4, images.pool(),
                                                std::span(&one, 1), true);
  };
  const std::size_t before = gpu::fake_gpu().in_use;
  const std::int64_t first = gpu::fake_gpu().calls;
  std::int64_t calls = 0;
  {
    const auto net = make();
    calls = gpu::fake_gpu().calls - first;  // its end waits, which is a call too
  }
  session.synchronize();
  int failed = 0;
  for (std::int64_t call = 1; call <= calls; ++call) {
    gpu::fake_gpu().fail_call = gpu::fake_gpu().calls + call;
    gpu::fake_gpu().fail_code = gpu::kOutOfMemory;
    try {
      make();
    } catch (const gpu::Failure&) {
      ++failed;
    }
    gpu::fake_gpu().fail_call = 0;
    session.synchronize();
    EXPECT_EQ(gpu::fake_gpu().in_use, before) << call;
  }
  EXPECT_GT(failed, 20) << "every array is allocated, every setting staged";
}

TEST_F(ConvTrain, StopsBeforeEveryLoad) {
  static std::atomic<bool> stop;
  stop = false;
  ConvMemberSpec one = member(4, 0, 7);
  one.epochs = 0;
  const std::vector<ConvMemberSpec> members(20, one);
  on_gpu({one});
  const std::int64_t of_one = gpu::fake_gpu().work;
  gpu::fake_gpu().reset();
  gpu::fake_gpu().fail_work = 30;  // within the first load
  gpu::fake_gpu().at_work = [] { stop = true; };
  EXPECT_THROW(on_gpu(members, true, &stop), Interrupted);
  EXPECT_LT(gpu::fake_gpu().work, 4 * of_one) << "three loads were in the queue";
}

TEST(ConvFleet, HasNoMoreMembersThanTheGridsHaveRoomFor) {
  const ResNetPlan plan = plan_resnet({ResNetKind::resnet18, {3, 32, 32}, 10, 0});
  const auto most_blocks = [&](std::int32_t batch, std::int32_t members) {
    unsigned most = 0;
    for (const ConvLayer& layer : plan.layers)
      most = std::max(most, cuda::conv_weight_gradient_launch(cuda::conv_shape(layer, batch), members).grid.z);
    return most;
  };
  for (const std::int32_t batch : {1, 100, 128, 4096}) {
    const std::int32_t members = cuda::most_fleet_members(plan, batch);
    EXPECT_LE(most_blocks(batch, members), 65535u) << batch;
    EXPECT_GT(most_blocks(batch, members + 1), 65535u) << batch;
  }
}

TEST_F(ConvTrain, StopsBetweenEpochs) {
  static std::atomic<bool> stop;
  stop = false;
  ConvMemberSpec longer = member(4, 0, 7);
  longer.epochs = 1000;
  longer.schedule = LrSchedule::constant;
  gpu::fake_gpu().fail_work = 400;
  gpu::fake_gpu().at_work = [] { stop = true; };
  EXPECT_THROW(on_gpu({longer}, true, &stop), Interrupted);
  EXPECT_TRUE(stop);
  EXPECT_LT(gpu::fake_gpu().work, 1000) << "two epochs were in the queue, and no more";
}

TEST_F(ConvTrain, SingleLaunchesGiveTheSameBits) {
  const std::vector<ConvMemberSpec> members = {member(6, 2, 7)};
  const std::vector<ConvMemberResult> graphs = on_gpu(members), launches = on_gpu(members, false);
  EXPECT_EQ(graphs[0].parameters, launches[0].parameters);
  EXPECT_EQ(graphs[0].buffers, launches[0].buffers);
}

TEST_F(ConvTrain, TheConvolutionsOfCudnnTrainAFleetAsTheyTrainAMemberAlone) {
  for (const ConvPrecision precision : {ConvPrecision::fp32, ConvPrecision::bf16}) {
    std::vector<ConvMemberSpec> members;
    const bool fp32 = precision == ConvPrecision::fp32;
    for (std::int32_t m = 0; m < (fp32 ? 6 : 2); ++m) {  // six are more than there are queues
      members.push_back(member(m % 2 == 0 ? 4 : 6, 2, 7 + static_cast<std::uint64_t>(m)));
      members.back().epochs = 1;
      members.back().precision = precision;
      members.back().convolution = ConvChoice::cudnn;
    }
    if (fp32) members[3].convolution = ConvChoice::table;  // a group of its own
    const std::vector<ConvMemberResult> all = on_gpu(members);
    for (const std::size_t m : fp32 ? std::vector<std::size_t>{3, 5} : std::vector<std::size_t>{1}) {
      const ConvMemberResult alone = on_gpu({members[m]}, false)[0];
      EXPECT_EQ(all[m].parameters, alone.parameters) << m;
      EXPECT_EQ(all[m].buffers, alone.buffers) << m;
      EXPECT_EQ(all[m].validation.loss, alone.validation.loss) << m;
    }
    ConvMemberSpec ours = members[0];
    ours.convolution = ConvChoice::table;
    const ConvMemberResult table = on_gpu({ours})[0];
    EXPECT_LT(off(ours, table.parameters, all[0].parameters), fp32 ? 1e-4 : 0.1);
    EXPECT_NE(table.parameters, all[0].parameters) << "sums of another order";
  }
}

TEST_F(ConvTrain, AFleetOfCudnnIsSplitWhereMemoryIsTooSmallForIt) {
  std::vector<ConvMemberSpec> members;
  for (std::uint64_t m = 0; m < 6; ++m) {
    members.push_back(member(4, 2, 7 + m));
    members.back().epochs = 0;
    members.back().convolution = ConvChoice::cudnn;
  }
  const ResNetPlan plan = plan_resnet(members[0].network);
  const ConvMeans means(ConvPrecision::fp32, ConvChoice::cudnn);
  const std::size_t of_one = cuda::conv_member_memory(members[0]),
                    workspace = cuda::most_conv_workspace(plan, means, 4, 1), of_five = 5 * of_one - workspace;
  EXPECT_GT(workspace, std::size_t{1} << 20);
  EXPECT_EQ(cuda::most_conv_workspace(plan, means, 4, 5), 4 * workspace);
  EXPECT_LE(cuda::ConvFleetNet::memory(plan, means, 4, 5, 1), of_five) << "a workspace for each member";
  // Members of the first group: the device is not called while the results of one are handed over.
  const auto first_group = [&](std::size_t for_members) {
    gpu::fake_gpu().reset();
    gpu::Session session(0);
    const cuda::DeviceImages images(session, data_, data_.train);
    gpu::fake_gpu().info.memory = for_members / 9 * 10 + gpu::fake_gpu().in_use + 4096;
    gpu::Session small(0);
    std::vector<std::int64_t> calls;
    cuda::train_conv_fleet(small, data_, images.pool(), members, {},
                           [&](std::size_t, ConvMemberResult) { calls.push_back(gpu::fake_gpu().calls); });
    EXPECT_EQ(calls.size(), members.size());
    return std::count(calls.begin(), calls.end(), calls.front());
  };
  EXPECT_EQ(first_group(of_five), 5);
  EXPECT_EQ(first_group(of_five - 8192), 4);
  EXPECT_EQ(first_group(2 * of_one), 2);
  EXPECT_EQ(first_group(2 * of_one - 8192), 1);
}

TEST_F(ConvTrain, WhatCudnnRefusesIsTold) {
  ConvMemberSpec spec = member(4, 2, 7);
  spec.convolution = ConvChoice::cudnn;
  gpu::fake_gpu().cudnn_fault = "cuDNN cannot be loaded";
  try {
    on_gpu({spec});
    FAIL() << "trained without cuDNN";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_STREQ(error.what(), "cuDNN cannot be loaded");
  }
  gpu::fake_gpu().cudnn_fault.clear();
  gpu::Session session(0);
  const cuda::DeviceImages images(session, data_, data_.train);
  cuda::ConvNetMember one;
  one.rates = {0.1f};
  const ResNetPlan plan = plan_resnet(spec.network);
  const std::vector<std::vector<std::int32_t>> rows = {{0, 1, 2, 3}};
  const auto loss = [&](std::int64_t failing_call) {
    cuda::ConvFleetNet net(session, plan, {ConvPrecision::fp32, ConvChoice::cudnn}, 4, images.pool(),
                           std::span(&one, 1), true);
    net.load(0, initial_parameters(plan, spec.init_key), initial_buffers(plan));
    gpu::fake_gpu().fail_call = failing_call == 0 ? 0 : gpu::fake_gpu().calls + failing_call;
    gpu::fake_gpu().fail_code = 900;
    std::string failure;
    try {
      net.train_epoch(0, rows);
    } catch (const gpu::Failure& error) {
      failure = error.what();
      net.train_epoch(0, rows);
    }
    return std::pair(net.progress()[0].loss_sum, failure);
  };
  const double want = loss(0).first;
  EXPECT_GT(want, 0);
  std::pair<double, std::string> failed;
  for (std::int64_t call = 1; call < 60 && failed.second.find("convolution of cuDNN") == std::string::npos; ++call)
    failed = loss(call);
  EXPECT_NE(failed.second.find("convolution of cuDNN"), std::string::npos) << failed.second;
  EXPECT_EQ(failed.first, want) << "a recording that failed leaves nothing behind";
}

TEST_F(ConvTrain, UploadsNoImagesAndReadsNothingBackBetweenEpochs) {
  data_ = testing::striped_set(6, 3, 20000, 1);
  gpu::Session session(0);
  const cuda::DeviceImages images(session, data_, data_.train);
  std::vector<gpu::Counters> counts;
  for (const std::int32_t epochs : {2, 5}) {
    ConvMemberSpec spec = member(4, 2, 7);
    spec.epochs = epochs;
    const gpu::Counters before = session.counters();
    cuda::train_conv_fleet(session, data_, images.pool(), {&spec, 1}, {}, [](std::size_t, ConvMemberResult) {});
    const gpu::Counters& after = session.counters();
    EXPECT_LT(after.bytes_in - before.bytes_in, std::ssize(data_.train.pixels) / 2);
    counts.push_back({});
    counts.back().copies_out = after.copies_out - before.copies_out;
    counts.back().blocking = after.blocking - before.blocking;
  }
  EXPECT_EQ(counts[1].copies_out, counts[0].copies_out) << "more epochs read more back";
  EXPECT_LE(counts[1].blocking, counts[0].blocking + 3) << "an epoch waits for more than the one before the last";
}

TEST_F(ConvTrain, WhatIsStagedAgainAndAgainAllocatesNothing) {
  gpu::Session session(0);
  const gpu::Buffer<std::int32_t> device(session, 40 * 3000);
  cuda::Staging staging(session);
  std::int64_t allocations = 0;
  for (std::int32_t round = 0; round < 6; ++round) {
    const std::int64_t before = session.counters().allocations;
    for (std::int32_t m = 0; m < 40; ++m) {
      staging.send(device.data() + m * 3000, std::vector<std::int32_t>(3000, 100 * round + m));
    }
    session.synchronize();
    staging.clear();
    allocations = session.counters().allocations - before;
    std::vector<std::int32_t> got(40 * 3000);
    gpu::download<std::int32_t>(session, device.data(), got);
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i], 100 * round + static_cast<std::int32_t>(i / 3000));
    }
  }
  EXPECT_EQ(allocations, 0);
}

TEST_F(ConvTrain, TheEngineSaysWhatBitsDependOn) {
  gpu::Session session(0);
  const ResNetPlan plan = plan_resnet(member(4, 2, 7).network);
  EXPECT_EQ(cuda::conv_engine_name(session, plan, ConvPrecision::fp32, 32),
            "CUDA, host threads, compute capability 9.0, fp32, fp32_fma, table 1");
  EXPECT_EQ(cuda::conv_engine_name(session, plan, ConvPrecision::bf16, 32),
            "CUDA, host threads, compute capability 9.0, bf16, bf16_mma, scores fp32_fma, table 1");
  const ConvMeans theirs(ConvPrecision::fp32, ConvChoice::cudnn);
  const std::string name = cuda::conv_engine_name(session, plan, theirs, 32),
                    start = "CUDA, host threads, compute capability 9.0, fp32, cudnn (cuDNN 0.1.2, choices ";
  EXPECT_EQ(name.substr(0, start.size()), start);
  EXPECT_EQ(name.substr(start.size() + 8), "), scores fp32_fma, table 1");
  EXPECT_EQ(name, cuda::conv_engine_name(session, plan, theirs, 32));
  EXPECT_NE(name, cuda::conv_engine_name(session, plan, theirs, 16)) << "other choices";
}

TEST_F(ConvTrain, RefusesWhatTheCpuRefuses) {
  data_ = testing::striped_set(4, 3, 24, 6);  // one position in the last stage
  ConvMemberSpec spec = member(9, 2, 8);
  EXPECT_THROW(on_gpu({spec}), Error) << "a batch of one image, one value per channel";
  spec.batches = BatchRule::fill_last;
  spec.train.back() = 24;
  EXPECT_THROW(on_gpu({spec}), Error) << "a row that is not there";
  EXPECT_EQ(gpu::fake_gpu().leaked, 0);
}

TEST_F(ConvTrain, ADivergedMemberIsAResult) {
  std::vector<ConvMemberSpec> members = {member(4, 2, 7), member(4, 2, 8)};
  for (ConvMemberSpec& m : members) m.precision = ConvPrecision::bf16;
  members[0].lr = 1e30;
  members[0].schedule = LrSchedule::constant;
  const std::vector<ConvMemberResult> got = on_gpu(members);
  EXPECT_TRUE(got[0].diverged);
  EXPECT_FALSE(got[1].diverged);
  EXPECT_EQ(got[1].diverged_epoch, -1);
}

}  // namespace
}  // namespace quarry
