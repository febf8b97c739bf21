// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for rows of results.csv: refused with an Error that names file, line and column,
// or read and written alike.
#pragma once

#include <string>
#include <string_view>

#include "quarry/core/error.h"
#include "quarry/study/results.h"

namespace quarry {

inline void check_results_csv(const std::string& bytes) {
  std::vector<ResultRow> rows;
  try {
    rows = parse_results_csv(bytes, "input");
  } catch (const Error& error) {
    QUARRY_CHECK(std::string_view(error.what()).substr(0, 6) == "input:", "an error without a place");
    return;
  }
  const std::string text = results_csv(rows);
  const std::vector<ResultRow> again = parse_results_csv(text, "written");
  QUARRY_CHECK(again.size() == rows.size() && results_csv(again) == text, "rows changed on their way through a file");
}

/// The bytes as they are, and as rows below the right header.
inline void fuzz_results_csv(std::string_view bytes) {
  check_results_csv(std::string(bytes));
  check_results_csv(results_csv({}) + std::string(bytes));
}

}  // namespace quarry
