// SPDX-License-Identifier: MIT
// What the executors of image studies share.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "quarry/study/image_executor.h"

namespace quarry {

/// Jobs that train the same network, side by side in sets; sets and their jobs in the order of the jobs. Those that
/// train none are left out.
std::vector<std::vector<std::size_t>> identical_fits(std::span<const ImageJob> jobs);

/// Epochs of the networks that they train.
std::int64_t epochs_of(std::span<const ImageJob> jobs, std::span<const std::vector<std::size_t>> sets);

bool asks_network(const ImageSelectJob& job);
/// Picks of a strategy that asks none.
Picks select_without_network(Context& context, const ImageSelectJob& job);
/// Carries out the jobs that train no network. Error: Interrupted, before each of them.
void run_without_network(Context& context, std::span<const ImageJob> jobs, const std::atomic<bool>* stop,
                         const std::function<void(std::size_t job, ImageResult)>& done);

/// What a strategy chose of the candidates, as pool positions.
Picks picks_of(const ImageSelectJob& job, const Selection& selection);

/// The data sets that an executor knows, by number.
class ImageSets {
 public:
  /// The number of this object; -1 if it is not known.
  std::int32_t find(const ImageDataset& data) const;
  /// The next number.
  std::int32_t add(std::shared_ptr<const ImageDataset> data);
  const ImageDataset& at(std::int32_t number) const { return *sets_.at(static_cast<std::size_t>(number)); }

 private:
  std::vector<std::shared_ptr<const ImageDataset>> sets_;
};

/// Throws Interrupted once a stop (may be null) is set.
void check_stop(const std::atomic<bool>* stop);

}  // namespace quarry
