// SPDX-License-Identifier: MIT
#include "src/core/gpu_cudnn_streams.h"

#include "src/core/gpu_check.h"

namespace quarry::gpu {

CudnnStreams::CudnnStreams(cudaStream_t main, std::size_t n) : main_(main), sides_(n) {
  try {
    check_runtime(cudaEventCreateWithFlags(&forked_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    for (Side& side : sides_) {
      check_runtime(cudaStreamCreateWithFlags(&side.stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
      check_runtime(cudaEventCreateWithFlags(&side.joined, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
  } catch (...) {
    close();
    throw;
  }
}

CudnnStreams::~CudnnStreams() {
  close();
}

void CudnnStreams::close() noexcept {
  for (const Side& side : sides_) {
    if (side.joined != nullptr) static_cast<void>(cudaEventDestroy(side.joined));
    if (side.stream != nullptr) static_cast<void>(cudaStreamDestroy(side.stream));
  }
  if (forked_ != nullptr) static_cast<void>(cudaEventDestroy(forked_));
}

void CudnnStreams::fork(std::size_t n) {
  if (n == 0) return;
  check_runtime(cudaEventRecord(forked_, main_), "cudaEventRecord");
  for (std::size_t i = 0; i < n; ++i) {
    check_runtime(cudaStreamWaitEvent(sides_[i].stream, forked_, 0), "cudaStreamWaitEvent");
  }
}

cudaError_t CudnnStreams::join(std::size_t n) {
  cudaError_t first = cudaSuccess;
  for (std::size_t i = 0; i < n; ++i) {
    const cudaError_t recorded = cudaEventRecord(sides_[i].joined, sides_[i].stream);
    const cudaError_t waits = cudaStreamWaitEvent(main_, sides_[i].joined, 0);
    if (first == cudaSuccess) first = recorded != cudaSuccess ? recorded : waits;
  }
  return first;
}

}  // namespace quarry::gpu
