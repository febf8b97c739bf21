// SPDX-License-Identifier: MIT
// Two results of a hyperparameter study side by side: where the picks part, and how far the accuracies are apart.
// Reads files only; nothing in them is executed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"
#include "quarry/report/study_cells.h"

namespace quarry {

/// What one side has of a cell. A file alone has only its own part.
struct ComparedRun {
  std::optional<std::vector<ActiveCycle>> results;
  std::optional<std::vector<std::vector<std::int64_t>>> queried;
  std::optional<SearchResult> search;
};

struct CellComparison {
  std::string name;  ///< path of the cell below the root; of two files or seed folders "the two results"
  bool equal = true;
  std::int64_t one_sided = 0;      ///< cycles that were tested on one side only: not compared, and no difference
  std::vector<std::string> lines;  ///< what was compared and what differs, a sentence each
};

struct Comparison {
  std::vector<CellComparison> cells;
  std::vector<std::string> only_ours, only_theirs;  ///< cells without a counterpart; no difference by themselves
  bool equal() const;
};

/// Accuracies are equal if they are less than this apart: files hold them in single precision.
inline constexpr double kAccuracyTolerance = 1e-6;

/// `every_cycle`: the accuracies of every cycle too.
CellComparison compare_runs(const ComparedRun& ours, const ComparedRun& theirs, bool every_cycle);

/// OURS and THEIRS: each a results.json, a queried_indices.json, a seed folder, or a tree of cells (read_cells).
/// Errors: usage if they are not of one kind, or have no cell in common; failed for damaged files.
Comparison compare_results(FileSystem& files, const std::string& ours, const std::string& theirs, bool every_cycle);

}  // namespace quarry
