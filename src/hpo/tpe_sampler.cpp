// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/ops/tpe.h"
#include "src/hpo/draws.h"

namespace quarry {
namespace {

/// Rank of a finished trial: complete ones by value, then pruned ones (those that got further first, then by their
/// last value), then complete ones whose value is not a number (nan_trial = worst).
struct Rank {
  std::int32_t group = 0, minus_step = 0;
  double value = 0;
};

Rank rank_of(const Trial& trial) {
  const double infinity = std::numeric_limits<double>::infinity();
  if (trial.state == TrialState::complete) {
    return std::isnan(trial.value) ? Rank{2, 0, 0} : Rank{0, 0, trial.value};
  }
  const double last = trial.intermediate.back();
  return {1, -static_cast<std::int32_t>(trial.intermediate.size()), std::isnan(last) ? infinity : last};
}

bool better(const Rank& a, const Rank& b) {
  if (a.group != b.group) return a.group < b.group;
  if (a.minus_step != b.minus_step) return a.minus_step < b.minus_step;
  return a.value < b.value;
}

bool is_finished(const Trial& trial) {
  return trial.state == TrialState::complete || trial.state == TrialState::pruned;
}

class TpeSampler final : public Sampler {
 public:
  explicit TpeSampler(const TpeOptions& options)
      : options_(options), source_(make_uniform_source(options)), simd_(simd_level()) {
    if (options.candidates < 1) usage_error("TPE needs at least 1 candidate, not {}", options.candidates);
    if (options.startup_trials < 0) usage_error("TPE cannot have {} start-up trials", options.startup_trials);
  }

  std::vector<double> ask(const Space& space, std::int32_t trial, std::span<const Trial> trials) override {
    const auto finished = static_cast<std::int32_t>(std::count_if(trials.begin(), trials.end(), is_finished));
    if (finished < options_.startup_trials) {
      return draw_point(space, [&](const Parameter& parameter, std::size_t p) {
        return draw_startup(parameter, trial, p, *source_);
      });
    }
    split(trials, finished);
    uniforms_.resize(2 * static_cast<std::size_t>(options_.candidates));
    return draw_point(space, [&](const Parameter& parameter, std::size_t p) {
      source_->guided(trial, p, uniforms_);
      return choose(parameter, p);
    });
  }

  std::int32_t independent_asks(std::span<const Trial> trials) const override {
    std::int32_t finished = 0, running = 0;
    for (const Trial& trial : trials) {
      finished += is_finished(trial);
      running += trial.state == TrialState::running;
    }
    return std::max(options_.startup_trials - finished - running, running == 0 ? 1 : 0);
  }

 private:
  /// Sorts the finished trials into the best and the others, each in trial order.
  void split(std::span<const Trial> trials, std::int32_t finished) {
    below_.clear();
    above_.clear();
    for (const Trial& trial : trials) {
      if (is_finished(trial)) above_.push_back(&trial);
    }
    std::vector<const Trial*> sorted = above_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Trial* a, const Trial* b) { return better(rank_of(*a), rank_of(*b)); });
    below_.assign(sorted.begin(), sorted.begin() + tpe_n_below(finished));
    std::sort(below_.begin(), below_.end());  // trials lie in one array: pointers order them by number
    const auto is_below = [&](const Trial* t) { return std::binary_search(below_.begin(), below_.end(), t); };
    above_.erase(std::remove_if(above_.begin(), above_.end(), is_below), above_.end());
  }

  double choose(const Parameter& parameter, std::size_t p) {
    const auto values = [&parameter, p](const std::vector<const Trial*>& trials, auto& out) {
      out.clear();
      for (const Trial* trial : trials) {
        double value = trial->point[p];
        if (std::isnan(value)) continue;
        if (!parameter.half_of.empty()) value = std::min(value, parameter.high);  // seen under a wider bound
        out.push_back(static_cast<typename std::decay_t<decltype(out)>::value_type>(value));
      }
    };
    if (parameter.kind == ParameterKind::categorical) {
      values(below_, category_below_);
      values(above_, category_above_);
      return cpu::tpe_choose_category(category_below_, category_above_,
                                      static_cast<std::int32_t>(parameter.choices.size()), uniforms_)
          .value;
    }
    values(below_, value_below_);
    values(above_, value_above_);
    const TpeProblem problem{domain_of(parameter), value_below_, value_above_, options_.normalised_density, uniforms_};
    return cpu::tpe_choose(simd_, problem, scratch_).value;
  }

  TpeOptions options_;
  std::unique_ptr<UniformSource> source_;
  SimdLevel simd_;
  TpeScratch scratch_;
  std::vector<const Trial*> below_, above_;
  std::vector<double> value_below_, value_above_, uniforms_;
  std::vector<std::int32_t> category_below_, category_above_;
};

}  // namespace

std::unique_ptr<Sampler> make_tpe_sampler(const TpeOptions& options) {
  return std::make_unique<TpeSampler>(options);
}

}  // namespace quarry
