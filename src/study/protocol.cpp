// SPDX-License-Identifier: MIT
#include "quarry/study/protocol.h"

#include <fmt/core.h>

#include <algorithm>

#include "quarry/al/strategy.h"
#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/study/image_fits.h"
#include "src/study/config_table.h"

namespace quarry {
namespace {

/// What a key decides.
enum class Part {
  draws,     ///< where random numbers come from: told, but no other experiment
  pool,      ///< what can be labelled, and how much at a time
  scoring,   ///< how a strategy that asks a network chooses
  passes,    ///< the same of stochastic passes
  training,  ///< of every network
  search,
  pruning,      ///< what a pruner goes by
  holdout,      ///< a search by hold-out splits
  search_draws  ///< as draws, of a search
};

struct ProtocolKey {
  Part part;
  std::string_view section, name;
};

/// The keys that make a protocol. Not here: data, strategy, learning rate, weight decay, seed and number of labels,
/// which say which cell it is; acquisition.tested, which changes no number; data.pool_limit, which pool.positions has;
/// training.convolution, whose choices differ by rounding; and what only perceptrons read.
constexpr ProtocolKey kKeys[] = {
    {Part::draws, "run", "rng"},
    {Part::pool, "data", "holdout_share"},
    {Part::pool, "pool", "n_initial"},
    {Part::pool, "acquisition", "size"},
    {Part::scoring, "acquisition", "candidates"},
    {Part::scoring, "acquisition", "coreset_layer"},
    {Part::scoring, "acquisition", "ties"},
    {Part::passes, "acquisition", "mc_passes"},
    {Part::passes, "acquisition", "bald_clamp"},
    {Part::training, "model", "network"},
    {Part::training, "model", "momentum"},
    {Part::training, "model", "dropout"},
    {Part::training, "training", "epochs"},
    {Part::training, "training", "batch_size"},
    {Part::training, "training", "batches"},
    {Part::training, "training", "schedule"},
    {Part::training, "training", "warmup_epochs"},
    {Part::training, "training", "augment"},
    {Part::training, "training", "precision"},
    {Part::training, "training", "optimizer"},
    {Part::training, "training", "initial_weights"},
    {Part::search, "search", "trials"},
    {Part::search, "search", "sampler"},
    {Part::search, "search", "startup_trials"},
    {Part::search, "search", "normalised_density"},
    {Part::search, "search", "pruner"},
    {Part::pruning, "search", "pruner_startup"},
    {Part::pruning, "search", "pruner_warmup"},
    {Part::search, "search", "first_point"},
    {Part::search, "search", "lag"},
    {Part::search, "search", "cross_validation"},
    {Part::search, "search", "folds"},
    {Part::holdout, "pool", "val_share"},
    {Part::search, "search", "measure"},
    {Part::search, "search", "augment_validation"},
    {Part::search, "search", "nan_trial"},
    {Part::search, "search", "lr_low"},
    {Part::search, "search", "lr_high"},
    {Part::search, "search", "lr_scale"},
    {Part::search, "search", "weight_decay_low"},
    {Part::search, "search", "weight_decay_high"},
    {Part::search_draws, "search", "sampler_seed"},
};
constexpr std::size_t kMostKeys = 500;  // of a file
constexpr std::string_view kPositions = "pool.positions";
constexpr std::int64_t kPublishedImages = 50000;  // in the training part of CIFAR-10 and of CIFAR-100

std::string full_name(const ProtocolKey& key) {
  return fmt::format("{}.{}", key.section, key.name);
}

/// Whether the numbers of an active-learning run depend on it.
bool in_learning(Part part, const RunConfig& config) {
  const StrategyNeeds needs = make_strategy(config.strategy)->needs();
  if (part == Part::scoring) return needs.probabilities || needs.features || needs.bald;
  if (part == Part::passes) return needs.bald;
  return part == Part::draws || part == Part::pool || part == Part::training;
}

/// The same of a search, whatever chose its labels.
bool in_search(Part part, const RunConfig& config) {
  if (part == Part::pruning) return config.pruner != "none";
  if (part == Part::holdout) return config.cross_validation == CrossValidation::shuffle_split;
  return part == Part::draws || part == Part::training || part == Part::search || part == Part::search_draws;
}

Json json_of(const ConfigValue& value) {
  switch (value.type) {
    case ConfigValue::Type::boolean:
      return value.boolean;
    case ConfigValue::Type::integer:
      return value.integer;
    case ConfigValue::Type::real:
      return value.real;
    case ConfigValue::Type::string:
      return value.text;
    case ConfigValue::Type::list:
      break;
  }
  fail("a list is no value of a protocol");
}

template <class Belongs>
Json values_of(const RunConfig& config, Belongs&& belongs) {
  ConfigDraft draft;
  draft.run = config;
  Json values = Json::object();
  for (const ProtocolKey& key : kKeys) {
    if (!belongs(key.part, config)) continue;
    const ConfigRow* row = find_config_row(key.section, key.name);
    QUARRY_CHECK(row != nullptr, "no key {} in the config", full_name(key));
    values.set(full_name(key), json_of(row->get(*row, draft)));
  }
  return values;
}

/// Whether a key, with or without kLabelsFrom, only says where random numbers come from.
bool is_of_draws(std::string_view key) {
  if (key.starts_with(kLabelsFrom)) key.remove_prefix(kLabelsFrom.size());
  return std::any_of(std::begin(kKeys), std::end(kKeys), [&](const ProtocolKey& known) {
    return (known.part == Part::draws || known.part == Part::search_draws) && full_name(known) == key;
  });
}

void flatten(const Json& object, std::string_view before, std::string_view where, Protocol& protocol) {
  if (object.type() != Json::Type::object)
    fail("{}: expected an object of the keys of a config and their values", where);
  for (const auto& [key, value] : object.members()) {
    const std::string name = printable(std::string(before) + key);
    if (protocol.values.size() == kMostKeys) fail("{}: more than {} keys", where, kMostKeys);
    if (protocol.find(name) != nullptr) fail("{}: '{}' is there twice", where, name);
    if (before.empty() && key == "labels_from") {
      if (value.type() == Json::Type::null)
        protocol.values.emplace_back(key, kUnknown);
      else
        flatten(value, kLabelsFrom, where, protocol);
      continue;
    }
    switch (value.type()) {
      case Json::Type::boolean:
      case Json::Type::integer:
      case Json::Type::real:
        protocol.values.emplace_back(name, value.dump());
        break;
      case Json::Type::string:
        protocol.values.emplace_back(name, printable(value.string()));
        break;
      case Json::Type::null:
      case Json::Type::array:
      case Json::Type::object:
        fail("{}: '{}' is no number, text, true or false", where, name);
    }
  }
}

RunConfig published_run(const std::string& strategy) {
  ConfigDraft draft;
  for (const ConfigRow& row : config_rows())
    if (row.hyperparameter_study) row.set(row, draft, *row.hyperparameter_study);
  draft.run.strategy = strategy;
  return draft.run;
}

}  // namespace

const std::string* Protocol::find(std::string_view key) const {
  const auto found = std::find_if(values.begin(), values.end(), [&](const auto& each) { return each.first == key; });
  return found == values.end() ? nullptr : &found->second;
}

Json learning_protocol(const RunConfig& config, std::int64_t positions) {
  return Json(values_of(config, in_learning).set(kPositions, positions));
}

Json search_protocol(const RunConfig& config, const Json& labels_from) {
  Json protocol = values_of(config, in_search);
  if (labels_from.type() == Json::Type::null) return Json(protocol.set("labels_from", nullptr));
  Json kept = labels_from;
  if (!in_learning(Part::scoring, config))  // no network had a say
    for (const ProtocolKey& key : kKeys)
      if (key.part == Part::training) kept.erase(full_name(key));
  return Json(protocol.set("labels_from", std::move(kept)));
}

Protocol parse_protocol(std::string_view text, std::string_view where) {
  Protocol protocol;
  flatten(Json::parse(text, where), "", where, protocol);
  return protocol;
}

Protocol published_protocol(StudyHalf half, const std::string& strategy) {
  const RunConfig config = published_run(strategy);
  const Json learning = learning_protocol(config, pool_size(config, kPublishedImages));
  const Json json = half == StudyHalf::learning ? learning : search_protocol(config, learning);
  return parse_protocol(json.dump(), "the published protocol");
}

std::vector<ProtocolDifference> differences(const Protocol& first, const Protocol& second) {
  std::vector<ProtocolDifference> found;
  // One side may know nothing of the run that chose the labels: that is one difference, not one for each of its keys.
  const bool unknown = first.find("labels_from") != nullptr || second.find("labels_from") != nullptr;
  const auto passed_over = [&](const std::string& key) {
    return is_of_draws(key) || (unknown && key.starts_with(kLabelsFrom));
  };
  for (const auto& [key, value] : first.values) {
    if (passed_over(key)) continue;
    const std::string* other = second.find(key);
    if (other == nullptr)
      found.push_back({key, value, std::nullopt});
    else if (*other != value)
      found.push_back({key, value, *other});
  }
  for (const auto& [key, value] : second.values)
    if (!passed_over(key) && first.find(key) == nullptr) found.push_back({key, std::nullopt, value});
  return found;
}

std::string difference_text(const ProtocolDifference& difference, std::string_view second) {
  if (difference.key == "labels_from" && difference.first == kUnknown)
    return "the protocol of the run that chose the labels is unknown";
  return fmt::format("{} = {} ({}: {})", difference.key, difference.first.value_or("not set"), second,
                     difference.second.value_or("not set"));
}

}  // namespace quarry
