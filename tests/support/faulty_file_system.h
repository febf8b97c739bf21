// SPDX-License-Identifier: MIT
// quarry's file system on a simulated disk. Usage, for every N:
//
//   FaultyFileSystem files;
//   files.disk().end_at(n);
//   try { work(files); } catch (const ProcessEnded&) {}
//   const bool done = !files.disk().faulted();     // N is beyond the last call: stop
//   files.disk().restart_after_kill();             // or restart_after_power_cut(seed)
//   work(files);                                   // must end as if nothing had happened
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quarry/core/file_system.h"
#include "tests/support/simulated_disk.h"

namespace quarry::test {

class FaultyFileSystem : public FileSystem {
 public:
  SimulatedDisk& disk() { return disk_; }

  bool exists(const std::string& path) override { return files_->exists(path); }
  bool is_directory(const std::string& path) override { return files_->is_directory(path); }
  std::vector<std::string> list(const std::string& directory) override { return files_->list(directory); }
  std::string read(const std::string& path, std::size_t max_bytes = std::size_t{4} << 30) override {
    return files_->read(path, max_bytes);
  }
  void make_directories(const std::string& directory) override { files_->make_directories(directory); }
  std::unique_ptr<OutputFile> append(const std::string& path) override { return files_->append(path); }
  void truncate(const std::string& path, std::uint64_t length) override { files_->truncate(path, length); }
  void write_atomically(const std::string& path, std::string_view bytes) override {
    files_->write_atomically(path, bytes);
  }
  void remove(const std::string& path) override { files_->remove(path); }
  std::unique_ptr<DirectoryLock> lock(const std::string& directory) override { return files_->lock(directory); }

 private:
  SimulatedDisk disk_;
  std::unique_ptr<FileSystem> files_ = make_file_system(disk_);
};

}  // namespace quarry::test
