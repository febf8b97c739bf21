// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "quarry/core/text.h"
#include "src/report/pictures.h"

namespace quarry {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Line {
  const ArmSummary* arm;
  std::string label;
};

/// The part of the value axis that the curves need: the runs' own values and most of the bands, with a margin.
struct AxisRange {
  double low = kInfinity, high = -kInfinity;
  bool logarithmic = false;

  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

AxisRange value_range(const std::vector<Line>& lines, const std::vector<double>& levels, Metric metric) {
  AxisRange range;
  for (const Line& line : lines)
    for (const ReportRun& run : line.arm->arm->runs)
      for (const ResultRow& row : run.rows) range.add(metric_of(row, metric));
  for (double level : levels) range.add(level);
  if (!(range.low <= range.high)) return {0, 1, false};
  if (metric == Metric::loss || metric == Metric::nll) {
    range.logarithmic = range.low > 0 && range.high > 30 * range.low;
    if (range.logarithmic) return {range.low / 1.3, range.high * 1.3, true};
  }
  const double margin = std::max(0.06 * (range.high - range.low), 0.005);
  range.low = std::max(0.0, range.low - margin);
  range.high += margin;
  if (metric != Metric::loss && metric != Metric::nll) range.high = std::min(1.0, range.high);
  return range;
}

std::string data_of(const std::vector<Line>& lines, Metric metric) {
  std::string data = "# labels mean low high n sd, by line of the legend; low and high bound the 95 % interval\n";
  for (const Line& line : lines) {
    data += fmt::format("# {}\n", printable(line.label));
    for (const CurvePoint& point : learning_curve(*line.arm->arm, metric)) {
      const Estimate& e = point.value;
      data += fmt::format("{} {} {} {} {} {}\n", point.labels, gnuplot_number(e.mean),
                          gnuplot_number(e.mean - e.half_width), gnuplot_number(e.mean + e.half_width), e.n,
                          gnuplot_number(e.sd));
    }
    data += "\n\n";
  }
  return data;
}

bool has_band(const Arm& arm, Metric metric) {
  const std::vector<CurvePoint> curve = learning_curve(arm, metric);
  return std::any_of(curve.begin(), curve.end(), [](const CurvePoint& p) { return std::isfinite(p.value.half_width); });
}

std::string curve_script(const std::vector<Line>& lines, const std::string& title, Metric metric,
                         const std::vector<std::pair<double, std::string>>& levels) {
  std::vector<double> heights;
  for (const auto& level : levels) heights.push_back(level.first);
  const AxisRange range = value_range(lines, heights, metric);
  std::string script = svg_header(580, lines.size() + levels.size() > 4 ? 430 : 410);
  script += fmt::format("set title {}\n", gnuplot_quoted(title));
  script += "set xlabel 'labelled instances (validation included)'\n";
  script += fmt::format("set ylabel {}\n", gnuplot_quoted("test " + metric_name(metric)));
  script += fmt::format("set yrange [{}:{}]\n", range.low, range.high);
  if (range.logarithmic) script += "set logscale y\n";
  script += fmt::format("set tmargin 2.2\nset bmargin {}\nset lmargin 10\nset rmargin 2.5\n",
                        lines.size() + levels.size() > 4 ? 6.4 : 5.2);
  script += "set key at screen 0.5,0.015 center bottom horizontal maxrows 1 samplen 2.5 width 1\n";
  script += "set style fill transparent solid 0.13 noborder\n";
  std::vector<std::string> items;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!has_band(*lines[i].arm->arm, metric)) continue;
    items.push_back(fmt::format("data index {} using 1:3:4 with filledcurves linecolor rgb '{}' notitle", i,
                                colour_code(colour_index(lines[i].arm->arm->strategy))));
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Arm& arm = *lines[i].arm->arm;
    const auto points = learning_curve(arm, metric).size();
    items.push_back(
        fmt::format("data index {} using 1:2 with linespoints linewidth 2.2 dashtype {} pointtype {} pointsize 0.55 "
                    "pointinterval {} linecolor rgb '{}' title {}",
                    i, dash_type(arm.mode), point_type(arm.strategy), std::max<std::size_t>(1, (points + 7) / 8),
                    colour_code(colour_index(arm.strategy)), gnuplot_quoted(lines[i].label)));
  }
  for (const auto& [height, label] : levels)
    items.push_back(fmt::format("{} with lines linewidth 1.5 dashtype (2,4) linecolor rgb '#1f2933' title {}",
                                gnuplot_number(height), gnuplot_quoted(label)));
  return script + "plot " + join(items, ", \\\n     ") + "\n";
}

}  // namespace

