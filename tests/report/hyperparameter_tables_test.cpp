// SPDX-License-Identifier: MIT
#include "quarry/report/hyperparameter_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "src/report/hyperparameter_text.h"
#include "tests/report/cells.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::CellWriter;
using test::MadeRun;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<HyperparameterTable> tables_of(const std::string& folder) {
  return hyperparameter_tables(read_cells(posix_file_system(), {folder}));
}

const HyperparameterTable& named(const std::vector<HyperparameterTable>& tables, std::string_view dataset,
                                 std::string_view name) {
  for (const HyperparameterTable& table : tables)
    if (table.dataset == dataset && table.name == name) return table;
  throw std::runtime_error("no table " + std::string(name));
}

std::vector<std::string> names_of(const std::vector<HyperparameterTable>& tables) {
  std::vector<std::string> names;
  for (const HyperparameterTable& table : tables) names.push_back(table.name);
  return names;
}

const TableCell& cell_of(const HyperparameterTable& table, std::string_view strategy, std::string_view column) {
  for (std::size_t i = 0; i < table.strategies.size(); ++i)
    for (std::size_t j = 0; j < table.columns.size(); ++j)
      if (table.strategies[i] == strategy && table.columns[j].name == column) return table.cells[i][j];
  throw std::runtime_error("no cell " + std::string(column));
}

TEST(HyperparameterTables, PopulationDeviation) {
  const CellSummary summary = summarise_cell({70, 72, 77});
  EXPECT_DOUBLE_EQ(summary.mean, 73);
  EXPECT_DOUBLE_EQ(summary.deviation, std::sqrt((9.0 + 1 + 16) / 3));
  EXPECT_EQ(summarise_cell({70}).deviation, 0);
}

/// One standard error of each side, three of them together, and never less than half a point.
TEST(HyperparameterTables, JudgementAtItsBoundaries) {
  const auto ours = [](double mean, double deviation, std::size_t n) {
    CellSummary summary;
    summary.values.assign(n, mean);
    summary.mean = mean;
    summary.deviation = deviation;
    return summary;
  };
  EXPECT_DOUBLE_EQ(allowed_difference(ours(80, 0, 1), {80, 0.1, 5}), 0.5);
  EXPECT_DOUBLE_EQ(allowed_difference(ours(80, 0.6, 4), {80, 0.8, 4}), 1.5);  // 3 sqrt(0.64 / 4 + 0.36 / 4)
  EXPECT_DOUBLE_EQ(allowed_difference(ours(80, 0.6, 9), {80, 0.8, 4}), 3 * std::sqrt(0.2));
  EXPECT_EQ(judge(ours(80.5, 0, 3), {80, 0.1, 5}), Verdict::agrees);
  EXPECT_EQ(judge(ours(75.61, 0, 3), {75.11, 0, 5}), Verdict::agrees);  // 0.5 in decimals
  EXPECT_EQ(judge(ours(80.501, 0, 3), {80, 0.1, 5}), Verdict::differs);
  EXPECT_EQ(judge(ours(79.499, 0, 3), {80, 0.1, 5}), Verdict::differs);
  EXPECT_EQ(judge(ours(81.499, 0.6, 4), {80, 0.8, 4}), Verdict::agrees);
  EXPECT_EQ(judge(ours(78.499, 0.6, 4), {80, 0.8, 4}), Verdict::differs);
}

TEST(HyperparameterTables, OneOrTwoSeedsAreNotJudged) {
  for (const double mean : {80.0, 20.0}) {
    CellSummary ours;
    ours.mean = mean;
    for (const std::size_t n : {1, 2}) {
      ours.values.assign(n, mean);
      EXPECT_EQ(judge(ours, {80, 0.1, 5}), Verdict::too_few);
    }
    ours.values.assign(3, mean);
    EXPECT_EQ(judge(ours, {80, 0.1, 5}), mean == 80 ? Verdict::agrees : Verdict::differs);
  }
}

