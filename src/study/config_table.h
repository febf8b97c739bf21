// SPDX-License-Identifier: MIT
// The one table of a config's keys: parsing, --set, the grid, the resolved text and docs/config.md all walk it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/study/config.h"
#include "src/study/config_value.h"

namespace quarry {

/// What the keys write to: a study before its grid is expanded.
struct ConfigDraft {
  std::string study = "study", preset = "corrected", together, networks = "none";
  RunConfig run;
};

enum class KeyKind {
  boolean,
  integer,
  real,
  text,
  choice,  ///< one of `choices`
  name,    ///< one of names()
  widths,  ///< list of integers
};

struct ConfigRow {
  std::string_view section, name, summary;
  KeyKind kind = KeyKind::boolean;
  double low = 0, high = 0;  ///< bounds of numbers, inclusive unless open
  bool open_low = false, open_high = false;
  std::string_view word;        ///< real: this string stands for "not set"
  bool counted = false;         ///< integer: "a..b" stands for the list a, a+1, ..., b
  bool number_or_text = false;  ///< text: an integer from 0 stands for its digits
  bool study_wide = false;      ///< one value per study: never a grid axis
  std::vector<std::string_view> choices;
  std::vector<std::string_view> (*names)() = nullptr;
  std::string_view list_command;  ///< name: the command that lists the names
  /// Values in these presets where they differ from the default; those of seed and keychain, from faithful.
  std::optional<ConfigValue> faithful, seed, keychain, hyperparameter_study;
  ConfigValue (*get)(const ConfigRow&, const ConfigDraft&) = nullptr;
  void (*set)(const ConfigRow&, ConfigDraft&, const ConfigValue&) = nullptr;

  /// The value that a preset gives instead of the default, if it does.
  std::optional<ConfigValue> in_preset(std::string_view preset) const;
  /// "section.name", or the name alone at the top of the file.
  std::string full_name() const;
  /// "integer", "real", ...
  std::string_view type() const;
  /// Allowed values, for messages and docs.
  std::string values() const;
};

/// Every key, in the order of the resolved text.
std::span<const ConfigRow> config_rows();
/// The row of a key, null if there is none.
const ConfigRow* find_config_row(std::string_view section, std::string_view name);

/// The value as this key wants it (an integer for a real key becomes a real), checked. Error: usage, starting with
/// `where`.
ConfigValue check_config_value(const ConfigRow& row, const ConfigValue& value, const std::string& where);

/// Two keys that cannot go together.
struct ConfigProblem {
  std::vector<std::string_view> keys;  ///< full names of those involved, the likeliest culprit first
  std::string message;
};
std::optional<ConfigProblem> check_run(const RunConfig& run);

}  // namespace quarry
