// SPDX-License-Identifier: MIT
#include "src/report/hyperparameter_pictures.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "quarry/core/text.h"
#include "src/report/pictures.h"

namespace quarry {
namespace {

constexpr HyperparameterPair kCollapsing = {0.1, 0.05};
constexpr std::string_view kLabelAxis = "'labelled images'";

struct Curve {
  std::string strategy;
  HyperparameterPair pair;
  std::vector<PairCurvePoint> points;
};

std::vector<Curve> curves_of(const CellTree& tree, const std::string& dataset) {
  std::vector<Curve> curves;
  for (const StudyCell& cell : tree.cells) {
    if (cell.key.dataset != dataset || cell.cycles.empty()) continue;
    if (!curves.empty() && curves.back().strategy == cell.key.strategy && curves.back().pair == cell.key.pair) continue;
    curves.push_back({cell.key.strategy, cell.key.pair, pair_curve(tree, dataset, cell.key.strategy, cell.key.pair)});
  }
  std::erase_if(curves, [](const Curve& curve) { return curve.points.empty(); });
  return curves;
}

/// Seeds behind the curves, the fewest and the most at any point.
std::string seeds_of(const std::vector<const Curve*>& curves) {
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max(), most = 0;
  for (const Curve* curve : curves)
    for (const PairCurvePoint& point : curve->points) {
      fewest = std::min(fewest, point.value.n());
      most = std::max(most, point.value.n());
    }
  return seeds_text(std::min(fewest, most), most);
}

std::string data_of(const std::vector<const Curve*>& curves) {
  std::string data = "# labels mean lowest highest n, accuracy in percent, a block per curve\n";
  for (const Curve* curve : curves) {
    data += fmt::format("# {} lr {} wd {}\n", printable(curve->strategy), curve->pair.lr, curve->pair.weight_decay);
    for (const PairCurvePoint& point : curve->points) {
      const auto [low, high] = std::minmax_element(point.value.values.begin(), point.value.values.end());
      data += fmt::format("{} {} {} {} {}\n", point.labels, gnuplot_number(point.value.mean), gnuplot_number(*low),
                          gnuplot_number(*high), point.value.n());
    }
    data += "\n\n";
  }
  return data;
}

/// "set xrange ..." and "set yrange ..." over all curves, so that panels can be compared.
std::string ranges_of(const std::vector<const Curve*>& curves) {
  double low = 100, high = 0;
  std::int64_t first = std::numeric_limits<std::int64_t>::max(), last = 0;
  for (const Curve* curve : curves)
    for (const PairCurvePoint& point : curve->points) {
      for (double value : point.value.values) {
        low = std::min(low, value);
        high = std::max(high, value);
      }
      first = std::min(first, point.labels);
      last = std::max(last, point.labels);
    }
  const double margin = std::max(0.05 * (high - low), 0.5);
  const double side = std::max(0.02 * static_cast<double>(last - first), 1.0);
  double step = 1;  // 1, 2, 5, 10, ...: at most five steps
  for (int i = 0; static_cast<double>(last) > 5 * step; ++i) step *= i % 3 == 1 ? 2.5 : 2;
  return fmt::format("set xtics {:.6g}\nset xrange [{:.6g}:{:.6g}]\nset yrange [{:.4g}:{:.4g}]\n", step,
                     std::max(0.0, static_cast<double>(first) - side), static_cast<double>(last) + side,
                     std::max(0.0, low - margin), std::min(100.0, high + margin));
}

/// Colour by learning rate, dash by weight decay: nine curves stay apart in print too.
struct PairLook {
  std::string colour, dash;
  int point = 7;
};

PairLook look_of(HyperparameterPair pair, const std::vector<HyperparameterPair>& pairs) {
  constexpr std::array<std::string_view, 5> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#332288"};
  constexpr std::array<std::string_view, 5> kDashes = {"(2,3)", "(9,4)", "solid", "(9,3,2,3)", "(14,5)"};
  constexpr std::array<int, 5> kPoints = {4, 8, 7, 5, 9};
  std::set<double> rates, decays;
  for (const HyperparameterPair& known : pairs) {
    rates.insert(known.lr);
    decays.insert(known.weight_decay);
  }
  const auto row = static_cast<std::size_t>(std::distance(rates.begin(), rates.find(pair.lr)));
  const auto column = static_cast<std::size_t>(std::distance(decays.begin(), decays.find(pair.weight_decay)));
  return {std::string(kColours[row % 5]), std::string(kDashes[column % 5]), kPoints[column % 5]};
}

std::string pair_title(HyperparameterPair pair) {
  const std::string name = pair_name(pair);
  return fmt::format("lr {}, wd {}{}", pair.lr, pair.weight_decay, name.empty() ? "" : " (" + name + ")");
}

std::string curve_item(std::size_t index, const Curve& curve, std::string_view colour, std::string_view dash, int point,
                       const std::string& title) {
  return fmt::format(
      "data index {} using 1:2 with linespoints linewidth 2 dashtype {} pointtype {} pointsize 0.5 pointinterval {} "
      "linecolor rgb '{}' {}",
      index, dash, point, std::max<std::size_t>(1, (curve.points.size() + 5) / 6), colour,
      title.empty() ? "notitle" : "title " + gnuplot_quoted(title));
}

std::string band_item(std::size_t index, std::string_view colour) {
  return fmt::format("data index {} using 1:3:4 with filledcurves linecolor rgb '{}' notitle", index, colour);
}

std::vector<HyperparameterPair> pairs_of(const std::vector<Curve>& curves) {
  std::vector<HyperparameterPair> pairs;
  for (const Curve& curve : curves)
    if (std::find(pairs.begin(), pairs.end(), curve.pair) == pairs.end()) pairs.push_back(curve.pair);
  std::sort(pairs.begin(), pairs.end(), [](const HyperparameterPair& a, const HyperparameterPair& b) {
    return a.lr != b.lr ? a.lr < b.lr : a.weight_decay < b.weight_decay;
  });
  return pairs;
}

struct PictureTitle {
  std::string text;     ///< in one line
  std::string gnuplot;  ///< as an expression; what must be said about pixels and protocol in lines of their own
  int lines = 1;
};

PictureTitle title_of(const CellTree& tree, const CellDataset& dataset, const std::string& what,
                      const std::string& seeds) {
  PictureTitle title;
  title.text = fmt::format("{}: {} ({})", dataset_title(dataset), what, seeds);
  title.gnuplot = gnuplot_quoted(title.text);
  for (const std::string& warning : {pixel_warning(dataset), protocol_warning(match_of(tree, dataset))}) {
    if (warning.empty()) continue;
    title.text += ". " + warning;
    title.gnuplot += ".\"\\n\"." + gnuplot_quoted(warning);
    ++title.lines;
  }
  return title;
}

/// Legend lines that draw nothing: all pairs, whatever the last panel has.
std::string legend_items(const std::vector<HyperparameterPair>& pairs) {
  std::vector<std::string> items;
  for (const HyperparameterPair& pair : pairs) {
    const PairLook look = look_of(pair, pairs);
    items.push_back(fmt::format(
        "NaN with linespoints linewidth 2 dashtype {} pointtype {} pointsize 0.5 linecolor rgb '{}' title {}",
        look.dash, look.point, look.colour, gnuplot_quoted(pair_title(pair))));
  }
  return join(items, ", \\\n     ");
}

}  // namespace

Picture draw_pair_curves(Gnuplot& gnuplot, const CellTree& tree, const CellDataset& dataset, bool every_pair,
                         const std::string& name) {
  std::vector<Curve> curves = curves_of(tree, dataset.folder);
  if (!every_pair) std::erase_if(curves, [](const Curve& curve) { return curve.pair == kCollapsing; });
  if (curves.empty()) return {};
  std::vector<const Curve*> all;
  std::vector<std::string> strategies = {"random", "entropy", "coreset", "badge"};
  for (const Curve& curve : curves) {
    all.push_back(&curve);
    if (std::find(strategies.begin(), strategies.end(), curve.strategy) == strategies.end())
      strategies.push_back(curve.strategy);
  }
  std::erase_if(strategies, [&](const std::string& strategy) {
    return std::none_of(curves.begin(), curves.end(), [&](const Curve& curve) { return curve.strategy == strategy; });
  });
  const std::vector<HyperparameterPair> pairs = pairs_of(curves);
  const std::size_t across = strategies.size() == 1 ? 1 : 2, down = (strategies.size() + across - 1) / across;
  const int height = 130 + 330 * static_cast<int>(down);
  const double foot = 105.0 / height;
  std::string script = svg_header(across == 1 ? 720 : 1080, height);
  const std::string what = "test accuracy along the labels, by pair of learning rate and weight decay";
  const PictureTitle title = title_of(tree, dataset, what, seeds_of(all));
  script +=
      fmt::format("set multiplot layout {},{} title {} font ',15' margins {},0.985,{:.4f},{:.4f} spacing 0.07,{:.4f}\n",
                  down, across, title.gnuplot, across == 1 ? 0.1 : 0.065, foot + 45.0 / height,
                  1 - (45.0 + 20 * title.lines) / height, 85.0 / height);
  script += ranges_of(all) + "set style fill transparent solid 0.10 noborder\n";
  script += "set ylabel 'test accuracy, %' offset 1,0\n";
  for (std::size_t s = 0; s < strategies.size(); ++s) {
    std::vector<std::string> bands, lines;
    for (std::size_t i = 0; i < curves.size(); ++i) {
      if (curves[i].strategy != strategies[s]) continue;
      const PairLook look = look_of(curves[i].pair, pairs);
      bands.push_back(band_item(i, look.colour));
      lines.push_back(curve_item(i, curves[i], look.colour, look.dash, look.point, ""));
    }
    script += fmt::format("unset key\nset title {} offset 0,-0.6\nset xlabel {}\n", gnuplot_quoted(strategies[s]),
                          s + across >= strategies.size() ? kLabelAxis : "''");
    bands.insert(bands.end(), lines.begin(), lines.end());
    if (s + 1 == strategies.size()) {
      script += "set key at screen 0.5,0.012 center bottom vertical maxrows 3 samplen 4 width 1\n";
      bands.push_back(legend_items(pairs));
    }
    script += "plot " + join(bands, ", \\\n     ") + "\n";
  }
  Picture picture =
      gnuplot.draw("plots", name, PictureKind::svg, script + "unset multiplot\n", data_of(all),
                   title.text + ". Mean over the seeds; bands reach from the lowest seed to the highest." +
                       (every_pair ? "" : " The pair (0.1, 0.05) is left out."));
  picture.wide = true;
  return picture;
}

Picture draw_pair_grid(Gnuplot& gnuplot, const CellTree& tree, const CellDataset& dataset, const std::string& name) {
  std::vector<Curve> curves = curves_of(tree, dataset.folder);
  std::erase_if(curves, [](const Curve& curve) { return curve.strategy != "random" && curve.strategy != "badge"; });
  if (pairs_of(curves).size() < 2) return {};
  std::vector<const Curve*> all;
  std::set<double> rates = {0.001, 0.01, 0.1}, decays = {0.0005, 0.005, 0.05};
  for (const Curve& curve : curves) {
    all.push_back(&curve);
    rates.insert(curve.pair.lr);
    decays.insert(curve.pair.weight_decay);
  }
  const int width = 120 + 310 * static_cast<int>(decays.size()), height = 130 + 235 * static_cast<int>(rates.size());
  const PictureTitle title = title_of(tree, dataset, "Random and BADGE under every fixed pair", seeds_of(all));
  std::string script = svg_header(width, height);
  script += fmt::format(
      "set multiplot layout {},{} title {} font ',15' margins {:.4f},0.985,{:.4f},{:.4f} spacing 0.035,{:.4f}\n",
      rates.size(), decays.size(), title.gnuplot, 75.0 / width, 95.0 / height, 1 - (45.0 + 20 * title.lines) / height,
      65.0 / height);
  script += ranges_of(all) + "set style fill transparent solid 0.18 noborder\n";
  std::size_t panel = 0;
  const std::size_t panels = rates.size() * decays.size();
  for (const double rate : rates)
    for (const double decay : decays) {
      const HyperparameterPair pair = {rate, decay};
      std::vector<std::string> bands, lines;
      for (std::size_t i = 0; i < curves.size(); ++i) {
        if (!(curves[i].pair == pair)) continue;
        const std::string_view colour = colour_code(colour_index(curves[i].strategy));
        bands.push_back(band_item(i, colour));
        lines.push_back(curve_item(i, curves[i], colour, "solid", point_type(curves[i].strategy), ""));
      }
      script +=
          fmt::format("unset key\nunset label\nset title {} offset 0,-0.8\nset xlabel {}\nset ylabel {} offset 1,0\n",
                      gnuplot_quoted(pair_title(pair)), panel + decays.size() >= panels ? kLabelAxis : "''",
                      panel % decays.size() == 0 ? "'test accuracy, %'" : "''");
      std::vector<std::string> missing;
      for (const char* strategy : {"random", "badge"})
        if (std::none_of(curves.begin(), curves.end(),
                         [&](const Curve& c) { return c.pair == pair && c.strategy == strategy; }))
          missing.emplace_back(strategy);
      if (!missing.empty())
        script += fmt::format("set label 1 {} at graph 0.5,0.5 center textcolor rgb '#6b7280'\n",
                              gnuplot_quoted("no finished run: " + join(missing, ", ")));
      if (lines.empty()) lines.emplace_back("NaN notitle");
      bands.insert(bands.end(), lines.begin(), lines.end());
      if (++panel == panels) {
        script += "set key at screen 0.5,0.012 center bottom horizontal maxrows 1 samplen 3 width 1\n";
        for (const char* strategy : {"random", "badge"})
          bands.push_back(
              fmt::format("NaN with linespoints linewidth 2 pointtype {} pointsize 0.5 linecolor rgb '{}' title '{}'",
                          point_type(strategy), colour_code(colour_index(strategy)),
                          strategy == std::string_view("random") ? "Random" : "BADGE"));
      }
      script += "plot " + join(bands, ", \\\n     ") + "\n";
    }
  Picture picture =
      gnuplot.draw("plots", name, PictureKind::svg, script + "unset multiplot\n", data_of(all),
                   title.text + ". Mean over the seeds; bands reach from the lowest seed to the highest.");
  picture.wide = true;
  return picture;
}

}  // namespace quarry
