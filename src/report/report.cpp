// SPDX-License-Identifier: MIT
#include "quarry/report/report.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "quarry/core/context.h"
#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/data/data_table.h"
#include "quarry/report/summary.h"
#include "quarry/study/config_difference.h"
#include "src/report/animation.h"
#include "src/report/facts.h"
#include "src/report/maps.h"
#include "src/report/page.h"
#include "src/report/pictures.h"
#include "src/report/tables.h"

namespace quarry {
namespace {

/// A file name from names: letters, digits and underscores only.
std::string slug(std::string_view text) {
  std::string name;
  for (char c : text.substr(0, 60)) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

class ReportWriter {
 public:
  ReportWriter(FileSystem& files, const ReportOptions& options)
      : files_(files),
        options_(options),
        out_(report_directory(options.out, options.directories, "report")),
        gnuplot_(files, out_) {}

  ReportSummary write() {
    directories_ = read_study_directories(files_, options_.directories);
    settings_ = combine(directories_);
    summaries_ = summarise(settings_);
    count_runs();
    const bool animate = options_.animation.format != AnimationOptions::Format::none;
    std::vector<const ReportRun*> to_animate;  // chosen first, so that what cannot be done is said before any work
    if (animate) to_animate = runs_to_animate(files_, options_.animation, settings_);
    files_.make_directories(out_);
    if (options_.csv) write_tables();
    if (options_.html || options_.markdown) write_pages();
    for (const ReportRun* run : to_animate) add_animation(*run);
    summary_.out = out_;
    return summary_;
  }

 private:
  void count_runs() {
    for (const Setting& setting : settings_)
      for (const Arm& arm : setting.arms) {
        summary_.runs += static_cast<std::int64_t>(arm.runs.size());
        summary_.completed += arm.completed();
        summary_.diverged += arm.diverged();
      }
  }

  void write_file(const std::string& name, const std::string& text) {
    files_.write_atomically(out_ + "/" + name, text);
    summary_.files.push_back(name);
  }

  void write_tables() {
    files_.make_directories(out_ + "/tables");
    write_file("tables/results.csv", results_csv(merged_rows(directories_)));
    write_file("tables/curves.csv", curves_csv(summaries_));
    write_file("tables/runs.csv", runs_csv(summaries_));
    write_file("tables/comparisons.csv", comparisons_csv(summaries_));
    write_file("tables/win_rates.csv", win_rates_csv(summaries_));
    write_file("tables/hyperparameters.csv", hyperparameters_csv(summaries_));
  }

  void write_pages() {
    Page page;
    page.title = title();
    page.footer = made_by();
    page.sections.push_back({"What was run", {study_facts(directories_, settings_)}});
    Section shown{"What it shows", {}};
    for (const SettingSummary& summary : summaries_) shown.blocks.push_back(findings_of(summary));
    page.sections.push_back(shown);
    add_overview(page);
    for (const SettingSummary& summary : summaries_) page.sections.push_back(setting_section(summary));
    if (!gnuplot_.available()) summary_.notes.emplace_back(kNoGnuplot);
    page.sections.push_back(trouble_section());
    page.sections.push_back(again_section());
    if (options_.html) write_file("report.html", page_html(page));
    if (options_.markdown) write_file("report.md", page_markdown(page));
  }

  std::string title() const {
    std::vector<std::string> studies;
    for (const StudyDirectory& directory : directories_) add_once(studies, directory.study);
    return join(studies, ", ");
  }

  std::string next_name(std::string_view what) { return fmt::format("{:03}_{}", ++pictures_named_, slug(what)); }

  void keep(Pictures& pictures, Picture picture) {
    if (picture.bytes.empty()) return;
    ++summary_.pictures;
    pictures.pictures.push_back(std::move(picture));
  }

  /// Where there is more than one setting or mode: a single family of curves has a picture of its own below.
  void add_overview(Page& page) {
    if (summaries_.empty() || (summaries_.size() == 1 && summaries_[0].setting->modes.size() == 1)) return;
    Pictures pictures;
    for (Metric metric : {Metric::accuracy, Metric::loss})
      keep(pictures, draw_overview(gnuplot_, summaries_, metric, next_name("overview_" + metric_name(metric))));
    if (!pictures.pictures.empty()) page.sections.push_back({"Every strategy and mode", {pictures}});
  }

  Section setting_section(const SettingSummary& summary) {
    const Setting& setting = *summary.setting;
    Section section{setting_name(setting), {}};
    std::int64_t same_name = 0;
    for (const SettingSummary& other : summaries_) same_name += setting_name(*other.setting) == section.title;
    if (same_name > 1)
      section.title +=
          fmt::format(" ({} first labels, {:.4g} % validation)", setting.n_initial, 100 * setting.val_share);
    section.blocks.push_back(setting_facts(summary));
    add_curves(section, summary);
    add_comparisons(section, summary);
    add_choices(section, summary);
    add_times(section, summary);
    add_maps(section, summary);
    return section;
  }

  void add_curves(Section& section, const SettingSummary& summary) {
    Pictures curves;
    const std::string name = setting_name(*summary.setting);
    for (const std::string& mode : summary.setting->modes)
      for (Metric metric : {Metric::accuracy, Metric::loss})
        keep(curves, draw_learning_curves(gnuplot_, summary, mode, metric,
                                          next_name(fmt::format("{}_{}_{}", name, mode, metric_name(metric)))));
    section.blocks.push_back(curves);
    for (const std::string& mode : summary.setting->modes) section.blocks.push_back(budget_table(summary, mode));
    section.blocks.push_back(area_table(summary));
    section.blocks.push_back(end_table(summary));
  }

  void add_comparisons(Section& section, const SettingSummary& summary) {
    Pictures curves;
    const std::string name = setting_name(*summary.setting);
    for (const Family& family : summary.by_strategy)
      keep(curves, draw_mode_curves(gnuplot_, summary, family.fixed, Metric::accuracy,
                                    next_name(fmt::format("{}_modes_{}", name, family.fixed))));
    section.blocks.push_back(curves);
    Folded strategies{"Strategies compared, seed by seed", {}}, modes{"Modes compared, seed by seed", {}};
    for (std::size_t i = 0; i < summary.by_mode.size(); ++i) {
      if (summary.by_mode[i].pairs.empty()) continue;
      strategies.tables.push_back(comparison_table(summary.by_mode[i], "Strategies under one mode"));
      strategies.tables.push_back(win_rate_table(summary.win_rates[i], summary.by_mode[i].fixed));
    }
    for (const Family& family : summary.by_strategy)
      modes.tables.push_back(comparison_table(family, "Modes with one strategy"));
    if (!strategies.tables.empty()) section.blocks.push_back(strategies);
    if (!modes.tables.empty()) section.blocks.push_back(modes);
  }

  void add_choices(Section& section, const SettingSummary& summary) {
    Pictures pictures;
    for (const std::string& mode : summary.setting->modes)
      if (hyperparameters_move(summary, mode))
        keep(pictures, draw_hyperparameters(gnuplot_, summary, mode,
                                            next_name(setting_name(*summary.setting) + "_chosen_" + mode)));
    section.blocks.push_back(pictures);
    const Table table = chosen_table(summary);
    if (!table.rows.empty()) section.blocks.push_back(Folded{"Hyperparameters chosen", {table}});
  }

  void add_times(Section& section, const SettingSummary& summary) {
    if (!has_times(summary)) return;
    Pictures pictures;
    keep(pictures, draw_times(gnuplot_, summary, next_name(setting_name(*summary.setting) + "_seconds")));
    section.blocks.push_back(pictures);
    section.blocks.push_back(Folded{"Seconds by phase", {time_table(summary)}});
  }

  /// The first completed run of each arm, on data of two features.
  void add_maps(Section& section, const SettingSummary& summary) {
    if (options_.panels == ReportOptions::Panels::none) return;
    std::optional<Dataset> data;
    Pictures pictures;
    for (const ArmSummary& arm : summary.arms) {
      const auto run = std::find_if(arm.arm->runs.begin(), arm.arm->runs.end(),
                                    [](const ReportRun& r) { return r.complete() && has_two_features(r); });
      if (run == arm.arm->runs.end()) continue;
      const RunConfig* config = config_of(directories_, *run);
      if (config == nullptr) continue;
      try {
        if (!data) data = load_dataset(config->data);
      } catch (const Error& error) {
        add_once(summary_.notes, fmt::format("no maps of {}: {}", setting_name(*summary.setting), error.what()));
        return;
      }
      const bool every = options_.panels == ReportOptions::Panels::every;
      RunFrames frames(files_, context_, *run, *config, *data, options_.bald_passes);
      RunMaps maps =
          draw_run_maps(files_, gnuplot_, frames, every ? options_.every : 0,
                        next_name(fmt::format("{}_{}_{}", summary.setting->dataset, arm.arm->mode, arm.arm->strategy)));
      if (!maps.missing.empty()) {
        add_once(summary_.notes, fmt::format("No maps of {}: {}.", setting_name(*summary.setting), maps.missing));
        return;
      }
      summary_.pictures += static_cast<std::int64_t>(maps.frames.size()) - 1;
      keep(pictures, std::move(maps.frames.back()));
    }
    section.blocks.push_back(pictures);
  }

  void add_animation(const ReportRun& run) {
    const RunConfig* config = config_of(directories_, run);
    QUARRY_CHECK(config != nullptr, "no config of run {}", run.request.run);
    const Dataset data = load_dataset(config->data);
    RunFrames frames(files_, context_, run, *config, data, options_.bald_passes);
    files_.make_directories(out_ + "/animations");
    std::string name = "animations/" + run.request.run;
    while (std::find(animated_.begin(), animated_.end(), name) != animated_.end()) name += "_again";  // another study's
    animated_.push_back(name);
    summary_.files.push_back(name + write_animation(files_, context_, frames, options_.animation, out_ + "/" + name));
  }

  Section trouble_section() const {
    Section section{"What is missing", {}};
    const Table table = trouble_table(settings_);
    if (table.rows.empty())
      section.blocks.push_back(Paragraph{fmt::format(
          "Nothing: all {} runs that the study asks for completed, and no network diverged.", summary_.runs)});
    else
      section.blocks.push_back(table);
    for (const std::string& note : summary_.notes) section.blocks.push_back(Paragraph{note});
    return section;
  }

  Section again_section() const {
    Section section{"How to make it again", {}};
    std::string commands, places;
    std::vector<std::string> studies;
    for (const StudyDirectory& directory : directories_) {
      places += " " + printable(directory.path);
      if (std::find(studies.begin(), studies.end(), directory.study) != studies.end()) continue;  // its part
      studies.push_back(directory.study);
      commands += fmt::format("quarry run {}/config.toml{} --out again\n", printable(directory.path),
                              directory.has_other_seeds
                                  ? fmt::format(" --set run.seed=[{}]", fmt::join(seeds_of(*directory.parsed), ","))
                                  : "");
    }
    section.blocks.push_back(
        Paragraph{"Each study's directory holds its whole config. The same config gives the same results, byte for "
                  "byte. How much "
                  "chance there is in them, more seeds show: the study's own command with more of them (--set "
                  "run.seed=\"0..9\") adds them to its directory and keeps the runs that are there."});
    section.blocks.push_back(Commands{commands + "quarry report" + places});
    section.blocks.push_back(Paragraph{
        "Beside this page: tables/ has every figure, plots/ and maps/ have each picture with the gnuplot script and "
        "the data that draw it. docs/reading_reports.md explains the figures and tests."});
    return section;
  }

  FileSystem& files_;
  const ReportOptions& options_;
  std::string out_;
  Gnuplot gnuplot_;
  std::vector<StudyDirectory> directories_;
  std::vector<Setting> settings_;
  std::vector<SettingSummary> summaries_;
  ReportSummary summary_;
  Context context_;
  std::vector<std::string> animated_;
  int pictures_named_ = 0;
};

}  // namespace

ReportSummary write_report(FileSystem& files, const ReportOptions& options) {
  return ReportWriter(files, options).write();
}

}  // namespace quarry
