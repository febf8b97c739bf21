// SPDX-License-Identifier: MIT
// The door to the GPU over the CUDA runtime: one stream, stream-ordered memory, events from a pool, graphs by capture.
#include <cuda_profiler_api.h>
#include <cuda_runtime_api.h>
#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define QUARRY_HAS_NVTX 1
#endif

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <vector>

#include "quarry/core/gpu.h"
#include "src/core/gpu_check.h"
#include "src/core/gpu_launch_check.h"
#include "src/core/gpu_recent.h"

/// Every call of the runtime goes through this, or through `void` where nothing can be done about a failure.
#define QUARRY_CUDA(function, ...) check_runtime(function(__VA_ARGS__), #function)

namespace quarry::gpu {

class Graph {
 public:
  cudaGraphExec_t executable = nullptr;
};

struct Session::Impl {
  struct Event {
    std::int64_t number;
    cudaEvent_t event;
  };

  DeviceInfo info;
  cudaStream_t stream = nullptr;
  cudaMemPool_t pool = nullptr;  ///< the device's; null if it has none
  Counters counters;
  std::unordered_map<void*, std::size_t> sizes;  ///< of what is allocated on the device
  std::size_t in_use = 0;
  std::int64_t marks = 0, reached = 0;  ///< marks given out; the last one known to be reached
  std::deque<Event> pending;            ///< marks that are not known to be reached
  std::vector<cudaEvent_t> spare;
  std::unordered_map<const void*, std::size_t> dynamic_shared;  ///< by kernel: what it may use
  bool recording = false;
  std::vector<void*> released_in_recording;

  Impl() = default;
  ~Impl();
  void open(int ordinal);
  void use_device() const;
  void prepare(const Launch& launch);
  void settle(std::int64_t number);
  void free(void* device) noexcept;
  void refuse_while_recording(const char* what) const {
    QUARRY_CHECK(!recording, "{} while a graph is recorded", what);
  }
};

void Session::Impl::open(int ordinal) {
  std::string why;
  const int count = device_count(&why);
  if (count == 0) device_error("no GPU can be used: {}", why);
  if (ordinal < 0 || ordinal >= count) device_error("there is no GPU {}; the last one is {}", ordinal, count - 1);
  info = device_info(ordinal);
  use_device();
  QUARRY_CUDA(cudaStreamCreateWithFlags, &stream, cudaStreamNonBlocking);
  int has_pool = 0;
  QUARRY_CUDA(cudaDeviceGetAttribute, &has_pool, cudaDevAttrMemoryPoolsSupported, info.ordinal);
  if (has_pool == 0) return;
  QUARRY_CUDA(cudaDeviceGetDefaultMemPool, &pool, info.ordinal);
  std::uint64_t keep_all = ~std::uint64_t{0};  // memory freed between cycles is not given back to the driver
  QUARRY_CUDA(cudaMemPoolSetAttribute, pool, cudaMemPoolAttrReleaseThreshold, &keep_all);
}

Session::Impl::~Impl() {
  if (stream == nullptr) return;
  static_cast<void>(cudaStreamSynchronize(stream));  // what is on its way still reads and writes pinned memory
  for (const Event& mark : pending) static_cast<void>(cudaEventDestroy(mark.event));
  for (const cudaEvent_t event : spare) static_cast<void>(cudaEventDestroy(event));
  static_cast<void>(cudaStreamDestroy(stream));
}

/// The runtime keeps a current device for each thread, and the libraries change it too.
void Session::Impl::use_device() const {
  QUARRY_CUDA(cudaSetDevice, info.ordinal);
}

/// Loads a kernel at its first launch, also while recording, and lets it use the shared memory that it asks for.
void Session::Impl::prepare(const Launch& launch) {
  constexpr std::size_t kAlwaysAllowed = 48 << 10;
  const std::size_t wanted = launch.shape.shared_bytes;
  const auto known = dynamic_shared.find(launch.function);
  if (known != dynamic_shared.end() && wanted <= known->second) return;
  cudaFuncAttributes attributes{};
  QUARRY_CUDA(cudaFuncGetAttributes, &attributes, launch.function);
  std::size_t allowed = kAlwaysAllowed - attributes.sharedSizeBytes;
  if (wanted > allowed) {
    // All that there is: the attribute is the kernel's, and a smaller one would bind other sessions.
    allowed = info.shared_per_block - attributes.sharedSizeBytes;
    QUARRY_CHECK(wanted <= allowed, "{} wants {} bytes of dynamic shared memory; {} has {} for it", launch.name, wanted,
                 info.name, allowed);
    QUARRY_CUDA(cudaFuncSetAttribute, launch.function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                static_cast<int>(allowed));
  }
  dynamic_shared[launch.function] = allowed;
}

/// Every mark up to `number` has been reached.
void Session::Impl::settle(std::int64_t number) {
  reached = std::max(reached, number);
  while (!pending.empty() && pending.front().number <= reached) {
    spare.push_back(pending.front().event);
    pending.pop_front();
  }
}

void Session::Impl::free(void* device) noexcept {
  static_cast<void>(pool != nullptr ? cudaFreeAsync(device, stream) : cudaFree(device));
}

Session::Session(int ordinal) : impl_(std::make_unique<Impl>()) {
  impl_->open(ordinal);
}
Session::~Session() = default;

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
  impl_->use_device();
  std::size_t free = 0, total = 0;
  QUARRY_CUDA(cudaMemGetInfo, &free, &total);
  if (impl_->pool == nullptr) return free;
  std::uint64_t reserved = 0, used = 0;  // what the pool holds back is free to us
  QUARRY_CUDA(cudaMemPoolGetAttribute, impl_->pool, cudaMemPoolAttrReservedMemCurrent, &reserved);
  QUARRY_CUDA(cudaMemPoolGetAttribute, impl_->pool, cudaMemPoolAttrUsedMemCurrent, &used);
  return free + static_cast<std::size_t>(reserved - used);
}

