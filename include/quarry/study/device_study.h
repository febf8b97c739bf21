// SPDX-License-Identifier: MIT
// The online-tuning study on a GPU, on the device from end to end: tunings, fits, tests, selections and acquisitions
// of many runs side by side are enqueued ahead, cycle after cycle, without waiting for a result. The host receives a
// record per cycle through pinned memory and writes the journals from it. Bytes are those of the CPU.
//
// The unit is a segment: some cycles of some runs. Its memory is planned before it starts; a segment that does not fit
// is made smaller, first in cycles ahead, then in trials that train together, then in runs.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "quarry/core/gpu.h"
#include "quarry/data/dataset.h"
#include "quarry/study/active_learning_run.h"

namespace quarry {

struct DeviceRun {
  ActiveLearningRun* run = nullptr;
  std::shared_ptr<const Dataset> data;
};

struct SegmentShape {
  std::int32_t runs = 0;         ///< the first of those that are open
  std::int32_t cycles = 0;       ///< enqueued ahead, at most
  std::int32_t step_trials = 1;  ///< start-up trials of a search that train together, at most
};

struct SegmentPlan {
  SegmentShape shape;
  std::size_t device_bytes = 0;  ///< peak, data sets included
  std::size_t pinned_bytes = 0;
};

/// What a segment of this shape takes. Pure function.
SegmentPlan plan_segment(const gpu::DeviceInfo& device, std::span<const DeviceRun> runs, const SegmentShape& shape);
/// The largest segment within `memory` bytes. Error: device, with the bytes that are missing, if one cycle of one run
/// is too much.
SegmentPlan choose_segment(const gpu::DeviceInfo& device, std::span<const DeviceRun> runs, std::size_t memory);

struct DeviceStudyOptions {
  int ordinal = 0;
  std::int32_t fleet = 1;  ///< runs open at a time
  bool graphs = true;      ///< a step of a tuning is recorded once and run for every trial
  bool profile = false;    ///< the profiler sees the second cycle alone, or the first where there is no other
  const std::atomic<bool>* stop = nullptr;
};

/// By number of the run.
struct DeviceStudyHooks {
  std::function<std::unique_ptr<ActiveLearningRun>(std::size_t)> open;
  std::function<std::shared_ptr<const Dataset>(std::size_t)> data;
  std::function<void(const SegmentPlan&)> planned;  ///< before a segment starts
  std::function<void(const ActiveLearningRun&, double seconds)> committed;
  std::function<void(const ActiveLearningRun&)> finished;
  std::function<void(const ActiveLearningRun&, const gpu::Failure&)> failed;  ///< each open run, when the device fails
};

/// Runs `count` runs to their ends, opened one by one as there is room. `committed` is called after each iteration
/// whose record is durable, `finished` when a run has ended. Errors: gpu::Failure, device
/// (memory), those of the runs; Interrupted when the stop flag was set, after what was enqueued has been committed.
void run_on_device(std::size_t count, const DeviceStudyOptions& options, const DeviceStudyHooks& hooks);

}  // namespace quarry
