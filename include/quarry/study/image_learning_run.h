// SPDX-License-Identifier: MIT
// One run of the hyperparameter study's active-learning half (spec 5): label at random, then train from the same
// initial weights, test, choose, label, repeat, with fixed hyperparameters.
//
//   begin cycle -> [fit -> test] -> select -> (commit) -> begin next cycle ... -> done
//
// A cycle's picks are committed with the next cycle: a run that was stopped between the two trains its last network
// again, to select with. That is also why a cycle is one job: nothing is won by committing before the selection.
// Indices are pool positions: row of the data set = pool_rows()[position]. A cycle whose number of labels is not in
// acquisition.tested is not tested, and not trained for either if the strategy asks no network.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "quarry/al/pool.h"
#include "quarry/core/file_system.h"
#include "quarry/study/image_fits.h"
#include "quarry/study/image_run.h"
#include "quarry/study/journal.h"
#include "quarry/study/results.h"
#include "quarry/study/run_rows.h"

namespace quarry {

class ImageLearningRun final : public ImageRun {
 public:
  /// Opens or resumes the run's journal in `directory`.
  /// Error: failed if the journal belongs to another run, or to one carried out otherwise.
  ImageLearningRun(FileSystem& files, const StudyRun& run, std::shared_ptr<const ImageDataset> data,
                   const std::string& directory, ImageRunMeans means);

  const std::string& id() const override { return run_.id; }
  bool finished() const override { return is_committed_ && cycle_ == last_cycle(); }
  /// One: the cycle.
  std::vector<ImageJob> jobs() override;
  void give(std::size_t place, ImageResult result) override;
  std::int32_t committed() const override { return committed_cycles_; }
  std::int32_t take_commits() override;
  double commits_per_network() const override { return is_committed_ ? 0 : 1; }
  bool diverged_once() const override { return diverged_once_; }
  std::int64_t by_position() const override { return by_position_; }

 private:
  std::int32_t last_cycle() const { return iterations_total(run_.config) - 1; }
  /// Whether the test of a cycle is asked for, and whether it has a network at all.
  bool tested(std::int32_t cycle) const { return is_tested(run_.config, cycle - 1); }
  bool trains(std::int32_t cycle) const { return tested(cycle) || (needs_network_ && cycle < last_cycle()); }
  bool keeps_network() const;
  void begin_cycle();
  void resume();
  void commit(ImageResult result);
  ImageSelectJob select_job();
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

  std::int32_t cycle_ = 0;
  bool is_committed_ = false;       ///< the cycle: what is wanted of it are picks alone
  std::uint64_t stream_place_ = 0;  ///< where the cycle began, before its selection draws
  std::vector<std::int32_t> added_now_;
  bool all_scores_non_finite_ = false, diverged_once_ = false;
  std::int32_t by_position_now_ = 0;  ///< of added_now_
  std::int64_t by_position_ = 0;      ///< of all that is committed
  std::int32_t committed_cycles_ = 0, new_commits_ = 0;
};

/// Rows of results.csv from a run's journal records: one per tested cycle.
std::vector<ResultRow> learning_rows(const std::string& study, const StudyRun& run, const std::vector<Json>& records);

}  // namespace quarry
