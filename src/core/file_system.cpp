// SPDX-License-Identifier: MIT
#include "quarry/core/file_system.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/core/system_calls.h"

namespace quarry {
namespace {

std::string_view advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space there, then run the same command again";
    case EACCES:
    case EPERM:
      return "; check who owns it and its permissions";
    case EROFS:
      return "; choose a place that can be written";
    case EMFILE:
    case ENFILE:
      return "; raise the limit of open files (ulimit -n)";
    case ELOOP:
      return "; a symbolic link is not written through";
    case EIO:
      return "; the disk may be failing";
    default:
      return "";
  }
}

[[noreturn]] void fail_call(std::string_view doing, const std::string& path, int error) {
  fail("{}: cannot {}: {}{}", printable(path), doing, std::generic_category().message(error), advice(error));
}

std::string_view name_of(FileKind kind) {
  switch (kind) {
    case FileKind::regular:
      return "a regular file";
    case FileKind::directory:
      return "a directory";
    case FileKind::fifo:
      return "a named pipe";
    case FileKind::device:
      return "a device";
    case FileKind::socket:
      return "a socket";
    case FileKind::link:
      return "a symbolic link";
    case FileKind::other:
      break;
  }
  return "something else";
}

void require_regular(const std::string& path, const FileInfo& info) {
  if (info.kind != FileKind::regular) {
    fail("{}: expected a regular file, found {}", printable(path), name_of(info.kind));
  }
}

/// What C functions would cut short is not a path.
void check_path(const std::string& path) {
  if (path.empty()) fail("the path of a file is empty");
  if (path.find('\0') != std::string::npos) fail("{}: a path holds a zero byte", printable(path));
}

