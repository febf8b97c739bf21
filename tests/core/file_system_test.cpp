// SPDX-License-Identifier: MIT
#include "quarry/core/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>

#include "quarry/core/error.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::FaultyFileSystem;
using test::ProcessEnded;
using test::TempDir;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// The same behaviour is expected of the machine's files and of the simulated disk.
class AnyFileSystem : public testing::TestWithParam<bool> {
 protected:
  FileSystem& files() { return GetParam() ? posix_file_system() : simulated_; }
  std::string root() {
    if (GetParam()) return directory_.path();
    simulated_.make_directories("/root");
    return "/root";
  }

 private:
  FaultyFileSystem simulated_;
  TempDir directory_;
};

INSTANTIATE_TEST_SUITE_P(FileSystems, AnyFileSystem, testing::Values(true, false),
                         [](const auto& kind) { return kind.param ? "Posix" : "Simulated"; });

TEST_P(AnyFileSystem, AppendsAcrossOpenings) {
  const std::string path = root() + "/journal";
  EXPECT_FALSE(files().exists(path));
  for (const char* word : {"one ", "two ", "three"}) {
    const auto file = files().append(path);
    file->write(word);
    file->write("");
    file->sync();
  }
  EXPECT_EQ(files().read(path), "one two three");
  files().truncate(path, 5);
  EXPECT_EQ(files().read(path), "one t");
  files().append(path)->write("!");
  EXPECT_EQ(files().read(path), "one t!");
  files().remove(path);
  EXPECT_FALSE(files().exists(path));
}

TEST_P(AnyFileSystem, WritesAtomicallyAndLeavesNoPart) {
  const std::string path = root() + "/results.csv";
  files().write_atomically(path, "old");
  const std::string bytes = std::string(300000, 'x') + std::string(1, '\0');
  files().write_atomically(path, bytes);
  EXPECT_EQ(files().read(path), bytes);
  EXPECT_THAT(files().list(root()), ElementsAre("results.csv"));
}

TEST_P(AnyFileSystem, MakesDirectoriesAndLists) {
  const std::string deep = root() + "/a/b/c";
  files().make_directories(deep);
  files().make_directories(deep);
  EXPECT_TRUE(files().is_directory(deep));
  files().write_atomically(root() + "/z", "");
  files().write_atomically(root() + "/B", "");
  EXPECT_FALSE(files().is_directory(root() + "/z"));
  EXPECT_THAT(files().list(root()), ElementsAre("B", "a", "z"));
  EXPECT_THAT(error_of([&] { files().make_directories(root() + "/z"); }),
              AllOf(HasSubstr(root() + "/z"), HasSubstr("expected a directory, found a regular file")));
}

TEST_P(AnyFileSystem, ErrorsNameThePath) {
  const std::string missing = root() + "/missing/file";
  for (const auto& action : std::vector<std::function<void()>>{
           [&] { files().read(missing); }, [&] { files().append(missing); }, [&] { files().truncate(missing, 0); },
           [&] { files().remove(missing); }, [&] { files().write_atomically(missing, "x"); },
           [&] { files().list(missing); }}) {
    EXPECT_THAT(error_of(action), AllOf(HasSubstr(missing), HasSubstr("No such file or directory")));
  }
  EXPECT_THAT(error_of([&] { files().read(root()); }), HasSubstr("expected a regular file, found a directory"));
  EXPECT_THAT(error_of([&] { files().read(""); }), HasSubstr("empty"));
  EXPECT_THAT(error_of([&] { files().append(root() + std::string("/a\0b", 4)); }), HasSubstr("zero byte"));
  files().write_atomically(root() + "/large", std::string(1001, 'x'));
  EXPECT_THAT(error_of([&] { files().read(root() + "/large", 1000); }),
              AllOf(HasSubstr("/large"), HasSubstr("1001"), HasSubstr("1000")));
  EXPECT_EQ(files().read(root() + "/large", 1001).size(), 1001u);
}

TEST_P(AnyFileSystem, SecondLockIsRefusedNamingTheHolder) {
  auto held = files().lock(root());
  EXPECT_THAT(error_of([&] { files().lock(root()); }),
              AllOf(HasSubstr(root()), HasSubstr("in use by process " + std::to_string(::getpid()))));
  held.reset();
  EXPECT_THAT(files().list(root()), ElementsAre());
  held = files().lock(root());
}

// A killed holder leaves its lock file behind, but not its lock.
TEST_P(AnyFileSystem, LeftOverLockFileIsTakenOver) {
  files().append(root() + "/.lock")->write("123456789\n");
  const auto held = files().lock(root());
  EXPECT_EQ(files().read(root() + "/.lock"), std::to_string(::getpid()) + "\n");
}

// ---- the machine's own files ----

