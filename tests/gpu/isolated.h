// SPDX-License-Identifier: MIT
// Tests in child processes, one after the other: on a GPU a kernel that faults or never ends takes its process with it,
// and the tests after it shall still be heard.
//
// A child runs the tests from a given one on. It writes a line "BEGIN" before each, "AGAIN" before each repeat,
// "PASSED" after, or "FAILED why", and then ends: what ran after a failure in the same process would prove nothing.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace quarry::testing {

inline constexpr const char* kBegin = "BEGIN";
inline constexpr const char* kAgain = "AGAIN";
inline constexpr const char* kPassed = "PASSED";
inline constexpr const char* kFailed = "FAILED";

/// Says a line of the protocol on standard output, at once.
void say(const char* word, const std::string& text = "");

struct Isolation {
  /// The program and arguments of a child that runs the tests from `first` on.
  std::function<std::vector<std::string>(std::size_t first)> command;
  /// A test or repeat that takes longer, or a child that says nothing for so long, is killed and has failed.
  std::chrono::milliseconds limit{60'000};
};

/// Runs all tests, printing "FAILED name: why" for each that failed, and the slowest five. Returns how many failed.
int run_isolated(const std::vector<std::string>& names, const Isolation& isolation, std::FILE* out);

}  // namespace quarry::testing
