// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace quarry::test {

/// A fresh directory of the machine's, removed with everything in it at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  /// The path of a name in it.
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  /// Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& bytes) const;

 private:
  std::string path_;
};

/// Whole contents of a file; fails the test if it cannot be read.
std::string slurp(const std::string& path);

}  // namespace quarry::test
