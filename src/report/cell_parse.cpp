// SPDX-License-Identifier: MIT
// The files of a cell: from text to results, every field checked.
#include <cmath>
#include <limits>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/report/study_cells.h"
#include "src/report/cell_text.h"

namespace quarry {
namespace {

using Type = Json::Type;
constexpr std::int64_t kMostLabels = 1'000'000'000;

bool is_number(const Json& value) {
  return value.type() == Type::integer || value.type() == Type::real ||
         (value.type() == Type::string &&
          (value.string() == "NaN" || value.string() == "Infinity" || value.string() == "-Infinity"));
}

const Json& object_of(const Json& value, std::string_view where, std::string_view what) {
  if (value.type() != Type::object) fail("{}: {} is no object", where, what);
  return value;
}

const Json& needed(const Json& object, std::string_view key, std::string_view where, std::string_view what) {
  const Json* value = object.find(key);
  if (value == nullptr) fail("{}: {} has no '{}'", where, what, key);
  return *value;
}

std::int64_t count_of(const Json& object, std::string_view key, std::string_view where, std::string_view what) {
  const Json& value = needed(object, key, where, what);
  if (value.type() != Type::integer || value.integer() < 0 || value.integer() > kMostLabels)
    fail("{}: '{}' of {} is no count", where, key, what);
  return value.integer();
}

double accuracy_of(const Json& object, std::string_view key, std::string_view where, std::string_view what) {
  const Json& value = needed(object, key, where, what);
  const double number = is_number(value) ? value.number() : std::numeric_limits<double>::quiet_NaN();
  if (!(number >= 0 && number <= 1)) fail("{}: '{}' of {} is no share between 0 and 1", where, key, what);
  return number;
}

std::optional<double> finite_of(const Json& object, std::string_view key, std::string_view where,
                                std::string_view what) {
  const Json* value = object.find(key);
  if (value == nullptr || value->type() == Type::null) return std::nullopt;
  if (!is_number(*value)) fail("{}: '{}' of {} is no number", where, key, what);
  if (!std::isfinite(value->number())) return std::nullopt;
  return value->number();
}

std::vector<std::int64_t> positions_of(const Json& list, std::string_view where, std::string_view what) {
  if (list.type() != Type::array) fail("{}: {} is no list of positions", where, what);
  std::vector<std::int64_t> positions;
  positions.reserve(list.items().size());
  for (const Json& item : list.items()) {
    if (item.type() != Type::integer || item.integer() < 0 || item.integer() > kMostLabels)
      fail("{}: entry {} of {} is no position", where, positions.size(), what);
    positions.push_back(item.integer());
  }
  return positions;
}

/// Number of cycle<k> keys, which are every key, in order.
std::size_t cycles_of(const Json& root, std::string_view where) {
  object_of(root, where, "the file");
  std::size_t k = 0;
  for (const auto& [key, value] : root.members()) {
    if (key != fmt::format("cycle{}", k)) {
      fail("{}: key {} is '{}', expected 'cycle{}': the cycles in order, without a hole, and nothing else", where, k,
           printable(key.substr(0, 40)), k);
    }
    ++k;
  }
  if (k == 0) fail("{}: no cycles", where);
  return k;
}

ActiveCycle cycle_of(const Json& entry, bool first, std::string_view where, const std::string& what) {
  object_of(entry, where, what);
  ActiveCycle cycle;
  if (first) {
    cycle.queried = positions_of(needed(entry, "labeled_indices", where, what), where, "'labeled_indices' of " + what);
  } else {
    cycle.queried = positions_of(needed(entry, "query_indices", where, what), where, "'query_indices' of " + what);
  }
  const std::int64_t labels = count_of(entry, "n_labeled_samples", where, what);
  const Json* stats = entry.find("test_stats");
  if (stats == nullptr || stats->type() == Type::null) return cycle;
  object_of(*stats, where, "'test_stats' of " + what);
  if (count_of(*stats, "num_labeled_samples", where, "'test_stats' of " + what) != labels)
    fail("{}: {} has two numbers of labels, in 'n_labeled_samples' and in 'test_stats'", where, what);
  const Json* accuracy = stats->find("accuracy");
  if (accuracy != nullptr && accuracy->type() != Type::null)
    cycle.accuracy = accuracy_of(*stats, "accuracy", where, "'test_stats' of " + what);
  return cycle;
}

SearchTrial trial_of(const Json& entry, std::string_view where, const std::string& what) {
  object_of(entry, where, what);
  const Json& pair = object_of(needed(entry, "conf", where, what), where, "'conf' of " + what);
  SearchTrial trial;
  for (const auto& [key, target] :
       {std::pair<std::string_view, double*>{"lr", &trial.lr}, {"weight_decay", &trial.weight_decay}}) {
    const std::optional<double> value = finite_of(pair, key, where, "'conf' of " + what);
    if (!value || *value < 0) fail("{}: '{}' in 'conf' of {} is no number from 0", where, key, what);
    *target = *value;
  }
  const Json& metrics = object_of(needed(entry, "res", where, what), where, "'res' of " + what);
  trial.accuracy = finite_of(metrics, "val_acc", where, "'res' of " + what);
  trial.nll = finite_of(metrics, "val_nll", where, "'res' of " + what);
  return trial;
}

}  // namespace

std::vector<ActiveCycle> parse_active_results(std::string_view text, std::string_view where) {
  const Json root = parse_cell_json(text, where, "unlabeled_indices");
  cycles_of(root, where);
  std::vector<ActiveCycle> cycles;
  std::int64_t labels = 0;
  for (const auto& [key, entry] : root.members()) {
    cycles.push_back(cycle_of(entry, cycles.empty(), where, key));
    labels += static_cast<std::int64_t>(cycles.back().queried.size());
    cycles.back().labels = labels;
    const std::int64_t told = count_of(entry, "n_labeled_samples", where, key);
    if (told > labels)  // fewer: the reference's Core-Sets may list a position twice
      fail("{}: {} tells of {} labels, more than the {} positions listed until then", where, key, told, labels);
  }
  return cycles;
}

std::vector<std::vector<std::int64_t>> parse_queried_picks(std::string_view text, std::string_view where) {
  const Json root = parse_cell_json(text, where);
  cycles_of(root, where);
  std::vector<std::vector<std::int64_t>> cycles;
  for (const auto& [key, entry] : root.members()) cycles.push_back(positions_of(entry, where, key));
  return cycles;
}

SearchResult parse_search_results(std::string_view text, std::string_view where) {
  const Json root = parse_cell_json(text, where);
  object_of(root, where, "the file");
  const Json& stats = object_of(needed(root, "test_stats", where, "the file"), where, "'test_stats'");
  SearchResult result;
  result.accuracy = accuracy_of(stats, "test_acc", where, "'test_stats'");
  result.nll = finite_of(stats, "test_nll", where, "'test_stats'");
  const Json* nll = stats.find("test_nll");
  result.non_finite_loss = nll != nullptr && nll->type() != Type::null && !result.nll;
  const Json& trials = needed(root, "ray-results", where, "the file");
  if (trials.type() != Type::array) fail("{}: 'ray-results' is no list of trials", where);
  for (const Json& entry : trials.items())
    result.trials.push_back(trial_of(entry, where, fmt::format("trial {}", result.trials.size())));
  return result;
}

CellDataset parse_cell_dataset(std::string_view text, std::string_view where) {
  const Json root = parse_cell_json(text, where);
  object_of(root, where, "the file");
  const auto text_of = [&](std::string_view key) {
    const Json& value = needed(root, key, where, "the file");
    if (value.type() != Type::string) fail("{}: '{}' is no text", where, key);
    return printable(value.string());
  };
  CellDataset dataset;
  dataset.name = text_of("name");
  dataset.source = text_of("source");
  const std::string origin = text_of("origin");
  if (origin != "published" && origin != "unverified")
    fail("{}: 'origin' is '{}', expected published or unverified", where, origin.substr(0, 40));
  dataset.origin = origin == "published" ? CellDataset::Origin::published : CellDataset::Origin::unverified;
  dataset.classes = count_of(root, "classes", where, "the file");
  if (dataset.classes < 2) fail("{}: 'classes' is {}, expected at least 2", where, dataset.classes);
  return dataset;
}

CellFileKind kind_of_cell_file(std::string_view text, std::string_view where) {
  const Json root = parse_cell_json(text, where, "unlabeled_indices");
  object_of(root, where, "the file");
  if (root.find("ray-results") != nullptr) return CellFileKind::search_results;
  const Json* first = root.find("cycle0");
  if (first != nullptr && first->type() == Type::array) return CellFileKind::queried_indices;
  if (first != nullptr && first->type() == Type::object) return CellFileKind::active_results;
  fail("{}: neither a results.json nor a queried_indices.json: no 'cycle0' and no 'ray-results'", where);
}

}  // namespace quarry
