// SPDX-License-Identifier: MIT
// Runs the real quarry program the way a shell would.
#pragma once

#include <string>
#include <vector>

namespace quarry::test {

/// What standard output of the program is.
enum class Stdout { captured, closed, full_disk, broken_pipe };

struct ProgramOptions {
  Stdout standard_output = Stdout::captured;
  bool error_closed = false;             ///< standard error is closed
  std::string directory = ".";           ///< where it runs
  std::vector<std::string> environment;  ///< "NAME=value", on top of this process's own; "NAME" removes
};

struct ProgramResult {
  int exit_code = -1;  ///< -1 if a signal ended it
  int signal = 0;
  std::string out, err;
};

/// Runs `program` with the arguments after its name, and waits for it.
ProgramResult run_program(const std::string& program, const std::vector<std::string>& arguments,
                          const ProgramOptions& options = {});

}  // namespace quarry::test
