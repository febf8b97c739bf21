// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "quarry/core/text.h"
#include "src/report/maps.h"
#include "src/report/setting_text.h"

namespace quarry {
namespace {

// Points by class, as numbers that gnuplot takes for colours.
constexpr std::uint32_t kClassColours[] = {0x2166ac, 0xb2182b, 0xe69f00, 0x009e73, 0xcc79a7, 0x56b4e9};

std::uint32_t class_colour(std::int32_t label) {
  return kClassColours[static_cast<std::size_t>(label) % std::size(kClassColours)];
}

/// A block of points "x y colour"; one that is not a number keeps an empty block in the file.
std::string points_block(const DataPart& part, const std::vector<std::int32_t>& rows) {
  std::string block;
  for (std::int32_t row : rows) {
    const auto i = static_cast<std::size_t>(row);
    block += fmt::format("{} {} {}\n", part.features[2 * i], part.features[2 * i + 1], class_colour(part.labels[i]));
  }
  return (block.empty() ? "NaN NaN 0\n" : block) + "\n\n";
}

std::vector<std::int32_t> unlabelled_in(const Dataset& data, const MapFrame& frame) {
  std::vector<bool> labelled(static_cast<std::size_t>(data.train.n), false);
  for (const auto* indices : {&frame.train, &frame.validation, &frame.added})
    for (std::int32_t index : *indices) labelled[static_cast<std::size_t>(index)] = true;
  std::vector<std::int32_t> rest;
  for (std::int32_t i = 0; i < data.train.n; ++i)
    if (!labelled[static_cast<std::size_t>(i)]) rest.push_back(i);
  return rest;
}

/// Digits enough for 30 colours.
std::string map_number(float value) {
  return std::isfinite(value) ? fmt::format("{:.5g}", value) : "NaN";
}

std::string class_name(const Dataset& data, std::size_t label) {
  return label < data.class_names.size() ? data.class_names[label] : std::to_string(label);
}

/// The classifier's colours and its boundary, in both panels that show it.
std::string classifier_base(const Dataset& data) {
  if (data.n_classes == 2)
    return "set palette maxcolors 30 defined (0 '#5b8fc4', 0.5 '#f7f7f7', 1 '#d2706f')\nset cbrange [0:1]\n";
  std::string colours;
  for (std::int32_t c = 0; c < data.n_classes; ++c)
    colours += fmt::format("{}{} '#{:06x}'", c == 0 ? "" : ", ", c, class_colour(c));
  return fmt::format("set palette maxcolors {} defined ({})\nset cbrange [-0.5:{}]\n", data.n_classes, colours,
                     data.n_classes - 0.5);
}

struct Range {
  float low = INFINITY, high = -INFINITY;
  bool empty() const { return low > high; }
};
/// Of the finite values.
Range range_of(const std::vector<float>& values) {
  Range range;
  for (float value : values)
    if (std::isfinite(value)) {
      range.low = std::min(range.low, value);
      range.high = std::max(range.high, value);
    }
  return range;
}

/// gnuplot wants a range of some width.
std::string colour_range(const Range& range) {
  return range.low < range.high ? fmt::format("set cbrange [{}:{}]\n", range.low, range.high)
                                : fmt::format("set cbrange [{}:{}]\n", range.low - 1, range.high + 1);
}

std::string empty_panel(const std::string& why) {
  return fmt::format("set label 2 {} at graph 0.5,0.06 center front\nunset colorbox\n", gnuplot_quoted(why));
}

/// True if the classes of a two-class network meet somewhere on the map.
bool has_boundary(const Dataset& data, const MapFrame& frame) {
  const Range range = range_of(frame.surface);
  return data.n_classes == 2 && range.low < 0.5f && range.high > 0.5f;
}

/// The plot that both panels of the classifier begin with; where every output is not a number it has no colours.
std::string classifier_layers(const Dataset& data, const MapFrame& frame) {
  std::string script;
  const bool known = !range_of(frame.surface).empty();
  if (!known) script += empty_panel("the network diverged: no finite output");
  script += "plot ";
  if (known) script += "data index 0 using 1:2:4 with image, \\\n     ";
  if (has_boundary(data, frame))
    script += "$boundary using 1:2 with lines linewidth 1.6 linecolor rgb '#1f2933', \\\n     ";
  return script;
}

/// Where a panel's axes lie on the page, and the bar of its colours to the right of them.
std::string place(double left, double bottom, double width, double height) {
  return fmt::format(
      "set lmargin at screen {:.4f}\nset rmargin at screen {:.4f}\nset bmargin at screen {:.4f}\nset tmargin at screen "
      "{:.4f}\nset colorbox user origin screen {:.4f},{:.4f} size screen 0.014,{:.4f}\n",
      left, left + width, bottom, bottom + height, left + width + 0.01, bottom, height);
}
constexpr double kLeft = 0.06, kRight = 0.565, kTop = 0.56, kBottom = 0.115, kWidth = 0.37, kHeight = 0.354;

std::string acquisition_panel(const ReportRun& run, const MapFrame& frame) {
  std::string script = place(kLeft, kTop, kWidth, kHeight) + "unset grid\n";
  script += fmt::format("set title {}\n", gnuplot_quoted("Acquisition: score of " + run.request.strategy));
  script += "set palette maxcolors 30 defined (0 '#ffffff', 1 '#4a4f57')\n";
  const Range range = range_of(frame.scores);
  script +=
      range.empty() ? empty_panel(frame.scores.empty() ? frame.no_scores : "no finite score") : colour_range(range);
  script += "plot ";
  if (!range.empty()) script += "data index 0 using 1:2:3 with image, \\\n     ";
  script += "data index 1 using 1:2:3 with points pointtype 7 pointsize 0.7 linecolor rgb variable";
  return script +
         ", \\\n     data index 5 using 1:2 with points pointtype 6 pointsize 2.6 linewidth 2.6 linecolor rgb "
         "'#000000'\nunset label 2\n";
}

struct Marker {
  int index, type;
  double size;
  const char* title;
};
constexpr Marker kLabelled[] = {{2, 5, 1.0, "first labels"}, {3, 9, 1.3, "validation"}, {4, 13, 1.3, "newly labelled"}};

std::string classifier_panel(const ReportRun& run, const Dataset& data, const MapFrame& frame) {
  const ResultRow& row = run.rows[static_cast<std::size_t>(frame.iteration + 1)];
  std::string script = place(kRight, kTop, kWidth, kHeight) + classifier_base(data);
  script += data.n_classes == 2 ? fmt::format("set title {}\n",
                                              gnuplot_quoted("Classifier: probability of class " + class_name(data, 1)))
                                : "set title 'Classifier: predicted class'\n";
  script += fmt::format("set label 1 'training accuracy {:.3f}, validation {}' at graph 0.03,0.955 front boxed\n",
                        row.train_acc, frame.validation.empty() ? "none" : fmt::format("{:.3f}", row.val_acc));
  script += classifier_layers(data, frame);
  script += "data index 1 using 1:2 with points pointtype 7 pointsize 0.45 linecolor rgb '#9aa1ab', \\\n";
  for (const Marker& m : kLabelled)
    script += fmt::format(
        "     data index {0} using 1:2 with points pointtype {1} pointsize {2} linecolor rgb '#ffffff', \\\n"
        "     data index {0} using 1:2:3 with points pointtype {1} pointsize {3} linecolor rgb variable, \\\n",
        m.index, m.type, m.size + 0.5, m.size);
  return script +
         "     data index 5 using 1:2 with points pointtype 6 pointsize 2.6 linewidth 2.6 linecolor rgb "
         "'#000000'\nunset label 1\nunset label 2\n";
}

/// What the marks mean, in a strip of its own below the panels.
std::string legend(const Dataset& data, const MapFrame& frame) {
  std::string script =
      "set lmargin at screen 0\nset rmargin at screen 1\nset bmargin at screen 0.005\nset tmargin at screen 0.055\n"
      "unset border\n"
      "unset tics\nunset title\nunset grid\nunset colorbox\nset xrange [0:1]\nset yrange [0:1]\n"
      "set key center center horizontal maxrows 2 samplen 1 noenhanced\n"
      "plot NaN with points pointtype 7 pointsize 0.7 linecolor rgb '#9aa1ab' title 'unlabelled'";
  const auto add = [&](int type, double size, std::uint32_t colour, const std::string& title) {
    script += fmt::format(", \\\n     NaN with points pointtype {} pointsize {} linecolor rgb '#{:06x}' title {}", type,
                          size, colour, gnuplot_quoted(title));
  };
  for (const Marker& m : kLabelled) add(m.type, m.size, 0x1f2933, m.title);
  add(6, 2, 0x000000, frame.last ? "picked last" : "picked next");
  add(3, 1, 0x1f2933, "test");
  for (std::int32_t c = 0; c < std::min(data.n_classes, 6); ++c)
    add(7, 1.2, class_colour(c), "class " + class_name(data, static_cast<std::size_t>(c)));
  return script + "\nunset key\n";
}

/// Smallest and largest finite value of a run, so that the axes stand still from frame to frame.
std::pair<double, double> range_of(const ReportRun& run, double ResultRow::*value) {
  double low = INFINITY, high = -INFINITY;
  for (const ResultRow& row : run.rows)
    if (std::isfinite(row.*value)) {
      low = std::min(low, row.*value);
      high = std::max(high, row.*value);
    }
  return low <= high ? std::pair{low, high} : std::pair{0.0, 1.0};
}

std::string test_curve_panel(const ReportRun& run) {
  const auto [low, high] = range_of(run, &ResultRow::test_loss);
  const double margin = std::max(0.05 * (high - low), 0.005);
  const double lowest = std::floor(20 * range_of(run, &ResultRow::test_acc).first) / 20;
  std::string script = place(kLeft + 0.03, kBottom + 0.01, kWidth - 0.065, kHeight - 0.01);
  script += "unset colorbox\nset title 'Test performance'\n";
  script += fmt::format("set xrange [{}:{}]\nset yrange [{}:{}]\nset y2range [{}:1]\n", run.rows.front().len_lb,
                        std::max(run.rows.back().len_lb, run.rows.front().len_lb + 1), low - margin, high + 4 * margin,
                        std::min(lowest, 0.95));
  script +=
      "set xlabel 'labelled instances' textcolor rgb '#4b5563' offset 0,0.6\n"
      "set ylabel 'test loss' textcolor rgb '#4b5563' offset 1.2,0\n"
      "set y2label 'test accuracy' textcolor rgb '#4b5563' offset -1.5,0\n"
      "set y2tics textcolor rgb '#4b5563'\nset border 11\nset grid\n"
      "set key inside top center horizontal samplen 2\n"
      "plot data index 7 using 1:2 with lines linewidth 2.4 linecolor rgb '#1f2933' title 'loss', \\\n"
      "     data index 7 using 1:3 axes x1y2 with lines linewidth 2.4 dashtype (8,4) linecolor rgb '#009e73' "
      "title 'accuracy'\n";
  return script + "unset xlabel\nunset ylabel\nunset y2label\nunset y2tics\nset border 3\nunset key\n";
}

std::string classifier_test_panel(const ReportRun& run, const Dataset& data, const MapFrame& frame) {
  const ResultRow& row = run.rows[static_cast<std::size_t>(frame.iteration + 1)];
  std::string script = place(kRight, kBottom, kWidth, kHeight) + classifier_base(data);
  script += "set title 'Classifier on the test set'\n";
  script += fmt::format("set label 1 'test accuracy {:.3f}' at graph 0.03,0.95 front boxed\n", row.test_acc);
  script += classifier_layers(data, frame);
  return script +
         "data index 6 using 1:2:3 with points pointtype 3 pointsize 0.9 linewidth 1.3 linecolor rgb variable "
         "notitle\nunset label 1\nunset label 2\n";
}

}  // namespace

std::string map_data(const ReportRun& run, const Dataset& data, const MapGrid& grid, const MapFrame& frame) {
  std::string text = "# index 0: x y score classifier on the grid\n";
  for (std::size_t i = 0; i < frame.surface.size(); ++i) {
    if (i > 0 && i % kMapSide == 0) text += "\n";
    text += fmt::format("{:.5g} {:.5g} {} {}\n", grid.points[2 * i], grid.points[2 * i + 1],
                        frame.scores.empty() ? "NaN" : map_number(frame.scores[i]), map_number(frame.surface[i]));
  }
  text +=
      "\n\n# indices 1 to 6: x y colour of the unlabelled, first labels, validation, newly labelled, picked, test\n";
  text += points_block(data.train, unlabelled_in(data, frame));
  for (const auto* rows : {&frame.train, &frame.validation, &frame.added, &frame.chosen})
    text += points_block(data.train, *rows);
  std::vector<std::int32_t> everything;
  for (std::int32_t i = 0; i < data.test.n; ++i) everything.push_back(i);
  text += points_block(data.test, everything) + "# index 7: labels, test loss, test accuracy\n";
  for (const ResultRow& row : run.rows)
    if (row.iteration <= frame.iteration)
      text += fmt::format("{} {} {}\n", row.len_lb, gnuplot_number(row.test_loss), gnuplot_number(row.test_acc));
  return text;
}

std::string map_script(const ReportRun& run, const Dataset& data, const MapGrid& grid, const MapFrame& frame) {
  const RequestedRun& r = run.request;
  const ResultRow& row = run.rows[static_cast<std::size_t>(frame.iteration + 1)];
  const std::string title = fmt::format("{}, {}, {}, seed {}: {} labels, {} of them acquired", data_name(r), r.strategy,
                                        r.mode, r.seed, row.len_lb, frame.added.size());
  std::string script = "reset\n";
  if (has_boundary(data, frame))  // as lines
    script +=
        "set contour base\nset cntrparam levels discrete 0.5\nunset surface\nset table $boundary\n"
        "splot data index 0 using 1:2:4\nunset table\nset surface\nunset contour\n";
  script += fmt::format("set multiplot title {} font ',15' offset 0,0.1\n", gnuplot_quoted(title));
  script +=
      "set border 3 linecolor rgb '#9aa1ab'\nset tics nomirror out scale 0.5 textcolor rgb '#4b5563'\n"
      "set title offset 0,-0.5 textcolor rgb '#1f2933'\nset style textbox opaque fillcolor rgb '#ffffff' "
      "bordercolor rgb '#c9ced6'\nset format cb '%.2g'\nset cbtics offset -0.6,0\nset xtics offset 0,0.4\nunset key\n";
  script += fmt::format("set xrange [{:.6g}:{:.6g}]\nset yrange [{:.6g}:{:.6g}]\n", grid.x_low, grid.x_high, grid.y_low,
                        grid.y_high);
  script += acquisition_panel(run, frame) + classifier_panel(run, data, frame) +
            classifier_test_panel(run, data, frame) + test_curve_panel(run) + legend(data, frame);
  return script + "unset multiplot\n";
}

}  // namespace quarry
