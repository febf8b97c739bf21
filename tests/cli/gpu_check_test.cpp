// SPDX-License-Identifier: MIT
// scripts/gpu_check.sh, with stand-ins for the GPU and for the programs that run on it.
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

namespace fs = std::filesystem;
using test::ProgramOptions;
using test::ProgramResult;
using test::TempDir;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class GpuCheck : public testing::Test {
 protected:
  /// A copy of what the script reads, with programs that were built from these kernels.
  void SetUp() override {
    fs::create_directories(tree_ / "scripts");
    fs::create_directories(tree_ / "tests/gpu");
    for (const char* script : {"gpu_check.sh", "kernel_proofs.sh"})
      fs::copy(QUARRY_SOURCE_DIR "/scripts/" + std::string(script), tree_ / "scripts");
    for (const char* part : {"kernels", "src", "include", "configs"})
      fs::create_directory_symlink(QUARRY_SOURCE_DIR "/" + std::string(part), tree_ / part);
    program("bin/nvidia-smi", "case $1 in *name,*) echo 'Model 3, 1.0, 1 MiB';; *) echo 'Model 3';; esac");
    gpu_tests("echo 21 cases x 1, 0 failed");
    quarry("");
    sh("scripts/kernel_proofs.sh --hashes > bundle/programs/hashes");
    std::ofstream(tree_ / "bundle/programs/configure.log")
        << "-- quarry: CUDA backend ON (nvcc 13.0, architectures 90a-real)\n-- quarry: cuDNN ON (headers 9.19)\n";
  }
  void program(const std::string& name, const std::string& text) {
    const fs::path path = tree_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "#!/bin/bash\n" << text << "\n";
    fs::permissions(path, fs::perms::owner_all);
  }
  void gpu_tests(const std::string& text) { program("bundle/programs/gpu_tests", text); }
  /// Writes a study's files where --out says; `on_gpu` runs before, where --device is cuda.
  void quarry(const std::string& on_gpu) {
    program("bundle/programs/quarry",
            "[ $1 = run ] || exit 0\n"
            "while [ $# -gt 0 ]; do case $1 in --out) out=$2;; --device) device=$2;; esac; shift; done\n"
            "text=curves\n"
            "if [ $device = cuda ]; then :; " +
                on_gpu +
                "\nfi\n"
                "mkdir -p $out/study && echo $text > $out/study/results.csv && date +%N > $out/study/timings.csv");
  }
  ProgramResult sh(const std::string& command) {
    ProgramOptions options;
    options.directory = tree_.path();
    options.environment = {"PATH=" + tree_.path() + "/bin:/usr/bin:/bin"};
    return test::run_program("/bin/bash", {"-c", command}, options);
  }
  ProgramResult check(const std::string& arguments = "bundle") { return sh("scripts/gpu_check.sh " + arguments); }
  bool proven() { return fs::exists(tree_ / "tests/gpu_proof.json"); }
  const TempDir tree_;
};

TEST_F(GpuCheck, WhatHoldsIsWrittenDownAndCounted) {
  const ProgramResult result = check();
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  ASSERT_TRUE(proven());
  const std::string proof = read_file(tree_ / "tests/gpu_proof.json");
  EXPECT_THAT(proof, AllOf(HasSubstr("\"device\": \"Model 3\""), HasSubstr("\"compiler\": \"nvcc 13.0\""),
                           HasSubstr("\"op_cases\": \"21 cases x 1, 0 failed\""),
                           HasSubstr("20 GPU runs have the files of the first (cpu), byte for byte")));
  EXPECT_THAT(result.out, HasSubstr("doors to libraries proven on a GPU: 5 of 5"));
  EXPECT_THAT(result.out, Not(HasSubstr("without a current proof")));
}

TEST_F(GpuCheck, ABuildWithoutCudnnProvesNothingOfIt) {
  sh("sed -i 's/cuDNN ON/cuDNN OFF/' bundle/programs/configure.log");
  const ProgramResult result = check();
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("doors to libraries proven on a GPU: 1 of 5"));
}

TEST_F(GpuCheck, ACaseThatFailsProvesNothingAndTheOthersStillRun) {
  gpu_tests("case $* in '') echo 'FAILED conv_rows: w[3] is 1, not 2'; exit 1;; esac; echo fine");
  const ProgramResult result = check();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, AllOf(HasSubstr("FAILED conv_rows: w[3] is 1, not 2"), HasSubstr("failed: op-cases;")));
  EXPECT_THAT(result.out, testing::ContainsRegex("studies +ok"));
  EXPECT_THAT(result.out, testing::ContainsRegex("determinism-training +ok"));
  EXPECT_FALSE(proven());
}

