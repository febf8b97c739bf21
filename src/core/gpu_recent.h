// SPDX-License-Identifier: MIT
// The kernels that this thread launched last: a failure of a kernel is reported by whatever call comes later.
#pragma once

#include <array>
#include <cstddef>
#include <string>

namespace quarry::gpu {

class RecentLaunches {
 public:
  void add(const char* name) { names_[count_++ % names_.size()] = name; }
  /// Oldest first, with commas.
  std::string text() const {
    std::string result;
    for (std::size_t i = count_ > names_.size() ? count_ - names_.size() : 0; i < count_; ++i)
      result += (result.empty() ? "" : ", ") + std::string(names_[i % names_.size()]);
    return result;
  }

 private:
  std::array<const char*, 6> names_{};
  std::size_t count_ = 0;
};

inline RecentLaunches& recent_launches() {
  thread_local RecentLaunches launches;
  return launches;
}

}  // namespace quarry::gpu
