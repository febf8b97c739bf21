// SPDX-License-Identifier: MIT
// In what two studies differ: a folder's config and the one that is to continue it, or those of two folders that are
// reported together. Seeds are the one axis that may grow.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quarry/study/config.h"

namespace quarry {

struct ConfigDifference {
  std::string key;            ///< "section.name"
  std::string first, second;  ///< its values in either study, as TOML; long ones are cut
};

/// The first key, in the order of docs/config.md, whose values differ; run.seed only if no other does. None for equal
/// studies.
std::optional<ConfigDifference> first_difference(const StudyConfig& first, const StudyConfig& second);

/// Whether the studies have the same runs but for their seeds, each seed with all of them.
bool differ_in_seeds_alone(const StudyConfig& first, const StudyConfig& second);

/// The seeds of the study, in its order, each once.
std::vector<std::int64_t> seeds_of(const StudyConfig& study);

/// The study with these seeds instead of its own. `path` is where the study is from, for messages.
/// Error: usage if the grid gets too large.
StudyConfig with_seeds(const StudyConfig& study, std::span<const std::int64_t> seeds, const std::string& path);

}  // namespace quarry
