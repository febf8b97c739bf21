// SPDX-License-Identifier: MIT
#include "quarry/report/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/core/error.h"
#include "tests/report/cells.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::CellWriter;
using test::MadeRun;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

MadeRun small_run() {
  MadeRun run;
  run.accuracies = {0.1, 0.5, 0.6};
  run.picks = {{1, 2}, {3, 4}, {5, 6}};
  return run;
}

ComparedRun compared(const MadeRun& run) {
  ComparedRun result;
  result.results = parse_active_results(test::results_text(run), "r.json");
  result.queried = parse_queried_picks(test::queried_text(run), "q.json");
  return result;
}

CellComparison compare_made(const MadeRun& ours, const MadeRun& theirs) {
  return compare_runs(compared(ours), compared(theirs), false);
}

TEST(Compare, EqualRuns) {
  const CellComparison cell = compare_made(small_run(), small_run());
  EXPECT_TRUE(cell.equal);
  EXPECT_THAT(cell.lines, ElementsAre("picks: equal in 3 cycles", "accuracy: equal in 3 cycles"));
}

TEST(Compare, FirstCycleWhosePicksDiffer) {
  MadeRun other = small_run();
  other.picks = {{1, 2}, {3, 9}, {7, 8}};
  const CellComparison cell = compare_made(small_run(), other);
  EXPECT_FALSE(cell.equal);
  EXPECT_THAT(cell.lines,
              ElementsAre("picks: cycle 1 is the first that differs, from place 1: ours 4, theirs 9; 1 of 2 "
                          "and 2 picks are in both",
                          "accuracy: equal in 3 cycles"));
}

TEST(Compare, OrderCountsButForTheInitialLabels) {
  MadeRun other = small_run();
  other.picks = {{2, 1}, {3, 4}, {6, 5}};
  const CellComparison cell = compare_made(small_run(), other);
  EXPECT_FALSE(cell.equal);
  EXPECT_THAT(cell.lines[0], HasSubstr("cycle 0 has the same initial labels in another order"));
  EXPECT_EQ(cell.lines[1],
            "picks: cycle 2 is the first that differs, from place 0: ours 5, theirs 6; the same set in another order");
  other.picks[2] = {5, 6};
  EXPECT_TRUE(compare_made(small_run(), other).equal);
  other.picks[0] = {2, 7};
  EXPECT_THAT(compare_made(small_run(), other).lines[0], HasSubstr("cycle 0 is the first that differs"));
}

TEST(Compare, LargestAccuracyDifference) {
  MadeRun other = small_run();
  other.accuracies = {0.1, 0.45, 0.61};
  const CellComparison cell = compare_made(small_run(), other);
  EXPECT_FALSE(cell.equal);
  EXPECT_EQ(cell.lines[1],
            "accuracy: 2 of 3 cycles differ; first at cycle 1: ours 0.5000, theirs 0.4500; largest at cycle 1: ours "
            "0.5000, theirs 0.4500; mean difference +0.0133");
  EXPECT_EQ(cell.one_sided, 0);
  other.accuracies = {0.1, 0.49, 0.7};
  EXPECT_THAT(
      compare_made(small_run(), other).lines[1],
      HasSubstr("first at cycle 1: ours 0.5000, theirs 0.4900; largest at cycle 2: ours 0.6000, theirs 0.7000"));
  other.accuracies = {0.1, std::nullopt, 0.6};
  EXPECT_THAT(compare_made(small_run(), other).lines,
              ElementsAre("picks: equal in 3 cycles",
                          "accuracy: 1 cycles were tested on one side only, so they are not compared",
                          "accuracy: equal in 2 cycles"));
  EXPECT_EQ(compare_made(small_run(), other).one_sided, 1);
  other.accuracies = {0.1, 0.5};
  other.picks.pop_back();
  EXPECT_FALSE(compare_made(small_run(), other).equal);
}

