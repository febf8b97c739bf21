// SPDX-License-Identifier: MIT
#include "src/cli/command.h"

#include <CLI/CLI.hpp>
#include <string_view>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/cli/output.h"

namespace quarry::cli {
namespace {

/// The command that the arguments led to, as far as they were understood.
const CLI::App& deepest_command(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return *command;
}

std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent ? full_name(*parent) + " " + command.get_name() : command.get_name();
}

/// Names a user may have meant at this point: options if the text looks like one, else commands.
std::vector<std::string> known_names(const CLI::App& command, std::string_view text) {
  std::vector<std::string> names;
  if (text.starts_with("-")) {
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  } else {
    for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(sub->get_name());
    }
  }
  return names;
}

/// What is wrong with the command line, in quarry's words where a suggestion can help.
[[noreturn]] void explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = deepest_command(app);
  const std::string name = full_name(command);
  const std::vector<std::string> unknown = app.remaining(true);
  if (unknown.empty() && !known_names(command, "").empty()) {
    usage_error("{} needs a command: {}. See {} --help.", name, join(known_names(command, ""), ", "), name);
  }
  if (unknown.empty()) usage_error("{}: {}. See {} --help.", name, error.what(), name);

  const std::string& text = unknown.front();
  const std::vector<std::string> names = known_names(command, text);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string hint = suggestion(std::string_view(text).substr(0, text.find('=')), views);
  if (text.starts_with("-")) usage_error("{} has no option '{}'.{} See {} --help.", name, text, hint, name);
  if (names.empty()) usage_error("{} has no use for the argument '{}'. See {} --help.", name, text, name);
  usage_error("{} has no command '{}'.{} The commands are {}.", name, text, hint, join(names, ", "));
}

/// "Example:" and the command lines, each indented.
std::string example_text(const std::string& example) {
  std::string text = "Example:\n  ";
  for (const char c : example) text += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return text;
}

/// No text that a command takes may be empty: as a folder it would be taken for the root ("" + "/smoke").
const CLI::Validator& not_empty() {
  static const CLI::Validator validator(
      [](std::string& text) { return text.empty() ? std::string("expected a value, got an empty text") : ""; }, "");
  return validator;
}

template <class T>
CLI::Option* add_option(CLI::App& app, const std::string& name, T& value, const std::string& help) {
  return app.add_option(name, value, help)->multi_option_policy(CLI::MultiOptionPolicy::Throw);
}

}  // namespace

struct Command::Root {
  Root(const std::string& summary, const std::string& name) : app(summary, name) {}
  CLI::App app;
  int exit_code = 0;
};

Command::Command(const std::string& name, const std::string& summary, const std::string& version,
                 const std::string& footer)
    : root_(std::make_shared<Root>(summary, name)), app_(&root_->app) {
  app_->set_version_flag("--version", version, "Print the version and exit");
  app_->set_help_flag("-h,--help", "Print this help and exit");
  app_->get_formatter()->label("SUBCOMMAND", "COMMAND");
  app_->require_subcommand(1);
  app_->footer(footer);
}

Command Command::add(const std::string& name, const std::string& summary, const std::string& example) {
  CLI::App* app = app_->add_subcommand(name, summary)->group("Commands");
  app->footer(example_text(example));
  return Command(root_, app);
}

Command Command::add_group(const std::string& name, const std::string& summary, const std::string& example) {
  Command group = add(name, summary, example);
  group.app_->require_subcommand(1);
  return group;
}

void Command::option(const std::string& name, std::string& value, const std::string& help, bool required) {
  CLI::Option* option = add_option(*app_, name, value, help)->check(not_empty())->required(required);
  if (!value.empty()) option->capture_default_str();
}
void Command::option(const std::string& name, std::optional<std::string>& value, const std::string& help) {
  add_option(*app_, name, value, help)->check(not_empty());
}
void Command::option(const std::string& name, std::vector<std::string>& values, const std::string& help,
                     bool required) {
  CLI::Option* option = app_->add_option(name, values, help)->check(not_empty())->required(required);
  // "--set a=1 --set b=2": each takes one value, or it would swallow the arguments after it.
  if (name.starts_with("-")) option->allow_extra_args(false);
}
void Command::option(const std::string& name, std::int64_t& value, const std::string& help, std::int64_t low,
                     std::int64_t high) {
  add_option(*app_, name, value, help)->check(CLI::Range(low, high).description(""))->capture_default_str();
}
void Command::option(const std::string& name, int& value, const std::string& help, int low, int high) {
  add_option(*app_, name, value, help)->check(CLI::Range(low, high).description(""))->capture_default_str();
}
void Command::option(const std::string& name, double& value, const std::string& help) {
  add_option(*app_, name, value, help)->capture_default_str();
}
void Command::option(const std::string& name, std::optional<double>& value, const std::string& help) {
  add_option(*app_, name, value, help);
}
void Command::flag(const std::string& name, bool& value, const std::string& help) {
  app_->add_flag(name, value, help);
}

void Command::action(std::function<int()> work) {
  app_->callback([root = root_.get(), work = std::move(work)] { root->exit_code = work(); });
}

int Command::run(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::CallForVersion& version) {
    print("{}\n", version.what());
  } catch (const CLI::Success&) {
    put(app_->help());
  } catch (const CLI::ParseError& error) {
    explain(*app_, error);
  }
  return root_->exit_code;
}

}  // namespace quarry::cli
