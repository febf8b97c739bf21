// SPDX-License-Identifier: MIT
// What a segment takes, and how large a segment may be.
#include <algorithm>
#include <set>

#include "src/study/device_memory_cuda.h"

namespace quarry {
namespace {

/// Pinned memory is the host's own: enough for long studies, little beside the memory of machines that have a GPU.
constexpr std::size_t kPinnedLimit = std::size_t{256} << 20;

std::vector<RunOutlook> outlooks_of(std::span<const DeviceRun> runs) {
  std::vector<RunOutlook> outlooks;
  for (const DeviceRun& run : runs) outlooks.emplace_back(*run.run, *run.data);
  return outlooks;
}

std::int32_t most_cycles(std::span<const RunOutlook> runs) {
  std::size_t most = 0;
  for (const RunOutlook& run : runs) most = std::max(most, run.cycles().size());
  return static_cast<std::int32_t>(most);
}

SegmentPlan plan(const gpu::DeviceInfo& device, std::span<const RunOutlook> all, SegmentShape shape) {
  const std::span<const RunOutlook> runs = all.first(static_cast<std::size_t>(shape.runs));
  shape.cycles = std::min(shape.cycles, most_cycles(runs));
  SegmentPlan plan{shape, 0, 0};
  std::set<const Dataset*> seen;
  Carver shared;
  for (const RunOutlook& run : runs) {
    if (seen.insert(&run.data()).second) plan.device_bytes += data_bytes(run.data());
    Carver own;
    place_run(run, own);
    plan.device_bytes += own.used();
  }
  const SegmentSizes sizes = segment_sizes(device, runs, shape);
  place_shared(sizes, shared);
  const SegmentSearches searches = segment_searches(runs, shape.cycles);
  const SearchBytes of_searches = search_bytes(searches.setups, searches.together);
  plan.device_bytes += shared.used() + of_searches.device;
  plan.pinned_bytes = of_searches.pinned + static_cast<std::size_t>(shape.cycles) * (sizes.plan + sizes.record);
  return plan;
}

std::int32_t half(std::int32_t n) {
  return (n + 1) / 2;
}

}  // namespace

std::size_t data_bytes(const Dataset& data) {
  return (data.train.features.size() + data.test.features.size()) * sizeof(float) +
         data.train.labels.size() * sizeof(std::int32_t);
}

SegmentPlan plan_segment(const gpu::DeviceInfo& device, std::span<const DeviceRun> runs, const SegmentShape& shape) {
  return plan(device, outlooks_of(runs), shape);
}

SegmentPlan choose_segment(const gpu::DeviceInfo& device, std::span<const DeviceRun> runs, std::size_t memory) {
  const std::vector<RunOutlook> outlooks = outlooks_of(runs);
  SegmentShape shape{static_cast<std::int32_t>(runs.size()), 1, 1};
  for (const RunOutlook& run : outlooks) shape.step_trials = std::max(shape.step_trials, run.startup_batch());
  for (;;) {
    const SegmentPlan least = plan(device, outlooks, shape);
    if (least.device_bytes <= memory) break;
    if (shape.step_trials > 1) {
      shape.step_trials = half(shape.step_trials);
    } else if (shape.runs > 1) {
      shape.runs = half(shape.runs);
    } else {
      device_error(
          "run {} needs {} bytes of GPU memory, but {} are free; use --device cpu, a smaller network or fewer "
          "candidates",
          runs[0].run->id(), least.device_bytes, memory);
    }
  }
  shape.cycles = most_cycles(outlooks);
  for (;;) {
    const SegmentPlan planned = plan(device, outlooks, shape);
    if (shape.cycles == 1 || (planned.device_bytes <= memory && planned.pinned_bytes <= kPinnedLimit)) return planned;
    shape.cycles = half(shape.cycles);
  }
}

}  // namespace quarry
