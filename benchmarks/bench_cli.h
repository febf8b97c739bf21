// SPDX-License-Identifier: MIT
// What the benchmark programs have in common: options, the device, and rows of results as a table or as JSON.
//
//   --device auto|cpu|cuda|cuda:i   asked for a GPU where there is none, a benchmark exits with code 3
//   --json                          one JSON object: benchmark, device, commit, and the rows
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "benchmarks/bench.h"
#include "quarry/core/device.h"
#include "quarry/core/error.h"
#include "quarry/core/json.h"

namespace CLI {
class App;
}

namespace quarry::bench {

struct Options {
  std::string device_name = "auto";
  Device device;
  bool json = false;
};

/// Wall-clock seconds of one call. On a GPU the call has to wait for the queue before it returns.
template <class Work>
double seconds_of(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The shortest of `rounds`, after one call that nobody times.
template <class Work>
double best_seconds(int rounds, const Work& work) {
  work();
  double best = seconds_of(work);
  for (int i = 1; i < rounds; ++i) best = std::min(best, seconds_of(work));
  return best;
}

/// Rows of results; all rows have the keys of the first.
class Report {
 public:
  Report(const std::string& benchmark, const Options& options);
  void row(const Json& values);
  void finish();

 private:
  const Options& options_;
  Json whole_ = Json::object(), rows_ = Json::array();
};

/// A program's own options. It hides the library that reads the command line, which costs seconds of compile time.
class Arguments {
 public:
  explicit Arguments(CLI::App& app) : app_(app) {}
  void number(const std::string& name, std::int32_t& value, const std::string& help, int low, int high);
  void number(const std::string& name, std::int64_t& value, const std::string& help, int low, int high);
  void numbers(const std::string& name, std::vector<std::int32_t>& values, const std::string& help, int low, int high);
  void numbers(const std::string& name, std::vector<std::int64_t>& values, const std::string& help, int low, int high);
  void text(const std::string& name, std::string& value, const std::string& help);
  /// `allowed`: empty for any.
  void texts(const std::string& name, std::vector<std::string>& values, const std::string& help,
             const std::vector<std::string>& allowed = {});
  void flag(const std::string& name, bool& value, const std::string& help);

 private:
  CLI::App& app_;
};

/// Reads the command line, chooses the device, runs `body`, and turns errors into exit codes.
/// `more` adds a program's own options.
int main_of(int argc, char** argv, const std::string& name, const std::string& question,
            const std::function<void(Arguments&)>& more, const std::function<void(const Options&, Report&)>& body);

}  // namespace quarry::bench
