// SPDX-License-Identifier: MIT
// The only file that sees toml++.
#undef NDEBUG  // keep its assertions in every build; they throw, see below
#include <stdexcept>

namespace {
[[noreturn]] void toml_assertion_failed() {
  throw std::logic_error("the TOML parser met text that it cannot take");
}
}  // namespace

#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 8
#define TOML_ASSERT(expression) ((expression) ? void() : toml_assertion_failed())
#include <toml++/toml.h>

#include <algorithm>
#include <tuple>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/study/config_value.h"

namespace quarry {
namespace {

ConfigPlace place_of(const toml::source_region& source) {
  return {static_cast<int>(source.begin.line), static_cast<int>(source.begin.column), {}};
}

ConfigValue convert(const toml::node& node, const std::string& path) {
  ConfigValue value;
  const ConfigPlace place = place_of(node.source());
  if (const auto* boolean = node.as_boolean()) {
    value = ConfigValue::of(boolean->get());
  } else if (const auto* integer = node.as_integer()) {
    value = ConfigValue::of(integer->get());
  } else if (const auto* real = node.as_floating_point()) {
    value = ConfigValue::of(real->get());
  } else if (const auto* text = node.as_string()) {
    value = ConfigValue::of(text->get());
  } else if (const auto* list = node.as_array()) {
    value = ConfigValue::of(std::vector<ConfigValue>{});
    value.items.reserve(list->size());
    for (const toml::node& item : *list) value.items.push_back(convert(item, path));
  } else {
    usage_error("{}: a {}; expected a boolean, number, string or list", describe(path, place),
                node.is_table() ? "table" : "date or time (put quotes around it if it is a name)");
  }
  value.place = place;
  return value;
}

bool earlier(const ConfigPlace& a, const ConfigPlace& b) {
  return std::tie(a.line, a.column) < std::tie(b.line, b.column);
}

ConfigText convert(const toml::table& root, const std::string& path) {
  ConfigText result;
  for (const auto& [key, node] : root) {
    const ConfigPlace place = place_of(key.source());
    if (const toml::table* section = node.as_table()) {
      result.sections.push_back({std::string(key.str()), place});
      for (const auto& [name, value] : *section)
        result.entries.push_back(
            {std::string(key.str()), std::string(name.str()), place_of(name.source()), convert(value, path)});
    } else if (node.is_array_of_tables()) {
      usage_error("{}: [[{}]] is a list of tables; write [{}] once, with lists as values", describe(path, place),
                  key.str(), key.str());
    } else {
      result.entries.push_back({"", std::string(key.str()), place, convert(node, path)});
    }
  }
  // toml++ sorts by name; people read from the top.
  std::sort(result.sections.begin(), result.sections.end(),
            [](const ConfigSection& a, const ConfigSection& b) { return earlier(a.place, b.place); });
  std::sort(result.entries.begin(), result.entries.end(),
            [](const ConfigEntry& a, const ConfigEntry& b) { return earlier(a.place, b.place); });
  return result;
}

}  // namespace

ConfigText read_config_text(std::string_view text, const std::string& path) {
  const std::string_view checked = check_config_bytes(text, path);
  try {
    return convert(toml::parse(checked), path);
  } catch (const toml::parse_error& error) {
    usage_error("{}: {}", describe(path, place_of(error.source())), printable(error.description()));
  } catch (const std::logic_error& error) {
    usage_error("{}: {}", path, error.what());
  }
}

}  // namespace quarry
