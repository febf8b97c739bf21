// SPDX-License-Identifier: MIT
#include "quarry/report/hyperparameter_tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "quarry/core/text.h"
#include "src/report/hyperparameter_cells.h"
#include "src/report/hyperparameter_protocol.h"

namespace quarry {
namespace {

constexpr HyperparameterPair kStablePair = {0.01, 0.005};
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
    "collapsed: networks that name one class for everything (accuracy exactly 1/classes), diverged, or have no finite "
    "loss on the test set; they stay in the mean.";
constexpr std::string_view kNotTested =
    "not tested: a run is there, and was not tested at this count of labels (acquisition.tested, or its end).";
constexpr std::string_view kDependent =
    "BO columns depend on each other: within a seed they share folds, the final network's random numbers and, unless "
    "each cell seeds its sampler, start-up points, so that equal numbers may stand in several.";

std::string thousands(std::int64_t n) {
  return n < 1000 ? std::to_string(n) : fmt::format("{},{:03}", n / 1000, n % 1000);
}

bool less_pair(const HyperparameterPair& a, const HyperparameterPair& b) {
  return a.lr != b.lr ? a.lr < b.lr : a.weight_decay < b.weight_decay;
}

/// The tables of one data set.
class DatasetTables {
 public:
  DatasetTables(const CellTree& tree, const CellDataset& dataset)
      : known_(tree, dataset), heading_(dataset_heading(dataset, known_.protocol())) {}

  std::vector<HyperparameterTable> all() {
    std::vector<HyperparameterTable> tables;
    if (known_.cells().empty()) return tables;
    std::set<std::int64_t> counts = known_.other_label_counts();
    if (known_.whole_size())
      for (const PublishedTable version : {PublishedTable::older, PublishedTable::newer})
        for (const std::int64_t labels : {2000, 4000}) tables.push_back(published_table(version, labels));
    for (const std::int64_t labels : counts) tables.push_back(other_table(labels));
    if (known_.whole_size()) counts.insert({2000, 2100, 4000});
    for (const std::int64_t labels : counts)
      if (known_.has_unnamed_result(labels)) tables.push_back(pairs_table(labels));
    return tables;
  }

 private:
  void fill(HyperparameterTable& table, bool grid) const {
    bool collapsed = false, not_tested = false, dependent = false;
    for (const std::string& strategy : table.strategies) {
      std::vector<TableCell>& row = table.cells.emplace_back();
      for (const TableColumn& column : table.columns) {
        TableCell& cell = row.emplace_back(known_.ours(strategy, column));
        collapsed = collapsed || (cell.ours && cell.ours->collapsed > 0);
        not_tested = not_tested || cell.not_tested;
        dependent = dependent || (column.optimised && cell.ours && known_.searched_pairs(column.labels) > 1);
        if (!table.with_published) continue;
        cell.published = published_of(table, strategy, column, grid);
        if (table.judged && cell.ours && cell.published) cell.verdict = verdict_of(column, cell);
      }
    }
    if (not_tested) table.notes.emplace_back(kNotTested);
    if (collapsed) table.notes.emplace_back(kCollapsed);
    if (dependent) table.notes.emplace_back(kDependent);
    if (table.judged) table.notes.emplace_back(kJudged);
  }

  std::optional<PublishedCell> published_of(const HyperparameterTable& table, const std::string& strategy,
                                            const TableColumn& column, bool grid) const {
    if (grid) {
      if (column.optimised) return std::nullopt;
      return published_fixed(known_.dataset().folder, column.labels, strategy, column.pair);
    }
    const PublishedTable version = table.name.starts_with("older") ? PublishedTable::older : PublishedTable::newer;
    const std::int64_t labels = table.name.ends_with("2K") ? 2000 : 4000;
    for (std::size_t i = 0; i < kNamedPairs.size(); ++i)
      if (kNamedPairs[i] == column.pair)
        return published_cell(version, known_.dataset().folder, labels, strategy, i, column.optimised);
    return std::nullopt;
  }

  static Verdict verdict_of(const TableColumn& column, const TableCell& cell) {
    if (cell.protocol == ProtocolMatch::other) return Verdict::other_protocol;
    if (cell.protocol != ProtocolMatch::published) return Verdict::unknown_protocol;
    const std::string name = pair_name(column.pair);
    if (name == "HP3" || name == "HP4") return column.optimised ? Verdict::none : Verdict::qualitative;
    if (name.empty() && !(column.pair == kStablePair)) return Verdict::none;
    return judge(*cell.ours, *cell.published);
  }