/// Random under HP1 and HP3 and one search; every other cell is missing.
class SmallCase : public ::testing::Test {
 protected:
  void write(const std::string& origin) {
    const CellWriter cells(folder_ / "study/cells");
    cells.whole("CIFAR10/random/lr0.001_wd0.05/seed1", 0.74, 0.75, 0.835);
    cells.whole("CIFAR10/random/lr0.001_wd0.05/seed2", 0.742, 0.752, 0.837);
    cells.whole("CIFAR10/random/lr0.001_wd0.05/seed3", 0.741, 0.751, 0.836);
    cells.whole("CIFAR10/random/lr0.01_wd0.05/seed1", 0.1, 0.6, 0.75);
    cells.whole("CIFAR10/random/lr0.01_wd0.05/seed2", 0.7, 0.68, 0.76);
    cells.search("CIFAR10/random/budget2000/lr0.001_wd0.05/seed1", 0.7702);
    for (const char* seed : {"seed1", "seed2", "seed3"})
      cells.search(std::string("CIFAR10/random/budget4000/lr0.001_wd0.05/") + seed, 0.7702);
    cells.search("CIFAR10/random/budget2000/lr0.01_wd0.05/seed1", 0.765);
    if (!origin.empty()) cells.data("CIFAR10", "cifar10", origin, 10);
  }
  std::string study() const { return folder_ / "study"; }
  const test::TempDir folder_;
};

TEST_F(SmallCase, WholeTextOfATable) {
  write("published");
  const auto tables = tables_of(study());
  EXPECT_THAT(names_of(tables), ElementsAre("older-2K", "older-4K", "newer-2K", "newer-4K"));
  EXPECT_EQ(table_text(shown_table(tables[0])),
            R"(CIFAR-10, 2K, as in the older table (June 2023): AL after 2,000 labels, BO on 2,000

strategy  source               HP1 AL            HP1 BO            HP2 AL            HP2 BO
random    quarry     74.10 ± 0.08 (3)  77.02 ± 0.00 (1)                 -                 -
random    collapsed              none              none                 -                 -
random    published  74.07 ± 0.66 (3)  77.42 ± 0.29 (5)  69.69 ± 0.24 (3)  76.73 ± 0.63 (5)
random    verdict              agrees     too few seeds                 -                 -
entropy   quarry                    -                 -                 -                 -
entropy   published  74.54 ± 0.31 (3)  77.63 ± 0.34 (3)  69.12 ± 1.77 (3)  77.78 ± 0.76 (3)
entropy   verdict                   -                 -                 -                 -
coreset   quarry                    -                 -                 -                 -
coreset   published  75.86 ± 0.51 (3)  77.42 ± 0.09 (3)  68.75 ± 1.88 (3)  76.47 ± 0.83 (3)
coreset   verdict                   -                 -                 -                 -
badge     quarry                    -                 -                 -                 -
badge     published  76.14 ± 0.61 (3)  78.56 ± 0.44 (3)  71.47 ± 1.58 (3)  78.91 ± 0.48 (3)
badge     verdict                   -                 -                 -                 -

strategy  source                HP3 AL            HP3 BO            HP4 AL            HP4 BO
random    quarry     40.00 ± 30.00 (2)  76.50 ± 0.00 (1)                 -                 -
random    collapsed   1 of 2 collapsed              none                 -                 -
random    published   69.35 ± 0.78 (3)  76.52 ± 0.93 (5)  71.61 ± 0.61 (3)  77.70 ± 0.57 (5)
random    verdict          qualitative                 -                 -                 -
entropy   quarry                     -                 -                 -                 -
entropy   published   26.08 ± 0.21 (3)  77.12 ± 0.24 (3)  16.61 ± 9.34 (3)  76.61 ± 1.17 (3)
entropy   verdict                    -                 -                 -                 -
coreset   quarry                     -                 -                 -                 -
coreset   published   43.57 ± 7.43 (3)  76.76 ± 1.83 (3)  68.89 ± 1.77 (3)  76.98 ± 0.88 (3)
coreset   verdict                    -                 -                 -                 -
badge     quarry                     -                 -                 -                 -
badge     published   59.79 ± 4.74 (3)  77.61 ± 0.61 (3)  66.69 ± 3.88 (3)  78.27 ± 1.37 (3)
badge     verdict                    -                 -                 -                 -

Test accuracy in percent: mean ± population standard deviation over the seeds (number of seeds). -:
no finished run. collapsed: networks that name one class for everything (accuracy exactly
1/classes), diverged, or have no finite loss on the test set; they stay in the mean. BO columns
depend on each other: within a seed they share folds, the final network's random numbers and, unless
each cell seeds its sampler, start-up points, so that equal numbers may stand in several. agrees:
the means differ by at most max(0.5, 3 sqrt(s²/k published + s²/k ours)) points. too few seeds:
nothing is judged below 3 seeds. qualitative: AL runs of HP3 and HP4 collapse now and then, so their
means are not compared. BO of HP3 and HP4 has no verdict: it starts from the sets that such runs
chose, and the allowed difference was set for HP1, HP2 and (0.01, 0.005).
)");
}

