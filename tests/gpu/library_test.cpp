// SPDX-License-Identifier: MIT
// kernels/library.cu over a CUDA runtime that runs nothing and writes down what it is asked for: that no call waits,
// allocates or reads back, that all work goes to the session's stream, that the scratch sizes are enough on every
// architecture of this build, and that failures are told.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "quarry/core/gpu_library.h"
#include "src/core/gpu_check.h"
#include "src/core/gpu_recent.h"

namespace {

constexpr int kArchitectures[] = {QUARRY_ARCHITECTURES};
constexpr int kDevices = static_cast<int>(std::size(kArchitectures));

struct Runtime {
  int device = 0;  ///< its place in kArchitectures
  int launches = 0, elsewhere = 0;
  std::vector<std::string> forbidden;
  bool refuse_launches = false;
  cudaError_t last = cudaSuccess;
};
Runtime& runtime() {
  static Runtime one;
  return one;
}

int stream;

cudaError_t queued(cudaStream_t where) {
  if (static_cast<void*>(where) != &stream) ++runtime().elsewhere;
  return cudaSuccess;
}
cudaError_t launched(cudaStream_t where) {
  ++runtime().launches;
  if (runtime().refuse_launches) return runtime().last = cudaErrorLaunchOutOfResources;
  return queued(where);
}
cudaError_t forbidden(const char* name) {
  runtime().forbidden.emplace_back(name);
  return cudaSuccess;
}
int compute_capability() {
  return kArchitectures[runtime().device];
}

}  // namespace

// Found before those of the runtime's library.
extern "C" {
cudaError_t cudaGetDeviceCount(int* count) {
  *count = kDevices;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = runtime().device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) {
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  attributes->ptxVersion = attributes->binaryVersion = compute_capability();
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 32;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = compute_capability() / 10;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = compute_capability() % 10;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = 132;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = 48 << 10;
      break;
    case cudaDevAttrMaxGridDimX:
      *value = 0x7fffffff;
      break;
    default:
      *value = 1024;
  }
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int, std::size_t,
                                                                   unsigned) {
  *blocks = 4;
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int, std::size_t) {
  *blocks = 4;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  return std::exchange(runtime().last, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
  return runtime().last;
}
// Ways to launch: which one is used depends on the version of nvcc and of CUB.
cudaError_t cudaLaunchKernel(const void*, dim3, dim3, void**, std::size_t, cudaStream_t where) {
  return launched(where);
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void*, void**) {
  return launched(config->stream);
}
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, std::size_t, cudaStream_t where) {
  return launched(where);
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void*, int, std::size_t, cudaStream_t where) {
  return queued(where);
}
cudaError_t cudaMemcpyAsync(void*, const void*, std::size_t, cudaMemcpyKind kind, cudaStream_t where) {
  return kind == cudaMemcpyDeviceToDevice ? queued(where) : forbidden("cudaMemcpyAsync from or to the host");
}
cudaError_t cudaMemcpy(void*, const void*, std::size_t, cudaMemcpyKind) {
  return forbidden("cudaMemcpy");
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return forbidden("cudaStreamSynchronize");
}
cudaError_t cudaDeviceSynchronize() {
  return forbidden("cudaDeviceSynchronize");
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  return forbidden("cudaEventSynchronize");
}
cudaError_t cudaMalloc(void**, std::size_t) {
  return forbidden("cudaMalloc");
}
cudaError_t cudaMallocAsync(void**, std::size_t, cudaStream_t) {
  return forbidden("cudaMallocAsync");
}
cudaError_t cudaFree(void*) {
  return forbidden("cudaFree");
}
}