void* Session::allocate(std::size_t bytes) {
  impl_->refuse_while_recording("memory is allocated");
  impl_->use_device();
  void* device = nullptr;
  if (impl_->pool != nullptr) {
    const cudaError_t answer = cudaMallocAsync(&device, bytes, impl_->stream);
    if (answer == cudaErrorMemoryAllocation) {
      // What was released behind work in the queue may lie in pieces: once it is there, the driver gets it back.
      static_cast<void>(cudaGetLastError());
      synchronize();
      QUARRY_CUDA(cudaMemPoolTrimTo, impl_->pool, 0);
      QUARRY_CUDA(cudaMallocAsync, &device, bytes, impl_->stream);
    } else {
      check_runtime(answer, "cudaMallocAsync");
    }
  } else {
    QUARRY_CUDA(cudaMalloc, &device, bytes);
  }
  try {
    impl_->sizes.emplace(device, bytes);
  } catch (...) {
    impl_->free(device);
    throw;
  }
  impl_->in_use += bytes;
  ++impl_->counters.allocations;
  return device;
}

void Session::release(void* device) noexcept {
  const auto found = impl_->sizes.find(device);
  if (found == impl_->sizes.end()) return;
  impl_->in_use -= found->second;
  impl_->sizes.erase(found);
  if (impl_->recording) {  // freed after the recording, of which it must not become a part
    impl_->released_in_recording.push_back(device);
  } else {
    impl_->free(device);
  }
}

void* Session::allocate_pinned(std::size_t bytes) {
  impl_->refuse_while_recording("pinned memory is allocated");
  impl_->use_device();
  void* host = nullptr;
  QUARRY_CUDA(cudaHostAlloc, &host, bytes, cudaHostAllocDefault);
  ++impl_->counters.allocations;
  return host;
}

void Session::release_pinned(void* host) noexcept {
  static_cast<void>(cudaFreeHost(host));
}

