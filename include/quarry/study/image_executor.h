// SPDX-License-Identifier: MIT
// The runner's way to fits, tests and selections with residual networks, in process, on the CPU or a GPU: plain
// messages in, plain results out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quarry/data/images.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/study/executor.h"

namespace quarry {

/// Choose instances of the pool.
struct ImageSelectJob {
  std::string strategy;
  FeatureLayer layer = FeatureLayer::penultimate;
  std::int32_t mc_passes = 100;
  std::uint64_t mc_key = 0;
  std::vector<std::int32_t> candidates;                     ///< ascending pool positions
  std::vector<std::int32_t> candidate_rows, labelled_rows;  ///< rows of the data set
  SelectionProblem problem;                                 ///< as SelectJob's
};

/// Train a network on rows of a loaded data set's pool part; then, as asked, score the test part with it and choose.
struct ImageJob {
  std::int32_t data = 0;                 ///< what ImageExecutor::load returned
  std::optional<ConvMemberSpec> member;  ///< none: nothing is trained or tested, and the strategy asks no network
  bool test = false;
  std::optional<ImageSelectJob> select;
};

struct ImageResult {
  ConvMemberResult fit;
  TestMetrics test;                             ///< if asked for
  Picks picks;                                  ///< pool positions; if asked for
  double test_seconds = 0, select_seconds = 0;  ///< of wall clock, where they are told from training: on the CPU
};

/// How many epochs of the networks of one call have been trained; called from any thread. Fewer than before where
/// networks have to be trained again, because an allocation failed.
using EpochsDone = std::function<void(std::int64_t done, std::int64_t total)>;

/// Tests and selections are made in fp32, whatever a network was trained in.
class ImageExecutor {
 public:
  virtual ~ImageExecutor() = default;
  /// Makes a data set known; returns its number. The same object gives the same number.
  virtual std::int32_t load(std::shared_ptr<const ImageDataset> data) = 0;
  /// Carries out the jobs, in their order as far as nothing else is said below, and hands over each result as soon as
  /// it is there, in the calling thread. Identical networks are trained and tested once (the first cycle of several
  /// strategies).
  virtual void run(std::span<const ImageJob> jobs, const std::function<void(std::size_t job, ImageResult)>& done,
                   const EpochsDone& epochs = {}) = 0;
  /// What trains such a network: bits are equal under one name alone, so it is recorded with every run.
  virtual std::string engine(const ResNetSpec& network, ConvMeans means, std::int32_t batch_size) = 0;
};

/// On the CPU, in fp32 or bf16 as each job says, as many networks at a time as there are workers. `stop` (may be null)
/// is looked at before every training step; once it is set, Interrupted is thrown.
std::unique_ptr<ImageExecutor> make_image_executor(Context& context, const std::atomic<bool>* stop);

struct DeviceImageOptions {
  int ordinal = 0;
  bool graphs = true;                       ///< a training step is recorded once and run again and again
  const std::atomic<bool>* stop = nullptr;  ///< looked at before every epoch and every scoring pass
};

/// On a GPU. A data set's images are uploaded when it is loaded, and stay. Networks that can train side by side do, as
/// many as there is memory for; they stay on the device for their tests and selections, which are in its queue behind
/// the training. What comes back of those that trained together is read at the end, in two copies: a few numbers of
/// each training, and those of each test with the picks; and the parameters where a network is to be kept. Only a
/// strategy that asks no network (random) chooses on the host. Results do not depend on how networks are divided into
/// fleets; test metrics are the CPU's, bit for bit, given the device's logits. Errors: device, if there is none, or
/// without memory for a single network; gpu::Failure; Interrupted; failed for a strategy that has no device form.
std::unique_ptr<ImageExecutor> make_device_image_executor(Context& context, const DeviceImageOptions& options);

}  // namespace quarry
