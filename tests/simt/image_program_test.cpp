// SPDX-License-Identifier: MIT
// `quarry run` of an image study on the fake GPU from end to end: Fashion-MNIST's files with a handful of made-up
// images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "quarry/core/rng.h"
#include "quarry/nn/conv_fleet_device.h"
#include "quarry/study/runner.h"
#include "tests/simt/fake_gpu.h"
#include "tests/support/byte_writers.h"
#include "tests/support/faulty_file_system.h"
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

/// Strategies with a folder in cells/; each must hold its results.
std::set<std::string> strategies_with_cells(const std::map<std::string, std::string>& tree) {
  const std::string root = "cells/FASHION_MNIST/";
  std::set<std::string> found;
  for (const auto& [name, bytes] : tree) {
    const std::size_t at = name.find(root);
    if (at == std::string::npos || name.ends_with("data.json")) continue;
    const std::size_t first = at + root.size();
    found.insert(name.substr(first, name.find('/', first) - first));
    if (!name.ends_with("results.json")) continue;
    EXPECT_THAT(bytes, HasSubstr("cycle1")) << name;
  }
  return found;
}

/// The study is told to stop when its second run begins.
class StopsAtTheSecondJournal final : public FaultyFileSystem {
 public:
  explicit StopsAtTheSecondJournal(std::atomic<bool>& stop) : stop_(stop) {}
  std::unique_ptr<OutputFile> append(const std::string& path) override {
    if (++journals_ == 2) stop_ = true;
    return FaultyFileSystem::append(path);
  }

