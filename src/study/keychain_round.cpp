// SPDX-License-Identifier: MIT
#include "quarry/study/keychain_round.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "quarry/core/rng.h"

namespace quarry {
namespace {

std::vector<std::int32_t> sorted(std::vector<std::int32_t> indices) {
  std::sort(indices.begin(), indices.end());
  return indices;
}

/// What is trained on, by pool index: all of it in order, or (leave_out, duplicate) the unviolated, then the added.
std::vector<std::int32_t> instances_of(const KeychainSettings& settings, const Pool& pool, const Split& split) {
  std::vector<std::int32_t> rows = pool.training(split);
  if (settings.form == KeychainForm::draws) return sorted(std::move(rows));
  const auto added = rows.begin() + static_cast<std::ptrdiff_t>(split.train.size());
  std::sort(rows.begin(), added);
  std::sort(added, rows.end());
  return rows;
}

KeychainOptions pass_options(const RunConfig& config, const KeychainSettings& settings, const Pool& pool,
                             std::size_t instances, std::int32_t first_group, const KeychainStart& start) {
  KeychainOptions options;
  options.form = settings.form;
  options.first = first_group;
  options.second = static_cast<std::int32_t>(instances) - first_group;
  options.passes = settings.passes;
  options.n_draws = config.budget - static_cast<std::int32_t>(pool.added().size());
  options.share = settings.share;
  options.steepness = settings.steepness;
  options.base_loss = start.loss;
  options.numpy_random = config.rng == RngKind::numpy;
  options.key = stream_key(static_cast<std::uint64_t>(config.seed), RngPurpose::keychain,
                           static_cast<std::uint64_t>(start.iteration + 1));
  return options;
}

}  // namespace

KeychainRound::KeychainRound(const RunConfig& config, const Dataset& data, const Pool& pool, const Split& split,
                             const KeychainStart& start, const std::deque<KeychainMemory>& earlier)
    : config_(config),
      data_(data),
      settings_(keychain_settings(config)),
      start_(start),
      instances_(instances_of(settings_, pool, split)),
      first_group_(static_cast<std::int32_t>(split.train.size())),
      validation_(pool.validation(split)),
      labelled_(pool.labelled()),
      n_initial_(static_cast<std::int64_t>(pool.unviolated().size())),
      earlier_(earlier),
      passes_(pass_options(config, settings_, pool, instances_.size(), first_group_, start)) {
  scorer_.error = config.keychain_ae_error;
}

/// Starts from the weights of the network that gave L0, so that L / L0 tells of the rows alone.
MemberSpec KeychainRound::pass_member(std::span<const std::int32_t> positions) const {
  FitRows rows;
  rows.validation = validation_;
  rows.unviolated = n_initial_;
  for (const std::int32_t position : positions) {
    rows.train.push_back(instances_[static_cast<std::size_t>(position)]);
    // The published rule takes all of a multiset as newly labelled, the initial training part as well (spec 9.1).
    rows.added += settings_.form == KeychainForm::draws || position >= first_group_;
  }
  MemberSpec member =
      make_member(config_, data_.n_features, data_.n_classes, start_.hyperparameters, FitPlace{start_.iteration}, rows);
  member.init_key = start_.keys.init;
  member.order_key = start_.keys.order;
  member.dropout_key = start_.keys.dropout;
  member.train_report = TrainReport::evaluated;  // of which nobody reads
  return member;
}

std::vector<MemberSpec> KeychainRound::fits() {
  if (stage_ == Stage::autoencoder || stage_ == Stage::meta) return {fit_};
  if (stage_ != Stage::passes) return search_->next_fits();
  std::vector<MemberSpec> members;
  for (std::int32_t i = passes_.independent_asks(); i > 0; --i) members.push_back(pass_member(passes_.ask()));
  return members;
}

std::optional<Json> KeychainRound::give(std::vector<MemberResult<float>> results) {
  switch (stage_) {
    case Stage::passes: {
      for (const MemberResult<float>& result : results) {
        losses_.push_back(result.validation.loss);
        passes_.tell(losses_.back());
      }
      if (!passes_.done()) return {};
      Json record = passes_record();
      after_passes();
      return record;
    }
    case Stage::autoencoder_search:
    case Stage::meta_search: {
      search_->give(std::move(results));
      if (!search_->done()) return {};
      Json record = search_record();
      after_search();
      return record;
    }
    case Stage::autoencoder:
      diverged_ = diverged_ || results.at(0).diverged;
      scorer_.autoencoder = network_of(std::move(results.at(0)));
      start_meta();
      return {};
    case Stage::meta:
      diverged_ = diverged_ || results.at(0).diverged;
      scorer_.meta = network_of(std::move(results.at(0)));
      rows_.reset();
      stage_ = Stage::done;
      return {};
    case Stage::done:
      break;
  }
  QUARRY_CHECK(false, "a Keychain iteration that is over wants no results");
  return {};
}

std::string_view KeychainRound::record_wanted() const {
  switch (stage_) {
    case Stage::passes:
      return "passes";
    case Stage::autoencoder_search:
      return "autoencoder";
    case Stage::meta_search:
      return "meta";
    default:
      return "";
  }
}

void KeychainRound::restore(const Json& record) {
  QUARRY_CHECK(record.at("iteration").integer() == start_.iteration && record.at("stage").string() == record_wanted(),
               "a record of another stage or iteration than {} of {}", record_wanted(), start_.iteration);
  if (stage_ != Stage::passes) {
    search_->restore(record);
    return after_search();
  }
  for (const Json& loss : record.at("losses").items()) {
    passes_.ask();
    losses_.push_back(loss.number());
    passes_.tell(losses_.back());
  }
  after_passes();
}

Json KeychainRound::passes_record() const {
  Json record = Json::object();
  record.set("type", "keychain").set("stage", "passes").set("iteration", start_.iteration);
  record.set("base_loss", start_.loss).set("losses", Json::array_of(losses_));
  record.set("without_credit", passes_.without_credit()).set("instances", Json::array_of(instances_));
  return std::move(record.set("credits", Json::array_of(passes_.credits())));
}

void KeychainRound::after_passes() {
  diverged_ = !std::all_of(losses_.begin(), losses_.end(), [](double loss) { return std::isfinite(loss); });
  inputs_ = keychain_inputs(context_, *start_.classifier, data_.train_features(), instances_);
  if (!settings_.autoencoder) return start_meta();
  auto rows = std::make_shared<OwnRows>();
  rows->n = static_cast<std::int32_t>(labelled_.size());
  rows->width = rows->outputs = data_.n_features + data_.n_classes;
  rows->features = keychain_inputs(context_, *start_.classifier, data_.train_features(), labelled_);
  rows->targets = rows->features;
  rows_ = std::move(rows);
  start_search(FitModel::autoencoder);
}

void KeychainRound::start_meta() {
  memory_.features = inputs_;
  if (settings_.autoencoder)
    memory_.features = with_autoencoder_error(context_, scorer_.autoencoder, scorer_.error, inputs_,
                                              data_.n_features + data_.n_classes);
  for (const double credit : passes_.credits())
    memory_.targets.push_back(keychain_target(settings_.form, settings_.steepness, credit));
  auto rows = std::make_shared<OwnRows>();
  rows->width = keychain_width(settings_, data_.n_features, data_.n_classes);
  rows->outputs = keychain_outputs(settings_);
  std::vector<double> targets;
  earlier_.push_back(memory_);
  while (earlier_.size() > static_cast<std::size_t>(settings_.capacity)) earlier_.pop_front();
  for (const KeychainMemory& memory : earlier_) {
    rows->features.insert(rows->features.end(), memory.features.begin(), memory.features.end());
    targets.insert(targets.end(), memory.targets.begin(), memory.targets.end());
  }
  rows->n = static_cast<std::int32_t>(targets.size());
  if (rows->outputs == 1) standardise(targets);
  for (const double target : targets) {
    rows->targets.push_back(static_cast<float>(target));
    if (rows->outputs == 2) rows->targets.push_back(static_cast<float>(1 - target));
  }
  rows_ = std::move(rows);
  start_search(FitModel::meta);
}

/// The run's config as the tuner of an autoencoder or a meta model reads it.
RunConfig KeychainRound::model_config(FitModel model) const {
  RunConfig config = config_;
  config.trials = model == FitModel::autoencoder ? settings_.ae_trials : settings_.trials;
  if (model == FitModel::autoencoder || settings_.form == KeychainForm::draws) config.loss = Loss::mse;
  config.cross_validation = CrossValidation::shuffle_split;
  // make_member's drop-last rule alone makes use of it.
  config.val_share = model == FitModel::meta ? settings_.drop_last_share : settings_.held_out;
  return config;
}

/// Everything counts as unviolated; the first repeat is the single split. With NumPy's streams the rows are shuffled
/// first, as those of any pool that starts with all of them.
std::vector<FitRows> KeychainRound::folds(FitModel model) const {
  const auto seed = static_cast<std::uint64_t>(config_.seed);
  const PermutationSource source{config_.rng == RngKind::numpy, seed,
                                 stream_key(seed, RngPurpose::split, static_cast<std::uint64_t>(model))};
  std::optional<Pool> shuffled;
  if (source.numpy) shuffled.emplace(rows_->n, -1, source);
  std::vector<FitRows> folds;
  for (Split& split : shuffle_split(rows_->n, settings_.held_out, settings_.splits, source)) {
    if (shuffled) split = {shuffled->training(split), shuffled->validation(split)};
    folds.push_back({std::move(split.train), std::move(split.validation), rows_->n, 0});
  }
  return folds;
}

void KeychainRound::start_search(FitModel model) {
  search_.emplace(model_config(model), rows_->width, rows_->outputs, start_.iteration, folds(model), model);
  stage_ = model == FitModel::autoencoder ? Stage::autoencoder_search : Stage::meta_search;
}

void KeychainRound::after_search() {
  diverged_ = diverged_ || search_->every_trial_failed();
  const FitModel model = stage_ == Stage::autoencoder_search ? FitModel::autoencoder : FitModel::meta;
  fit_ = make_member(model_config(model), rows_->width, rows_->outputs, search_->chosen_hyperparameters(),
                     FitPlace{start_.iteration, FitPlace::kRefit, 0, model}, folds(model).front());
  stage_ = model == FitModel::autoencoder ? Stage::autoencoder : Stage::meta;
}

Json KeychainRound::search_record() const {
  Json record = search_->record();
  record.set("type", "keychain").set("stage", record_wanted());
  record.set("every_trial_failed", search_->every_trial_failed());
  if (stage_ == Stage::meta_search && settings_.capacity > 1)
    record.set("features", Json::array_of(std::vector<double>(memory_.features.begin(), memory_.features.end())))
        .set("targets", Json::array_of(memory_.targets));
  return record;
}

TrainedMlp<float> KeychainRound::network_of(MemberResult<float> result) const {
  return {fit_.sizes, std::move(result.parameters), fit_.dropout, fit_.loss};
}

std::deque<KeychainMemory> recorded_memories(const std::vector<Json>& records, std::int32_t iteration,
                                             std::int32_t count) {
  std::deque<KeychainMemory> memories;
  for (const Json& record : records) {
    const Json* features = record.find("features");
    if (record.at("type").string() != "keychain" || record.at("iteration").integer() >= iteration) continue;
    if (features == nullptr || record.at("stage").string() != "meta") continue;
    KeychainMemory& memory = memories.emplace_back();
    for (const Json& value : features->items()) memory.features.push_back(static_cast<float>(value.number()));
    for (const Json& value : record.at("targets").items()) memory.targets.push_back(value.number());
    if (memories.size() > static_cast<std::size_t>(count)) memories.pop_front();
  }
  return memories;
}

}  // namespace quarry
