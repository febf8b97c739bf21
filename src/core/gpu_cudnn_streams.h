// SPDX-License-Identifier: MIT
// Streams beside a session's own: they begin where it is, and it waits for them. Events alone tie them together, so
// that a recording of the session's stream takes in what goes to them between fork and join.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

namespace quarry::gpu {

class CudnnStreams {
 public:
  /// `n` streams on the current device. Error: gpu::Failure.
  CudnnStreams(cudaStream_t main, std::size_t n);
  ~CudnnStreams();
  CudnnStreams(const CudnnStreams&) = delete;
  CudnnStreams& operator=(const CudnnStreams&) = delete;

  cudaStream_t main() const { return main_; }
  cudaStream_t operator[](std::size_t side) const { return sides_[side].stream; }

  /// The first `n` go on where the main stream is. Error: gpu::Failure.
  void fork(std::size_t n);
  /// The main stream goes on when the first `n` are where they are now: the first failure of the runtime.
  cudaError_t join(std::size_t n);

 private:
  struct Side {
    cudaStream_t stream = nullptr;
    cudaEvent_t joined = nullptr;
  };
  void close() noexcept;

  cudaStream_t main_;
  cudaEvent_t forked_ = nullptr;
  std::vector<Side> sides_;
};

}  // namespace quarry::gpu
