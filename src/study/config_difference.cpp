// SPDX-License-Identifier: MIT
#include "quarry/study/config_difference.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_set>

#include "src/study/config_value.h"

namespace quarry {
namespace {

constexpr std::string_view kSeeds = "run.seed";

std::string key_of(const ConfigEntry& entry) {
  return entry.section.empty() ? entry.name : entry.section + "." + entry.name;
}

std::string shown(const ConfigValue& value) {
  constexpr std::size_t kLongest = 80;
  std::string text = to_toml(value);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

/// Whether the seeds are walked side by side with another key, so that each has but a part of the grid.
bool seeds_are_tied(const ConfigText& text) {
  return std::any_of(text.entries.begin(), text.entries.end(), [](const ConfigEntry& entry) {
    return key_of(entry) == "together" && entry.value.text.find(kSeeds) != std::string::npos;
  });
}

}  // namespace

std::optional<ConfigDifference> first_difference(const StudyConfig& first, const StudyConfig& second) {
  if (first.resolved == second.resolved) return {};
  // Both have every key, in the order of the table.
  const ConfigText a = read_config_text(first.resolved, "config.toml"),
                   b = read_config_text(second.resolved, "config.toml");
  std::optional<ConfigDifference> seeds;
  for (std::size_t i = 0; i < a.entries.size() && i < b.entries.size(); ++i) {
    if (a.entries[i].value.same_as(b.entries[i].value)) continue;
    const ConfigDifference difference = {key_of(a.entries[i]), shown(a.entries[i].value), shown(b.entries[i].value)};
    if (difference.key != kSeeds) return difference;
    seeds = difference;
  }
  return seeds;
}

bool differ_in_seeds_alone(const StudyConfig& first, const StudyConfig& second) {
  const std::optional<ConfigDifference> difference = first_difference(first, second);
  return difference && difference->key == kSeeds && !seeds_are_tied(read_config_text(first.resolved, "config.toml"));
}

std::vector<std::int64_t> seeds_of(const StudyConfig& study) {
  std::vector<std::int64_t> seeds;
  std::unordered_set<std::int64_t> seen;
  for (const StudyRun& run : study.runs)
    if (seen.insert(run.config.seed).second) seeds.push_back(run.config.seed);
  return seeds;
}

StudyConfig with_seeds(const StudyConfig& study, std::span<const std::int64_t> seeds, const std::string& path) {
  std::vector<ConfigValue> values;
  for (const std::int64_t seed : seeds) values.push_back(ConfigValue::of(seed));
  const std::string option = fmt::format("{}={}", kSeeds, to_toml(ConfigValue::of(values)));
  return parse_study(study.resolved, path, std::span(&option, 1));
}

}  // namespace quarry
