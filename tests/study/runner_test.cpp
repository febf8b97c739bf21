// SPDX-License-Identifier: MIT
// Same seed, same bytes: whatever the fleet, the workers, the SIMD level, the shards, or a stop in between.
#include "quarry/study/runner.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "quarry/study/journal.h"
#include "quarry/study/results.h"
#include "src/study/failed_runs.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree.h"

namespace quarry {
using test::read_tree;
using test::TempDir;

namespace {

constexpr const char* kSmallStudy = R"(
study = "small"
[output]
networks = "final"
[run]
seed = [3, 4]
[data]
name = "moons"
[pool]
n_initial = 12
[acquisition]
strategy = ["entropy", "bald", "badge"]
budget = 2
mc_passes = 5
[training]
epochs = 6
[search]
mode = ["constant_initial", "online_static", "online_dynamic"]
trials = 4
startup_trials = 2
folds = 3
depth_high = 2
width_high = 6
)";

StudyConfig small_study(std::vector<std::string> overrides = {}) {
  return parse_study(kSmallStudy, "small.toml", overrides);
}

RunOptions quiet(const std::string& out) {
  RunOptions options;
  options.out = out;
  options.workers = 2;
  options.progress = ProgressMode::quiet;
  return options;
}

std::map<std::string, std::string> contract_files(const std::string& directory) {
  return test::contract_files(read_tree(directory));
}

std::map<std::string, std::string> run_fresh(const StudyConfig& study, RunOptions options) {
  const TempDir out;
  options.out = out.path();
  run_study(posix_file_system(), study, options);
  return contract_files(study_directory(out.path(), study.study, options.shard, options.shards));
}

TEST(Runner, BytesDoNotDependOnFleetOrWorkers) {
  const StudyConfig study = small_study();
  ASSERT_EQ(study.runs.size(), 18u);
  const auto expected = run_fresh(study, quiet(""));
  ASSERT_TRUE(expected.contains("results.csv"));
  ASSERT_EQ(expected.size(), 2 + 18 * 2u);  // config, results; a journal and a network for each run
  for (const std::int32_t fleet : {1, 5}) {
    for (const std::int32_t workers : {1, 4}) {
      RunOptions options = quiet("");
      options.fleet = fleet;
      options.workers = workers;
      EXPECT_EQ(run_fresh(study, options), expected) << "fleet " << fleet << ", workers " << workers;
    }
  }
}

/// Runs whose selections train networks, on rows of their own.
StudyConfig keychain_study() {
  return small_study({"acquisition.strategy=[keychain, keychain_naive, keychain_autoencoder]",
                      "search.mode=[fixed, online_static]", "acquisition.keychain_passes=4",
                      "acquisition.keychain_capacity=2", "acquisition.keychain_trials=5",
                      "acquisition.keychain_repeats=3", "acquisition.keychain_ae_trials=3"});
}

TEST(Runner, BytesOfAKeychainDoNotDependOnFleetWorkersOrAStop) {
  const StudyConfig study = keychain_study();
  ASSERT_EQ(study.runs.size(), 12u);
  const auto expected = run_fresh(study, quiet(""));
  for (const std::int32_t fleet : {1, 5}) {
    RunOptions options = quiet("");
    options.fleet = fleet;
    options.workers = fleet == 1 ? 4 : 1;
    EXPECT_EQ(run_fresh(study, options), expected) << "fleet " << fleet;
  }
  const TempDir out;
  std::atomic<bool> stop{true};
  RunOptions options = quiet(out.path());
  options.stop = &stop;
  EXPECT_TRUE(run_study(posix_file_system(), study, options).interrupted);
  stop = false;
  run_study(posix_file_system(), study, options);
  EXPECT_EQ(contract_files(out.path() + "/small"), expected);
}

TEST(Runner, BytesDoNotDependOnTheSimdLevel) {
  for (const StudyConfig& study : {small_study({"run.seed=3"}), keychain_study()}) {
    const auto expected = run_fresh(study, quiet(""));
    for (const char* level : {"portable", "avx2", "avx512"}) {
      setenv("QUARRY_SIMD", level, 1);
      bool available = true;
      try {
        simd_level();
      } catch (const Error&) {
        available = false;
      }
      if (available) {
        EXPECT_EQ(run_fresh(study, quiet("")), expected) << level;
      }
      unsetenv("QUARRY_SIMD");
    }
  }
}

TEST(Runner, ShardsTogetherAreTheWhole) {
  const StudyConfig study = small_study();
  const auto whole = run_fresh(study, quiet(""));
  std::map<std::string, std::string> parts;
  for (const std::int32_t shard : {1, 2}) {
    RunOptions options = quiet("");
    options.shard = shard;
    options.shards = 2;
    for (auto& [name, bytes] : run_fresh(study, options)) {
      if (name == "config.toml") {
        EXPECT_EQ(bytes, whole.at(name));
      } else if (name != "results.csv") {
        EXPECT_TRUE(parts.emplace(name, std::move(bytes)).second) << name << " in both shards";
      }
    }
  }
  auto expected = whole;
  expected.erase("config.toml");
  expected.erase("results.csv");
  EXPECT_EQ(parts, expected);
}

TEST(Runner, RepeatingAFinishedStudyChangesNothing) {
  const TempDir out;
  const StudyConfig study = small_study({"run.seed=3"});
  run_study(posix_file_system(), study, quiet(out.path()));
  const auto before = contract_files(out.path() + "/small");
  const RunSummary again = run_study(posix_file_system(), study, quiet(out.path()));
  EXPECT_EQ(again.resumed, again.runs);
  EXPECT_EQ(contract_files(out.path() + "/small"), before);
}

TEST(Runner, RefusesAnotherConfigInTheSameFolder) {
  const TempDir out;
  run_study(posix_file_system(), small_study({"run.seed=3"}), quiet(out.path()));
  const auto before = contract_files(out.path() + "/small");
  try {
    run_study(posix_file_system(), small_study({"run.seed=3", "search.trials=5"}), quiet(out.path()));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("another config: search.trials is 4 there and 5 here"), std::string::npos)
        << error.what();
  }
  EXPECT_EQ(contract_files(out.path() + "/small"), before);
}

