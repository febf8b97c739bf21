// SPDX-License-Identifier: MIT
#include "src/report/gnuplot.h"

#include <fmt/core.h>

#include <array>
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/report/subprocess.h"

namespace quarry {
namespace {

constexpr std::size_t kLongestText = 110;
constexpr int kSecondsPerPicture = 300;

struct StrategyLook {
  std::string_view strategy, colour;
  int point;
};
constexpr StrategyLook kLooks[kColours] = {
    {"random", "#6b7280", 7},
    {"entropy", "#0072b2", 5},
    {"margin", "#56b4e9", 9},
    {"least_confidence", "#e69f00", 11},
    {"bald", "#d55e00", 13},
    {"coreset", "#009e73", 15},
    {"badge", "#cc79a7", 4},
    {"keychain", "#117733", 12},
    {"keychain_naive", "#44aa99", 14},
    {"keychain_autoencoder", "#aa4499", 2},
    {"", "#332288", 6},
    {"", "#882255", 8},
    {"", "#999933", 10},
};
constexpr std::size_t kNamed = 10;

constexpr std::string_view kAxes =
    "set encoding utf8\n"
    "set border 3 linecolor rgb '#9aa1ab'\n"
    "set tics nomirror out scale 0.6 textcolor rgb '#4b5563'\n"
    "set grid ytics linetype 1 linecolor rgb '#e8eaee' linewidth 1\n"
    "set xtics offset 0,0.3\n"
    "set title font ',15' textcolor rgb '#1f2933' offset 0,-0.3\n"
    "set xlabel textcolor rgb '#4b5563' offset 0,0.4\n"
    "set ylabel textcolor rgb '#4b5563'\n"
    "set key noenhanced textcolor rgb '#1f2933'\n";

std::string_view ending(PictureKind kind) {
  return kind == PictureKind::svg ? ".svg" : ".png";
}

}  // namespace

std::size_t colour_index(std::string_view strategy) {
  for (std::size_t i = 0; i < kNamed; ++i)
    if (kLooks[i].strategy == strategy) return i;
  std::size_t sum = 0;
  for (char c : strategy) sum += static_cast<unsigned char>(c);
  return kNamed + sum % (kColours - kNamed);
}

std::string_view colour_code(std::size_t index) {
  return kLooks[index].colour;
}

int point_type(std::string_view strategy) {
  return kLooks[colour_index(strategy)].point;
}

std::string_view dash_type(std::string_view mode) {
  if (mode == "constant_initial") return "(10,5)";
  if (mode == "constant_whole") return "(3,4)";
  if (mode == "online_static") return "(12,4,3,4)";
  return "solid";
}

std::string svg_header(int width, int height) {
  return fmt::format("set terminal svg size {},{} fixed noenhanced font 'Helvetica,14' background '#ffffff'\n{}", width,
                     height, kAxes);
}

std::string png_header(int width, int height, double scale) {
  const std::string scales =
      scale == 1 ? "" : fmt::format(" fontscale {0:.3g} pointscale {0:.3g} linewidth {0:.3g}", scale);
  return fmt::format("set terminal pngcairo size {},{} noenhanced font 'DejaVu Sans,13'{} background '#ffffff'\n{}",
                     width, height, scales, kAxes);
}

std::string gnuplot_quoted(std::string_view text) {
  std::string quoted = "'";
  std::size_t length = 0;
  const std::string clean = printable(text);
  for (char c : clean) {
    const bool starts_character = (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // of UTF-8: cut between characters
    if (starts_character && ++length > kLongestText) {
      quoted += "...";
      break;
    }
    if (c == '\'')
      quoted += "\u2019";  // gnuplot 5.4 ends a string at '' when it starts with it, so no quote goes in
    else
      quoted += c;
  }
  return quoted + "'";
}

std::string gnuplot_number(double value) {
  return std::isfinite(value) ? format_exact(value) : "NaN";
}

Gnuplot::Gnuplot(FileSystem& files, std::string directory) : files_(files), directory_(std::move(directory)) {}

Picture Gnuplot::draw(const std::string& folder, const std::string& name, PictureKind kind, const std::string& script,
                      const std::string& data, const std::string& caption) {
  const std::string place = directory_ + "/" + folder, stem = place + "/" + name;
  files_.make_directories(place);
  files_.write_atomically(stem + ".dat", data);
  files_.write_atomically(
      stem + ".gp",
      fmt::format("# In this folder: gnuplot -d {0}.gp > {0}{1}\ndata = '{0}.dat'\n{2}", name, ending(kind), script));
  Picture picture{folder + "/" + name + std::string(ending(kind)), caption, "", false};
  if (!available_) return picture;
  const ProgramResult result = run_program({"gnuplot", "-d", name + ".gp"}, place, kSecondsPerPicture);
  available_ = result.found;
  if (!result.found) return picture;
  if (result.status != 0 || result.output.empty())
    fail("gnuplot could not draw {}.gp ({}): {}", stem,
         result.timed_out ? "stopped after 300 s" : fmt::format("exit status {}", result.status),
         printable(result.errors.substr(0, 1000)));
  picture.bytes = result.output;
  files_.write_atomically(stem + std::string(ending(kind)), picture.bytes);
  return picture;
}

}  // namespace quarry
