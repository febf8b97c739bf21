// SPDX-License-Identifier: MIT
// `quarry run --device cuda` from end to end on a GPU that fails by plan (program/fault_plan.cpp): the worker process
// is replaced, and the study ends in the bytes of an undisturbed one on the CPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <sstream>
#include <string>
#include <thread>

#include "tests/support/program.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree.h"

namespace quarry::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kStudy = R"(
study = "tiny"
[run]
seed = [0, 1, 2]
[data]
name = "blobs"
[pool]
n_initial = 8
[acquisition]
strategy = "margin"
budget = 2
[training]
epochs = 2
[search]
mode = "constant_initial"
trials = 2
startup_trials = 1
folds = 2
depth_high = 1
width_high = 3
)";

struct FailingGpu : testing::Test {
  FailingGpu() : config(dir.write("tiny.toml", kStudy)) {}

  ProgramResult run(const std::string& out, const std::string& device, const std::string& faults,
                    const std::vector<std::string>& more = {}) {
    ProgramOptions options;
    options.environment = {"FAKE_GPU_FAULTS=" + dir.write("faults", faults), "QUARRY_WORKER"};
    std::vector<std::string> arguments = {"run", config, "--out", dir / out, "--device", device, "--workers", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(QUARRY_ON_FAKE_GPU, arguments, options);
  }
  std::map<std::string, std::string> files(const std::string& out) {
    return contract_files(read_tree(dir / (out + "/tiny")));
  }
  void expect_cpu_bytes(const std::string& out) {
    if (!std::filesystem::exists(dir / "cpu")) {
      ASSERT_EQ(run("cpu", "cpu", "").exit_code, 0);
    }
    EXPECT_TRUE(files(out) == files("cpu")) << out << " has other bytes than the CPU's";
  }

  TempDir dir;
  std::string config;
};

TEST_F(FailingGpu, AHealthyOneGivesTheBytesOfTheCpu) {
  for (const char* device : {"cuda", "auto"}) {
    const ProgramResult result = run(device, device, "");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("running on cuda:0: host threads, compute capability 9.0"));
    expect_cpu_bytes(device);
  }
}

TEST_F(FailingGpu, APoisonedWorkerIsReplaced) {
  int replaced = 0;
  for (int work = 0; work < 100; work += 11) {
    SCOPED_TRACE(work);
    const std::string out = "out" + std::to_string(work), piece = std::to_string(work);
    const ProgramResult result = run(out, "cuda", piece + " 700\n" + piece + " 702\n");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const bool failed = result.err.find("the study goes on from its journals in a new process") != std::string::npos;
    EXPECT_EQ(failed, result.err.find("quarry: error: GPU: ") != std::string::npos) << result.err;
    replaced += failed;
    expect_cpu_bytes(out);
  }
  EXPECT_GE(replaced, 5);
}

TEST_F(FailingGpu, ARunThatFailsAloneIsLeftOutAndTheOthersGoOn) {
  const ProgramResult result = run("out", "cuda", "3 700\n3 700\n3 700\n");
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("it is left out (failed_runs.txt)"));
  EXPECT_THAT(result.out, HasSubstr("1 of 3 runs were left out"));
  const auto with_note = read_tree(dir / "out/tiny");
  ASSERT_TRUE(with_note.contains("failed_runs.txt"));
  EXPECT_THAT(with_note.at("failed_runs.txt"), testing::MatchesRegex("blobs__margin__[^:]*__s0: GPU: .*700.*\n"));
  ASSERT_EQ(run("cpu", "cpu", "").exit_code, 0);
  for (const auto& [name, bytes] : files("cpu")) {
    if (name.find("__s0") != std::string::npos || name == "results.csv") continue;
    EXPECT_EQ(with_note.contains(name) ? with_note.at(name) : "missing", bytes) << name;
  }
  EXPECT_EQ(run("out", "cuda", "").exit_code, 0);  // the same command tries it again
  expect_cpu_bytes("out");
}

TEST_F(FailingGpu, ADeviceThatIsLostThreeTimesEndsTheStudy) {
  // The first child commits that the runs have begun.
  const ProgramResult result = run("out", "cuda", "3 214\n0 46\n0 46\n3 226\n");
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the same command continues"));
  EXPECT_THAT(result.err, Not(HasSubstr("left out")));
  EXPECT_EQ(run("out", "cuda", "").exit_code, 0);
  expect_cpu_bytes("out");
}

TEST_F(FailingGpu, SignalsEndParentAndWorkerAndTheStudyContinues) {
  const std::vector<std::string> longer = {"--set", "acquisition.budget=12"};  // more than is enqueued ahead
  ASSERT_EQ(run("cpu", "cpu", "", longer).exit_code, 0);
  for (const int signal : {SIGINT, SIGTERM, SIGKILL}) {
    SCOPED_TRACE(signal);
    const std::string out = "out" + std::to_string(signal);
    const ProgramResult stopped = run(out, "cuda", "1 -" + std::to_string(signal) + "\n", longer);
    EXPECT_EQ(stopped.signal, signal) << stopped.err;
    EXPECT_FALSE(std::filesystem::exists(dir / (out + "/tiny/results.csv")));
    ProgramResult again = run(out, "cuda", "", longer);
    for (int i = 0; i < 100 && again.exit_code == 1; ++i) {  // a killed worker holds the folder until it is gone
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      again = run(out, "cuda", "", longer);
    }
    EXPECT_EQ(again.exit_code, 0) << again.err;
    expect_cpu_bytes(out);
  }
}

TEST_F(FailingGpu, NotesAreSilentOrJsonAsAsked) {
  const ProgramResult json = run("json", "cuda", "3 700\n", {"--json"});
  EXPECT_EQ(json.exit_code, 0) << json.err;
  EXPECT_THAT(json.err, HasSubstr(R"({"event":"note","text":"the GPU failed; the study goes on)"));
  std::istringstream lines(json.err);
  for (std::string line; std::getline(lines, line);)
    EXPECT_TRUE(line.starts_with('{') || line.starts_with("quarry: error: ")) << line;
  const ProgramResult quiet = run("quiet", "cuda", "3 700\n", {"--quiet"});
  EXPECT_EQ(quiet.exit_code, 0) << quiet.err;
  EXPECT_THAT(quiet.err, testing::MatchesRegex("quarry: error: [^\n]*\n")) << "the failure itself, and no note";
  EXPECT_EQ(quiet.out, "");
}

TEST_F(FailingGpu, OtherErrorsAreNotRetried) {
  const ProgramResult memory = run("out", "cuda", "0 2\n");
  EXPECT_EQ(memory.exit_code, 3);
  EXPECT_THAT(memory.err, HasSubstr("out of memory"));
  EXPECT_THAT(memory.err, Not(HasSubstr("new process")));
  EXPECT_EQ(run("out", "cuda:1", "").exit_code, 3);
}

}  // namespace
}  // namespace quarry::test