/// The published searches from HP3 and HP4 do not collapse, and no difference is allowed for them.
TEST_F(SmallCase, SearchesFromPairsThatCollapseHaveNoVerdict) {
  write("published");
  for (const HyperparameterTable& table : tables_of(study())) {
    EXPECT_EQ(cell_of(table, "random", "HP3 AL").verdict, Verdict::qualitative);
    EXPECT_EQ(cell_of(table, "random", "HP3 BO").verdict, Verdict::none);
    EXPECT_TRUE(cell_of(table, "random", "HP3 BO").published);
  }
  EXPECT_TRUE(cell_of(tables_of(study())[0], "random", "HP3 BO").ours);
}

TEST_F(SmallCase, NewerTableTakesTheNextCycleAndSaysSo) {
  write("published");
  const auto tables = tables_of(study());
  const HyperparameterTable& table = named(tables, "CIFAR10", "newer-2K");
  EXPECT_THAT(table.title, HasSubstr("AL after 2,100 labels, BO on 2,000"));
  EXPECT_THAT(table.notes, ::testing::Contains(HasSubstr("AL and BO are not at equal labels here")));
  const TableCell& cell = cell_of(table, "random", "HP1 AL");
  EXPECT_NEAR(cell.ours->mean, 75.1, 1e-5);
  EXPECT_DOUBLE_EQ(cell.published->mean, 75.11);
  EXPECT_EQ(cell.published->seeds, 5);
  EXPECT_NEAR(cell_of(table, "random", "HP1 BO").ours->mean, 77.02, 1e-9);
  EXPECT_THAT(named(tables, "CIFAR10", "older-2K").notes, Not(::testing::Contains(HasSubstr("equal labels"))));
  const HyperparameterTable& end = named(tables, "CIFAR10", "newer-4K");
  EXPECT_NEAR(cell_of(end, "random", "HP1 AL").ours->mean, 83.6, 1e-5);
  EXPECT_EQ(cell_of(end, "random", "HP1 AL").verdict, Verdict::agrees);   // 83.57
  EXPECT_EQ(cell_of(end, "random", "HP1 BO").verdict, Verdict::differs);  // 77.02 against 83.41
}

TEST_F(SmallCase, NothingIsJudgedOnOtherPixels) {
  write("unverified");
  for (const HyperparameterTable& table : tables_of(study())) {
    EXPECT_THAT(table.title, ::testing::StartsWith("CIFAR-10 (pixels not verified), "));
    EXPECT_THAT(table.title, HasSubstr("; nothing is judged"));
    EXPECT_EQ(table.notes[0], "Pixels not verified as the published CIFAR files (the files).");
    EXPECT_FALSE(table.judged);
    EXPECT_TRUE(table.with_published);
    for (const auto& row : table.cells)
      for (const TableCell& cell : row) EXPECT_EQ(cell.verdict, Verdict::none);
  }
  EXPECT_TRUE(qualitative_rows(tables_of(study())).empty());
}

TEST_F(SmallCase, NothingIsJudgedOnUnknownPixels) {
  write("");
  for (const HyperparameterTable& table : tables_of(study())) {
    EXPECT_THAT(table.title, ::testing::StartsWith("CIFAR-10 (pixels unknown), "));
    EXPECT_THAT(table.title, HasSubstr("; nothing is judged"));
    EXPECT_EQ(table.notes[0], "Pixels unknown: there is no data.json.");
    EXPECT_FALSE(table.judged);
  }
  EXPECT_EQ(cell_of(tables_of(study())[0], "random", "HP3 AL").ours->collapsed, 1);  // ten classes by the folder's name
}

/// The published numbers judge what was run as the published study, and nothing else.
TEST_F(SmallCase, AnotherProtocolIsSaidAndNotJudged) {
  write("published");
  const CellWriter cells(study() + "/cells");
  const std::map<std::string, std::string> short_runs = {{"model.network", "\"resnet8\""}, {"training.epochs", "1"}};
  for (const char* seed : {"1", "2", "3"})
    cells.protocol("CIFAR10/random/lr0.001_wd0.05/seed" + std::string(seed), short_runs);
  const auto tables = tables_of(study());
  const HyperparameterTable& table = tables[0];
  EXPECT_TRUE(table.judged) << "other cells are as published";
  EXPECT_THAT(table.title, ::testing::StartsWith("CIFAR-10 (partly of other protocols), 2K"));
  EXPECT_EQ(table.notes[0],
            "3 of 10 runs are not by the published protocol: AL: model.network = resnet8 (published: resnet18), "
            "training.epochs = 1 (published: 200). They are not judged.");
  EXPECT_EQ(cell_of(table, "random", "HP1 AL").verdict, Verdict::other_protocol);
  EXPECT_EQ(cell_of(table, "random", "HP1 BO").verdict, Verdict::too_few);
  EXPECT_THAT(table_text(shown_table(table)), HasSubstr("random    verdict      other protocol     too few seeds"));
  for (const QualitativeRow& row : qualitative_rows(tables))
    EXPECT_EQ(row.ours, "-") << "HP3 beside HP1 of another protocol";
}

