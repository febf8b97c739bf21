// SPDX-License-Identifier: MIT
// The cost of the hyperparameter study's runs (spec 12).
#include <algorithm>
#include <cmath>

#include "quarry/al/strategy.h"
#include "quarry/core/error.h"
#include "quarry/nn/conv_fleet_device.h"
#include "quarry/study/image_fits.h"
#include "quarry/study/image_learning_run.h"
#include "quarry/study/plan.h"
#include "src/study/image_memory.h"

namespace quarry {
namespace {

ResNetPlan plan_of(const RunConfig& run, const DataSize& size) {
  ImageDataset data;  // its shape alone counts
  data.shape = size.image;
  data.n_classes = size.classes;
  return plan_resnet(network_of(run, data));
}

class ImageCostSum {
 public:
  ImageCostSum(const RunConfig& run, const DataSize& size) : run_(run), plan_(plan_of(run, size)) {}

  /// `count` networks trained on `rows` images each, `chain` of them one after another.
  void add_fits(std::int64_t count, std::int64_t chain, std::int64_t rows, BatchRule rule) {
    const std::int64_t batches = batches_per_epoch(rows, run_.batch_size, rule);
    const bool one_short_batch = rule == BatchRule::drop_last && rows < run_.batch_size;
    const std::int64_t images = rule == BatchRule::keep_last || one_short_batch ? rows : batches * run_.batch_size;
    cost.fits += count;
    cost.steps += count * batches * run_.epochs;
    cost.sequential_steps += chain * batches * run_.epochs;
    cost.image_passes += count * images * run_.epochs;
    cost.training_flops += 2.0 * static_cast<double>(training_macs(plan_)) * static_cast<double>(count) *
                           static_cast<double>(images) * run_.epochs;
  }
  void add_scored(double images) { cost.scoring_flops += 2.0 * static_cast<double>(forward_macs(plan_)) * images; }
  std::int32_t features() const { return plan_.features; }

  RunCost cost;

