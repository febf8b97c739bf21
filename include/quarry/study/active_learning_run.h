// SPDX-License-Identifier: MIT
// One run of the active-learning study: tune or re-fit, test, choose, label, repeat (spec 7). A state machine that
// says what it wants done next, so that a runner can serve many runs with one fleet.
//
//   begin iteration -> [tune] -> [fit] -> test -> (commit) -> [Keychain] -> select -> begin next iteration ... -> done
//
// All decisions are functions of config, data and earlier decisions; after a resume the same requests come again for
// what was not committed. Iteration -1 is the state before the first query.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quarry/al/pool.h"
#include "quarry/data/dataset.h"
#include "quarry/study/executor.h"
#include "quarry/study/journal.h"
#include "quarry/study/keychain_round.h"
#include "quarry/study/results.h"
#include "quarry/study/run_rows.h"
#include "quarry/study/tuning.h"

namespace quarry {

class ActiveLearningRun {
 public:
  enum class Want { fits, test, selection, nothing };

  /// Opens or resumes the run's journal in `directory`. `networks` is [output] networks.
  /// Call check_run_fits_data (plan.h) first. Error: failed if the journal belongs to another run.
  ActiveLearningRun(FileSystem& files, const StudyRun& run, std::shared_ptr<const Dataset> data,
                    const std::string& directory, const std::string& networks);

  Want want() const { return want_; }
  const std::string& id() const { return run_.id; }
  std::int32_t iteration() const { return iteration_; }
  /// Iterations whose record was there when the run was opened.
  std::int32_t committed_iterations() const { return committed_iterations_; }
  bool diverged_once() const { return diverged_once_; }

  std::vector<MemberSpec> fits();
  /// What the rows of the last fits() are rows of; null: the data set's pool.
  std::shared_ptr<const OwnRows> fit_rows() const { return keychain_ ? keychain_->rows() : nullptr; }
  void give_fits(std::vector<MemberResult<float>> results);
  TestJob test_job() const;  ///< `data` is left to the caller, here and below
  void give_test(const TestMetrics& metrics);
  SelectJob select_job() const;
  void give_picks(const Picks& picks);

  // For an executor that plans iterations ahead (device_study.h). It trains, tests and selects by itself, and hands
  // over what it has done in the order of the calls above, with give_tuning in the place of a round's fits.
  const RunConfig& config() const { return run_.config; }
  const std::string& networks() const { return networks_; }  ///< [output] networks
  const Pool& pool() const { return pool_; }
  std::int32_t last_iteration() const { return iterations_total(run_.config) - 2; }
  /// The network of this iteration is wanted again only to select with it: there is no test.
  bool replaying() const { return replaying_; }
  /// fits() gives the members of a tuning's trials; false: the one network of this iteration.
  bool tuning_wanted() const { return want_ == Want::fits && round_ && !round_->done(); }
  /// The journal holds the tuning of this iteration, from before an interruption.
  bool tuning_recorded(std::int32_t iteration) const { return recorded_tuning(iteration) != nullptr; }
  /// Whether an iteration begins with a tuning of its own.
  bool tunes(std::int32_t iteration) const;
  /// The last trial's hyperparameters are taken instead of the best one's (B1).
  bool takes_last_trial(std::int32_t iteration) const;
  /// The network of an iteration is the best trial's, trained during the tuning.
  bool keeps_trial_network(std::int32_t iteration) const;
  /// The folds of a tuning that begins now; those of mode constant_whole never change.
  std::vector<FitRows> tuning_folds() const;
  /// The rows of a network that is trained now; refit_on_all: the validation rows come last in `train`.
  FitRows network_rows() const;
  /// The unviolated rows that are kept for validation.
  std::vector<std::int32_t> validation_rows() const { return pool_.validation(splits_[0]); }
  /// What select_job() will ask for in an iteration with so many acquired and unlabelled instances: `problem.n`
  /// candidates; which they are, the labelled rows and the network are left out.
  SelectJob select_job_ahead(std::int32_t iteration, std::int32_t added, std::int32_t unlabelled) const;
  void give_tuning(std::vector<Trial> trials);
  /// Parameters may be left out where they are not to be saved, and more may follow than the network has.
  void give_network(MemberResult<float> result);

 private:
  Json run_record() const;
  void resume();
  void begin_iteration();
  void begin_selection();
  const Json* recorded_keychain(std::string_view stage) const;
  void continue_keychain();
  void end_keychain();
  void start_tuning();
  void finish_tuning();
  void use_network(MemberResult<float> result);
  void adopt_hyperparameters();
  const Json* recorded_tuning(std::int32_t iteration) const;
  MemberSpec network_member();
  std::int32_t tuning_iteration(std::int32_t iteration) const;
  TuningRound new_round(std::int32_t iteration) const;
  Json cycle_record(const TestMetrics& metrics) const;
  std::vector<std::int32_t> candidates() const;

  FileSystem& files_;
  StudyRun run_;
  std::shared_ptr<const Dataset> data_;
  std::string directory_, networks_;
  Pool pool_;
  std::vector<Split> splits_;  ///< positions in the unviolated set; splits_[0] is the single split
  Journal journal_;

  Want want_ = Want::nothing;
  std::int32_t iteration_ = -1;
  bool replaying_ = false;  ///< the network is wanted again only to select with it
  std::optional<TuningRound> round_;
  Hyperparameters hyperparameters_;
  std::int32_t trials_ = 0, pruned_ = 0;
  bool every_trial_failed_ = false;
  TrainedMlp<float> network_;
  MemberResult<float> fitted_;
  std::optional<KeychainRound> keychain_;
  std::deque<KeychainMemory> keychain_memories_;  ///< the replay buffer
  bool keychain_diverged_ = false;                ///< in the selection that led to this iteration
  std::vector<std::int32_t> added_now_;           ///< picks that led to this iteration
  bool all_scores_non_finite_ = false;
  bool diverged_once_ = false;
  std::int32_t committed_iterations_ = 0;
};

/// Rows of results.csv from a run's journal records.
std::vector<ResultRow> result_rows(const std::string& study, const StudyRun& run, const std::vector<Json>& records);

}  // namespace quarry
