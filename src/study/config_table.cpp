// SPDX-License-Identifier: MIT
#include "src/study/config_table.h"

#include <cmath>

#include "quarry/core/error.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

constexpr std::size_t kMaxText = 4096;  // bytes of a string
constexpr std::size_t kMaxLayers = 32;

std::string number_text(const ConfigRow& row, double x) {
  return row.kind == KeyKind::real ? format_exact(x) : fmt::format("{}", static_cast<std::int64_t>(x));
}

std::string joined(const std::vector<std::string_view>& names) {
  return join(std::vector<std::string>(names.begin(), names.end()), ", ");
}

bool in_range(const ConfigRow& row, double x) {
  return (row.open_low ? x > row.low : x >= row.low) && (row.open_high ? x < row.high : x <= row.high);
}

ConfigValue check_integer(const ConfigRow& row, const ConfigValue& value, const std::string& where) {
  if (value.type != ConfigValue::Type::integer || !in_range(row, static_cast<double>(value.integer)))
    usage_error("{}: {}: expected {} {}, got {}", where, row.full_name(),
                row.kind == KeyKind::widths ? "a list of integers," : "an integer,", row.values(), describe(value));
  return value;
}

ConfigValue check_real(const ConfigRow& row, ConfigValue value, const std::string& where) {
  if (!row.word.empty() && value.type == ConfigValue::Type::string && value.text == row.word) return value;
  if (value.type == ConfigValue::Type::integer) {
    const ConfigPlace place = value.place;
    value = ConfigValue::of(static_cast<double>(value.integer));
    value.place = place;
  }
  if (value.type != ConfigValue::Type::real || !in_range(row, value.real))
    usage_error("{}: {}: expected a number, {}, got {}", where, row.full_name(), row.values(), describe(value));
  value.real += 0.0;  // no negative zero
  return value;
}

ConfigValue check_text(const ConfigRow& row, const ConfigValue& value, const std::string& where) {
  if (value.type != ConfigValue::Type::string)
    usage_error("{}: {}: expected a string ({}), got {}", where, row.full_name(), row.summary, describe(value));
  if (value.text.size() > kMaxText || printable(value.text) != value.text)
    usage_error("{}: {}: a string of more than {} bytes or with control characters", where, row.full_name(), kMaxText);
  return value;
}

// A study's name becomes a directory.
void check_study_name(const ConfigValue& value, const std::string& where) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  bool good = !value.text.empty() && value.text.size() <= 64 && plain(value.text[0]) && value.text[0] != '-';
  for (const char c : value.text) good = good && (plain(c) || c == '.');
  if (!good)
    usage_error(
        "{}: study: expected a name of 1 to 64 letters, digits, '_', '-' or '.', starting with a letter, "
        "digit or '_' (it becomes a directory), got {}",
        where, describe(value));
}

ConfigValue check_name(const ConfigRow& row, const ConfigValue& value, const std::string& where) {
  const std::vector<std::string_view> known = row.kind == KeyKind::name ? row.names() : row.choices;
  if (value.type != ConfigValue::Type::string)
    usage_error("{}: {}: expected one of {}, got {}", where, row.full_name(), joined(known), describe(value));
  for (const std::string_view name : known)
    if (name == value.text) return value;
  usage_error("{}: {}: expected one of {}, got {}.{}", where, row.full_name(), joined(known), describe(value),
              suggestion(value.text, known));
}

}  // namespace

std::optional<ConfigValue> ConfigRow::in_preset(std::string_view preset) const {
  if (preset == "faithful") return faithful;
  if (preset == "seed") return seed ? seed : faithful;
  if (preset == "keychain") return keychain ? keychain : faithful;
  if (preset == "hyperparameter_study") return hyperparameter_study;
  return {};
}

std::string ConfigRow::full_name() const {
  return section.empty() ? std::string(name) : fmt::format("{}.{}", section, name);
}

std::string_view ConfigRow::type() const {
  switch (kind) {
    case KeyKind::boolean:
      return "boolean";
    case KeyKind::integer:
      return "integer";
    case KeyKind::real:
      return "real";
    case KeyKind::widths:
      return "list of integers";
    case KeyKind::text:
    case KeyKind::choice:
    case KeyKind::name:
      break;
  }
  return "string";
}

std::string ConfigRow::values() const {
  switch (kind) {
    case KeyKind::boolean:
      return "true, false";
    case KeyKind::text:
      return number_or_text ? "any, or an integer from 0" : "any";
    case KeyKind::choice:
      return joined(choices);
    case KeyKind::name:
      return fmt::format("names of `{}`", list_command);
    case KeyKind::integer:
    case KeyKind::real:
    case KeyKind::widths:
      break;
  }
  std::string text = fmt::format("{} {} to {} {}", open_low ? "above" : "from", number_text(*this, low),
                                 open_high ? "below" : "at most", number_text(*this, high));
  if (!open_low && !open_high) text = fmt::format("{} to {}", number_text(*this, low), number_text(*this, high));
  if (kind == KeyKind::widths) text += fmt::format(", at most {} of them", kMaxLayers);
  if (counted) text += ", or \"a..b\" for all from a to b";
  if (!word.empty()) text = fmt::format("\"{}\" or {}", word, text);
  return text;
}

const ConfigRow* find_config_row(std::string_view section, std::string_view name) {
  for (const ConfigRow& row : config_rows())
    if (row.section == section && row.name == name) return &row;
  return nullptr;
}

ConfigValue check_config_value(const ConfigRow& row, const ConfigValue& value, const std::string& where) {
  switch (row.kind) {
    case KeyKind::boolean:
      if (value.type != ConfigValue::Type::boolean)
        usage_error("{}: {}: expected true or false, got {}", where, row.full_name(), describe(value));
      return value;
    case KeyKind::integer:
      return check_integer(row, value, where);
    case KeyKind::real:
      return check_real(row, value, where);
    case KeyKind::text: {
      const bool number = row.number_or_text && value.type == ConfigValue::Type::integer && value.integer >= 0;
      ConfigValue text = check_text(row, number ? ConfigValue::of(std::to_string(value.integer)) : value, where);
      if (row.name == "study") check_study_name(text, where);
      return text;
    }
    case KeyKind::choice:
    case KeyKind::name:
      return check_name(row, value, where);
    case KeyKind::widths:
      break;
  }
  if (value.type != ConfigValue::Type::list || value.items.size() > kMaxLayers)
    usage_error("{}: {}: expected a list of integers, {}, got {}", where, row.full_name(), row.values(),
                describe(value));
  for (const ConfigValue& item : value.items) check_integer(row, item, where);
  return value;
}

}  // namespace quarry
