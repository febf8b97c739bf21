// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for a LIBSVM file.
#pragma once

#include <iterator>
#include <string>
#include <string_view>

#include "quarry/data/libsvm.h"
#include "tests/fuzz/reader_outcome.h"

namespace quarry {

inline void fuzz_libsvm(std::string_view input) {
  Limits limits;
  limits.max_columns = 1000;  // keeps an execution short: dense tables are zero-filled
  const auto parse = [&](const std::string& text) {
    return outcome_of([&] { return parse_libsvm(text, kFuzzPath, 0, limits); });
  };
  const std::string text(input);
  const auto table = parse(text);
  if (table) {
    const auto rows = static_cast<std::size_t>(table->rows);
    QUARRY_CHECK(table->features.size() == rows * static_cast<std::size_t>(table->columns), "a ragged table");
    QUARRY_CHECK(table->labels.ids.size() == rows, "{} labels of {} rows", table->labels.ids.size(), rows);
    QUARRY_CHECK(Limits::affordable(table->features.size() * sizeof(float), input.size()), "a table too large");
  }
  if (text.find('\r') != std::string::npos) return;
  const std::string variants[] = {text + "\n", text + "\n# a comment", replace_all(text, "\n", "\r\n"),
                                  replace_all(text, "\n", " # x\n")};
  const auto same = parse(variants[input.size() % std::size(variants)]);  // one each: throwing is slow
  QUARRY_CHECK(same.has_value() == table.has_value(), "line ends and comments change the verdict");
  QUARRY_CHECK(!same || (same->features == table->features && same->labels.ids == table->labels.ids &&
                         same->labels.names == table->labels.names && same->columns == table->columns),
               "line ends and comments change the table");
}

}  // namespace quarry
