// SPDX-License-Identifier: MIT
#include "src/core/system_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace quarry {
namespace {

int flags_of(OpenMode mode) {
  constexpr int kAlways = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  constexpr int kWrite = kAlways | O_WRONLY | O_NOFOLLOW;
  switch (mode) {
    case OpenMode::read:
      return kAlways | O_RDONLY;
    case OpenMode::read_directory:
      return kAlways | O_RDONLY | O_DIRECTORY;
    case OpenMode::append:
      return kWrite | O_APPEND;
    case OpenMode::create:
      return kWrite | O_APPEND | O_CREAT | O_EXCL;
    case OpenMode::replace:
      return kWrite | O_CREAT | O_TRUNC;
    case OpenMode::write:
      return kWrite;
    case OpenMode::lock:
      return kAlways | O_NOFOLLOW | O_RDWR | O_CREAT;
  }
  return kAlways;
}

FileKind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return FileKind::regular;
  if (S_ISDIR(mode)) return FileKind::directory;
  if (S_ISFIFO(mode)) return FileKind::fifo;
  if (S_ISCHR(mode) || S_ISBLK(mode)) return FileKind::device;
  if (S_ISSOCK(mode)) return FileKind::socket;
  if (S_ISLNK(mode)) return FileKind::link;
  return FileKind::other;
}

int take_info(int result, const struct stat& status, FileInfo& info) {
  if (result == 0) {
    info = {kind_of(status.st_mode), static_cast<std::uint64_t>(status.st_size),
            static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
  }
  return result;
}

class PosixCalls final : public SystemCalls {
 public:
  int open(const std::string& path, OpenMode mode) override { return ::open(path.c_str(), flags_of(mode), 0666); }
  std::ptrdiff_t read(int file, char* bytes, std::size_t n) override { return ::read(file, bytes, n); }
  std::ptrdiff_t write(int file, const char* bytes, std::size_t n) override { return ::write(file, bytes, n); }
  int fsync(int file) override { return ::fsync(file); }
  int fdatasync(int file) override { return ::fdatasync(file); }
  int ftruncate(int file, std::uint64_t length) override { return ::ftruncate(file, static_cast<off_t>(length)); }
  int close(int file) override { return ::close(file); }
  int flock(int file) override { return ::flock(file, LOCK_EX | LOCK_NB); }
  int stat(const std::string& path, FileInfo& info) override {
    struct stat status {};
    return take_info(::stat(path.c_str(), &status), status, info);
  }
  int fstat(int file, FileInfo& info) override {
    struct stat status {};
    return take_info(::fstat(file, &status), status, info);
  }
  int rename(const std::string& from, const std::string& to) override { return ::rename(from.c_str(), to.c_str()); }
  int unlink(const std::string& path) override { return ::unlink(path.c_str()); }
  int mkdir(const std::string& path) override { return ::mkdir(path.c_str(), 0777); }

  int list(const std::string& path, std::vector<std::string>& names) override {
    DIR* const directory = ::opendir(path.c_str());
    if (!directory) return -1;
    for (;;) {
      errno = 0;
      const dirent* const entry = ::readdir(directory);
      if (!entry) break;
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) {
        names.emplace_back(entry->d_name);
      }
    }
    const int error = errno;
    ::closedir(directory);
    errno = error;
    return error == 0 ? 0 : -1;
  }
};

}  // namespace

SystemCalls& posix_calls() {
  static PosixCalls calls;
  return calls;
}

}  // namespace quarry
