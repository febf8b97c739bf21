// SPDX-License-Identifier: MIT
// "section.key=value" of the command line.
#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/study/config_value.h"

namespace quarry {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool is_toml_scalar(std::string_view word) {
  if (word == "true" || word == "false") return true;
  if (std::string_view("0123456789+-.in").find(word.front()) == std::string_view::npos) return false;
  try {
    return read_config_text("v = " + std::string(word), "").entries.size() == 1;
  } catch (const Error&) {
    return false;
  }
}

// TOML text of the value: words that are no TOML get quotes.
std::string quote_words(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      std::size_t end = at + 1;
      while (end < text.size() && text[end] != c) end += (c == '"' && text[end] == '\\') ? 2 : 1;
      end = std::min(end + 1, text.size());
      out += text.substr(at, end - at);
      at = end;
    } else if (c == '[' || c == ']' || c == ',' || c == ' ') {
      out += c;
      ++at;
    } else {
      const std::size_t end = std::min(text.find_first_of("[],\"'", at), text.size());
      const std::string_view word = trimmed(text.substr(at, end - at));
      const bool bare = word.find_first_of("\\{}#=") == std::string_view::npos && !is_toml_scalar(word);
      if (bare) out += '"';
      out += word;
      if (bare) out += '"';
      at = end;
    }
  }
  return out;
}

void move_places(ConfigValue& value, const ConfigPlace& place) {
  value.place = place;
  for (ConfigValue& item : value.items) move_places(item, place);
}

}  // namespace

ConfigEntry read_config_override(const std::string& option) {
  ConfigPlace place;
  place.option = "--set " + printable(option);
  if (printable(option) != option) usage_error("{}: control characters", place.option);
  const std::size_t equals = option.find('=');
  if (equals == std::string::npos)
    usage_error("{}: expected section.key=value, for example --set acquisition.budget=50", place.option);
  const std::string_view key = trimmed(std::string_view(option).substr(0, equals));
  const std::string_view value = trimmed(std::string_view(option).substr(equals + 1));
  if (key.empty()) usage_error("{}: no key before '='", place.option);
  if (value.empty()) usage_error("{}: no value after '='; write \"\" for an empty string", place.option);

  ConfigEntry entry;
  const std::size_t dot = key.find('.');
  if (dot != std::string_view::npos) entry.section = key.substr(0, dot);
  entry.name = dot == std::string_view::npos ? key : key.substr(dot + 1);
  try {
    const ConfigText text = read_config_text("v = " + quote_words(value), "");
    if (text.entries.size() != 1 || !text.sections.empty()) usage_error(":1:5: expected one value");
    entry.value = text.entries.front().value;
  } catch (const Error& error) {
    // Messages begin with ":1:column: ", the place in the text made above; the option is what people know.
    const std::string_view message = error.what();
    const std::size_t start = message.find(": ");
    usage_error("{}: {}", place.option, start == std::string_view::npos ? message : message.substr(start + 2));
  }
  entry.place = place;
  move_places(entry.value, place);
  return entry;
}

}  // namespace quarry