void Session::launch(const Launch& launch) {
  impl_->use_device();
  check_cluster(launch, impl_->info);
  impl_->prepare(launch);
  const auto dimensions = [](const Extent& e) { return dim3(e.x, e.y, e.z); };
  cudaLaunchAttribute attributes[2] = {};
  unsigned n_attributes = 0;
  if (launch.shape.cooperative) {
    attributes[n_attributes].id = cudaLaunchAttributeCooperative;
    attributes[n_attributes++].val.cooperative = 1;
  }
  if (launch.shape.cluster > 1) {
    attributes[n_attributes].id = cudaLaunchAttributeClusterDimension;
    attributes[n_attributes++].val.clusterDim = {launch.shape.cluster, 1, 1};
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dimensions(launch.shape.grid);
  config.blockDim = dimensions(launch.shape.block);
  config.dynamicSmemBytes = launch.shape.shared_bytes;
  config.stream = impl_->stream;
  config.attrs = attributes;
  config.numAttrs = n_attributes;
  check_runtime(cudaLaunchKernelExC(&config, launch.function, launch.arguments), launch.name);
  recent_launches().add(launch.name);
  ++impl_->counters.launches;
}

void Session::copy_in(void* device, const void* pinned, std::size_t bytes) {
  impl_->use_device();
  QUARRY_CUDA(cudaMemcpyAsync, device, pinned, bytes, cudaMemcpyHostToDevice, impl_->stream);
  ++impl_->counters.copies_in;
  impl_->counters.bytes_in += static_cast<std::int64_t>(bytes);
}

void Session::copy_out(void* pinned, const void* device, std::size_t bytes) {
  impl_->use_device();
  QUARRY_CUDA(cudaMemcpyAsync, pinned, device, bytes, cudaMemcpyDeviceToHost, impl_->stream);
  ++impl_->counters.copies_out;
  impl_->counters.bytes_out += static_cast<std::int64_t>(bytes);
}

void Session::copy_within(void* to, const void* from, std::size_t bytes) {
  impl_->use_device();
  QUARRY_CUDA(cudaMemcpyAsync, to, from, bytes, cudaMemcpyDeviceToDevice, impl_->stream);
  ++impl_->counters.copies_within;
}

void Session::fill(void* device, unsigned char byte, std::size_t bytes) {
  impl_->use_device();
  QUARRY_CUDA(cudaMemsetAsync, device, byte, bytes, impl_->stream);
  ++impl_->counters.fills;
}

Mark Session::mark() {
  impl_->refuse_while_recording("a mark is set");
  impl_->use_device();
  if (impl_->spare.empty()) {
    cudaEvent_t event = nullptr;  // a waiting host sleeps: it has nothing to win from a core kept busy
    QUARRY_CUDA(cudaEventCreateWithFlags, &event, cudaEventDisableTiming | cudaEventBlockingSync);
    impl_->spare.push_back(event);
  }
  QUARRY_CUDA(cudaEventRecord, impl_->spare.back(), impl_->stream);
  impl_->pending.push_back({++impl_->marks, impl_->spare.back()});
  impl_->spare.pop_back();
  return {impl_->marks};
}

bool Session::reached(Mark mark) {
  QUARRY_CHECK(mark.number <= impl_->marks, "mark {} of {}", mark.number, impl_->marks);
  while (mark.number > impl_->reached) {
    const cudaError_t answer = cudaEventQuery(impl_->pending.front().event);
    if (answer == cudaErrorNotReady) return false;
    check_runtime(answer, "cudaEventQuery");
    impl_->settle(impl_->pending.front().number);
  }
  return true;
}

void Session::wait(Mark mark) {
  impl_->refuse_while_recording("the host waits");
  QUARRY_CHECK(mark.number <= impl_->marks, "mark {} of {}", mark.number, impl_->marks);
  ++impl_->counters.blocking;
  if (mark.number <= impl_->reached) return;
  const auto index = static_cast<std::size_t>(mark.number - impl_->pending.front().number);
  QUARRY_CUDA(cudaEventSynchronize, impl_->pending[index].event);
  impl_->settle(mark.number);
}

void Session::synchronize() {
  impl_->refuse_while_recording("the host waits");
  ++impl_->counters.blocking;
  QUARRY_CUDA(cudaStreamSynchronize, impl_->stream);
  impl_->settle(impl_->marks);
}

std::unique_ptr<Graph, void (*)(Graph*)> Session::record(const std::function<void()>& enqueue) {
  impl_->refuse_while_recording("another recording begins");
  impl_->use_device();
  std::unique_ptr<Graph, void (*)(Graph*)> result(new Graph, [](Graph* graph) {
    if (graph->executable != nullptr) static_cast<void>(cudaGraphExecDestroy(graph->executable));
    delete graph;
  });
  std::unique_ptr<CUgraph_st, void (*)(cudaGraph_t)> recorded(
      nullptr, [](cudaGraph_t graph) { static_cast<void>(cudaGraphDestroy(graph)); });
  const auto end = [&] {
    cudaGraph_t graph = nullptr;
    const cudaError_t answer = cudaStreamEndCapture(impl_->stream, &graph);
    recorded.reset(graph);
    impl_->recording = false;
    for (void* device : impl_->released_in_recording) impl_->free(device);
    impl_->released_in_recording.clear();
    return answer;
  };
  // Relaxed: loading a kernel at its first launch must not end the recording.
  QUARRY_CUDA(cudaStreamBeginCapture, impl_->stream, cudaStreamCaptureModeRelaxed);
  impl_->recording = true;
  try {
    enqueue();
  } catch (...) {
    static_cast<void>(end());
    static_cast<void>(cudaGetLastError());
    throw;
  }
  check_runtime(end(), "cudaStreamEndCapture");
  QUARRY_CUDA(cudaGraphInstantiate, &result->executable, recorded.get(), 0);
  return result;
}

void Session::run(const Graph& graph) {
  impl_->use_device();
  QUARRY_CUDA(cudaGraphLaunch, graph.executable, impl_->stream);
  recent_launches().add("a graph");
  ++impl_->counters.graph_launches;
}

#ifdef QUARRY_HAS_NVTX
void Session::push_range(const char* name) {
  nvtxRangePushA(name);
}
void Session::pop_range() {
  nvtxRangePop();
}
#else
void Session::push_range(const char*) {}
void Session::pop_range() {}
#endif

void Session::start_profile() {
  QUARRY_CUDA(cudaProfilerStart);
}
void Session::stop_profile() {
  QUARRY_CUDA(cudaProfilerStop);
}

void* Session::native_stream() const {
  impl_->use_device();
  return impl_->stream;
}

}  // namespace quarry::gpu
