// SPDX-License-Identifier: MIT
// quarry run and quarry report of finished studies of residual networks, on Fashion-MNIST's files with a handful of
// made-up images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "quarry/core/rng.h"
#include "tests/support/byte_writers.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

namespace quarry::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void write_part(const TempDir& folder, const std::string& prefix, std::uint64_t n) {
  std::string images = big_bytes(0x00000803, 4) + big_bytes(n, 4) + big_bytes(28, 4) + big_bytes(28, 4),
              labels = big_bytes(0x00000801, 4) + big_bytes(n, 4);
  for (std::uint64_t i = 0; i < n; ++i) labels += static_cast<char>(i % 10);
  for (std::uint64_t p = 0; p < n * 28 * 28; ++p) images += static_cast<char>(random_u32(n, p) % 256);
  folder.write(prefix + "-images-idx3-ubyte", images);
  folder.write(prefix + "-labels-idx1-ubyte", labels);
}

ProgramResult run(const TempDir& folder, const std::string& study, const std::string& more) {
  const std::string config = folder.write(
      study + ".toml",
      "study = \"" + study + "\"\npreset = \"hyperparameter_study\"\n[data]\nname = " + "\"fashion_mnist\"\npath = \"" +
          folder.path() + "\"\n[model]\nnetwork = \"resnet8\"\n[training]\nepochs = 1\nwarmup_epochs = 0\n" +
          "batch_size = 2\n[run]\nseed = [0, 1]\n" + more);
  return run_program(QUARRY_PROGRAM, {"run", config, "--out", folder / "out", "--device", "cpu", "--workers", "1"});
}

TEST(ImageReports, FinishedStudiesAreReportedAsFinished) {
  const TempDir folder;
  write_part(folder, "train", 12);
  write_part(folder, "t10k", 4);
  const ProgramResult learned = run(folder, "learning",
                                    "[pool]\nn_initial = 2\n[acquisition]\nstrategy = \"random\"\nbudget = 4\nsize = "
                                    "2\ntested = [2, 6]\n");
  ASSERT_EQ(learned.exit_code, 0) << learned.err;
  EXPECT_THAT(learned.out, HasSubstr("next: quarry report " + (folder / "out/learning") + "\n"));
  const ProgramResult searched = run(folder, "search",
                                     "[search]\nmode = \"frozen_set\"\ntrials = 2\nstartup_trials = 1\nfolds = 2\n"
                                     "[pool]\nacquired = \"" +
                                         (folder / "out/learning") + "\"\nacquired_labels = 6\n");
  ASSERT_EQ(searched.exit_code, 0) << searched.err;
  EXPECT_THAT(searched.out, HasSubstr("next: quarry report --study hyperparameter " + (folder / "out/search") + "\n"));
  for (const char* study : {"learning", "search"}) {
    const ProgramResult report = run_program(
        QUARRY_PROGRAM, {"report", folder / ("out/" + std::string(study)), "--format", "md", "--panels", "none"});
    EXPECT_EQ(report.exit_code, 0) << report.err;
    EXPECT_THAT(report.out, HasSubstr("2 of 2 runs completed")) << study;
    const std::string page = slurp(folder / ("out/" + std::string(study) + "/report/report.md"));
    EXPECT_THAT(page, HasSubstr("Nothing: all 2 runs that the study asks for completed")) << study;
    EXPECT_THAT(page, Not(HasSubstr("unfinished"))) << study;
  }
  EXPECT_THAT(slurp(folder / "out/learning/report/report.md"), HasSubstr("6 labels"));
  EXPECT_THAT(slurp(folder / "out/search/report/report.md"), HasSubstr("6, a frozen set"));
}

}  // namespace
}  // namespace quarry::test
