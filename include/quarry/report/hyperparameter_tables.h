// SPDX-License-Identifier: MIT
// The tables of a hyperparameter study beside the published ones. docs/reading_reports.md says what each figure means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quarry/report/published_numbers.h"
#include "quarry/report/study_cells.h"

namespace quarry {

/// One cell over its seeds, in percent.
struct CellSummary {
  std::vector<double> values;      ///< by seed
  double mean = 0, deviation = 0;  ///< population standard deviation (divided by n)
  /// Networks that name one class for everything (exactly 1 / classes), diverged, or have no finite loss on the test
  /// set; they stay in the mean.
  std::int64_t collapsed = 0;
  std::int64_t n() const { return static_cast<std::int64_t>(values.size()); }
};
/// Mean and population standard deviation of values in percent.
CellSummary summarise_cell(std::vector<double> percent);

/// How what was run compares with the published protocol (quarry/study/protocol.h). mixed: of several cells, some are
/// published. unknown: without protocol.json.
enum class ProtocolMatch { published, mixed, other, unknown };
ProtocolMatch match_of(const StudyCell& cell);
/// Of all cells of a data set. published too where nothing was published of the data set, or it has no cells.
ProtocolMatch match_of(const CellTree& tree, const CellDataset& dataset);

/// none: nothing to compare with, the data are not the published ones, or no difference was set that is allowed.
/// qualitative: the published AL runs of this pair collapse now and then, so no mean is compared. too_few: less than
/// kFewestSeeds of ours. other_protocol, unknown_protocol: ours was not, or is not known to be, run as the published.
enum class Verdict { none, agrees, differs, qualitative, too_few, other_protocol, unknown_protocol };
/// Below it the deviation of ours says next to nothing (of one seed it is 0), and allowed_difference neither.
inline constexpr std::int64_t kFewestSeeds = 3;

/// What a difference of means may be: max(0.5, 3 sqrt(s_ref^2 / k_ref + s_ours^2 / k_ours)), in percentage points.
double allowed_difference(const CellSummary& ours, const PublishedCell& published);
/// agrees: |difference of means| <= allowed_difference. too_few without kFewestSeeds.
Verdict judge(const CellSummary& ours, const PublishedCell& published);

struct TableColumn {
  std::string name;  ///< "HP1 AL"
  HyperparameterPair pair;
  bool optimised = false;   ///< BO: searched again on the set that the run chose
  std::int64_t labels = 0;  ///< AL: after so many labels; BO: budget
};

struct TableCell {
  std::optional<CellSummary> ours;  ///< nothing: no run of this cell is there
  std::optional<PublishedCell> published;
  bool published_todo = false;  ///< the published table says "todo" here
  bool not_tested = false;      ///< runs of this cell are there, none of them tested after so many labels
  ProtocolMatch protocol = ProtocolMatch::published;  ///< of ours
  Verdict verdict = Verdict::none;
};

struct HyperparameterTable {
  std::string dataset;  ///< folder's name
  std::string name;     ///< older-2K, newer-4K, pairs-2100, ...: which table, for programs
  std::string title;
  std::vector<std::string> notes;  ///< printed below
  bool with_published = false;
  bool judged = false;
  std::vector<TableColumn> columns;
  std::vector<std::string> strategies;        ///< the rows
  std::vector<std::vector<TableCell>> cells;  ///< [row][column]
};

/// For each data set: the counterpart of the older published table, then of the newer, then of the grid of nine pairs;
/// for a study that ends before 2,000 labels, tables at half of its labels, at their end, and at its budgets. Pairs
/// without a name have a table at each of these label counts at which one of them has a result.
std::vector<HyperparameterTable> hyperparameter_tables(const CellTree& tree);

/// One statement about the pairs whose runs collapse now and then.
struct QualitativeRow {
  std::string dataset, table, pair, question, ours, published;
};
/// HP3 and HP4: strategies below HP1 and HP2, the worst and the best strategy, ours beside published, over the
/// strategies that have both.
std::vector<QualitativeRow> qualitative_rows(const std::vector<HyperparameterTable>& tables);

/// Whether the name in data.json is the folder's ("cifar10" of CIFAR10), or there is none.
bool names_agree(const CellDataset& dataset);
/// "CIFAR-10"; other data sets by the name in their data.json.
std::string dataset_title(const CellDataset& dataset);
/// "CIFAR-10 (pixels not verified, other protocol)": the title, and what must be known of pixels and protocol unless
/// they are the published ones.
std::string dataset_heading(const CellDataset& dataset, ProtocolMatch protocol);
/// "", or a sentence of at most some 60 characters about the pixels: not verified, or unknown. It fits a picture.
std::string pixel_warning(const CellDataset& dataset);
/// The same about the protocol.
std::string protocol_warning(ProtocolMatch protocol);
/// pixel_warning, followed by the files that were read, whose names may be long.
std::string pixel_warning_with_source(const CellDataset& dataset);
/// Number of classes by data.json, else by the folder's name; 0 if unknown.
std::int64_t classes_of(const CellDataset& dataset);
/// "HP1"; "" for a pair without a name.
std::string pair_name(HyperparameterPair pair);

/// Mean accuracy against labels of one strategy and pair.
struct PairCurvePoint {
  std::int64_t cycle = 0, labels = 0;
  CellSummary value;
};
std::vector<PairCurvePoint> pair_curve(const CellTree& tree, const std::string& dataset, const std::string& strategy,
                                       HyperparameterPair pair);

}  // namespace quarry