TEST_F(SmallCase, NothingIsJudgedIfNoRunIsByThePublishedProtocol) {
  write("published");
  const CellWriter cells(study() + "/cells");
  for (const StudyCell& cell : read_cells(posix_file_system(), {study()}).cells)
    cells.protocol(cell.key.path(), {{"training.batch_size", "8"}, {"training.precision", "\"bf16\""}});
  for (const HyperparameterTable& table : tables_of(study())) {
    EXPECT_THAT(table.title, ::testing::StartsWith("CIFAR-10 (other protocol), "));
    EXPECT_THAT(table.title, HasSubstr("; nothing is judged"));
    EXPECT_THAT(table.notes[0],
                HasSubstr("No run is by the published protocol: AL: training.batch_size = 8 (published: "
                          "32), training.precision = bf16 (published: fp32); BO: training.batch_size"));
    EXPECT_FALSE(table.judged);
  }
  EXPECT_TRUE(qualitative_rows(tables_of(study())).empty());
}

TEST(HyperparameterTables, CellsWithoutAProtocolAreShownAndNotJudged) {
  const test::TempDir folder;
  const CellWriter cells(folder.path(), false);
  cells.data("CIFAR10", "cifar10", "published", 10);
  for (const char* seed : {"seed1", "seed2", "seed3"})
    cells.whole(std::string("CIFAR10/random/lr0.001_wd0.05/") + seed, 0.74, 0.75, 0.83);
  const auto tables = tables_of(folder.path());
  EXPECT_THAT(tables[0].title, ::testing::StartsWith("CIFAR-10 (protocol unknown), 2K"));
  EXPECT_THAT(tables[0].notes[0], HasSubstr("No run has a protocol.json"));
  EXPECT_FALSE(tables[0].judged);
  EXPECT_NEAR(cell_of(tables[0], "random", "HP1 AL").ours->mean, 74, 1e-5);
  CellWriter(folder.path()).protocol("CIFAR10/random/lr0.001_wd0.05/seed1");
  CellWriter(folder.path()).whole("CIFAR10/badge/lr0.001_wd0.05/seed1", 0.74, 0.75, 0.83);
  const auto mixed = tables_of(folder.path());
  EXPECT_EQ(cell_of(mixed[0], "random", "HP1 AL").verdict, Verdict::unknown_protocol) << "two of three seeds";
}

/// A search with the published settings on labels that a miniature chose is no published cell; on labels that come
/// without a protocol it may be one.
TEST_F(SmallCase, ASearchIsJudgedByTheRunThatChoseItsLabelsToo) {
  write("published");
  const CellWriter cells(study() + "/cells");
  const std::string place = "CIFAR10/random/budget4000/lr0.001_wd0.05/seed";
  for (const char* seed : {"1", "2", "3"}) cells.protocol(place + seed, {{"labels_from.pool.n_initial", "20"}});
  EXPECT_EQ(cell_of(tables_of(study())[1], "random", "HP1 BO").verdict, Verdict::other_protocol);
  for (const char* seed : {"1", "2", "3"}) cells.protocol(place + seed, {{"labels_from", "null"}});
  const auto tables = tables_of(study());
  EXPECT_EQ(cell_of(tables[1], "random", "HP1 BO").verdict, Verdict::unknown_protocol);
  EXPECT_THAT(tables[1].notes[0], HasSubstr("BO: the protocol of the run that chose the labels is unknown"));
}