std::string metric_name(Metric metric) {
  switch (metric) {
    case Metric::accuracy:
      return "accuracy";
    case Metric::loss:
      return "loss";
    case Metric::nll:
      return "negative log likelihood";
    case Metric::auc:
      return "area under the ROC curve";
    case Metric::clean_accuracy:
      return "accuracy without honeypots";
  }
  return "";
}

std::string seeds_text(std::int64_t fewest, std::int64_t most) {
  if (fewest != most) return fmt::format("n = {} to {} seeds", fewest, most);
  return fmt::format("n = {} seed{}", most, most == 1 ? "" : "s");
}

std::string seeds_text(const std::vector<const ArmSummary*>& arms) {
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max(), most = 0;
  for (const ArmSummary* arm : arms) {
    fewest = std::min(fewest, arm->arm->completed());
    most = std::max(most, arm->arm->completed());
  }
  return seeds_text(std::min(fewest, most), most);
}

std::string setting_name(const Setting& setting) {
  std::string name = setting.dataset;
  if (!setting.variant.empty()) name += ", " + setting.variant;
  return name;
}

Picture draw_learning_curves(Gnuplot& gnuplot, const SettingSummary& summary, const std::string& mode, Metric metric,
                             const std::string& name) {
  std::vector<Line> lines;
  std::vector<const ArmSummary*> arms;
  for (const std::string& strategy : summary.setting->strategies)
    if (const ArmSummary* arm = summary.find(strategy, mode);
        arm != nullptr && !learning_curve(*arm->arm, metric).empty()) {
      lines.push_back({arm, strategy});
      arms.push_back(arm);
    }
  if (lines.empty()) return {};
  std::vector<std::pair<double, std::string>> levels;
  for (const auto& [bound_mode, bound] : summary.upper_bounds) {
    if (bound_mode != mode || (metric != Metric::accuracy && metric != Metric::loss)) continue;
    const Estimate& e = metric == Metric::accuracy ? bound.first : bound.second;
    levels.push_back({e.mean, fmt::format("everything labelled (n = {})", e.n)});
  }
  const std::string where = setting_name(*summary.setting) + ", " + mode;
  const std::string caption = fmt::format("{}: test {} along the labels, mean and 95 % interval of the mean, {}", where,
                                          metric_name(metric), seeds_text(arms));
  const std::string title = fmt::format("{} ({})", where, seeds_text(arms));
  return gnuplot.draw("plots", name, PictureKind::svg, curve_script(lines, title, metric, levels),
                      data_of(lines, metric), caption);
}

Picture draw_mode_curves(Gnuplot& gnuplot, const SettingSummary& summary, const std::string& strategy, Metric metric,
                         const std::string& name) {
  std::vector<Line> lines;
  std::vector<const ArmSummary*> arms;
  for (const std::string& mode : summary.setting->modes)
    if (const ArmSummary* arm = summary.find(strategy, mode);
        arm != nullptr && !learning_curve(*arm->arm, metric).empty()) {
      lines.push_back({arm, mode});
      arms.push_back(arm);
    }
  if (lines.size() < 2) return {};
  const std::string where = setting_name(*summary.setting) + ", " + strategy;
  const std::string caption =
      fmt::format("{}: the modes against each other, test {}, mean and 95 % interval of the mean, {}", where,
                  metric_name(metric), seeds_text(arms));
  const std::string title = fmt::format("{} ({})", where, seeds_text(arms));
  return gnuplot.draw("plots", name, PictureKind::svg, curve_script(lines, title, metric, {}), data_of(lines, metric),
                      caption);
}

}  // namespace quarry
