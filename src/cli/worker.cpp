// SPDX-License-Identifier: MIT
#include "src/cli/worker.h"

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
constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGTSTP, SIGCONT};

volatile sig_atomic_t stop_signal_seen = 0;
volatile sig_atomic_t child_now = 0;  // pid_t is an int here; 0 between children

extern "C" void forward_signal(int signal) {
  const int saved = errno;
  const pid_t child = child_now;
  if (signal == SIGINT || signal == SIGTERM) stop_signal_seen = signal;
  if (child > 0) kill(child, signal == SIGTSTP ? SIGSTOP : signal);
  if (signal == SIGTSTP) raise(SIGSTOP);
  errno = saved;
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

/// Forwarded signals wait while it lives.
class SignalPause {
 public:
  SignalPause() {
    sigemptyset(&paused_);
    for (const int signal : kForwarded) sigaddset(&paused_, signal);
    sigprocmask(SIG_BLOCK, &paused_, &before_);
  }
  ~SignalPause() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  SignalPause(const SignalPause&) = delete;
  SignalPause& operator=(const SignalPause&) = delete;
  const sigset_t& before() const { return before_; }
  const sigset_t& paused() const { return paused_; }

 private:
  sigset_t before_, paused_;
};

/// Lets signals through to the child until it has ended, and not to whoever gets its number afterwards.
ChildEnd wait_for(pid_t child, const SignalPause& pause) {
  siginfo_t ignored;
  sigprocmask(SIG_SETMASK, &pause.before(), nullptr);
  while (waitid(P_PID, static_cast<id_t>(child), &ignored, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  sigprocmask(SIG_BLOCK, &pause.paused(), nullptr);
  child_now = 0;
  int status = 0;
  waitpid(child, &status, 0);
  ChildEnd end;
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  return end;
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
  stop_signal_seen = 0;
  struct sigaction action {};
  action.sa_handler = forward_signal;
  action.sa_flags = SA_RESTART;
  for (const int forwarded : kForwarded) sigaction(forwarded, &action, nullptr);
}

WorkerProcess::~WorkerProcess() {
  for (const int forwarded : kForwarded) signal(forwarded, SIG_DFL);
}

int WorkerProcess::stop_signal() const {
  return stop_signal_seen;
}

ChildEnd WorkerProcess::run(WorkerRole role) {
  const SignalPause pause;  // until the child's number is known a signal could pass it by
  if (stop_signal_seen != 0) return {0, stop_signal_seen};
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A process group of its own: what the terminal sends to this one must not arrive twice.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &pause.before());
  posix_spawnattr_setsigdefault(&attributes, &pause.paused());
  std::vector<std::string> environment = environment_of(role);
  pid_t child = 0;
  const int error = posix_spawn(&child, program_.c_str(), nullptr, &attributes, pointers(arguments_).data(),
                                pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  if (error != 0) fail("cannot start {} as a worker: {}", program_, std::strerror(error));
  child_now = child;
  return wait_for(child, pause);
}

}  // namespace quarry::cli
