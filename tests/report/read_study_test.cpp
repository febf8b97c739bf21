// SPDX-License-Identifier: MIT
// Study directories as the reports read them: folders with different seeds become one study, the user's own files have
// names, and results.csv must say what the journals say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "quarry/report/report.h"
#include "quarry/study/runner.h"
#include "tests/report/synthetic.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::slurp;
using test::TempDir;
using ::testing::HasSubstr;
using ::testing::Not;

std::string run_in(const std::string& out, const std::vector<std::string>& overrides) {
  RunOptions options;
  options.out = out;
  options.workers = 1;
  options.progress = ProgressMode::quiet;
  return run_study(posix_file_system(),
                   parse_study(R"(
study = "tiny"
[data]
name = "blobs"
[pool]
n_initial = 8
[acquisition]
strategy = ["random", "entropy"]
budget = 2
[training]
epochs = 2
)",
                               "tiny.toml", overrides),
                   options)
      .directory;
}

ReportSummary report(const std::vector<std::string>& directories, const std::string& out) {
  ReportOptions options;
  options.directories = directories;
  options.out = out;
  options.panels = ReportOptions::Panels::none;
  options.html = false;
  return write_report(posix_file_system(), options);
}

std::string refusal(const std::vector<std::string>& directories, ErrorKind kind) {
  const TempDir out;
  try {
    report(directories, out.path());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    return error.what();
  }
  ADD_FAILURE() << "reported";
  return "";
}

TEST(ReadStudies, FoldersWithOtherSeedsAreOneStudy) {
  const TempDir folder;
  const std::string first = run_in(folder / "e1", {"run.seed=\"0..2\""}),
                    second = run_in(folder / "e2", {"run.seed=5"}),
                    whole = run_in(folder / "all", {"run.seed=[0, 1, 2, 5]"});
  const ReportSummary summary = report({first, second}, folder / "report");
  EXPECT_EQ(summary.runs, 8);
  EXPECT_EQ(summary.completed, 8);
  report({whole}, folder / "of_whole");
  for (const char* table : {"results", "curves", "runs", "comparisons"}) {
    const std::string name = std::string("/tables/") + table + ".csv";
    EXPECT_EQ(slurp(folder / "report" + name), slurp(folder / "of_whole" + name)) << table;
  }
  EXPECT_EQ(slurp(folder / "report/tables/results.csv"), slurp(whole + "/results.csv"));
  const std::string page = slurp(folder / "report/report.md");
  EXPECT_THAT(page, HasSubstr("n = 4"));
  EXPECT_THAT(page, HasSubstr("quarry run " + first + "/config.toml --set run.seed=[0,1,2,5] --out again\n"));
  EXPECT_THAT(page, Not(HasSubstr("quarry run " + second)));
}

TEST(ReadStudies, ASeedIsGivenOnceAndNothingElseDiffers) {
  const TempDir folder;
  const std::string first = run_in(folder / "e1", {"run.seed=\"0..2\""}),
                    overlap = run_in(folder / "e2", {"run.seed=[4, 2]"}),
                    other = run_in(folder / "e3", {"run.seed=7", "acquisition.budget=1"});
  EXPECT_THAT(refusal({first, overlap}, ErrorKind::usage),
              HasSubstr("seed 2 of study 'tiny' is in " + first + " and in " + overlap));
  EXPECT_THAT(refusal({first, other}, ErrorKind::usage),
              HasSubstr("acquisition.budget is 2 in the first and 1 in the second"));
}

TEST(ReadStudies, ResultsThatTheJournalsContradictAreRefused) {
  const TempDir folder;
  const std::string study = run_in(folder.path(), {"run.seed=[0, 1]"}), results = study + "/results.csv";
  const std::string text = slurp(results);
  const std::string cut = text.substr(0, text.find('\n', text.size() / 3) + 1);
  posix_file_system().write_atomically(results, cut);
  const std::string message = refusal({study}, ErrorKind::failed);
  EXPECT_THAT(message, HasSubstr(results + " does not say of run "));
  EXPECT_THAT(message, HasSubstr("`quarry run`"));
  std::string edited = text;
  const std::size_t digit = edited.rfind("0.") + 2;
  edited[digit] = edited[digit] == '5' ? '6' : '5';
  posix_file_system().write_atomically(results, edited);
  EXPECT_THAT(refusal({study}, ErrorKind::failed), HasSubstr("the figures are others there"));
  run_in(folder.path(), {"run.seed=[0, 1]"});
  EXPECT_EQ(slurp(results), text) << "the study's command makes it anew";
  EXPECT_EQ(report({study}, folder / "report").completed, 4);
  posix_file_system().write_atomically(results, cut);
  for (const std::string& run : posix_file_system().list(study + "/runs"))
    posix_file_system().remove(study + "/runs/" + run + "/journal.jsonl");
  EXPECT_LT(report({study}, folder / "report").completed, 4) << "without journals there is nothing else to go by";
}

std::string file_study(const std::string& name, const std::string& paths) {
  return "study = \"" + name + "\"\n[data]\nname = \"file\"\npath = " + paths +
         "\n[acquisition]\nstrategy = [\"random\", \"entropy\"]\nbudget = 20\n";
}

TEST(ReadStudies, OwnFilesAreNamedWithoutTheirFolders) {
  const TempDir folder;
  Synthetic wanted;
  wanted.dataset = "file";
  for (const char* name : {"wine", "grid"}) {
    wanted.study = name;
    const std::string paths = name == std::string("wine") ? "\"/home/me/sets/wine.csv\""
                                                          : "[\"/home/me/one/beer.csv\", \"/home/me/two/beer.csv\"]";
    write_synthetic_study(posix_file_system(), folder / name, file_study(name, paths), wanted);
  }
  report({folder / "wine"}, folder / "alone");
  const std::string alone = slurp(folder / "alone/report.md");
  EXPECT_THAT(alone, HasSubstr("**wine.csv, fixed**"));
  EXPECT_THAT(alone, HasSubstr("## wine.csv\n"));
  EXPECT_THAT(alone, Not(HasSubstr("/home/me")));
  report({folder / "grid", folder / "wine"}, folder / "both");
  const std::string both = slurp(folder / "both/report.md");
  for (const char* name : {"grid: one/beer.csv", "grid: two/beer.csv", "wine: wine.csv"})
    EXPECT_THAT(both, HasSubstr("**" + std::string(name) + ", fixed**"));
  EXPECT_THAT(both, Not(HasSubstr("/home/me")));
  EXPECT_THAT(both, Not(HasSubstr("data.path")));
}

}  // namespace
}  // namespace quarry
