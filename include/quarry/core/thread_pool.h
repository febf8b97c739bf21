// SPDX-License-Identifier: MIT
// A fixed set of workers that share the items of one loop at a time. Results never depend on their number:
// each item writes only its own output.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace quarry {

class ThreadPool {
 public:
  /// workers >= 1; 0 means one per core of this machine. The calling thread is worker 0.
  explicit ThreadPool(int workers = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int workers() const;
  /// Calls body(item, worker) for item = 0..n-1, items handed out in order, worker in [0, workers()).
  /// If bodies throw, the remaining items are skipped and the exception of the lowest item is rethrown.
  /// A call from inside a body runs its items in the calling worker.
  void parallel_for(std::int64_t n, const std::function<void(std::int64_t item, int worker)>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quarry