TEST(HyperparameterTables, DivergedRunsAreCountedOnce) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  cells.data("CIFAR10", "cifar10", "published", 10);
  const std::string place = "CIFAR10/badge/lr0.1_wd0.005/seed";
  cells.whole(place + "1", 0.1, 0.5, 0.5);
  cells.file(place + "1", "notes.json", "{\"diverged_cycles\": [19]}");
  cells.whole(place + "2", 0.3, 0.5, 0.5);
  cells.file(place + "2", "notes.json", "{\"diverged_cycles\": [18, 19]}");
  cells.whole(place + "3", 0.3, 0.5, 0.5);
  cells.file(place + "3", "notes.json", "{\"diverged_cycles\": [18]}");
  cells.search("CIFAR10/badge/budget2000/lr0.1_wd0.005/seed1", 0.5);
  cells.file("CIFAR10/badge/budget2000/lr0.1_wd0.005/seed1", "notes.json", "{\"diverged\": true}");
  const auto tables = tables_of(folder.path());
  EXPECT_EQ(cell_of(tables[0], "badge", "HP4 AL").ours->collapsed, 2);
  EXPECT_EQ(cell_of(tables[0], "badge", "HP4 AL").ours->n(), 3);
  EXPECT_EQ(cell_of(tables[0], "badge", "HP4 BO").ours->collapsed, 1);
  EXPECT_EQ(cell_of(tables[1], "badge", "HP4 AL").ours->collapsed, 0);
}

TEST(HyperparameterTables, Cifar100IsToDoInTheOlderTable) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  cells.data("CIFAR100", "cifar100", "published", 100);
  for (const char* seed : {"seed1", "seed2", "seed3"})
    cells.whole(std::string("CIFAR100/entropy/lr0.001_wd0.05/") + seed, 0.2, 0.2345, 0.2256);
  const auto tables = tables_of(folder.path());
  const HyperparameterTable& older = named(tables, "CIFAR100", "older-2K");
  EXPECT_THAT(older.title, HasSubstr("CIFAR-100, 2K, as in the older table"));
  EXPECT_TRUE(cell_of(older, "entropy", "HP1 AL").published_todo);
  EXPECT_NEAR(cell_of(older, "entropy", "HP1 AL").ours->mean, 20, 1e-5);
  EXPECT_EQ(cell_of(older, "entropy", "HP1 AL").verdict, Verdict::none);
  EXPECT_THAT(table_text(shown_table(older)), HasSubstr("entropy   published              todo"));
  EXPECT_THAT(table_text(shown_table(older)), Not(HasSubstr("agrees")));
  EXPECT_EQ(cell_of(named(tables, "CIFAR100", "newer-2K"), "entropy", "HP1 AL").verdict, Verdict::agrees);
}

TEST(HyperparameterTables, EveryPairAndTheStableOneWithoutAName) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  cells.data("CIFAR10", "cifar10", "published", 10);
  for (const char* seed : {"seed1", "seed2", "seed3"})
    cells.whole(std::string("CIFAR10/random/lr0.01_wd0.005/") + seed, 0.7, 0.7603, 0.86);
  cells.whole("CIFAR10/random/lr0.1_wd0.0005/seed1", 0.7, 0.7381, 0.82);
  cells.whole("CIFAR10/random/lr0.02_wd0.005/seed1", 0.7, 0.7, 0.8);
  const auto tables = tables_of(folder.path());
  EXPECT_THAT(names_of(tables),
              ElementsAre("older-2K", "older-4K", "newer-2K", "newer-4K", "pairs-2000", "pairs-2100", "pairs-4000"));
  const HyperparameterTable& first = named(tables, "CIFAR10", "pairs-2100");
  ASSERT_EQ(first.columns.size(), 10u);
  EXPECT_EQ(cell_of(first, "random", "lr 0.01 wd 0.005").verdict, Verdict::agrees);
  EXPECT_EQ(cell_of(named(tables, "CIFAR10", "pairs-4000"), "random", "lr 0.01 wd 0.005").verdict, Verdict::differs);
  EXPECT_EQ(cell_of(first, "random", "lr 0.1 wd 0.0005").verdict, Verdict::none);  // published, but not judged
  EXPECT_TRUE(cell_of(first, "random", "lr 0.1 wd 0.0005").published);
  EXPECT_FALSE(cell_of(first, "random", "lr 0.02 wd 0.005").published);
  EXPECT_TRUE(cell_of(first, "random", "HP1: lr 0.001 wd 0.05").published);
  EXPECT_FALSE(cell_of(first, "badge", "lr 0.1 wd 0.05").published);  // never finished
}