TEST(Runner, RefusesABudgetBeyondThePoolBeforeWritingAnything) {
  const TempDir out;
  EXPECT_THROW(run_study(posix_file_system(), small_study({"acquisition.budget=469"}), quiet(out.path())), Error);
  EXPECT_TRUE(read_tree(out.path()).empty());
}

TEST(Runner, AStopFlagEndsCleanlyAndTheStudyContinues) {
  const StudyConfig study = small_study({"run.seed=3"});
  const auto expected = run_fresh(study, quiet(""));
  const TempDir out;
  std::atomic<bool> stop{true};
  RunOptions options = quiet(out.path());
  options.stop = &stop;
  const RunSummary stopped = run_study(posix_file_system(), study, options);
  EXPECT_TRUE(stopped.interrupted);
  EXPECT_LT(stopped.finished, stopped.runs);
  stop = false;
  const RunSummary finished = run_study(posix_file_system(), study, options);
  EXPECT_FALSE(finished.interrupted);
  EXPECT_EQ(contract_files(out.path() + "/small"), expected);
}

TEST(Runner, RunsThatFailedOnADeviceAreLeftOutUntilTheNextCall) {
  const StudyConfig study = small_study();
  const TempDir out;
  const std::string directory = study_directory(out.path(), study.study, 1, 1);
  posix_file_system().make_directories(directory);
  add_failed_run(posix_file_system(), directory, study.runs[1].id, "GPU: an illegal address");
  RunOptions options = quiet(out.path());
  options.takes_over = true;
  const RunSummary summary = run_study(posix_file_system(), study, options);
  EXPECT_EQ(summary.failed, 1);
  EXPECT_EQ(summary.finished, static_cast<std::int64_t>(study.runs.size()) - 1);
  EXPECT_FALSE(read_tree(directory).contains("runs/" + study.runs[1].id + "/journal.jsonl"));
  EXPECT_TRUE(read_tree(directory).contains("runs/" + study.runs[2].id + "/journal.jsonl"));

  const RunSummary again = run_study(posix_file_system(), study, quiet(out.path()));
  EXPECT_EQ(again.failed, 0);
  EXPECT_FALSE(read_tree(directory).contains("failed_runs.txt"));
  EXPECT_EQ(contract_files(directory), run_fresh(study, quiet("")));
}

TEST(Runner, ARunAloneGivesTheSameBytes) {
  const StudyConfig study = small_study({"acquisition.strategy=entropy"});
  RunOptions alone = quiet("");
  alone.alone = true;
  EXPECT_EQ(run_fresh(study, alone), run_fresh(study, quiet("")));
}

TEST(Runner, ADivergingRunIsKeptAndMarked) {
  const TempDir out;
  const StudyConfig diverging = small_study(
      {"run.seed=3", "search.mode=\"fixed\"", "model.lr=1000", "model.weight_decay=0.1", "training.epochs=40"});
  const RunSummary summary = run_study(posix_file_system(), diverging, quiet(out.path()));
  EXPECT_EQ(summary.finished, summary.runs);
  EXPECT_EQ(summary.diverged, summary.runs);
  const std::vector<ResultRow> rows =
      parse_results_csv(posix_file_system().read(out.path() + "/small/results.csv"), "results.csv");
  ASSERT_EQ(rows.size(), 3u * 3u);
  for (const ResultRow& row : rows) EXPECT_TRUE(row.diverged) << row.run << " iteration " << row.iteration;
}

TEST(Runner, EverythingLabelledGivesTheUpperBound) {
  const TempDir out;
  const StudyConfig study = small_study(
      {"run.seed=3", "pool.n_initial=-1", "acquisition.strategy=\"random\"", "search.mode=\"constant_initial\""});
  run_study(posix_file_system(), study, quiet(out.path()));
  const auto rows = parse_results_csv(posix_file_system().read(out.path() + "/small/results.csv"), "results.csv");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].iteration, -1);
  EXPECT_EQ(rows[0].len_lb, 480);
  EXPECT_EQ(rows[0].len_ulb, 0);
}

}  // namespace
}  // namespace quarry
