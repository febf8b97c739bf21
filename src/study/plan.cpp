// SPDX-License-Identifier: MIT
#include "quarry/study/plan.h"

#include <algorithm>
#include <cmath>

#include "quarry/al/strategy.h"
#include "quarry/core/error.h"
#include "quarry/study/image_fits.h"
#include "quarry/study/keychain.h"
#include "src/study/plan_fits.h"

namespace quarry {
namespace {

std::int64_t initial_size(const RunConfig& run, const DataSize& size) {
  return run.n_initial < 0 ? size.pool : run.n_initial;
}

std::int64_t validation_size(const RunConfig& run, std::int64_t n) {
  return static_cast<std::int64_t>(std::ceil(run.val_share * static_cast<double>(n)));
}

std::int64_t whole_validation_size(const RunConfig& run, std::int64_t pool) {
  return static_cast<std::int64_t>(std::ceil(run.whole_val_share.value_or(run.val_share) * static_cast<double>(pool)));
}

std::int64_t acquisition_count(const RunConfig& run) {
  return run.n_initial < 0 ? 0 : (std::int64_t{run.budget} + run.size - 1) / run.size;
}

// Weights of the network of mode fixed, or of the average network of the space.
PlanShape shape_of(const RunConfig& run, const DataSize& size) {
  const double d = size.features, c = size.classes;
  if (run.mode != Mode::fixed) return average_shape(run, d, c);
  PlanShape shape;
  double before = d;
  for (const std::int32_t width : run.hidden) {
    shape.weights += before * width;
    before = width;
  }
  shape.weights += before * c;
  shape.first = d * (run.hidden.empty() ? c : run.hidden.front());
  shape.penultimate = before;
  return shape;
}

class CostSum {
 public:
  CostSum(const RunConfig& run, const DataSize& size) : run_(run), size_(size), shape_(shape_of(run, size)) {}

  void add(const PlanFits& fits) {
    const PlanShape& shape = fits.shape ? *fits.shape : shape_;
    const std::int64_t batch = run_.batch_size;
    const bool drops = run_.drop_last && fits.train > batch;
    const std::int64_t per_epoch = drops ? fits.train / batch : (fits.train + batch - 1) / batch;
    const std::int64_t epochs = run_.updates > 0 ? (run_.updates + per_epoch - 1) / per_epoch : run_.epochs;
    cost_.fits += fits.count;
    cost_.steps += fits.count * epochs * per_epoch;
    cost_.sequential_steps += fits.sequential * epochs * per_epoch;
    const double rows = static_cast<double>(drops ? per_epoch * batch : fits.train);
    const double trained = static_cast<double>(epochs) * rows * (6 * shape.weights - 2 * shape.first);
    const double scored =
        2 * shape.weights * (rows + static_cast<double>(fits.validation * (fits.every_epoch ? epochs : 1)));
    cost_.training_flops += static_cast<double>(fits.count) * (trained + scored);
  }

  void add_scoring(std::int64_t unlabelled, std::int64_t labelled, const StrategyNeeds& needs) {
    const double candidates =
        static_cast<double>(run_.candidates > 0 ? std::min(run_.candidates, unlabelled) : unlabelled);
    const double pass = 2 * shape_.weights * candidates;
    if (needs.probabilities || needs.features || needs.keychain) cost_.scoring_flops += pass;
    if (needs.bald) cost_.scoring_flops += run_.mc_passes * pass;
    const double width = run_.coreset_layer == FeatureLayer::logits ? size_.classes : shape_.penultimate;
    if (needs.features) cost_.scoring_flops += 2 * width * candidates * static_cast<double>(labelled + run_.size);
  }

  void add_test() { cost_.scoring_flops += 2 * shape_.weights * static_cast<double>(size_.test); }

  RunCost& cost() { return cost_; }

