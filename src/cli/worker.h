// SPDX-License-Identifier: MIT
// `quarry run` on a GPU works in a child process, because a kernel that goes wrong poisons its process for good. The
// parent makes no CUDA context; it starts the child again, and the study goes on from its journals:
//   - a failure: the same again;
//   - another one, and nothing was committed in between: one run at a time, so that the culprit is alone
//     (RunOptions::alone); a run that gets nowhere alone is recorded as failed and left out, and the others go on;
//   - the device lost three times, or three runs left out, or no run to blame, and nothing committed in between: the
//     device is at fault, so the parent gives up. The same command continues later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace quarry::cli {

/// Exit codes of a child that a new process can replace.
inline constexpr int kKernelFailed = 75, kDeviceLost = 76;

/// What a child is to do; the environment variable QUARRY_WORKER says so.
enum class WorkerRole {
  first,     ///< the study, runs that failed before included
  takeover,  ///< the same without them
  alone,     ///< like takeover, one run at a time
};
/// Empty in a process that is no worker. Error: usage for an unknown role.
std::optional<WorkerRole> worker_role();

struct ChildEnd {
  int exit_code = 0;
  int signal = 0;  ///< what ended it, or 0
};

/// What a study has to show so far. It only grows while a supervisor runs.
struct StudyState {
  std::uint64_t committed_bytes = 0;  ///< in all journals
  std::size_t failed_runs = 0;
};
/// Of a study's directory; zeros before it exists.
StudyState study_state(const std::string& directory);

/// The decisions, without a process or a GPU.
class Supervisor {
 public:
  struct Surroundings {
    std::function<ChildEnd(WorkerRole)> run_child;
    std::function<StudyState()> state;
    std::function<bool()> stopping;  ///< a signal has asked for the end
    std::function<void(const std::string&)> note;
  };
  explicit Supervisor(Surroundings surroundings) : with_(std::move(surroundings)) {}

  /// Runs children until one ends in a way that no other can mend; returns that end. Error: device, when it gives up.
  ChildEnd run();

 private:
  void judge(int exit_code);

  Surroundings with_;
  StudyState before_;
  WorkerRole role_ = WorkerRole::first;
  int failures_ = 0, losses_ = 0, left_out_ = 0;  ///< since something was committed
};

/// Starts this program again with the same arguments as a worker and waits for it. SIGINT, SIGTERM and a stop from the
/// terminal reach the child through this process alone; it dies with its parent. One at a time.
class WorkerProcess {
 public:
  WorkerProcess(std::string program, std::vector<std::string> arguments);
  ~WorkerProcess();  ///< signals have their default actions again
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  ChildEnd run(WorkerRole role);
  /// The signal that asked for the end, or 0.
  int stop_signal();

 private:
  void handle(int signal, int child);

  std::string program_;
  std::vector<std::string> arguments_;
  int stop_signal_ = 0;
};

/// In a worker, before anything else: it is not to outlive its parent.
void die_with_parent();

}  // namespace quarry::cli
