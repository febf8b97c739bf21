// SPDX-License-Identifier: MIT
// Runs a program without a shell.
#pragma once

#include <string>
#include <vector>

namespace quarry {

struct ProgramResult {
  bool found = false;  ///< the program exists; the rest is meaningless otherwise
  int status = 0;      ///< exit status; 128 + signal if a signal ended it
  bool timed_out = false;
  std::string output, errors;
};

/// Runs argv[0] (looked up in PATH) in a directory, with standard input closed off and a plain environment, and
/// collects both outputs. It is killed after `seconds`.
ProgramResult run_program(const std::vector<std::string>& argv, const std::string& directory, int seconds);

}  // namespace quarry
