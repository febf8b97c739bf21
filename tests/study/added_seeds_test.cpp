// SPDX-License-Identifier: MIT
// Seeds may be added to a study: in the end every byte is that of the study with all of them from the start, also if
// the process is killed or loses power on the way. Nothing else may change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>

#include "quarry/study/config_difference.h"
#include "quarry/study/runner.h"
#include "tests/study/ended_study.h"

namespace quarry {

using test::contract_files;
using test::end_at_every_call;
using test::FaultyFileSystem;
using test::run;
using test::undisturbed_files;
using ::testing::HasSubstr;

namespace {

StudyConfig study_of(const std::string& seeds, std::vector<std::string> more = {}) {
  more.push_back("run.seed=" + seeds);
  return parse_study(R"(
study = "tiny"
[data]
name = "blobs"
[pool]
n_initial = 8
[acquisition]
strategy = ["margin", "coreset"]
budget = 2
[training]
epochs = 2
)",
                     "tiny.toml", more);
}

/// The refusal of `study` in the folder; it must change nothing.
std::string refusal(FaultyFileSystem& files, const StudyConfig& study, std::int32_t shard = 1,
                    std::int32_t shards = 1) {
  const auto before = contract_files(files);
  std::string message;
  try {
    run(files, study, shard, shards);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    message = error.what();
  }
  EXPECT_EQ(contract_files(files), before);
  return message;
}

TEST(AddedSeeds, GiveTheBytesOfAllSeedsFromTheStart) {
  for (const char* seeds : {"0..4", "[4, 1, 0, 7]", "[1, 0]"}) {
    SCOPED_TRACE(seeds);
    FaultyFileSystem files;
    run(files, study_of("0..1"));
    const auto before = contract_files(files);
    const RunSummary summary = run(files, study_of(seeds));
    EXPECT_EQ(summary.resumed, 4) << "the runs that were there stay";
    EXPECT_EQ(contract_files(files), undisturbed_files(study_of(seeds)));
    EXPECT_NE(contract_files(files), before);
  }
}

/// Ends the process at every call of the study that adds a seed.
std::int64_t end_while_adding(void (*restart)(test::SimulatedDisk& disk, std::int64_t n)) {
  const StudyConfig few = study_of("1");
  return end_at_every_call(restart, study_of("[2, 1]"), &few);
}

TEST(AddedSeeds, KilledAtEveryCall) {
  EXPECT_GT(end_while_adding([](test::SimulatedDisk& disk, std::int64_t) { disk.restart_after_kill(); }), 15);
}

TEST(AddedSeeds, PowerCutAtEveryCall) {
  EXPECT_GT(end_while_adding([](test::SimulatedDisk& disk, std::int64_t n) {
              disk.restart_after_power_cut(static_cast<std::uint64_t>(n));
            }),
            15);
}

TEST(AddedSeeds, OldResultsAreNotThereWhileJournalsGrow) {
  FaultyFileSystem files;
  run(files, study_of("0..1"));
  std::atomic<bool> stop = true;
  RunOptions options;
  options.out = "/out";
  options.workers = 1;
  options.progress = ProgressMode::quiet;
  options.stop = &stop;
  EXPECT_TRUE(run_study(files, study_of("0..2"), options).interrupted);
  EXPECT_FALSE(files.exists("/out/tiny/results.csv"));
  run(files, study_of("0..2"));
  EXPECT_EQ(contract_files(files), undisturbed_files(study_of("0..2")));
}

TEST(AddedSeeds, SeedsWithRunsStay) {
  FaultyFileSystem files;
  run(files, study_of("0..1"));
  const std::string message = refusal(files, study_of("1..3"));
  EXPECT_THAT(message, HasSubstr("/out/tiny holds a run of seed 0, which run.seed = \"1..3\" leaves out"));
  EXPECT_THAT(message, HasSubstr("add 0 to run.seed"));
  for (const char* strategy : {"margin", "coreset"})
    files.remove("/out/tiny/runs/blobs__" + std::string(strategy) + "__fixed__n8__v0.25__s0/journal.jsonl");
  run(files, study_of("1..3"));  // nothing of seed 0 is left
  EXPECT_EQ(contract_files(files), undisturbed_files(study_of("1..3")));
}

TEST(AddedSeeds, NothingElseMayChange) {
  FaultyFileSystem files;
  run(files, study_of("0..1"));
  EXPECT_THAT(refusal(files, study_of("0..2", {"acquisition.budget=3", "training.epochs=3"})),
              HasSubstr("acquisition.budget is 2 there and 3 here"));
  EXPECT_THAT(refusal(files, study_of("0..1", {"acquisition.strategy=margin"})),
              HasSubstr("acquisition.strategy is [\"margin\", \"coreset\"] there and \"margin\" here"));
}

TEST(AddedSeeds, NotWhereTheyAreTiedToAnotherKey) {
  const std::vector<std::string> tied = {"together=\"run.seed, model.lr\"", "model.lr=[0.1, 0.2]"};
  FaultyFileSystem files;
  run(files, study_of("[0, 1]", tied));
  EXPECT_THAT(refusal(files, study_of("[1, 0]", tied)), HasSubstr("run.seed is [0, 1] there and [1, 0] here"));
}

TEST(AddedSeeds, InAShardOnlyWhereItsRunsStayItsOwn) {
  FaultyFileSystem files;
  run(files, study_of("0..1"), 1, 2);
  EXPECT_THAT(refusal(files, study_of("0..2"), 1, 2), HasSubstr("which another shard would have"));
  run(files, study_of("0..3"), 1, 2);
  FaultyFileSystem other;
  run(other, study_of("0..3"), 1, 2);
  EXPECT_EQ(contract_files(files), contract_files(other));
}

TEST(Shards, WithoutRunsWriteNothing) {
  FaultyFileSystem files;
  EXPECT_EQ(run(files, study_of("0..1"), 5, 9).runs, 0);
  EXPECT_TRUE(files.disk().files().empty());
}

TEST(ConfigDifference, TheFirstOtherThanTheSeeds) {
  EXPECT_FALSE(first_difference(study_of("0..3"), study_of("[0, 1, 2, 3]")));
  const auto seeds = first_difference(study_of("0..3"), study_of("5"));
  ASSERT_TRUE(seeds);
  EXPECT_EQ(seeds->key, "run.seed");
  EXPECT_EQ(seeds->first, "\"0..3\"");
  EXPECT_EQ(seeds->second, "5");
  EXPECT_TRUE(differ_in_seeds_alone(study_of("0..3"), study_of("5")));
  const StudyConfig other = study_of("5", {"study=other"});
  EXPECT_EQ(first_difference(study_of("0"), other)->key, "study");
  EXPECT_FALSE(differ_in_seeds_alone(study_of("0"), other));
  EXPECT_EQ(seeds_of(study_of("[3, 1]")), (std::vector<std::int64_t>{3, 1}));
  EXPECT_EQ(with_seeds(study_of("7"), std::vector<std::int64_t>{0, 1, 2}, "tiny.toml").resolved,
            study_of("0..2").resolved);
}

}  // namespace
}  // namespace quarry
