// SPDX-License-Identifier: MIT
// Searches for a device, made from what Search is made of: the arrays of quarry/hpo/device_search.h, and the way back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "quarry/core/gpu.h"
#include "quarry/hpo/device_search.h"

namespace quarry {

struct SearchSetup {
  Space space;
  DeviceSampler sampler = DeviceSampler::tpe;
  TpeOptions options;
  DevicePruner pruner = DevicePruner::none;
  MedianPrunerOptions pruner_options;
  NanTrial nan_trial = NanTrial::worst;
  std::int32_t most_trials = 0, most_steps = 0;
};

/// By the names of make_sampler and make_pruner. Errors: internal for a name that has no device form.
DeviceSampler device_sampler(std::string_view name);
DevicePruner device_pruner(std::string_view name);

/// How many numbers of NumPy's two streams a search can use.
struct StreamLengths {
  std::int64_t startup = 0, guided = 0;
};
StreamLengths stream_lengths(const SearchSetup& setup);

/// What DeviceSearches(session, setups, together) allocates. Pure function.
struct SearchBytes {
  std::size_t device = 0, pinned = 0;
};
SearchBytes search_bytes(std::span<const SearchSetup> setups, std::int32_t together);

/// Histories of searches on a device, empty at first. The searches stand in a row, so that a launch serves those from
/// data() + first on.
class DeviceSearches {
 public:
  /// `together` is how many searches run at a time: search i shares its scratch memory with i + together, i + 2
  /// together, ..., so those must not be in one launch. Allocates, uploads and waits. Errors: usage as those of Search
  /// and its parts; Failure.
  DeviceSearches(gpu::Session& session, std::span<const SearchSetup> setups, std::int32_t together);

  std::int32_t size() const { return static_cast<std::int32_t>(uploaded_.size()); }
  DeviceSearch* data() const { return searches_.data(); }  ///< [size()] on the device
  /// Search i as it was uploaded: for kernels that read points or write values and reports.
  const DeviceSearch& uploaded(std::int32_t i) const { return uploaded_[static_cast<std::size_t>(i)]; }

  /// Queues the copy of n searches and their histories to the host.
  void copy_out(gpu::Session& session, std::int32_t first, std::int32_t n);
  /// Search i and its trials as last copied; valid once the queue has reached what copy_out queued.
  const DeviceSearch& copied(std::int32_t i) const { return copied_[static_cast<std::size_t>(i)]; }
  std::vector<Trial> trials(std::int32_t i) const;

 private:
  /// Where the history of a search starts: points, values, reports; states, n_reports.
  struct Place {
    std::int64_t reals = 0, integers = 0;
  };
  void point_at_memory(std::span<const SearchSetup> setups);

  std::vector<DeviceSearch> uploaded_;
  std::vector<Place> places_;  ///< [size() + 1]
  gpu::Buffer<DeviceSearch> searches_;
  gpu::Buffer<DeviceParameter> parameters_;
  gpu::Buffer<double> reals_, thresholds_, scratch_, streams_;
  gpu::Buffer<std::int32_t> integers_;
  gpu::Pinned<DeviceSearch> copied_;
  gpu::Pinned<double> copied_reals_;
  gpu::Pinned<std::int32_t> copied_integers_;
};

}  // namespace quarry
