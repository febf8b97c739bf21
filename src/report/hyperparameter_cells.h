// SPDX-License-Identifier: MIT
// What is known of one data set of a hyperparameter study, before it becomes tables.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "quarry/report/hyperparameter_tables.h"

namespace quarry {

class DatasetCells {
 public:
  DatasetCells(const CellTree& tree, const CellDataset& dataset);

  const CellDataset& dataset() const { return dataset_; }
  const std::vector<const StudyCell*>& cells() const { return cells_; }
  const std::vector<std::string>& strategies() const { return strategies_; }  ///< the published four, then others
  std::int64_t most_labels() const { return most_labels_; }
  bool whole_size() const { return whole_size_; }  ///< as many labels as the published tables begin with
  ProtocolMatch protocol() const { return protocol_; }
  /// Whether the published numbers are of this data set, and whether some cell may be judged by them.
  bool is_published() const { return published_; }
  bool is_judged() const { return judged_; }

  /// Label counts beside those of the published tables: of a study below their size half of its labels and all of
  /// them; and of any the budgets of its searches and what acquisition.tested asks for.
  std::set<std::int64_t> other_label_counts() const;
  /// Whether a pair has a result there: an AL test after so many labels, or a search on so many.
  bool has_result(HyperparameterPair pair, std::int64_t labels) const;
  bool has_unnamed_result(std::int64_t labels) const;
  bool has_search(HyperparameterPair pair, std::int64_t budget) const;
  std::vector<HyperparameterPair> pairs() const;
  /// How many pairs searches on so many labels began with, in whatever tables they are.
  std::int64_t searched_pairs(std::int64_t budget) const;

  /// Our side of a cell of a table.
  TableCell ours(const std::string& strategy, const TableColumn& column) const;

 private:
  const CellDataset& dataset_;
  std::int64_t classes_ = 0;
  std::vector<const StudyCell*> cells_;
  std::vector<ProtocolMatch> matches_;  // of the cells
  std::vector<std::string> strategies_;
  std::set<std::int64_t> budgets_;
  std::int64_t most_labels_ = 0;
  ProtocolMatch protocol_ = ProtocolMatch::published;
  bool whole_size_ = false, published_ = false, judged_ = false;
};

}  // namespace quarry
