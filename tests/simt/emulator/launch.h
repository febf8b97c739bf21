// SPDX-License-Identifier: MIT
// The state of a launch that runs: threads, warps and blocks. Of the emulator's own .cpp files only: they are compiled
// without ThreadSanitizer, and what they share with instrumented code must not look like an access of a CUDA thread.
#pragma once

#include <memory>
#include <vector>

#include "tests/simt/emulator/executor.h"
#include "tests/simt/emulator/fiber.h"
#include "tests/simt/emulator/shared_memory.h"

namespace simt {

enum class State : unsigned char { ready, at_warp, at_block, at_cluster, at_grid, done };

struct Block;

/// The vectors hold types of the emulator, so that no instrumented instance of their functions can be linked instead.
struct GroupEnd {
  std::size_t copies;  ///< up to the end of the closed group
};
struct PendingCopies {
  std::vector<AsyncCopy> copies;  ///< oldest first
  std::vector<GroupEnd> group_ends;
  std::size_t taken = 0;  ///< copies that were handed out
};

struct Thread {
  Position position;
  Fiber fiber;
  Block* block = nullptr;
  unsigned number = 0;  ///< in the block
  std::size_t bit = 0;  ///< in Launch::ready
  State state = State::done;
  Site site{};  ///< where it waits
  const char* waits_in = "";
  WarpCall* call = nullptr;  ///< at_warp
  PendingCopies pending;
};

/// Threads that have come to a barrier. Two generations of everything that is read after it: the fast threads may come
/// to the next one before the slow ones have left.
struct Barrier {
  unsigned arrived = 0;
  unsigned generation = 0;
  Site site{};
  int votes = 0;
  int result[2] = {0, 0};
  char ordering[2] = {0, 0};  ///< addresses for ThreadSanitizer
};

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kOrderings = 64;

struct Warp {
  char ordering[kOrderings] = {};
  unsigned next_ordering = 0;
};

/// A slot in which one block runs after another.
struct Block {
  std::unique_ptr<Thread[]> threads;
  std::unique_ptr<Warp[]> warps;
  Barrier barrier;
  SharedMemory shared;
  unsigned running = 0;  ///< threads that have not ended
  std::size_t number = 0;
  char begin = 0;  ///< address for ThreadSanitizer: what was before the launch, before every thread
};

struct Launch {
  const char* name = "";
  const quarry::gpu::LaunchShape* shape = nullptr;
  void (*body)(const void*) = nullptr;
  const void* context = nullptr;
  Options options;
  unsigned threads_per_block = 0;
  std::size_t n_blocks = 0;
  std::unique_ptr<Block[]> slots;
  std::size_t n_slots = 0;
  std::unique_ptr<std::uint64_t[]> ready;  ///< one bit per thread of every slot
  std::size_t ready_words = 0;
  Barrier grid;
  std::unique_ptr<Barrier[]> clusters;
  std::uint64_t random = 0;
  char end = 0;               ///< address for ThreadSanitizer: every thread before what follows the launch
  char fence = 0;             ///< the same for __threadfence
  char error[1024] = "";      ///< of the first fault
  Fiber* host = nullptr;      ///< the OS thread's own stack
  Thread* current = nullptr;  ///< null on the host's stack

  /// All blocks run side by side: those that may wait for each other must.
  bool at_once() const { return shape->cooperative || shape->cluster > 1; }
  std::size_t cluster_of(const Block& block) const { return block.number / shape->cluster; }
};
extern constinit thread_local Launch* launch;

std::uint64_t next_random(std::uint64_t& state);
void set_ready(Thread& thread);
/// Runs others until this thread is ready again.
void wait_as(State state, const char* name, Site site);
Thread& running_thread(const char* what);

}  // namespace simt
