// SPDX-License-Identifier: MIT
// A GPU that fails: every code at every call, and in every piece of work. The failure is told with its call, its text
// and what to do; nothing is left behind; what can go on goes on, with the same bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "kernels/simt.h"
#include "quarry/nn/mlp_device.h"
#include "src/core/device_failure.h"
#include "tests/simt/fake_gpu.h"

namespace quarry {
namespace {

using gpu::Buffer;
using gpu::Failure;
using gpu::fake_gpu;
using gpu::Pinned;
using gpu::Session;
using testing::HasSubstr;

__global__ void add_index(float* values, int n) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (static_cast<int>(i) < n) values[i] += static_cast<float>(i);
}

/// Every kind of call once or more.
std::vector<float> every_kind_of_call() {
  Session session(0);
  const Buffer<float> device(session, 40), copy(session, 40);
  const Pinned<float> in(session, 40), out(session, 40);
  for (int i = 0; i < 40; ++i) in[static_cast<std::size_t>(i)] = 2;
  session.fill(device.data(), 0, 40 * sizeof(float));
  session.copy_in(device.data(), in.data(), 40 * sizeof(float));
  const auto graph = session.record([&] {
    gpu::launch(session, "add_index", {{2}, {32}}, &add_index, device.data(), 40);
    session.copy_within(copy.data(), device.data(), 40 * sizeof(float));
  });
  session.run(*graph);
  gpu::launch(session, "add_index", {{2}, {32}}, &add_index, copy.data(), 40);
  session.copy_out(out.data(), copy.data(), 40 * sizeof(float));
  const gpu::Mark mark = session.mark();
  while (!session.reached(mark)) {
  }
  session.wait(mark);
  session.synchronize();
  return {out.data(), out.data() + 40};
}

/// Two networks from upload to download.
std::vector<float> a_small_fleet() {
  Session session(0);
  std::vector<float> features(24);
  std::iota(features.begin(), features.end(), -9.0f);
  const std::vector<std::int32_t> labels = {0, 1, 1, 0, 1, 0, 0, 1};
  MlpData<float> data;
  data.features = matrix<const float>(features.data(), 8, 3);
  data.labels = labels;
  MemberSpec member;
  member.sizes = {3, 4, 2};
  member.train = {0, 1, 2, 3, 4, 5};
  member.validation = {6, 7};
  member.epochs = 2;
  std::vector<float> result;
  for (const MemberResult<float>& trained : cuda::train_fleet(session, data, std::vector<MemberSpec>{member, member}))
    result.insert(result.end(), trained.parameters.begin(), trained.parameters.end());
  return result;
}

struct Sequence {
  const char* name;
  std::vector<float> (*run)();
};
class GpuFaults : public testing::TestWithParam<Sequence> {
 protected:
  void SetUp() override { fake_gpu().reset(); }
  void TearDown() override { fake_gpu().reset(); }

  /// The failure of a run in which `arm` breaks something, checked for what every failure must have.
  void expect_failure(int code, const std::function<void()>& arm) {
    fake_gpu().reset();
    arm();
    try {
      GetParam().run();
      ADD_FAILURE() << "code " << code << " went unnoticed";
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), code);
      EXPECT_EQ(failure.kind(), ErrorKind::device);
      EXPECT_EQ(failure.sticky(), gpu::is_sticky(code));
      EXPECT_THAT(failure.what(), HasSubstr("error " + std::to_string(code) + "); "));  // and then what to do
    }
    EXPECT_EQ(fake_gpu().leaked, 0) << "code " << code;
    EXPECT_EQ(fake_gpu().in_use, 0u) << "code " << code;
  }
};

constexpr int kCodes[] = {1, gpu::kOutOfMemory, 35, 46, 100, 214, 226, 700, 702, 719};

TEST_P(GpuFaults, EveryCodeAtEveryCall) {
  const std::vector<float> expected = GetParam().run();
  const std::int64_t calls = fake_gpu().calls;
  ASSERT_GT(calls, 10);
  EXPECT_EQ(fake_gpu().leaked, 0);
  for (const int code : kCodes) {
    for (std::int64_t call = 1; call <= calls && !HasFailure(); ++call) {
      expect_failure(code, [&] {
        fake_gpu().fail_call = call;
        fake_gpu().fail_code = code;
      });
      if (gpu::is_sticky(code)) {
        EXPECT_THROW(GetParam().run(), Failure) << "a poisoned process went on";
      } else {
        EXPECT_EQ(GetParam().run(), expected) << "after code " << code << " at call " << call;
      }
    }
  }
}

TEST_P(GpuFaults, EveryPieceOfWorkThatFailsIsReportedLater) {
  GetParam().run();
  const std::int64_t work = fake_gpu().work;
  ASSERT_GT(work, 4);
  for (const int code : {214, 700, 719}) {
    for (std::int64_t piece = 1; piece <= work && !HasFailure(); ++piece) {
      expect_failure(code, [&] {
        fake_gpu().fail_work = piece;
        fake_gpu().fail_code = code;
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sequences, GpuFaults,
                         testing::Values(Sequence{"every_kind_of_call", every_kind_of_call},
                                         Sequence{"a_small_fleet", a_small_fleet}),
                         [](const auto& which) { return std::string(which.param.name); });

TEST(GpuFault, ASmallDeviceIsOutOfMemory) {
  fake_gpu().reset();
  fake_gpu().info.memory = 100;
  try {
    every_kind_of_call();
    ADD_FAILURE() << "40 floats in 100 bytes";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), gpu::kOutOfMemory);
    EXPECT_THAT(failure.what(), HasSubstr("--fleet"));
  }
  EXPECT_EQ(fake_gpu().leaked, 0);
  fake_gpu().reset();
}

TEST(GpuFault, WhatIsLeftBehindIsSeen) {
  fake_gpu().reset();
  {
    Session session(0);
    session.allocate(8);
    session.release(session.allocate(8));
    session.allocate_pinned(8);
    session.release_pinned(session.allocate_pinned(8));
  }
  EXPECT_EQ(fake_gpu().leaked, 2);
  fake_gpu().reset();
}

TEST(GpuFault, TheLastKernelsAreNamed) {
  fake_gpu().reset();
  fake_gpu().fail_work = 4;
  fake_gpu().fail_code = 700;
  try {
    every_kind_of_call();
    ADD_FAILURE() << "went unnoticed";
  } catch (const Failure& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("kernels launched last: "));
    EXPECT_THAT(failure.what(), HasSubstr("add_index"));
  }
  fake_gpu().reset();
}

}  // namespace
}  // namespace quarry
