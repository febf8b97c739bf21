// SPDX-License-Identifier: MIT
// A command of the program, as the cmd_*.cpp files describe it. It hides the library that reads the command line,
// which costs seconds of compile time per file that includes it; it is included in command.cpp only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace quarry::cli {

class Command {
 public:
  /// The program itself.
  Command(const std::string& name, const std::string& summary, const std::string& version, const std::string& footer);

  /// A command below this one. `example` is a whole command line, or several, one per line.
  Command add(const std::string& name, const std::string& summary, const std::string& example);
  /// A command that only groups others: one of them must follow.
  Command add_group(const std::string& name, const std::string& summary, const std::string& example);

  /// An argument ("CONFIG") or an option ("--out", "-o,--out"). The value must outlive the parse: keep it in a
  /// shared_ptr that the action holds. An option given twice is an error, except into a vector; so is an empty text.
  void option(const std::string& name, std::string& value, const std::string& help, bool required = false);
  void option(const std::string& name, std::optional<std::string>& value, const std::string& help);
  void option(const std::string& name, std::vector<std::string>& values, const std::string& help,
              bool required = false);
  void option(const std::string& name, std::int64_t& value, const std::string& help, std::int64_t low,
              std::int64_t high);
  void option(const std::string& name, int& value, const std::string& help, int low, int high);
  void option(const std::string& name, double& value, const std::string& help);
  void option(const std::string& name, std::optional<double>& value, const std::string& help);
  void flag(const std::string& name, bool& value, const std::string& help);

  /// What the command does once its arguments are read; it returns the exit code. Errors are thrown as quarry::Error.
  void action(std::function<int()> work);

  /// Reads the arguments and performs the action, or prints the help or the version that was asked for. Returns the
  /// exit code. Errors: usage, for arguments that make no sense, with the nearest known name.
  int run(int argc, char** argv);

 private:
  struct Root;  // owned by the program's Command, shared with the commands below it
  Command(std::shared_ptr<Root> root, CLI::App* app) : root_(std::move(root)), app_(app) {}
  std::shared_ptr<Root> root_;
  CLI::App* app_;
};

}  // namespace quarry::cli
