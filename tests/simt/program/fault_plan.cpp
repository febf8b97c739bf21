// SPDX-License-Identifier: MIT
// The quarry program on the fake GPU, which fails by plan: FAKE_GPU_FAULTS names a file with one line "work code" for
// each worker process to come. A worker takes the first line away and fails at that piece of work with that code; when
// none is left, all goes well. "0 code" fails at the first call.
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

[[maybe_unused]] const bool planned = [] {
  const char* path = std::getenv("FAKE_GPU_FAULTS");
  if (path == nullptr || std::getenv("QUARRY_WORKER") == nullptr) return false;
  std::istringstream line(take_line(path));
  std::int64_t work = 0;
  int code = 0;
  if (!(line >> work >> code)) return false;
  fake_gpu().fail_call = work == 0 ? 1 : 0;
  fake_gpu().fail_work = work;
  fake_gpu().fail_code = code;
  return true;
}();

}  // namespace
}  // namespace quarry::gpu