TEST(Compare, FirstTrialThatDiffers) {
  const auto search = [](double accuracy, const std::vector<std::pair<double, double>>& pairs) {
    ComparedRun run;
    run.search = parse_search_results(test::search_text(accuracy, pairs), "r.json");
    return run;
  };
  const ComparedRun ours = search(0.77, {{0.001, 0.05}, {0.02, 0.003}});
  EXPECT_TRUE(compare_runs(ours, ours, false).equal);
  const CellComparison trial = compare_runs(ours, search(0.77, {{0.001, 0.05}, {0.02, 0.004}}), false);
  EXPECT_FALSE(trial.equal);
  EXPECT_EQ(trial.lines[0],
            "trials: trial 1 is the first that differs: ours lr 0.02 wd 0.003, theirs lr 0.02 wd 0.004");
  const CellComparison end = compare_runs(ours, search(0.76, {{0.001, 0.05}, {0.02, 0.003}}), false);
  EXPECT_FALSE(end.equal);
  EXPECT_THAT(end.lines,
              ElementsAre("trials: 2 equal", "test accuracy: ours 0.7700, theirs 0.7600, difference +0.0100"));
  EXPECT_FALSE(compare_runs(ours, search(0.77, {{0.001, 0.05}}), false).equal);
}

TEST(Compare, Trees) {
  const test::TempDir folder;
  const CellWriter ours(folder / "ours/cells"), theirs(folder / "theirs");
  MadeRun other = small_run();
  other.accuracies[2] = 0.7;
  ours.active("CIFAR10/random/lr0.1_wd0.5/seed1", small_run());
  theirs.active("CIFAR10/random/lr0.10_wd0.5/seed1", small_run());  // the same number
  ours.active("CIFAR10/random/lr0.1_wd0.5/seed2", small_run());
  theirs.active("CIFAR10/random/lr0.1_wd0.5/seed2", other);
  ours.active("CIFAR10/random/lr0.1_wd0.5/seed3", small_run());
  theirs.search("CIFAR10/random/budget200/lr0.1_wd0.5/seed1", 0.5);
  const Comparison comparison = compare_results(posix_file_system(), folder / "ours", folder / "theirs", false);
  ASSERT_EQ(comparison.cells.size(), 2u);
  EXPECT_TRUE(comparison.cells[0].equal);
  EXPECT_FALSE(comparison.cells[1].equal);
  EXPECT_EQ(comparison.cells[1].name, "CIFAR10/random/lr0.1_wd0.5/seed2");
  EXPECT_FALSE(comparison.equal());
  EXPECT_THAT(comparison.only_ours, ElementsAre("CIFAR10/random/lr0.1_wd0.5/seed3"));
  EXPECT_THAT(comparison.only_theirs, ElementsAre("CIFAR10/random/budget200/lr0.1_wd0.5/seed1"));
}

TEST(Compare, FilesFoldersAndKinds) {
  const test::TempDir folder;
  const CellWriter cells(folder / "a");
  MadeRun other = small_run();
  other.picks[1] = {4, 3};
  cells.active("CIFAR10/random/lr0.1_wd0.5/seed1", small_run());
  cells.active("CIFAR10/random/lr0.1_wd0.5/seed2", other);
  cells.search("CIFAR10/random/budget200/lr0.1_wd0.5/seed1", 0.5);
  const std::string seed = folder / "a/CIFAR10/random/lr0.1_wd0.5/seed";
  const std::string search = folder / "a/CIFAR10/random/budget200/lr0.1_wd0.5/seed1";
  const auto compare = [&](const std::string& a, const std::string& b) {
    return compare_results(posix_file_system(), a, b, false).equal();
  };
  EXPECT_TRUE(compare(seed + "1", seed + "1"));
  EXPECT_FALSE(compare(seed + "1", seed + "2"));
  EXPECT_FALSE(compare(seed + "1/queried_indices.json", seed + "2/queried_indices.json"));
  EXPECT_FALSE(compare(seed + "1/queried_indices.json", seed + "2/results.json"));
  EXPECT_TRUE(compare(seed + "1/results.json", seed + "1"));
  EXPECT_TRUE(compare(search, search + "/results.json"));
  const auto refused = [&](const std::string& a, const std::string& b, ErrorKind kind, const std::string& part) {
    try {
      compare(a, b);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  };
  refused(seed + "1", search, ErrorKind::usage, "compare two of a kind");
  refused(seed + "1", folder / "a", ErrorKind::usage, "is a tree of cells");
  refused(seed + "1", folder / "b", ErrorKind::usage, "there is no");
  refused(seed + "1", folder.write("odd.json", "{\"a\": 1}"), ErrorKind::failed, "odd.json: neither");
  CellWriter(folder / "b").active("CIFAR10/badge/lr0.1_wd0.5/seed1", small_run());
  refused(folder / "a", folder / "b", ErrorKind::usage, "no cell in common");
}

}  // namespace
}  // namespace quarry
