// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "quarry/core/text.h"
#include "src/report/pictures.h"

namespace quarry {
namespace {

struct Panel {
  std::string_view title;
  int column;
  bool logarithmic;
};
constexpr Panel kPanels[] = {
    {"learning rate", 2, true}, {"weight decay", 3, true}, {"dropout rate", 4, false}, {"hidden layers", 5, false}};
constexpr std::string_view kLabels = "'labelled instances (validation included)'";

std::string moving_script(const std::vector<const ArmSummary*>& arms, const std::string& title) {
  std::string script = svg_header(1000, 680);
  script += fmt::format("set multiplot layout 2,2 title {} font ',15' margins 0.075,0.98,0.19,0.9 spacing 0.09,0.12\n",
                        gnuplot_quoted(title));
  script += "unset key\n";
  for (const Panel& panel : kPanels) {
    const std::size_t at = static_cast<std::size_t>(&panel - kPanels);
    script += fmt::format("set title '{}' offset 0,-0.8\n", panel.title);
    script += panel.logarithmic ? "set logscale y\nset format y '%.0e'\n" : "unset logscale y\nset format y '%g'\n";
    script += panel.logarithmic ? "set yrange [*:*]\n" : "set yrange [0:*]\n";
    if (at == 3) script += "set ytics 1\nset key at screen 0.5,0.012 center bottom horizontal maxrows 1 samplen 2.5\n";
    script += fmt::format("set xlabel {} textcolor rgb '#4b5563'\n", at >= 2 ? kLabels : "''");
    std::vector<std::string> items;
    for (std::size_t i = 0; i < arms.size(); ++i) {
      const Arm& arm = *arms[i]->arm;
      items.push_back(fmt::format(
          "data index {} using 1:{} with linespoints linewidth 2 pointtype {} pointsize 0.5 pointinterval {} "
          "linecolor rgb '{}' title {}",
          i, panel.column, point_type(arm.strategy), std::max<std::size_t>(1, chosen_hyperparameters(arm).size() / 6),
          colour_code(colour_index(arm.strategy)), gnuplot_quoted(arm.strategy)));
    }
    script += "plot " + join(items, ", \\\n     ") + "\n";
  }
  return script + "unset multiplot\n";
}

std::string moving_data(const std::vector<const ArmSummary*>& arms) {
  std::string data = "# labels lr weight_decay drop_rate depth n: medians over the runs\n";
  for (const ArmSummary* arm : arms) {
    data += fmt::format("# {}\n", printable(arm->arm->strategy));
    for (const ChosenPoint& p : chosen_hyperparameters(*arm->arm))
      data += fmt::format("{} {} {} {} {} {}\n", p.labels, gnuplot_number(p.lr), gnuplot_number(p.weight_decay),
                          gnuplot_number(p.drop_rate), gnuplot_number(p.depth), p.n);
    data += "\n\n";
  }
  return data;
}

/// Mean seconds per timed run, by phase.
std::map<std::string, double> seconds_by_phase(const Arm& arm) {
  std::map<std::string, double> sums;
  std::int64_t timed = 0;
  for (const ReportRun& run : arm.runs) {
    timed += !run.times.empty();
    for (const PhaseTime& time : run.times) sums[time.phase] += time.seconds;
  }
  for (auto& [phase, seconds] : sums) seconds /= static_cast<double>(timed);
  return sums;
}

constexpr std::string_view kPhaseColours[] = {"#4477aa", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb"};

}  // namespace

bool hyperparameters_move(const SettingSummary& summary, const std::string& mode) {
  for (const ArmSummary& arm : summary.arms)
    if (arm.arm->mode == mode)
      for (const ReportRun& run : arm.arm->runs)
        for (const ResultRow& row : run.rows) {
          const ResultRow& first = run.rows.front();
          if (row.lr != first.lr || row.weight_decay != first.weight_decay || row.drop_rate != first.drop_rate ||
              row.hidden != first.hidden)
            return true;
        }
  return false;
}

bool has_times(const SettingSummary& summary) {
  for (const ArmSummary& arm : summary.arms)
    if (!seconds_by_phase(*arm.arm).empty()) return true;
  return false;
}

Picture draw_hyperparameters(Gnuplot& gnuplot, const SettingSummary& summary, const std::string& mode,
                             const std::string& name) {
  std::vector<const ArmSummary*> arms;
  for (const std::string& strategy : summary.setting->strategies)
    if (const ArmSummary* arm = summary.find(strategy, mode);
        arm != nullptr && !chosen_hyperparameters(*arm->arm).empty())
      arms.push_back(arm);
  if (arms.empty()) return {};
  const std::string where = setting_name(*summary.setting) + ", " + mode;
  const std::string title = fmt::format("{}: hyperparameters chosen, medians ({})", where, seeds_text(arms));
  Picture picture = gnuplot.draw("plots", name, PictureKind::svg, moving_script(arms, title), moving_data(arms), title);
  picture.wide = true;
  return picture;
}

Picture draw_times(Gnuplot& gnuplot, const SettingSummary& summary, const std::string& name) {
  std::vector<std::string> phases;
  std::vector<const ArmSummary*> arms;
  for (const ArmSummary& arm : summary.arms) {
    const auto seconds = seconds_by_phase(*arm.arm);
    if (!seconds.empty()) arms.push_back(&arm);
    for (const auto& [phase, value] : seconds)
      if (std::find(phases.begin(), phases.end(), phase) == phases.end()) phases.push_back(phase);
  }
  if (arms.empty()) return {};
  std::string data = "# mean seconds per run, bars from the top: one line each, phases in the legend's order\n";
  for (const ArmSummary* arm : arms) {
    const auto seconds = seconds_by_phase(*arm->arm);
    data += fmt::format("# {} {}\n", printable(arm->arm->mode), printable(arm->arm->strategy));
    double sum = 0;
    data += "0";
    for (const std::string& phase : phases) {
      const auto found = seconds.find(phase);
      sum += found == seconds.end() ? 0 : found->second;
      data += " " + gnuplot_number(sum);
    }
    data += "\n";
  }
  const std::string title =
      fmt::format("{}: mean seconds per run ({})", setting_name(*summary.setting), seeds_text(arms));
  std::string script = svg_header(1000, 110 + 26 * static_cast<int>(arms.size()));
  script += fmt::format("set title {}\nset xlabel 'seconds of this machine, shared with the runs trained at once'\n",
                        gnuplot_quoted(title));
  script += "set grid noytics xtics\nset lmargin 32\nset key outside right top\nset xrange [0:*]\n";
  script += fmt::format("set yrange [{}:-0.7] \nset ytics scale 0 (", static_cast<double>(arms.size()) - 0.3);
  for (std::size_t i = 0; i < arms.size(); ++i)
    script += fmt::format("{}{} {}", i == 0 ? "" : ", ",
                          gnuplot_quoted(arms[i]->arm->strategy + ", " + arms[i]->arm->mode), i);
  script += ")\nset style fill solid 0.9 noborder\n";
  std::vector<std::string> items;
  for (std::size_t i = 0; i < phases.size(); ++i)
    items.push_back(fmt::format("data using {}:0:{}:{}:($0-0.32):($0+0.32) with boxxyerror linecolor rgb '{}' title {}",
                                i + 1, i + 1, i + 2, kPhaseColours[i % std::size(kPhaseColours)],
                                gnuplot_quoted(phases[i])));
  script += "plot " + join(items, ", \\\n     ") + "\n";
  Picture picture = gnuplot.draw("plots", name, PictureKind::svg, script, data, title);
  picture.wide = true;
  return picture;
}

}  // namespace quarry
