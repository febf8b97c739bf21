// SPDX-License-Identifier: MIT
#include "src/study/config_value.h"

#include <fmt/format.h>

#include <utility>

#include "quarry/core/text.h"

namespace quarry {

ConfigValue ConfigValue::of(bool value) {
  ConfigValue result;
  result.type = Type::boolean;
  result.boolean = value;
  return result;
}

ConfigValue ConfigValue::of(std::int64_t value) {
  ConfigValue result;
  result.type = Type::integer;
  result.integer = value;
  return result;
}

ConfigValue ConfigValue::of(double value) {
  ConfigValue result;
  result.type = Type::real;
  result.real = value;
  return result;
}

ConfigValue ConfigValue::of(std::string value) {
  ConfigValue result;
  result.type = Type::string;
  result.text = std::move(value);
  return result;
}

ConfigValue ConfigValue::of(std::vector<ConfigValue> items) {
  ConfigValue result;
  result.type = Type::list;
  result.items = std::move(items);
  return result;
}

bool ConfigValue::same_as(const ConfigValue& other) const {
  if (type != other.type || items.size() != other.items.size()) return false;
  for (std::size_t i = 0; i < items.size(); ++i)
    if (!items[i].same_as(other.items[i])) return false;
  switch (type) {
    case Type::boolean:
      return boolean == other.boolean;
    case Type::integer:
      return integer == other.integer;
    case Type::real:
      return real == other.real;
    case Type::string:
      return text == other.text;
    case Type::list:
      return true;
  }
  return false;
}

namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(byte));
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

std::string to_toml(const ConfigValue& value) {
  switch (value.type) {
    case ConfigValue::Type::boolean:
      return value.boolean ? "true" : "false";
    case ConfigValue::Type::integer:
      return fmt::format("{}", value.integer);
    case ConfigValue::Type::real: {
      std::string number = format_exact(value.real);
      // A real must not read back as an integer.
      if (number.find_first_of(".eNI") == std::string::npos) number += ".0";
      return number;
    }
    case ConfigValue::Type::string:
      return quoted(value.text);
    case ConfigValue::Type::list:
      break;
  }
  std::string out = "[";
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) out += ", ";
    out += to_toml(value.items[i]);
  }
  return out + "]";
}

std::string describe(const ConfigValue& value) {
  switch (value.type) {
    case ConfigValue::Type::boolean:
      return value.boolean ? "the boolean true" : "the boolean false";
    case ConfigValue::Type::integer:
      return fmt::format("the integer {}", value.integer);
    case ConfigValue::Type::real:
      return fmt::format("the real number {}", format_exact(value.real));
    case ConfigValue::Type::string:
      break;
    case ConfigValue::Type::list:
      return fmt::format("a list of {}", value.items.size());
  }
  constexpr std::size_t kShown = 80;
  const std::string text = printable(std::string_view(value.text).substr(0, kShown));
  return fmt::format("the string '{}{}'", text, value.text.size() > kShown ? "..." : "");
}

std::string describe(const std::string& path, const ConfigPlace& place) {
  if (!place.option.empty()) return place.option;
  if (place.line <= 0) return path;
  return fmt::format("{}:{}:{}", path, place.line, place.column);
}

}  // namespace quarry
