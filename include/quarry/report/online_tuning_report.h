// SPDX-License-Identifier: MIT
// The findings of an online-tuning study: each claim that was made about tuning hyperparameters again during active
// learning, tested on runs, with its verdict.
//
//   OUT/findings.md       claims, tables, pictures by their paths
//   OUT/findings.html     the same in one file
//   OUT/findings.csv      every row of every claim, exact
//   OUT/plots/            pictures, each with its gnuplot script and data
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"

namespace quarry {

struct OnlineTuningReportOptions {
  std::vector<std::string> directories;  ///< of one or several studies; shards of one study are merged
  std::string out;                       ///< empty: findings/ in the first directory
  bool html = true, markdown = true, csv = true;
};

struct OnlineTuningReportSummary {
  std::string out;
  std::string text;                ///< a line per claim: verdict and why, for a terminal
  std::vector<std::string> files;  ///< written, below `out`
  std::int64_t pictures = 0, claims = 0;
  std::vector<std::string> notes;
};

/// Errors: usage for directories that hold no study, failed for damaged files or a failing gnuplot.
OnlineTuningReportSummary write_online_tuning_report(FileSystem& files, const OnlineTuningReportOptions& options);

}  // namespace quarry
