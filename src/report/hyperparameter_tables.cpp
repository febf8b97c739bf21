// SPDX-License-Identifier: MIT
#include "quarry/report/hyperparameter_tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "quarry/core/text.h"

namespace quarry {
namespace {

constexpr std::int64_t kFirstBudget = 2000;  // labels from which a study has the published study's size
constexpr HyperparameterPair kStablePair = {0.01, 0.005};
const std::vector<std::string> kPublishedStrategies = {"random", "entropy", "coreset", "badge"};
constexpr std::string_view kHow =
    "Test accuracy in percent: mean \u00b1 population standard deviation over the seeds (number of seeds). -: no "
    "finished run.";
constexpr std::string_view kJudged =
    "agrees: the means differ by at most max(0.5, 3 sqrt(s\u00b2/k published + s\u00b2/k ours)) points. too few "
    "seeds: nothing is judged below 3 seeds. qualitative: "
    "AL runs of HP3 and HP4 collapse now and then, so their means are not compared. BO of HP3 and HP4 has no verdict: "
    "it "
    "starts from the sets that such runs chose, and the allowed difference was set for HP1, HP2 and (0.01, 0.005).";
constexpr std::string_view kCollapsed =
    "collapsed: networks that name one class for everything (accuracy exactly 1/classes) or diverged; they stay in the "
    "mean.";

std::string thousands(std::int64_t n) {
  return n < 1000 ? std::to_string(n) : fmt::format("{},{:03}", n / 1000, n % 1000);
}

bool less_pair(const HyperparameterPair& a, const HyperparameterPair& b) {
  return a.lr != b.lr ? a.lr < b.lr : a.weight_decay < b.weight_decay;
}

/// What is known of one data set of a tree.
class DatasetTables {
 public:
  DatasetTables(const CellTree& tree, const CellDataset& dataset) : dataset_(dataset), classes_(classes_of(dataset)) {
    strategies_ = kPublishedStrategies;
    for (const StudyCell& cell : tree.cells) {
      if (cell.key.dataset != dataset.folder) continue;
      cells_.push_back(&cell);
      if (std::find(strategies_.begin(), strategies_.end(), cell.key.strategy) == strategies_.end())
        strategies_.push_back(cell.key.strategy);
      if (!cell.cycles.empty()) most_labels_ = std::max(most_labels_, cell.cycles.back().labels);
      if (cell.key.budget > 0) budgets_.insert(cell.key.budget);
    }
    whole_size_ = most_labels_ >= kFirstBudget || (!budgets_.empty() && *budgets_.rbegin() >= kFirstBudget);
    published_ = is_published_dataset(dataset.folder) && whole_size_ && names_agree(dataset);
    judged_ = published_ && dataset.origin == CellDataset::Origin::published;
  }

  std::vector<HyperparameterTable> all() {
    std::vector<HyperparameterTable> tables;
    if (cells_.empty()) return tables;
    if (!whole_size_) {
      for (const std::int64_t labels : small_label_counts()) tables.push_back(other_table(labels));
      if (has_other_pairs())
        for (const std::int64_t labels : small_label_counts()) tables.push_back(pairs_table(labels, labels));
      return tables;
    }
    for (const PublishedTable version : {PublishedTable::older, PublishedTable::newer})
      for (const std::int64_t labels : {2000, 4000}) tables.push_back(published_table(version, labels));
    std::set<std::int64_t> others = budgets_;  // that the published tables do not have
    others.erase(2000);
    others.erase(4000);
    for (const std::int64_t labels : others) tables.push_back(other_table(labels));
    if (!has_other_pairs()) return tables;
    for (const std::int64_t budget : {2000, 4000}) tables.push_back(pairs_table(budget == 2000 ? 2100 : 4000, budget));
    for (const std::int64_t labels : others) tables.push_back(pairs_table(labels, labels));
    return tables;
  }

 private:
  bool has_other_pairs() const {
    return std::any_of(cells_.begin(), cells_.end(),
                       [](const StudyCell* cell) { return pair_name(cell->key.pair).empty(); });
  }

  /// Half of the labels, all of them, and the budgets of searches.
  std::set<std::int64_t> small_label_counts() const {
    std::set<std::int64_t> counts = budgets_;
    if (most_labels_ == 0) return counts;
    counts.insert(most_labels_);
    std::int64_t half = 0;  // the largest count up to half
    for (const StudyCell* cell : cells_)
      for (const ActiveCycle& cycle : cell->cycles)
        if (2 * cycle.labels <= most_labels_) half = std::max(half, cycle.labels);
    if (half > 0) counts.insert(half);
    return counts;
  }