TEST_F(GpuCheck, OtherBytesOnTheGpuFail) {
  quarry("text=other");
  const ProgramResult result = check();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out,
              HasSubstr("the files of the GPU run without options (repeat 0) differ from those of the first"));
  EXPECT_THAT(result.out, HasSubstr("failed: studies;"));  // those with images are compared with a GPU run
  EXPECT_FALSE(proven());
}

TEST_F(GpuCheck, OtherBytesInAnotherFleetFail) {
  quarry("case $out in *bf16/again) text=$RANDOM;; esac");
  const ProgramResult result = check();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("failed: image-studies;"));
  EXPECT_FALSE(proven());
}

TEST_F(GpuCheck, WhatHasNoTimeLeftIsCutAndProvesNothing) {
  gpu_tests("echo 21 cases x 1, 0 failed; case $* in *1000*) sleep 1000;; esac");
  const auto start = std::chrono::steady_clock::now();
  const ProgramResult result = check("--seconds 12 bundle");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, testing::ContainsRegex("determinism-training +cut"));
  EXPECT_THAT(result.out, HasSubstr("not finished: determinism-training;"));
  EXPECT_FALSE(proven());
}

TEST_F(GpuCheck, ASanitizerThatIsCutIsToldInTheProof) {
  program("bin/compute-sanitizer",
          "case $* in *planted*) echo Invalid __global__ write; exit 9;; "
          "*racecheck*) sleep 1000;; esac");
  const ProgramResult result = check("--seconds 12 bundle");
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  ASSERT_TRUE(proven());
  EXPECT_THAT(read_file(tree_ / "tests/gpu_proof.json"),
              HasSubstr("\"memcheck clean,racecheck not clean or not finished,"));
}

TEST_F(GpuCheck, ASanitizerWithFindingsProvesNothing) {
  program("bin/compute-sanitizer",
          "case $* in *planted*) echo Invalid __global__ write; exit 9;; "
          "*memcheck*) echo Invalid read; exit 9;; esac");
  const ProgramResult result = check();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("failed: sanitizer-memcheck;"));
  EXPECT_FALSE(proven());
}

TEST_F(GpuCheck, ProgramsOfOtherKernelsAreRefused) {
  sh("sed -i '1s/^./x/' bundle/programs/hashes");
  const ProgramResult result = check();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("was built from other kernels than those here"));
  EXPECT_FALSE(proven());
}

TEST_F(GpuCheck, WithoutAGpuNothingIsDone) {
  program("bin/nvidia-smi", "exit 9");
  EXPECT_EQ(check().exit_code, 3);
}

TEST_F(GpuCheck, BadUsage) {
  for (const char* arguments :
       {"--second 5", "--seconds", "--seconds 0", "--seconds 1e3", "no_such_folder", "bundle bundle"}) {
    const ProgramResult result = check(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments;
    EXPECT_THAT(result.err, HasSubstr("usage: scripts/gpu_check.sh"));
  }
}

/// What the script runs on a GPU, shortened and on the CPU.
TEST(GpuCheckStudies, ItsStudiesRun) {
  const TempDir out;
  const auto quarry = [&](std::vector<std::string> arguments) {
    const ProgramResult result = test::run_program(QUARRY_PROGRAM, arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
  };
  const auto run = [&](const std::string& config, std::vector<std::string> more) {
    std::vector<std::string> arguments = {"run", QUARRY_SOURCE_DIR "/tests/gpu/" + config, "--quiet", "--device",
                                          "cpu"};
    for (const std::string& setting :
         {"data.path=" + out.path() + "/data", std::string("run.seed=1"), std::string("acquisition.strategy=random"),
          std::string("model.lr=0.01"), std::string("training.epochs=1"), std::string("training.warmup_epochs=0")})
      arguments.insert(arguments.end(), {"--set", setting});
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {"--out", out.path()});
    quarry(arguments);
  };
  quarry({"data", "synthetic", "cifar10", "--to", out / "data", "--train", "600", "--test", "200"});
  run("images.toml", {});
  run("images_search.toml", {"--set", "pool.acquired=" + out.path() + "/gpu_check_images", "--set", "search.trials=1",
                             "--set", "search.startup_trials=1"});
  EXPECT_TRUE(fs::exists(out / "gpu_check_images_search/results.csv"));
}

}  // namespace
}  // namespace quarry
