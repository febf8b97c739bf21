// SPDX-License-Identifier: MIT
// A study that is killed, loses power, or finds the disk full at any call whatsoever ends, when it is run again, in
// the bytes of an undisturbed one.
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <string>

#include "quarry/study/runner.h"
#include "tests/study/ended_study.h"

namespace quarry {

using test::contract_files;
using test::end_at_every_call;
using test::FaultyFileSystem;
using test::run;
using test::undisturbed_files;

namespace {

StudyConfig tiny_study() {
  return parse_study(R"(
study = "tiny"
[output]
networks = "every"
[data]
name = "blobs"
[pool]
n_initial = 8
[acquisition]
strategy = ["margin", "coreset"]
budget = 2
[training]
epochs = 3
[search]
mode = ["constant_initial", "online_dynamic"]
trials = 2
startup_trials = 1
folds = 2
depth_high = 1
width_high = 4
)",
                     "tiny.toml", {});
}

/// Selections with records of their own, and a replay buffer that outlives an iteration.
StudyConfig keychain_study() {
  return parse_study(R"(
study = "keychain"
[data]
name = "blobs"
[pool]
n_initial = 10
[acquisition]
strategy = ["keychain", "keychain_autoencoder"]
budget = 3
keychain_passes = 2
keychain_capacity = 2
keychain_trials = 2
keychain_repeats = 2
keychain_ae_trials = 2
[training]
epochs = 2
[search]
mode = ["fixed", "online_static"]
trials = 2
startup_trials = 1
depth_high = 1
width_high = 4
)",
                     "keychain.toml", {});
}

const std::map<std::string, std::string>& undisturbed() {
  static const auto files = undisturbed_files(tiny_study());
  return files;
}

TEST(RunnerFaults, ThereIsSomethingToCompare) {
  ASSERT_TRUE(undisturbed().contains("/out/tiny/results.csv"));
  EXPECT_EQ(undisturbed().size(), 2u + 4u * (1u + 3u));  // config, results; a journal and three networks for each run
}

TEST(RunnerFaults, KilledAtEveryCall) {
  EXPECT_GT(end_at_every_call([](test::SimulatedDisk& disk, std::int64_t) { disk.restart_after_kill(); }, tiny_study()),
            50);
}

TEST(RunnerFaults, KilledAtEveryCallBetweenTheSelectionsOfAKeychain) {
  const auto files = undisturbed_files(keychain_study());
  EXPECT_EQ(files.size(), 2u + 4u);
  EXPECT_GT(
      end_at_every_call([](test::SimulatedDisk& disk, std::int64_t) { disk.restart_after_kill(); }, keychain_study()),
      80);
}

TEST(RunnerFaults, PowerCutAtEveryCall) {
  EXPECT_GT(end_at_every_call([](test::SimulatedDisk& disk,
                                 std::int64_t n) { disk.restart_after_power_cut(static_cast<std::uint64_t>(n)); },
                              tiny_study()),
            50);
}

TEST(RunnerFaults, DiskFullAtEveryCallIsAnErrorAndLosesNothing) {
  for (std::int64_t n = 1;; n += 3) {
    FaultyFileSystem files;
    files.disk().fill_at(n);
    bool failed = false;
    try {
      run(files, tiny_study());
    } catch (const Error& error) {
      failed = true;
      EXPECT_NE(std::string(error.what()).find("/out"), std::string::npos) << error.what();
    }
    if (!files.disk().faulted()) break;
    EXPECT_TRUE(failed) << "full at call " << n << " went unnoticed";
    files.disk().restart_after_kill();
    run(files, tiny_study());
    ASSERT_EQ(contract_files(files), undisturbed()) << "full at call " << n;
  }
}

}  // namespace
}  // namespace quarry
