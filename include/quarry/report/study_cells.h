// SPDX-License-Identifier: MIT
// The cells of a hyperparameter study: one folder per data set, strategy, fixed pair (and budget) and seed, with the
// results as the study's authors write them, so that their folders and ours are read alike (docs/formats.md).
//
//   ROOT/<DATASET>/<strategy>/lr<lr>_wd<wd>/seed<s>/              active learning: results.json, queried_indices.json
//   ROOT/<DATASET>/<strategy>/budget<N>/lr<lr>_wd<wd>/seed<s>/    search on the set that such a run chose: results.json
//
// ROOT is the folder itself or its cells/. Nothing that is read is ever executed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/core/file_system.h"
#include "quarry/report/published_numbers.h"
#include "quarry/study/protocol.h"

namespace quarry {

/// One cycle of an active-learning run; cycle 0 has the initial labels.
struct ActiveCycle {
  std::int64_t labels = 0;            ///< initial labels and everything bought since, duplicates counted
  std::optional<double> accuracy;     ///< on the test set, 0 .. 1; nothing if no network of this cycle was tested
  std::vector<std::int64_t> queried;  ///< bought in this cycle, in selection order; of cycle 0 the initial labels
  bool diverged = false;              ///< by notes.json
  bool non_finite_loss = false;       ///< by notes.json: the loss on the test set was no number
};

struct SearchTrial {
  double lr = 0, weight_decay = 0;
  std::optional<double> accuracy, nll;  ///< validation, mean over folds; nothing if not finite or not there
};

/// A search on a frozen labelled set, and the network trained on the whole set with the best pair.
struct SearchResult {
  double accuracy = 0;        ///< on the test set, 0 .. 1
  std::optional<double> nll;  ///< nothing if not finite
  std::vector<SearchTrial> trials;
  bool diverged = false;
  bool non_finite_loss = false;  ///< test_nll is there and no finite number
};

struct CellKey {
  std::string dataset;  ///< folder's name: CIFAR10, ...
  std::string strategy;
  std::int64_t budget = 0;  ///< labels that were frozen; 0 for an active-learning run
  HyperparameterPair pair;
  std::int64_t seed = 0;

  /// The folder below ROOT, numbers in their shortest form.
  std::string path() const;
  friend bool operator==(const CellKey&, const CellKey&) = default;
};
bool operator<(const CellKey& a, const CellKey& b);

struct StudyCell {
  CellKey key;
  std::string directory;  ///< where it was found
  std::vector<ActiveCycle> cycles;
  std::optional<SearchResult> search;  ///< of a cell with a budget
  std::optional<Protocol> protocol;    ///< by protocol.json; nothing: unknown
};

/// What data.json says; without that file the origin is unknown.
struct CellDataset {
  enum class Origin { published, unverified, unknown };
  std::string folder, name, source;
  Origin origin = Origin::unknown;
  std::int64_t classes = 0;  ///< 0: not known
};

struct CellTree {
  std::vector<CellDataset> datasets;  ///< by folder name
  std::vector<StudyCell> cells;       ///< by key
  std::vector<std::string> notes;     ///< seed folders without results and folders without cells, one sentence each
};

// Parsers of one file's text. `where` is its path, for messages. Keys that are not named in docs/formats.md are passed
// over; NaN and Infinity are read as Python writes them. Errors: failed, with the place and what was expected.

/// results.json of an active-learning run. The lists of unlabelled positions, nearly all of its bytes, are checked and
/// passed over without being stored.
std::vector<ActiveCycle> parse_active_results(std::string_view text, std::string_view where);
/// queried_indices.json: the picks of each cycle.
std::vector<std::vector<std::int64_t>> parse_queried_picks(std::string_view text, std::string_view where);
/// results.json of a search.
SearchResult parse_search_results(std::string_view text, std::string_view where);
/// data.json of a data set's folder.
CellDataset parse_cell_dataset(std::string_view text, std::string_view where);

/// What a results file is, by its keys.
enum class CellFileKind { active_results, queried_indices, search_results };
CellFileKind kind_of_cell_file(std::string_view text, std::string_view where);

/// The folder that holds the data sets' folders: DIR/cells or DIR.
std::string cells_root(FileSystem& files, const std::string& directory);
/// Reads every cell below the folders, which are studies or trees in the layout above. Hidden names and plain files
/// between the levels are passed over; a folder without cells (an unfinished study) is a note. Errors: usage when no
/// folder has cells, for a name that the layout does not have, the same cell twice, or folders of one data set that
/// disagree about it; failed for damaged files.
CellTree read_cells(FileSystem& files, const std::vector<std::string>& directories);

/// Whether a run's accuracy is that of a network that names one class for everything: exactly 1 / classes.
bool is_collapsed(double accuracy, std::int64_t classes);

}  // namespace quarry
