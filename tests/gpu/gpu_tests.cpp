// SPDX-License-Identifier: MIT
// The op cases of tests/simt on a real GPU: every kernel against the CPU backend, bit for bit. scripts/gpu_check.sh
// runs it; there it is built against the CUDA runtime instead of the emulator.
// usage: gpu_tests [--only PART-OF-A-NAME] [--repeats N] [--planted-fault]
//   --repeats        runs every case N times: a kernel whose bits vary fails
//   --planted-fault  runs a kernel that writes out of bounds, to see whether compute-sanitizer works here
// exit code: 0 all hold, 1 something differs, 2 usage, 3 no GPU here
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/gpu/planted_fault.h"
#include "tests/simt/cases.h"

namespace {

bool passes(const simt::Case& which, int repeats) {
  for (int i = 0; i < repeats; ++i) {
    try {
      which.run();
    } catch (const std::exception& e) {
      std::printf("FAILED %s, repeat %d: %s\n", which.name, i, e.what());
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const char* part = "";
  int repeats = 1;
  bool planted = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      part = argv[++i];
    } else if (std::strcmp(argv[i], "--repeats") == 0 && i + 1 < argc) {
      repeats = std::atoi(argv[++i]);
    } else if (std::strcmp(argv[i], "--planted-fault") == 0) {
      planted = true;
    } else {
      std::fprintf(stderr, "usage: gpu_tests [--only PART-OF-A-NAME] [--repeats N] [--planted-fault]\n");
      return 2;
    }
  }
  std::string why;
  if (quarry::gpu::device_count(&why) == 0) {
    std::fprintf(stderr, "gpu_tests: no GPU can be used: %s\n", why.c_str());
    return 3;
  }
  if (planted) {
    quarry::gpu::Session session(0);
    quarry::testing::write_out_of_bounds(session);
    return 0;
  }
  int ran = 0, failed = 0;
  for (const simt::Case& which : simt::cases()) {
    if (std::strstr(which.name, part) == nullptr) continue;
    ++ran;
    failed += passes(which, repeats) ? 0 : 1;
  }
  std::printf("%d cases x %d, %d failed\n", ran, repeats, failed);
  return failed == 0 && ran > 0 ? 0 : 1;
}
