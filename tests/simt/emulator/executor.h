// SPDX-License-Identifier: MIT
// Runs the threads of a kernel launch as fibers of the calling OS thread, one at a time, in an order that can be
// chosen. A thread runs until it waits for others (barrier, warp intrinsic) or ends; under a random schedule atomics
// are such places too. The same options give the same order.
//
// Under ThreadSanitizer every CUDA thread is a thread of its own, and only barriers, __syncwarp, __threadfence
// and the ends of the launch order memory: a race is found whatever the schedule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>

#include "quarry/core/gpu.h"
#include "tests/simt/emulator/vector_types.h"

namespace simt {

/// A fault of a kernel or a launch: what, and where (file:line, block, thread). The text lives in the exception, so
/// that MemorySanitizer sees every byte of it written.
class Error : public std::exception {
 public:
  explicit Error(const char* text);
  const char* what() const noexcept override { return text_; }

 private:
  char text_[1024];
};

enum class Schedule { forward, reverse, random };

struct Options {
  Schedule schedule = Schedule::forward;
  std::uint64_t seed = 1;                ///< random
  std::size_t most_dynamic = 99 * 1024;  ///< shared memory of a block, static and dynamic, in bytes
  static constexpr std::size_t kMostStatic = 48 * 1024;
};
/// Of the calling OS thread; read at the start of each launch.
Options& options();

/// A place in a source file.
struct Site {
  const char* file;
  int line;
};

// What the intrinsics in the other headers are made of.

/// What one lane brings to a warp intrinsic. Lives on the lane's stack until every lane of the mask has come; the last
/// one calls `combine` with the calls of all lanes (null outside the mask), which fills in the results.
struct WarpCall {
  const char* name;
  void (*combine)(WarpCall* const* lanes);
  unsigned mask;
  std::uint64_t value;  ///< operand
  unsigned source;      ///< shuffles: lane, distance or lane mask
  unsigned width;       ///< shuffles
  std::uint64_t result;
  Site site;
  unsigned lane;   ///< set by warp_call
  void* ordering;  ///< set by warp_call; __syncwarp alone orders memory
};
void warp_call(WarpCall& call);

enum class Vote { none, all, any, count };
int block_barrier(const char* name, Vote vote, bool ballot, Site site);
void grid_barrier(Site site);
void cluster_barrier(Site site);
unsigned cluster_rank(Site site);
/// Where block `rank` of the cluster has the shared memory that is at `mine` in this block.
void* cluster_shared(const void* mine, unsigned rank, Site site);
void fence();

/// Under a random schedule another thread may run here.
void maybe_yield();

/// This thread's copies of cp.async that have not been waited for.
struct AsyncCopy {
  void* to;
  const void* from;
  unsigned bytes;
};
void async_begin(const AsyncCopy& copy, Site site);
void async_close();
/// The next copy of all groups but the newest `groups`; false when there is none.
bool async_next(unsigned groups, AsyncCopy& copy);

/// The block's array of this declaration; `key` tells declarations apart.
void* shared_array(const void* key, const char* name, std::size_t bytes, std::size_t alignment, Site site);
void* dynamic_shared(Site site);

[[noreturn]] void fault(Site site, const char* format, ...) __attribute__((format(printf, 2, 3)));

struct Position {
  uint3 thread, block;
  dim3 block_dim, grid_dim;
};
extern constinit thread_local const Position* position;  ///< of the running CUDA thread

/// Runs a launch to its end. `body` is called once per thread with `context`.
void execute(const char* name, const quarry::gpu::LaunchShape& shape, void (*body)(const void*), const void* context);

}  // namespace simt
