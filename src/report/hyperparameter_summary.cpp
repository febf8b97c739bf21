// SPDX-License-Identifier: MIT
// A cell of a hyperparameter study over its seeds, what it is compared by, and what it is called.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "quarry/core/text.h"
#include "quarry/report/hyperparameter_tables.h"

namespace quarry {

CellSummary summarise_cell(std::vector<double> percent) {
  CellSummary summary;
  summary.values = std::move(percent);
  const auto n = static_cast<double>(summary.values.size());
  if (summary.values.empty()) return summary;
  for (double value : summary.values) summary.mean += value;
  summary.mean /= n;
  double squares = 0;
  for (double value : summary.values) squares += (value - summary.mean) * (value - summary.mean);
  summary.deviation = std::sqrt(squares / n);
  return summary;
}

double allowed_difference(const CellSummary& ours, const PublishedCell& published) {
  return std::max(0.5, 3 * std::sqrt(published.deviation * published.deviation / published.seeds +
                                     ours.deviation * ours.deviation / static_cast<double>(ours.n())));
}

Verdict judge(const CellSummary& ours, const PublishedCell& published) {
  constexpr double kRounding = 1e-9;  // of percentages such as 75.11 in binary
  if (ours.n() < kFewestSeeds) return Verdict::too_few;
  const bool agrees = std::abs(ours.mean - published.mean) <= allowed_difference(ours, published) + kRounding;
  return agrees ? Verdict::agrees : Verdict::differs;
}

bool names_agree(const CellDataset& dataset) {
  std::string name = dataset.name;
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name.empty() || name == dataset.folder;
}

std::string dataset_title(const CellDataset& dataset) {
  if (dataset.folder == "CIFAR10" && names_agree(dataset)) return "CIFAR-10";
  if (dataset.folder == "CIFAR100" && names_agree(dataset)) return "CIFAR-100";
  return dataset.name.empty() ? printable(dataset.folder) : dataset.name;
}

std::string dataset_heading(const CellDataset& dataset, ProtocolMatch protocol) {
  using Origin = CellDataset::Origin;
  std::vector<std::string> known;
  if (dataset.origin == Origin::unverified) known.emplace_back("pixels not verified");
  if (dataset.origin == Origin::unknown) known.emplace_back("pixels unknown");
  if (protocol == ProtocolMatch::other) known.emplace_back("other protocol");
  if (protocol == ProtocolMatch::mixed) known.emplace_back("partly of other protocols");
  if (protocol == ProtocolMatch::unknown) known.emplace_back("protocol unknown");
  return dataset_title(dataset) + (known.empty() ? "" : " (" + join(known, ", ") + ")");
}

std::string pixel_warning(const CellDataset& dataset) {
  if (dataset.origin == CellDataset::Origin::published) return "";
  if (dataset.origin == CellDataset::Origin::unknown) return "Pixels unknown: there is no data.json";
  return fmt::format("Pixels not verified as the published {}files",
                     is_published_dataset(dataset.folder) ? "CIFAR " : "");
}

std::string protocol_warning(ProtocolMatch protocol) {
  switch (protocol) {
    case ProtocolMatch::mixed:
      return "Not all run by the published protocol";
    case ProtocolMatch::other:
      return "Not run by the published protocol";
    case ProtocolMatch::unknown:
      return "Protocol unknown: there is no protocol.json";
    case ProtocolMatch::published:
      break;
  }
  return "";
}

std::string pixel_warning_with_source(const CellDataset& dataset) {
  const std::string warning = pixel_warning(dataset);
  if (dataset.origin != CellDataset::Origin::unverified || dataset.source.empty()) return warning;
  return fmt::format("{} ({})", warning, dataset.source);
}

std::int64_t classes_of(const CellDataset& dataset) {
  if (dataset.classes > 0) return dataset.classes;
  return dataset.folder == "CIFAR10" ? 10 : dataset.folder == "CIFAR100" ? 100 : 0;
}

std::string pair_name(HyperparameterPair pair) {
  for (std::size_t i = 0; i < kNamedPairs.size(); ++i)
    if (kNamedPairs[i] == pair) return fmt::format("HP{}", i + 1);
  return "";
}

std::vector<PairCurvePoint> pair_curve(const CellTree& tree, const std::string& dataset, const std::string& strategy,
                                       HyperparameterPair pair) {
  std::int64_t classes = 0;
  for (const CellDataset& known : tree.datasets)
    if (known.folder == dataset) classes = classes_of(known);
  struct Collected {
    std::vector<double> values;
    std::int64_t collapsed = 0;
  };
  std::map<std::pair<std::int64_t, std::int64_t>, Collected> points;
  for (const StudyCell& cell : tree.cells) {
    if (cell.key.dataset != dataset || cell.key.strategy != strategy || !(cell.key.pair == pair)) continue;
    for (std::size_t k = 0; k < cell.cycles.size(); ++k) {
      const ActiveCycle& cycle = cell.cycles[k];
      if (!cycle.accuracy) continue;
      Collected& point = points[{cycle.labels, static_cast<std::int64_t>(k)}];
      point.values.push_back(100 * *cycle.accuracy);
      point.collapsed += cycle.diverged || cycle.non_finite_loss || is_collapsed(*cycle.accuracy, classes);
    }
  }
  std::vector<PairCurvePoint> curve;
  for (auto& [where, point] : points) {
    curve.push_back({where.second, where.first, summarise_cell(std::move(point.values))});
    curve.back().value.collapsed = point.collapsed;
  }
  return curve;
}

}  // namespace quarry
