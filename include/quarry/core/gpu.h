// SPDX-License-Identifier: MIT
// The only door to a GPU: memory, copies, launches, events and graphs of one device and one stream, every call checked.
//
// No CUDA header is needed to use it. Three implementations exist and the linker takes one:
//   src/core/gpu_cuda.cpp     the CUDA runtime
//   src/core/gpu_none.cpp     a build without CUDA: no device, and why
//   tests/simt/fake_gpu.cpp   kernels run thread by thread on the host, with faults on demand
//
// Everything below "queue" is asynchronous: it returns at once and happens in the order of the calls. There nothing but
// wait() and synchronize() blocks; allocate() does where memory is short, to get back what was released, and making and
// freeing pinned memory may. Memory is raw bytes without constructors; device memory must not be read on the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "quarry/core/error.h"

namespace quarry::gpu {

/// A call that the device refused. A sticky failure poisons the process: no later call can succeed, so the process
/// has to be replaced (src/cli/worker.h).
class Failure : public Error {
 public:
  Failure(int code, bool sticky, const std::string& message)
      : Error(ErrorKind::device, message), code_(code), sticky_(sticky) {}
  int code() const { return code_; }  ///< of the CUDA runtime
  bool sticky() const { return sticky_; }

 private:
  int code_;
  bool sticky_;
};

/// CUDA's number for "out of memory": the one failure that a planner can answer by using less.
inline constexpr int kOutOfMemory = 2;

struct DeviceInfo {
  int ordinal = 0;  ///< the runtime's own number: devices that cannot be used count
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  std::size_t memory = 0;    ///< bytes
  int multiprocessors = 0;
  std::size_t shared_per_block = 0;  ///< most shared memory of a block that opts in, static and dynamic
  std::size_t shared_per_multiprocessor = 0;
  int driver = 0, runtime = 0;  ///< versions, 1000 major + 10 minor
};

/// How many devices can be used: compute capability 8.0 or later. With 0, `why` (may be null) says why in one line and
/// what to do about it. Asked once a process; the first call starts the driver.
int device_count(std::string* why = nullptr);
/// Of one of them, 0 <= ordinal < device_count(): numbered in the runtime's order.
DeviceInfo device_info(int ordinal);

struct Extent {
  unsigned x = 1, y = 1, z = 1;
};

/// Made by pure functions of the problem (plan_mlp_fit and its like), so that they can be tested without a device.
struct LaunchShape {
  Extent grid, block;
  std::size_t shared_bytes = 0;  ///< dynamic
  bool cooperative = false;      ///< blocks may wait for each other (grid-wide barriers)
  unsigned cluster = 1;          ///< so many blocks along x may wait for each other and see each other's shared memory;
                                 ///< 1 to 8, divides grid.x; more than 1 needs compute capability 9.0
};

/// A launch on its way to the queue; made by gpu::launch in kernels/simt.h.
struct Launch {
  const char* name;
  LaunchShape shape;
  const void* function;              ///< nvcc: the kernel
  void** arguments;                  ///< nvcc: addresses of its arguments
  std::function<void()> run_blocks;  ///< host: runs every block
};

/// Calls so far, by kind: what "never blocks, never reads back inside a cycle" is checked by. What is recorded counts
/// once, at its recording. Pinned memory counts as an allocation.
struct Counters {
  std::int64_t allocations = 0, launches = 0, graph_launches = 0;
  std::int64_t copies_in = 0, copies_out = 0, copies_within = 0, fills = 0;
  std::int64_t bytes_in = 0, bytes_out = 0;
  std::int64_t blocking = 0;  ///< wait() and synchronize()
};

/// A place in the queue.
struct Mark {
  std::int64_t number = 0;
};

/// A recorded sequence of launches, copies and fills that runs as one; belongs to its session.
class Graph;

/// One device and one stream. Not thread safe; movable by unique_ptr.
class Session {
 public:
  /// Errors: device if there is no such device, Failure if it does not answer.
  explicit Session(int ordinal);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const DeviceInfo& device() const;
  const Counters& counters() const;
  std::size_t memory_in_use() const;  ///< bytes allocated by this session
  std::size_t memory_free() const;    ///< of the device, now

