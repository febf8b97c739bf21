// SPDX-License-Identifier: MIT
// The quarry program: runs one command and turns an error into a message and an exit code.
// Exit codes: 0 done, 1 failed, 2 bad usage or config, 3 device unavailable; ended by a signal: 128 and its number.
#include <fmt/format.h>

#include <exception>
#include <new>

#include "quarry/core/error.h"
#include "quarry/study/environment.h"
#include "src/cli/commands.h"
#include "src/cli/output.h"

namespace quarry::cli {
namespace {

int run_program(int argc, char** argv) {
  const BuildInfo& build = build_info();
  Command program(
      "quarry", "Deep active learning and hyperparameter search, fast and reproducible.",
      fmt::format("quarry {} (commit {})", build.version, build.commit),
      "Example:\n  quarry run configs/smoke.toml\n\nquarry COMMAND --help shows a command's options.\n\n"
      "Exit codes: 0 done, 1 failed, 2 bad usage, bad config or missing input, 3 device unavailable; ended by a\n"
      "signal, as a shell shows it: 129 (hang-up), 130 (Ctrl-C), 143 (termination).");
  add_run_command(program);
  add_report_command(program);
  add_compare_command(program);
  add_list_command(program);
  add_data_command(program);
  add_doctor_command(program);
  return program.run(argc, argv);
}

int guarded(int argc, char** argv) {
  try {
    return run_program(argc, argv);
  } catch (const Error& error) {
    put_error(error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    put_error("out of memory");
  } catch (const std::exception& error) {
    put_error(error.what());
  }
  return static_cast<int>(ErrorKind::failed);
}

}  // namespace
}  // namespace quarry::cli

int main(int argc, char** argv) {
  quarry::cli::prepare_streams();
  return quarry::cli::finish_output(quarry::cli::guarded(argc, argv));
}
