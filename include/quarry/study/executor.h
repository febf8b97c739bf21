// SPDX-License-Identifier: MIT
// The runner's way to the CPU's fits, scores and selections: plain messages in, plain results out, in process. A GPU
// has device_study.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "quarry/al/strategy.h"
#include "quarry/core/context.h"
#include "quarry/core/progress.h"
#include "quarry/data/dataset.h"
#include "quarry/nn/mlp_fleet.h"
#include "quarry/study/config.h"
#include "quarry/study/keychain.h"

namespace quarry {

/// Train one network on rows of a loaded data set's pool, or on rows of its own.
struct FitJob {
  std::int32_t data = 0;  ///< what Executor::load returned
  MemberSpec member;
  std::shared_ptr<const OwnRows> rows = nullptr;  ///< if given, `data` has no meaning
};

/// Score the test part.
struct TestJob {
  std::int32_t data = 0;
  const TrainedMlp<float>* network = nullptr;
  std::int32_t batch_size = 32;
  bool weight_by_size = true;
};

struct TestMetrics {
  double loss = 0;  ///< by the network's own loss
  double accuracy = 0;
  double nll = 0;             ///< -log of the (first) softmax at the label, mean over rows
  double auc = 0;             ///< area under the ROC curve, one-vs-rest, macro mean over classes present
  double accuracy_clean = 0;  ///< accuracy without honeypots; equals accuracy where there are none
};

/// Choose instances of the pool.
struct SelectJob {
  std::int32_t data = 0;
  const TrainedMlp<float>* network = nullptr;
  std::string strategy;
  FeatureLayer layer = FeatureLayer::penultimate;
  std::int32_t mc_passes = 100;
  std::uint64_t mc_key = 0;
  std::vector<std::int32_t> candidates;      ///< ascending pool indices
  std::vector<std::int32_t> labelled;        ///< pool indices
  const KeychainScorer* keychain = nullptr;  ///< for strategies that need it
  SelectionProblem problem;  ///< count, seed, key, tie rule and the like; views are filled by the executor
};

struct Picks {
  std::vector<std::int32_t> indices;  ///< pool indices, in pick order
  bool all_non_finite = false;
  std::int32_t by_position = 0;  ///< Selection::by_position; runs on images
};

class Executor {
 public:
  virtual ~Executor() = default;
  /// Makes a data set known; returns its number. The same object gives the same number.
  virtual std::int32_t load(std::shared_ptr<const Dataset> data) = 0;
  /// Results in job order. Identical jobs are trained once (tunings that several strategies share).
  virtual std::vector<MemberResult<float>> fit(std::span<const FitJob> jobs) = 0;
  virtual std::vector<TestMetrics> test(std::span<const TestJob> jobs) = 0;
  virtual std::vector<Picks> select(std::span<const SelectJob> jobs) = 0;
};

/// Runs everything in the calling process. `stop` (may be null) is looked at between jobs; once it is set, Interrupted
/// (core/progress.h) is thrown.
std::unique_ptr<Executor> make_in_process_executor(Context& context, const std::atomic<bool>* stop);

/// Test metrics from logits [n][C] (pure function; double arithmetic; labels and honeypot flags of the part).
TestMetrics test_metrics(MatrixView<const float> logits, const DataPart& part, Loss loss, std::int32_t batch_size,
                         bool weight_by_size);

}  // namespace quarry
