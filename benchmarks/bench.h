// SPDX-License-Identifier: MIT
// Timing and the measured FMA peak of this core, for the benchmark programs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "quarry/core/device.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace quarry::bench {

/// Processor time of this thread in seconds: what other processes take is not counted (what they do to the clock
/// frequency and the shared cache is).
inline double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Timing {
  double best = 0, median = 0;
  double noise = 0;  ///< (median - best) / best
};

/// Times body() `repeats` times; seconds per call.
template <class Body>
Timing measure(int repeats, Body body) {
  body();  // warm up
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const double start = thread_seconds();
    body();
    seconds.push_back(thread_seconds() - start);
  }
  std::sort(seconds.begin(), seconds.end());
  const double best = seconds.front(), median = seconds[seconds.size() / 2];
  return {best, median, (median - best) / best};
}

inline std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) inline double fma_loop_avx512(std::int64_t rounds) {
  __m512 a[24];
  for (int i = 0; i < 24; ++i) a[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
  for (std::int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 24
    for (int i = 0; i < 24; ++i) a[i] = _mm512_fmadd_ps(a[i], factor, term);
  }
  float out[16];
  for (int i = 1; i < 24; ++i) a[0] = _mm512_add_ps(a[0], a[i]);
  _mm512_storeu_ps(out, a[0]);
  return static_cast<double>(out[0]);
}

__attribute__((target("avx2,fma"))) inline double fma_loop_avx2(std::int64_t rounds) {
  __m256 a[12];
  for (int i = 0; i < 12; ++i) a[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
  for (std::int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) a[i] = _mm256_fmadd_ps(a[i], factor, term);
  }
  float out[8];
  for (int i = 1; i < 12; ++i) a[0] = _mm256_add_ps(a[0], a[i]);
  _mm256_storeu_ps(out, a[0]);
  return static_cast<double>(out[0]);
}
#endif

/// FMA peak of this core in FLOP/s, single precision, at a level; 0 for portable (no explicit vectors to compare with).
inline double fma_peak([[maybe_unused]] SimdLevel level) {
  [[maybe_unused]] volatile double sink = 0;
  [[maybe_unused]] const std::int64_t rounds = 100000;
#if defined(__x86_64__)
  if (level == SimdLevel::avx512) {
    return 2.0 * 16 * 24 * rounds / measure(40, [&] { sink = sink + fma_loop_avx512(rounds); }).best;
  }
  if (level == SimdLevel::avx2) {
    return 2.0 * 8 * 12 * rounds / measure(40, [&] { sink = sink + fma_loop_avx2(rounds); }).best;
  }
#endif
  return 0;
}

}  // namespace quarry::bench
