// SPDX-License-Identifier: MIT
// The program that holds the planted kernels and their cases (tests/simt/cases.h). Nothing here needs GoogleTest, so
// that all of it can be instrumented.
// usage: worker record FILE SCHEDULES         writes one line per case: name, seconds, mutants it reaches
//        worker run NUMBER SCHEDULES NAME...  runs cases with a mutant switched on; exit code 1 at the first failure
// SCHEDULES counts forward, reverse, random 1, random 2, ...
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "tests/simt/cases.h"
#include "tests/simt/mutants/schemata.h"

namespace quarry::mutants {

int active = 0;
unsigned char* reached = nullptr;

void note_reached(int number) {
  std::atomic_ref(reached[number]).store(1, std::memory_order_relaxed);  // orders nothing, so it hides no race
}

namespace {

constexpr int kMostMutants = 1 << 16;

void run_schedules(const simt::Case& which, int schedules) {
  for (int i = 0; i < schedules; ++i) {
    const auto schedule = i == 0 ? simt::Schedule::forward : i == 1 ? simt::Schedule::reverse : simt::Schedule::random;
    simt::run_case(which, schedule, static_cast<std::uint64_t>(i));
  }
}

void record(const char* path, int schedules) {
  std::FILE* const out = std::fopen(path, "w");
  if (out == nullptr) {
    std::perror(path);
    std::exit(2);
  }
  std::vector<unsigned char> places(kMostMutants);
  reached = places.data();
  for (const simt::Case& which : simt::cases()) {
    std::fill(places.begin(), places.end(), 0);
    const std::clock_t start = std::clock();  // CPU time: the machine may be busy
    run_schedules(which, schedules);
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    std::fprintf(out, "%s\t%.6f\t", which.name, seconds);
    for (int i = 0; i < kMostMutants; ++i) {
      if (places[static_cast<std::size_t>(i)] != 0) std::fprintf(out, "%d ", i);
    }
    std::fprintf(out, "\n");
  }
  std::fclose(out);
}

void run(int number, int schedules, char** names, int n_names) {
  active = number;
  for (const simt::Case& which : simt::cases()) {
    const bool wanted = std::any_of(names, names + n_names, [&](const char* n) { return !std::strcmp(n, which.name); });
    if (wanted) run_schedules(which, schedules);
  }
}

}  // namespace
}  // namespace quarry::mutants

int main(int argc, char** argv) {
  const bool records = argc == 4 && !std::strcmp(argv[1], "record");
  const bool runs = argc >= 5 && !std::strcmp(argv[1], "run");
  if (!records && !runs) {
    std::fprintf(stderr, "usage: worker record FILE SCHEDULES | worker run NUMBER SCHEDULES NAME...\n");
    return 2;
  }
  try {
    if (records) quarry::mutants::record(argv[2], std::atoi(argv[3]));
    if (runs) quarry::mutants::run(std::atoi(argv[2]), std::atoi(argv[3]), argv + 4, argc - 4);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    std::_Exit(1);  // what a faulty kernel left behind is not worth tearing down
  }
  return 0;
}
