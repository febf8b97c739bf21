// SPDX-License-Identifier: MIT
// From axes to runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/study/config_table.h"

namespace quarry {

/// A key with its values: one, or several for a grid axis. Where key and value were written,
/// if they were.
struct ConfigAxis {
  const ConfigRow* row = nullptr;
  std::vector<ConfigValue> values;
  ConfigPlace place, value_place;
};

/// Most runs of one study.
inline constexpr std::int64_t kMaxRuns = 1000000;

/// Every cell of the grid, named and checked. `axes` has one entry per row of the table, in its order.
/// Errors: usage: too many runs, contradictory keys.
std::vector<StudyRun> expand_grid(const ConfigDraft& draft, const std::vector<ConfigAxis>& axes,
                                  const std::string& path, std::int64_t max_runs);

/// Refuses a grid over a key that none of the runs reads. Error: usage, naming the key and what reads it.
void refuse_unread_axes(const std::vector<ConfigAxis>& axes, const std::vector<StudyRun>& runs,
                        const std::string& path);
/// What to say where keys of [search] have other values than the preset's and no run searches.
std::vector<std::string> unread_search_notes(const std::vector<ConfigAxis>& axes, const ConfigDraft& draft,
                                             const std::vector<StudyRun>& runs);

/// parse_study with another limit on the number of runs (the fuzz target's memory is small).
StudyConfig parse_study_limited(std::string_view toml, const std::string& path, std::span<const std::string> overrides,
                                std::int64_t max_runs);

}  // namespace quarry