/// Results at a count that the published grid does not have are in a table all the same, and what acquisition.tested
/// leaves out is no missing run.
TEST(HyperparameterTables, PairsTestedAtExactlyTwoThousandLabels) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  cells.data("CIFAR10", "cifar10", "published", 10);
  MadeRun run;
  run.accuracies.assign(40, std::nullopt);
  for (const char* seed : {"seed1", "seed2", "seed3"}) {
    run.accuracies[19] = 0.74;
    cells.active(std::string("CIFAR10/random/lr0.01_wd0.005/") + seed, run);
    run.accuracies[19] = 0.716;
    cells.active(std::string("CIFAR10/random/lr0.1_wd0.005/") + seed, run);
  }
  const auto tables = tables_of(folder.path());
  EXPECT_THAT(names_of(tables), ElementsAre("older-2K", "older-4K", "newer-2K", "newer-4K", "pairs-2000"));
  const HyperparameterTable& pairs = tables.back();
  ASSERT_EQ(pairs.columns.size(), 2u);
  EXPECT_NEAR(cell_of(pairs, "random", "lr 0.01 wd 0.005").ours->mean, 74, 1e-5);
  EXPECT_FALSE(cell_of(pairs, "random", "lr 0.01 wd 0.005").published);
  EXPECT_NEAR(cell_of(pairs, "random", "HP4: lr 0.1 wd 0.005").ours->mean, 71.6, 1e-5);
  EXPECT_TRUE(cell_of(pairs, "random", "HP4: lr 0.1 wd 0.005").published);
  const HyperparameterTable& end = named(tables, "CIFAR10", "newer-4K");
  EXPECT_TRUE(cell_of(end, "random", "HP4 AL").not_tested);
  EXPECT_FALSE(cell_of(end, "random", "HP3 AL").not_tested) << "no run of it";
  EXPECT_THAT(end.notes, ::testing::Contains(::testing::StartsWith("not tested: a run is there")));
  EXPECT_THAT(table_text(shown_table(end)), HasSubstr("not tested"));
  EXPECT_THAT(named(tables, "CIFAR10", "older-2K").notes,
              Not(::testing::Contains(::testing::StartsWith("not tested:"))));
  EXPECT_THAT(cells_csv(tables),
              HasSubstr("random,HP4,0.1,0.005,AL,4000,0,,,,5,77.06,0.56,,,,not tested at this count"));
}

TEST(HyperparameterTables, EveryCountThatWasAskedForIsInATable) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  cells.data("CIFAR10", "cifar10", "published", 10);
  MadeRun run;
  run.accuracies.assign(30, std::nullopt);
  run.accuracies[29] = 0.7;
  cells.active("CIFAR10/random/lr0.001_wd0.05/seed1", run);
  cells.active("CIFAR10/random/lr0.01_wd0.005/seed1", run);
  const auto tables = tables_of(folder.path());
  EXPECT_NEAR(cell_of(named(tables, "CIFAR10", "labels-3000"), "random", "HP1 AL").ours->mean, 70, 1e-5);
  EXPECT_NEAR(cell_of(named(tables, "CIFAR10", "pairs-3000"), "random", "lr 0.01 wd 0.005").ours->mean, 70, 1e-5);
}

TEST(HyperparameterTables, ANetworkWithoutAFiniteTestLossHasCollapsed) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  cells.data("CIFAR10", "cifar10", "published", 10);
  const std::string place = "CIFAR10/badge/lr0.1_wd0.005/seed1",
                    search = "CIFAR10/badge/budget2000/lr0.1_wd0.005/seed1";
  cells.whole(place, 0.3, 0.5, 0.5);
  cells.file(place, "notes.json", "{\"non_finite_loss_cycles\": [19]}");
  cells.search(search, 0.5);
  cells.file(search, "results.json", test::search_text(0.5, {{0.1, 0.005}}, "Infinity"));
  const CellTree tree = read_cells(posix_file_system(), {folder.path()});
  const auto tables = hyperparameter_tables(tree);
  EXPECT_EQ(cell_of(tables[0], "badge", "HP4 AL").ours->collapsed, 1);
  EXPECT_EQ(cell_of(tables[0], "badge", "HP4 BO").ours->collapsed, 1);
  EXPECT_EQ(cell_of(tables[1], "badge", "HP4 AL").ours->collapsed, 0);
  EXPECT_EQ(pair_curve(tree, "CIFAR10", "badge", kNamedPairs[3])[19].value.collapsed, 1);
  EXPECT_THAT(seeds_csv(tree), HasSubstr(",0.5,,0,1,1\n"));
}