 private:
  const RunConfig& run_;
  ResNetPlan plan_;
};

void add_learning(ImageCostSum& sum, const RunConfig& run, const DataSize& size) {
  const StrategyNeeds needs = make_strategy(run.strategy)->needs();
  const bool network = needs.probabilities || needs.features || needs.bald;
  const std::int64_t pool = pool_size(run, size.pool);
  const std::int32_t cycles = iterations_total(run);
  std::int64_t labels = run.n_initial < 0 ? pool : run.n_initial;
  for (std::int32_t cycle = 0; cycle < cycles; ++cycle) {
    const bool last = cycle + 1 == cycles;
    const bool tested = is_tested(run, cycle - 1);
    if (tested || (network && !last)) sum.add_fits(1, 1, labels, run.batches);
    if (tested) sum.add_scored(static_cast<double>(size.test));
    if (last) break;
    const std::int64_t left = pool - labels;
    const auto candidates = static_cast<double>(network && run.candidates > 0 ? std::min(run.candidates, left) : left);
    if (needs.probabilities || needs.features) sum.add_scored(candidates);
    if (needs.bald) sum.add_scored(run.mc_passes * candidates);
    if (needs.labelled_features) {
      sum.add_scored(static_cast<double>(labels));
      const double width = run.coreset_layer == FeatureLayer::logits ? size.classes : sum.features();
      sum.cost.scoring_flops += 2 * width * candidates * static_cast<double>(labels + run.size);
    }
    labels = std::min<std::int64_t>(labels + run.size, std::int64_t{run.n_initial} + run.budget);
  }
  sum.cost.acquisitions = cycles - 1;
  sum.cost.members = sum.cost.startup_members = 1;
}

void add_search(ImageCostSum& sum, const RunConfig& run, const DataSize& size) {
  const std::int64_t n = run.acquired_labels;
  const std::int64_t validation = run.cross_validation == CrossValidation::k_fold
                                      ? n / run.folds
                                      : static_cast<std::int64_t>(std::ceil(run.val_share * static_cast<double>(n)));
  const BatchRule rule = run.batches == BatchRule::keep_last ? BatchRule::keep_last : BatchRule::drop_last;
  const std::int64_t waves = (run.trials + run.lag) / (run.lag + 1);
  sum.add_fits(std::int64_t{run.trials} * run.folds, waves, n - validation, rule);
  sum.add_scored(static_cast<double>(run.trials) * run.folds * static_cast<double>(validation));
  sum.add_fits(1, 1, n, rule);
  sum.add_scored(static_cast<double>(size.test));
  sum.cost.members = std::int64_t{run.folds} * (run.lag + 1);
  sum.cost.startup_members = std::int64_t{run.folds} * std::max(run.lag + 1, std::min(run.startup_trials, run.trials));
}

}  // namespace

RunCost image_run_cost(const RunConfig& run, const DataSize& size) {
  ImageCostSum sum(run, size);
  if (run.mode == Mode::frozen_set) {
    add_search(sum, run, size);
  } else {
    add_learning(sum, run, size);
  }
  return sum.cost;
}

namespace {

/// What the larger of a test and a selection writes down on a device beside the scorer.
std::int64_t scores_memory(const RunConfig& run, const DataSize& size, const ResNetPlan& plan, std::int64_t candidates,
                           std::int64_t labels) {
  const auto test = static_cast<std::int64_t>(test_scores_memory(size.test, size.classes));
  if (run.mode == Mode::frozen_set) return test;
  const StrategyNeeds needs = make_strategy(run.strategy)->needs();
  return std::max(
      test, static_cast<std::int64_t>(selection_scores_memory(needs, run.coreset_layer, plan, candidates, labels)));
}

PlanDeviceMemory device_memory(const RunConfig& run, const DataSize& size, const ResNetPlan& plan) {
  const std::int64_t pool = pool_size(run, size.pool);
  const bool search = run.mode == Mode::frozen_set;
  const std::int64_t labels = search ? run.acquired_labels : run.n_initial < 0 ? pool : run.n_initial + run.budget;
  const std::int64_t candidates = run.candidates > 0 ? std::min(run.candidates, pool) : pool;
  const std::int64_t rows = search ? size.test : std::max({size.test, candidates, labels});
  const std::int64_t scores = scores_memory(run, size, plan, candidates, labels);
  const auto scoring = [&](std::int32_t batch) {
    return static_cast<std::int64_t>(cuda::ConvFleetNet::scoring_memory(plan, batch, rows)) + scores;
  };
  PlanDeviceMemory memory;
  const auto workspace = [&](std::int32_t members) {
    return static_cast<std::int64_t>(cuda::most_conv_workspace(plan, means_of(run), run.batch_size, members));
  };
  memory.network =
      static_cast<std::int64_t>(cuda::ConvFleetNet::memory(plan, means_of(run), run.batch_size, 1, run.epochs)) -
      workspace(1) + std::int64_t{sizeof(std::int32_t)} * (labels + run.batch_size);
  memory.workspace = workspace(static_cast<std::int32_t>(gpu::kConvolutionQueues));
  memory.parameters = static_cast<std::int64_t>(cuda::ConvNetworks::memory(plan, 1));
  memory.scoring = scoring(cuda::kScoringImages);
  memory.least_scoring = scoring(1);
  return memory;
}

}  // namespace

PlanMemory image_run_memory(const RunConfig& run, const DataSize& size) {
  const ResNetPlan plan = plan_of(run, size);
  constexpr std::int64_t kNumber = sizeof(float);
  std::int64_t maps = size.image.pixels();  // numbers of an image's activations: of each convolution and its ReLU
  for (const ConvLayer& layer : plan.layers)
    maps += 2 * std::int64_t{layer.out_channels} * layer.out_height * layer.out_width;
  PlanMemory memory;
  constexpr std::int64_t kCopies = 4;  // weights, momentum, gradients, what the library reorders
  memory.workers = kNumber * (kCopies * plan.n_parameters + 2 * run.batch_size * maps);
  memory.networks = kNumber * (plan.n_parameters + plan.n_buffers);
  const std::int64_t pool = pool_size(run, size.pool);
  const std::int64_t scored = run.candidates > 0 ? std::min(run.candidates, pool) : pool;
  memory.scores = run.mode == Mode::frozen_set
                      ? kNumber * size.test * size.classes
                      : kNumber * (scored + run.budget) * (plan.features + 2 * std::int64_t{size.classes});
  memory.device = device_memory(run, size, plan);
  constexpr std::int64_t kIndexBytes = 7;  // a position as text, in a journal
  memory.records = kIndexBytes * (run.mode == Mode::frozen_set ? run.acquired_labels + 60 * std::int64_t{run.trials}
                                                               : 2 * std::int64_t{run.budget});
  return memory;
}

}  // namespace quarry
