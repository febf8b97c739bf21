// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "quarry/core/text.h"
#include "src/report/pictures.h"
#include "src/report/setting_text.h"

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

/// How a line is drawn, after the data: the same in a panel and in a legend.
std::string line_style(const Arm& arm) {
  return fmt::format("linewidth 2.2 dashtype {} pointtype {} pointsize 0.55 linecolor rgb '{}'", dash_type(arm.mode),
                     point_type(arm.strategy), colour_code(colour_index(arm.strategy)));
}

/// Bands below, then the means. The lines' data are the blocks from `first` on.
std::vector<std::string> plot_items(const std::vector<Line>& lines, Metric metric, std::size_t first, double opacity) {
  std::vector<std::string> items;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!has_band(*lines[i].arm->arm, metric)) continue;
    items.push_back(
        fmt::format("data index {} using 1:3:4 with filledcurves linecolor rgb '{}' fillstyle transparent solid {} "
                    "noborder notitle",
                    first + i, colour_code(colour_index(lines[i].arm->arm->strategy)), opacity));
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Arm& arm = *lines[i].arm->arm;
    const auto points = learning_curve(arm, metric).size();
    items.push_back(fmt::format("data index {} using 1:2 with linespoints {} pointinterval {} title {}", first + i,
                                line_style(arm), std::max<std::size_t>(1, (points + 7) / 8),
                                gnuplot_quoted(lines[i].label)));
  }
  return items;
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
  std::vector<std::string> items = plot_items(lines, metric, 0, 0.13);
  for (const auto& [height, label] : levels)
    items.push_back(fmt::format("{} with lines linewidth 1.5 dashtype (2,4) linecolor rgb '#1f2933' title {}",
                                gnuplot_number(height), gnuplot_quoted(label)));
  return script + "plot " + join(items, ", \\\n     ") + "\n";
}

struct OverviewPanel {
  std::vector<Line> lines;
  std::string title;
};

/// Every arm of a setting that has a curve.
OverviewPanel overview_panel(const SettingSummary& summary, Metric metric) {
  OverviewPanel panel;
  std::vector<const ArmSummary*> arms;
  for (const ArmSummary& arm : summary.arms) {
    if (learning_curve(*arm.arm, metric).empty()) continue;
    panel.lines.push_back({&arm, arm.arm->strategy + ", " + arm.arm->mode});
    arms.push_back(&arm);
  }
  const Setting& setting = *summary.setting;
  panel.title = fmt::format("{}, {:.4g} % validation, {} first labels ({})", setting_name(setting),
                            100 * setting.val_share, setting.n_initial, seeds_text(arms));
  return panel;
}

/// Panels in rows of up to three, and one legend below them for all.
std::string overview_script(const std::vector<OverviewPanel>& panels, const std::vector<Line>& legend, Metric metric) {
  const std::size_t columns = std::min<std::size_t>(panels.size(), panels.size() == 4 ? 2 : 3);
  const std::size_t rows = (panels.size() + columns - 1) / columns, legend_rows = (legend.size() + 3) / 4;
  const int width = columns == 1 ? 900 : 1160;
  const double panel_width = static_cast<double>(width) / static_cast<double>(columns);
  const double panel_height = 0.5 * panel_width + 130, legend_height = 24.0 * static_cast<double>(legend_rows) + 10;
  const double height = static_cast<double>(rows) * panel_height + legend_height;
  std::string script = svg_header(width, static_cast<int>(height)) + "set multiplot\nunset key\n";
  script += "set title font ',12'\nset xlabel 'labelled instances (validation included)'\n";
  script += fmt::format("set ylabel {}\n", gnuplot_quoted("test " + metric_name(metric)));
  std::size_t first = 0;
  for (std::size_t p = 0; p < panels.size(); ++p) {
    const double left = static_cast<double>(p % columns) * panel_width;
    const double top = height - static_cast<double>(p / columns) * panel_height;
    script += fmt::format(
        "set lmargin at screen {:.4f}\nset rmargin at screen {:.4f}\nset bmargin at screen {:.4f}\nset tmargin at "
        "screen "
        "{:.4f}\n",
        (left + 72) / width, (left + panel_width - 14) / width, (top - panel_height + 56) / height,
        (top - 30) / height);
    const AxisRange range = value_range(panels[p].lines, {}, metric);
    script += fmt::format("{}set yrange [{}:{}]\nset title {}\n",
                          range.logarithmic ? "set logscale y\n" : "unset logscale y\n", range.low, range.high,
                          gnuplot_quoted(panels[p].title));
    const std::size_t n = panels[p].lines.size();
    script += "plot " + join(plot_items(panels[p].lines, metric, first, n > 4 ? 0.07 : 0.13), ", \\\n     ") + "\n";
    first += n;
  }
  script += fmt::format(
      "set lmargin at screen 0\nset rmargin at screen 1\nset bmargin at screen 0\nset tmargin at screen {:.4f}\n"
      "unset border\nunset tics\nunset grid\nunset title\nunset xlabel\nunset ylabel\nunset logscale y\nset xrange "
      "[0:1]\nset yrange [0:1]\nset key center center horizontal samplen 4 maxrows {}\n",
      legend_height / height, legend_rows);
  std::vector<std::string> items;
  for (const Line& line : legend)
    items.push_back(
        fmt::format("NaN with linespoints {} title {}", line_style(*line.arm->arm), gnuplot_quoted(line.label)));
  return script + "plot " + join(items, ", \\\n     ") + "\nunset multiplot\n";
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
  return (setting.among_several ? setting.study + ": " : "") + data_text(setting);
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

Picture draw_overview(Gnuplot& gnuplot, const std::vector<SettingSummary>& summaries, Metric metric,
                      const std::string& name) {
  std::vector<OverviewPanel> panels;
  std::vector<Line> legend;
  for (const SettingSummary& summary : summaries) {
    OverviewPanel panel = overview_panel(summary, metric);
    if (panel.lines.empty()) continue;
    for (const Line& line : panel.lines)
      if (std::none_of(legend.begin(), legend.end(), [&](const Line& known) { return known.label == line.label; }))
        legend.push_back(line);
    panels.push_back(std::move(panel));
  }
  if (panels.empty() || legend.size() < 2) return {};
  std::string data;
  for (const OverviewPanel& panel : panels) data += data_of(panel.lines, metric);
  const std::string caption = fmt::format(
      "Every strategy (colour) and mode (dashes) in every setting: test {} along the labels, mean and 95 % interval of "
      "the mean over the n seeds that each panel names",
      metric_name(metric));
  Picture picture =
      gnuplot.draw("plots", name, PictureKind::svg, overview_script(panels, legend, metric), data, caption);
  picture.wide = true;
  return picture;
}

}  // namespace quarry
