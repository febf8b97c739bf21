// SPDX-License-Identifier: MIT
// Small helpers for text: suggestions for misspelt names, exact numbers, safe file names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quarry {

/// " Did you mean 'x'?" for the nearest of the known names (edit distance at most a third of the length),
/// else "".
std::string suggestion(std::string_view text, std::span<const std::string_view> known);

/// Shortest decimal that reads back as the same value; non-finite as NaN, Infinity, -Infinity. Locale
/// independent.
std::string format_exact(double value);
std::string format_exact(float value);

/// Parses a whole text as a finite number, locale independent; false if it is anything else: blanks, a
/// leading
/// '+', "nan", "inf", or a value beyond the type's range.
bool parse_number(std::string_view text, double& value);
bool parse_number(std::string_view text, float& value);
bool parse_number(std::string_view text, std::int64_t& value);

/// The text with control bytes removed: safe to print on a terminal.
std::string printable(std::string_view text);

/// The parts with the separator between them.
std::string join(std::span<const std::string> parts, std::string_view separator);

}  // namespace quarry
