// SPDX-License-Identifier: MIT
// How to test a kernel without a GPU. Put cases like this in tests/simt/NAME_cases.cpp; no other file needs a line:
//
//   #include "tests/simt/cases.h"
//   SIMT_CASE(entropy_of_ragged_rows) {
//     std::vector<float> rows = {...}, want(n), got(n);
//     quarry::entropy(...want...);                                  // the CPU backend is the oracle
//     quarry::gpu::Session session(0);                              // the fake GPU
//     auto device = quarry::gpu::upload<float>(session, rows);      // exact size, guarded
//     quarry::gpu::Buffer<float> out(session, n);                   // poisoned
//     ... quarry::cuda::probability_scores(session, jobs, 1); quarry::gpu::download<float>(session, out.data(), got);
//     simt::expect_equal<float>(got, want, "scores");               // bit for bit
//   }
//
// Each case runs in its own test under the schedules forward, reverse and 20 random ones, without sanitizers and under
// ASan+UBSan: keep it below a few milliseconds (shapes of one to nine blocks, sizes around the edges: 1, warp - 1,
// warp, warp + 1, not divisible). Under TSan and MSan, which need no lucky schedule, it runs once (not if it includes
// quarry/study/); so no GoogleTest in it, and no printing or string formatting unless something is wrong.
// The same cases prove the kernels on a real GPU (tests/gpu/gpu_tests.cpp), except those of *_host_cases.cpp, which run
// device functions by themselves.
// To see one: simt_tests --gtest_filter='*entropy*'. To set a device property: quarry::gpu::fake_gpu().info. To run a
// kernel without a session: simt::run(name, shape, kernel, std::tuple<...>(arguments)).
#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "quarry/core/gpu.h"
#if QUARRY_ON_GPU
#include "tests/gpu/on_gpu.h"
#else
#include "kernels/simt.h"
#include "tests/simt/fake_gpu.h"
#endif

namespace simt {

struct Case {
  const char* name;
  void (*run)();
};
inline constexpr int kRandomSchedules = 20;

/// All cases of the program, in no particular order.
std::vector<Case>& cases();

#if !QUARRY_ON_GPU
/// Runs a case under one schedule on a fresh fake GPU. Errors are exceptions.
void run_case(const Case& which, Schedule schedule, std::uint64_t seed);
#endif

struct CaseRegistration {
  CaseRegistration(const char* name, void (*run)());
};

/// Throws unless condition holds. `format` as in printf.
void expect(bool condition, const char* format, ...) __attribute__((format(printf, 2, 3)));

/// Throws unless both hold the same bytes; NaN equals NaN of the same bits.
template <class T>
void expect_equal(std::span<const T> got, std::span<const T> want, const char* what) {
  expect(got.size() == want.size(), "%s: %zu elements, not %zu", what, got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::memcmp(&got[i], &want[i], sizeof(T)) != 0) {
      expect(false, "%s[%zu] is %.17g, not %.17g", what, i, static_cast<double>(got[i]), static_cast<double>(want[i]));
    }
  }
}

}  // namespace simt

#define SIMT_CASE(name)                                                               \
  static void simt_case_##name();                                                     \
  static const simt::CaseRegistration simt_register_##name(#name, &simt_case_##name); \
  static void simt_case_##name()
