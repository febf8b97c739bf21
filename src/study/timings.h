// SPDX-License-Identifier: MIT
// Seconds by run and phase: timings.csv. Wall-clock, so outside the byte contract; a resumed study adds to it.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "quarry/core/file_system.h"

namespace quarry {

class PhaseTimer {
 public:
  /// This run's share of the seconds since construction: a wave serves many runs at once.
  double share(std::size_t jobs, std::size_t all_jobs) const {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
    return elapsed.count() * static_cast<double>(jobs) / static_cast<double>(all_jobs);
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class Timings {
 public:
  void add(const std::string& run, const std::string& phase, double seconds, std::size_t jobs);
  /// Adds what an earlier call wrote to `path`, and writes the sums.
  void write(FileSystem& files, const std::string& path) const;

 private:
  struct Entry {
    double seconds = 0;
    std::size_t jobs = 0;
  };
  std::map<std::pair<std::string, std::string>, Entry> entries_;
};

}  // namespace quarry
