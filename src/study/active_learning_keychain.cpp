// SPDX-License-Identifier: MIT
// What an active-learning run does between its test and its selection if the strategy is a Keychain.
#include "quarry/core/error.h"
#include "quarry/study/active_learning_run.h"

namespace quarry {

void ActiveLearningRun::begin_selection() {
  want_ = Want::selection;
  if (!is_keychain(run_.config.strategy)) return;
  const KeychainSettings settings = keychain_settings(run_.config);
  if (keychain_memories_.empty() && settings.capacity > 1)  // a resume; or the first iteration, which has none
    keychain_memories_ = recorded_memories(journal_.records(), iteration_, settings.capacity - 1);
  const MemberSpec fit = network_member();
  const KeychainStart start{iteration_, &network_, hyperparameters_, fitted_.validation.loss,
                            FitKeys{fit.init_key, fit.order_key, fit.dropout_key}};
  keychain_.emplace(run_.config, *data_, pool_, splits_[0], start, keychain_memories_);
  continue_keychain();
}

/// The journal's record of a stage of the present selection, which lies behind the last cycle's; null if there is none.
const Json* ActiveLearningRun::recorded_keychain(std::string_view stage) const {
  const std::vector<Json>& records = journal_.records();
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    const std::string& type = record->at("type").string();
    if (type == "cycle") break;
    if (type == "keychain" && record->at("stage").string() == stage) return &*record;
  }
  return nullptr;
}

/// Takes what the journal holds, from before an interruption, in the place of training.
void ActiveLearningRun::continue_keychain() {
  while (const Json* record = recorded_keychain(keychain_->record_wanted())) keychain_->restore(*record);
  want_ = keychain_->done() ? Want::selection : Want::fits;
}

void ActiveLearningRun::end_keychain() {
  if (!keychain_) return;
  keychain_diverged_ = keychain_->diverged();
  const auto capacity = static_cast<std::size_t>(keychain_settings(run_.config).capacity);
  keychain_memories_.push_back(keychain_->memory());
  while (keychain_memories_.size() >= capacity) keychain_memories_.pop_front();
  keychain_.reset();
}

}  // namespace quarry
