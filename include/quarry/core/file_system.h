// SPDX-License-Identifier: MIT
// The one door to result files. Everything quarry writes under an output directory goes through a FileSystem, so
// that tests can count, fail or cut every single call. Reading data sets goes through read_file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quarry {

/// A file open for appending.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  /// Writes all bytes (short writes and EINTR are handled); fails with path and reason.
  virtual void write(std::string_view bytes) = 0;
  /// fdatasync.
  virtual void sync() = 0;
};

/// Held while a process owns an output directory; released with the object or the process.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual bool exists(const std::string& path) = 0;
  virtual bool is_directory(const std::string& path) = 0;
  /// Names in a directory, sorted.
  virtual std::vector<std::string> list(const std::string& directory) = 0;
  /// Whole contents; fails if missing, not a regular file, or larger than max_bytes.
  virtual std::string read(const std::string& path, std::size_t max_bytes = std::size_t{4} << 30) = 0;
  virtual void make_directories(const std::string& directory) = 0;
  /// Opens for appending; creates; the directory entry is synced when created.
  virtual std::unique_ptr<OutputFile> append(const std::string& path) = 0;
  /// Cuts a file to a length; durable when it returns.
  virtual void truncate(const std::string& path, std::uint64_t length) = 0;
  /// Temp file (path + ".part"), fsync, rename, fsync of the directory: readers see the old or the new contents,
  /// never a part. One writer per path at a time (hold the directory's lock).
  virtual void write_atomically(const std::string& path, std::string_view bytes) = 0;
  virtual void remove(const std::string& path) = 0;
  /// Takes the lock of a directory (its file ".lock") or fails, within 0.1 s, naming the holder's process id.
  virtual std::unique_ptr<DirectoryLock> lock(const std::string& directory) = 0;
};

/// The machine's own files.
FileSystem& posix_file_system();

/// Reads an input file (not through FileSystem: inputs are not results). Refuses directories, FIFOs and devices.
/// Error: failed, with path and reason.
std::string read_file(const std::string& path, std::size_t max_bytes = std::size_t{4} << 30);

/// read_file for a file that the user named, in an option or a key. Error: usage, with the folder that a relative path
/// was looked for in, if there is no such file or it is not a regular one.
std::string read_given_file(const std::string& path);

}  // namespace quarry
