// SPDX-License-Identifier: MIT
#include "quarry/report/published_numbers.h"

namespace quarry {
namespace {

/// Seeds behind a cell. The older table has three, and five of Random's BO; the newer five of AL on CIFAR-10, else
/// three.
int seeds_of(const PublishedRow& row, bool optimised) {
  if (row.table == PublishedTable::older) return optimised && row.strategy == "random" ? 5 : 3;
  return !optimised && row.dataset == "CIFAR10" ? 5 : 3;
}

}  // namespace

bool is_published_dataset(std::string_view dataset) {
  return dataset == "CIFAR10" || dataset == "CIFAR100";
}

std::optional<PublishedCell> published_cell(PublishedTable table, std::string_view dataset, std::int64_t labels,
                                            std::string_view strategy, std::size_t pair, bool optimised) {
  if (pair >= kNamedPairs.size()) return std::nullopt;
  for (const PublishedRow& row : kPublishedRows) {
    if (row.table != table || row.dataset != dataset || row.labels != labels || row.strategy != strategy) continue;
    const MeanAndDeviation& cell = row.cells[2 * pair + (optimised ? 1 : 0)];
    return PublishedCell{cell.mean, cell.deviation, seeds_of(row, optimised)};
  }
  return std::nullopt;
}

std::optional<PublishedCell> published_fixed(std::string_view dataset, std::int64_t labels, std::string_view strategy,
                                             HyperparameterPair pair) {
  for (const PublishedGridRow& row : kPublishedGrid)
    if (row.dataset == dataset && row.labels == labels && row.strategy == strategy && row.lr == pair.lr &&
        row.weight_decay == pair.weight_decay)
      return PublishedCell{row.mean, row.deviation, row.seeds};
  if (labels != 2000) return std::nullopt;
  for (std::size_t i = 0; i < kNamedPairs.size(); ++i)
    if (kNamedPairs[i] == pair) return published_cell(PublishedTable::older, dataset, labels, strategy, i, false);
  return std::nullopt;
}

}  // namespace quarry
