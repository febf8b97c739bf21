// SPDX-License-Identifier: MIT
// quarry report DIR...: pictures, tables and a page from what quarry run wrote.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/report/hyperparameter_report.h"
#include "quarry/report/online_tuning_report.h"
#include "quarry/report/report.h"
#include "src/cli/commands.h"
#include "src/cli/output.h"

namespace quarry::cli {
namespace {

struct Arguments {
  std::vector<std::string> directories;
  std::string out, panels = "final", format = "all";
  std::optional<std::string> study;
  bool every_pair = false;
};

void read_panels(const std::string& text, ReportOptions& options) {
  using Panels = ReportOptions::Panels;
  std::int64_t every = 0;
  if (text == "none") {
    options.panels = Panels::none;
  } else if (text == "final") {
    options.panels = Panels::final;
  } else if (text.rfind("every=", 0) == 0 && parse_number(text.substr(6), every) && every >= 1 && every <= 1000000) {
    options.panels = Panels::every;
    options.every = static_cast<std::int32_t>(every);
  } else {
    usage_error("--panels is '{}', expected none, final or every=N, as every=10", text);
  }
}

template <class Options>
void read_format(const std::string& text, Options& options) {
  if (text == "all") return;
  options.html = text == "html";
  options.markdown = text == "md";
  options.csv = text == "csv";
  if (!options.html && !options.markdown && !options.csv)
    usage_error("--format is '{}', expected all, html, md or csv", text);
}

int hyperparameter_report(const Arguments& arguments) {
  if (arguments.panels != "final") usage_error("--panels has no meaning with --study hyperparameter");
  HyperparameterReportOptions options;
  options.directories = arguments.directories;
  options.out = arguments.out;
  options.every_pair = arguments.every_pair;
  read_format(arguments.format, options);
  const HyperparameterReportSummary summary = write_hyperparameter_report(posix_file_system(), options);
  put(summary.text);
  for (const std::string& note : summary.notes) print("note: {}\n", printable(note));
  print("{} cells, {} pictures\n", summary.cells, summary.pictures);
  for (const std::string& file : summary.files) print("{}/{}\n", printable(summary.out), printable(file));
  return 0;
}

int online_tuning_report(const Arguments& arguments) {
  if (arguments.panels != "final") usage_error("--panels has no meaning with --study online_tuning");
  OnlineTuningReportOptions options;
  options.directories = arguments.directories;
  options.out = arguments.out;
  read_format(arguments.format, options);
  const OnlineTuningReportSummary summary = write_online_tuning_report(posix_file_system(), options);
  put(summary.text);
  for (const std::string& note : summary.notes) print("note: {}\n", printable(note));
  print("{} claims, {} pictures\n", summary.claims, summary.pictures);
  for (const std::string& file : summary.files) print("{}/{}\n", printable(summary.out), printable(file));
  return 0;
}

int report(const Arguments& arguments) {
  if (arguments.study && *arguments.study != "hyperparameter" && *arguments.study != "online_tuning")
    usage_error("--study is '{}', expected hyperparameter or online_tuning", printable(*arguments.study));
  if (arguments.study == "hyperparameter") return hyperparameter_report(arguments);
  if (arguments.every_pair) usage_error("--every-pair needs --study hyperparameter");
  if (arguments.study) return online_tuning_report(arguments);
  ReportOptions options;
  options.directories = arguments.directories;
  options.out = arguments.out;
  read_panels(arguments.panels, options);
  read_format(arguments.format, options);
  const ReportSummary summary = write_report(posix_file_system(), options);
  print("{} of {} runs completed, {} diverged at least once\n", summary.completed, summary.runs, summary.diverged);
  for (const std::string& note : summary.notes) print("note: {}\n", printable(note));
  print("{} pictures\n", summary.pictures);
  for (const std::string& file : summary.files) print("{}/{}\n", printable(summary.out), printable(file));
  return 0;
}

}  // namespace

void add_report_command(Command& program) {
  Command command = program.add("report", "Make pictures, tables and a page of one or several studies' results",
                                "quarry report results/smoke\n"
                                "quarry report results/moons.shard-1-of-2 results/moons.shard-2-of-2 --out report\n"
                                "quarry report --study hyperparameter results/hyperparameter\n"
                                "quarry report --study online_tuning results/online_tuning_small_grid");
  auto arguments = std::make_shared<Arguments>();
  command.option("DIR", arguments->directories, "directories that quarry run wrote; shards of a study are merged",
                 true);
  command.option("--out", arguments->out, "where to write; report/ in the first directory if left out");
  command.option("--panels", arguments->panels,
                 "maps of decision boundaries and scores for data of two features: none, final, or every=N "
                 "acquisitions (needs networks saved: [output] networks)");
  command.option("--study", arguments->study,
                 "a published study's own report. hyperparameter: its tables beside the published ones; DIR is then a "
                 "study's folder (its cells/ is read) or a tree of results in the same layout. online_tuning: each of "
                 "its claims, tested on the runs, with a verdict");
  command.flag("--every-pair", arguments->every_pair,
               "with --study hyperparameter: curves of the pair (0.1, 0.05) too, whose networks name one class");
  command.option("--format", arguments->format, "all, html, md or csv");
  command.action([arguments] { return report(*arguments); });
}

}  // namespace quarry::cli
