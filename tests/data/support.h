// SPDX-License-Identifier: MIT
// Shared by the tests of the data area.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"

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

/// A folder of this test's own, gone with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = ::testing::TempDir() + "quarry_data_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) fail("no temporary folder {}", name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(const std::string& name) const { return path_ + "/" + name; }
  /// Writes a file and returns its path.
  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  std::string fifo(const std::string& name) const {
    EXPECT_EQ(mkfifo(path(name).c_str(), 0600), 0);
    return path(name);
  }

 private:
  std::string path_;
};

inline std::string golden_bytes(const std::string& name) {
  return read_file(QUARRY_GOLDENS "/data/" + name);
}

/// n bytes of an unsigned integer, least or most significant first.
inline std::string little_bytes(std::uint64_t value, int n) {
  std::string bytes;
  for (int i = 0; i < n; ++i) bytes += static_cast<char>(value >> 8 * i);
  return bytes;
}
inline std::string big_bytes(std::uint64_t value, int n) {
  const std::string bytes = little_bytes(value, n);
  return {bytes.rbegin(), bytes.rend()};
}

/// An NPY file of version 1.0 with this header and these elements.
inline std::string npy_bytes(const std::string& header, std::string_view elements) {
  return "\x93NUMPY" + std::string("\x01\x00", 2) + little_bytes(header.size(), 2) + header + std::string(elements);
}

}  // namespace quarry
