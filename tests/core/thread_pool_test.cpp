// SPDX-License-Identifier: MIT
#include "quarry/core/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "quarry/core/error.h"

namespace quarry {
namespace {

TEST(ThreadPool, EveryItemOnceForAnyNumberOfWorkers) {
  for (const int workers : {1, 2, 3, 8}) {
    ThreadPool pool(workers);
    EXPECT_EQ(pool.workers(), workers);
    for (const std::int64_t n : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
      pool.parallel_for(n, [&](std::int64_t item, int worker) {
        ASSERT_TRUE(worker >= 0 && worker < workers);
        ++seen[static_cast<std::size_t>(item)];
      });
      for (const auto& count : seen) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ThreadPool, WorkersShareTheItemsAndTheCallerIsWorkerZero) {
  ThreadPool pool(2);
  std::atomic<int> arrived{0};
  std::thread::id of_worker[2];
  // Both items wait for each other, so two threads must be at work.
  pool.parallel_for(2, [&](std::int64_t, int worker) {
    of_worker[worker] = std::this_thread::get_id();
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  EXPECT_EQ(of_worker[0], std::this_thread::get_id());
  EXPECT_NE(of_worker[0], of_worker[1]);
}

TEST(ThreadPool, ManyShortLoops) {
  ThreadPool pool(4);
  std::atomic<std::int64_t> sum{0};
  for (int loop = 0; loop < 2000; ++loop) pool.parallel_for(5, [&](std::int64_t item, int) { sum += item; });
  EXPECT_EQ(sum, 2000 * 10);
}

TEST(ThreadPool, LowestFailureIsRethrownWhateverTheTiming) {
  ThreadPool pool(4);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> run{0};
    try {
      pool.parallel_for(1000, [&](std::int64_t item, int) {
        ++run;
        if (item == 5 && round % 2) std::this_thread::sleep_for(std::chrono::microseconds(200));
        if (item >= 5) throw std::to_string(item);
      });
      FAIL() << "nothing was thrown";
    } catch (const std::string& item) {
      EXPECT_EQ(item, "5");
    }
    EXPECT_LT(run, 50);
  }
  std::atomic<int> after{0};
  pool.parallel_for(10, [&](std::int64_t, int) { ++after; });
  EXPECT_EQ(after, 10);
}

TEST(ThreadPool, NestedCallsRunInTheCallingWorkerInOrder) {
  ThreadPool pool(3);
  std::atomic<int> total{0};
  pool.parallel_for(20, [&](std::int64_t, int outer) {
    std::int64_t expected = 0;
    pool.parallel_for(10, [&](std::int64_t item, int inner) {
      EXPECT_EQ(inner, outer);
      EXPECT_EQ(item, expected++);
      ++total;
    });
  });
  EXPECT_EQ(total, 200);
  EXPECT_THROW(
      pool.parallel_for(3, [&](std::int64_t, int) { pool.parallel_for(2, [](std::int64_t, int) { fail("inner"); }); }),
      Error);
}

TEST(ThreadPool, TwoPoolsDoNotMix) {
  ThreadPool outer(2), inner(2);
  std::atomic<int> total{0};
  outer.parallel_for(8, [&](std::int64_t, int) { inner.parallel_for(4, [&](std::int64_t, int) { ++total; }); });
  EXPECT_EQ(total, 32);
}

TEST(ThreadPool, RefusesAbsurdCounts) {
  EXPECT_THROW(ThreadPool(-1), Error);
  EXPECT_THROW(ThreadPool(100000), Error);
  EXPECT_GE(ThreadPool(0).workers(), 1);
}

}  // namespace
}  // namespace quarry