 private:
  std::atomic<bool>& stop_;
  int journals_ = 0;
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
  EXPECT_THAT(other.err, HasSubstr("another engine, 'CUDA, host threads, compute capability 9.0, fp32"));
  EXPECT_THAT(other.err, HasSubstr("continue with the --device it was begun on, or choose another output folder"));
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

TEST_F(ImageProgram, TrainsByTheConvolutionsOfCudnn) {
  const std::vector<std::string> theirs = {"--set", "acquisition.strategy=random", "--set",
                                           "training.convolution=cudnn"};
  const ProgramResult result = run("out", "", theirs);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  int journals = 0;
  for (const auto& [name, bytes] : files("out")) {
    if (!name.ends_with("journal.jsonl")) continue;
    ++journals;
    EXPECT_THAT(bytes, HasSubstr("fp32, cudnn (cuDNN 0.1.2, choices "));
    EXPECT_THAT(bytes, HasSubstr(R"(), scores fp32_fma, table 1","precision":"fp32")"));
    EXPECT_THAT(bytes, HasSubstr(R"("cycle":1)"));
  }
  EXPECT_EQ(journals, 1);
}

TEST_F(ImageProgram, RefusesTheConvolutionsOfACudnnThatIsMissing) {
  gpu::fake_gpu().reset();
  gpu::fake_gpu().cudnn_fault = "cuDNN cannot be loaded; install it";
  FaultyFileSystem files;
  RunOptions options;
  options.workers = 1;
  options.device = {DeviceKind::cuda, 0};
  options.progress = ProgressMode::quiet;
  const std::vector<std::string> theirs = {"training.convolution=cudnn"};
  try {
    run_study(files, parse_study(read_file(config), config, theirs), options);
    ADD_FAILURE() << "ran without cuDNN";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_STREQ(error.what(),
                 "training.convolution = \"cudnn\": cuDNN cannot be loaded; install it; or use training.convolution = "
                 "\"table\"");
  }
  gpu::fake_gpu().reset();
}

TEST_F(ImageProgram, ARunThatFailsAloneIsLeftOut) {
  const ProgramResult result = run("out", "90 700\n90 700\n90 700\n", {"--fleet", "1"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("it is left out (failed_runs.txt)"));
  const auto tree = read_tree(dir / "out/tiny");
  EXPECT_THAT(tree.at("failed_runs.txt"), HasSubstr("fashion_mnist__random"));
  EXPECT_THAT(strategies_with_cells(tree), testing::ElementsAre("entropy")) << "the other run's alone";
  const ProgramResult report = run_program(
      QUARRY_ON_FAKE_GPU, {"report", "--study", "hyperparameter", dir / "out/tiny", "--out", dir / "report"});
  EXPECT_EQ(report.exit_code, 0) << report.err;
}

TEST_F(ImageProgram, AFinishedRunsCellIsThereWhenTheStudyIsInterrupted) {
  std::atomic<bool> stop{false};
  StopsAtTheSecondJournal files(stop);
  RunOptions options;
  options.workers = 1;
  options.fleet = 1;
  options.progress = ProgressMode::quiet;
  options.stop = &stop;
  const StudyConfig study = parse_study(read_file(config), config, {});
  EXPECT_TRUE(run_study(files, study, options).interrupted);
  const auto early = files.disk().files();
  ASSERT_THAT(strategies_with_cells(early), testing::ElementsAre("random"));
  stop = false;
  EXPECT_EQ(run_study(files, study, options).finished, 2);
  const auto whole = files.disk().files();
  EXPECT_THAT(strategies_with_cells(whole), testing::ElementsAre("entropy", "random"));
  for (const auto& [name, bytes] : early) {
    if (name.find("cells/") == std::string::npos) continue;
    EXPECT_EQ(whole.at(name), bytes) << name;
  }
}

TEST_F(ImageProgram, RefusesARunThatTheGpuHasNoMemoryForBeforeItWritesAnything) {
  const ProgramResult result = run("out", "", {"--set", "training.batch_size=[2, 4096]"});
  EXPECT_EQ(result.exit_code, 3) << result.err;
  const ResNetPlan plan = plan_resnet({ResNetKind::resnet8, {1, 28, 28}, 10, 0});
  const std::size_t bytes = cuda::ConvFleetNet::memory(plan, ConvPrecision::fp32, 4096, 1, 1);
  EXPECT_THAT(result.err, HasSubstr(fmt::format("with training.batch_size = 4096 a network takes {} bytes", bytes)));
  EXPECT_THAT(result.err, HasSubstr(fmt::format("cuda:0 has {}", std::size_t{1} << 30)));
  EXPECT_THAT(result.err, HasSubstr("run fashion_mnist__random"));
  EXPECT_TRUE(read_tree(dir / "out").empty());
}

TEST_F(ImageProgram, RefusesCandidatesThatTheGpuHasNoMemoryForBeforeItWritesAnything) {
  constexpr std::int64_t kPool = 12000;
  write_part("train", kPool);
  const ImageShape shape{1, 28, 28};
  const ResNetPlan plan = plan_resnet({ResNetKind::resnet8, shape, 10, 0});
  gpu::fake_gpu().reset();  // room for the images and, in the nine tenths that may be used, for a training and a little
  gpu::fake_gpu().info.memory = cuda::DeviceImages::memory(shape, kPool) + cuda::DeviceImages::memory(shape, 2) +
                                cuda::ConvFleetNet::memory(plan, ConvPrecision::fp32, 2, 1, 1) * 10 / 9 + 4096;
  RunOptions options;
  options.workers = 1;
  options.device = {DeviceKind::cuda, 0};
  options.progress = ProgressMode::quiet;
  const auto run_with = [&](const std::string& candidates) {
    FaultyFileSystem files;
    const std::vector<std::string> set = {"acquisition.strategy=coreset", "acquisition.candidates=" + candidates};
    try {
      EXPECT_EQ(run_study(files, parse_study(read_file(config), config, set), options).finished, 1);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::device);
      EXPECT_TRUE(files.disk().files().empty());
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string refusal = run_with(std::to_string(kPool - 2));
  EXPECT_THAT(refusal, HasSubstr("run fashion_mnist__coreset"));
  EXPECT_THAT(refusal, HasSubstr("a network, its test and its selection take "));
  EXPECT_THAT(refusal, HasSubstr("use a smaller acquisition.candidates"));
  EXPECT_EQ(run_with("2"), "");
  gpu::fake_gpu().reset();
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