namespace quarry::gpu {

struct Session::Impl {};
Session::Session(int) {}
Session::~Session() = default;
void* Session::native_stream() const {
  return &stream;
}
void Session::fill(void*, unsigned char, std::size_t) {}
void check_runtime(int code, const char* call) {
  if (code != cudaSuccess) throw Failure(code, false, call);
}

namespace {

/// Every call of the door with n elements. Nothing runs, so no pointer is followed.
std::vector<std::pair<std::string, std::function<void()>>> calls(Session& session, std::int64_t n) {
  static char memory[256];
  const auto at = [](auto zero) { return reinterpret_cast<decltype(zero)*>(memory); };
  const auto keys = at(std::uint64_t{});
  const auto i32 = at(std::int32_t{});
  const auto i64 = at(std::int64_t{});
  const auto flags = at(std::uint8_t{});
  const auto f32 = at(float{});
  const Scratch sort{memory, sort_scratch(n)}, scan{memory, scan_scratch(n)};
  return {{"sort_keys_descending", [=, &session] { sort_keys_descending(session, keys, keys, n, sort); }},
          {"sort_pairs", [=, &session] { sort_pairs(session, keys, i32, n, sort); }},
          {"exclusive_sum 32", [=, &session] { exclusive_sum(session, i32, i32, n, scan); }},
          {"exclusive_sum 64", [=, &session] { exclusive_sum(session, i64, i64, n, scan); }},
          {"inclusive_sum 32", [=, &session] { inclusive_sum(session, i32, i32, n, scan); }},
          {"inclusive_sum 64", [=, &session] { inclusive_sum(session, i64, i64, n, scan); }},
          {"select_flagged", [=, &session] { select_flagged(session, i32, flags, i32, i32, n, scan); }},
          {"partition_flagged", [=, &session] { partition_flagged(session, i32, flags, i32, i32, n, scan); }},
          {"fill of integers", [=, &session] { fill(session, i32, 1, n); }},
          {"fill of floats", [=, &session] { fill(session, f32, 1.0f, n); }},
          {"iota", [=, &session] { iota(session, i32, 0, n); }},
          {"gather", [=, &session] { gather(session, i32, i32, i32, n); }}};
}

TEST(LibraryCalls, AreQueuedOnTheStreamAndNeverWaitOnAnyDevice) {
  Session session(0);
  for (int device = 0; device < kDevices; ++device) {
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{100}, std::int64_t{5000}, std::int64_t{1000003},
                                 std::int64_t{1} << 28, (std::int64_t{1} << 31) - 1}) {
      for (const auto& [name, call] : calls(session, n)) {
        SCOPED_TRACE(name + ", n = " + std::to_string(n) + ", sm_" + std::to_string(kArchitectures[device]));
        runtime() = {};
        runtime().device = device;
        EXPECT_NO_THROW(call());
        EXPECT_EQ(runtime().forbidden, std::vector<std::string>{});
        EXPECT_EQ(runtime().elsewhere, 0);
        EXPECT_GE(runtime().launches, 1);
      }
    }
  }
}

TEST(LibraryCalls, RefusedLaunchesAreFailures) {
  Session session(0);
  for (const auto& [name, call] : calls(session, 1000)) {
    runtime() = {};
    runtime().refuse_launches = true;
    EXPECT_THROW(call(), Failure) << name;
    EXPECT_TRUE(recent_launches().text().find("::") != std::string::npos) << "a later failure names CUB or Thrust";
  }
}

TEST(LibraryCalls, ScratchThatIsTooSmallIsRefused) {
  Session session(0);
  char memory[256];
  auto* const keys = reinterpret_cast<std::uint64_t*>(memory);
  auto* const numbers = reinterpret_cast<std::int32_t*>(memory);
  runtime() = {};
  EXPECT_THROW(sort_pairs(session, keys, numbers, 100, {memory, sort_scratch(100) - 1}), Error);
  EXPECT_THROW(sort_keys_descending(session, keys, keys, 100, {memory, sort_scratch(100) - 1}), Error);
  EXPECT_THROW(inclusive_sum(session, numbers, numbers, 100, {nullptr, scan_scratch(100)}), Error);
  EXPECT_EQ(runtime().launches, 0);
}

}  // namespace
}  // namespace quarry::gpu
