// SPDX-License-Identifier: MIT
#include "src/report/hyperparameter_cells.h"

#include <algorithm>
#include <utility>

namespace quarry {
namespace {

constexpr std::int64_t kFirstBudget = 2000;  // labels from which a study has the published study's size
const std::vector<std::string> kPublishedStrategies = {"random", "entropy", "coreset", "badge"};

bool is_tested_after(const StudyCell& cell, std::int64_t labels) {
  return std::any_of(cell.cycles.begin(), cell.cycles.end(),
                     [&](const ActiveCycle& cycle) { return cycle.labels == labels && cycle.accuracy.has_value(); });
}

}  // namespace

DatasetCells::DatasetCells(const CellTree& tree, const CellDataset& dataset)
    : dataset_(dataset), classes_(classes_of(dataset)), strategies_(kPublishedStrategies) {
  for (const StudyCell& cell : tree.cells) {
    if (cell.key.dataset != dataset.folder) continue;
    cells_.push_back(&cell);
    matches_.push_back(match_of(cell));
    if (std::find(strategies_.begin(), strategies_.end(), cell.key.strategy) == strategies_.end())
      strategies_.push_back(cell.key.strategy);
    if (!cell.cycles.empty()) most_labels_ = std::max(most_labels_, cell.cycles.back().labels);
    if (cell.key.budget > 0) budgets_.insert(cell.key.budget);
  }
  whole_size_ = most_labels_ >= kFirstBudget || (!budgets_.empty() && *budgets_.rbegin() >= kFirstBudget);
  protocol_ = match_of(tree, dataset);
  published_ = is_published_dataset(dataset.folder) && whole_size_ && names_agree(dataset);
  judged_ = published_ && dataset.origin == CellDataset::Origin::published &&
            (protocol_ == ProtocolMatch::published || protocol_ == ProtocolMatch::mixed);
}

std::set<std::int64_t> DatasetCells::other_label_counts() const {
  std::set<std::int64_t> counts = budgets_;
  std::int64_t half = 0;  // the largest count up to half
  for (const StudyCell* cell : cells_) {
    const auto is_tested = [](const ActiveCycle& cycle) { return cycle.accuracy.has_value(); };
    const bool every_cycle = std::all_of(cell->cycles.begin(), cell->cycles.end(), is_tested);
    for (const ActiveCycle& cycle : cell->cycles) {
      if (!is_tested(cycle)) continue;
      if (!every_cycle) counts.insert(cycle.labels);
      if (2 * cycle.labels <= most_labels_) half = std::max(half, cycle.labels);
    }
  }
  if (whole_size_) {
    for (const std::int64_t published : {2000, 2100, 4000}) counts.erase(published);
    return counts;
  }
  for (const std::int64_t labels : {half, most_labels_})
    if (labels > 0) counts.insert(labels);
  return counts;
}

bool DatasetCells::has_search(HyperparameterPair pair, std::int64_t budget) const {
  return std::any_of(cells_.begin(), cells_.end(),
                     [&](const StudyCell* cell) { return cell->key.pair == pair && cell->key.budget == budget; });
}

bool DatasetCells::has_result(HyperparameterPair pair, std::int64_t labels) const {
  return has_search(pair, labels) || std::any_of(cells_.begin(), cells_.end(), [&](const StudyCell* cell) {
           return cell->key.pair == pair && is_tested_after(*cell, labels);
         });
}

bool DatasetCells::has_unnamed_result(std::int64_t labels) const {
  const std::vector<HyperparameterPair> all = pairs();
  return std::any_of(all.begin(), all.end(), [&](const HyperparameterPair& pair) {
    return pair_name(pair).empty() && has_result(pair, labels);
  });
}

std::vector<HyperparameterPair> DatasetCells::pairs() const {
  std::vector<HyperparameterPair> pairs;
  for (const StudyCell* cell : cells_)
    if (std::find(pairs.begin(), pairs.end(), cell->key.pair) == pairs.end()) pairs.push_back(cell->key.pair);
  return pairs;
}

std::int64_t DatasetCells::searched_pairs(std::int64_t budget) const {
  const std::vector<HyperparameterPair> all = pairs();
  return std::count_if(all.begin(), all.end(),
                       [&](const HyperparameterPair& pair) { return has_search(pair, budget); });
}

TableCell DatasetCells::ours(const std::string& strategy, const TableColumn& column) const {
  TableCell result;
  std::vector<double> values;
  std::int64_t collapsed = 0, published = 0, other = 0;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const StudyCell& cell = *cells_[i];
    if (cell.key.strategy != strategy || !(cell.key.pair == column.pair)) continue;
    if (cell.key.budget != (column.optimised ? column.labels : 0)) continue;
    std::optional<double> accuracy;
    bool failed = false;
    if (cell.search) {
      accuracy = cell.search->accuracy;
      failed = cell.search->diverged || cell.search->non_finite_loss;
    }
    for (const ActiveCycle& cycle : cell.cycles)
      if (cycle.labels == column.labels) {
        accuracy = cycle.accuracy;
        failed = cycle.diverged || cycle.non_finite_loss;
      }
    if (!accuracy) {
      result.not_tested = true;
      continue;
    }
    values.push_back(100 * *accuracy);
    collapsed += failed || is_collapsed(*accuracy, classes_);
    published += matches_[i] == ProtocolMatch::published;
    other += matches_[i] == ProtocolMatch::other;
  }
  if (values.empty()) return result;
  result.not_tested = false;
  result.protocol = published == std::ssize(values) ? ProtocolMatch::published
                    : other > 0                     ? ProtocolMatch::other
                                                    : ProtocolMatch::unknown;
  result.ours = summarise_cell(std::move(values));
  result.ours->collapsed = collapsed;
  return result;
}

}  // namespace quarry
