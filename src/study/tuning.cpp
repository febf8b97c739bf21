// SPDX-License-Identifier: MIT
#include "quarry/study/tuning.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "quarry/core/rng.h"
#include "quarry/study/cells.h"
#include "quarry/study/keychain.h"
#include "src/study/trial_records.h"

namespace quarry {
namespace {

std::uint64_t text_hash(std::string_view text) {
  std::uint64_t hash = text.size();
  for (const char c : text) hash = hash_combine(hash, static_cast<unsigned char>(c));
  return hash;
}

std::int32_t pruner_steps(const RunConfig& config, std::size_t folds) {
  return folds > 1 ? static_cast<std::int32_t>(folds) : config.epochs;
}

}  // namespace

TpeOptions sampler_options(const RunConfig& config, std::int32_t iteration, FitModel model) {
  TpeOptions options;
  options.startup_trials = config.startup_trials;
  options.normalised_density = config.normalised_density;
  options.numpy_random = config.rng == RngKind::numpy;
  std::uint64_t use = 0;
  if (config.sampler_seed == SamplerSeed::per_cell) {
    use = text_hash(cell_path(config));
  } else if (config.sampler_seed == SamplerSeed::per_use) {
    use = hash_combine(1, static_cast<std::uint64_t>(std::int64_t{iteration}));
    if (model != FitModel::classifier) use = hash_combine(use, static_cast<std::uint64_t>(model));
  }
  const auto seed = static_cast<std::uint64_t>(config.seed);
  options.key = stream_key(seed, RngPurpose::tpe, use);
  options.numpy_seed = use == 0 ? static_cast<std::uint32_t>(seed) : static_cast<std::uint32_t>(options.key);
  return options;
}

MedianPrunerOptions pruner_options(const RunConfig& config, std::int32_t steps) {
  MedianPrunerOptions options;
  options.startup_trials = config.pruner_startup;
  options.warmup_steps = static_cast<std::int32_t>(steps * config.pruner_warmup);
  return options;
}

bool reports_every_epoch(const RunConfig& config) {
  return config.pruner != "none" || config.objective == TrialObjective::best_epoch;
}

TuningRound::TuningRound(const RunConfig& config, std::int32_t n_features, std::int32_t n_classes,
                         std::int32_t iteration, std::vector<FitRows> folds, FitModel model, double best_before)
    : config_(config),
      n_features_(n_features),
      n_classes_(n_classes),
      iteration_(iteration),
      folds_(std::move(folds)),
      model_(model),
      best_before_(best_before),
      search_(model == FitModel::autoencoder ? autoencoder_space(config) : study_space(config),
              make_sampler(config.sampler, sampler_options(config, iteration, model)),
              make_pruner(config.pruner, pruner_options(config, pruner_steps(config, folds_.size()))),
              config.nan_trial == "failed" || model != FitModel::classifier ? NanTrial::failed : NanTrial::worst) {}

Hyperparameters TuningRound::hyperparameters(const Trial& trial) const {
  if (model_ != FitModel::autoencoder) return hyperparameters_of(search_.space(), trial.point, config_);
  return autoencoder_hyperparameters(search_.space(), trial.point, config_);
}

MemberSpec TuningRound::member(const Trial& trial, std::size_t fold) const {
  const FitPlace place{iteration_, trial.number, static_cast<std::int32_t>(fold), model_};
  MemberSpec member = make_member(config_, n_features_, n_classes_, hyperparameters(trial), place, folds_[fold]);
  // Only a network that may be kept reports how it trained; a running report costs an evaluation of every batch.
  if (folds_.size() > 1 || model_ != FitModel::classifier) member.train_report = TrainReport::evaluated;
  return member;
}

bool TuningRound::done() const {
  if (finished_ == config_.trials) return true;
  return config_.stop_when_beaten && search_.best() != nullptr && search_.best()->value < best_before_;
}

std::vector<MemberSpec> TuningRound::next_fits() {
  QUARRY_CHECK(asked_.empty() && !done(), "the fits of a round are asked for one batch at a time");
  const std::int32_t left = config_.trials - finished_;
  const std::int32_t batch = std::min(left, std::max(1, search_.independent_asks()));
  const bool single_split = folds_.size() == 1;
  std::vector<MemberSpec> fits;
  for (std::int32_t i = 0; i < batch; ++i) {
    const Trial trial = search_.ask();
    asked_.push_back(trial.number);
    for (std::size_t fold = 0; fold < folds_.size(); ++fold) {
      MemberSpec spec = member(trial, fold);
      if (single_split) {
        spec.validate_every_epoch = reports_every_epoch(config_);
        // A lone trial may stop by itself; trials trained together are pruned afterwards, in order.
        if (batch == 1 && config_.pruner != "none") {
          spec.prune_above = search_.thresholds(spec.epochs);
          spec.prune_on_current = config_.pruner == "median_current";
        }
      }
      fits.push_back(std::move(spec));
    }
  }
  return fits;
}

std::vector<double> TuningRound::fold_reports(std::span<const MemberResult<float>> folds) const {
  std::vector<double> reports;
  double sum = 0, weight = 0;
  for (std::size_t f = 0; f < folds.size(); ++f) {
    const double w =
        config_.cross_validation == CrossValidation::k_fold ? static_cast<double>(folds_[f].validation.size()) : 1.0;
    sum += w * folds[f].validation.loss;
    weight += w;
    reports.push_back(sum / weight);
  }
  return reports;
}

void TuningRound::tell(const Trial& trial, std::span<const MemberResult<float>> folds) {
  std::vector<double> reports;
  double value;
  if (folds.size() > 1) {
    reports = fold_reports(folds);
    value = reports.back();
  } else {
    reports = folds[0].epoch_losses;
    value = folds[0].validation.loss;
    if (config_.objective == TrialObjective::best_epoch)
      value = *std::min_element(reports.begin(), reports.end(),
                                [](double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); });
  }
  const auto is_finite = [](const MemberResult<float>& fold) { return std::isfinite(fold.validation.loss); };
  if (model_ != FitModel::classifier && !std::all_of(folds.begin(), folds.end(), is_finite)) {
    reports.clear();  // nothing for the pruner to look at: the trial fails
    value = std::numeric_limits<double>::quiet_NaN();
  }
  search_.tell(trial.number, reports, value);
  if (folds.size() == 1 && search_.best() != nullptr && search_.best()->number == trial.number)
    best_network_ = folds[0];
  ++finished_;
}

