// SPDX-License-Identifier: MIT
// The few system calls that file_system.cpp needs, behind an interface: tests put a simulated disk here and so meet
// every failure that a real one can produce (tests/support/simulated_disk.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"

namespace quarry {

enum class FileKind { regular, directory, fifo, device, socket, link, other };

struct FileInfo {
  FileKind kind = FileKind::other;
  std::uint64_t size = 0;
  std::uint64_t device = 0, inode = 0;  ///< the two together say which file it is
};

enum class OpenMode {
  read,  ///< an existing file; never waits for the other end of a FIFO
  read_directory,
  append,   ///< an existing file
  create,   ///< a new file, for appending; EEXIST if there is one
  replace,  ///< an empty file, for writing
  write,    ///< an existing file, for truncation
  lock,     ///< existing or new, for reading and writing
};

/// As the POSIX functions of these names: -1 and errno on failure.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;
  virtual int open(const std::string& path, OpenMode mode) = 0;
  virtual std::ptrdiff_t read(int file, char* bytes, std::size_t n) = 0;
  virtual std::ptrdiff_t write(int file, const char* bytes, std::size_t n) = 0;
  virtual int fsync(int file) = 0;
  virtual int fdatasync(int file) = 0;
  virtual int ftruncate(int file, std::uint64_t length) = 0;
  virtual int close(int file) = 0;
  /// Exclusive and without waiting: EWOULDBLOCK if another holder is alive.
  virtual int flock(int file) = 0;
  virtual int stat(const std::string& path, FileInfo& info) = 0;
  virtual int fstat(int file, FileInfo& info) = 0;
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int unlink(const std::string& path) = 0;
  virtual int mkdir(const std::string& path) = 0;
  /// Names without "." and "..", in any order.
  virtual int list(const std::string& path, std::vector<std::string>& names) = 0;
};

/// The machine's own.
SystemCalls& posix_calls();

/// A FileSystem on these calls, which must outlive it.
std::unique_ptr<FileSystem> make_file_system(SystemCalls& calls);

}  // namespace quarry