  HyperparameterTable start(std::string name, std::string title, bool published) const {
    HyperparameterTable table;
    table.dataset = known_.dataset().folder;
    table.name = std::move(name);
    table.title = heading_ + ", " + std::move(title);
    if (published && !known_.is_judged()) table.title += "; nothing is judged";
    table.with_published = published;
    table.judged = published && known_.is_judged();
    table.strategies = known_.strategies();
    const std::string warning = pixel_warning_with_source(known_.dataset());
    if (!warning.empty()) table.notes.push_back(warning + ".");
    const std::string protocol = published ? protocol_note(known_.cells()) : "";
    if (!protocol.empty()) table.notes.push_back(protocol);
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
              fmt::format("{}K, as in the {} table ({}): AL after {} labels, BO on {}", labels / 1000,
                          older ? "older" : "newer", older ? "June 2023" : "November 2023", thousands(al_labels),
                          thousands(labels)),
              known_.is_published());
    add_named_columns(table, al_labels, labels);
    if (al_labels != labels)
      table.notes.push_back(
          fmt::format("AL and BO are not at equal labels here: the newer table takes AL one cycle later, after {} "
                      "labels, and BO on {}. Compare them in the older table's counterpart.",
                      thousands(al_labels), thousands(labels)));
    fill(table, false);
    if (older && table.dataset == "CIFAR100" && table.with_published) {
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
    const std::int64_t most = known_.most_labels();
    std::string title = fmt::format("after {} labels", thousands(labels));
    if (known_.whole_size())
      title += ": no label count of the published tables";
    else
      title += fmt::format("{}: a study of {} labels at most, so at no label count of the published tables",
                           labels == most       ? " (the end)"
                           : 2 * labels <= most ? " (half or less)"
                                                : "",
                           thousands(std::max(most, labels)));
    HyperparameterTable table = start(fmt::format("labels-{}", labels), title, false);
    add_named_columns(table, labels, labels);
    fill(table, false);
    return table;
  }

  bool has_published(HyperparameterPair pair, std::int64_t labels) const {
    return known_.is_published() &&
           std::any_of(known_.strategies().begin(), known_.strategies().end(), [&](const std::string& strategy) {
             return published_fixed(known_.dataset().folder, labels, strategy, pair).has_value();
           });
  }

  /// AL with every fixed pair that has a result at this count, and with those that are published in the grid of nine.
  /// Searches from pairs without a name are here, since the other tables have named pairs only.
  HyperparameterTable pairs_table(std::int64_t labels) const {
    std::vector<HyperparameterPair> pairs = known_.pairs();
    std::erase_if(pairs, [&](const HyperparameterPair& pair) { return !known_.has_result(pair, labels); });
    if (labels == 2100 || labels == 4000)  // the published grid's counts
      for (const double lr : {0.001, 0.01, 0.1})
        for (const double weight_decay : {0.0005, 0.005, 0.05}) {
          const HyperparameterPair pair = {lr, weight_decay};
          if (has_published(pair, labels) && std::find(pairs.begin(), pairs.end(), pair) == pairs.end())
            pairs.push_back(pair);
        }
    std::sort(pairs.begin(), pairs.end(), less_pair);
    const bool published = std::any_of(pairs.begin(), pairs.end(),
                                       [&](const HyperparameterPair& pair) { return has_published(pair, labels); });
    HyperparameterTable table =
        start(fmt::format("pairs-{}", labels),
              fmt::format("AL after {} labels with every fixed pair", thousands(labels)), published);
    for (const HyperparameterPair& pair : pairs) {
      const std::string hp = pair_name(pair);
      const std::string name = fmt::format("{}lr {} wd {}", hp.empty() ? "" : hp + ": ", pair.lr, pair.weight_decay);
      table.columns.push_back({name, pair, false, labels});
      if (hp.empty() && known_.has_search(pair, labels)) table.columns.push_back({name + " BO", pair, true, labels});
    }
    if (std::any_of(table.columns.begin(), table.columns.end(), [](const TableColumn& c) { return c.optimised; }))
      table.notes.push_back(fmt::format("BO is on {} labels.", thousands(labels)));
    if (table.judged)
      table.notes.emplace_back("Judged are HP1, HP2 and the pair (0.01, 0.005), whose published runs are stable.");
    fill(table, true);
    return table;
  }

  DatasetCells known_;
  std::string heading_;
};

}  // namespace

std::vector<HyperparameterTable> hyperparameter_tables(const CellTree& tree) {
  std::vector<HyperparameterTable> tables;
  for (const CellDataset& dataset : tree.datasets)
    for (HyperparameterTable& table : DatasetTables(tree, dataset).all()) tables.push_back(std::move(table));
  return tables;
}

}  // namespace quarry
