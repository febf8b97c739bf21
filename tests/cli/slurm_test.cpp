// SPDX-License-Identifier: MIT
// The array scripts of configs/slurm, with stand-ins for Slurm's own commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "quarry/core/file_system.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::ProgramOptions;
using test::ProgramResult;
using test::TempDir;
using testing::HasSubstr;

class Slurm : public testing::Test {
 protected:
  void script(const std::string& name, const std::string& text) {
    std::ofstream(bin_ / name) << "#!/bin/sh\n" << text;
    std::filesystem::permissions(bin_ / name, std::filesystem::perms::owner_all);
  }
  ProgramResult bash(const std::string& command, std::vector<std::string> environment) {
    ProgramOptions options;
    options.directory = QUARRY_SOURCE_DIR;
    options.environment = std::move(environment);
    options.environment.push_back("PATH=" + bin_.path() + ":/usr/bin:/bin");
    return test::run_program("/bin/bash", {"-c", command}, options);
  }
  /// A task whose program does `work` and runs on until the task gets the signal. It ends by SIGTERM, as quarry does
  /// after a clean stop.
  ProgramResult stopped(const std::string& signal, const std::string& work) {
    const std::string shard = out_ / "study.shard-7-of-9/runs/r0";
    std::filesystem::create_directories(shard);
    std::ofstream(shard + "/journal.jsonl") << "{}\n";
    std::filesystem::last_write_time(shard + "/journal.jsonl",
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
    script("scontrol", "echo \"$@\" > " + out_.path() + "/requeued\n");
    script("slow", "trap 'trap - TERM; kill -TERM $$' TERM\nsleep 0.05\n" + work + "\ntouch " + out_.path() +
                       "/started\nwhile :; do sleep 0.05; done\n");
    return bash("configs/slurm/study.sh & task=$!; while [ ! -e " + out_.path() +
                    "/started ]; do sleep 0.05; done; kill -" + signal + " $task; wait $task",
                {"QUARRY=" + bin_.path() + "/slow", "STUDY=any", "SLURM_ARRAY_TASK_ID=7", "SHARDS=9",
                 "OUT=" + out_.path(), "SLURM_ARRAY_JOB_ID=123"});
  }
  const TempDir bin_, out_;
};

TEST_F(Slurm, ATaskRunsItsShard) {
  const ProgramResult result =
      bash("configs/slurm/study.sh", {"QUARRY=" QUARRY_PROGRAM, "STUDY=configs/smoke.toml", "SLURM_ARRAY_TASK_ID=2",
                                      "SLURM_ARRAY_TASK_COUNT=1", "SHARDS=2", "OUT=" + out_.path(), "OPTIONS=--quiet"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::exists(out_ / "smoke.shard-2-of-2/results.csv"));
}

TEST_F(Slurm, AFailingStudyFailsTheTask) {
  const ProgramResult result = bash("configs/slurm/study.sh", {"QUARRY=" QUARRY_PROGRAM, "STUDY=no_such_file.toml",
                                                               "SLURM_ARRAY_TASK_ID=1", "OUT=" + out_.path()});
  EXPECT_EQ(result.exit_code, 2);  // that of quarry: the config is missing
  EXPECT_THAT(bash("configs/slurm/study.sh", {"SLURM_ARRAY_TASK_ID=1"}).err, HasSubstr("STUDY"));
}

TEST_F(Slurm, ATaskAtItsTimeLimitIsQueuedAgain) {
  const ProgramResult result = stopped("USR1", "touch " + out_.path() + "/study.shard-7-of-9/runs/r0/journal.jsonl");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(read_file(out_ / "requeued"), "requeue 123_7\n");
}

TEST_F(Slurm, ATaskThatCommitsNothingInItsTimeIsNotQueuedAgain) {
  const ProgramResult result = stopped("USR1", "true");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("--time"));
  EXPECT_FALSE(std::filesystem::exists(out_ / "requeued"));
}

TEST_F(Slurm, ATaskThatIsCancelledIsNotQueuedAgain) {
  const ProgramResult result = stopped("TERM", "touch " + out_.path() + "/study.shard-7-of-9/runs/r0/journal.jsonl");
  EXPECT_EQ(result.exit_code, 143) << result.err;
  EXPECT_FALSE(std::filesystem::exists(out_ / "requeued"));
}

TEST_F(Slurm, TheSearchWaitsForTheLearning) {
  script("sbatch",
         "echo \"$STUDY $@ $OPTIONS\" >> " + out_.path() + "/submitted\nwc -l < " + out_.path() + "/submitted\n");
  const ProgramResult result = bash("configs/slurm/hyperparameter_study.sh cifar100", {"OUT=" + out_.path()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::string submitted = read_file(out_ / "submitted");
  EXPECT_THAT(submitted, HasSubstr("configs/hyperparameter_study/cifar100.toml --parsable"));
  EXPECT_THAT(submitted, HasSubstr("configs/hyperparameter_study/cifar100_search.toml"));
  EXPECT_THAT(submitted, HasSubstr("--dependency=afterok:1 "));
  EXPECT_THAT(submitted, HasSubstr("--set pool.acquired=" + out_.path() + "/hyperparameter_cifar100"));
  EXPECT_EQ(bash("configs/slurm/hyperparameter_study.sh nothing", {}).exit_code, 2);
}

}  // namespace
}  // namespace quarry
