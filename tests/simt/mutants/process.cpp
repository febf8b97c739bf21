// SPDX-License-Identifier: MIT
#include "tests/simt/mutants/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace quarry::mutants {
namespace {

using std::chrono::steady_clock;

rlim_t whole_seconds(double seconds) {
  return static_cast<rlim_t>(std::ceil(seconds));
}

[[noreturn]] void become(const Command& command) {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (command.cpu_seconds > 0) {
    const rlimit cpu{whole_seconds(command.cpu_seconds), whole_seconds(command.cpu_seconds) + 1};
    setrlimit(RLIMIT_CPU, &cpu);
  }
  const int nowhere = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) dup2(nowhere, fd);
  for (const std::string& variable : command.environment) {
    const std::size_t equals = variable.find('=');
    setenv(variable.substr(0, equals).c_str(), variable.c_str() + equals + 1, 1);
  }
  std::vector<char*> words;
  for (const std::string& word : command.words) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execv(words[0], words.data());
  _exit(127);
}

Outcome outcome_of(int status, bool killed) {
  if (killed) return Outcome::timed_out;
  if (WIFEXITED(status)) return WEXITSTATUS(status) == 0 ? Outcome::passed : Outcome::failed;
  const int number = WTERMSIG(status);
  return number == SIGXCPU || number == SIGKILL ? Outcome::timed_out : Outcome::crashed;
}

}  // namespace

void Children::start(const Command& command, int tag) {
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("cannot start a process");
  if (pid == 0) become(command);
  const double wall = command.cpu_seconds > 0 ? 10 * command.cpu_seconds : 3600;
  running_.push_back({pid, tag, steady_clock::now() + std::chrono::seconds(whole_seconds(wall))});
}

Children::Ended Children::wait() {
  for (;;) {
    for (std::size_t i = 0; i < running_.size(); ++i) {
      Child& child = running_[i];
      int status = 0;
      if (waitpid(child.pid, &status, WNOHANG) == child.pid) {
        const Ended ended{child.tag, outcome_of(status, child.killed)};
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
        return ended;
      }
      if (!child.killed && steady_clock::now() > child.deadline) child.killed = kill(child.pid, SIGKILL) == 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace quarry::mutants
