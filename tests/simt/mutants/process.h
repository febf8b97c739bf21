// SPDX-License-Identifier: MIT
// Child programs with limits on their time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace quarry::mutants {

struct Command {
  std::vector<std::string> words;        ///< program and arguments
  std::vector<std::string> environment;  ///< "NAME=value", beside that of this process
  double cpu_seconds = 0;                ///< rounded up; 0: no limit. CPU time, because the machine may be busy
};

enum class Outcome { passed, failed, crashed, timed_out };

/// Runs up to `slots` commands at a time, their output thrown away.
class Children {
 public:
  explicit Children(int slots) : slots_(slots) {}
  bool full() const { return static_cast<int>(running_.size()) >= slots_; }
  bool empty() const { return running_.empty(); }
  /// tag comes back from wait(). Error: std::runtime_error if no process can be started.
  void start(const Command& command, int tag);
  struct Ended {
    int tag;
    Outcome outcome;
  };
  /// Waits for one of them to end. A child that sleeps (a deadlock) is killed after ten times its CPU time.
  Ended wait();

 private:
  struct Child {
    pid_t pid;
    int tag;
    std::chrono::steady_clock::time_point deadline;
    bool killed = false;
  };
  int slots_;
  std::vector<Child> running_;
};

}  // namespace quarry::mutants
