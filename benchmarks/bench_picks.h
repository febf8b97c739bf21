// SPDX-License-Identifier: MIT
// What the selection benchmarks share: one way to pick, on a CPU or a GPU, and its time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "benchmarks/bench.h"
#include "benchmarks/bench_cli.h"
#include "quarry/core/context.h"
#include "quarry/core/gpu.h"

namespace quarry::bench {

using Picks = std::vector<std::int32_t>;

/// What is asked of every selection benchmark.
struct PoolSettings {
  std::vector<std::int64_t> n = {50000};
  std::int64_t width = 512;
  std::int32_t picks = 200;
  std::string write;

  void add_to(Arguments& arguments) {
    arguments.numbers("--n", n, "pool sizes", 2, 1 << 30);
    arguments.number("--width", width, "features", 1, 1 << 20);
    arguments.number("--picks", picks, "picks", 2, 1 << 20);
    arguments.text("--write", write, "folder for the pools as NPY files");
  }
  /// body(n, clustered) for every pool.
  template <class Body>
  void each(const Body& body) const {
    for (const std::int64_t rows : n) {
      for (const bool clustered : {true, false}) body(rows, clustered);
    }
  }
  Json row(const char* pool, const char* what, std::int64_t rows, std::int32_t made, double seconds) const {
    return Json::object()
        .set("pool", pool)
        .set("what", what)
        .set("n", rows)
        .set("width", width)
        .set("picks", made)
        .set("total_ms", seconds * 1e3)
        .set("us_per_pick", seconds * 1e6 / made);
  }
};

/// Picks by a method, and seconds of a call.
template <class Method>
struct PickRunner {
  std::function<Picks(Method, std::int32_t)> pick;
  std::function<double(Method, std::int32_t)> seconds;
};

/// call(context, method, picks) on one worker; seconds are its processor time, as the rivals' in benchmarks/peers.
template <class Method, class Call>
PickRunner<Method> cpu_runner(const Call& call) {
  const auto context = std::make_shared<Context>(Device{}, 1);
  const auto pick = [context, call](Method method, std::int32_t count) {
    Picks picks(static_cast<std::size_t>(count));
    call(*context, method, std::span<std::int32_t>(picks));
    return picks;
  };
  return {pick, [pick](Method method, std::int32_t count) { return measure(3, [&] { pick(method, count); }).best; }};
}

#if QUARRY_HAS_CUDA
/// A session with room for picks and scratch that grows.
class GpuPicks {
 public:
  GpuPicks(Device device, std::int32_t most)
      : session_(device.ordinal), picks_(session_, static_cast<std::size_t>(most)), any_finite_(session_, 1) {}
  gpu::Session& session() { return session_; }
  std::int32_t* picks() const { return picks_.data(); }
  std::int32_t* any_finite() const { return any_finite_.data(); }
  void* scratch(std::size_t bytes) {
    if (scratch_.size() < bytes) scratch_ = gpu::Buffer<std::byte>(session_, bytes);
    return scratch_.data();
  }

 private:
  gpu::Session session_;
  gpu::Buffer<std::int32_t> picks_, any_finite_;
  gpu::Buffer<std::byte> scratch_;
};

/// enqueue(method, count) queues a call of `gpu`.
template <class Method, class Enqueue>
PickRunner<Method> gpu_runner(const std::shared_ptr<GpuPicks>& gpu, const Enqueue& enqueue) {
  const auto pick = [gpu, enqueue](Method method, std::int32_t count) {
    enqueue(method, count);
    Picks picks(static_cast<std::size_t>(count));
    gpu::download<std::int32_t>(gpu->session(), gpu->picks(), picks);
    return picks;
  };
  const auto seconds = [gpu, enqueue](Method method, std::int32_t count) {
    return best_seconds(5, [&] {
      enqueue(method, count);
      gpu->session().synchronize();
    });
  };
  return {pick, seconds};
}
#endif

}  // namespace quarry::bench
