// SPDX-License-Identifier: MIT
// `quarry run` of an image study on the fake GPU from end to end: Fashion-MNIST's files with a handful of made-up
// images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "quarry/core/rng.h"
#include "tests/support/byte_writers.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree.h"

namespace quarry::test {
namespace {

using testing::HasSubstr;

std::string config_for(const std::string& folder) {
  return "study = \"tiny\"\npreset = \"hyperparameter_study\"\n[data]\nname = \"fashion_mnist\"\npath = \"" + folder +
         R"("
[pool]
n_initial = 2
[acquisition]
strategy = ["random", "entropy"]
budget = 1
size = 1
candidates = 2
[model]
network = "resnet8"
[training]
epochs = 1
warmup_epochs = 0
batch_size = 2
batches = "fill_last"
)";
}

struct ImageProgram : testing::Test {
  ImageProgram() : config(dir.write("tiny.toml", config_for(dir.path()))) {
    write_part("train", 8);
    write_part("t10k", 2);
  }

  void write_part(const std::string& prefix, std::uint64_t n) {
    std::string images = big_bytes(0x00000803, 4) + big_bytes(n, 4) + big_bytes(28, 4) + big_bytes(28, 4),
                labels = big_bytes(0x00000801, 4) + big_bytes(n, 4);
    for (std::uint64_t i = 0; i < n; ++i) labels += static_cast<char>(i % 10);
    for (std::uint64_t p = 0; p < n * 28 * 28; ++p) images += static_cast<char>(random_u32(n, p) % 256);
    dir.write(prefix + "-images-idx3-ubyte", images);
    dir.write(prefix + "-labels-idx1-ubyte", labels);
  }

  ProgramResult run(const std::string& out, const std::string& faults, const std::vector<std::string>& more = {},
                    const std::string& device = "cuda") {
    ProgramOptions options;
    options.environment = {"FAKE_GPU_FAULTS=" + dir.write("faults", faults), "QUARRY_WORKER"};
    std::vector<std::string> arguments = {"run", config, "--out", dir / out, "--device", device, "--workers", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(QUARRY_ON_FAKE_GPU, arguments, options);
  }
  std::map<std::string, std::string> files(const std::string& out) {
    return contract_files(read_tree(dir / (out + "/tiny")));
  }

  TempDir dir;
  std::string config;
};

TEST_F(ImageProgram, RunsAndSurvivesAPoisonedWorker) {
  const ProgramResult whole = run("whole", "");
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_THAT(whole.err, HasSubstr("running on cuda:0: host threads, compute capability 9.0"));
  const auto want = files("whole");
  int journals = 0;
  for (const auto& [name, bytes] : want) {
    if (!name.ends_with("journal.jsonl")) continue;
    ++journals;
    EXPECT_THAT(bytes, HasSubstr(R"("engine":"CUDA, host threads, compute capability 9.0, fp32, fp32_fma, table 1")"));
    EXPECT_THAT(bytes, HasSubstr(R"("cycle":1)"));
  }
  EXPECT_EQ(journals, 2);
  const ProgramResult failed = run("failed", "700 700\n", {"--no-graphs", "--fleet", "1"});
  EXPECT_EQ(failed.exit_code, 0) << failed.err;
  EXPECT_THAT(failed.err, HasSubstr("the study goes on from its journals in a new process"));
  EXPECT_TRUE(files("failed") == want) << "other bytes after a failure";
  const ProgramResult other = run("whole", "", {}, "cpu");
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, HasSubstr("another engine"));
}

TEST_F(ImageProgram, TheSearchHalfReadsWhatTheOtherAcquired) {
  const std::vector<std::string> random = {"--set", "acquisition.strategy=random"};
  ASSERT_EQ(run("learning", "", random).exit_code, 0);
  std::vector<std::string> search = random;
  for (const std::string& key :
       {std::string("search.mode=frozen_set"), "pool.acquired=" + dir.path() + "/learning/tiny",
        std::string("pool.acquired_labels=3"), std::string("search.folds=2"), std::string("search.trials=1")})
    search.insert(search.end(), {"--set", key});
  const ProgramResult result = run("search", "", search);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  int journals = 0;
  for (const auto& [name, bytes] : files("search")) {
    if (!name.ends_with("journal.jsonl")) continue;
    ++journals;
    EXPECT_THAT(bytes, HasSubstr(R"("type":"final")"));
  }
  EXPECT_EQ(journals, 1);
}

TEST_F(ImageProgram, RunsInBf16) {
  const ProgramResult result =
      run("out", "", {"--set", "acquisition.strategy=random", "--set", "training.precision=bf16"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  int journals = 0;
  for (const auto& [name, bytes] : files("out")) {
    if (!name.ends_with("journal.jsonl")) continue;
    ++journals;
    EXPECT_THAT(bytes, HasSubstr(R"(bf16, bf16_mma, scores fp32_fma, table 1","precision":"bf16")"));
  }
  EXPECT_EQ(journals, 1);
}

TEST_F(ImageProgram, ARunThatFailsAloneIsLeftOut) {
  const ProgramResult result = run("out", "90 700\n90 700\n90 700\n", {"--set", "acquisition.strategy=random"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("it is left out (failed_runs.txt)"));
  EXPECT_THAT(read_tree(dir / "out/tiny").at("failed_runs.txt"), HasSubstr("fashion_mnist__random"));
}

TEST_F(ImageProgram, RefusesWhatItCannotDo) {
  const ProgramResult profiled = run("out", "", {"--profile"});
  EXPECT_EQ(profiled.exit_code, 2);
  EXPECT_THAT(profiled.err, HasSubstr("--profile marks a cycle of a study of perceptrons"));
  const ProgramResult lost = run("lost", "0 46\n0 46\n0 46\n");
  EXPECT_EQ(lost.exit_code, 3) << lost.err;
  const ProgramResult full = run("full", "0 2\n");
  EXPECT_EQ(full.exit_code, 3) << full.err;
  EXPECT_THAT(full.err, HasSubstr("out of memory"));
}

}  // namespace
}  // namespace quarry::test
