// SPDX-License-Identifier: MIT
// The op cases of tests/simt on a real GPU: every kernel against the CPU backend, bit for bit. scripts/gpu_check.sh
// runs it; there it is built against the CUDA runtime instead of the emulator. Cases run in child processes: one that
// faults or does not end is one failure, and the others are still run.
// usage: gpu_tests [--only PART-OF-A-NAME] [--repeats N] [--limit SECONDS] [--one-process] [--planted-fault]
//   --repeats        runs every case N times: a kernel whose bits vary fails
//   --limit          for a case, and for each repeat of it (60)
//   --one-process    for a debugger or compute-sanitizer: no child processes
//   --planted-fault  runs a kernel that writes out of bounds, to see whether compute-sanitizer works here
// exit code: 0 all hold, 1 something differs, 2 usage, 3 no GPU here
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/gpu/isolated.h"
#include "tests/gpu/planted_fault.h"
#include "tests/simt/cases.h"

namespace {

using namespace quarry::testing;

struct Options {
  std::string only;
  int repeats = 1, limit = 60;
  int child_from = -1;  // in a child: the first case to run
  bool one_process = false, planted_fault = false;
};

bool read_options(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto number = [&](int& value, int least) {
      if (i + 1 >= argc) return false;
      char* end = nullptr;
      const long given = std::strtol(argv[++i], &end, 10);
      value = static_cast<int>(given);
      return *end == '\0' && given >= least && given <= 1'000'000;
    };
    if (name == "--only" && i + 1 < argc) {
      options.only = argv[++i];
    } else if (name == "--one-process") {
      options.one_process = true;
    } else if (name == "--planted-fault") {
      options.planted_fault = true;
    } else if (!(name == "--repeats" && number(options.repeats, 1)) &&
               !(name == "--limit" && number(options.limit, 1)) &&
               !(name == "--child-from" && number(options.child_from, 0))) {
      return false;
    }
  }
  return true;
}

std::vector<simt::Case> chosen_cases(const std::string& only) {
  std::vector<simt::Case> chosen;
  for (const simt::Case& which : simt::cases()) {
    if (std::strstr(which.name, only.c_str()) != nullptr) chosen.push_back(which);
  }
  std::sort(chosen.begin(), chosen.end(),  // the same order in every process
            [](const simt::Case& a, const simt::Case& b) { return std::strcmp(a.name, b.name) < 0; });
  return chosen;
}

/// Runs a case; returns why it failed, or nothing.
std::string run_case(const simt::Case& which, int repeats, bool say_each) {
  for (int i = 0; i < repeats; ++i) {
    if (say_each && i > 0) say(kAgain);
    try {
      which.run();
    } catch (const std::exception& e) {
      return "repeat " + std::to_string(i) + ": " + e.what();
    }
  }
  return "";
}

int run_as_child(const std::vector<simt::Case>& cases, const Options& options) {
  for (std::size_t i = static_cast<std::size_t>(options.child_from); i < cases.size(); ++i) {
    say(kBegin);
    const std::string why = run_case(cases[i], options.repeats, true);
    if (!why.empty()) {
      say(kFailed, why);
      return 1;
    }
    say(kPassed);
  }
  return 0;
}

int run_here(const std::vector<simt::Case>& cases, const Options& options) {
  int failed = 0;
  for (const simt::Case& which : cases) {
    const std::string why = run_case(which, options.repeats, false);
    if (why.empty()) continue;
    ++failed;
    std::printf("FAILED %s: %s\n", which.name, why.c_str());
  }
  return failed;
}

int run_in_children(const std::vector<simt::Case>& cases, const Options& options) {
  std::vector<std::string> names;
  for (const simt::Case& which : cases) names.emplace_back(which.name);
  return run_isolated(
      names,
      {[&](std::size_t first) {
         return std::vector<std::string>{
             "/proc/self/exe",     "--only", options.only, "--repeats", std::to_string(options.repeats), "--child-from",
             std::to_string(first)};
       },
       std::chrono::seconds(options.limit)},
      stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!read_options(argc, argv, options)) {
    std::fprintf(stderr,
                 "usage: gpu_tests [--only PART-OF-A-NAME] [--repeats N] [--limit SECONDS] [--one-process] "
                 "[--planted-fault]\n");
    return 2;
  }
  std::string why;
  if (quarry::gpu::device_count(&why) == 0) {
    std::fprintf(stderr, "gpu_tests: no GPU can be used: %s\n", why.c_str());
    return 3;
  }
  if (options.planted_fault) {
    quarry::gpu::Session session(0);
    write_out_of_bounds(session);
    return 0;
  }
  const std::vector<simt::Case> cases = chosen_cases(options.only);
  if (options.child_from >= 0) return run_as_child(cases, options);
  const int failed = options.one_process ? run_here(cases, options) : run_in_children(cases, options);
  std::printf("%zu cases x %d, %d failed\n", cases.size(), options.repeats, failed);
  return failed == 0 && !cases.empty() ? 0 : 1;
}
