// SPDX-License-Identifier: MIT
// The array scripts of configs/slurm, with stand-ins for Slurm's own commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  const TempDir bin_, out_;
};

TEST_F(Slurm, ATaskRunsItsShard) {
  const ProgramResult result =
      bash("configs/slurm/study.sh", {"QUARRY=" QUARRY_PROGRAM, "STUDY=configs/smoke.toml", "SLURM_ARRAY_TASK_ID=2",
                                      "SLURM_ARRAY_TASK_COUNT=2", "OPTIONS=--quiet --out " + out_.path()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::exists(out_ / "smoke.shard-2-of-2/results.csv"));
}

TEST_F(Slurm, AFailingStudyFailsTheTask) {
  const ProgramResult result = bash("configs/slurm/study.sh", {"QUARRY=" QUARRY_PROGRAM, "STUDY=no_such_file.toml",
                                                               "SLURM_ARRAY_TASK_ID=1", "SLURM_ARRAY_TASK_COUNT=2"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(bash("configs/slurm/study.sh", {"SLURM_ARRAY_TASK_COUNT=2"}).err, HasSubstr("STUDY"));
}

TEST_F(Slurm, ATaskThatIsStoppedIsQueuedAgain) {
  script("scontrol", "echo \"$@\" > " + out_.path() + "/requeued\n");
  // A program that ends by the signal it gets, as quarry does after a clean stop.
  script("slow",
         "trap 'trap - TERM; kill -TERM $$' TERM\ntouch " + out_.path() + "/started\nwhile :; do sleep 0.05; done\n");
  const ProgramResult result = bash("configs/slurm/study.sh & task=$!; while [ ! -e " + out_.path() +
                                        "/started ]; do sleep 0.05; done; kill -TERM $task; wait $task",
                                    {"QUARRY=" + bin_.path() + "/slow", "STUDY=any", "SLURM_ARRAY_TASK_ID=7",
                                     "SLURM_ARRAY_TASK_COUNT=9", "SLURM_ARRAY_JOB_ID=123"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(read_file(out_ / "requeued"), "requeue 123_7\n");
}

TEST_F(Slurm, TheSearchWaitsForTheLearning) {
  script("sbatch", "echo \"$STUDY $@\" >> " + out_.path() + "/submitted\nwc -l < " + out_.path() + "/submitted\n");
  const ProgramResult result = bash("configs/slurm/hyperparameter_study.sh cifar100", {"LOGS=" + out_.path()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::string submitted = read_file(out_ / "submitted");
  EXPECT_THAT(submitted, HasSubstr("configs/hyperparameter_study/cifar100.toml --parsable"));
  EXPECT_THAT(submitted, HasSubstr("configs/hyperparameter_study/cifar100_search.toml"));
  EXPECT_THAT(submitted, HasSubstr("--dependency=afterok:1 "));
}

}  // namespace
}  // namespace quarry