std::string parent_of(const std::string& path) {
  const std::size_t end = path.find_last_not_of('/');
  const std::size_t slash = end == std::string::npos ? std::string::npos : path.rfind('/', end);
  if (slash == std::string::npos) return end == std::string::npos ? "/" : ".";
  const std::size_t last = path.find_last_not_of('/', slash);
  return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

/// A call that a signal may interrupt.
template <class Call>
auto retry(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

/// An open file descriptor.
class Descriptor {
 public:
  Descriptor(SystemCalls& calls, int file) : calls_(calls), file_(file) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : calls_(other.calls_), file_(std::exchange(other.file_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return file_; }
  bool valid() const { return file_ >= 0; }
  void reset() {
    if (file_ >= 0) calls_.close(std::exchange(file_, -1));
  }

 private:
  SystemCalls& calls_;
  int file_;
};

Descriptor open_or_fail(SystemCalls& calls, const std::string& path, OpenMode mode, std::string_view doing) {
  Descriptor file(calls, retry([&] { return calls.open(path, mode); }));
  if (!file.valid()) fail_call(doing, path, errno);
  return file;
}

void write_all(SystemCalls& calls, int file, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::ptrdiff_t written = retry([&] { return calls.write(file, bytes.data(), bytes.size()); });
    if (written < 0) fail_call("write", path, errno);
    if (written == 0) fail_call("write", path, ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Makes the directory's entries durable.
void sync_directory(SystemCalls& calls, const std::string& directory) {
  const Descriptor file = open_or_fail(calls, directory, OpenMode::read_directory, "open the directory");
  if (retry([&] { return calls.fsync(file.get()); }) != 0) fail_call("sync the directory", directory, errno);
}

std::string read_whole(SystemCalls& calls, const std::string& path, std::size_t max_bytes) {
  check_path(path);
  FileInfo info;
  // Looked at before it is opened: opening a device may do something.
  if (calls.stat(path, info) != 0) fail_call("open", path, errno);
  require_regular(path, info);
  const Descriptor file = open_or_fail(calls, path, OpenMode::read, "open");
  if (calls.fstat(file.get(), info) != 0) fail_call("look at", path, errno);
  require_regular(path, info);
  const auto refuse_size = [&](std::uint64_t size) {
    if (size > max_bytes) fail("{}: {} bytes or more; at most {} are accepted", printable(path), size, max_bytes);
  };
  refuse_size(info.size);
  // One byte more than the size says, so that the end is seen without growing; files of /proc say 0 and have more.
  std::string bytes(std::max<std::size_t>(info.size + 1, 4096), '\0');
  std::size_t n = 0;
  for (;;) {
    if (n == bytes.size()) bytes.resize(2 * bytes.size());
    const std::ptrdiff_t got = retry([&] { return calls.read(file.get(), bytes.data() + n, bytes.size() - n); });
    if (got < 0) fail_call("read", path, errno);
    if (got == 0) break;
    n += static_cast<std::size_t>(got);
    refuse_size(n);
  }
  bytes.resize(n);
  return bytes;
}

class AppendedFile final : public OutputFile {
 public:
  AppendedFile(SystemCalls& calls, Descriptor file, std::string path)
      : calls_(calls), file_(std::move(file)), path_(std::move(path)) {}
  void write(std::string_view bytes) override { write_all(calls_, file_.get(), path_, bytes); }
  void sync() override {
    if (retry([&] { return calls_.fdatasync(file_.get()); }) != 0) fail_call("sync", path_, errno);
  }

 private:
  SystemCalls& calls_;
  Descriptor file_;
  std::string path_;
};

/// Holds a lock file by flock(2), which the kernel releases when the process ends in whatever way.
class LockFile final : public DirectoryLock {
 public:
  LockFile(SystemCalls& calls, Descriptor file, std::string path)
      : calls_(calls), file_(std::move(file)), path_(std::move(path)) {}
  // Removed while still locked: whoever opened it before finds out by the inode (see FileSystem::lock).
  ~LockFile() override { calls_.unlink(path_); }

 private:
  SystemCalls& calls_;
  Descriptor file_;
  std::string path_;
};

class CallsFileSystem final : public FileSystem {
 public:
  explicit CallsFileSystem(SystemCalls& calls) : calls_(calls) {}

  bool exists(const std::string& path) override {
    FileInfo info;
    return look(path, info);
  }

  bool is_directory(const std::string& path) override {
    FileInfo info;
    return look(path, info) && info.kind == FileKind::directory;
  }

  std::vector<std::string> list(const std::string& directory) override {
    check_path(directory);
    std::vector<std::string> names;
    if (calls_.list(directory, names) != 0) fail_call("list", directory, errno);
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string read(const std::string& path, std::size_t max_bytes) override {
    return read_whole(calls_, path, max_bytes);
  }

  void make_directories(const std::string& directory) override {
    FileInfo info;
    if (look(directory, info)) {
      if (info.kind == FileKind::directory) return;
      fail("{}: expected a directory, found {}", printable(directory), name_of(info.kind));
    }
    const std::string parent = parent_of(directory);
    make_directories(parent);
    if (calls_.mkdir(directory) != 0 && errno != EEXIST) fail_call("make the directory", directory, errno);
    sync_directory(calls_, parent);
  }

  std::unique_ptr<OutputFile> append(const std::string& path) override {
    check_path(path);
    for (;;) {
      Descriptor file(calls_, retry([&] { return calls_.open(path, OpenMode::append); }));
      const bool created = !file.valid() && errno == ENOENT;
      if (created) {
        Descriptor made(calls_, retry([&] { return calls_.open(path, OpenMode::create); }));
        if (!made.valid() && errno == EEXIST) continue;  // another process was faster
        if (!made.valid()) fail_call("create", path, errno);
        sync_directory(calls_, parent_of(path));
        return std::make_unique<AppendedFile>(calls_, std::move(made), path);
      }
      if (!file.valid()) fail_call("open for appending", path, errno);
      FileInfo info;
      if (calls_.fstat(file.get(), info) != 0) fail_call("look at", path, errno);
      require_regular(path, info);
      return std::make_unique<AppendedFile>(calls_, std::move(file), path);
    }
  }

  void truncate(const std::string& path, std::uint64_t length) override {
    check_path(path);
    const Descriptor file = open_or_fail(calls_, path, OpenMode::write, "open for truncation");
    if (retry([&] { return calls_.ftruncate(file.get(), length); }) != 0) fail_call("truncate", path, errno);
    if (retry([&] { return calls_.fdatasync(file.get()); }) != 0) fail_call("sync", path, errno);
  }

  void write_atomically(const std::string& path, std::string_view bytes) override {
    check_path(path);
    const std::string part = path + ".part";
    try {
      Descriptor file = open_or_fail(calls_, part, OpenMode::replace, "create");
      write_all(calls_, file.get(), part, bytes);
      if (retry([&] { return calls_.fsync(file.get()); }) != 0) fail_call("sync", part, errno);
      file.reset();
      if (calls_.rename(part, path) != 0) fail_call("rename a finished file to", path, errno);
    } catch (const Error&) {
      calls_.unlink(part);
      throw;
    }
    sync_directory(calls_, parent_of(path));
  }

  void remove(const std::string& path) override {
    check_path(path);
    if (calls_.unlink(path) != 0) fail_call("remove", path, errno);
    sync_directory(calls_, parent_of(path));
  }

  std::unique_ptr<DirectoryLock> lock(const std::string& directory) override {
    check_path(directory);
    const std::string path = directory + "/.lock";
    for (;;) {
      Descriptor file = open_or_fail(calls_, path, OpenMode::lock, "create the lock file");
      if (retry([&] { return calls_.flock(file.get()); }) != 0) {
        if (errno != EWOULDBLOCK) fail_call("lock", path, errno);
        fail("{}: in use by {}; wait until it has ended, or choose another directory", printable(directory),
             holder_of(path));
      }
      // The former holder may have removed this very file: then the lock means nothing.
      FileInfo ours, there;
      if (calls_.fstat(file.get(), ours) != 0) fail_call("look at", path, errno);
      if (calls_.stat(path, there) != 0 || ours.inode != there.inode || ours.device != there.device) continue;
      if (retry([&] { return calls_.ftruncate(file.get(), 0); }) != 0) fail_call("truncate", path, errno);
      write_all(calls_, file.get(), path, fmt::format("{}\n", ::getpid()));
      return std::make_unique<LockFile>(calls_, std::move(file), path);
    }
  }

 private:
  /// False if there is nothing; fails if it cannot be known.
  bool look(const std::string& path, FileInfo& info) {
    check_path(path);
    if (calls_.stat(path, info) == 0) return true;
    if (errno != ENOENT && errno != ENOTDIR) fail_call("look at", path, errno);
    return false;
  }

  /// The process that holds a lock file. It writes its id just after it has taken the lock.
  std::string holder_of(const std::string& path) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      try {
        const std::string text = read_whole(calls_, path, 64);
        if (!text.empty() && text.back() == '\n') return "process " + printable(text);
      } catch (const Error&) {
        break;  // it has just gone
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return "another process";
  }

  SystemCalls& calls_;
};

}  // namespace

std::unique_ptr<FileSystem> make_file_system(SystemCalls& calls) {
  return std::make_unique<CallsFileSystem>(calls);
}

FileSystem& posix_file_system() {
  static CallsFileSystem files(posix_calls());
  return files;
}

std::string read_file(const std::string& path, std::size_t max_bytes) {
  return read_whole(posix_calls(), path, max_bytes);
}

std::string read_given_file(const std::string& path) {
  if (path.empty()) usage_error("the path of a file is empty");
  FileInfo info;
  const int error = posix_calls().stat(path, info) == 0 ? 0 : errno;
  if (error == ENOENT || error == ENOTDIR) {
    std::error_code ignored;
    const std::string here = std::filesystem::current_path(ignored).string();
    const std::string where = path.front() == '/' ? "" : " (looked in " + here + ")";
    usage_error("{}: cannot open: {}{}", printable(path), std::generic_category().message(error), printable(where));
  }
  if (error == 0 && info.kind != FileKind::regular)
    usage_error("{}: expected a regular file, found {}", printable(path), name_of(info.kind));
  return read_file(path);
}

}  // namespace quarry
