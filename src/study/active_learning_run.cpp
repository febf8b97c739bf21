// SPDX-License-Identifier: MIT
#include "quarry/study/active_learning_run.h"

#include <algorithm>
#include <utility>

#include "quarry/core/rng.h"
#include "quarry/nn/checkpoint.h"
#include "src/study/run_records.h"
#include "src/study/saved_networks.h"

namespace quarry {
namespace {

Pool make_pool(const RunConfig& config, const Dataset& data) {
  const auto n = static_cast<std::int32_t>(data.train.n);
  const auto seed = static_cast<std::uint64_t>(config.seed);
  return Pool(n, config.n_initial,
              PermutationSource{config.rng == RngKind::numpy, seed, stream_key(seed, RngPurpose::initial_pool)});
}

PermutationSource split_source(const RunConfig& config) {
  const auto seed = static_cast<std::uint64_t>(config.seed);
  return {config.rng == RngKind::numpy, seed, stream_key(seed, RngPurpose::split)};
}

/// The single split, then the further repeats or folds of cross-validation.
std::vector<Split> make_splits(const RunConfig& config, std::int32_t n) {
  if (config.val_share == 0) {
    Split everything;
    for (std::int32_t i = 0; i < n; ++i) everything.train.push_back(i);
    return {everything};
  }
  const bool repeats = config.mode == Mode::online_dynamic && config.cross_validation == CrossValidation::shuffle_split;
  std::vector<Split> splits = shuffle_split(n, config.val_share, repeats ? config.folds : 1, split_source(config));
  if (config.mode == Mode::online_dynamic && !repeats) {
    for (Split& fold : k_fold(n, config.folds, split_source(config))) splits.push_back(std::move(fold));
  }
  return splits;
}

FitRows rows_of(const Pool& pool, const Split& split) {
  FitRows rows;
  rows.train = pool.training(split);
  rows.validation = pool.validation(split);
  rows.unviolated = static_cast<std::int64_t>(pool.unviolated().size());
  rows.added = static_cast<std::int64_t>(pool.added().size());
  return rows;
}

}  // namespace

ActiveLearningRun::ActiveLearningRun(FileSystem& files, const StudyRun& run, std::shared_ptr<const Dataset> data,
                                     const std::string& directory, const std::string& networks)
    : files_(files),
      run_(run),
      data_(std::move(data)),
      directory_(directory),
      networks_(networks),
      pool_(make_pool(run.config, *data_)),
      splits_(make_splits(run.config, static_cast<std::int32_t>(pool_.unviolated().size()))),
      journal_((files.make_directories(directory), files), directory + "/journal.jsonl") {
  resume();
}

bool ActiveLearningRun::tunes(std::int32_t iteration) const {
  switch (run_.config.mode) {
    case Mode::fixed:
    case Mode::frozen_set:  // of residual networks alone
      return false;
    case Mode::constant_whole:
    case Mode::constant_initial:
      return iteration == -1;
    case Mode::online_static:
    case Mode::online_dynamic:
      return true;
  }
  return false;
}

bool ActiveLearningRun::takes_last_trial(std::int32_t iteration) const {
  return run_.config.cache_last_trial && run_.config.mode != Mode::online_dynamic && tuning_iteration(iteration) == -1;
}

bool ActiveLearningRun::keeps_trial_network(std::int32_t iteration) const {
  if (run_.config.refit_on_all || takes_last_trial(iteration)) return false;
  return run_.config.mode == Mode::online_static || (run_.config.mode == Mode::constant_initial && iteration == -1);
}

/// The iteration whose tuning gave the hyperparameters of this one.
std::int32_t ActiveLearningRun::tuning_iteration(std::int32_t iteration) const {
  return tunes(iteration) ? iteration : -1;
}

std::vector<FitRows> ActiveLearningRun::tuning_folds() const {
  std::vector<FitRows> folds;
  if (run_.config.mode == Mode::constant_whole) {  // the whole pool is treated as unviolated (spec 7)
    RunConfig whole = run_.config;
    whole.n_initial = -1;
    whole.val_share = whole.whole_val_share.value_or(whole.val_share);
    const Pool everything = make_pool(whole, *data_);
    const auto size = static_cast<std::int32_t>(everything.unviolated().size());
    for (const Split& split : shuffle_split(size, whole.val_share, whole.whole_folds, split_source(whole)))
      folds.push_back(rows_of(everything, split));
  } else if (run_.config.mode == Mode::online_dynamic) {
    const bool k_fold = run_.config.cross_validation == CrossValidation::k_fold;
    for (std::size_t f = k_fold ? 1 : 0; f < splits_.size(); ++f) folds.push_back(rows_of(pool_, splits_[f]));
  } else {
    folds.push_back(rows_of(pool_, splits_[0]));
  }
  return folds;
}

TuningRound ActiveLearningRun::new_round(std::int32_t iteration) const {
  return TuningRound(run_.config, data_->n_features, data_->n_classes, iteration, tuning_folds(), FitModel::classifier,
                     smallest_tuned_value(journal_.records(), iteration));
}

void ActiveLearningRun::resume() {
  const Json expected = run_record();
  const std::vector<Json>& records = journal_.records();
  if (records.empty()) {
    journal_.append(expected);
    begin_iteration();
    return;
  }
  if (records.front().dump() != expected.dump())
    fail("{}/journal.jsonl was written for other data or another config; choose another output folder", directory_);
  for (std::size_t r = 1; r < records.size(); ++r) {
    const Json& record = records[r];
    if (record.at("type").string() != "cycle") continue;
    for (const Json& index : record.at("added").items()) pool_.acquire(static_cast<std::int32_t>(index.integer()));
    diverged_once_ = diverged_once_ || record.at("diverged").boolean();
    iteration_ = static_cast<std::int32_t>(record.at("iteration").integer());
    ++committed_iterations_;
  }
  if (committed_iterations_ == 0) {
    begin_iteration();
  } else if (iteration_ < last_iteration()) {
    replaying_ = true;  // the last network again, to select with
    begin_iteration();
  }
}

/// The journal's record of an iteration's tuning; null if there is none. The latest are asked for: searched backwards.
const Json* ActiveLearningRun::recorded_tuning(std::int32_t iteration) const {
  const std::vector<Json>& records = journal_.records();
  for (auto record = records.rbegin(); record != records.rend(); ++record)
    if (record->at("type").string() == "tuning" && record->at("iteration").integer() == iteration) return &*record;
  return nullptr;
}

void ActiveLearningRun::begin_iteration() {
  trials_ = pruned_ = 0;
  every_trial_failed_ = false;
  want_ = Want::fits;
  if (run_.config.mode == Mode::fixed) {
    hyperparameters_ = fixed_hyperparameters(run_.config);
  } else if (replaying_) {
    // Rebuild the round that gave the hyperparameters, on the rows it had.
    const std::int32_t tuned = tuning_iteration(iteration_);
    const Json* record = recorded_tuning(tuned);
    QUARRY_CHECK(record != nullptr, "run {}: no tuning record for iteration {}", run_.id, tuned);
    round_.emplace(new_round(tuned));
    round_->restore(*record);
    adopt_hyperparameters();
  } else if (tunes(iteration_)) {
    start_tuning();
  }
}

void ActiveLearningRun::start_tuning() {
  round_.emplace(new_round(iteration_));
  if (const Json* record = recorded_tuning(iteration_)) {
    round_->restore(*record);
    finish_tuning();
  }
}

void ActiveLearningRun::finish_tuning() {
  trials_ = round_->trials();
  pruned_ = round_->pruned();
  every_trial_failed_ = round_->every_trial_failed();
  adopt_hyperparameters();
  auto kept = round_->take_chosen_network();
  if (keeps_trial_network(iteration_) && kept) use_network(std::move(*kept));
}

void ActiveLearningRun::adopt_hyperparameters() {
  hyperparameters_ = takes_last_trial(iteration_) ? round_->last_hyperparameters() : round_->chosen_hyperparameters();
}

MemberSpec ActiveLearningRun::network_member() {
  if (keeps_trial_network(iteration_)) return round_->chosen_member();
  return make_member(run_.config, data_->n_features, data_->n_classes, hyperparameters_,
                     FitPlace{iteration_, FitPlace::kRefit, 0}, network_rows());
}

FitRows ActiveLearningRun::network_rows() const {
  FitRows rows = rows_of(pool_, splits_[0]);
  if (run_.config.refit_on_all) {
    rows.train.insert(rows.train.end(), rows.validation.begin(), rows.validation.end());
    rows.validation.clear();
  }
  return rows;
}

std::vector<MemberSpec> ActiveLearningRun::fits() {
  QUARRY_CHECK(want_ == Want::fits, "run {} wants no fits", run_.id);
  if (keychain_) return keychain_->fits();
  if (tuning_wanted()) return round_->next_fits();
  return {network_member()};
}

void ActiveLearningRun::give_fits(std::vector<MemberResult<float>> results) {
  if (keychain_) {
    if (const std::optional<Json> record = keychain_->give(std::move(results))) journal_.append(*record);
    return continue_keychain();
  }
  if (tuning_wanted()) {
    round_->give(std::move(results));
    if (round_->done()) {
      journal_.append(round_->record());
      finish_tuning();
    }
    return;
  }
  QUARRY_CHECK(results.size() == 1, "{} results for one network", results.size());
  use_network(std::move(results[0]));
}

void ActiveLearningRun::give_tuning(std::vector<Trial> trials) {
  QUARRY_CHECK(tuning_wanted(), "run {} wants no tuning", run_.id);
  round_->restore(std::move(trials));
  journal_.append(round_->record());
  finish_tuning();
}

void ActiveLearningRun::give_network(MemberResult<float> result) {
  QUARRY_CHECK(want_ == Want::fits && !tuning_wanted(), "run {} wants no network", run_.id);
  use_network(std::move(result));
}

void ActiveLearningRun::use_network(MemberResult<float> result) {
  fitted_ = std::move(result);
  network_.sizes.assign(1, data_->n_features);
  network_.sizes.insert(network_.sizes.end(), hyperparameters_.hidden.begin(), hyperparameters_.hidden.end());
  network_.sizes.push_back(data_->n_classes);
  network_.parameters = fitted_.parameters;
  if (!network_.parameters.empty())
    network_.parameters.resize(static_cast<std::size_t>(parameter_count(network_.sizes)));
  network_.dropout = hyperparameters_.dropout;
  network_.loss = run_.config.loss;
  want_ = Want::test;
  if (std::exchange(replaying_, false)) begin_selection();
}

TestJob ActiveLearningRun::test_job() const {
  TestJob job;
  job.network = &network_;
  job.batch_size = run_.config.batch_size;
  job.weight_by_size = run_.config.weight_by_size;
  return job;
}

void ActiveLearningRun::give_test(const TestMetrics& metrics) {
  QUARRY_CHECK(want_ == Want::test, "run {} wants no test", run_.id);
  diverged_once_ = diverged_once_ || fitted_.diverged || keychain_diverged_;
  const bool last = iteration_ == last_iteration();
  if (networks_ == "every" || (networks_ == "final" && last))
    save_network(files_, network_path(directory_, iteration_), write_checkpoint(network_));
  journal_.append(cycle_record(metrics));
  want_ = Want::nothing;
  if (!last) begin_selection();
}

void ActiveLearningRun::give_picks(const Picks& picks) {
  QUARRY_CHECK(want_ == Want::selection, "run {} wants no picks", run_.id);
  added_now_ = picks.indices;
  all_scores_non_finite_ = picks.all_non_finite;
  for (std::int32_t index : added_now_) pool_.acquire(index);
  end_keychain();
  ++iteration_;
  begin_iteration();
}

Json ActiveLearningRun::run_record() const {
  return describe_run(run_, *data_, pool_.unviolated(), rows_of(pool_, splits_[0]), networks_);
}

Json ActiveLearningRun::cycle_record(const TestMetrics& metrics) const {
  CycleFacts facts{iteration_, added_now_, hyperparameters_, trials_, pruned_};
  facts.every_trial_failed = every_trial_failed_;
  facts.all_scores_non_finite = all_scores_non_finite_;
  facts.selection_diverged = keychain_diverged_;
  facts.labelled = static_cast<std::int32_t>(pool_.unviolated().size() + pool_.added().size());
  facts.unlabelled = static_cast<std::int32_t>(pool_.unlabelled().size());
  facts.honeypots = count_honeypots(*data_, pool_.added());
  return describe_cycle(facts, *data_, fitted_, metrics);
}

}  // namespace quarry
