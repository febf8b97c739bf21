// SPDX-License-Identifier: MIT
#include "src/cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "quarry/core/text.h"

namespace quarry::cli {
namespace {

int first_failure = 0;  // errno of the first failed write to standard output

void remember_failure() {
  if (first_failure == 0) first_failure = errno;
}

}  // namespace

void prepare_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // The lowest free number is the closed one. Read only: a write to a closed output still fails, and is reported.
    if (fcntl(stream, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != stream) _exit(1);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

void put(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) remember_failure();
}

void put_error(std::string_view message) {
  constexpr std::size_t kLongest = 4000;  // an argument of a megabyte need not come back whole
  std::string text = "quarry: error: ";
  for (std::size_t start = 0; start <= message.size() && text.size() < kLongest;) {
    const std::size_t end = std::min(message.find('\n', start), message.size());
    if (start > 0) text += '\n';
    text += printable(message.substr(start, end - start));
    start = end + 1;
  }
  if (text.size() > kLongest) text = text.substr(0, kLongest) + " ...";
  text += '\n';
  std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void put_note(std::string_view line) {
  const std::string text = printable(line) + '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
}

int finish_output(int exit_code) {
  if (std::fflush(stdout) != 0) remember_failure();
  if (first_failure == 0 || first_failure == EPIPE) return exit_code;
  put_error(fmt::format("cannot write to standard output: {}", std::strerror(first_failure)));
  return exit_code == 0 ? 1 : exit_code;
}

}  // namespace quarry::cli
