// SPDX-License-Identifier: MIT
// The first argument of every op: where it runs and what it may use meanwhile.
#pragma once

#include <memory>
#include <vector>

#include "quarry/core/buffer.h"
#include "quarry/core/device.h"
#include "quarry/core/thread_pool.h"

namespace quarry {

/// Device, workers and scratch. No globals, no default stream: what an op needs comes from here.
/// A Context is used by one caller at a time.
class Context {
 public:
  explicit Context(Device device = {}, int workers = 0);

  Device device() const { return device_; }
  SimdLevel simd() const { return simd_; }
  ThreadPool& pool() { return pool_; }
  /// Scratch of a worker (see ThreadPool::parallel_for); worker 0 is the calling thread.
  Arena& arena(int worker = 0) { return *arenas_[static_cast<std::size_t>(worker)]; }

 private:
  Device device_;
  SimdLevel simd_;
  ThreadPool pool_;
  std::vector<std::unique_ptr<Arena>> arenas_;
};

}  // namespace quarry
