// SPDX-License-Identifier: MIT
#include "quarry/hpo/search.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quarry/core/error.h"

namespace quarry {
namespace {

bool same_bits(std::span<const double> a, std::span<const double> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) {
           return (std::isnan(x) && std::isnan(y)) || std::memcmp(&x, &y, sizeof x) == 0;
         });
}

}  // namespace

Search::Search(Space space, std::unique_ptr<Sampler> sampler, std::unique_ptr<Pruner> pruner, SearchOptions options)
    : space_(std::move(space)), sampler_(std::move(sampler)), pruner_(std::move(pruner)), options_(std::move(options)) {
  QUARRY_CHECK(sampler_ && pruner_, "a search needs a sampler and a pruner");
  space_.validate();
  const std::size_t given = options_.first_point.size();
  QUARRY_CHECK(given == 0 || given == space_.parameters.size(), "a first point of {} values for {} parameters", given,
               space_.parameters.size());
  QUARRY_CHECK(options_.lag >= 0, "a lag of {} trials", options_.lag);
}

std::span<const Trial> Search::seen_by(std::size_t number) const {
  const auto lag = static_cast<std::size_t>(options_.lag);
  return {trials_.data(), number > lag ? number - lag : 0};
}

const Trial& Search::ask() {
  QUARRY_CHECK(!adopted_, "a search that was taken over from its record asks no further trials");
  QUARRY_CHECK(independent_asks() >= 1, "trial {} depends on the results of {} asked trials that are not told yet",
               trials_.size(), static_cast<std::int32_t>(trials_.size()) - told_);
  Trial trial;
  trial.number = static_cast<std::int32_t>(trials_.size());
  if (trials_.empty() && !options_.first_point.empty()) {
    trial.point = options_.first_point;
  } else {
    trial.point = sampler_->ask(space_, trial.number, seen_by(trials_.size()));
  }
  trials_.push_back(std::move(trial));
  return trials_.back();
}

std::int32_t Search::independent_asks() const {
  const std::int32_t asked = static_cast<std::int32_t>(trials_.size());
  return std::max(sampler_->independent_asks(trials_), told_ + options_.lag + 1 - asked);
}

std::vector<double> Search::thresholds(std::int32_t n_steps, std::int32_t number) const {
  QUARRY_CHECK(n_steps >= 0 && number >= 0, "{} steps of trial {}", n_steps, number);
  std::vector<double> result(static_cast<std::size_t>(n_steps));
  const std::span<const Trial> told = seen_by(static_cast<std::size_t>(number));
  for (std::int32_t step = 0; step < n_steps; ++step) {
    result[static_cast<std::size_t>(step)] = pruner_->threshold(told, step);
  }
  return result;
}

const Trial& Search::tell(std::int32_t number, std::span<const double> intermediate, double value) {
  QUARRY_CHECK(number == told_ && static_cast<std::size_t>(number) < trials_.size(),
               "trial {} is told, but the next to tell is {} of {} asked", number, told_, trials_.size());
  const std::vector<double> thresholds_of_steps = thresholds(static_cast<std::int32_t>(intermediate.size()));
  Trial& trial = trials_[static_cast<std::size_t>(number)];
  trial.intermediate.assign(intermediate.begin(), intermediate.end());
  trial.value = value;
  trial.state = std::isnan(value) && options_.nan_trial == NanTrial::failed ? TrialState::failed : TrialState::complete;
  double best = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t step = 0; step < intermediate.size(); ++step) {
    best = pruner_->compares_current() ? intermediate[step] : std::fmin(best, intermediate[step]);
    if (!is_pruned(best, thresholds_of_steps[step])) continue;
    trial.state = TrialState::pruned;
    trial.intermediate.resize(step + 1);
    trial.value = trial.intermediate.back();
    break;
  }
  ++told_;
  return trial;
}

const Trial* Search::best() const {
  const Trial* best = nullptr;
  for (const Trial& trial : trials_) {
    if (trial.state != TrialState::complete) continue;
    if (best == nullptr || trial.value < best->value || (std::isnan(best->value) && !std::isnan(trial.value))) {
      best = &trial;
    }
  }
  return best;
}

void Search::adopt(Trial trial) {
  QUARRY_CHECK(trial.number == told_ && static_cast<std::size_t>(told_) == trials_.size(),
               "trial {} is taken over, but trial {} is next", trial.number, trials_.size());
  QUARRY_CHECK(trial.state != TrialState::running && trial.point.size() == space_.parameters.size(),
               "trial {} was not finished or has {} values in a space of {} parameters", trial.number,
               trial.point.size(), space_.parameters.size());
  trials_.push_back(std::move(trial));
  ++told_;
  adopted_ = true;
}

void Search::replay(const Trial& trial) {
  QUARRY_CHECK(trial.number == static_cast<std::int32_t>(trials_.size()) && trial.number == told_,
               "trial {} is replayed, but trial {} is next", trial.number, trials_.size());
  QUARRY_CHECK(trial.state != TrialState::running, "trial {} was still running when it was recorded", trial.number);
  if (!same_bits(ask().point, trial.point)) {
    fail(
        "trial {} was recorded with another point than this search asks: the record belongs to another config, seed or "
        "version; start again in an empty directory",
        trial.number);
  }
  const Trial& told = tell(trial.number, trial.intermediate, trial.value);
  if (told.state != trial.state || !same_bits(told.intermediate, trial.intermediate)) {
    fail(
        "trial {} ended otherwise than it was recorded: the record belongs to another config or version; start again "
        "in an empty directory",
        trial.number);
  }
}

}  // namespace quarry
