// SPDX-License-Identifier: MIT
#include "src/report/setting_text.h"

#include <algorithm>
#include <string_view>

namespace quarry {
namespace {

/// Where a quoted TOML string ends that begins at `start`: behind its second quote.
std::size_t end_of_quoted(std::string_view text, std::size_t start) {
  std::size_t at = start + 1;
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return std::min(at + 1, text.size());
}

/// "key=value" of a variant, from `start` to the blank behind it.
std::string_view next_part(std::string_view variant, std::size_t start) {
  std::size_t at = start;
  while (at < variant.size() && variant[at] != ' ') at = variant[at] == '"' ? end_of_quoted(variant, at) : at + 1;
  return variant.substr(start, at - start);
}

std::string without_folder(std::string_view part) {
  const std::size_t value = part.find("=\""), slash = part.rfind('/');
  const std::string_view key = part.substr(0, std::min(value, part.size()));
  const bool is_path = key.ends_with("path") || key == "pool.acquired";
  if (!is_path || value == std::string_view::npos || slash == std::string_view::npos) return std::string(part);
  return std::string(part.substr(0, value + 2)) + std::string(part.substr(slash + 1));
}

}  // namespace

std::string data_name(const RequestedRun& run) {
  return run.file.empty() ? run.dataset : run.file;
}

std::string data_name(const Setting& setting) {
  return setting.file.empty() ? setting.dataset : setting.file;
}

std::string shown_variant(const Setting& setting) {
  std::string shown;
  std::size_t start = 0;
  while (start < setting.variant.size()) {
    const std::string_view part = next_part(setting.variant, start);
    start += part.size() + 1;
    if (!setting.file.empty() && part.starts_with("data.path=")) continue;
    shown += (shown.empty() ? "" : " ") + without_folder(part);
  }
  return shown;
}

std::string data_text(const Setting& setting) {
  const std::string variant = shown_variant(setting);
  return data_name(setting) + (variant.empty() ? "" : ", " + variant);
}

}  // namespace quarry
