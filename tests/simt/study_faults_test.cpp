// SPDX-License-Identifier: MIT
// A whole tiny study on a GPU that fails at every call and in every piece of work, each time with another code: it is
// told, nothing leaks, and the study continues to the bytes of the CPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "quarry/study/runner.h"
#include "src/core/device_failure.h"
#include "tests/simt/fake_gpu.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/tree.h"

namespace quarry {

using gpu::fake_gpu;
using test::FaultyFileSystem;

namespace {

constexpr const char* kStudy = R"(
study = "tiny"
[run]
seed = [0, 1]
[data]
name = "blobs"
pool_limit = 30
[pool]
n_initial = 8
[acquisition]
strategy = "margin"
budget = 1
[training]
epochs = 1
[search]
mode = "constant_initial"
trials = 2
startup_trials = 1
folds = 2
depth_high = 1
width_high = 3
)";

constexpr int kCodes[] = {700, 1, 46, gpu::kOutOfMemory, 719, 214, 35, 702, 226, 100};

RunSummary run(FaultyFileSystem& files, DeviceKind kind, bool alone = false) {
  RunOptions options;
  options.out = "/out";
  options.device.kind = kind;
  options.workers = 1;
  options.progress = ProgressMode::quiet;
  options.takes_over = options.alone = alone;
  return run_study(files, parse_study(kStudy, "tiny.toml", {}), options);
}

std::map<std::string, std::string> contract_files(FaultyFileSystem& files) {
  return test::contract_files(files.disk().files());
}

class StudyFaults : public testing::Test {
 protected:
  StudyFaults() {
    fake_gpu().reset();
    FaultyFileSystem cpu, gpu;
    run(cpu, DeviceKind::cpu);
    expected_ = contract_files(cpu);
    run(gpu, DeviceKind::cuda);
    calls_ = fake_gpu().calls;
    work_ = fake_gpu().work;
    EXPECT_EQ(contract_files(gpu), expected_);
    EXPECT_EQ(fake_gpu().leaked, 0);
  }
  ~StudyFaults() override { fake_gpu().reset(); }

  /// Fails with the code that `arm` set, is told, and continues.
  void fail_and_continue(int code, const std::function<void()>& arm) {
    FaultyFileSystem files;
    fake_gpu().reset();
    fake_gpu().fail_code = code;
    arm();
    try {
      run(files, DeviceKind::cuda);
      ADD_FAILURE() << "went unnoticed";
    } catch (const gpu::Failure& failure) {
      EXPECT_EQ(failure.code(), code);
      EXPECT_EQ(failure.sticky(), gpu::is_sticky(code));
      EXPECT_EQ(failure.exit_code(), 3);
    }
    EXPECT_EQ(fake_gpu().leaked, 0);
    EXPECT_EQ(fake_gpu().in_use, 0u);
    fake_gpu().reset();
    run(files, DeviceKind::cuda);
    EXPECT_EQ(contract_files(files), expected_);
  }

  std::map<std::string, std::string> expected_;
  std::int64_t calls_ = 0, work_ = 0;
};

TEST_F(StudyFaults, AnotherCodeAtEveryCall) {
  ASSERT_GT(calls_, 50);
  for (std::int64_t call = 1; call <= calls_ && !HasFailure(); ++call) {
    SCOPED_TRACE(call);
    fail_and_continue(kCodes[call % 10], [&] { fake_gpu().fail_call = call; });
  }
}

TEST_F(StudyFaults, InEveryPieceOfWork) {
  ASSERT_GT(work_, 20);
  for (std::int64_t piece = 1; piece <= work_ && !HasFailure(); ++piece) {
    SCOPED_TRACE(piece);
    fail_and_continue(piece % 2 == 0 ? 700 : 719, [&] { fake_gpu().fail_work = piece; });
  }
}

TEST_F(StudyFaults, ARunThatGetsNowhereAloneIsRecordedAndLeftOut) {
  const auto failed_runs = [](int code) {
    FaultyFileSystem files;
    fake_gpu().reset();
    fake_gpu().fail_work = 3;
    fake_gpu().fail_code = code;
    EXPECT_THROW(run(files, DeviceKind::cuda, true), gpu::Failure);
    fake_gpu().reset();
    const RunSummary others = run(files, DeviceKind::cuda, true);
    EXPECT_EQ(others.finished + others.failed, 2);
    return others.failed;
  };
  EXPECT_EQ(failed_runs(700), 1);
  EXPECT_EQ(failed_runs(719), 1);
  EXPECT_EQ(failed_runs(214), 0) << "the device was lost: no run is to blame";
  EXPECT_EQ(failed_runs(gpu::kOutOfMemory), 0) << "the process can go on by itself";
}

}  // namespace
}  // namespace quarry
