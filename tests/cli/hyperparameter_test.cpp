// SPDX-License-Identifier: MIT
// quarry report --study hyperparameter and quarry compare as a person uses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/core/file_system.h"
#include "tests/report/cells.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

namespace quarry::test {
namespace {

using ::testing::HasSubstr;

ProgramResult quarry(const std::vector<std::string>& arguments) {
  return run_program(QUARRY_PROGRAM, arguments);
}

TEST(HyperparameterProgram, Report) {
  const TempDir folder;
  const CellWriter cells(folder / "study/cells");
  cells.data("CIFAR10", "cifar10", "unverified", 10);
  cells.whole("CIFAR10/random/lr0.001_wd0.05/seed1", 0.74, 0.75, 0.83);
  const ProgramResult result =
      quarry({"report", "--study", "hyperparameter", folder / "study", "--out", folder / "out", "--format", "csv"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("74.00 \u00b1 0.00 (1)"));
  EXPECT_THAT(result.out, HasSubstr("Pixels not verified as the published CIFAR files"));
  EXPECT_THAT(result.out, HasSubstr("out/tables/cells.csv\n"));
}

TEST(HyperparameterProgram, ReportsBadUsage) {
  const TempDir folder;
  const auto refused = [](const std::vector<std::string>& arguments, const std::string& part) {
    const ProgramResult result = quarry(arguments);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr(part));
  };
  refused({"report", "--study", "other", folder.path()}, "expected hyperparameter");
  refused({"report", "--study", "hyperparameter", folder.path()}, "holds no cells");
  refused({"report", "--study", "hyperparameter", "--panels", "none", folder.path()}, "--panels has no meaning");
  refused({"report", "--study", "hyperparameter", "--animate", "gif", folder.path()},
          "--animate and --bald-passes have");
  refused({"report", "--every-pair", folder.path()}, "--every-pair needs --study");
  refused({"compare", folder.path()}, "THEIRS");
  refused({"compare", folder.path(), folder / "nowhere"}, "there is no");
}

TEST(HyperparameterProgram, RefusesBf16OnACpuWithoutItBeforeReadingAnything) {
  const TempDir folder;
  posix_file_system().write_atomically(folder / "s.toml",
                                       "preset = \"hyperparameter_study\"\n[data]\nname = "
                                       "\"cifar10\"\npath = \"/nowhere\"\n");
  ProgramOptions options;
  options.environment = {"ONEDNN_MAX_CPU_ISA=AVX2"};
  const ProgramResult result = run_program(
      QUARRY_PROGRAM,
      {"run", folder / "s.toml", "--device", "cpu", "--out", folder / "out", "--set", "training.precision=bf16"},
      options);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("training.precision: bf16 on the CPU needs "));
  EXPECT_THAT(result.err, HasSubstr("use fp32"));
  EXPECT_FALSE(posix_file_system().exists(folder / "out/study/runs"));
}

TEST(HyperparameterProgram, RefusesTheConvolutionsOfCudnnOnACpuBeforeReadingAnything) {
  const TempDir folder;
  posix_file_system().write_atomically(folder / "s.toml",
                                       "preset = \"hyperparameter_study\"\n[data]\nname = "
                                       "\"cifar10\"\npath = \"/nowhere\"\n");
  const ProgramResult result = run_program(QUARRY_PROGRAM, {"run", folder / "s.toml", "--device", "cpu", "--out",
                                                            folder / "out", "--set", "training.convolution=cudnn"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("training.convolution = \"cudnn\" needs a GPU"));
  EXPECT_THAT(result.err, HasSubstr("use --device cuda, or training.convolution = \"table\""));
  EXPECT_FALSE(posix_file_system().exists(folder / "out/study/runs"));
}

TEST(HyperparameterProgram, CompareTellsByItsExitCode) {
  const TempDir folder;
  const CellWriter cells(folder.path());
  cells.whole("a/CIFAR10/random/lr0.001_wd0.05/seed1", 0.74, 0.75, 0.83);
  cells.whole("b/CIFAR10/random/lr0.001_wd0.05/seed1", 0.74, 0.76, 0.83);
  const ProgramResult same = quarry({"compare", folder / "a", folder / "a"});
  EXPECT_EQ(same.exit_code, 0);
  EXPECT_THAT(same.out, HasSubstr("seed1: equal\n"));
  EXPECT_THAT(same.out, HasSubstr("1 compared, 0 different"));
  MadeRun run;
  run.accuracies.assign(40, 0.5);
  run.accuracies[19] = 0.74;
  run.accuracies[20] = std::nullopt;
  run.accuracies[39] = 0.83;
  cells.active("d/CIFAR10/random/lr0.001_wd0.05/seed1", run);
  const ProgramResult part = quarry({"compare", folder / "a", folder / "d"});
  EXPECT_EQ(part.exit_code, 0);
  EXPECT_THAT(part.out, HasSubstr("seed1: equal as far as both were tested\n"));
  EXPECT_THAT(part.out, HasSubstr("1 cycles were tested on one side only: their accuracies are not compared\n"));
  const ProgramResult other = quarry({"compare", folder / "a", folder / "b", "--every-cycle"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_EQ(other.err, "");
  EXPECT_THAT(other.out, HasSubstr("largest at cycle 20: ours 0.7500, theirs 0.7600"));
  EXPECT_THAT(other.out, HasSubstr("cycle 39 (4000 labels): ours 0.8300, theirs 0.8300"));
  cells.file("c/CIFAR10/random/lr0.001_wd0.05/seed1", "results.json", "{\"cycle0\": ");
  const ProgramResult damaged = quarry({"compare", folder / "a", folder / "c"});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_THAT(damaged.err, HasSubstr("c/CIFAR10/random/lr0.001_wd0.05/seed1/results.json"));
}

}  // namespace
}  // namespace quarry::test
