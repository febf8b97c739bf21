// SPDX-License-Identifier: MIT
// quarry report DIR...: pictures, tables and a page from what quarry run wrote.
#include <memory>
#include <string>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/report/report.h"
#include "src/cli/commands.h"
#include "src/cli/output.h"

namespace quarry::cli {
namespace {

struct Arguments {
  std::vector<std::string> directories;
  std::string out, panels = "final", format = "all";
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

void read_format(const std::string& text, ReportOptions& options) {
  if (text == "all") return;
  options.html = text == "html";
  options.markdown = text == "md";
  options.csv = text == "csv";
  if (!options.html && !options.markdown && !options.csv)
    usage_error("--format is '{}', expected all, html, md or csv", text);
}

int report(const Arguments& arguments) {
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
                                "quarry report results/moons.shard-1-of-2 results/moons.shard-2-of-2 --out report");
  auto arguments = std::make_shared<Arguments>();
  command.option("DIR", arguments->directories, "directories that quarry run wrote; shards of a study are merged",
                 true);
  command.option("--out", arguments->out, "where to write; report/ in the first directory if left out");
  command.option("--panels", arguments->panels,
                 "maps of decision boundaries and scores for data of two features: none, final, or every=N "
                 "acquisitions (needs networks saved: [output] networks)");
  command.option("--format", arguments->format, "all, html, md or csv");
  command.action([arguments] { return report(*arguments); });
}

}  // namespace quarry::cli
