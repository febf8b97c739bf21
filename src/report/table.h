// SPDX-License-Identifier: MIT
// Tables and texts in the formats a report is written in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quarry/report/statistics.h"

namespace quarry {

struct Table {
  std::string title;
  std::string note;  ///< how to read it; printed below
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  int text_columns = 1;      ///< the first columns are text, the others numbers (right-aligned)
  int strategy_column = -1;  ///< the column that names a strategy and shows its colour
};

std::string table_markdown(const Table& table);
std::string table_html(const Table& table);

/// Text safe in HTML, in elements and in quoted attributes alike.
std::string html_escaped(std::string_view text);
/// Text that Markdown shows as it is.
std::string markdown_escaped(std::string_view text);

/// Lines of a CSV file (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe in front.
class CsvText {
 public:
  explicit CsvText(const std::vector<std::string>& header) { add(header); }
  void add(const std::vector<std::string>& cells);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Rounded for people: fixed digits; "n/a" for not a number, "inf".
std::string rounded(double value, int digits = 3);
/// Three significant digits, for quantities of any size.
std::string short_number(double value);
/// "0.853 +- 0.012" (mean and sd) with a real plus-minus sign; "n/a" without values.
std::string mean_and_sd(const Estimate& estimate, int digits = 3);
/// "0.841 to 0.865"; "none (n = 1)" when one value gives no interval.
std::string interval_text(const Estimate& estimate, int digits = 3);
/// A p-value: "0.031", "< 0.001".
std::string p_text(double p);

}  // namespace quarry