  // memory; use Buffer and Pinned below
  void* allocate(std::size_t bytes);
  void release(void* device) noexcept;
  void* allocate_pinned(std::size_t bytes);
  void release_pinned(void* host) noexcept;

  // queue
  void launch(const Launch& launch);
  void copy_in(void* device, const void* pinned, std::size_t bytes);   ///< the source must stay until it is reached
  void copy_out(void* pinned, const void* device, std::size_t bytes);  ///< the target is valid once it is reached
  void copy_within(void* to, const void* from, std::size_t bytes);
  void fill(void* device, unsigned char byte, std::size_t bytes);
  Mark mark();
  bool reached(Mark mark);  ///< never blocks. Error: Failure if the queue failed
  void wait(Mark mark);     ///< blocks the host until the mark is reached
  void synchronize();       ///< blocks the host until the queue is empty

  /// Records what `enqueue` puts in the queue, without running it. Launches, copies and fills alone: a check fails on
  /// an allocation, a mark, a wait or another recording inside. Memory released inside is freed afterwards. If
  /// `enqueue` throws, nothing is recorded and the session goes on.
  std::unique_ptr<Graph, void (*)(Graph*)> record(const std::function<void()>& enqueue);
  void run(const Graph& graph);

  /// Named range for profilers around what is enqueued until the matching call; costs nothing otherwise.
  void push_range(const char* name);
  void pop_range();
  /// Brackets what a profiler started with "-c cudaProfilerApi" records.
  void start_profile();
  void stop_profile();

  /// The cudaStream_t of the queue, for the libraries behind quarry/core/gpu_library.h alone; null where the device is
  /// none of CUDA's. Makes the session's device the current one of the calling thread, as every call above does.
  void* native_stream() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A range that ends with the scope.
class Range {
 public:
  Range(Session& session, const char* name) : session_(session) { session.push_range(name); }
  ~Range() { session_.pop_range(); }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;

 private:
  Session& session_;
};

/// Move-only owner of n elements on the device, uninitialised.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  Buffer(Session& session, std::size_t n)
      : session_(&session), data_(n == 0 ? nullptr : static_cast<T*>(session.allocate(n * sizeof(T)))), size_(n) {}
  Buffer(Buffer&& other) noexcept
      : session_(other.session_), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(session_, other.session_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) session_->release(data_);
  }
  T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  Session* session_ = nullptr;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Move-only owner of n elements of pinned host memory, uninitialised.
template <class T>
class Pinned {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Pinned() = default;
  Pinned(Session& session, std::size_t n)
      : session_(&session),
        data_(n == 0 ? nullptr : static_cast<T*>(session.allocate_pinned(n * sizeof(T)))),
        size_(n) {}
  Pinned(Pinned&& other) noexcept
      : session_(other.session_), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Pinned& operator=(Pinned&& other) noexcept {
    std::swap(session_, other.session_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Pinned() {
    if (data_ != nullptr) session_->release_pinned(data_);
  }
  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return data_[i]; }
  std::span<T> span() const { return {data_, size_}; }

 private:
  Session* session_ = nullptr;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// For set-up and tests: copies and waits. Never inside a cycle.
template <class T>
Buffer<T> upload(Session& session, std::span<const T> values) {
  Buffer<T> device(session, values.size());
  if (values.empty()) return device;
  Pinned<T> staged(session, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) staged[i] = values[i];
  session.copy_in(device.data(), staged.data(), values.size_bytes());
  session.synchronize();
  return device;
}
template <class T>
void download(Session& session, const T* device, std::span<T> out) {
  if (out.empty()) return;
  Pinned<T> staged(session, out.size());
  session.copy_out(staged.data(), device, out.size_bytes());
  session.synchronize();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = staged[i];
}

}  // namespace quarry::gpu