  std::optional<CellSummary> ours(const std::string& strategy, const TableColumn& column) const {
    std::vector<double> values;
    std::int64_t collapsed = 0;
    for (const StudyCell* cell : cells_) {
      if (cell->key.strategy != strategy || !(cell->key.pair == column.pair)) continue;
      if (cell->key.budget != (column.optimised ? column.labels : 0)) continue;
      std::optional<double> accuracy;
      bool diverged = false;
      if (cell->search) {
        accuracy = cell->search->accuracy;
        diverged = cell->search->diverged;
      }
      for (const ActiveCycle& cycle : cell->cycles)
        if (cycle.labels == column.labels) {
          accuracy = cycle.accuracy;
          diverged = cycle.diverged;
        }
      if (!accuracy) continue;
      values.push_back(100 * *accuracy);
      collapsed += diverged || is_collapsed(*accuracy, classes_);
    }
    if (values.empty()) return std::nullopt;
    CellSummary summary = summarise_cell(std::move(values));
    summary.collapsed = collapsed;
    return summary;
  }

  void fill(HyperparameterTable& table, bool judged_pairs_only_fixed) const {
    bool collapsed = false;
    for (const std::string& strategy : table.strategies) {
      std::vector<TableCell>& row = table.cells.emplace_back();
      for (const TableColumn& column : table.columns) {
        TableCell& cell = row.emplace_back();
        cell.ours = ours(strategy, column);
        collapsed = collapsed || (cell.ours && cell.ours->collapsed > 0);
        if (!table.with_published) continue;
        cell.published = published_of(table, strategy, column, judged_pairs_only_fixed);
        if (table.judged && cell.ours && cell.published) cell.verdict = verdict_of(column, cell);
      }
    }
    if (collapsed) table.notes.emplace_back(kCollapsed);
    if (table.judged) table.notes.emplace_back(kJudged);
  }

  std::optional<PublishedCell> published_of(const HyperparameterTable& table, const std::string& strategy,
                                            const TableColumn& column, bool grid) const {
    if (grid) {
      if (column.optimised) return std::nullopt;
      return published_fixed(dataset_.folder, column.labels, strategy, column.pair);
    }
    const PublishedTable version = table.name.starts_with("older") ? PublishedTable::older : PublishedTable::newer;
    const std::int64_t labels = table.name.ends_with("2K") ? 2000 : 4000;
    for (std::size_t i = 0; i < kNamedPairs.size(); ++i)
      if (kNamedPairs[i] == column.pair)
        return published_cell(version, dataset_.folder, labels, strategy, i, column.optimised);
    return std::nullopt;
  }

  static Verdict verdict_of(const TableColumn& column, const TableCell& cell) {
    const std::string name = pair_name(column.pair);
    if (name == "HP3" || name == "HP4") return column.optimised ? Verdict::none : Verdict::qualitative;
    if (name.empty() && !(column.pair == kStablePair)) return Verdict::none;
    return judge(*cell.ours, *cell.published);
  }

  HyperparameterTable start(std::string name, std::string title, bool published) const {
    HyperparameterTable table;
    table.dataset = dataset_.folder;
    table.name = std::move(name);
    table.title = std::move(title);
    if (published && !judged_) table.title += "; nothing is judged";
    table.with_published = published;
    table.judged = published && judged_;
    table.strategies = strategies_;
    const std::string warning = pixel_warning_with_source(dataset_);
    if (!warning.empty()) table.notes.push_back(warning + ".");
    table.notes.emplace_back(kHow);
    return table;
  }

  static void add_named_columns(HyperparameterTable& table, std::int64_t al_labels, std::int64_t budget) {
    for (std::size_t i = 0; i < kNamedPairs.size(); ++i) {
      table.columns.push_back({fmt::format("HP{} AL", i + 1), kNamedPairs[i], false, al_labels});
      table.columns.push_back({fmt::format("HP{} BO", i + 1), kNamedPairs[i], true, budget});
    }
  }

