// SPDX-License-Identifier: MIT
// A report: what study directories hold, as pictures, tables and one page.
//
//   OUT/report.html           self-contained: pictures inline, no script, nothing fetched
//   OUT/report.md             the same for a README or an issue
//   OUT/tables/*.csv          every figure, exact
//   OUT/plots/, OUT/maps/     pictures, each with its gnuplot script and data
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"

namespace quarry {

struct ReportOptions {
  std::vector<std::string> directories;  ///< of one or several studies; shards of one study are merged
  std::string out;                       ///< empty: report/ in the first directory
  bool html = true, markdown = true, csv = true;
  enum class Panels { none, final, every } panels = Panels::final;
  std::int32_t every = 1;  ///< Panels::every: frames after each so many acquisitions
};

struct ReportSummary {
  std::string out;
  std::vector<std::string> files;  ///< pages and tables written, below `out`
  std::int64_t pictures = 0;
  std::int64_t runs = 0, completed = 0, diverged = 0;
  std::vector<std::string> notes;  ///< what a person should know: gnuplot missing, no networks saved, ...
};

/// Errors: usage for directories that hold no study, failed for damaged files or a failing gnuplot.
ReportSummary write_report(FileSystem& files, const ReportOptions& options);

}  // namespace quarry