int exit_status_of_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(PosixFiles, LockOfAKilledProcessIsFree) {
  const TempDir directory;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = posix_file_system().lock(directory.path());
    [[maybe_unused]] const auto n = ::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(error_of([&] { posix_file_system().lock(directory.path()); }),
              HasSubstr("in use by process " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto lock = posix_file_system().lock(directory.path());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(PosixFiles, RefusesWhatIsNotARegularFile) {
  const TempDir directory;
  const std::string fifo = directory / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { read_file(fifo); }), HasSubstr("found a named pipe"));
  EXPECT_NE(error_of([&] { posix_file_system().append(fifo); }), "");
  EXPECT_THAT(error_of([&] { read_file("/dev/zero"); }), HasSubstr("found a device"));
  EXPECT_THAT(error_of([&] { read_file(directory.path()); }), HasSubstr("found a directory"));

  const int file = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (directory / "socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(file, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_THAT(error_of([&] { read_file(directory / "socket"); }), HasSubstr("found a socket"));
  ::close(file);
}

TEST(PosixFiles, ReadFileFollowsLinksAndReadsFilesWithoutASize) {
  const TempDir directory;
  const std::string target = directory.write("target", "text"), link = directory / "link";
  ASSERT_EQ(::symlink(target.c_str(), link.c_str()), 0);
  EXPECT_EQ(read_file(link), "text");
  EXPECT_THAT(error_of([&] { posix_file_system().append(link); }), HasSubstr("symbolic link"));
  EXPECT_THAT(read_file("/proc/self/status"), HasSubstr("Pid:"));
  EXPECT_THAT(error_of([] { read_file("/proc/self/status", 10); }), HasSubstr("at most 10"));
}

// A real short write: the kernel stops at the size limit, and the next write fails.
TEST(PosixFiles, SizeLimitIsAnErrorAndLeavesNoPart) {
  const TempDir directory;
  const int status = exit_status_of_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 10;
    const std::string atomic =
        error_of([&] { posix_file_system().write_atomically(directory / "atomic", std::string(1500, 'x')); });
    if (atomic.find("atomic.part: cannot write: File too large") == std::string::npos) return 11;
    if (!posix_file_system().list(directory.path()).empty()) return 12;
    const auto file = posix_file_system().append(directory / "appended");
    const std::string appended = error_of([&] { file->write(std::string(1500, 'x')); });
    if (appended.find("appended: cannot write: File too large") == std::string::npos) return 13;
    return posix_file_system().read(directory / "appended").size() == 1000 ? 0 : 14;
  });
  EXPECT_EQ(status, 0);
}

// ---- faults ----

/// Runs `work` with every single call failing in turn, until the plan lies beyond the last call.
void for_every_failing_call(int error, bool half_done, const std::function<void(FaultyFileSystem&)>& prepare,
                            const std::function<void(FaultyFileSystem&)>& work,
                            const std::function<void(FaultyFileSystem&, bool failed)>& check) {
  for (std::int64_t n = 1;; ++n) {
    ASSERT_LT(n, 1000);
    FaultyFileSystem files;
    prepare(files);
    files.disk().fail_at(n, error, half_done);
    const std::string message = error_of([&] { work(files); });
    const bool faulted = files.disk().faulted();
    files.disk().clear_faults();
    check(files, !message.empty());
    if (!faulted) {
      EXPECT_GT(n, 3) << "the plan was never met";
      EXPECT_EQ(message, "");
      return;
    }
  }
}

TEST(Faults, AFailedAtomicWriteKeepsTheOldFileAndSaysWhy) {
  for (const int error : {ENOSPC, EIO}) {
    for (const bool half_done : {false, true}) {
      for_every_failing_call(
          error, half_done, [](FaultyFileSystem& files) { files.disk().put("/d/f", "old"); },
          [](FaultyFileSystem& files) { files.write_atomically("/d/f", "the new text"); },
          [](FaultyFileSystem& files, bool failed) {
            const std::string now = files.read("/d/f");
            // The sync of the directory comes last: when it fails the new text is there, but not known to be durable.
            if (failed) {
              EXPECT_TRUE(now == "old" || now == "the new text") << now;
            } else {
              EXPECT_EQ(now, "the new text");
            }
            EXPECT_EQ(files.disk().files().size(), 1u) << "a part was left";
          });
    }
  }
}

TEST(Faults, MessagesSayWhereWhyAndWhatToDo) {
  FaultyFileSystem files;
  files.disk().put("/d/f", "old");
  files.disk().fill_at(1);
  EXPECT_THAT(error_of([&] { files.write_atomically("/d/f", "new"); }),
              AllOf(HasSubstr("/d/f.part"), HasSubstr("No space left on device"), HasSubstr("free some space")));
  EXPECT_THAT(error_of([&] { files.append("/d/g"); }), AllOf(HasSubstr("/d/g"), HasSubstr("No space left")));
  EXPECT_THAT(error_of([&] { files.append("/d/f")->write("more"); }), HasSubstr("/d/f: cannot write: No space left"));
  EXPECT_THAT(error_of([&] { files.make_directories("/x"); }), HasSubstr("/x"));
}