  HyperparameterTable published_table(PublishedTable version, std::int64_t labels) const {
    const bool older = version == PublishedTable::older;
    const std::int64_t al_labels = older || labels == 4000 ? labels : labels + 100;
    HyperparameterTable table =
        start(fmt::format("{}-{}K", older ? "older" : "newer", labels / 1000),
              fmt::format("{}, {}K, as in the {} table ({}): AL after {} labels, BO on {}", dataset_heading(dataset_),
                          labels / 1000, older ? "older" : "newer", older ? "June 2023" : "November 2023",
                          thousands(al_labels), thousands(labels)),
              published_);
    add_named_columns(table, al_labels, labels);
    if (al_labels != labels)
      table.notes.push_back(
          fmt::format("AL and BO are not at equal labels here: the newer table takes AL one cycle later, after {} "
                      "labels, and BO on {}. Compare them in the older table's counterpart.",
                      thousands(al_labels), thousands(labels)));
    fill(table, false);
    if (older && dataset_.folder == "CIFAR100" && published_) {
      table.notes.emplace_back("The older table leaves CIFAR-100 to do.");
      table.judged = false;
      for (auto& row : table.cells)
        for (TableCell& cell : row) cell.published_todo = true;
      std::erase(table.notes, std::string(kJudged));
    }
    return table;
  }

  /// A label count that the published tables do not have.
  HyperparameterTable other_table(std::int64_t labels) const {
    std::string title = fmt::format("{}, after {} labels", dataset_heading(dataset_), thousands(labels));
    if (whole_size_)
      title += ": no label count of the published tables";
    else
      title += fmt::format("{}: a study of {} labels at most, so at no label count of the published tables",
                           labels == most_labels_       ? " (the end)"
                           : 2 * labels <= most_labels_ ? " (half or less)"
                                                        : "",
                           thousands(std::max(most_labels_, labels)));
    HyperparameterTable table = start(fmt::format("labels-{}", labels), title, false);
    add_named_columns(table, labels, labels);
    fill(table, false);
    return table;
  }

  bool has_search(HyperparameterPair pair, std::int64_t budget) const {
    return std::any_of(cells_.begin(), cells_.end(),
                       [&](const StudyCell* cell) { return cell->key.pair == pair && cell->key.budget == budget; });
  }

  /// AL with every fixed pair: the nine of the published grid and any other that is there. Searches from pairs without
  /// a name are here, since the other tables have named pairs only.
  HyperparameterTable pairs_table(std::int64_t labels, std::int64_t budget) const {
    HyperparameterTable table =
        start(fmt::format("pairs-{}", labels),
              fmt::format("{}, AL after {} labels with every fixed pair", dataset_heading(dataset_), thousands(labels)),
              published_);
    std::vector<HyperparameterPair> pairs;
    for (const double lr : {0.001, 0.01, 0.1})
      for (const double weight_decay : {0.0005, 0.005, 0.05}) pairs.push_back({lr, weight_decay});
    for (const StudyCell* cell : cells_)
      if (std::find(pairs.begin(), pairs.end(), cell->key.pair) == pairs.end()) pairs.push_back(cell->key.pair);
    std::sort(pairs.begin(), pairs.end(), less_pair);
    for (const HyperparameterPair& pair : pairs) {
      const std::string hp = pair_name(pair);
      const std::string name = fmt::format("{}lr {} wd {}", hp.empty() ? "" : hp + ": ", pair.lr, pair.weight_decay);
      table.columns.push_back({name, pair, false, labels});
      if (hp.empty() && has_search(pair, budget)) table.columns.push_back({name + " BO", pair, true, budget});
    }
    if (std::any_of(table.columns.begin(), table.columns.end(), [](const TableColumn& c) { return c.optimised; }))
      table.notes.push_back(fmt::format("BO is on {} labels.", thousands(budget)));
    if (judged_)
      table.notes.emplace_back("Judged are HP1, HP2 and the pair (0.01, 0.005), whose published runs are stable.");
    fill(table, true);
    return table;
  }

  const CellDataset& dataset_;
  std::int64_t classes_ = 0;
  std::vector<const StudyCell*> cells_;
  std::vector<std::string> strategies_;
  std::set<std::int64_t> budgets_;
  std::int64_t most_labels_ = 0;
  bool whole_size_ = false, published_ = false, judged_ = false;
};

}  // namespace

std::vector<HyperparameterTable> hyperparameter_tables(const CellTree& tree) {
  std::vector<HyperparameterTable> tables;
  for (const CellDataset& dataset : tree.datasets)
    for (HyperparameterTable& table : DatasetTables(tree, dataset).all()) tables.push_back(std::move(table));
  return tables;
}

}  // namespace quarry
