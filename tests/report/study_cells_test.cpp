// SPDX-License-Identifier: MIT
#include "quarry/report/study_cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "quarry/core/error.h"
#include "tests/fuzz/cells_body.h"
#include "tests/report/cells.h"
#include "tests/support/corpus.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::CellWriter;
using test::MadeRun;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// The message with which `work` fails; fails the test if it does not, or with another kind.
template <class Work>
std::string message_of(Work&& work, ErrorKind kind = ErrorKind::failed) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(StudyCells, ActiveResultsAsTheReferenceWritesThem) {
  MadeRun run;
  run.accuracies = {0.25, std::nullopt, 0.7564};
  run.first = 2;
  run.batch = 3;
  run.pool = 20;
  const std::vector<ActiveCycle> cycles = parse_active_results(test::results_text(run), "r.json");
  ASSERT_EQ(cycles.size(), 3u);
  EXPECT_THAT(cycles[0].queried, ElementsAre(0, 1));
  EXPECT_THAT(cycles[1].queried, ElementsAre(2, 3, 4));
  EXPECT_EQ(cycles[0].labels, 2);
  EXPECT_EQ(cycles[2].labels, 8);
  EXPECT_DOUBLE_EQ(*cycles[0].accuracy, 0.25);
  EXPECT_FALSE(cycles[1].accuracy);
  EXPECT_DOUBLE_EQ(*cycles[2].accuracy, static_cast<double>(0.7564f));
}

TEST(StudyCells, SearchResultsAsTheReferenceWritesThem) {
  const SearchResult result = parse_search_results(test::search_text(0.775, {{0.001, 0.05}, {2e-5, 0.01}}), "r.json");
  EXPECT_DOUBLE_EQ(result.accuracy, 0.775);
  EXPECT_FALSE(result.nll);  // NaN
  EXPECT_TRUE(result.non_finite_loss);
  EXPECT_FALSE(parse_search_results(test::search_text(0.775, {}, "1.5"), "r.json").non_finite_loss);
  ASSERT_EQ(result.trials.size(), 2u);
  EXPECT_DOUBLE_EQ(result.trials[1].lr, 2e-5);
  EXPECT_DOUBLE_EQ(result.trials[1].weight_decay, 0.01);
  EXPECT_DOUBLE_EQ(*result.trials[0].accuracy, 0.5);
  EXPECT_FALSE(result.trials[0].nll);
}

TEST(StudyCells, DamagedFilesAreRefusedByName) {
  const auto active = [](const std::string& text) { return [=] { parse_active_results(text, "a/r.json"); }; };
  MadeRun run;
  run.accuracies = {0.25, 0.5};
  run.first = 2;
  run.batch = 1;
  const std::string good = test::results_text(run);
  const auto with = [&](const std::string& from, const std::string& to) {
    EXPECT_NE(good.find(from), std::string::npos) << from;
    return active(replace_all(good, from, to));
  };
  struct Case {
    std::string message, part;
  };
  for (const auto& [message, part] : {
           Case{message_of(active("")), "a/r.json"},
           Case{message_of(active("{}")), "no cycles"},
           Case{message_of(active("[]")), "no object"},
           Case{message_of(active(good.substr(0, good.size() - 1))), "byte"},
           Case{message_of(with("cycle1", "cycle2")), "expected 'cycle1'"},
           Case{message_of(with("0.25", "25")), "share between 0 and 1"},
           Case{message_of(with("0.25", "NaN")), "share between 0 and 1"},
           Case{message_of(with("query_indices", "query")), "has no 'query_indices'"},
           Case{message_of(with("[2]", "[-2]")), "no position"},
           Case{message_of(with("[2]", "[2.5]")), "no position"},
           Case{message_of(with("\"n_labeled_samples\": 3", "\"n_labeled_samples\": 4")), "two numbers of labels"},
           Case{message_of(active(replace_all(good, "_samples\": 3", "_samples\": 4"))), "more than the 3 positions"},
           Case{message_of([] { parse_queried_picks("{\"cycle0\": 3}", "a/r.json"); }), "no list of positions"},
           Case{message_of([] { parse_search_results("{\"ray-results\": []}", "a/r.json"); }), "has no 'test_stats'"},
           Case{message_of([] {
                  parse_search_results(replace_all(test::search_text(.5, {{1, 2}}), "\"conf\"", "\"c\""), "a/r.json");
                }),
                "trial 0 has no 'conf'"},
           Case{message_of([] {
                  parse_cell_dataset("{\"name\":\"a\",\"source\":\"b\",\"origin\":\"c\",\"classes\":2}", "a/r.json");
                }),
                "expected published or unverified"},
           Case{message_of([] { parse_protocol("[]", "a/r.json"); }), "expected an object of the keys"},
           Case{message_of([] { parse_protocol("{\"labels_from\": 3}", "a/r.json"); }),
                "expected an object of the keys"},
           Case{message_of([] { parse_protocol("{\"training.epochs\": [1]}", "a/r.json"); }),
                "'training.epochs' is no number, text, true or false"},
           Case{message_of([] { parse_protocol(R"({"labels_from.a": 1, "labels_from": {"a": 2}})", "a/r.json"); }),
                "'labels_from.a' is there twice"},
       }) {
    EXPECT_THAT(message, StartsWith("a/r.json"));
    EXPECT_THAT(message, HasSubstr(part));
  }
}

