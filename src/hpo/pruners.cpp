// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/hpo/search.h"

namespace quarry {
namespace {

constexpr double kNoCheck = std::numeric_limits<double>::quiet_NaN();
/// A check that only a trial without any number fails.
constexpr double kNumbersPass = std::numeric_limits<double>::infinity();

/// Median as numpy.percentile computes it: halfway down from the upper middle value.
double median(std::vector<double>& values) {
  const std::size_t half = values.size() / 2;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(half);
  std::nth_element(values.begin(), middle, values.end());
  const double upper = *middle;
  if (values.size() % 2 == 1) return upper;
  const double lower = *std::max_element(values.begin(), middle);
  return std::isinf(upper) ? upper : upper - (upper - lower) * 0.5;
}

class MedianPruner final : public Pruner {
 public:
  MedianPruner(const MedianPrunerOptions& options, bool current) : options_(options), current_(current) {
    if (options.startup_trials < 0 || options.warmup_steps < 0) {
      usage_error("the median pruner cannot have {} start-up trials and {} warm-up steps", options.startup_trials,
                  options.warmup_steps);
    }
  }

  double threshold(std::span<const Trial> trials, std::int32_t step) const override {
    if (step < options_.warmup_steps) return kNoCheck;
    std::int32_t complete = 0;
    std::vector<double> values;
    for (const Trial& trial : trials) {
      if (trial.state != TrialState::complete) continue;
      ++complete;
      const auto s = static_cast<std::size_t>(step);
      if (s < trial.intermediate.size() && !std::isnan(trial.intermediate[s])) values.push_back(trial.intermediate[s]);
    }
    if (complete == 0 || complete < options_.startup_trials) return kNoCheck;
    return values.empty() ? kNumbersPass : median(values);
  }

  bool compares_current() const override { return current_; }

 private:
  MedianPrunerOptions options_;
  bool current_;
};

/// Asynchronous successive halving (Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht, Talwalkar: "A System for
/// Massively Parallel Hyperparameter Tuning", MLSys 2020) with factor 3: at the rungs, after 1, 3, 9, ... steps, a
/// trial goes on if its best value so far is among the best third of those that reached the rung before it.
class HalvingPruner final : public Pruner {
 public:
  double threshold(std::span<const Trial> trials, std::int32_t step) const override {
    if (!is_rung(step + 1)) return kNoCheck;
    std::vector<double> values;
    for (const Trial& trial : trials) {
      if (trial.state != TrialState::complete && trial.state != TrialState::pruned) continue;
      if (static_cast<std::size_t>(step) >= trial.intermediate.size()) continue;
      double best = std::numeric_limits<double>::quiet_NaN();
      for (std::int32_t s = 0; s <= step; ++s) best = std::fmin(best, trial.intermediate[static_cast<std::size_t>(s)]);
      values.push_back(std::isnan(best) ? std::numeric_limits<double>::infinity() : best);
    }
    if (values.size() < kFactor) return kNoCheck;
    const auto last_of_third = values.begin() + static_cast<std::ptrdiff_t>(values.size() / kFactor - 1);
    std::nth_element(values.begin(), last_of_third, values.end());
    return *last_of_third;
  }

 private:
  static constexpr std::size_t kFactor = 3;
  static bool is_rung(std::int64_t steps) {
    std::int64_t rung = 1;
    while (rung < steps) rung *= kFactor;
    return rung == steps;
  }
};

class NoPruner final : public Pruner {
 public:
  double threshold(std::span<const Trial>, std::int32_t) const override { return kNoCheck; }
};

}  // namespace

std::unique_ptr<Pruner> make_median_pruner(const MedianPrunerOptions& options) {
  return std::make_unique<MedianPruner>(options, false);
}

std::unique_ptr<Pruner> make_median_current_pruner(const MedianPrunerOptions& options) {
  return std::make_unique<MedianPruner>(options, true);
}

std::unique_ptr<Pruner> make_halving_pruner() {
  return std::make_unique<HalvingPruner>();
}

std::unique_ptr<Pruner> make_no_pruner() {
  return std::make_unique<NoPruner>();
}

}  // namespace quarry
