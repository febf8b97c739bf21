// SPDX-License-Identifier: MIT
// One exception type for the whole library. It is caught once, in main, and becomes the exit code.
#pragma once

#if defined(__CUDACC__) && !defined(FMT_USE_CONSTEXPR)
#define FMT_USE_CONSTEXPR 1  // fmt 9 turns constexpr off under nvcc and then fails to compile as C++20
#endif
#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace quarry {

/// What kind of failure this is; the value is the program's exit code.
enum class ErrorKind { failed = 1, usage = 2, device = 3 };

/// A message for a person: what is wrong and where (file, line, option), what was expected, what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

/// Something went wrong while working: unreadable data, full disk, broken contract.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::failed, fmt::format(format, std::forward<Args>(args)...));
}

/// The command line, the config or the environment asks for something that cannot be.
template <class... Args>
[[noreturn]] void usage_error(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::usage, fmt::format(format, std::forward<Args>(args)...));
}

/// The requested device is not available.
template <class... Args>
[[noreturn]] void device_error(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::device, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace quarry

/// A contract of the caller; checked in every build. QUARRY_CHECK(n > 0, "n is {}", n);
#define QUARRY_CHECK(condition, ...)                                                              \
  do {                                                                                            \
    if (!(condition)) [[unlikely]]                                                                \
      ::quarry::fail("{}:{}: {} ({})", __FILE__, __LINE__, fmt::format(__VA_ARGS__), #condition); \
  } while (false)