TEST(StudyCells, TreeOfBothHalves) {
  const test::TempDir folder;
  const CellWriter cells(folder / "study/cells");
  MadeRun run;
  run.accuracies = {0.1, 0.5};
  cells.active("CIFAR10/random/lr0.001_wd0.0005/seed2", run);
  cells.file("CIFAR10/random/lr0.001_wd0.0005/seed2", "notes.json", "{\"diverged_cycles\": [1]}");
  cells.search("CIFAR10/random/budget200/lr0.001_wd0.0005/seed2", 0.6);
  cells.file("CIFAR10/random/budget200/lr0.001_wd0.0005/seed2", "notes.json", "{\"diverged\": true}");
  cells.file("CIFAR10/random/budget200/lr0.001_wd0.0005/seed3", "log.txt", "still running");
  cells.file("CIFAR10/random/.hidden", "x", "");
  cells.data("CIFAR10", "cifar10", "published", 10);
  for (const char* name : {"study", "study/cells"}) {
    const CellTree tree = read_cells(posix_file_system(), {folder / name});
    ASSERT_EQ(tree.cells.size(), 2u);
    EXPECT_EQ(tree.cells[0].key.path(), "CIFAR10/random/lr0.001_wd0.0005/seed2");
    EXPECT_FALSE(tree.cells[0].cycles[0].diverged);
    EXPECT_TRUE(tree.cells[0].cycles[1].diverged);
    EXPECT_EQ(tree.cells[1].key.path(), "CIFAR10/random/budget200/lr0.001_wd0.0005/seed2");
    EXPECT_TRUE(tree.cells[1].search->diverged);
    ASSERT_EQ(tree.notes.size(), 1u);
    EXPECT_THAT(tree.notes[0], HasSubstr("seed3 has no results.json"));
    ASSERT_EQ(tree.datasets.size(), 1u);
    EXPECT_EQ(tree.datasets[0].origin, CellDataset::Origin::published);
    EXPECT_EQ(tree.datasets[0].classes, 10);
  }
}

TEST(StudyCells, OddTreesAreRefused) {
  const test::TempDir folder;
  const auto refused = [&](const std::vector<std::string>& names) {
    std::vector<std::string> paths;
    for (const std::string& name : names) paths.push_back(folder / name);
    return message_of([&] { read_cells(posix_file_system(), paths); }, ErrorKind::usage);
  };
  EXPECT_THAT(refused({"nowhere"}), HasSubstr("is no folder"));
  posix_file_system().make_directories(folder / "empty");
  EXPECT_THAT(refused({"empty"}), HasSubstr("holds no cells"));
  MadeRun run;
  run.accuracies = {0.1};
  CellWriter(folder / "a").active("CIFAR10/random/lr0.1_wd0.5/seed1", run);
  CellWriter(folder / "b").active("CIFAR10/random/lr0.1_wd0.50/seed1", run);
  EXPECT_THAT(refused({"a", "b"}), HasSubstr("give each once"));
  CellWriter(folder / "c").active("CIFAR10/random/rate0.1/seed1", run);
  EXPECT_THAT(refused({"c"}), HasSubstr("rate0.1' is no part of a hyperparameter study"));
  CellWriter(folder / "d").active("CIFAR10/random/lr0.1_wd0.5/run1", run);
  EXPECT_THAT(refused({"d"}), HasSubstr("expected a name such as seed1"));
  CellWriter(folder / "e").active("CIFAR10/badge/lr0.1_wd0.5/seed1", run);
  CellWriter(folder / "e").data("CIFAR10", "cifar10", "unverified", 10);
  EXPECT_THAT(refused({"a", "e"}), HasSubstr("report them apart"));
  CellWriter(folder / "f").active("CIFAR10/random/lr0.1_wd0.5/seed1", run);
  CellWriter(folder / "f").file("CIFAR10/random/lr0.1_wd0.5/seed1", "notes.json", "{\"diverged_cycles\": [1]}");
  EXPECT_THAT(message_of([&] { read_cells(posix_file_system(), {folder / "f"}); }),
              HasSubstr("names a cycle that the run does not have; it has 1"));
}