void TuningRound::give(std::vector<MemberResult<float>> results) {
  QUARRY_CHECK(results.size() == asked_.size() * folds_.size(), "{} results for {} trials", results.size(),
               asked_.size());
  if (finished_ == 0 && folds_.size() == 1) best_network_ = results[0];  // stands in if every trial fails
  for (std::size_t i = 0; i < asked_.size() && !done(); ++i) {  // trials after the one that ended the round never were
    const Trial trial = search_.trials()[static_cast<std::size_t>(asked_[i])];
    tell(trial, std::span(results).subspan(i * folds_.size(), folds_.size()));
  }
  asked_.clear();
}

const Trial& TuningRound::chosen() const {
  return search_.best() != nullptr ? *search_.best() : search_.trials().front();
}

Hyperparameters TuningRound::chosen_hyperparameters() const {
  return hyperparameters(chosen());
}

Hyperparameters TuningRound::last_hyperparameters() const {
  return hyperparameters(search_.trials()[static_cast<std::size_t>(finished_ - 1)]);
}

std::int32_t TuningRound::pruned() const {
  const auto& trials = search_.trials();
  return static_cast<std::int32_t>(
      std::count_if(trials.begin(), trials.end(), [](const Trial& t) { return t.state == TrialState::pruned; }));
}

MemberSpec TuningRound::chosen_member() const {
  return member(chosen(), 0);
}

Json TuningRound::record() const {
  Json trials = Json::array();
  for (const Trial& trial : std::span(search_.trials()).first(static_cast<std::size_t>(finished_))) {
    Json entry = Json::object();
    entry.set("number", trial.number).set("state", to_string(trial.state));
    entry.set("value", trial.value).set("steps", static_cast<std::int64_t>(trial.intermediate.size()));
    Json parameters = Json::object();
    for (std::size_t p = 0; p < trial.point.size(); ++p)
      if (!std::isnan(trial.point[p])) parameters.set(search_.space().parameters[p].name, trial.point[p]);
    trials.push(std::move(entry.set("parameters", std::move(parameters))));
  }
  Json record = Json::object();
  record.set("type", "tuning").set("iteration", iteration_).set("chosen", chosen().number);
  return std::move(record.set("trials", std::move(trials)));
}

void TuningRound::restore(const Json& record) {
  std::vector<Trial> trials;
  for (const Json& entry : record.at("trials").items()) {
    Trial trial;
    trial.number = static_cast<std::int32_t>(entry.at("number").integer());
    trial.state = parse_trial_state(entry.at("state").string());
    trial.value = entry.at("value").number();
    for (const Parameter& p : search_.space().parameters) {
      const Json* value = entry.at("parameters").find(p.name);
      trial.point.push_back(value != nullptr ? value->number() : std::numeric_limits<double>::quiet_NaN());
    }
    trials.push_back(std::move(trial));
  }
  restore(std::move(trials));
}

void TuningRound::restore(std::vector<Trial> trials) {
  for (Trial& trial : trials) {
    search_.adopt(std::move(trial));
    ++finished_;
  }
  QUARRY_CHECK(done(), "a finished tuning holds {} of {} trials", finished_, config_.trials);
}

}  // namespace quarry
