// SPDX-License-Identifier: MIT
// What the benchmark programs have in common: options, the device, and rows of results as a table or as JSON.
//
//   --device auto|cpu|cuda|cuda:i   asked for a GPU where there is none, a benchmark exits with code 3
//   --json                          one JSON object: benchmark, device, commit, and the rows
#pragma once

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "benchmarks/bench.h"
#include "quarry/core/device.h"
#include "quarry/core/error.h"
#include "quarry/core/gpu.h"
#include "quarry/core/json.h"
#include "quarry/study/environment.h"

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
  Report(const std::string& benchmark, const Options& options) : options_(options) {
    whole_.set("benchmark", benchmark).set("device", to_string(options.device)).set("device_name", device_name());
    whole_.set("commit", build_info().commit);
    if (!options.json) {
      fmt::print("# {}, {} ({}), commit {}\n", benchmark, to_string(options.device), device_name(),
                 build_info().commit);
    }
  }
  void row(const Json& values) {
    if (!options_.json) {
      if (rows_.items().empty()) print(values, true);
      print(values, false);
    }
    rows_.push(values);
  }
  void finish() {
    if (options_.json) fmt::print("{}\n", whole_.set("rows", std::move(rows_)).dump());
  }

 private:
  std::string device_name() const {
    if (options_.device.kind == DeviceKind::cuda) return gpu::device_info(options_.device.ordinal).name;
    const MachineInfo machine = machine_info();
    return fmt::format("{}, {} cores, {}", machine.cpu, machine.cores, to_string(simd_level()));
  }
  static void print(const Json& values, bool names) {
    const char* separator = "";
    for (const auto& [name, value] : values.members()) {
      const bool real = value.type() == Json::Type::real;
      const std::string text = value.type() == Json::Type::string ? value.string() : value.dump();
      fmt::print("{}{}", separator, names ? name : real ? fmt::format("{:.4g}", value.number()) : text);
      separator = "\t";
    }
    fmt::print("\n");
    std::fflush(stdout);
  }

  const Options& options_;
  Json whole_ = Json::object(), rows_ = Json::array();
};

/// Reads the command line, chooses the device, runs `body`, and turns errors into exit codes.
/// `more` adds a program's own options.
inline int main_of(int argc, char** argv, const std::string& name, const std::string& question,
                   const std::function<void(CLI::App&)>& more,
                   const std::function<void(const Options&, Report&)>& body) {
  Options options;
  CLI::App app(question, name);
  app.add_option("--device", options.device_name, "auto, cpu, cuda or cuda:i")->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object instead of a table");
  more(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(ErrorKind::usage);
  }
  try {
    options.device = parse_device(options.device_name);
    Report report(name, options);
    body(options, report);
    report.finish();
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "{}: {}\n", name, error.what());
    return error.exit_code();
  }
}

}  // namespace quarry::bench
