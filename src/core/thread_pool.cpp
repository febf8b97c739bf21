// SPDX-License-Identifier: MIT
#include "quarry/core/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "quarry/core/error.h"

namespace quarry {
namespace {

using Body = std::function<void(std::int64_t, int)>;

constexpr int kMaxWorkers = 1024;

/// The loop that is running. Items are handed out in order, so every item below a failed one has been
/// started.
struct Loop {
  Loop(std::int64_t count, const Body& what) : n(count), body(what), first_failed(count) {}

  void work(int worker) {
    for (;;) {
      const std::int64_t item = next.fetch_add(1, std::memory_order_relaxed);
      // Only items above a failed one may be skipped: then the lowest failure does not depend on timing.
      if (item >= n || item > first_failed.load(std::memory_order_relaxed)) return;
      try {
        body(item, worker);
      } catch (...) {
        record_failure(item);
      }
    }
  }

  void record_failure(std::int64_t item) {
    const std::lock_guard lock(failure_mutex);
    if (failure && item > first_failed.load(std::memory_order_relaxed)) return;
    failure = std::current_exception();
    first_failed.store(item, std::memory_order_relaxed);
  }

  const std::int64_t n;
  const Body& body;
  std::atomic<std::int64_t> next{0};
  std::atomic<std::int64_t> first_failed;
  std::mutex failure_mutex;
  std::exception_ptr failure;
};

/// The pool whose body this thread is running, and as which worker.
struct Current {
  const void* pool = nullptr;
  int worker = 0;
};
thread_local Current current;

class CurrentScope {
 public:
  explicit CurrentScope(Current inner) : outer_(current) { current = inner; }
  ~CurrentScope() { current = outer_; }
  CurrentScope(const CurrentScope&) = delete;
  CurrentScope& operator=(const CurrentScope&) = delete;

 private:
  Current outer_;
};

int count_workers(int asked) {
  if (asked == 0) return std::max(1, std::min(kMaxWorkers, static_cast<int>(std::thread::hardware_concurrency())));
  if (asked < 1 || asked > kMaxWorkers) {
    usage_error("{} workers asked for; expected 1 to {}, or 0 for one per core", asked, kMaxWorkers);
  }
  return asked;
}

}  // namespace

struct ThreadPool::Impl {
  explicit Impl(int n) : workers(n) {
    try {
      for (int worker = 1; worker < workers; ++worker) {
        threads.emplace_back([this, worker] { serve(worker); });
      }
    } catch (const std::system_error& error) {
      stop();
      fail("cannot start {} worker threads: {}; ask for fewer workers", workers, error.what());
    }
  }
  ~Impl() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    wake.notify_all();
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }

  void serve(int worker) {
    const CurrentScope scope({this, worker});
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return stopping || generation != seen; });
      if (stopping) return;
      seen = generation;
      Loop* const mine = loop;
      if (!mine) continue;  // woke after the loop had ended
      ++busy;
      lock.unlock();
      mine->work(worker);
      lock.lock();
      if (--busy == 0) idle.notify_one();
    }
  }

  void run(Loop& todo) {
    const std::lock_guard one_loop_at_a_time(callers);
    if (todo.n > 1) {
      const std::lock_guard lock(mutex);
      loop = &todo;
      ++generation;
      wake.notify_all();
    }
    {
      const CurrentScope scope({this, 0});
      todo.work(0);
    }
    std::unique_lock lock(mutex);
    loop = nullptr;
    idle.wait(lock, [&] { return busy == 0; });
  }

  const int workers;
  std::mutex callers;
  std::mutex mutex;  // guards the fields below
  std::condition_variable wake, idle;
  Loop* loop = nullptr;
  std::uint64_t generation = 0;
  int busy = 0;
  bool stopping = false;
  std::vector<std::thread> threads;
};

ThreadPool::ThreadPool(int workers) : impl_(std::make_unique<Impl>(count_workers(workers))) {}
ThreadPool::~ThreadPool() = default;

int ThreadPool::workers() const {
  return impl_->workers;
}

void ThreadPool::parallel_for(std::int64_t n, const Body& body) {
  if (current.pool == impl_.get()) {  // inside one of our bodies: the calling worker does it all
    for (std::int64_t item = 0; item < n; ++item) body(item, current.worker);
    return;
  }
  if (n <= 0) return;
  Loop loop(n, body);
  impl_->run(loop);
  if (loop.failure) std::rethrow_exception(loop.failure);
}

}  // namespace quarry