TEST_F(SmallCase, ColumnsOfSearchesAreSaidToDependOnEachOther) {
  write("published");
  const auto tables = tables_of(study());
  const auto says = ::testing::Contains(::testing::StartsWith("BO columns depend on each other"));
  EXPECT_THAT(tables[0].notes, says) << "HP1 BO and HP3 BO";
  EXPECT_THAT(tables[1].notes, Not(says)) << "HP1 BO alone";
  CellWriter(study() + "/cells").search("CIFAR10/random/budget4000/lr0.01_wd0.005/seed1", 0.7702);
  const auto more = tables_of(study());
  EXPECT_THAT(named(more, "CIFAR10", "older-4K").notes, says) << "the other column is in another table";
  EXPECT_THAT(named(more, "CIFAR10", "pairs-4000").notes, says);
}

TEST(HyperparameterTables, MiniatureShowsHalfAndEndAndItsBudgets) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  cells.data("CIFAR10", "cifar10", "published", 10);
  MadeRun run;
  run.accuracies = {0.2, 0.3, 0.4, 0.5, 0.6};  // 20, 40, ... 100 labels
  run.first = run.batch = 20;
  cells.active("CIFAR10/random/lr0.001_wd0.05/seed1", run);
  cells.search("CIFAR10/random/budget60/lr0.001_wd0.05/seed1", 0.45);
  const auto tables = tables_of(folder.path());
  EXPECT_THAT(names_of(tables), ElementsAre("labels-40", "labels-60", "labels-100"));
  for (const HyperparameterTable& table : tables) {
    EXPECT_FALSE(table.with_published);
    EXPECT_THAT(table.title, HasSubstr("a study of 100 labels at most, so at no label count of the published tables"));
  }
  EXPECT_NEAR(cell_of(tables[0], "random", "HP1 AL").ours->mean, 30, 1e-5);
  EXPECT_FALSE(cell_of(tables[0], "random", "HP1 BO").ours);
  EXPECT_NEAR(cell_of(tables[1], "random", "HP1 AL").ours->mean, 40, 1e-5);
  EXPECT_NEAR(cell_of(tables[1], "random", "HP1 BO").ours->mean, 45, 1e-9);
  EXPECT_NEAR(cell_of(tables[2], "random", "HP1 AL").ours->mean, 60, 1e-5);
  EXPECT_THAT(table_text(shown_table(tables[0])), Not(HasSubstr("published  ")));
}

/// Nothing that was run is left out: searches from pairs without a name, and budgets that no published table has.
TEST(HyperparameterTables, EverySearchIsInATable) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  cells.data("CIFAR10", "cifar10", "published", 10);
  cells.whole("CIFAR10/random/lr0.001_wd0.05/seed1", 0.7, 0.7, 0.8);
  cells.search("CIFAR10/random/budget2000/lr0.01_wd0.005/seed1", 0.61);
  cells.search("CIFAR10/random/budget3000/lr0.01_wd0.005/seed1", 0.62);
  cells.search("CIFAR10/random/budget3000/lr0.001_wd0.05/seed1", 0.63);
  cells.data("CIFAR100", "cifar100", "published", 100);
  cells.search("CIFAR100/random/budget30/lr0.02_wd0.5/seed1", 0.64);
  const auto tables = tables_of(folder.path());
  EXPECT_THAT(names_of(tables), ElementsAre("older-2K", "older-4K", "newer-2K", "newer-4K", "labels-3000", "pairs-2000",
                                            "pairs-3000", "labels-30", "pairs-30"));
  EXPECT_NEAR(cell_of(named(tables, "CIFAR10", "pairs-2000"), "random", "lr 0.01 wd 0.005 BO").ours->mean, 61, 1e-9);
  EXPECT_FALSE(cell_of(named(tables, "CIFAR10", "pairs-2000"), "random", "lr 0.01 wd 0.005 BO").published);
  EXPECT_NEAR(cell_of(named(tables, "CIFAR10", "pairs-3000"), "random", "lr 0.01 wd 0.005 BO").ours->mean, 62, 1e-9);
  const HyperparameterTable& between = named(tables, "CIFAR10", "labels-3000");
  EXPECT_NEAR(cell_of(between, "random", "HP1 BO").ours->mean, 63, 1e-9);
  EXPECT_FALSE(between.with_published || between.judged);
  EXPECT_FALSE(cell_of(between, "random", "HP1 BO").published);
  EXPECT_NEAR(cell_of(named(tables, "CIFAR100", "pairs-30"), "random", "lr 0.02 wd 0.5 BO").ours->mean, 64, 1e-9);
}

