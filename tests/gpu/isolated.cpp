// SPDX-License-Identifier: MIT
#include "tests/gpu/isolated.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <stdexcept>

extern char** environ;

namespace quarry::testing {
namespace {

using Clock = std::chrono::steady_clock;

/// A child process and what it says, line by line.
class Child {
 public:
  explicit Child(const std::vector<std::string>& command) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error(std::string("no pipe: ") + std::strerror(errno));
    reading_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::vector<char*> arguments;
    for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    const int error = posix_spawn(&process_, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error != 0) throw std::runtime_error(command[0] + " cannot be run: " + std::strerror(error));
  }
  ~Child() {
    kill();
    close(reading_);
    int status;
    if (!ended_) waitpid(process_, &status, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  enum class Heard { line, nothing_in_time, end };
  Heard listen(std::chrono::milliseconds limit, std::string& line) {
    const Clock::time_point until = Clock::now() + limit;
    for (;;) {
      const std::size_t end = said_.find('\n');
      if (end != std::string::npos) {
        line = said_.substr(0, end);
        said_.erase(0, end + 1);
        return Heard::line;
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      pollfd ready{reading_, POLLIN, 0};
      if (left <= 0 || poll(&ready, 1, static_cast<int>(left)) == 0) return Heard::nothing_in_time;
      char some[4096];
      const ssize_t n = read(reading_, some, sizeof(some));
      if (n <= 0) return Heard::end;
      said_.append(some, static_cast<std::size_t>(n));
    }
  }
  void kill() {
    if (!ended_) ::kill(process_, SIGKILL);
  }
  /// Waits, and tells how the child ended.
  std::string end() {
    int status = 0;
    waitpid(process_, &status, 0);
    ended_ = true;
    if (WIFSIGNALED(status)) return std::string("ended by signal ") + strsignal(WTERMSIG(status));
    return "ended with exit code " + std::to_string(WEXITSTATUS(status));
  }

 private:
  pid_t process_ = -1;
  int reading_ = -1;
  bool ended_ = false;
  std::string said_;
};

struct Timed {
  double seconds;
  std::string name;
};

/// Runs tests from `first` on until one fails or all are done; returns the first that was not run.
std::size_t run_child(const std::vector<std::string>& names, std::size_t first, const Isolation& isolation,
                      std::vector<Timed>& passed, std::string& why) {
  Child child(isolation.command(first));
  std::size_t at = first;
  Clock::time_point began = Clock::now();
  while (at < names.size()) {
    std::string line;
    switch (child.listen(isolation.limit, line)) {
      case Child::Heard::nothing_in_time:
        child.kill();
        child.end();
        why = "did not end within " + std::to_string(isolation.limit.count() / 1000) + " s, and was killed";
        return at + 1;
      case Child::Heard::end:
        why = "the process " + child.end();
        return at + 1;
      case Child::Heard::line:
        break;
    }
    if (line == kBegin) {
      began = Clock::now();
    } else if (line == kPassed) {
      passed.push_back({std::chrono::duration<double>(Clock::now() - began).count(), names[at]});
      ++at;
    } else if (line.rfind(kFailed, 0) == 0) {
      why = line.substr(std::min(line.size(), std::strlen(kFailed) + 1));
      return at + 1;
    }
  }
  return at;
}

}  // namespace

void say(const char* word, const std::string& text) {
  std::string line = text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::printf("%s%s%s\n", word, text.empty() ? "" : " ", line.c_str());
  std::fflush(stdout);
}

int run_isolated(const std::vector<std::string>& names, const Isolation& isolation, std::FILE* out) {
  std::vector<Timed> passed;
  int failed = 0;
  for (std::size_t first = 0; first < names.size();) {
    std::string why;
    first = run_child(names, first, isolation, passed, why);
    if (why.empty()) continue;
    ++failed;
    std::fprintf(out, "FAILED %s: %s\n", names[first - 1].c_str(), why.c_str());
    std::fflush(out);
  }
  std::sort(passed.begin(), passed.end(), [](const Timed& a, const Timed& b) { return a.seconds > b.seconds; });
  for (std::size_t i = 0; i < std::min<std::size_t>(5, passed.size()); ++i) {
    std::fprintf(out, "%8.2f s %s\n", passed[i].seconds, passed[i].name.c_str());
  }
  return failed;
}

}  // namespace quarry::testing
