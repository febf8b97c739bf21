// SPDX-License-Identifier: MIT
// quarry run as a person uses it: killed and started again, stopped by signals, started twice, fed nonsense.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "quarry/core/rng.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree.h"

extern char** environ;

namespace quarry {

using test::ProgramResult;
using test::run_program;
using test::TempDir;

namespace {

constexpr const char* kStudy = R"(
study = "killed"
[run]
seed = [0, 1]
[data]
name = "moons"
[pool]
n_initial = 12
[acquisition]
strategy = ["entropy", "badge"]
budget = 4
[training]
epochs = 40
[search]
mode = "online_dynamic"
trials = 4
startup_trials = 2
folds = 3
depth_high = 2
)";

std::vector<std::string> run_arguments(const std::string& config, const std::string& out) {
  return {"run", config, "--out", out, "--quiet", "--device", "cpu", "--workers", "1"};
}

/// A `quarry run` in the background.
pid_t start(const std::string& config, const std::string& out) {
  std::vector<std::string> words = run_arguments(config, out);
  words.insert(words.begin(), QUARRY_PROGRAM);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  EXPECT_EQ(posix_spawn(&child, QUARRY_PROGRAM, nullptr, nullptr, argv.data(), environ), 0);
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

std::map<std::string, std::string> contract_files(const std::string& out) {
  return test::contract_files(test::read_tree(out + "/killed"));
}

/// Waits for a file that a program in the background writes; its neighbours come and go meanwhile.
void wait_for_file(const std::string& path) {
  for (int i = 0; i < 60'000 && !std::filesystem::exists(path); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(std::filesystem::exists(path)) << path;
}

struct RunCommand : ::testing::Test {
  RunCommand() : config(dir.write("killed.toml", kStudy)) {}
  TempDir dir;
  std::string config;
};

TEST_F(RunCommand, KilledAtThirtyRandomMomentsEndsInTheSameBytes) {
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(run_program(QUARRY_PROGRAM, run_arguments(config, dir / "whole")).exit_code, 0);
  std::chrono::duration<double> whole = std::chrono::steady_clock::now() - begin;
  const auto expected = contract_files(dir / "whole");
  ASSERT_TRUE(expected.contains("results.csv"));

  int kills = 0;
  for (std::uint64_t round = 0; kills < 30; ++round) {
    ASSERT_LT(round, 300u) << "only " << kills << " kills landed";
    const std::string out = dir / ("killed-" + std::to_string(round / 6));  // up to six kills on one folder
    const pid_t child = start(config, out);
    std::this_thread::sleep_for(whole * random_uniform(stream_key(1, RngPurpose::data), round) * 0.7);
    ::kill(child, SIGKILL);
    const int status = wait_for(child);
    kills += WIFSIGNALED(status);
    if (!WIFSIGNALED(status)) whole *= 0.7;  // the machine was busier when the whole run was timed
    if (round % 6 == 5 || !WIFSIGNALED(status)) {
      ASSERT_EQ(run_program(QUARRY_PROGRAM, run_arguments(config, out)).exit_code, 0);
      ASSERT_EQ(contract_files(out), expected) << "round " << round;
    }
  }
}

TEST_F(RunCommand, ASignalStopsItCleanlyAndItContinues) {
  ASSERT_EQ(run_program(QUARRY_PROGRAM, run_arguments(config, dir / "whole")).exit_code, 0);
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string out = dir / ("signal-" + std::to_string(signal));
    const pid_t child = start(config, out);
    wait_for_file(out + "/killed/environment.json");  // the runs begin
    ::kill(child, signal);
    const int status = wait_for(child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
    ASSERT_EQ(run_program(QUARRY_PROGRAM, run_arguments(config, out)).exit_code, 0);
    EXPECT_EQ(contract_files(out), contract_files(dir / "whole"));
  }
}

TEST_F(RunCommand, ShardsReportedTogetherGiveTheResultsOfTheWhole) {
  ASSERT_EQ(run_program(QUARRY_PROGRAM, run_arguments(config, dir / "whole")).exit_code, 0);
  for (const std::string shard : {"1/2", "2/2"}) {
    std::vector<std::string> arguments = run_arguments(config, dir / "shards");
    arguments.insert(arguments.end(), {"--shard", shard});
    ASSERT_EQ(run_program(QUARRY_PROGRAM, arguments).exit_code, 0);
  }
  const ProgramResult report = run_program(
      QUARRY_PROGRAM,
      {"report", dir / "shards/killed.shard-2-of-2", dir / "shards/killed.shard-1-of-2", "--out", dir / "report"});
  ASSERT_EQ(report.exit_code, 0) << report.err;
  EXPECT_EQ(test::slurp(dir / "report/tables/results.csv"), test::slurp(dir / "whole/killed/results.csv"));
}

TEST_F(RunCommand, AShardWithoutRunsSaysSo) {
  const ProgramResult result =
      run_program(QUARRY_PROGRAM, {"run", config, "--out", dir / "out", "--device", "cpu", "--shard", "5/9"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "shard 5/9 has no runs: the study has 4 in all\n");
  EXPECT_TRUE(test::read_tree(dir / "out").empty());
}

TEST_F(RunCommand, ASecondProcessOnTheFolderIsRefused) {
  const std::string out = dir / "shared";
  const pid_t first = start(config, out);
  wait_for_file(out + "/killed/config.toml");
  const ProgramResult second = run_program(QUARRY_PROGRAM, run_arguments(config, out));
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.err.find(std::to_string(first)), std::string::npos) << second.err;  // names the holder
  const int status = wait_for(first);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(RunCommand, PlanStopsBeforeAnyWork) {
  const ProgramResult plan = run_program(QUARRY_PROGRAM, {"run", config, "--out", dir / "plan", "--plan"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_NE(plan.out.find("fits"), std::string::npos) << plan.out;
  const ProgramResult half =
      run_program(QUARRY_PROGRAM, {"run", config, "--out", dir / "plan", "--plan", "--shard", "1/2", "--fleet", "1"});
  EXPECT_EQ(half.exit_code, 0) << half.err;
  EXPECT_NE(half.out.find("shard 1 of 2: 2 runs"), std::string::npos) << half.out;
  EXPECT_NE(half.out.find("Packing: 1 of 2 runs"), std::string::npos) << half.out;
  EXPECT_NE(half.out.find("on this CPU, "), std::string::npos) << half.out;
  EXPECT_TRUE(test::read_tree(dir / "plan").empty());
}

TEST_F(RunCommand, WhatLooksLikeAMistakeIsSaidOnceAndTheRunGoesOn) {
  std::string rows = "x,y,k\n";
  for (int i = 0; i < 40; ++i)
    rows += std::to_string(i) + "," + std::to_string(i * i % 7) + "," + (i % 2 ? "a\n" : "b\n");
  const std::string csv = dir.write("twice.csv", rows);
  std::vector<std::string> arguments = {
      "run",
      dir.write("own.toml", "[data]\nname = \"file\"\npath = \"" + csv + "\"\ntest_path = \"" + csv +
                                "\"\nlabel = 2\n[acquisition]\nbudget = 1\n[training]\nepochs = 2\n"),
      "--out",
      dir / "own",
      "--set",
      "search.trials=3",
      "--device",
      "cpu"};
  for (const char* more : {"--plan", "--json"}) {
    std::vector<std::string> command = arguments;
    command.push_back(more);
    const ProgramResult result = run_program(QUARRY_PROGRAM, command);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    for (const char* text : {"twice.csv: data.path and data.test_path have the same contents", "no search runs"}) {
      const std::size_t at = result.err.find(text);
      EXPECT_NE(at, std::string::npos) << result.err;
      EXPECT_EQ(result.err.find(text, at + 1), std::string::npos) << result.err;
    }
  }
  arguments.push_back("--quiet");
  EXPECT_EQ(run_program(QUARRY_PROGRAM, arguments).err, "");
}

TEST_F(RunCommand, BadInputEndsWithTheRightCodeAndWritesNothing) {
  struct Case {
    std::vector<std::string> arguments;
    int exit_code;
    std::string says;
  };
  const std::string out = dir / "bad";
  const std::string unknown = dir.write("unknown.toml", "[acquisition]\nstratgy = \"random\"\n");
  const std::string ill_typed = dir.write("type.toml", "[acquisition]\nbudget = \"many\"\n");
  const std::string broken = dir.write("broken.toml", "[acquisition\nbudget = 3\n");
  const std::string csv = dir.write("one_class.csv", "x,y,label\n1,2,a\n3,4,a\n5,6,a\n");
  const std::string one_class = dir.write(
      "one_class.toml", "[data]\nname = \"file\"\npath = \"" + csv + "\"\nlabel = \"label\"\n[pool]\nn_initial = 2\n");
  std::string too_wide = "model.hidden=[65536";  // terabytes
  for (int i = 1; i < 32; ++i) too_wide += ", 65536";
  too_wide += "]";
  const Case cases[] = {
      {{"run", dir / "missing.toml"}, 2, "missing.toml"},
      {{"run", dir.path()}, 2, "a directory"},
      {{"run", unknown}, 2, "unknown.toml:2:1"},
      {{"run", unknown}, 2, "strategy"},
      {{"run", ill_typed}, 2, "type.toml:2:"},
      {{"run", broken}, 2, "broken.toml:1"},
      {{"run", one_class}, 1, "class"},
      {{"run", config, "--set", "acquisition.budget=10000"}, 2, "budget"},
      {{"run", config, "--set", "acquisition.strategy=entropi"}, 2, "entropy"},
      {{"run", config, "--set", "nonsense"}, 2, "nonsense"},
      {{"run", config, "--shard", "3/2"}, 2, "--shard"},
      {{"run", config, "--shard", "7/2", "--plan"}, 2, "--shard 7/2"},
      {{"run", config, "--shard", "0/2", "--plan"}, 2, "--shard 0/2"},
      {{"run", config, "--set", too_wide, "--set", "search.mode=fixed"}, 2, " bytes of memory to train"},
      {{"run", config, "--set", too_wide, "--set", "search.mode=fixed", "--plan"}, 2, "model.hidden"},
      {{"run", config, "--device", "cuda:0"}, 3, "cuda"},
      {{"run", config, "--device", "tpu"}, 2, "tpu"},
  };
  for (const Case& c : cases) {
    std::vector<std::string> arguments = c.arguments;
    arguments.insert(arguments.end(), {"--out", out});
    const ProgramResult result = run_program(QUARRY_PROGRAM, arguments);
    EXPECT_EQ(result.exit_code, c.exit_code) << result.err;
    EXPECT_NE(result.err.find(c.says), std::string::npos) << "expected '" << c.says << "' in: " << result.err;
    EXPECT_TRUE(test::read_tree(out).empty()) << result.err;
  }
}

TEST_F(RunCommand, AnOutputFolderThatCannotBeWrittenIsNamed) {
  const std::string file = dir.write("a_file", "");
  const ProgramResult result = run_program(QUARRY_PROGRAM, run_arguments(config, file + "/out"));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("a_file"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace quarry
