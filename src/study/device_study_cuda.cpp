// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <utility>

#include "quarry/study/device_study.h"
#include "src/study/device_segment_cuda.h"

namespace quarry {
namespace {

/// Cycles in the queue before the host waits for the oldest: the device is never idle, and a stop is soon noticed.
constexpr std::int32_t kAhead = 4;
/// Of what the device has free; the rest is left to the driver.
constexpr double kShareOfMemory = 0.9;

class DeviceStudy {
 public:
  DeviceStudy(std::size_t count, const DeviceStudyOptions& options, const DeviceStudyHooks& hooks)
      : count_(count), options_(options), hooks_(hooks), session_(options.ordinal) {}

  void run() {
    while (next_ < count_ || !open_.empty()) {
      open_runs();
      if (open_.empty()) return;
      check_stop();
      try {
        run_segment();
      } catch (const gpu::Failure& failure) {
        for (const Open& open : open_) hooks_.failed(*open.run, failure);
        throw;
      }
      close_finished();
    }
  }

 private:
  struct Open {
    std::unique_ptr<ActiveLearningRun> run;
    std::shared_ptr<const Dataset> data;
  };

  void check_stop() const {
    if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) throw Interrupted{};
  }

  void open_runs() {
    while (open_.size() < static_cast<std::size_t>(options_.fleet) && next_ < count_) {
      open_.push_back({hooks_.open(next_), hooks_.data(next_)});
      ++next_;
      close_finished();
    }
  }

  void close_finished() {
    const auto is_finished = [](const Open& open) { return open.run->want() == ActiveLearningRun::Want::nothing; };
    for (const Open& open : open_)
      if (is_finished(open)) hooks_.finished(*open.run);
    std::erase_if(open_, is_finished);
  }

  std::vector<DeviceRun> device_runs() const {
    std::vector<DeviceRun> runs;
    for (const Open& open : open_) runs.push_back({open.run.get(), open.data});
    return runs;
  }

  /// The data sets of these runs on the device, and no others.
  void load(std::span<const DeviceRun> runs) {
    std::erase_if(data_, [&](const auto& entry) {
      return std::none_of(runs.begin(), runs.end(), [&](const DeviceRun& r) { return r.data.get() == entry.first; });
    });
    for (const DeviceRun& run : runs) {
      std::unique_ptr<DeviceData>& data = data_[run.data.get()];
      if (data == nullptr) data = std::make_unique<DeviceData>(session_, *run.data);
    }
  }

  void run_segment() {
    std::vector<DeviceRun> runs = device_runs();
    session_.synchronize();  // memory of the segment before is free when the queue has come to its release
    const std::size_t free = session_.memory_free() + session_.memory_in_use();
    const auto memory = static_cast<std::size_t>(kShareOfMemory * static_cast<double>(free));
    const SegmentPlan plan = choose_segment(session_.device(), runs, memory);
    hooks_.planned(plan);
    runs.resize(static_cast<std::size_t>(plan.shape.runs));
    load(runs);
    DeviceSegment segment(session_, data_, runs, plan.shape, options_.graphs);
    std::int32_t taken = 0;
    bool stopped = false;
    for (std::int32_t cycle = 0; cycle < segment.cycles() && !stopped; ++cycle) {
      if (cycle - taken >= kAhead) session_.wait(segment.mark(taken));
      while (taken < cycle && session_.reached(segment.mark(taken))) take(segment, runs, taken++);
      enqueue(segment, cycle);
      stopped = options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed);
    }
    for (; taken < segment.enqueued(); ++taken) {
      session_.wait(segment.mark(taken));
      take(segment, runs, taken);
    }
    if (stopped) throw Interrupted{};
  }

  void enqueue(DeviceSegment& segment, std::int32_t cycle) {
    const bool profiled = options_.profile && !profiled_ && (cycle == 1 || segment.cycles() == 1);
    if (profiled) {
      session_.synchronize();  // the cycle before is not to be seen
      session_.start_profile();
    }
    segment.enqueue();
    if (!profiled) return;
    session_.synchronize();
    session_.stop_profile();
    profiled_ = true;
  }

  /// Journals of a cycle, in the order of the runs.
  void take(const DeviceSegment& segment, std::span<const DeviceRun> runs, std::int32_t cycle) {
    std::size_t present = 0;
    for (std::size_t r = 0; r < runs.size(); ++r) present += segment.takes_part(r, cycle);
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count() / static_cast<double>(present);
    last_ = now;
    for (std::size_t r = 0; r < runs.size(); ++r) {
      if (!segment.takes_part(r, cycle)) continue;
      CycleResult result = segment.result(r, cycle);
      const bool tested = result.cycle->tests;
      take_run(*runs[r].run, *runs[r].data, std::move(result));
      if (tested) hooks_.committed(*runs[r].run, seconds);
    }
  }

  static void take_run(ActiveLearningRun& run, const Dataset& data, CycleResult result) {
    QUARRY_CHECK(run.iteration() == result.cycle->iteration, "run {} is at iteration {}, not {}", run.id(),
                 run.iteration(), result.cycle->iteration);
    if (result.cycle->tunes) run.give_tuning(std::move(result.trials));
    run.give_network(std::move(result.network));
    if (result.cycle->tests) {
      const RunConfig& config = run.config();
      run.give_test(test_metrics(result.logits, data.test, config.loss, config.batch_size, config.weight_by_size));
    }
    if (result.cycle->picks > 0) run.give_picks(result.picks);
  }

  std::size_t count_, next_ = 0;
  const DeviceStudyOptions& options_;
  const DeviceStudyHooks& hooks_;
  gpu::Session session_;
  DeviceDataSets data_;
  std::vector<Open> open_;
  bool profiled_ = false;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace

void run_on_device(std::size_t count, const DeviceStudyOptions& options, const DeviceStudyHooks& hooks) {
  DeviceStudy(count, options, hooks).run();
}

}  // namespace quarry
