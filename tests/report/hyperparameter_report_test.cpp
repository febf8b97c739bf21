// SPDX-License-Identifier: MIT
#include "quarry/report/hyperparameter_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/core/error.h"
#include "src/report/subprocess.h"
#include "tests/report/cells.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree.h"

namespace quarry {
namespace {

using test::CellWriter;
using ::testing::HasSubstr;
using ::testing::Not;

void write_tree(const std::string& root) {
  const CellWriter cells(root);
  cells.data("CIFAR10", "cifar10", "published", 10);
  for (const char* strategy : {"random", "badge"})
    for (const char* pair : {"lr0.001_wd0.05", "lr0.01_wd0.005", "lr0.1_wd0.05"})
      for (const char* seed : {"/seed1", "/seed2"})
        cells.whole(std::string("CIFAR10/") + strategy + "/" + pair + seed, 0.74, 0.75, 0.83);
  cells.file("CIFAR10/random/lr0.1_wd0.005/seed1", "log.txt", "");
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(HyperparameterReport, PageTablesAndPictures) {
  if (!run_program({"gnuplot", "--version"}, "/", 60).found) GTEST_SKIP() << "gnuplot is not installed";
  const test::TempDir folder;
  write_tree(folder / "study/cells");
  HyperparameterReportOptions options;
  options.directories = {folder / "study/"};
  const HyperparameterReportSummary summary = write_hyperparameter_report(posix_file_system(), options);
  EXPECT_EQ(summary.out, folder / "study/report");
  EXPECT_EQ(summary.cells, 12);
  EXPECT_EQ(summary.pictures, 2);
  EXPECT_THAT(summary.text, HasSubstr("CIFAR-10, 2K, as in the older table"));
  const std::string html = test::slurp(folder / "study/report/report.html");
  EXPECT_EQ(count_of(html, "<img "), 2u);
  EXPECT_EQ(count_of(html, "<figure class=\"table\">"), 9u);  // protocol, four, three of every pair, order
  EXPECT_THAT(html, HasSubstr("lr0.1_wd0.005/seed1 has no results.json"));
  const std::string markdown = test::slurp(folder / "study/report/report.md");
  EXPECT_THAT(markdown, HasSubstr("](plots/CIFAR10_grid.svg)"));
  EXPECT_THAT(markdown, HasSubstr("74.00 \u00b1 0.00 (2)"));
  const std::string curves = test::slurp(folder / "study/report/plots/CIFAR10_pairs.dat");
  EXPECT_EQ(count_of(curves, "# random lr"), 2u);
  EXPECT_THAT(curves, Not(HasSubstr("lr 0.1 wd 0.05")));
  EXPECT_EQ(count_of(curves, "\n2100 75"), 4u);
  const std::string grid = test::slurp(folder / "study/report/plots/CIFAR10_grid.gp");
  EXPECT_EQ(count_of(grid, "set label 1 'no finished run: random, badge'"), 6u);  // of nine pairs
  EXPECT_EQ(count_of(grid, "set title 'lr "), 9u);
  options.every_pair = true;
  write_hyperparameter_report(posix_file_system(), options);
  EXPECT_THAT(test::slurp(folder / "study/report/plots/CIFAR10_pairs.dat"), HasSubstr("# random lr 0.1 wd 0.05"));
}

TEST(HyperparameterReport, PicturesSayThatPixelsAreNotVerified) {
  const test::TempDir folder;
  write_tree(folder.path());
  std::string source;  // as the loader of the six files writes it
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                           "data_batch_5.bin", "test_batch.bin"})
    source += (source.empty() ? "" : "; ") + std::string("/data/of/a/group/cifar-10-batches-bin/") + name +
              " (30730000 bytes, CRC-32 0123abcd)";
  CellWriter(folder.path())
      .file("CIFAR10", "data.json",
            "{\"name\": \"cifar10\", \"origin\": \"unverified\", \"source\": \"" + source + "\", \"classes\": 10}");
  HyperparameterReportOptions options;
  options.directories = {folder.path()};
  const HyperparameterReportSummary summary = write_hyperparameter_report(posix_file_system(), options);
  for (const char* name : {"/report/plots/CIFAR10_pairs.gp", "/report/plots/CIFAR10_grid.gp"})
    EXPECT_THAT(test::slurp(folder.path() + name),
                HasSubstr(".\"\\n\".'Pixels not verified as the published CIFAR files'"));
  const std::string markdown = test::slurp(folder.path() + "/report/report.md");
  EXPECT_THAT(markdown, HasSubstr("\n## CIFAR-10 (pixels not verified)\n"));
  EXPECT_THAT(markdown, HasSubstr("Pixels not verified as the published CIFAR files (/data/of/a/group/"));
  // The report lies in the tree that it was made from, and is no part of it.
  EXPECT_EQ(write_hyperparameter_report(posix_file_system(), options).cells, summary.cells);
}

TEST(HyperparameterReport, ThePageSaysWhatWasRun) {
  const test::TempDir folder;
  write_tree(folder.path());
  const CellWriter cells(folder.path());
  for (const char* seed : {"/seed1", "/seed2"})
    cells.protocol(std::string("CIFAR10/badge/lr0.01_wd0.005") + seed,
                   {{"training.epochs", "50"}, {"run.rng", "\"philox\""}});
  HyperparameterReportOptions options;
  options.directories = {folder.path()};
  const HyperparameterReportSummary summary = write_hyperparameter_report(posix_file_system(), options);
  EXPECT_THAT(summary.text, ::testing::StartsWith("What was run otherwise than published\n"));
  EXPECT_THAT(summary.text, HasSubstr("\ntraining.epochs  200        200 (10 runs), 50 (2 runs)\n"));
  EXPECT_THAT(summary.text,
              HasSubstr("\nAL: run.rng = philox in CIFAR10/badge/lr0.01_wd0.005. AL: training.epochs = 50 in"));
  EXPECT_THAT(summary.text, Not(HasSubstr("\nmodel.network")));
  EXPECT_EQ(count_of(summary.text, "What was run"), 1u);
  const std::string markdown = test::slurp(folder / "report/report.md");
  EXPECT_THAT(markdown, HasSubstr("| model.network | resnet18 | resnet18 |"));
  EXPECT_EQ(count_of(markdown, "| model.network |"), 1u);
  EXPECT_THAT(markdown, HasSubstr("## CIFAR-10 (partly of other protocols)"));
  EXPECT_THAT(test::slurp(folder / "report/plots/CIFAR10_pairs.gp"),
              HasSubstr(".\"\\n\".'Not all run by the published protocol'"));
}

TEST(HyperparameterReport, SeedsOfDifferentProtocolsAreNotAveraged) {
  const test::TempDir folder;
  const CellWriter first(folder / "a"), second(folder / "b");
  first.whole("CIFAR10/random/lr0.001_wd0.05/seed1", 0.74, 0.75, 0.83);
  second.whole("CIFAR10/random/lr0.001_wd0.05/seed2", 0.74, 0.75, 0.83);
  second.whole("CIFAR10/badge/lr0.001_wd0.05/seed2", 0.74, 0.75, 0.83);
  HyperparameterReportOptions options;
  options.html = options.markdown = false;
  options.directories = {folder / "a", folder / "b"};
  options.out = folder / "out";
  second.protocol("CIFAR10/badge/lr0.001_wd0.05/seed2", {{"training.epochs", "50"}});
  second.protocol("CIFAR10/random/lr0.001_wd0.05/seed2", {{"run.rng", "\"philox\""}});
  EXPECT_EQ(write_hyperparameter_report(posix_file_system(), options).cells, 3) << "other cells, other random numbers";
  second.protocol("CIFAR10/random/lr0.001_wd0.05/seed2", {{"training.epochs", "50"}});
  try {
    write_hyperparameter_report(posix_file_system(), options);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), HasSubstr("a/CIFAR10/random/lr0.001_wd0.05/seed1' and '"));
    EXPECT_THAT(error.what(), HasSubstr("b/CIFAR10/random/lr0.001_wd0.05/seed2' were made by different protocols"));
    EXPECT_THAT(error.what(), HasSubstr("training.epochs is 200 in the first and 50 in the second"));
  }
}

TEST(HyperparameterReport, SameBytesTwiceAndWhereverTheTreeIs) {
  const test::TempDir folder;
  write_tree(folder / "a");
  write_tree(folder / "b/cells");
  HyperparameterReportOptions options;
  options.html = options.markdown = false;
  options.directories = {folder / "a"};
  options.out = folder / "first";
  write_hyperparameter_report(posix_file_system(), options);
  options.directories = {folder / "b"};
  options.out = folder / "second";
  write_hyperparameter_report(posix_file_system(), options);
  const auto first = test::read_tree(folder / "first");
  EXPECT_EQ(first.size(), 2u);
  EXPECT_EQ(first, test::read_tree(folder / "second"));
}

}  // namespace
}  // namespace quarry
