// SPDX-License-Identifier: MIT
// Pictures through gnuplot. Script (.gp) and data (.dat) stay beside each picture: `gnuplot -d NAME.gp > NAME.svg`
// in their folder draws it again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quarry/core/file_system.h"

namespace quarry {

struct Picture {
  std::string file;     ///< path below the report's folder
  std::string caption;  ///< what it shows, for a person and as the text alternative
  std::string bytes;    ///< SVG or PNG
  bool wide = false;    ///< takes the page's whole width
};

enum class PictureKind { svg, png };

class Gnuplot {
 public:
  /// Pictures go to `directory`/`folder`/.
  Gnuplot(FileSystem& files, std::string directory);

  /// False once gnuplot was found missing; then draw() leaves scripts and data only.
  bool available() const { return available_; }

  /// Writes NAME.gp and NAME.dat, runs gnuplot and writes NAME.svg or .png; the bytes are empty if there is no
  /// gnuplot. Error: failed, with what gnuplot said.
  Picture draw(const std::string& folder, const std::string& name, PictureKind kind, const std::string& script,
               const std::string& data, const std::string& caption);

 private:
  FileSystem& files_;
  std::string directory_;
  bool available_ = true;
};

/// A text as a gnuplot string: single-quoted, in which gnuplot replaces nothing; control bytes removed, long texts cut.
std::string gnuplot_quoted(std::string_view text);
/// A number as gnuplot reads it; NaN for what is not finite.
std::string gnuplot_number(double value);

// ---- the look that all pictures share ---------------------------------------------------------------------------

/// Colours by strategy, the same in every picture and table: Okabe and Ito's palette, told apart by colour-blind eyes.
inline constexpr std::size_t kColours = 13;
std::size_t colour_index(std::string_view strategy);
std::string_view colour_code(std::size_t index);  ///< "#rrggbb"
/// Point type (marker) of a strategy.
int point_type(std::string_view strategy);
/// Dash type of a mode, as gnuplot's `dt` argument.
std::string_view dash_type(std::string_view mode);

/// First lines of a script: terminal, fonts, border, grid, colours of the axes.
std::string svg_header(int width, int height);
/// `scale` makes letters, points and lines larger or smaller.
std::string png_header(int width, int height, double scale = 1);

}  // namespace quarry
