// SPDX-License-Identifier: MIT
#include "quarry/core/json.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "quarry/core/error.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

constexpr std::string_view kTypeNames[] = {"null",     "a boolean", "an integer", "a real",
                                           "a string", "an array",  "an object"};

[[noreturn]] void fail_type(std::string_view expected, Json::Type found) {
  fail("JSON: expected {}, found {}", expected, kTypeNames[static_cast<std::size_t>(found)]);
}

/// Length of the valid UTF-8 sequence that starts at text[i], 0 if there is none.
std::size_t utf8_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) -> unsigned {
    return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u;
  };
  const auto tail = [&](std::size_t k) { return (byte(k) & 0xc0) == 0x80; };
  const unsigned b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b < 0xe0) return tail(1) ? 2 : 0;
  if (b >= 0xe0 && b < 0xf0) {
    const bool overlong = b == 0xe0 && byte(1) < 0xa0, surrogate = b == 0xed && byte(1) >= 0xa0;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (b >= 0xf0 && b < 0xf5) {
    const bool overlong = b == 0xf0 && byte(1) < 0x90, too_large = b == 0xf4 && byte(1) >= 0x90;
    return tail(1) && tail(2) && tail(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

void append_escaped(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += fmt::format("\\u{:04x}", c);
      return;
  }
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(text, i);
    if (c < 0x20 || c == '"' || c == '\\') {
      append_escaped(out, c);
    } else if (length == 0) {
      out += "\xef\xbf\xbd";
    } else {
      out.append(text, i, length);
    }
    i += length == 0 ? 1 : length;
  }
  out += '"';
}

void append_integer(std::string& out, std::int64_t value) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

void append_real(std::string& out, double value, Json::NonFinite style) {
  const std::string text = format_exact(value);
  if (!std::isfinite(value) && style == Json::NonFinite::quoted) return append_string(out, text);
  out += text;
  if (!std::isfinite(value)) return;
  // "-0" and "3" would read back as integers, and the first without its sign.
  if (text.find_first_of(".e") == std::string::npos) out += ".0";
}

}  // namespace

Json& Json::push(Json value) {
  if (type_ != Type::array) fail_type("an array to append to", type_);
  items_.push_back(std::move(value));
  return *this;
}

Json& Json::set(std::string_view key, Json value) {
  if (type_ != Type::object) fail_type("an object to set a key of", type_);
  for (auto& [name, old] : members_) {
    if (name != key) continue;
    old = std::move(value);
    return *this;
  }
  members_.emplace_back(std::string(key), std::move(value));
  return *this;
}

Json& Json::erase(std::string_view key) {
  if (type_ != Type::object) fail_type("an object to take a key out of", type_);
  std::erase_if(members_, [&](const auto& member) { return member.first == key; });
  return *this;
}

bool Json::boolean() const {
  if (type_ != Type::boolean) fail_type("a boolean", type_);
  return integer_ != 0;
}

std::int64_t Json::integer() const {
  if (type_ != Type::integer) fail_type("an integer", type_);
  return integer_;
}

double Json::number() const {
  if (type_ == Type::real) return real_;
  if (type_ == Type::integer) return static_cast<double>(integer_);
  if (string_ == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (string_ == "Infinity") return std::numeric_limits<double>::infinity();
  if (string_ == "-Infinity") return -std::numeric_limits<double>::infinity();
  fail_type("a number", type_);
}

const std::string& Json::string() const {
  if (type_ != Type::string) fail_type("a string", type_);
  return string_;
}

const Json::Items& Json::items() const {
  if (type_ != Type::array) fail_type("an array", type_);
  return items_;
}

const Json::Members& Json::members() const {
  if (type_ != Type::object) fail_type("an object", type_);
  return members_;
}

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : members()) {
    if (name == key) return &value;
  }
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  const Json* const value = find(key);
  if (!value) fail("JSON: the key '{}' is missing", key);
  return *value;
}

std::string Json::dump(NonFinite style) const {
  std::string out;
  append_to(out, style);
  return out;
}

void Json::append_to(std::string& out, NonFinite style) const {
  switch (type_) {
    case Type::null:
      out += "null";
      return;
    case Type::boolean:
      out += integer_ ? "true" : "false";
      return;
    case Type::integer:
      return append_integer(out, integer_);
    case Type::real:
      return append_real(out, real_, style);
    case Type::string:
      return append_string(out, string_);
    case Type::array: {
      char before = '[';
      for (const Json& item : items_) {
        out += std::exchange(before, ',');
        item.append_to(out, style);
      }
      out += before == '[' ? "[]" : "]";
      return;
    }
    case Type::object: {
      char before = '{';
      for (const auto& [name, value] : members_) {
        out += std::exchange(before, ',');
        append_string(out, name);
        out += ':';
        value.append_to(out, style);
      }
      out += before == '{' ? "{}" : "}";
      return;
    }
  }
}

}  // namespace quarry