TEST(Faults, ShortWritesAndInterruptionsAreInvisible) {
  FaultyFileSystem files;
  files.disk().be_slow(3);
  files.make_directories("/d/e");
  const auto lock = files.lock("/d/e");
  files.write_atomically("/d/e/f", "a text of more than three bytes");
  const auto file = files.append("/d/e/g");
  file->write("another such text");
  file->sync();
  files.truncate("/d/e/g", 9);
  EXPECT_EQ(files.read("/d/e/f"), "a text of more than three bytes");
  EXPECT_EQ(files.read("/d/e/g"), "another s");
}

TEST(Faults, AnAtomicWriteIsOldOrNewWhereverTheProcessEndsAndWhateverTheDiskKeeps) {
  bool saw_old = false, saw_new = false;
  for (std::int64_t n = 1;; ++n) {
    bool done = false;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      FaultyFileSystem files;
      files.disk().put("/d/f", "old text");
      files.disk().end_at(n);
      try {
        files.write_atomically("/d/f", "new");
        done = true;
      } catch (const ProcessEnded&) {
      }
      files.disk().restart_after_power_cut(seed);
      const std::string now = files.read("/d/f");
      ASSERT_TRUE(now == "new" || (now == "old text" && !done)) << now << " at call " << n;
      (now == "new" ? saw_new : saw_old) = true;
    }
    if (done) break;
  }
  EXPECT_TRUE(saw_old && saw_new);
}

TEST(Faults, NewDirectoriesAndFilesSurviveAPowerCut) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    FaultyFileSystem files;
    files.make_directories("/a/b");
    const auto file = files.append("/a/b/f");
    file->write("kept");
    file->sync();
    files.disk().restart_after_power_cut(seed);
    ASSERT_EQ(files.read("/a/b/f"), "kept");
  }
}

// The simulation itself must catch a program that forgets to sync.
TEST(SimulatedDisk, CatchesMissingSyncs) {
  const auto lost = [](bool forget) {
    int count = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      FaultyFileSystem files;
      files.disk().put("/d/f", "old");
      files.disk().ignore_syncs(forget);
      files.write_atomically("/d/f", "the new text");
      files.disk().restart_after_power_cut(seed);
      count += files.read("/d/f") != "the new text";
    }
    return count;
  };
  EXPECT_EQ(lost(false), 0);
  EXPECT_GT(lost(true), 50);
}

TEST(SimulatedDisk, UnsyncedWritesAreLostKeptCutGarbledAndReordered) {
  int lost = 0, kept = 0, reordered = 0, garbled = 0, shorter = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    FaultyFileSystem files;
    const auto file = files.append("/f");
    file->write("synced.");
    file->sync();
    file->write("aaaa");
    file->write("bbbb");
    files.disk().restart_after_power_cut(seed);
    const std::string now = files.read("/f");
    ASSERT_EQ(now.substr(0, 7), "synced.");
    const std::string rest = now.substr(7);
    lost += rest.empty();
    kept += rest == "aaaabbbb";
    shorter += rest == "a" || rest == "aa" || rest == "aaa";
    reordered += rest == std::string(4, '\0') + "bbbb";
    garbled += rest.find_first_not_of(std::string("ab\0", 3)) != std::string::npos;
  }
  EXPECT_GT(lost, 0);
  EXPECT_GT(kept, 0);
  EXPECT_GT(shorter, 0);
  EXPECT_GT(reordered, 0);
  EXPECT_GT(garbled, 0);
}

TEST(SimulatedDisk, AKillKeepsUnsyncedWritesAndFreesLocks) {
  FaultyFileSystem files;
  files.make_directories("/d");
  files.disk().end_at(1000);
  auto lock = files.lock("/d");
  const auto file = files.append("/d/f");
  file->write("not synced");
  files.disk().end_at(1);
  EXPECT_THROW(file->sync(), ProcessEnded);
  EXPECT_THROW(files.append("/d/f"), ProcessEnded);
  lock.reset();  // a destructor of the dead process changes nothing
  files.disk().restart_after_kill();
  EXPECT_TRUE(files.exists("/d/.lock"));
  EXPECT_NE(files.lock("/d"), nullptr);
  EXPECT_EQ(files.read("/d/f"), "not synced");
  EXPECT_THROW(file->write("x"), Error) << "files of the old process are closed";
}

TEST(SimulatedDisk, AnEndedWriteHasDoneHalf) {
  FaultyFileSystem files;
  const auto file = files.append("/f");
  files.disk().end_at(1);
  EXPECT_THROW(file->write("0123456789"), ProcessEnded);
  files.disk().restart_after_kill();
  EXPECT_EQ(files.read("/f"), "01234");
}

}  // namespace
}  // namespace quarry