TEST(HyperparameterTables, OtherDataSetsHaveNoPublishedColumns) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  cells.data("FASHION_MNIST", "fashion_mnist", "unverified", 10);
  cells.data("CIFAR10", "blurred", "published", 10);  // another data set under that name
  cells.whole("FASHION_MNIST/margin/lr0.001_wd0.05/seed1", 0.7, 0.7, 0.8);
  cells.whole("CIFAR10/margin/lr0.001_wd0.05/seed1", 0.7, 0.7, 0.8);
  const auto tables = tables_of(folder.path());
  ASSERT_EQ(tables.size(), 8u);
  for (const HyperparameterTable& table : tables) EXPECT_FALSE(table.with_published || table.judged);
  EXPECT_THAT(tables[0].title, HasSubstr("blurred, 2K"));
  EXPECT_THAT(tables[4].title, HasSubstr("fashion_mnist (pixels not verified), 2K"));
  EXPECT_THAT(tables[4].strategies, ElementsAre("random", "entropy", "coreset", "badge", "margin"));
}

TEST(HyperparameterTables, OrderOfThePairsThatCollapse) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  cells.data("CIFAR10", "cifar10", "published", 10);
  const auto add = [&](const std::string& strategy, double hp1, double hp2, double hp3) {
    cells.whole("CIFAR10/" + strategy + "/lr0.001_wd0.05/seed1", 0.5, 0.5, hp1);
    cells.whole("CIFAR10/" + strategy + "/lr0.01_wd0.0005/seed1", 0.5, 0.5, hp2);
    cells.whole("CIFAR10/" + strategy + "/lr0.01_wd0.05/seed1", 0.5, 0.5, hp3);
  };
  add("random", 0.8, 0.7, 0.75);
  add("entropy", 0.8, 0.7, 0.3);
  add("badge", 0.8, 0.7, 0.6);
  add("margin", 0.8, 0.7, 0.1);  // which is not published, as core-set was not run: neither is in the order
  std::vector<std::vector<std::string>> rows;
  for (const QualitativeRow& row : qualitative_rows(tables_of(folder.path())))
    if (row.table == "newer-4K") rows.push_back({row.pair, row.question, row.ours, row.published});
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_THAT(rows[0], ElementsAre("HP3", "strategies below HP1 and HP2", "entropy, badge; not random",
                                   "all: random, entropy, badge"));
  EXPECT_THAT(rows[1], ElementsAre("HP3", "worst strategy", "entropy", "entropy"));
  EXPECT_THAT(rows[2], ElementsAre("HP3", "best strategy", "random", "random"));
  EXPECT_THAT(rows[5], ElementsAre("HP4", "best strategy", "-", "-"));
}

TEST_F(SmallCase, CsvHasEveryFigureExactly) {
  write("published");
  const std::string csv = cells_csv(tables_of(study()));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 4 * 4 * 8);
  EXPECT_THAT(csv, HasSubstr("CIFAR10,older-2K,random,HP1,0.001,0.05,BO,2000,1,77.02,0,0,5,77.42,0.29,-0.4"));
  EXPECT_THAT(csv, HasSubstr("CIFAR10,older-2K,badge,HP4,0.1,0.005,AL,2000,0,,,,3,66.69,3.88,,,,no finished run\n"));
  const std::string seeds = seeds_csv(read_cells(posix_file_system(), {study()}));
  EXPECT_EQ(std::count(seeds.begin(), seeds.end(), '\n'), 1 + 5 * 40 + 5);
  EXPECT_THAT(seeds, HasSubstr("CIFAR10,random,BO,0.001,0.05,1,,2000,0.7702,1.25,0,2,0\n"));
}

TEST(HyperparameterTables, CurvesOverSeeds) {
  const test::TempDir folder;
  const CellWriter cells(folder.path());
  MadeRun run;
  run.accuracies = {0.2, std::nullopt, 0.4};
  cells.active("CIFAR10/random/lr0.001_wd0.05/seed1", run);
  run.accuracies = {0.3, 0.5, 0.1};
  cells.active("CIFAR10/random/lr0.001_wd0.05/seed2", run);
  const auto curve = pair_curve(read_cells(posix_file_system(), {folder.path()}), "CIFAR10", "random", kNamedPairs[0]);
  ASSERT_EQ(curve.size(), 3u);
  EXPECT_EQ(curve[2].labels, 300);
  EXPECT_NEAR(curve[0].value.mean, 25, 1e-5);
  EXPECT_EQ(curve[1].value.n(), 1);
  EXPECT_EQ(curve[2].value.collapsed, 1);
}

}  // namespace
}  // namespace quarry
