// SPDX-License-Identifier: MIT
#include "tests/simt/cases.h"

#include <cstdarg>
#include <cstdio>

namespace simt {

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

CaseRegistration::CaseRegistration(const char* name, void (*run)()) {
  cases().push_back({name, run});
}

#if !QUARRY_ON_GPU
void run_case(const Case& which, Schedule schedule, std::uint64_t seed) {
  quarry::gpu::fake_gpu().reset();
  options() = {};
  options().schedule = schedule;
  options().seed = seed;
  which.run();
}
#endif

void expect(bool condition, const char* format, ...) {
  if (condition) return;
  char text[1024];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  throw Error(text);
}

}  // namespace simt
