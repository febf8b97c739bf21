// SPDX-License-Identifier: MIT
// What is known of a run's next iterations before they have happened: all counts, rows apart from acquired ones, keys,
// searches. Only hyperparameters, networks and picks depend on results, and they stay on the device.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "quarry/hpo/device_searches.h"
#include "quarry/nn/mlp_device.h"
#include "quarry/study/active_learning_run.h"

namespace quarry {

/// One iteration ahead.
struct CycleOutlook {
  std::int32_t iteration = -1;
  std::int32_t added = 0, unlabelled = 0;  ///< acquired instances, and those that are left
  bool tunes = false;                      ///< a search runs
  bool fits = false;                       ///< the network is trained after it; else it is the best trial's
  bool tests = true;                       ///< false: a replay, the network is wanted to select with
  std::int32_t picks = 0;                  ///< 0: the last iteration
  std::int32_t candidates = 0;             ///< that are scored for them
};

class RunOutlook {
 public:
  /// `run` wants fits; it and the data must outlive the outlook.
  RunOutlook(ActiveLearningRun& run, const Dataset& data);

  ActiveLearningRun& run() const { return *run_; }
  const RunConfig& config() const { return run_->config(); }
  const Dataset& data() const { return *data_; }
  /// From the run's present iteration on: to its last, or to one whose tuning is in the journal.
  const std::vector<CycleOutlook>& cycles() const { return cycles_; }
  bool tunes(std::size_t cycle) const { return cycle < cycles_.size() && cycles_[cycle].tunes; }

  /// Rows as they are now; those of folds are empty unless an iteration tunes.
  const FitRows& network_rows() const { return network_rows_; }
  const std::vector<FitRows>& folds() const { return folds_; }
  /// The folds of a tuning grow with what is acquired.
  bool folds_grow() const { return config().mode != Mode::constant_whole; }
  /// The hyperparameters of the first iteration's network, if they are known already.
  const std::optional<MemberSpec>& known() const { return known_; }
  /// Acquired from now on, in all.
  std::int32_t picks_ahead() const;

  /// How a cycle's network and the folds of its trials are trained: everything but pointers, hyperparameters and (of
  /// trials) keys.
  MlpFitJob network_job(std::size_t cycle) const;
  std::vector<MlpFitJob> fold_jobs(std::size_t cycle) const;
  SearchSetup search(std::size_t cycle) const;
  SelectJob selection(std::size_t cycle) const;

  /// Trials that may be asked before the first is told.
  std::int32_t startup_batch() const;
  /// Of the largest network.
  std::int32_t hidden_layers() const;
  std::int32_t hidden_width() const;
  std::int64_t most_parameters() const;

 private:
  CycleOutlook outlook(std::int32_t iteration, std::int32_t added, std::int32_t unlabelled) const;

  ActiveLearningRun* run_;
  const Dataset* data_;
  std::vector<CycleOutlook> cycles_;
  FitRows network_rows_;
  std::vector<FitRows> folds_;
  std::optional<MemberSpec> known_;
};

}  // namespace quarry
