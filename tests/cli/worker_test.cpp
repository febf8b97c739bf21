// SPDX-License-Identifier: MIT
// The process that replaces another one when a GPU fails: every decision by table, and real children by the shell.
#include "src/cli/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "quarry/core/error.h"
#include "src/study/failed_runs.h"
#include "tests/support/temp_dir.h"

namespace quarry::cli {
namespace {

using test::TempDir;
using testing::ElementsAreArray;
using testing::HasSubstr;

constexpr auto first = WorkerRole::first, takeover = WorkerRole::takeover, alone = WorkerRole::alone;
constexpr int K = kKernelFailed, L = kDeviceLost;

/// How one child ends, and what it got done.
struct Life {
  int exit_code;
  bool commits = false, leaves_out = false;
};

struct Story {
  const char* name;
  std::vector<Life> lives;
  std::vector<WorkerRole> roles;  ///< expected
  int exit_code;                  ///< expected; 3 = the supervisor gave up
};

TEST(Supervisor, DecidesByTable) {
  const Story stories[] = {
      {"done", {{0}}, {first}, 0},
      {"other errors are passed on", {{2}}, {first}, 2},
      {"no device from the start", {{3}}, {first}, 3},
      {"one failure", {{K}, {0}}, {first, takeover}, 0},
      {"failures with progress in between",
       {{K}, {K, true}, {K, true}, {K, true}, {0}},
       {first, takeover, takeover, takeover, takeover},
       0},
      {"no progress: alone, and it was chance", {{K}, {K}, {0}}, {first, takeover, alone}, 0},
      {"the culprit is left out",
       {{K, true}, {K}, {K, true}, {K, false, true}, {1}},
       {first, takeover, alone, alone, takeover},
       1},
      {"the culprit fails at once", {{K}, {K}, {K, false, true}, {1}}, {first, takeover, alone, takeover}, 1},
      {"two culprits",
       {{K}, {K}, {K, true, true}, {K}, {K}, {K, true, true}, {1}},
       {first, takeover, alone, takeover, takeover, alone, takeover},
       1},
      {"alone without a run to blame", {{K}, {K}, {K}}, {first, takeover, alone}, 3},
      {"three runs in a row: not the runs",
       {{K}, {K}, {K, false, true}, {K}, {K}, {K, false, true}, {K}, {K}, {K, false, true}},
       {first, takeover, alone, takeover, takeover, alone, takeover, takeover, alone},
       3},
      {"device lost once", {{L}, {0}}, {first, takeover}, 0},
      {"device lost three times", {{L}, {L}, {L}}, {first, takeover, takeover}, 3},
      {"device lost, with progress",
       {{L}, {L}, {L, true}, {L}, {0}},
       {first, takeover, takeover, takeover, takeover},
       0},
      {"lost twice, then a kernel", {{L}, {L}, {K}, {0}}, {first, takeover, takeover, alone}, 0},
  };
  for (const Story& story : stories) {
    SCOPED_TRACE(story.name);
    StudyState state;
    std::vector<WorkerRole> roles;
    std::vector<std::string> notes;
    const auto live = [&](WorkerRole role) -> ChildEnd {
      if (roles.size() == story.lives.size()) {
        ADD_FAILURE() << "one child too many";
        return {0, 0};
      }
      const Life& life = story.lives[roles.size()];
      roles.push_back(role);
      state.committed_bytes += life.commits ? 100 : 0;
      state.failed_runs += life.leaves_out;
      return {life.exit_code, 0};
    };
    Supervisor supervisor(
        {live, [&] { return state; }, [] { return false; }, [&](const std::string& note) { notes.push_back(note); }});
    int exit_code = 0;
    try {
      exit_code = supervisor.run().exit_code;
    } catch (const Error& error) {
      exit_code = error.exit_code();
      EXPECT_THAT(error.what(), HasSubstr("the same command continues"));
    }
    EXPECT_EQ(exit_code, story.exit_code);
    EXPECT_THAT(roles, ElementsAreArray(story.roles));
    EXPECT_EQ(notes.size(), story.roles.size() - 1);
  }
}

TEST(Supervisor, RunsThatFailedBeforeAreNotThisStudysFailures) {
  StudyState state{0, 2};
  int lives = 0;
  Supervisor supervisor({[&](WorkerRole) -> ChildEnd {
                           state.failed_runs = 0;  // the first child forgets them
                           return {lives++ < 2 ? K : 0, 0};
                         },
                         [&] { return state; }, [] { return false; }, [](const std::string&) {}});
  EXPECT_EQ(supervisor.run().exit_code, 0);
  EXPECT_EQ(lives, 3);
}

TEST(Supervisor, AStopIsNotFollowedByAnotherChild) {
  int lives = 0;
  Supervisor supervisor({[&](WorkerRole) -> ChildEnd {
                           ++lives;
                           return {K, 0};
                         },
                         [] { return StudyState{}; }, [] { return true; }, [](const std::string&) {}});
  EXPECT_EQ(supervisor.run().exit_code, K);
  EXPECT_EQ(lives, 1);
}

TEST(Worker, StateIsReadFromTheStudysFolder) {
  const TempDir folder;
  EXPECT_EQ(study_state(folder / "none").committed_bytes, 0u);
  std::filesystem::create_directories(folder / "runs/a");
  std::filesystem::create_directories(folder / "runs/b");
  std::filesystem::create_directories(folder / "runs/c");
  folder.write("runs/a/journal.jsonl", "12345");
  folder.write("runs/b/journal.jsonl", "678");
  EXPECT_EQ(study_state(folder.path()).committed_bytes, 8u);
  EXPECT_EQ(study_state(folder.path()).failed_runs, 0u);
  add_failed_run(posix_file_system(), folder.path(), "c", "reason: with colon\nand more");
  add_failed_run(posix_file_system(), folder.path(), "a", "other\x1b");
  EXPECT_EQ(study_state(folder.path()).failed_runs, 2u);
  EXPECT_THAT(read_failed_runs(posix_file_system(), folder.path()), testing::ElementsAre("c", "a"));
  EXPECT_THAT(test::slurp(folder / "failed_runs.txt"), testing::StartsWith("c: reason: with colon\na: other"));
  forget_failed_runs(posix_file_system(), folder.path());
  EXPECT_EQ(study_state(folder.path()).failed_runs, 0u);
}

ChildEnd shell(const std::string& script, WorkerRole role = first) {
  WorkerProcess worker("/bin/sh", {"sh", "-c", script});
  return worker.run(role);
}

TEST(Worker, ChildrenKnowTheirRoleAndTellTheirEnd) {
  EXPECT_EQ(shell("test $QUARRY_WORKER = first || exit 9").exit_code, 0);
  EXPECT_EQ(shell("test $QUARRY_WORKER = alone || exit 9; exit 75", alone).exit_code, 75);
  const ChildEnd killed = shell("kill -SEGV $$");
  EXPECT_EQ(killed.signal, SIGSEGV);
  EXPECT_THROW(WorkerProcess("/no/such/program", {"x"}).run(first), Error);
}

TEST(Worker, RolesAreReadBack) {
  ::unsetenv("QUARRY_WORKER");
  EXPECT_FALSE(worker_role());
  ::setenv("QUARRY_WORKER", "takeover", 1);
  EXPECT_EQ(worker_role(), takeover);
  ::setenv("QUARRY_WORKER", "boss", 1);
  EXPECT_THROW(worker_role(), Error);
  ::unsetenv("QUARRY_WORKER");
}

/// Sends this process a signal once the child has written a file.
std::thread signal_when(const std::string& path, int signal) {
  return std::thread([=] {
    while (!std::filesystem::exists(path)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::kill(::getpid(), signal);
  });
}

TEST(Worker, SignalsReachTheChildAlone) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const TempDir folder;
    const std::string ready = folder / "ready";
    WorkerProcess worker(
        "/bin/sh",
        {"sh", "-c", "trap 'exit 40' INT; trap 'exit 41' TERM; : > " + ready + "; while :; do sleep 0.01; done"});
    std::thread sender = signal_when(ready, signal);
    const ChildEnd end = worker.run(first);
    sender.join();
    EXPECT_EQ(end.exit_code, signal == SIGINT ? 40 : 41);
    EXPECT_EQ(worker.stop_signal(), signal);
    EXPECT_EQ(worker.run(takeover).signal, signal) << "a child was started after the stop";
  }
}

}  // namespace
}  // namespace quarry::cli
