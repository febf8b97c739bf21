// SPDX-License-Identifier: MIT
// Ask/tell hyperparameter search, sequential in meaning: a trial may use exactly the trials told before it. Start-up
// trials do not depend on results, so they may be asked together; the result is the same however they are run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "quarry/core/host_device.h"
#include "quarry/hpo/space.h"

namespace quarry {

enum class TrialState { running, complete, pruned, failed };

struct Trial {
  std::int32_t number = 0;
  std::vector<double> point;  ///< one value per parameter of the space, NaN = not asked
  TrialState state = TrialState::running;
  /// Objective, minimised; of a pruned trial the last value it reported.
  double value = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> intermediate;  ///< value reported at step 0, 1, ...; ends where the trial was pruned
};

/// Chooses points. Stateful (a random stream), so one sampler serves one search.
class Sampler {
 public:
  virtual ~Sampler() = default;
  /// The point of trial `number`, given the trials it may see, in trial order (running ones are ignored).
  virtual std::vector<double> ask(const Space& space, std::int32_t number, std::span<const Trial> trials) = 0;
  /// How many points may be asked now without any further result.
  virtual std::int32_t independent_asks(std::span<const Trial> trials) const = 0;
};

/// Strictly above the threshold, or not a number at all (nothing but NaN was reported) where there is a check.
QUARRY_HD constexpr bool is_pruned(double value, double threshold) {
  return threshold == threshold && !(value <= threshold);
}

/// Decides when a trial is hopeless.
class Pruner {
 public:
  virtual ~Pruner() = default;
  /// The running trial is pruned after step s when is_pruned(min(its values at steps 0..s), threshold(s)), where the
  /// minimum skips values that are not numbers. NaN = no check at s. The trials told so far are given.
  /// (Every pruner offered is of this form; a kernel applies it without asking the host.)
  virtual double threshold(std::span<const Trial> trials, std::int32_t step) const = 0;
  /// True if the value at step s itself is compared instead of the smallest up to s.
  virtual bool compares_current() const { return false; }
};

struct TpeOptions {
  std::int32_t startup_trials = 10;
  std::int32_t candidates = 24;
  bool normalised_density = true;  ///< false: Optuna <= 3.4, float densities without the factor 1/sigma (B28)
  bool numpy_random = false;     ///< true: Optuna's two legacy NumPy streams; false: Philox by (trial, parameter, draw)
  std::uint32_t numpy_seed = 0;  ///< numpy_random
  std::uint64_t key = 0;         ///< Philox key (RngPurpose::tpe)
};

struct MedianPrunerOptions {
  std::int32_t startup_trials = 10;  ///< completed trials before the first decision
  std::int32_t warmup_steps = 0;     ///< no decision at steps below
};

std::unique_ptr<Sampler> make_tpe_sampler(const TpeOptions& options);
std::unique_ptr<Sampler> make_random_sampler(const TpeOptions& options);  ///< start-up draws for ever
std::unique_ptr<Pruner> make_median_pruner(const MedianPrunerOptions& options);
/// As the median pruner, but compares the current value with the median of current values (B12).
std::unique_ptr<Pruner> make_median_current_pruner(const MedianPrunerOptions& options);
/// Asynchronous successive halving, factor 3: rungs after 1, 3, 9, ... steps.
std::unique_ptr<Pruner> make_halving_pruner();
std::unique_ptr<Pruner> make_no_pruner();

struct NamedSummary {
  std::string_view name, summary;
};
std::span<const NamedSummary> sampler_table();
std::span<const NamedSummary> pruner_table();
/// By name. Errors: usage for an unknown name, with a suggestion.
std::unique_ptr<Sampler> make_sampler(std::string_view name, const TpeOptions& options);
std::unique_ptr<Pruner> make_pruner(std::string_view name, const MedianPrunerOptions& options);

/// What a trial whose value is NaN counts as. An infinite value is a complete trial like any other.
enum class NanTrial {
  failed,  ///< ignored by sampler, pruner and best, as in Optuna
  worst,   ///< complete, worse than every trial that has a value
};

struct SearchOptions {
  NanTrial nan_trial = NanTrial::worst;
  /// Trial t is chosen from the results of trials 0 .. t - 1 - lag alone: lag + 1 of them can run at once, and the
  /// outcome is that of as many workers of equal speed. 0 = sequential.
  std::int32_t lag = 0;
  std::vector<double> first_point;  ///< the point of trial 0; empty: the sampler's
};

/// A search in progress.
class Search {
 public:
  Search(Space space, std::unique_ptr<Sampler> sampler, std::unique_ptr<Pruner> pruner,
         NanTrial nan_trial = NanTrial::worst)
      : Search(std::move(space), std::move(sampler), std::move(pruner), SearchOptions{nan_trial, 0, {}}) {}
  Search(Space space, std::unique_ptr<Sampler> sampler, std::unique_ptr<Pruner> pruner, SearchOptions options);

  const Space& space() const { return space_; }
  const std::vector<Trial>& trials() const { return trials_; }
  /// Asks the next trial. The reference is valid until the next ask. Fails if independent_asks() is 0.
  const Trial& ask();
  /// How many trials may be asked before the next tell; at least 1 once all asked trials are told, else 0 or more.
  std::int32_t independent_asks() const;
  /// Pruning thresholds of steps 0..n_steps-1 for the next told trial, given the trials told so far that it may see.
  std::vector<double> thresholds(std::int32_t n_steps) const { return thresholds(n_steps, told_); }
  /// The same for another trial that was asked.
  std::vector<double> thresholds(std::int32_t n_steps, std::int32_t number) const;
  /// Tells a trial's reported values and its objective. Trials are told in trial order. Applies the pruner to the
  /// reported values: if it prunes at step s, the trial is pruned there, later values are dropped, and `value` is
  /// ignored. Returns the trial as recorded.
  const Trial& tell(std::int32_t number, std::span<const double> intermediate, double value);
  /// The complete trial with the smallest value, lowest number on ties; null if there is none.
  const Trial* best() const;
  /// For resume of a finished search: appends a recorded trial (in trial order, told elsewhere). The sampler is not
  /// consulted, so ask() may not follow (checked).
  void adopt(Trial trial);
  /// For resume of a search under way: asks and tells a recorded trial again, so ask() may follow. Fails if the search
  /// asks another point or ends the trial otherwise than recorded.
  void replay(const Trial& trial);

 private:
  /// What the next trial to ask (or to tell) may see of those before it.
  std::span<const Trial> seen_by(std::size_t number) const;

  Space space_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<Pruner> pruner_;
  SearchOptions options_;
  std::vector<Trial> trials_;
  std::int32_t told_ = 0;
  bool adopted_ = false;
};

}  // namespace quarry
