// SPDX-License-Identifier: MIT
// One hyperparameter search at one point of a run: asks trials, says which networks to train for them, tells results.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "quarry/study/fits.h"

namespace quarry {

/// What a round's sampler and pruner are made with; `steps` = [training] epochs on a single split, or folds.
TpeOptions sampler_options(const RunConfig& config, std::int32_t iteration, FitModel model = FitModel::classifier);
MedianPrunerOptions pruner_options(const RunConfig& config, std::int32_t steps);
/// Whether a trial on the single split reports the validation loss of every epoch.
bool reports_every_epoch(const RunConfig& config);

/// Sequential in meaning: the outcome does not depend on how many fits are trained at once.
class TuningRound {
 public:
  /// One FitRows per fold. One fold: the single split, epochs are the steps of the pruner and the best trial's
  /// network is kept. Several: folds are the steps, the value is the mean (k_fold: pooled over rows) over folds.
  /// An autoencoder has a space of its own (study/keychain.h). A trial of an autoencoder or a meta model fails if any
  /// of its losses is not finite. `best_before`: the smallest value of the run's earlier rounds, -infinity if there is
  /// none; stop_when_beaten ends the round with the first trial below it.
  TuningRound(const RunConfig& config, std::int32_t n_features, std::int32_t n_classes, std::int32_t iteration,
              std::vector<FitRows> folds, FitModel model = FitModel::classifier,
              double best_before = -std::numeric_limits<double>::infinity());

  bool done() const;
  /// Members of every trial that may be trained now, trial by trial, folds inside. Call give() with their results.
  std::vector<MemberSpec> next_fits();
  void give(std::vector<MemberResult<float>> results);

  /// The trial that won; the first one if every trial failed.
  const Trial& chosen() const;
  bool every_trial_failed() const { return search_.best() == nullptr; }
  Hyperparameters chosen_hyperparameters() const;
  Hyperparameters last_hyperparameters() const;
  std::int32_t trials() const { return finished_; }
  std::int32_t pruned() const;
  /// How the chosen trial's network is trained (single split), to have it again after a resume.
  MemberSpec chosen_member() const;
  /// Its result, if this object trained it.
  std::optional<MemberResult<float>> take_chosen_network() { return std::move(best_network_); }

  /// Trials as a journal record, and back: restore() on a fresh round repeats the search without training.
  Json record() const;
  void restore(const Json& record);
  /// The same for trials that were run elsewhere. Error: a check fails unless they are a whole round.
  void restore(std::vector<Trial> trials);

 private:
  MemberSpec member(const Trial& trial, std::size_t fold) const;
  void tell(const Trial& trial, std::span<const MemberResult<float>> folds);
  std::vector<double> fold_reports(std::span<const MemberResult<float>> folds) const;
  Hyperparameters hyperparameters(const Trial& trial) const;

  RunConfig config_;
  std::int32_t n_features_, n_classes_, iteration_;
  std::vector<FitRows> folds_;
  FitModel model_;
  double best_before_;
  Search search_;
  std::vector<std::int32_t> asked_;  ///< trials whose fits are out
  std::int32_t finished_ = 0;
  std::optional<MemberResult<float>> best_network_;
};

}  // namespace quarry
