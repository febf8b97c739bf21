// SPDX-License-Identifier: MIT
// quarry report DIR...: pictures, tables and a page from what quarry run wrote.
#include <fmt/core.h>

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
  std::optional<std::string> animate;
  int bald_passes = -1;
  AnimationOptions animation;
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

AnimationOptions read_animation(const Arguments& arguments) {
  AnimationOptions options = arguments.animation;
  const AnimationOptions defaults;
  if (!arguments.animate) {
    if (options.runs != defaults.runs || options.width != defaults.width || options.rate != defaults.rate ||
        options.every != defaults.every)
      usage_error("--animate-runs, --animate-size, --animate-rate and --animate-every need --animate gif or mp4");
    return options;
  }
  if (*arguments.animate != "gif" && *arguments.animate != "mp4")
    usage_error("--animate is '{}', expected gif or mp4", printable(*arguments.animate));
  options.format = *arguments.animate == "gif" ? AnimationOptions::Format::gif : AnimationOptions::Format::mp4;
  return options;
}

/// Says what was noticed, counted and written; the exit code.
template <class Summary>
int tell(const Summary& summary, const std::string& counts) {
  for (const std::string& note : summary.notes) print("note: {}\n", printable(note));
  print("{}\n", counts);
  for (const std::string& file : summary.files) print("{}/{}\n", printable(summary.out), printable(file));
  return 0;
}

int hyperparameter_report(const Arguments& arguments) {
  HyperparameterReportOptions options;
  options.directories = arguments.directories;
  options.out = arguments.out;
  options.every_pair = arguments.every_pair;
  read_format(arguments.format, options);
  const HyperparameterReportSummary summary = write_hyperparameter_report(posix_file_system(), options);
  put(summary.text);
  return tell(summary, fmt::format("{} cells, {} pictures", summary.cells, summary.pictures));
}

int online_tuning_report(const Arguments& arguments) {
  OnlineTuningReportOptions options;
  options.directories = arguments.directories;
  options.out = arguments.out;
  read_format(arguments.format, options);
  const OnlineTuningReportSummary summary = write_online_tuning_report(posix_file_system(), options);
  put(summary.text);
  return tell(summary, fmt::format("{} claims, {} pictures", summary.claims, summary.pictures));
}

/// The report of a published study draws no maps.
int study_report(const Arguments& arguments) {
  const std::string& study = *arguments.study;
  if (study != "hyperparameter" && study != "online_tuning")
    usage_error("--study is '{}', expected hyperparameter or online_tuning", printable(study));
  if (arguments.panels != "final") usage_error("--panels has no meaning with --study {}", study);
  if (arguments.animate || arguments.bald_passes >= 0)
    usage_error("--animate and --bald-passes have no meaning with --study {}", study);
  if (arguments.every_pair && study != "hyperparameter") usage_error("--every-pair needs --study hyperparameter");
  return study == "hyperparameter" ? hyperparameter_report(arguments) : online_tuning_report(arguments);
}

int report(const Arguments& arguments) {
  if (arguments.study) return study_report(arguments);
  if (arguments.every_pair) usage_error("--every-pair needs --study hyperparameter");
  ReportOptions options;
  options.directories = arguments.directories;
  options.out = arguments.out;
  options.animation = read_animation(arguments);
  options.bald_passes = arguments.bald_passes;
  read_panels(arguments.panels, options);
  read_format(arguments.format, options);
  const ReportSummary summary = write_report(posix_file_system(), options);
  print("{} of {} runs completed, {} diverged at least once\n", summary.completed, summary.runs, summary.diverged);
  return tell(summary, fmt::format("{} pictures", summary.pictures));
}

}  // namespace

void add_report_command(Command& program) {
  Command command = program.add("report", "Make pictures, tables and a page of one or several studies' results",
                                "quarry report results/smoke\n"
                                "quarry report results/moons.shard-1-of-2 results/moons.shard-2-of-2 --out report\n"
                                "quarry report results/online_tuning_animation --animate gif\n"
                                "quarry report --study hyperparameter results/hyperparameter\n"
                                "quarry report --study online_tuning results/online_tuning_small_grid");
  auto arguments = std::make_shared<Arguments>();
  command.option("DIR", arguments->directories,
                 "directories that quarry run wrote; shards of a study are merged, other seeds of it too", true);
  command.option("--out", arguments->out, "where to write; report/ in the first directory if left out");
  command.option("--panels", arguments->panels,
                 "maps of decision boundaries and scores for data of two features: none, final, or every=N "
                 "acquisitions (needs networks saved: [output] networks)");
  command.option("--animate", arguments->animate,
                 "gif or mp4 (by ffmpeg): an animation per run on data of two features, a frame per iteration (needs "
                 "[output] networks = \"every\")");
  command.option("--animate-runs", arguments->animation.runs,
                 "first (completed run of each strategy and mode), all (completed ones), or a run's name");
  command.option("--animate-size", arguments->animation.width, "width of an animation in pixels", 320, 1600);
  command.option("--animate-rate", arguments->animation.rate, "frames per second", 1, 50);
  command.option("--animate-every", arguments->animation.every, "a frame after each so many acquisitions", 1, 1000000);
  command.option("--bald-passes", arguments->bald_passes,
                 "stochastic passes per point of BALD's score maps; -1: as many as the study's (100 passes over the "
                 "map's 10000 points can cost more than the run itself did), 0: no such maps",
                 -1, 100000);
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
