// SPDX-License-Identifier: MIT
#include <filesystem>
#include <fstream>

#include "quarry/core/error.h"
#include "src/cli/worker.h"
#include "src/study/failed_runs.h"

namespace quarry::cli {
namespace {

constexpr int kPatience = 3;  // of what may happen in a row before the parent gives up

}  // namespace

StudyState study_state(const std::string& directory) {
  namespace fs = std::filesystem;
  StudyState state;
  std::error_code none;
  for (const auto& run : fs::directory_iterator(directory + "/runs", none)) {
    const std::uintmax_t bytes = fs::file_size(run.path() / "journal.jsonl", none);
    if (!none) state.committed_bytes += bytes;
  }
  state.failed_runs = read_failed_runs(posix_file_system(), directory).size();
  return state;
}

ChildEnd Supervisor::run() {
  before_ = with_.state();
  for (;;) {
    const ChildEnd end = with_.run_child(role_);
    if (end.exit_code != kKernelFailed && end.exit_code != kDeviceLost) return end;
    if (with_.stopping()) return end;
    judge(end.exit_code);
  }
}

void Supervisor::judge(int exit_code) {
  const StudyState now = with_.state();
  const bool committed = now.committed_bytes > before_.committed_bytes;
  const bool left_out = role_ != WorkerRole::first && now.failed_runs > before_.failed_runs;
  before_ = now;
  if (committed) failures_ = losses_ = left_out_ = 0;
  failures_ = left_out ? 0 : failures_ + 1;
  left_out_ += left_out;
  losses_ += exit_code == kDeviceLost;
  const bool nobody_to_blame = role_ == WorkerRole::alone && exit_code == kKernelFailed && !committed && !left_out;
  if (losses_ >= kPatience || left_out_ >= kPatience || nobody_to_blame) {
    device_error(
        "the GPU fails again and again and the study comes no further; what is committed is safe, and the same command "
        "continues from there once 'quarry doctor' and nvidia-smi are content");
  }
  if (left_out) {
    role_ = WorkerRole::takeover;
    with_.note("the GPU failed again in a run that was alone; it is left out (failed_runs.txt), the others go on");
  } else if (role_ == WorkerRole::alone || (failures_ > 1 && exit_code == kKernelFailed)) {
    role_ = WorkerRole::alone;
    with_.note("the GPU failed again; the study goes on from its journals, one run at a time");
  } else {
    role_ = WorkerRole::takeover;
    with_.note("the GPU failed; the study goes on from its journals in a new process");
  }
}

}  // namespace quarry::cli
