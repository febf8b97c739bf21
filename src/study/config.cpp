// SPDX-License-Identifier: MIT
#include "quarry/study/config.h"

#include <algorithm>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "quarry/core/rng.h"
#include "quarry/core/text.h"
#include "src/study/config_grid.h"
#include "src/study/config_table.h"

namespace quarry {
namespace {

std::vector<std::string_view> section_names() {
  std::vector<std::string_view> names;
  for (const ConfigRow& row : config_rows())
    if (!row.section.empty() && (names.empty() || names.back() != row.section) &&
        std::find(names.begin(), names.end(), row.section) == names.end())
      names.push_back(row.section);
  return names;
}

void check_section(const std::string& name, const std::string& where) {
  const std::vector<std::string_view> known = section_names();
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  usage_error("{}: unknown section [{}]; the sections are {}.{}", where, printable(name),
              join(std::vector<std::string>(known.begin(), known.end()), ", "), suggestion(name, known));
}

const ConfigRow& find_row(const ConfigEntry& entry, const std::string& where) {
  if (const ConfigRow* row = find_config_row(entry.section, entry.name)) return *row;
  if (!entry.section.empty()) check_section(entry.section, where);
  const std::string in = entry.section.empty() ? "the top of the file" : fmt::format("[{}]", entry.section);
  std::vector<std::string_view> known;
  for (const ConfigRow& row : config_rows()) {
    if (row.section == entry.section) known.push_back(row.name);
    if (entry.section.empty() && row.section == entry.name)
      usage_error("{}: '{}' is a section; write [{}] and its keys below", where, entry.name, entry.name);
  }
  std::string hint = suggestion(entry.name, known);
  for (const ConfigRow& row : config_rows())
    if (row.name == entry.name) hint = fmt::format(" Did you mean {}?", row.full_name());
  usage_error("{}: unknown key '{}' in {}.{}", where, printable(entry.name), in, hint);
}

// "a..b" as the list of integers; empty if the text is not of that form.
std::vector<ConfigValue> counted_values(const ConfigRow& row, const ConfigValue& value, const std::string& where,
                                        std::int64_t max_runs) {
  const std::size_t dots = value.text.find("..");
  std::int64_t first = 0, last = 0;
  if (dots == std::string::npos || !parse_number(std::string_view(value.text).substr(0, dots), first) ||
      !parse_number(std::string_view(value.text).substr(dots + 2), last))
    usage_error("{}: {}: expected an integer, {}, got {}", where, row.full_name(), row.values(), describe(value));
  check_config_value(row, ConfigValue::of(first), where);
  check_config_value(row, ConfigValue::of(last), where);
  if (last < first) usage_error("{}: {}: the range {} is empty", where, row.full_name(), value.text);
  if (last - first >= max_runs)
    usage_error("{}: {}: {} has more than {} values", where, row.full_name(), value.text, max_runs);
  std::vector<ConfigValue> values;
  for (std::int64_t x = first; x <= last; ++x) values.push_back(ConfigValue::of(x));
  return values;
}

bool is_grid(const ConfigRow& row, const ConfigValue& value) {
  if (value.type != ConfigValue::Type::list) return false;
  if (row.kind != KeyKind::widths) return true;
  return !value.items.empty() && value.items.front().type == ConfigValue::Type::list;
}

std::vector<ConfigValue> check_entry(const ConfigRow& row, const ConfigEntry& entry, const std::string& path,
                                     std::int64_t max_runs) {
  const ConfigValue& value = entry.value;
  const std::string where = describe(path, value.place.known() ? value.place : entry.place);
  if (row.counted && value.type == ConfigValue::Type::string) return counted_values(row, value, where, max_runs);
  if (!is_grid(row, value)) return {check_config_value(row, value, where)};
  if (row.study_wide) usage_error("{}: {}: one value per study, got {}", where, row.full_name(), describe(value));
  if (value.items.empty()) usage_error("{}: {}: an empty list is an empty grid", where, row.full_name());
  std::vector<ConfigValue> values;
  values.reserve(value.items.size());
  for (const ConfigValue& item : value.items)
    values.push_back(check_config_value(row, item, describe(path, item.place)));
  return values;
}

std::string axis_text(const ConfigAxis& axis) {
  const std::vector<ConfigValue>& values = axis.values;
  if (values.size() == 1) return to_toml(values.front());
  bool run_of_integers = axis.row->counted && values.size() > 2;
  for (std::size_t i = 1; run_of_integers && i < values.size(); ++i)
    run_of_integers = values[i].integer == values[i - 1].integer + 1;
  if (run_of_integers) return fmt::format("\"{}..{}\"", values.front().integer, values.back().integer);
  return to_toml(ConfigValue::of(values));
}

std::string resolved_text(const std::vector<ConfigAxis>& axes) {
  std::string out = "# Every key of the study with its value; a list is a grid axis.\n";
  std::string_view section;
  for (const ConfigAxis& axis : axes) {
    if (axis.row->section != section) {
      section = axis.row->section;
      out += fmt::format("\n[{}]\n", section);
    }
    out += fmt::format("{} = {}\n", axis.row->name, axis_text(axis));
  }
  return out;
}

enum class UnreadAxes { accepted, refused };

StudyConfig parse(std::string_view toml, const std::string& path, std::span<const std::string> overrides,
                  std::int64_t max_runs, UnreadAxes unread) {
  const ConfigText text = read_config_text(toml, path);
  for (const ConfigSection& section : text.sections) check_section(section.name, describe(path, section.place));
  std::vector<ConfigAxis> axes;
  for (const ConfigRow& row : config_rows()) axes.push_back({&row, {}, {}, {}});

  const auto apply = [&](const ConfigEntry& entry) {
    const std::string where = describe(path, entry.place);
    const ConfigRow& row = find_row(entry, where);
    ConfigAxis& axis = axes[static_cast<std::size_t>(&row - config_rows().data())];
    axis.values = check_entry(row, entry, path, max_runs);
    axis.place = entry.place;
    axis.value_place = entry.value.place.known() ? entry.value.place : entry.place;
  };
  for (const ConfigEntry& entry : text.entries) apply(entry);
  for (const std::string& option : overrides) apply(read_config_override(option));

  ConfigDraft draft;
  for (const ConfigAxis& axis : axes)
    if (axis.row->full_name() == "preset" && !axis.values.empty()) axis.row->set(*axis.row, draft, axis.values.front());
  for (ConfigAxis& axis : axes) {
    if (axis.values.empty()) {
      const std::optional<ConfigValue> preset_value = axis.row->in_preset(draft.preset);
      axis.values = {preset_value ? *preset_value : axis.row->get(*axis.row, draft)};
    }
    axis.row->set(*axis.row, draft, axis.values.front());
  }

  StudyConfig study;
  study.study = draft.study;
  study.preset = draft.preset;
  study.networks = draft.networks;
  study.runs = expand_grid(draft, axes, path, max_runs);
  if (unread == UnreadAxes::refused) refuse_unread_axes(axes, study.runs, path);
  study.notes = unread_search_notes(axes, draft, study.runs);
  study.resolved = resolved_text(axes);
  if (study.resolved.size() > kMaxConfigBytes)
    usage_error("{}: with every key written out the config has {} bytes, more than {}; split the study", path,
                study.resolved.size(), kMaxConfigBytes);
  for (const char c : study.resolved) study.hash = hash_combine(study.hash, static_cast<unsigned char>(c));
  return study;
}

}  // namespace

StudyConfig parse_study_limited(std::string_view toml, const std::string& path, std::span<const std::string> overrides,
                                std::int64_t max_runs) {
  return parse(toml, path, overrides, max_runs, UnreadAxes::accepted);
}

StudyConfig parse_study(std::string_view toml, const std::string& path, std::span<const std::string> overrides) {
  return parse_study_limited(toml, path, overrides, kMaxRuns);
}

StudyConfig load_study(const std::string& path, std::span<const std::string> overrides) {
  return parse(read_given_file(path), path, overrides, kMaxRuns, UnreadAxes::refused);
}

std::span<const ConfigKey> config_keys() {
  static const std::vector<std::string> values = [] {
    std::vector<std::string> texts;
    for (const ConfigRow& row : config_rows()) texts.push_back(row.values());
    return texts;
  }();
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> list;
    for (const ConfigRow& row : config_rows())
      list.push_back({row.section, row.name, row.type(), values[list.size()], row.summary});
    return list;
  }();
  return keys;
}

std::string_view to_string(Mode mode) {
  return find_config_row("search", "mode")->choices[static_cast<std::size_t>(mode)];
}

std::string_view to_string(NetworkKind network) {
  return find_config_row("model", "network")->choices[static_cast<std::size_t>(network)];
}

std::string data_identity(const DataConfig& data) {
  ConfigDraft draft;
  draft.run.data = data;
  std::string text;
  for (const ConfigRow& row : config_rows())
    if (row.section == "data")
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", row.name, to_toml(row.get(row, draft)));
  return text;
}

}  // namespace quarry
