// SPDX-License-Identifier: MIT
// Runs the cases without GoogleTest, for builds where every line of the program must be instrumented.
// usage: simt_cases [PART-OF-A-NAME] [SCHEDULES] [SHARE SHARES]
//   SCHEDULES: 1 forward, 2 reverse too, 3 and more random ones too     SHARE SHARES: case SHARE of each SHARES, from 0
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/simt/cases.h"

namespace {

bool passes(const simt::Case& which, simt::Schedule schedule, std::uint64_t seed) {
  static const char* const names[] = {"forward", "reverse", "random"};
  try {
    simt::run_case(which, schedule, seed);
    return true;
  } catch (const std::exception& e) {
    std::printf("FAILED %s, schedule %s, seed %llu: %s\n", which.name, names[static_cast<int>(schedule)],
                static_cast<unsigned long long>(seed), e.what());
    return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* part = argc > 1 ? argv[1] : "";
  const int most = argc > 2 ? std::atoi(argv[2]) : 2 + simt::kRandomSchedules;
  const int share = argc > 4 ? std::atoi(argv[3]) : 0, shares = argc > 4 ? std::atoi(argv[4]) : 1;
  int number = 0, ran = 0, failed = 0;
  for (const simt::Case& which : simt::cases()) {
    if (std::strstr(which.name, part) == nullptr || number++ % shares != share) continue;
    const auto start = std::chrono::steady_clock::now();
    bool good = passes(which, simt::Schedule::forward, 0);
    if (most > 1) good = good && passes(which, simt::Schedule::reverse, 0);
    for (int seed = 1; seed <= most - 2 && good; ++seed) {
      good = passes(which, simt::Schedule::random, static_cast<std::uint64_t>(seed));
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%-70s %6.2f s\n", which.name, seconds.count());
    std::fflush(stdout);
    ++ran;
    failed += good ? 0 : 1;
  }
  std::printf("%d cases, %d failed\n", ran, failed);
  return failed == 0 && ran > 0 ? 0 : 1;
}
