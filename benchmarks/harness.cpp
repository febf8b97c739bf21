// SPDX-License-Identifier: MIT
// What bench_cli.h promises, compiled once for all programs.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <utility>

#include "benchmarks/bench_cli.h"
#include "quarry/core/gpu.h"
#include "quarry/study/environment.h"

namespace quarry::bench {
namespace {

std::string device_name(Device device) {
  if (device.kind == DeviceKind::cuda) return gpu::device_info(device.ordinal).name;
  const MachineInfo machine = machine_info();
  return fmt::format("{}, {} cores, {}", machine.cpu, machine.cores, to_string(simd_level()));
}

void print(const Json& values, bool names) {
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

template <class Value>
void add_number(CLI::App& app, const std::string& name, Value& value, const std::string& help, int low, int high) {
  app.add_option(name, value, help)->check(CLI::Range(low, high))->capture_default_str();
}

}  // namespace

Report::Report(const std::string& benchmark, const Options& options) : options_(options) {
  const std::string name = device_name(options.device);
  whole_.set("benchmark", benchmark).set("device", to_string(options.device)).set("device_name", name);
  whole_.set("commit", build_info().commit);
  if (!options.json) {
    fmt::print("# {}, {} ({}), commit {}\n", benchmark, to_string(options.device), name, build_info().commit);
  }
}

void Report::row(const Json& values) {
  if (!options_.json) {
    if (rows_.items().empty()) print(values, true);
    print(values, false);
  }
  rows_.push(values);
}

void Report::finish() {
  if (options_.json) fmt::print("{}\n", whole_.set("rows", std::move(rows_)).dump());
}

void Arguments::number(const std::string& name, std::int32_t& value, const std::string& help, int low, int high) {
  add_number(app_, name, value, help, low, high);
}
void Arguments::number(const std::string& name, std::int64_t& value, const std::string& help, int low, int high) {
  add_number(app_, name, value, help, low, high);
}
void Arguments::numbers(const std::string& name, std::vector<std::int32_t>& values, const std::string& help, int low,
                        int high) {
  add_number(app_, name, values, help, low, high);
}
void Arguments::numbers(const std::string& name, std::vector<std::int64_t>& values, const std::string& help, int low,
                        int high) {
  add_number(app_, name, values, help, low, high);
}
void Arguments::text(const std::string& name, std::string& value, const std::string& help) {
  app_.add_option(name, value, help)->capture_default_str();
}
void Arguments::texts(const std::string& name, std::vector<std::string>& values, const std::string& help,
                      const std::vector<std::string>& allowed) {
  CLI::Option* option = app_.add_option(name, values, help);
  if (!allowed.empty()) option->check(CLI::IsMember(allowed));
}
void Arguments::flag(const std::string& name, bool& value, const std::string& help) {
  app_.add_flag(name, value, help);
}

int main_of(int argc, char** argv, const std::string& name, const std::string& question,
            const std::function<void(Arguments&)>& more, const std::function<void(const Options&, Report&)>& body) {
  Options options;
  CLI::App app(question, name);
  Arguments arguments(app);
  arguments.text("--device", options.device_name, "auto, cpu, cuda or cuda:i");
  arguments.flag("--json", options.json, "one JSON object instead of a table");
  more(arguments);
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
