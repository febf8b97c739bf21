// SPDX-License-Identifier: MIT
// Runs every planted fault in a child process under forward, reverse and 20 random schedules, prints what found it, and
// fails unless everything that must be found in this build was, and nothing in a control.
// usage: planted_faults [PART-OF-A-NAME]    with a name the reports of sanitizers are shown
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/simt/emulator/sanitizer.h"
#include "tests/simt/planted/planted.h"

// Threads that are abandoned after an error leave their memory behind; children end at the first report.
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0";
}
extern "C" const char* __tsan_default_options() {
  return "halt_on_error=1:atexit_sleep_ms=0";
}

namespace planted {
namespace {

enum Exit { nothing = 0, wrong = 10, error = 11 };

#if defined(QUARRY_UNDER_ASAN)
constexpr int kBuild = 1;
#elif defined(QUARRY_UNDER_TSAN)
constexpr int kBuild = 2;
#elif defined(QUARRY_UNDER_MSAN)
constexpr int kBuild = 3;
#else
constexpr int kBuild = 0;
#endif
constexpr const char* kBuilds[] = {"plain", "ASan+UBSan", "TSan", "MSan"};

Exit outcome(const Fault& fault, bool shown) {
  for (int schedule = 0; schedule < 22; ++schedule) {
    quarry::gpu::fake_gpu().reset();
    simt::options() = {};
    simt::options().schedule = schedule == 0   ? simt::Schedule::forward
                               : schedule == 1 ? simt::Schedule::reverse
                                               : simt::Schedule::random;
    simt::options().seed = static_cast<std::uint64_t>(schedule);
    try {
      if (!fault.holds()) return wrong;
    } catch (const std::exception& e) {
      if (shown) std::printf("%s\n", e.what());
      std::fflush(stdout);
      return error;
    }
  }
  return nothing;
}

/// The letter of what a child found (see Fault::found_by).
char found(const Fault& fault, bool shown) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    if (!shown && std::freopen("/dev/null", "w", stderr) == nullptr) _exit(99);
    _exit(outcome(fault, shown));
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return 's';
  switch (WEXITSTATUS(status)) {
    case nothing:
      return '-';
    case wrong:
      return 'w';
    case error:
      return 'e';
    default:
      return 's';
  }
}

int run(const char* part) {
  int faults = 0, caught = 0, bad = 0;
  for (const auto* list :
       {&controls(), &memory_faults(), &order_faults(), &warp_faults(), &cluster_faults(), &host_faults()}) {
    for (const Fault& fault : *list) {
      if (std::strstr(fault.name, part) == nullptr) continue;
      const bool control = std::strcmp(fault.found_by, "ok") == 0;
      const char expected = control ? '-' : fault.found_by[kBuild];
      const char got = found(fault, part[0] != 0);
      // A fault may be found where it need not be; a control may not, and every fault has a build that finds it.
      const bool good = got == expected || (!control && expected == '-');
      const bool somewhere = control || std::strcspn(fault.found_by + 1, "sew") < 3;
      std::printf("%-50s %c%s\n", fault.name, got, good && somewhere ? "" : "   <- expected otherwise");
      bad += good && somewhere ? 0 : 1;
      faults += control ? 0 : 1;
      caught += control || got == '-' ? 0 : 1;
    }
  }
  std::printf("%s finds %d of %d planted faults; %d not as expected\n", kBuilds[kBuild], caught, faults, bad);
  return bad == 0 ? 0 : 1;
}

}  // namespace
}  // namespace planted

int main(int argc, char** argv) {
  return planted::run(argc > 1 ? argv[1] : "");
}
