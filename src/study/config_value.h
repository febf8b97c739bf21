// SPDX-License-Identifier: MIT
// Values of a config between the TOML text and the typed fields, with the place each one came from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quarry {

/// Where a value was written: in the file (line and column from 1) or in an option of the command line.
struct ConfigPlace {
  int line = 0, column = 0;
  std::string option;  ///< "--set section.key=value"; empty for the file

  bool known() const { return line > 0 || !option.empty(); }
};

struct ConfigValue {
  enum class Type { boolean, integer, real, string, list };
  Type type = Type::boolean;
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<ConfigValue> items;
  ConfigPlace place;

  static ConfigValue of(bool value);
  static ConfigValue of(std::int64_t value);
  static ConfigValue of(double value);
  static ConfigValue of(std::string value);
  static ConfigValue of(std::vector<ConfigValue> items);

  /// Equal type and contents; places do not count.
  bool same_as(const ConfigValue& other) const;
};

/// TOML text that reads back as the same value.
std::string to_toml(const ConfigValue& value);
/// The value as a person would say it in a message: "the string 'fast'", "the integer 3".
std::string describe(const ConfigValue& value);
/// "file:line:column", the option, or the file alone.
std::string describe(const std::string& path, const ConfigPlace& place);

struct ConfigEntry {
  std::string section, name;  ///< section "" = top of the file
  ConfigPlace place;          ///< of the key
  ConfigValue value;
};

struct ConfigSection {
  std::string name;
  ConfigPlace place;
};

/// What a config says, in the order it says it.
struct ConfigText {
  std::vector<ConfigSection> sections;
  std::vector<ConfigEntry> entries;
};

/// Reads TOML made of keys and one level of tables. Errors: usage, as path:line:column. Pure function of its arguments.
ConfigText read_config_text(std::string_view text, const std::string& path);

/// Reads one "section.key=value": the value in TOML syntax, where words need no quotes, inside lists neither.
/// Errors: usage, naming the option.
ConfigEntry read_config_override(const std::string& option);

/// Longest config: keeps the memory of hostile ones small.
inline constexpr std::size_t kMaxConfigBytes = std::size_t{256} << 10;

/// Refuses, with line and column, what toml++ 3.3.0 must not see (it aborts on some hostile texts) and what no config
/// needs: characters beyond ASCII outside strings and comments, bad UTF-8, control bytes, multi-line strings, quoted
/// keys, tables in braces, deep nesting, long dotted keys, long texts. Returns the text without a byte order mark.
std::string_view check_config_bytes(std::string_view text, const std::string& path);

}  // namespace quarry
