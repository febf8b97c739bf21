// SPDX-License-Identifier: MIT
// What results.csv has of a finished run: said before it runs, and found in its journal afterwards.
#include "quarry/study/run_rows.h"

#include <gtest/gtest.h>

#include "quarry/study/frozen_set_run.h"
#include "quarry/study/image_learning_run.h"
#include "tests/study/image_support.h"
#include "tests/support/image_steps.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::Machine;
using test::runs_of;
using test::step;
using test::TempDir;
using test::tiny;

using Iterations = std::vector<std::int32_t>;

Iterations iterations_in(const std::string& directory, const StudyRun& run) {
  const std::string path = directory + "/journal.jsonl";
  Iterations iterations;
  for (const ResultRow& row : rows_of_journal("s", run, parse_journal(read_file(path), path).records))
    iterations.push_back(row.iteration);
  return iterations;
}

Iterations learned(const StudyRun& run) {
  const TempDir out;
  Machine machine(1);
  ImageLearningRun learning(posix_file_system(), run, tiny(), out.path(), {std::string(conv_engine_name()), "none"});
  while (step(learning, machine.executor)) {
  }
  EXPECT_TRUE(learning.finished());
  return iterations_in(out.path(), run);
}

TEST(RunRows, OfAFinishedRunAreTheTestedIterations) {
  const std::vector<StudyRun> runs = runs_of({"acquisition.tested=[[10, 20], [15], [20], []]"});
  const Iterations expected[] = {{-1, 1}, {0}, {1}, {-1, 0, 1}};  // of 10, 15, 20 labels
  ASSERT_EQ(runs.size(), 4u);
  for (std::size_t r = 0; r < runs.size(); ++r) {
    EXPECT_EQ(iterations_with_rows(runs[r].config), expected[r]) << r;
    EXPECT_EQ(learned(runs[r]), expected[r]) << r;
  }
}

TEST(RunRows, ASearchOnAFrozenSetHasOne) {
  const StudyRun run = runs_of({"search.mode=frozen_set", "pool.acquired=somewhere", "pool.acquired_labels=8",
                                "search.trials=2", "search.startup_trials=1", "search.folds=2"})[0];
  const TempDir out;
  Machine machine(1);
  FrozenSetRun frozen(posix_file_system(), run, tiny(), {{3, 1, 4, 15, 9, 2, 6, 5}}, out.path(),
                      {std::string(conv_engine_name()), "none"});
  while (step(frozen, machine.executor)) {
    EXPECT_EQ(iterations_in(out.path(), run).empty(), !frozen.finished());
  }
  EXPECT_EQ(iterations_with_rows(run.config), Iterations{-1});
  EXPECT_EQ(iterations_in(out.path(), run), Iterations{-1});
}

TEST(RunRows, OfPerceptrons) {
  const std::vector<StudyRun> runs =
      parse_study("", "test.toml",
                  std::vector<std::string>{"pool.n_initial=[8, -1]", "acquisition.budget=5", "acquisition.size=2"})
          .runs;
  EXPECT_EQ(iterations_with_rows(runs[0].config), (Iterations{-1, 0, 1, 2}));
  EXPECT_EQ(iterations_with_rows(runs[1].config), Iterations{-1}) << "everything is labelled: nothing to acquire";
}

}  // namespace
}  // namespace quarry
