// SPDX-License-Identifier: MIT
// One Keychain iteration of a run (spec 9 of the online-tuning study): a state machine that says which networks it
// wants trained next, so that a runner can train those of many runs together.
//
//   passes -> (record) -> [autoencoder: search -> (record) -> fit] -> meta model: search -> (record) -> fit -> done
//
// Passes and trials that do not depend on each other are wanted at once. All it asks is a function of its arguments and
// of the results; after an interruption the records that were committed take the place of the training.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "quarry/al/keychain.h"
#include "quarry/al/pool.h"
#include "quarry/data/dataset.h"
#include "quarry/study/fit_keys.h"
#include "quarry/study/keychain.h"
#include "quarry/study/tuning.h"

namespace quarry {

/// What the replay buffer keeps of an iteration.
struct KeychainMemory {
  std::vector<float> features;  ///< [n][width], rows in ascending pool index, by group
  std::vector<double> targets;  ///< [n], not standardised
};

/// The state of a run in which candidates are to be scored.
struct KeychainStart {
  std::int32_t iteration = -1;
  const TrainedMlp<float>* classifier = nullptr;
  Hyperparameters hyperparameters;  ///< the classifier's
  double loss = 0;                  ///< its validation loss, L0
  FitKeys keys;                     ///< its random numbers; every pass has the same
};

class KeychainRound {
 public:
  /// `split` is the single split of the pool's unviolated; `earlier` the buffer before this iteration. Data and
  /// classifier must outlive the round.
  KeychainRound(const RunConfig& config, const Dataset& data, const Pool& pool, const Split& split,
                const KeychainStart& start, const std::deque<KeychainMemory>& earlier);

  bool done() const { return stage_ == Stage::done; }
  std::vector<MemberSpec> fits();
  /// What their rows are rows of; null: the data set's pool.
  std::shared_ptr<const OwnRows> rows() const { return rows_; }
  /// Results of the last fits(). Returns the record to commit if they ended a stage that has one.
  std::optional<Json> give(std::vector<MemberResult<float>> results);

  /// "stage" of the record that ends the present stage; empty if it has none.
  std::string_view record_wanted() const;
  /// Takes such a record in the place of training. Error: a check fails if it is another iteration's.
  void restore(const Json& record);

  // Once it is done:
  const KeychainScorer& scorer() const { return scorer_; }
  const KeychainMemory& memory() const { return memory_; }
  /// A pass (its loss is not finite), the autoencoder or the meta model diverged, or every trial of one of them failed.
  bool diverged() const { return diverged_; }

 private:
  enum class Stage { passes, autoencoder_search, autoencoder, meta_search, meta, done };

  MemberSpec pass_member(std::span<const std::int32_t> positions) const;
  Json passes_record() const;
  RunConfig model_config(FitModel model) const;
  std::vector<FitRows> folds(FitModel model) const;
  void start_search(FitModel model);
  void after_passes();
  void start_meta();
  void after_search();
  Json search_record() const;
  TrainedMlp<float> network_of(MemberResult<float> result) const;

  RunConfig config_;
  const Dataset& data_;
  KeychainSettings settings_;
  KeychainStart start_;
  std::vector<std::int32_t> instances_;  ///< pool indices; the positions of the passes
  std::int32_t first_group_ = 0;
  std::vector<std::int32_t> validation_, labelled_;
  std::int64_t n_initial_ = 0;
  std::deque<KeychainMemory> earlier_;
  Context context_{Device{}, 1};  ///< scores the few labelled rows

  Stage stage_ = Stage::passes;
  KeychainPasses passes_;
  std::vector<double> losses_;
  std::shared_ptr<const OwnRows> rows_;
  std::optional<TuningRound> search_;
  std::vector<float> inputs_;  ///< x, p(x) of the instances
  MemberSpec fit_;
  KeychainScorer scorer_;
  KeychainMemory memory_;
  bool diverged_ = false;
};

/// Entries of the replay buffer from the records of iterations before `iteration`, the last `count` of them.
std::deque<KeychainMemory> recorded_memories(const std::vector<Json>& records, std::int32_t iteration,
                                             std::int32_t count);

}  // namespace quarry
