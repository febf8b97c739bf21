// SPDX-License-Identifier: MIT
// A report: what study directories hold, as pictures, tables and one page.
//
//   OUT/report.html           self-contained: pictures inline, no script, nothing fetched
//   OUT/report.md             the same for a README or an issue
//   OUT/tables/*.csv          every figure, exact
//   OUT/plots/, OUT/maps/     pictures, each with its gnuplot script and data
//   OUT/animations/RUN.gif    (or .mp4) one per run, if asked for: the maps, a frame per iteration
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"

namespace quarry {

struct AnimationOptions {
  enum class Format { none, gif, mp4 } format = Format::none;
  std::string runs = "first";  ///< first (completed run of each arm), all (completed ones), or a run's name
  std::int32_t width = 720;    ///< pixels; the height follows
  std::int32_t rate = 5;       ///< frames per second
  std::int32_t every = 1;      ///< a frame after each so many acquisitions
};

struct ReportOptions {
  std::vector<std::string> directories;  ///< of one or several studies; shards of one study are merged
  std::string out;                       ///< empty: report/ in the first directory
  bool html = true, markdown = true, csv = true;
  enum class Panels { none, final, every } panels = Panels::final;
  std::int32_t every = 1;         ///< Panels::every: frames after each so many acquisitions
  std::int32_t bald_passes = -1;  ///< of the maps of BALD's score; -1: the study's number, 0: no such map
  AnimationOptions animation;
};

struct ReportSummary {
  std::string out;
  std::vector<std::string> files;  ///< pages and tables written, below `out`
  std::int64_t pictures = 0;
  std::int64_t runs = 0, completed = 0, diverged = 0;
  std::vector<std::string> notes;  ///< what a person should know: gnuplot missing, no networks saved, ...
};

/// Errors: usage for directories that hold no study and for animations of runs that cannot be animated, failed for
/// damaged files or a failing gnuplot, and for animations without gnuplot, or MP4 without ffmpeg.
ReportSummary write_report(FileSystem& files, const ReportOptions& options);

}  // namespace quarry
