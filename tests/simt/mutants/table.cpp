// SPDX-License-Identifier: MIT
#include "tests/simt/mutants/table.h"

#include <algorithm>
#include <stdexcept>

namespace quarry::mutants {
namespace {

std::vector<std::string> split(std::string_view text, std::string_view by) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(by, at), text.size());
    parts.emplace_back(text.substr(at, end - at));
    at = end + by.size();
  }
  return parts;
}

}  // namespace

std::string Row::name() const {
  return file + " | " + function + " | " + fault + " | " + change;
}

std::string table_text(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    text += std::to_string(row.number) + '\t' + row.file + '\t' + std::to_string(row.line) + '\t' + row.function +
            '\t' + row.fault + '\t' + row.change + '\n';
  }
  return text;
}

std::vector<Row> read_table(std::string_view text) {
  std::vector<Row> rows;
  for (const std::string& line : split(text, "\n")) {
    if (line.empty()) continue;
    const std::vector<std::string> field = split(line, "\t");
    if (field.size() != 6) throw std::runtime_error("a line of the table of mutants has not six fields: " + line);
    rows.push_back({std::stoi(field[0]), field[1], std::stoi(field[2]), field[3], field[4], field[5]});
  }
  return rows;
}

std::vector<Explained> read_explained(std::string_view text) {
  std::vector<Explained> all;
  for (const std::string& line : split(text, "\n")) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t bar = line.rfind(" | ");
    const Explained entry{line.substr(0, bar == std::string::npos ? 0 : bar),
                          bar == std::string::npos ? "" : line.substr(bar + 3)};
    if (split(entry.name, " | ").size() < 4 || entry.reason.empty()) {
      throw std::runtime_error("not \"file | function | fault | change | reason\": " + line);
    }
    all.push_back(entry);
  }
  return all;
}

}  // namespace quarry::mutants