 private:
  const RunConfig& run_;
  const DataSize& size_;
  PlanShape shape_;
  RunCost cost_;
};

// The fits that a search of one row of the results makes.
void add_search(CostSum& sum, const RunConfig& run, std::int64_t n, std::int64_t added) {
  const std::int64_t startup = std::min(run.trials, run.startup_trials);
  PlanFits fits;
  fits.count = run.trials;
  fits.sequential = run.trials - startup + 1;
  fits.every_epoch = true;
  fits.validation = validation_size(run, n);
  if (run.mode == Mode::constant_whole) {
    fits.count *= run.whole_folds;
    fits.every_epoch = run.whole_folds == 1;
    fits.validation = whole_validation_size(run, n);
  } else if (run.mode == Mode::online_dynamic) {
    fits.count *= run.folds;
    fits.every_epoch = false;
    if (run.cross_validation == CrossValidation::k_fold) fits.validation = n / run.folds;
  }
  fits.train = n - fits.validation + added;
  sum.add(fits);
}

}  // namespace

PlanShape average_shape(const RunConfig& run, double inputs, double outputs) {
  const double width = 0.5 * (run.width_low + run.width_high), depth = 0.5 * (run.depth_low + run.depth_high);
  return {width * (inputs + outputs) + (depth - 1) * width * width, inputs * width, width};
}

void check_run_fits_data(const RunConfig& run, const DataSize& whole) {
  const std::string_view data = run.data.name;
  DataSize size = whole;
  size.pool = pool_size(run, whole.pool);
  if (size.pool < 1)
    usage_error("data.holdout_share = {} leaves nothing of the {} instances of '{}'", run.holdout_share, whole.pool,
                data);
  if (run.mode == Mode::frozen_set) {
    if (run.acquired_labels > size.pool)
      usage_error("pool.acquired_labels = {} is more than the pool of '{}', {} instances", run.acquired_labels, data,
                  size.pool);
    return;
  }
  if (run.n_initial > size.pool)
    usage_error("pool.n_initial = {} is more than the pool of '{}', {} instances", run.n_initial, data, size.pool);
  const std::int64_t n = initial_size(run, size);
  if (run.n_initial > 0 && run.budget > size.pool - n)
    usage_error("acquisition.budget = {} is more than the {} unlabelled instances of '{}' (pool {}, pool.n_initial {})",
                run.budget, size.pool - n, data, size.pool, n);
  if (validation_size(run, n) >= n)
    usage_error("pool.val_share = {} leaves none of {} initial instances of '{}' to train on", run.val_share, n, data);
  if (run.mode == Mode::constant_whole && whole_validation_size(run, size.pool) >= size.pool)
    usage_error("search.whole_val_share leaves none of the {} instances of '{}' to train on", size.pool, data);
  const bool k_fold = run.mode == Mode::online_dynamic && run.cross_validation == CrossValidation::k_fold;
  if (k_fold && run.folds > n)
    usage_error("search.folds = {} is more than the {} initial instances of '{}'", run.folds, n, data);
}

RunCost run_cost(const RunConfig& run, const DataSize& size) {
  check_run_fits_data(run, size);
  if (run.network != NetworkKind::mlp) return image_run_cost(run, size);
  CostSum sum(run, size);
  RunCost& cost = sum.cost();
  const std::int64_t n = initial_size(run, size), validation = validation_size(run, n);
  const bool constant = run.mode == Mode::constant_whole || run.mode == Mode::constant_initial;
  const bool online = run.mode == Mode::online_static || run.mode == Mode::online_dynamic;
  const StrategyNeeds needs = make_strategy(run.strategy)->needs();
  cost.acquisitions = acquisition_count(run);
  if (constant) add_search(sum, run, run.mode == Mode::constant_whole ? size.pool : n, 0);
  std::int64_t added = 0;
  for (std::int64_t row = 0; row <= cost.acquisitions; ++row) {
    if (online) add_search(sum, run, n, added);
    // Searches on one split keep the best trial's network, unless it is to see the validation rows too, or the last
    // trial's hyperparameters are taken instead.
    const bool one_split = run.mode == Mode::online_static || (run.mode == Mode::constant_initial && row == 0);
    const bool kept = one_split && !run.refit_on_all && !(run.cache_last_trial && row == 0);
    if (!kept)
      sum.add({1, 1, n + added - (run.refit_on_all ? 0 : validation), run.refit_on_all ? 0 : validation, false});
    sum.add_test();
    if (row == cost.acquisitions) break;
    sum.add_scoring(size.pool - n - added, n + added, needs);
    if (needs.keychain)
      for (const PlanFits& fits : keychain_fits(run, size, n, n - validation, added)) sum.add(fits);
    added = std::min<std::int64_t>(added + run.size, run.budget);
  }
  cost.members = run.mode == Mode::online_dynamic ? run.folds : run.mode == Mode::constant_whole ? run.whole_folds : 1;
  cost.startup_members =
      run.mode == Mode::fixed ? 1 : cost.members * std::min<std::int64_t>(run.trials, run.startup_trials);
  if (needs.keychain && cost.acquisitions > 0) {
    const KeychainSettings settings = keychain_settings(run);
    cost.members = std::max<std::int64_t>(cost.members, settings.splits);
    cost.startup_members = std::max<std::int64_t>(
        cost.startup_members, std::int64_t{settings.splits} * std::min(settings.trials, run.startup_trials));
  }
  return cost;
}

}  // namespace quarry
