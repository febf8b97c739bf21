// SPDX-License-Identifier: MIT
// How rows of the config's table are made: a key, its field, its checks.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "src/study/config_table.h"

namespace quarry::config {

// The field a chain of member pointers leads to.
template <auto... Path>
const auto& field(const ConfigDraft& draft) {
  return (draft.*....*Path);
}

template <class T>
ConfigValue value_of(const ConfigRow& row, const T& x) {
  if constexpr (std::same_as<T, bool> || std::same_as<T, double> || std::same_as<T, std::string>) {
    return ConfigValue::of(x);
  } else if constexpr (std::is_enum_v<T>) {
    return ConfigValue::of(std::string(row.choices[static_cast<std::size_t>(x)]));
  } else if constexpr (std::same_as<T, std::optional<double>>) {
    return x ? ConfigValue::of(*x) : ConfigValue::of(std::string(row.word));
  } else if constexpr (std::integral<T>) {
    return ConfigValue::of(std::int64_t{x});
  } else {
    std::vector<ConfigValue> items;
    for (const auto& item : x) items.push_back(ConfigValue::of(std::int64_t{item}));
    return ConfigValue::of(std::move(items));
  }
}

template <class T>
void assign(const ConfigRow& row, T& x, const ConfigValue& value) {
  if constexpr (std::same_as<T, bool>) {
    x = value.boolean;
  } else if constexpr (std::same_as<T, double>) {
    x = value.real;
  } else if constexpr (std::same_as<T, std::string>) {
    x = value.text;
  } else if constexpr (std::is_enum_v<T>) {
    for (std::size_t i = 0; i < row.choices.size(); ++i)
      if (row.choices[i] == value.text) x = static_cast<T>(i);
  } else if constexpr (std::same_as<T, std::optional<double>>) {
    x.reset();
    if (value.type == ConfigValue::Type::real) x = value.real;
  } else if constexpr (std::integral<T>) {
    x = static_cast<T>(value.integer);
  } else {
    x.clear();
    for (const ConfigValue& item : value.items) x.push_back(static_cast<typename T::value_type>(item.integer));
  }
}

template <auto... Path>
ConfigRow row(KeyKind kind, std::string_view section, std::string_view name, std::string_view summary) {
  ConfigRow r;
  r.section = section;
  r.name = name;
  r.summary = summary;
  r.kind = kind;
  r.get = [](const ConfigRow& self, const ConfigDraft& draft) { return value_of(self, field<Path...>(draft)); };
  r.set = [](const ConfigRow& self, ConfigDraft& draft, const ConfigValue& value) {
    assign(self, (draft.*....*Path), value);
  };
  return r;
}

struct Bounds {
  double low = 0, high = 0;
  bool open_low = false, open_high = false;
};

template <auto... Path>
ConfigRow number(KeyKind kind, std::string_view section, std::string_view name, Bounds bounds,
                 std::string_view summary) {
  ConfigRow r = row<Path...>(kind, section, name, summary);
  r.low = bounds.low;
  r.high = bounds.high;
  r.open_low = bounds.open_low;
  r.open_high = bounds.open_high;
  return r;
}

template <auto... Path>
ConfigRow choice(std::string_view section, std::string_view name, std::vector<std::string_view> choices,
                 std::string_view summary) {
  ConfigRow r = row<Path...>(KeyKind::choice, section, name, summary);
  r.choices = std::move(choices);
  return r;
}

template <auto... Path>
ConfigRow name_in(std::vector<std::string_view> (*names)(), std::string_view list_command, std::string_view section,
                  std::string_view name, std::string_view summary) {
  ConfigRow r = row<Path...>(KeyKind::name, section, name, summary);
  r.names = names;
  r.list_command = list_command;
  return r;
}

template <class Table>
std::vector<std::string_view> names_of(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& entry : table) names.push_back(entry.name);
  return names;
}

inline ConfigValue preset_value(const char* value) {
  return ConfigValue::of(std::string(value));
}
inline ConfigValue preset_value(bool value) {
  return ConfigValue::of(value);
}
inline ConfigValue preset_value(double value) {
  return ConfigValue::of(value);
}
inline ConfigValue preset_value(int value) {
  return ConfigValue::of(std::int64_t{value});
}

/// Value in preset "faithful" where it differs from the default.
template <class T>
ConfigRow faithful(T value, ConfigRow r) {
  r.faithful = preset_value(value);
  return r;
}
/// The same for the earlier versions of the same study: presets "seed" and "keychain".
template <class T>
ConfigRow first_version(T value, ConfigRow r) {
  r.seed = preset_value(value);
  return r;
}
template <class T>
ConfigRow keychain_version(T value, ConfigRow r) {
  r.keychain = preset_value(value);
  return r;
}
template <class T>
ConfigRow earlier(T value, ConfigRow r) {
  return first_version(value, keychain_version(value, std::move(r)));
}
/// The same for preset "hyperparameter_study".
template <class T>
ConfigRow published(T value, ConfigRow r) {
  r.hyperparameter_study = preset_value(value);
  return r;
}
inline ConfigRow study_wide(ConfigRow r) {
  r.study_wide = true;
  return r;
}
inline constexpr auto kBoolean = KeyKind::boolean;
inline constexpr auto kInteger = KeyKind::integer;
inline constexpr auto kReal = KeyKind::real;
inline constexpr auto kText = KeyKind::text;
inline constexpr double kMany = 2147483647;

using D = ConfigDraft;
using R = RunConfig;
using Data = DataConfig;

/// The tables of a file each, in their order.
void add_loop_rows(std::vector<ConfigRow>& t);      ///< run, data, pool, acquisition
void add_training_rows(std::vector<ConfigRow>& t);  ///< model, training
void add_search_rows(std::vector<ConfigRow>& t);    ///< search, output

}  // namespace quarry::config
