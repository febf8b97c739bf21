// SPDX-License-Identifier: MIT
#include "quarry/report/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "quarry/core/error.h"
#include "src/report/findings.h"
#include "src/report/subprocess.h"
#include "tests/report/synthetic.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

constexpr const char* kStudy = R"(study = "study"
[run]
seed = "0..2"
[data]
name = "moons"
[acquisition]
strategy = ["random", "entropy", "bald", "coreset"]
budget = 20
[search]
mode = ["constant_initial", "online_dynamic"]
)";

bool gnuplot_is_there() {
  return run_program({"gnuplot", "--version"}, "/", 60).found;
}

/// PATH leads nowhere while this lives.
class NoPrograms {
 public:
  NoPrograms() : path_(std::getenv("PATH")) { setenv("PATH", "/nonexistent", 1); }
  ~NoPrograms() { setenv("PATH", path_.c_str(), 1); }

 private:
  std::string path_;
};

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Report, PagesAndTablesOfAStudy) {
  if (!gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  const test::TempDir folder;
  write_synthetic_study(posix_file_system(), folder / "study", kStudy, {});
  ReportOptions options;
  options.directories = {folder / "study/"};
  options.panels = ReportOptions::Panels::none;
  const ReportSummary summary = write_report(posix_file_system(), options);
  EXPECT_EQ(summary.out, folder / "study/report");
  EXPECT_EQ(summary.runs, 24);
  EXPECT_EQ(summary.completed, 24);
  EXPECT_EQ(summary.pictures, 2 + 4 + 4 + 1 + 1);  // overview, curves, modes by strategy, hyperparameters, time
  const std::string html = test::slurp(folder / "study/report/report.html");
  EXPECT_EQ(count_of(html, "<img "), 12u);
  EXPECT_NE(html.find("n = 3 seeds: cannot be significant at 5&nbsp;%"), std::string::npos);
  EXPECT_NE(html.find("Nothing: all 24 runs"), std::string::npos);
  const std::string markdown = test::slurp(folder / "study/report/report.md");
  EXPECT_EQ(count_of(markdown, "](plots/"), 12u);
  for (const std::string& name : posix_file_system().list(folder / "study/report/plots"))
    if (name.ends_with(".svg")) {
      EXPECT_TRUE(posix_file_system().exists(folder / "study/report/plots/" + name.substr(0, name.size() - 3) + "gp"));
      EXPECT_TRUE(posix_file_system().exists(folder / "study/report/plots/" + name.substr(0, name.size() - 3) + "dat"));
    }
  const std::string curves = test::slurp(folder / "study/report/tables/curves.csv");
  EXPECT_EQ(count_of(curves, "\n"), 1u + 8 * 5 * 21);
}

// A panel per data set and validation share, every arm in it, as means with their bands.
TEST(Report, OneFigureHasEveryStrategyAndMode) {
  if (!gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  const test::TempDir folder;
  Synthetic other;
  other.study = "other";
  other.seeds = 5;
  write_synthetic_study(posix_file_system(), folder / "a", kStudy, {});
  std::string config = std::string(kStudy).replace(0, 15, "study = \"other\"");
  write_synthetic_study(posix_file_system(), folder / "b", config.replace(config.find("0..2"), 4, "0..4"), other);
  ReportOptions options;
  options.directories = {folder / "a", folder / "b"};
  options.markdown = options.csv = false;
  options.panels = ReportOptions::Panels::none;
  write_report(posix_file_system(), options);
  const std::string script = test::slurp(folder / "a/report/plots/001_overview_accuracy.gp");
  EXPECT_EQ(count_of(script, "set title 'study: moons, 25 % validation, 20 first labels (n = "), 1u);
  EXPECT_EQ(count_of(script, "set title 'other: moons, 25 % validation, 20 first labels (n = "), 1u);
  EXPECT_EQ(count_of(script, "(n = 3 seeds)"), 1u);
  EXPECT_EQ(count_of(script, "(n = 5 seeds)"), 1u);
  EXPECT_EQ(count_of(script, "with filledcurves"), 2u * 8);
  EXPECT_EQ(count_of(script, "title 'coreset, online_dynamic'"), 3u);  // two panels and the legend
  const std::string data = test::slurp(folder / "a/report/plots/001_overview_accuracy.dat");
  EXPECT_EQ(count_of(data, "# coreset, online_dynamic\n"), 2u);
  EXPECT_EQ(count_of(data, "\n\n\n"), 2u * 8);
  EXPECT_NE(script.find("data index 15 using"), std::string::npos);
  EXPECT_NE(test::slurp(folder / "a/report/report.html").find("<h2>Every strategy and mode</h2>"), std::string::npos);
}

TEST(Report, SameBytesTwice) {
  const test::TempDir folder;
  write_synthetic_study(posix_file_system(), folder / "study", kStudy, {});
  ReportOptions options;
  options.directories = {folder / "study"};
  std::string pages[2];
  for (std::string& page : pages) {
    write_report(posix_file_system(), options);
    page = test::slurp(folder / "study/report/report.html");
  }
  EXPECT_EQ(pages[0], pages[1]);
}

TEST(Report, WithoutGnuplotTheTablesAreThere) {
  const test::TempDir folder;
  write_synthetic_study(posix_file_system(), folder / "study", kStudy, {});
  ReportOptions options;
  options.directories = {folder / "study"};
  options.out = folder / "elsewhere";
  const NoPrograms none;
  const ReportSummary summary = write_report(posix_file_system(), options);
  EXPECT_EQ(summary.pictures, 0);
  ASSERT_FALSE(summary.notes.empty());
  EXPECT_NE(summary.notes[0].find("apt install gnuplot-nox"), std::string::npos);
  const std::string html = test::slurp(folder / "elsewhere/report.html");
  EXPECT_NE(html.find("apt install gnuplot-nox"), std::string::npos);
  EXPECT_NE(html.find("<table>"), std::string::npos);
}

TEST(Report, SeveralStudiesShareAPage) {
  const test::TempDir folder;
  Synthetic other;
  other.study = "other";
  other.honeypots = true;
  write_synthetic_study(posix_file_system(), folder / "a", kStudy, {});
  write_synthetic_study(posix_file_system(), folder / "b", std::string(kStudy).replace(0, 15, "study = \"other\""),
                        other);
  ReportOptions options;
  options.directories = {folder / "a", folder / "b"};
  options.markdown = options.csv = false;
  const NoPrograms none;
  const ReportSummary summary = write_report(posix_file_system(), options);
  EXPECT_EQ(summary.runs, 48);
  EXPECT_EQ(summary.files, (std::vector<std::string>{"report.html"}));
  const std::string html = test::slurp(folder / "a/report/report.html");
  EXPECT_NE(html.find("honeypots queried"), std::string::npos);
  EXPECT_NE(html.find("<h2>other: moons</h2>"), std::string::npos);
  EXPECT_NE(html.find("<h2>study: moons</h2>"), std::string::npos);
}

TEST(Report, RefusesWhatIsNoStudy) {
  const test::TempDir folder;
  const auto error_of = [](const std::string& path) -> std::string {
    ReportOptions options;
    options.directories = {path};
    try {
      write_report(posix_file_system(), options);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(error_of(folder / "nowhere").find("is not a directory"), std::string::npos);
  EXPECT_NE(error_of(folder.path()).find("holds no config.toml"), std::string::npos);
  folder.write("config.toml", "study = \"x\"\n");
  EXPECT_NE(error_of(folder.path()).find("holds no results yet"), std::string::npos);
}

TEST(Findings, NameAWinnerOnlyWhenTheTestDoes) {
  Synthetic wanted;
  wanted.seeds = 10;
  wanted.honeypots = true;
  StudyDirectory study = synthetic_study(wanted);
  study.rows.back().diverged = true;
  const std::vector<Setting> settings = combine({study});
  std::string text;
  for (const Finding& finding : findings_of(summarise(settings)[0])) text += finding.topic + ": " + finding.text + "\n";
  EXPECT_NE(text.find("moons, online_dynamic: Averaged along the curve, coreset had the highest test accuracy"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("significantly better than every other (paired sign-flip test, 5 %, Holm over 6 comparisons)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("n = 10, significant)"), std::string::npos) << text;
  EXPECT_NE(text.find("coreset under online_dynamic 30 % (n = 10)"), std::string::npos) << text;
  EXPECT_NE(text.find("In 1 of 80 runs a network diverged"), std::string::npos) << text;
}

TEST(ReportCommand, WritesWhereItSaysAndRefusesNonsense) {
  const test::TempDir folder;
  write_synthetic_study(posix_file_system(), folder / "study", kStudy, {});
  const auto result = test::run_program(QUARRY_PROGRAM, {"report", folder / "study", "--format", "md"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("24 of 24 runs completed"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find(folder / "study/report/report.md"), std::string::npos) << result.out;
  EXPECT_EQ(test::run_program(QUARRY_PROGRAM, {"report"}).exit_code, 2);
  EXPECT_EQ(test::run_program(QUARRY_PROGRAM, {"report", folder / "none"}).exit_code, 2);
  EXPECT_EQ(test::run_program(QUARRY_PROGRAM, {"report", folder / "study", "--panels", "each"}).exit_code, 2);
  EXPECT_EQ(test::run_program(QUARRY_PROGRAM, {"report", folder / "study", "--format", "pdf"}).exit_code, 2);
  const auto help = test::run_program(QUARRY_PROGRAM, {"report", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_NE(help.out.find("quarry report results/smoke"), std::string::npos) << help.out;
}

}  // namespace
}  // namespace quarry
