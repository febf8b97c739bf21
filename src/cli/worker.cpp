// SPDX-License-Identifier: MIT
#include "src/cli/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/text.h"

extern char** environ;

namespace quarry::cli {
namespace {

constexpr std::string_view kVariable = "QUARRY_WORKER=";
constexpr const char* kRoles[] = {"first", "takeover", "alone"};
constexpr int kHandled[] = {SIGINT, SIGTERM, SIGTSTP, SIGCONT, SIGCHLD};

int pipe_of_signals[2] = {-1, -1};  // a handler writes the signal's number; everything else happens outside of it

extern "C" void note_signal(int signal) {
  const int saved = errno;
  const auto number = static_cast<unsigned char>(signal);
  static_cast<void>(!write(pipe_of_signals[1], &number, 1));
  errno = saved;
}

/// The next signal; 0 if there is none and it is not to wait for one.
int next_signal(bool wait) {
  for (;;) {
    pollfd ready{pipe_of_signals[0], POLLIN, 0};
    if (poll(&ready, 1, wait ? -1 : 0) > 0) {
      unsigned char number = 0;
      if (read(pipe_of_signals[0], &number, 1) == 1) return number;
    } else if (!wait) {
      return 0;
    }
  }
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_of(WorkerRole role) {
  std::vector<std::string> result = {std::string(kVariable) + kRoles[static_cast<int>(role)]};
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view(*entry).starts_with(kVariable)) result.emplace_back(*entry);
  return result;
}

}  // namespace

std::optional<WorkerRole> worker_role() {
  const char* text = std::getenv("QUARRY_WORKER");
  if (text == nullptr || *text == '\0') return std::nullopt;
  for (const WorkerRole role : {WorkerRole::first, WorkerRole::takeover, WorkerRole::alone})
    if (std::strcmp(text, kRoles[static_cast<int>(role)]) == 0) return role;
  usage_error("QUARRY_WORKER='{}' is unknown; expected first, takeover or alone", printable(text));
}

void die_with_parent() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // committed work is safe, and the directory's lock is free at once
  signal(SIGTTOU, SIG_IGN);          // of another process group than the terminal's, it still may write there
}

WorkerProcess::WorkerProcess(std::string program, std::vector<std::string> arguments)
    : program_(std::move(program)), arguments_(std::move(arguments)) {
  if (pipe2(pipe_of_signals, O_CLOEXEC | O_NONBLOCK) != 0) fail("cannot make a pipe: {}", std::strerror(errno));
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  for (const int handled : kHandled) sigaction(handled, &action, nullptr);
}

WorkerProcess::~WorkerProcess() {
  for (const int handled : kHandled) signal(handled, SIG_DFL);
  for (int& end : pipe_of_signals) close(std::exchange(end, -1));
}

int WorkerProcess::stop_signal() {
  while (const int signal = next_signal(false)) handle(signal, 0);
  return stop_signal_;
}

void WorkerProcess::handle(int signal, int child) {
  if (signal == SIGINT || signal == SIGTERM) stop_signal_ = signal;
  if (child > 0 && signal != SIGCHLD) kill(child, signal == SIGTSTP ? SIGSTOP : signal);
  if (signal == SIGTSTP) raise(SIGSTOP);
}

ChildEnd WorkerProcess::run(WorkerRole role) {
  if (stop_signal() != 0) return {0, stop_signal_};
  posix_spawnattr_t attributes;
  sigset_t handled;
  sigemptyset(&handled);
  for (const int signal : kHandled) sigaddset(&handled, signal);
  posix_spawnattr_init(&attributes);
  // A process group of its own: what the terminal sends to this one must not arrive twice.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigdefault(&attributes, &handled);
  std::vector<std::string> environment = environment_of(role);
  pid_t child = 0;
  const int error = posix_spawn(&child, program_.c_str(), nullptr, &attributes, pointers(arguments_).data(),
                                pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  if (error != 0) fail("cannot start {} as a worker: {}", program_, std::strerror(error));

  int status = 0;
  for (int signal = 0; waitpid(child, &status, WNOHANG) != child; handle(signal, child)) signal = next_signal(true);
  ChildEnd end;
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  return end;
}

}  // namespace quarry::cli
