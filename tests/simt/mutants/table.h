// SPDX-License-Identifier: MIT
// The table that the generator writes and the runner reads, and the list of mutants that change nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quarry::mutants {

struct Row {
  int number = 0;  ///< 0: not in the sample
  std::string file;
  int line = 0;
  std::string function, fault, change;

  /// Does not depend on line numbers: "kernels/x.cu | function | fault | change".
  std::string name() const;
};

/// One line per row, fields between tabs.
std::string table_text(const std::vector<Row>& rows);
std::vector<Row> read_table(std::string_view text);

struct Explained {
  std::string name, reason;
};
/// Lines "name | reason"; # starts a comment. Error: std::runtime_error for a line without a reason.
std::vector<Explained> read_explained(std::string_view text);

}  // namespace quarry::mutants
