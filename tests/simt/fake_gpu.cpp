// SPDX-License-Identifier: MIT
#include "tests/simt/fake_gpu.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <new>
#include <vector>

#include "src/core/device_failure.h"
#include "src/core/gpu_launch_check.h"
#include "src/core/gpu_recent.h"
#include "tests/simt/emulator/executor.h"
#include "tests/simt/emulator/sanitizer.h"

namespace quarry::gpu {
namespace {

/// Names and texts of the runtime for the codes that tests use.
RuntimeError error_of(int code) {
  constexpr RuntimeError kErrors[] = {
      {1, "cudaErrorInvalidValue", "invalid argument"},
      {2, "cudaErrorMemoryAllocation", "out of memory"},
      {35, "cudaErrorInsufficientDriver", "CUDA driver version is insufficient for CUDA runtime version"},
      {46, "cudaErrorDevicesUnavailable", "CUDA-capable device(s) is/are busy or unavailable"},
      {100, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
      {101, "cudaErrorInvalidDevice", "invalid device ordinal"},
      {214, "cudaErrorECCUncorrectable", "uncorrectable ECC error encountered"},
      {226, "cudaErrorContained", "Invalid access of peer GPU memory over nvlink or a hardware error"},
      {700, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
      {702, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
      {719, "cudaErrorLaunchFailure", "unspecified launch failure"},
      {900, "cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"},
  };
  for (const RuntimeError& error : kErrors)
    if (error.code == code) return error;
  return {code, "cudaErrorUnknown", "unknown error"};
}

[[noreturn]] void throw_failure(const char* call, int code) {
  throw failure_of(error_of(code), call, recent_launches().text());
}

/// Every call passes here first.
void enter(const char* call) {
  FakeGpu& gpu = fake_gpu();
  ++gpu.calls;
  int code = gpu.sticky;
  if (code == 0 && gpu.calls == gpu.fail_call) code = gpu.fail_code;
  if (code == 0) return;
  if (is_sticky(code)) gpu.sticky = code;
  throw_failure(call, code);
}

/// Allocations. There are few, and an array of them needs nothing of the C++ library that MSan cannot see into.
class Memory {
 public:
  ~Memory() {
    for (const Block& block : blocks_) std::free(block.data);
  }
  void* take(std::size_t bytes) {
    void* data = nullptr;
    if (posix_memalign(&data, 256, bytes) != 0) throw std::bad_alloc();
    simt::poison(data, bytes);
    blocks_.push_back({data, bytes});
    return data;
  }
  /// Bytes at an address; 0 if it is none of them.
  std::size_t size(const void* data) const {
    for (const Block& block : blocks_)
      if (block.data == data) return block.bytes;
    return 0;
  }
  /// Bytes given back; 0 for an address that is none of them.
  std::size_t give(void* data) {
    for (Block& block : blocks_) {
      if (block.data != data) continue;
      const std::size_t bytes = block.bytes;
      block = blocks_.back();
      blocks_.pop_back();
      std::free(data);
      return bytes;
    }
    return 0;
  }
  bool holds(const void* data, std::size_t bytes) const {
    const auto address = reinterpret_cast<std::uintptr_t>(data);
    for (const Block& block : blocks_) {
      const auto start = reinterpret_cast<std::uintptr_t>(block.data);
      if (address >= start && address + bytes <= start + block.bytes) return true;
    }
    return false;
  }

 private:
  struct Block {
    void* data;
    std::size_t bytes;
  };
  std::vector<Block> blocks_;
};

}  // namespace

FakeGpu& fake_gpu() {
  static FakeGpu gpu = [] {
    FakeGpu fresh;
    fresh.reset();
    return fresh;
  }();
  return gpu;
}

void FakeGpu::reset() {
  *this = FakeGpu{};
  info.name = "host threads";
  info.major = 9;
  info.minor = 0;
  info.memory = std::size_t{1} << 30;
  info.multiprocessors = 4;
  info.shared_per_block = 227 * 1024;
  info.shared_per_multiprocessor = 228 * 1024;
  info.driver = info.runtime = 13000;
}

int device_count(std::string* why) {
  const FakeGpu& gpu = fake_gpu();
  if (gpu.devices == 0 && why != nullptr) *why = gpu.why;
  return gpu.devices;
}

DeviceInfo device_info(int ordinal) {
  enter("device_info");
  if (ordinal < 0 || ordinal >= fake_gpu().devices) throw_failure("device_info", 101);
  DeviceInfo info = fake_gpu().info;
  info.ordinal = ordinal;
  return info;
}

namespace {
struct Work {
  std::function<void()> run;
  bool counts;  ///< launches, copies and fills
};
}  // namespace

class Graph {
 public:
  std::vector<Work> work;
};

struct Session::Impl {
  DeviceInfo info;
  Counters counters;
  Memory device, pinned;
  std::size_t in_use = 0, leaving = 0;  ///< bytes; of those released, what the queue has not got to
  std::deque<Work> queue;
  std::int64_t queued = 0, done = 0;  ///< pieces of work so far
  Graph* recording = nullptr;
  int ranges = 0;
  std::int64_t held = 0;  ///< allocations that nobody has released

  void enqueue(std::function<void()> run, bool counts = true) {
    if (recording != nullptr) {
      recording->work.push_back({std::move(run), counts});
      return;
    }
    queue.push_back({std::move(run), counts});
    ++queued;
  }

  void run_one() {
    Work next = std::move(queue.front());
    queue.pop_front();
    ++done;
    FakeGpu& gpu = fake_gpu();
    if (gpu.sticky != 0) return;  // a poisoned device runs nothing
    if (next.counts && ++gpu.work == gpu.fail_work) {
      if (gpu.at_work == nullptr) {
        gpu.sticky = gpu.fail_code;
        return;
      }
      gpu.at_work();
    }
    next.run();
  }

  void run_until(std::int64_t number, const char* call) {
    while (done < number) run_one();
    if (fake_gpu().sticky != 0) throw_failure(call, fake_gpu().sticky);
  }

  void forbid_recording(const char* call) const {
    if (recording != nullptr) throw_failure(call, 900);
  }
  void need_device(const void* data, std::size_t bytes, const char* what) const {
    if (!device.holds(data, bytes))
      simt::fault({}, "%s: %zu bytes are not inside one allocation on the device", what, bytes);
  }
  void need_pinned(const void* data, std::size_t bytes, const char* what) const {
    if (!pinned.holds(data, bytes)) simt::fault({}, "%s: %zu bytes are not inside one pinned allocation", what, bytes);
  }
};

Session::Session(int ordinal) : impl_(std::make_unique<Impl>()) {
  enter("Session");
  if (ordinal < 0 || ordinal >= fake_gpu().devices) throw_failure("Session", 101);
  impl_->info = fake_gpu().info;
  impl_->info.ordinal = ordinal;
}
Session::~Session() {
  fake_gpu().leaked += impl_->held;
  fake_gpu().in_use -= std::min(fake_gpu().in_use, impl_->in_use + impl_->leaving);
}

const DeviceInfo& Session::device() const {
  return impl_->info;
}
const Counters& Session::counters() const {
  return impl_->counters;
}
std::size_t Session::memory_in_use() const {
  return impl_->in_use;
}
std::size_t Session::memory_free() const {
  return impl_->info.memory - std::min(impl_->info.memory, fake_gpu().in_use);
}

void* Session::allocate(std::size_t bytes) {
  enter("allocate");
  impl_->forbid_recording("allocate");
  // Memory comes in the order of the queue: what has been released by then is there.
  if (bytes > memory_free() + impl_->leaving) throw_failure("allocate", kOutOfMemory);
  void* data = impl_->device.take(bytes);
  ++impl_->counters.allocations;
  ++impl_->held;
  impl_->in_use += bytes;
  fake_gpu().in_use += bytes;
  return data;
}

/// In the order of the queue: work that was queued before may still use the memory.
void Session::release(void* device) noexcept {
  if (device == nullptr) return;
  Impl* impl = impl_.get();
  --impl->held;
  const std::size_t size = impl->device.size(device);
  impl->in_use -= size;
  impl->leaving += size;
  impl->queue.push_back({[impl, device] {
                           const std::size_t bytes = impl->device.give(device);
                           impl->leaving -= bytes;
                           fake_gpu().in_use -= std::min(fake_gpu().in_use, bytes);
                         },
                         false});
  ++impl->queued;
}

void* Session::allocate_pinned(std::size_t bytes) {
  enter("allocate_pinned");
  impl_->forbid_recording("allocate_pinned");
  ++impl_->counters.allocations;
  void* host = impl_->pinned.take(bytes);
  ++impl_->held;
  return host;
}
void Session::release_pinned(void* host) noexcept {
  impl_->held -= impl_->pinned.give(host) > 0;
}

void Session::launch(const Launch& launch) {
  enter(launch.name);
  check_cluster(launch, impl_->info);
  recent_launches().add(launch.name);
  ++impl_->counters.launches;
  const std::size_t most = impl_->info.shared_per_block;
  impl_->enqueue([run = launch.run_blocks, most] {
    simt::options().most_dynamic = most;
    run();
  });
}

void Session::copy_in(void* device, const void* pinned, std::size_t bytes) {
  enter("copy_in");
  ++impl_->counters.copies_in;
  impl_->counters.bytes_in += static_cast<std::int64_t>(bytes);
  impl_->enqueue([impl = impl_.get(), device, pinned, bytes] {
    impl->need_device(device, bytes, "copy_in");
    impl->need_pinned(pinned, bytes, "copy_in");
    std::memcpy(device, pinned, bytes);
  });
}
void Session::copy_out(void* pinned, const void* device, std::size_t bytes) {
  enter("copy_out");
  ++impl_->counters.copies_out;
  impl_->counters.bytes_out += static_cast<std::int64_t>(bytes);
  ++fake_gpu().copies_out;
  fake_gpu().bytes_out += static_cast<std::int64_t>(bytes);
  impl_->enqueue([impl = impl_.get(), device, pinned, bytes] {
    impl->need_device(device, bytes, "copy_out");
    impl->need_pinned(pinned, bytes, "copy_out");
    std::memcpy(pinned, device, bytes);
  });
}
void Session::copy_within(void* to, const void* from, std::size_t bytes) {
  enter("copy_within");
  ++impl_->counters.copies_within;
  impl_->enqueue([impl = impl_.get(), to, from, bytes] {
    impl->need_device(to, bytes, "copy_within");
    impl->need_device(from, bytes, "copy_within");
    std::memcpy(to, from, bytes);
  });
}
void Session::fill(void* device, unsigned char byte, std::size_t bytes) {
  enter("fill");
  ++impl_->counters.fills;
  impl_->enqueue([impl = impl_.get(), device, byte, bytes] {
    impl->need_device(device, bytes, "fill");
    std::memset(device, byte, bytes);
  });
}

Mark Session::mark() {
  enter("mark");
  impl_->forbid_recording("mark");
  return {impl_->queued};
}
bool Session::reached(Mark mark) {
  enter("reached");
  impl_->forbid_recording("reached");
  if (impl_->done < mark.number) impl_->run_one();
  if (fake_gpu().sticky != 0) throw_failure("reached", fake_gpu().sticky);
  return impl_->done >= mark.number;
}
void Session::wait(Mark mark) {
  enter("wait");
  impl_->forbid_recording("wait");
  ++impl_->counters.blocking;
  ++fake_gpu().waits;
  impl_->run_until(mark.number, "wait");
}
void Session::synchronize() {
  enter("synchronize");
  impl_->forbid_recording("synchronize");
  ++impl_->counters.blocking;
  ++fake_gpu().synchronizations;
  impl_->run_until(impl_->queued, "synchronize");
}

std::unique_ptr<Graph, void (*)(Graph*)> Session::record(const std::function<void()>& enqueue) {
  enter("record");
  impl_->forbid_recording("record");
  std::unique_ptr<Graph, void (*)(Graph*)> graph(new Graph, [](Graph* g) { delete g; });
  struct Recording {
    Recording(Impl& i, Graph* g) : impl(i) { impl.recording = g; }
    ~Recording() { impl.recording = nullptr; }
    Impl& impl;
  };
  const Recording recording(*impl_, graph.get());
  enqueue();
  return graph;
}
void Session::run(const Graph& graph) {
  enter("run");
  ++impl_->counters.graph_launches;
  for (const Work& work : graph.work) impl_->enqueue(work.run, work.counts);
}

void Session::push_range(const char*) {
  ++impl_->ranges;
}
void Session::pop_range() {
  if (--impl_->ranges < 0) simt::fault({}, "pop_range without push_range");
}
void Session::start_profile() {}
void Session::stop_profile() {}
void* Session::native_stream() const {
  return nullptr;
}

}  // namespace quarry::gpu
