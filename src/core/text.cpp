// SPDX-License-Identifier: MIT
#include "quarry/core/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <system_error>

#include "quarry/core/error.h"

namespace quarry {
namespace {

/// Insertions, deletions, substitutions and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

template <class T>
std::string shortest(T value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

template <class T>
bool parse_whole(std::string_view text, T& value) {
  T parsed{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (error != std::errc{} || end != text.data() + text.size()) return false;
  value = parsed;
  return true;
}

/// std::from_chars also reads "inf" and "nan": a number starts with a digit or a point after the sign.
bool starts_like_a_number(std::string_view text) {
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  return !text.empty() && (text[0] == '.' || (text[0] >= '0' && text[0] <= '9'));
}

}  // namespace

std::string suggestion(std::string_view text, std::span<const std::string_view> known) {
  constexpr std::size_t kLongestName = 100;  // longer texts are not misspelt names, and the search is quadratic
  if (text.size() > kLongestName) return "";
  std::string_view best;
  std::size_t best_distance = text.size() + 1;
  for (const std::string_view name : known) {
    const std::size_t distance = edit_distance(text, name);
    if (distance < best_distance && 3 * distance <= std::max(text.size(), name.size())) {
      best = name;
      best_distance = distance;
    }
  }
  return best.empty() ? "" : fmt::format(" Did you mean '{}'?", best);
}

std::string format_exact(double value) {
  return shortest(value);
}
std::string format_exact(float value) {
  return shortest(value);
}

bool parse_number(std::string_view text, double& value) {
  return starts_like_a_number(text) && parse_whole(text, value);
}
bool parse_number(std::string_view text, float& value) {
  return starts_like_a_number(text) && parse_whole(text, value);
}
bool parse_number(std::string_view text, std::int64_t& value) {
  return parse_whole(text, value);
}

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0u;
    if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {  // U+0080 to U+009F: terminals obey them too
      ++i;
    } else if (byte >= 0x20 && byte != 0x7f) {
      result += text[i];
    }
  }
  return result;
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string result;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) result += separator;
    result += parts[i];
  }
  return result;
}

}  // namespace quarry
