// SPDX-License-Identifier: MIT
// One run of the hyperparameter study's optimisation half (spec 7): learning rate and weight decay are searched by
// cross-validation on a labelled set that an earlier active-learning run acquired; then one network is trained on the
// whole set with the best pair, and tested. As image_learning_run.h.
//
//   trials: [folds] -> (commit) ... -> [fit on all] -> [test] -> (commit) -> done
//
// Trials are committed in order, each as soon as its folds and those of the trials before it are there. With a pruner a
// trial's folds are trained one after another, so that a hopeless trial costs no more of them; without, all at once.
// search.lag + 1 trials are trained side by side. What a trial's point depends on is a matter of its number alone, so
// the outcome is the same however fits are packed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"
#include "quarry/hpo/search.h"
#include "quarry/study/cells.h"
#include "quarry/study/image_fits.h"
#include "quarry/study/image_run.h"
#include "quarry/study/journal.h"
#include "quarry/study/results.h"

namespace quarry {

class FrozenSetRun final : public ImageRun {
 public:
  /// `acquired`: as read_acquired gives it. Opens or resumes the run's journal in `directory`. Of means.networks
  /// "every" keeps no more than "final": those of trials are not kept. Error: failed if the journal belongs to another
  /// run, or to one carried out otherwise.
  FrozenSetRun(FileSystem& files, const StudyRun& run, std::shared_ptr<const ImageDataset> data, AcquiredSet acquired,
               const std::string& directory, ImageRunMeans means);

  const std::string& id() const override { return run_.id; }
  bool finished() const override { return is_finished_; }
  std::vector<ImageJob> jobs() override;
  void give(std::size_t place, ImageResult result) override;
  std::int32_t committed() const override { return committed_trials_; }
  std::int32_t take_commits() override;
  /// A trial has a network for each fold.
  double commits_per_network() const override { return searching() ? 1.0 / static_cast<double>(splits_.size()) : 1; }
  bool diverged_once() const override { return diverged_once_; }

 private:
  /// A trial that is being trained.
  struct Running {
    std::int32_t number = 0;
    std::vector<ConvMemberResult> folds;  ///< in fold order; the first `wanted` of them are trained or under way
    std::size_t wanted = 0, arrived = 0;
    bool pruned = false;
  };
  /// Whose result a network of the last jobs() is; trial -1: the network trained on everything.
  struct Owner {
    std::int32_t trial = -1, fold = 0;
  };

  bool searching() const { return told_ < run_.config.trials; }
  bool prunes() const { return run_.config.pruner != "none"; }
  bool is_over(const Running& trial) const { return trial.pruned || trial.arrived == splits_.size(); }
  std::vector<double> reports_of(const Running& trial) const;
  void prune(Running& trial) const;
  void tell_finished();
  void commit_final(ImageResult result);
  void resume();
  Json run_record() const;
  std::vector<std::int32_t> rows_at(std::span<const std::int32_t> positions) const;

  FileSystem& files_;
  StudyRun run_;
  std::shared_ptr<const ImageDataset> data_;
  AcquiredSet acquired_;
  std::vector<std::int32_t> rows_;  ///< of acquired_.positions
  std::vector<Split> splits_;       ///< of 0 .. rows_.size() - 1
  std::string directory_;
  ImageRunMeans means_;
  Journal journal_;
  Search search_;

  bool is_finished_ = false;
  std::vector<Running> running_;  ///< in trial order
  std::vector<Owner> owners_;     ///< of the last jobs()
  std::int32_t told_ = 0;
  bool diverged_once_ = false;
  std::int32_t committed_trials_ = 0, new_commits_ = 0;
};

/// The space of the search: lr, weight_decay.
Space frozen_set_space(const RunConfig& config);

/// Row of results.csv from a run's journal records, once its final network is tested.
std::vector<ResultRow> search_rows(const std::string& study, const StudyRun& run, const std::vector<Json>& records);

}  // namespace quarry
