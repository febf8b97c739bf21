// SPDX-License-Identifier: MIT
// The report of a hyperparameter study: its tables beside the published ones, learning curves, one page.
//
//   OUT/report.html, OUT/report.md
//   OUT/tables/cells.csv, seeds.csv    every figure, exact
//   OUT/plots/                         pictures, each with its gnuplot script and data
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"

namespace quarry {

struct HyperparameterReportOptions {
  std::vector<std::string> directories;  ///< studies, or trees in the same layout (study_cells.h)
  std::string out;                       ///< empty: report/ in the first directory
  bool html = true, markdown = true, csv = true;
  bool every_pair = false;  ///< curves of the pair (0.1, 0.05) too
};

struct HyperparameterReportSummary {
  std::string out;
  std::string text;                ///< the tables for a terminal
  std::vector<std::string> files;  ///< pages and tables written, below `out`
  std::int64_t pictures = 0, cells = 0;
  std::vector<std::string> notes;
};

/// Errors: usage for folders that hold no cells, failed for damaged files or a failing gnuplot.
HyperparameterReportSummary write_hyperparameter_report(FileSystem& files, const HyperparameterReportOptions& options);

}  // namespace quarry
