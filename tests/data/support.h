// SPDX-License-Identifier: MIT
// Shared by the tests of the data area.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "tests/support/byte_writers.h"

namespace quarry {

/// The message of the error that the call must end in; fails the test if it ends otherwise.
inline std::string error_of(const std::function<void()>& call, ErrorKind kind = ErrorKind::failed) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

/// n equal lines of a LIBSVM file.
inline std::string libsvm_lines(const std::string& line, int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += line + "\n";
  return text;
}

inline std::string golden_bytes(const std::string& name) {
  return read_file(QUARRY_GOLDENS "/data/" + name);
}

}  // namespace quarry
