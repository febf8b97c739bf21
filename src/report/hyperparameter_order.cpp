// SPDX-License-Identifier: MIT
// What can be said of pairs whose runs collapse now and then: order, no means.
#include <functional>

#include "quarry/core/text.h"
#include "quarry/report/hyperparameter_tables.h"

namespace quarry {
namespace {

/// Mean of a cell that both sides have, by one protocol: an order over other strategies would be another order.
using MeanOf = std::function<std::optional<double>(const TableCell&)>;

bool is_comparable(const TableCell& cell) {
  return cell.ours && cell.published && cell.protocol == ProtocolMatch::published;
}
std::optional<double> our_mean(const TableCell& cell) {
  return is_comparable(cell) ? std::optional<double>(cell.ours->mean) : std::nullopt;
}
std::optional<double> published_mean(const TableCell& cell) {
  return is_comparable(cell) ? std::optional<double>(cell.published->mean) : std::nullopt;
}

/// Columns alternate AL, BO: AL of pair i is column 2 i.
std::string below_stable(const HyperparameterTable& table, std::size_t pair, const MeanOf& mean) {
  std::vector<std::string> below, not_below;
  for (std::size_t i = 0; i < table.strategies.size(); ++i) {
    const auto first = mean(table.cells[i][0]), second = mean(table.cells[i][2]), here = mean(table.cells[i][2 * pair]);
    if (!first || !second || !here) continue;
    (*here < *first && *here < *second ? below : not_below).push_back(table.strategies[i]);
  }
  if (below.empty() && not_below.empty()) return "-";
  if (not_below.empty()) return "all: " + join(below, ", ");
  return below.empty() ? "none" : join(below, ", ") + "; not " + join(not_below, ", ");
}

/// The strategy with the highest (sign 1) or lowest (sign -1) mean; of equal ones the first. "-" below two strategies.
std::string extreme(const HyperparameterTable& table, std::size_t pair, const MeanOf& mean, double sign) {
  std::optional<double> best;
  std::string name;
  std::size_t strategies = 0;
  for (std::size_t i = 0; i < table.strategies.size(); ++i) {
    const auto here = mean(table.cells[i][2 * pair]);
    if (!here) continue;
    ++strategies;
    if (best && sign * *here <= *best) continue;
    best = sign * *here;
    name = table.strategies[i];
  }
  return strategies < 2 ? "-" : name;
}

}  // namespace

std::vector<QualitativeRow> qualitative_rows(const std::vector<HyperparameterTable>& tables) {
  std::vector<QualitativeRow> rows;
  for (const HyperparameterTable& table : tables) {
    if (!table.judged || table.columns.size() != 2 * kNamedPairs.size() || !table.columns[1].optimised) continue;
    for (const std::size_t pair : {std::size_t{2}, std::size_t{3}}) {
      const auto add = [&](const char* question, const std::function<std::string(const MeanOf&)>& answer) {
        rows.push_back({table.dataset, table.name, pair_name(kNamedPairs[pair]), question, answer(our_mean),
                        answer(published_mean)});
      };
      add("strategies below HP1 and HP2", [&](const MeanOf& mean) { return below_stable(table, pair, mean); });
      add("worst strategy", [&](const MeanOf& mean) { return extreme(table, pair, mean, -1); });
      add("best strategy", [&](const MeanOf& mean) { return extreme(table, pair, mean, 1); });
    }
  }
  return rows;
}

}  // namespace quarry
