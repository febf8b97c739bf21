// SPDX-License-Identifier: MIT
// Standard output of the program. A reader that leaves (quarry list ... | head) must not stop a study that runs for
// hours, so a write that fails is remembered, and reported once, when the program ends.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace quarry::cli {

/// Before anything else: standard streams that were closed are opened on nothing, so that no result file can get
/// their numbers, and a broken pipe becomes a failed write instead of a signal.
void prepare_streams();

/// Writes text to standard output.
void put(std::string_view text);

template <class... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  put(fmt::format(format, std::forward<Args>(args)...));
}

/// Writes "quarry: error: ..." to standard error, control bytes removed.
void put_error(std::string_view message);

/// Writes a line to standard error, if it is open.
void put_note(std::string_view line);

/// Flushes standard output and returns the exit code: 1 instead of 0 if some output was lost. A reader that closed
/// the pipe has lost nothing that it wanted.
int finish_output(int exit_code);

}  // namespace quarry::cli
