// SPDX-License-Identifier: MIT
// The quarry program on the fake GPU, which fails by plan: FAKE_GPU_FAULTS names a file with one line "work code" for
// each worker process to come. A worker takes the first line away and fails at that piece of work with that code; when
// none is left, all goes well. "0 code" fails at the first call. With "work -signal" nothing fails: at that piece of
// work the worker sends its parent the signal, and gives it time to hand it on.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/simt/fake_gpu.h"

namespace quarry::gpu {
namespace {

std::string take_line(const std::string& path) {
  std::ifstream in(path);
  std::string first, rest, line;
  std::getline(in, first);
  while (std::getline(in, line)) rest += line + "\n";
  std::ofstream(path, std::ios::trunc) << rest;
  return first;
}

int signal_to_parent = 0;

void send_signal() {
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);  // what the parent hands on comes during the wait, and ends it
  kill(getppid(), signal_to_parent);
  const timespec patience{2, 0};
  ppoll(nullptr, 0, &patience, &before);
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

[[maybe_unused]] const bool planned = [] {
  const char* path = std::getenv("FAKE_GPU_FAULTS");
  if (path == nullptr || std::getenv("QUARRY_WORKER") == nullptr) return false;
  std::istringstream line(take_line(path));
  std::int64_t work = 0;
  int code = 0;
  if (!(line >> work >> code)) return false;
  if (code < 0) {
    signal_to_parent = -code;
    fake_gpu().at_work = send_signal;
  }
  fake_gpu().fail_call = work == 0 ? 1 : 0;
  fake_gpu().fail_work = work;
  fake_gpu().fail_code = code;
  return true;
}();

}  // namespace
}  // namespace quarry::gpu
