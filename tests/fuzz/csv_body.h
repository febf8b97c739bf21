// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for a CSV file. The first line of the input is the label's column.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "quarry/core/text.h"
#include "quarry/data/csv.h"
#include "tests/fuzz/reader_outcome.h"

namespace quarry {

inline std::string csv_quoted(const std::string& text) {
  return "\"" + replace_all(text, "\"", "\"\"") + "\"";
}

/// The table with a header and the label in the last column, every field in quotes.
inline std::string write_csv(const CsvTable& table) {
  const auto columns = static_cast<std::size_t>(table.columns);
  std::string text;
  for (std::size_t j = 0; j < columns; ++j) text += "\"f" + std::to_string(j) + "\",";
  text += "\"label\"\r\n";
  for (std::size_t i = 0; i < table.labels.ids.size(); ++i) {
    for (std::size_t j = 0; j < columns; ++j) text += csv_quoted(format_exact(table.features[i * columns + j])) + ",";
    text += csv_quoted(table.labels.names[static_cast<std::size_t>(table.labels.ids[i])]) + "\r\n";
  }
  return text;
}

inline void fuzz_csv(std::string_view input) {
  const std::size_t first_line = std::min(input.find('\n'), input.size());
  const std::string label(input.substr(0, first_line));
  const std::string text(input.substr(std::min(first_line + 1, input.size())));
  const auto parse = [&](const std::string& bytes, const std::string& column) {
    return outcome_of([&] { return parse_csv(bytes, kFuzzPath, column); });
  };
  const auto equal = [](const CsvTable& a, const CsvTable& b) {
    return a.features == b.features && a.labels.ids == b.labels.ids && a.labels.names == b.labels.names;
  };
  const auto table = parse(text, label);
  if (table) {
    QUARRY_CHECK(
        table->features.size() == static_cast<std::size_t>(table->rows) * static_cast<std::size_t>(table->columns),
        "a ragged table");
    QUARRY_CHECK(table->features.size() <= input.size(), "more numbers than bytes");
    const auto again = parse(write_csv(*table), "label");
    QUARRY_CHECK(again && equal(*again, *table), "a table changed on its way through a file");
  }
  if (text.find_first_of("\r\"") != std::string::npos) return;  // a line end in a quoted field is part of it
  const std::string variants[] = {text + "\n", text + "\n\n", replace_all(text, "\n", "\r\n"), "\n" + text};
  const std::string& variant = variants[input.size() % std::size(variants)];  // one each: throwing is slow
  if (variant.starts_with('\n') && text.starts_with("\xef\xbb\xbf")) return;  // the mark counts as the first bytes only
  const auto same = parse(variant, label);
  QUARRY_CHECK(same.has_value() == table.has_value() && (!same || equal(*same, *table)), "line ends change the table");
}

}  // namespace quarry
