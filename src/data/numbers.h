// SPDX-License-Identifier: MIT
// Numbers in text files: parse_number of the core, and an optional leading '+'.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "quarry/core/text.h"

namespace quarry {

inline std::optional<double> number_in(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  if (!parse_number(text, value)) return std::nullopt;
  return value;
}

/// A number within the range of a float, rounded to one.
inline std::optional<float> float_in(std::string_view text) {
  const std::optional<double> value = number_in(text);
  if (!value || std::abs(*value) > static_cast<double>(std::numeric_limits<float>::max())) return std::nullopt;
  return static_cast<float>(*value);
}

/// A number without a fraction, of at most 53 bits: "1", "+1", "1.0", "1e3".
inline std::optional<std::int64_t> integer_in(std::string_view text) {
  const std::optional<double> value = number_in(text);
  if (!value || !(std::abs(*value) < 0x1p53) || *value != std::floor(*value)) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

}  // namespace quarry
