// SPDX-License-Identifier: MIT
// A disk in memory that fails on command. quarry's real file system code runs on it (src/core/system_calls.h), so a
// test can make every single call fail, be cut short, or be the last one of the process, and then look at what a new
// process finds after a kill or a power cut.
//
// What survives:
//   * a kill: everything written, synced or not (the page cache outlives the process); locks do not;
//   * a power cut: what was synced. A file's bytes are kept by fsync or fdatasync of the file, its name (creation,
//     rename, removal) by fsync of its directory. Of the rest any part may survive: each unsynced write is lost, kept,
//     kept in part or garbled on its own, and so later ones may be there without earlier ones; of a directory's
//     unsynced changes a prefix survives.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "src/core/system_calls.h"

namespace quarry::test {

/// The process ended at the planned call. Not a std::exception: nobody may take it for an ordinary error.
struct ProcessEnded {};

class SimulatedDisk : public SystemCalls {
 public:
  SimulatedDisk();
  ~SimulatedDisk() override;

  // Faults. Calls are counted from 1, over everything but close, stat and fstat. A plan replaces the one before.
  /// The n-th call from now fails with this errno. A write, if `half_done`, first writes half of its bytes.
  void fail_at(std::int64_t n, int error, bool half_done = false);
  /// From the n-th call on every call that needs space fails with ENOSPC.
  void fill_at(std::int64_t n);
  /// The process ends at the n-th call, a write having done half: ProcessEnded is thrown there and at every later call.
  void end_at(std::int64_t n);
  /// Every write writes at most this many bytes (0: no limit), and every other call is interrupted (EINTR) first.
  void be_slow(std::size_t most_bytes_per_write);
  /// fsync and fdatasync do nothing and say that they did: what a program that forgets them looks like.
  void ignore_syncs(bool ignore);
  void clear_faults();

  /// Calls since the last fault was set or cleared.
  std::int64_t calls() const;
  /// The planned fault has happened.
  bool faulted() const;

  // A new process. Open files and locks of the old one are gone, faults are cleared.
  void restart_after_kill();
  void restart_after_power_cut(std::uint64_t seed);

  /// Every regular file by path, for comparisons. Locks and unfinished files included.
  std::map<std::string, std::string> files() const;
  /// Puts a file there, durably, as if it had always been; directories are made.
  void put(const std::string& path, const std::string& bytes);

  int open(const std::string& path, OpenMode mode) override;
  std::ptrdiff_t read(int file, char* bytes, std::size_t n) override;
  std::ptrdiff_t write(int file, const char* bytes, std::size_t n) override;
  int fsync(int file) override;
  int fdatasync(int file) override;
  int ftruncate(int file, std::uint64_t length) override;
  int close(int file) override;
  int flock(int file) override;
  int stat(const std::string& path, FileInfo& info) override;
  int fstat(int file, FileInfo& info) override;
  int rename(const std::string& from, const std::string& to) override;
  int unlink(const std::string& path) override;
  int mkdir(const std::string& path) override;
  int list(const std::string& path, std::vector<std::string>& names) override;

 private:
  struct State;
  mutable std::mutex mutex_;
  std::unique_ptr<State> state_;
};

}  // namespace quarry::test
