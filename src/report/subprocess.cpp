// SPDX-License-Identifier: MIT
#include "src/report/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "quarry/core/error.h"

namespace quarry {
namespace {

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) fail("cannot make a pipe: {}", std::strerror(errno));
  }
  ~Pipe() {
    close_write();
    close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_write() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

struct SpawnActions {
  posix_spawn_file_actions_t actions;
  SpawnActions() { posix_spawn_file_actions_init(&actions); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions); }
};

/// Reads both pipes to their ends; false when the time is up.
bool collect(const Pipe& out, const Pipe& err, int seconds, ProgramResult& result) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::array<pollfd, 2> waits = {pollfd{out.read_end(), POLLIN, 0}, pollfd{err.read_end(), POLLIN, 0}};
  const std::array<std::string*, 2> texts = {&result.output, &result.errors};
  std::vector<char> buffer(65536);
  while (waits[0].fd >= 0 || waits[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    if (poll(waits.data(), waits.size(), static_cast<int>(left)) < 0 && errno != EINTR) return false;
    for (std::size_t i = 0; i < waits.size(); ++i) {
      if (waits[i].fd < 0 || waits[i].revents == 0) continue;
      const ssize_t n = read(waits[i].fd, buffer.data(), buffer.size());
      if (n > 0) texts[i]->append(buffer.data(), static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EINTR)) waits[i].fd = -1;
    }
  }
  return true;
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& argv, const std::string& directory, int seconds) {
  ProgramResult result;
  Pipe out, err;
  SpawnActions spawn;
  posix_spawn_file_actions_addchdir_np(&spawn.actions, directory.c_str());
  posix_spawn_file_actions_addopen(&spawn.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&spawn.actions, out.write_end(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&spawn.actions, err.write_end(), STDERR_FILENO);

  const char* path = std::getenv("PATH");
  std::string path_entry = std::string("PATH=") + (path != nullptr ? path : "/usr/bin:/bin");
  const char* home = std::getenv("HOME");  // where the font cache lives
  std::string home_entry = std::string("HOME=") + (home != nullptr ? home : "/");
  std::string locale_entry = "LC_ALL=C.UTF-8";
  char* environment[] = {path_entry.data(), home_entry.data(), locale_entry.data(), nullptr};
  std::vector<std::string> copies = argv;
  std::vector<char*> arguments;
  for (std::string& copy : copies) arguments.push_back(copy.data());
  arguments.push_back(nullptr);

  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], &spawn.actions, nullptr, arguments.data(), environment);
  if (error == ENOENT || error == EACCES) return result;
  if (error != 0) fail("cannot start {}: {}", argv[0], std::strerror(error));
  result.found = true;
  out.close_write();
  err.close_write();
  result.timed_out = !collect(out, err, seconds, result);
  if (result.timed_out) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace quarry