TEST(StudyCells, AFinishedStudyWithoutCellsIsNotCalledUnfinished) {
  const test::TempDir folder;
  CellWriter(folder / "perceptrons/runs").file("r", "journal.jsonl", "");
  CellWriter(folder / "images/runs").file("r", "journal.jsonl", "");
  folder.write("perceptrons/config.toml", "study = \"perceptrons\"\n");
  folder.write("images/config.toml", "preset = \"hyperparameter_study\"\n[data]\nname = \"cifar10\"\n");
  const auto refused = [&](const std::string& name) {
    return message_of([&] { read_cells(posix_file_system(), {folder / name}); }, ErrorKind::usage);
  };
  EXPECT_THAT(refused("perceptrons"), HasSubstr("is no hyperparameter study and has no cells"));
  EXPECT_THAT(refused("images"), HasSubstr("the study in it is not finished"));
  folder.write("perceptrons/results.csv", "");
  folder.write("images/results.csv", "");
  EXPECT_THAT(refused("perceptrons"), HasSubstr("is no hyperparameter study and has no cells"));
  EXPECT_THAT(refused("images"), HasSubstr("its grid has axes that the published layout has no place for"));
}

TEST(StudyCells, AnUnfinishedShardIsANoteBesideTheOthers) {
  const test::TempDir folder;
  MadeRun run;
  run.accuracies = {0.1};
  CellWriter(folder / "shard1/cells").active("CIFAR10/random/lr0.1_wd0.5/seed1", run);
  CellWriter(folder / "shard2/runs").file("random/0001", "journal", "");
  posix_file_system().make_directories(folder / "shard3/cells");
  const CellTree tree = read_cells(posix_file_system(), {folder / "shard2", folder / "shard1", folder / "shard3"});
  EXPECT_EQ(tree.cells.size(), 1u);
  EXPECT_EQ(tree.datasets.size(), 1u);
  ASSERT_EQ(tree.notes.size(), 2u);
  EXPECT_THAT(tree.notes[0], HasSubstr("shard2' holds no cells yet: the study in it is not finished"));
  EXPECT_THAT(tree.notes[1], HasSubstr("shard3' holds no cells of a hyperparameter study"));
  const std::string alone = message_of(
      [&] {
        read_cells(posix_file_system(), {folder / "shard2", folder / "shard3"});
      },
      ErrorKind::usage);
  EXPECT_THAT(alone, HasSubstr("shard2' holds no cells yet"));
  EXPECT_THAT(alone, HasSubstr("shard3' holds no cells of"));
}

TEST(StudyCells, ALargeFileIsReadWithoutItsUnlabelledPositions) {
  MadeRun run;
  run.accuracies.assign(40, 0.5);
  run.pool = 45000;
  const std::string text = test::results_text(run);
  EXPECT_GT(text.size(), 10'000'000u);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<ActiveCycle> cycles = parse_active_results(text, "r.json");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("milliseconds", static_cast<int>(1000 * seconds.count()));
  ASSERT_EQ(cycles.size(), 40u);
  EXPECT_EQ(cycles[39].labels, 4000);
  const std::size_t at = text.rfind("44999]");
  EXPECT_THAT(message_of([&] { parse_active_results(text.substr(0, at) + "x" + text.substr(at), "r.json"); }),
              StartsWith("r.json"));
}

TEST(StudyCells, Collapsed) {
  EXPECT_TRUE(is_collapsed(static_cast<double>(0.1f), 10));
  EXPECT_TRUE(is_collapsed(0.01, 100));
  EXPECT_FALSE(is_collapsed(0.1001, 10));
  EXPECT_FALSE(is_collapsed(0.0999, 10));
  EXPECT_FALSE(is_collapsed(0.01, 0));
}

TEST(StudyCells, FuzzSeeds) {
  test::replay_corpus("cells", fuzz_cells);
}

}  // namespace
}  // namespace quarry
