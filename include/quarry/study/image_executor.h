// SPDX-License-Identifier: MIT
// The runner's way to fits, tests and selections with residual networks, in process on the CPU: plain messages in,
// plain results out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "quarry/data/images.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/study/executor.h"

namespace quarry {

/// Train one network on rows of a loaded data set's pool part.
struct ImageFitJob {
  std::int32_t data = 0;  ///< what ImageExecutor::load returned
  ConvMemberSpec member;
};

/// Score the test part.
struct ImageTestJob {
  std::int32_t data = 0;
  const TrainedConvNet* network = nullptr;
};

/// Choose instances of the pool.
struct ImageSelectJob {
  std::int32_t data = 0;
  const TrainedConvNet* network = nullptr;  ///< null for a strategy that needs none
  std::string strategy;
  FeatureLayer layer = FeatureLayer::penultimate;
  std::int32_t mc_passes = 100;
  std::uint64_t mc_key = 0;
  std::vector<std::int32_t> candidates;                     ///< ascending pool positions
  std::vector<std::int32_t> candidate_rows, labelled_rows;  ///< rows of the data set
  SelectionProblem problem;                                 ///< as SelectJob's
};

/// How many epochs of the networks of one call have been trained; called from any thread.
using EpochsDone = std::function<void(std::int64_t done, std::int64_t total)>;

class ImageExecutor {
 public:
  /// `stop` (may be null) is looked at before every training step; once it is set, Interrupted is thrown.
  ImageExecutor(Context& context, const std::atomic<bool>* stop) : context_(context), stop_(stop) {}

  /// Makes a data set known; returns its number. The same object gives the same number.
  std::int32_t load(std::shared_ptr<const ImageDataset> data);
  /// Trains the jobs in their order, as many at a time as there are workers, and hands over each result as soon as it
  /// is there, in the calling thread. Identical jobs are trained once (the first cycle of several strategies).
  void fit(std::span<const ImageFitJob> jobs, const std::function<void(std::size_t job, ConvMemberResult)>& done,
           const EpochsDone& epochs = {});
  TestMetrics test(const ImageTestJob& job);
  /// Picks are pool positions.
  Picks select(const ImageSelectJob& job);

 private:
  void check_stop() const;
  const ImageDataset& dataset(std::int32_t number) const { return *data_.at(static_cast<std::size_t>(number)); }

  Context& context_;
  const std::atomic<bool>* stop_;
  std::vector<std::shared_ptr<const ImageDataset>> data_;
};

}  // namespace quarry
