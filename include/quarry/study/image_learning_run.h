// SPDX-License-Identifier: MIT
// One run of the hyperparameter study's active-learning half (spec 5): label at random, then train from the same
// initial weights, test, choose, label, repeat, with fixed hyperparameters. A state machine that says what it wants
// done next, so that a runner can serve many runs in lock step.
//
//   begin cycle -> [fit -> test] -> (commit) -> select -> begin next cycle ... -> done
//
// Indices are pool positions: row of the data set = pool_rows()[position]. A cycle whose number of labels is not in
// acquisition.tested is not tested, and not trained for either if the strategy asks no network.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "quarry/al/pool.h"
#include "quarry/core/file_system.h"
#include "quarry/study/image_executor.h"
#include "quarry/study/image_fits.h"
#include "quarry/study/journal.h"
#include "quarry/study/results.h"

namespace quarry {

/// Cycles of a finished run, the one before the first query included.
std::int32_t learning_cycles(const RunConfig& config);

class ImageLearningRun {
 public:
  enum class Want { fit, test, selection, nothing };

  /// Opens or resumes the run's journal in `directory`.
  /// Error: failed if the journal belongs to another run, or to one carried out otherwise.
  ImageLearningRun(FileSystem& files, const StudyRun& run, std::shared_ptr<const ImageDataset> data,
                   const std::string& directory, ImageRunMeans means);

  Want want() const { return want_; }
  const std::string& id() const { return run_.id; }
  std::int32_t committed_cycles() const { return committed_cycles_; }  ///< when the run was opened
  bool diverged_once() const { return diverged_once_; }

  ConvMemberSpec fit() const;
  /// Cycles that the network now wanted will commit, for a forecast: none if it is wanted again to select with.
  double commits_per_fit() const { return replaying_ ? 0 : 1; }
  void give_fit(ConvMemberResult result);
  const TrainedConvNet& network() const { return network_; }
  void give_test(const TestMetrics& metrics);
  ImageSelectJob select_job();  ///< once per cycle: it draws; `data` is left to the caller
  void give_picks(const Picks& picks);
  /// Cycles committed since the last call of this function.
  std::int32_t take_commits();

 private:
  std::int32_t last_cycle() const { return learning_cycles(run_.config) - 1; }
  /// Whether the test of a cycle is asked for, and whether it has a network at all.
  bool tested(std::int32_t cycle) const;
  bool trains(std::int32_t cycle) const { return tested(cycle) || (needs_network_ && cycle < last_cycle()); }
  bool keeps_network() const;
  void begin_cycle();
  void resume();
  void commit(const TestMetrics* metrics);
  std::vector<std::int32_t> rows_of(std::span<const std::int32_t> positions) const;
  Json run_record() const;

  FileSystem& files_;
  StudyRun run_;
  std::shared_ptr<const ImageDataset> data_;
  std::string directory_;
  ImageRunMeans means_;
  RunStream stream_;
  std::vector<std::int32_t> rows_;  ///< of each pool position
  Pool pool_;
  Journal journal_;
  bool needs_network_ = false;

  Want want_ = Want::nothing;
  std::int32_t cycle_ = 0;
  bool replaying_ = false;  ///< the network is wanted again only to select with it
  TrainedConvNet network_;
  ConvMemberResult fitted_;
  std::vector<std::int32_t> added_now_;
  bool all_scores_non_finite_ = false, diverged_once_ = false;
  std::int32_t committed_cycles_ = 0, new_commits_ = 0;
};

/// Rows of results.csv from a run's journal records: one per tested cycle.
std::vector<ResultRow> learning_rows(const std::string& study, const StudyRun& run, const std::vector<Json>& records);

}  // namespace quarry
