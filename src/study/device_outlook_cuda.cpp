// SPDX-License-Identifier: MIT
#include "src/study/device_outlook_cuda.h"

#include <algorithm>

#include "quarry/study/fits.h"
#include "src/nn/mlp_jobs.h"

namespace quarry {
namespace {

/// As many rows as there will be: which ones is not known, nor of importance here.
FitRows grown(const FitRows& rows, std::int32_t by) {
  FitRows more;
  more.train.resize(rows.train.size() + static_cast<std::size_t>(by));
  more.validation.resize(rows.validation.size());
  more.unviolated = rows.unviolated;
  more.added = rows.added + by;
  return more;
}

}  // namespace

RunOutlook::RunOutlook(ActiveLearningRun& run, const Dataset& data)
    : run_(&run), data_(&data), network_rows_(run.network_rows()) {
  QUARRY_CHECK(run.want() == ActiveLearningRun::Want::fits, "run {} wants no fits", run.id());
  if (!run.tuning_wanted()) known_ = run.fits().at(0);
  auto added = static_cast<std::int32_t>(run.pool().added().size());
  auto unlabelled = static_cast<std::int32_t>(run.pool().unlabelled().size());
  for (std::int32_t iteration = run.iteration(); iteration <= run.last_iteration(); ++iteration) {
    cycles_.push_back(outlook(iteration, added, unlabelled));
    added += cycles_.back().picks;
    unlabelled -= cycles_.back().picks;
    // Hyperparameters that a journal holds already come from the host: a segment has to begin there.
    if (iteration < run.last_iteration() && run.tuning_recorded(iteration + 1)) break;
  }
  const bool tunes = std::any_of(cycles_.begin(), cycles_.end(), [](const CycleOutlook& c) { return c.tunes; });
  if (tunes) folds_ = run.tuning_folds();
}

CycleOutlook RunOutlook::outlook(std::int32_t iteration, std::int32_t added, std::int32_t unlabelled) const {
  const bool present = iteration == run_->iteration();
  CycleOutlook cycle;
  cycle.iteration = iteration;
  cycle.added = added;
  cycle.unlabelled = unlabelled;
  cycle.tunes = present ? run_->tuning_wanted() : run_->tunes(iteration);
  cycle.fits = !cycle.tunes || !run_->keeps_trial_network(iteration);
  cycle.tests = !(present && run_->replaying());
  if (iteration == run_->last_iteration()) return cycle;
  const SelectJob job = run_->select_job_ahead(iteration, added, unlabelled);
  cycle.picks = job.problem.count;
  cycle.candidates = static_cast<std::int32_t>(job.problem.n);
  return cycle;
}

std::int32_t RunOutlook::picks_ahead() const {
  std::int32_t sum = 0;
  for (const CycleOutlook& cycle : cycles_) sum += cycle.picks;
  return sum;
}

MlpFitJob RunOutlook::network_job(std::size_t cycle) const {
  if (cycle == 0 && known_) return settings_of(*known_);
  const FitRows rows = grown(network_rows_, cycles_[cycle].added - cycles_[0].added);
  return settings_of(make_member(config(), data_->n_features, data_->n_classes, fixed_hyperparameters(config()),
                                 FitPlace{cycles_[cycle].iteration, FitPlace::kRefit, 0}, rows));
}

std::vector<MlpFitJob> RunOutlook::fold_jobs(std::size_t cycle) const {
  std::vector<MlpFitJob> jobs;
  const std::int32_t more = folds_grow() ? cycles_[cycle].added - cycles_[0].added : 0;
  for (const FitRows& fold : folds_) {
    jobs.push_back(settings_of(make_member(config(), data_->n_features, data_->n_classes,
                                           fixed_hyperparameters(config()), FitPlace{}, grown(fold, more))));
    jobs.back().validate_every_epoch = folds_.size() == 1 && reports_every_epoch(config());
    jobs.back().prune_on_current = config().pruner == "median_current";
  }
  return jobs;
}

SearchSetup RunOutlook::search(std::size_t cycle) const {
  const auto n_folds = static_cast<std::int32_t>(folds_.size());
  SearchSetup setup;
  setup.space = study_space(config());
  setup.sampler = device_sampler(config().sampler);
  setup.options = sampler_options(config(), cycles_[cycle].iteration);
  setup.pruner = device_pruner(config().pruner);
  setup.pruner_options = pruner_options(config(), n_folds > 1 ? n_folds : config().epochs);
  setup.nan_trial = config().nan_trial == "failed" ? NanTrial::failed : NanTrial::worst;
  setup.most_trials = config().trials;
  setup.most_steps = n_folds;
  if (n_folds == 1) setup.most_steps = reports_every_epoch(config()) ? fold_jobs(cycle).front().epochs : 0;
  return setup;
}

SelectJob RunOutlook::selection(std::size_t cycle) const {
  return run_->select_job_ahead(cycles_[cycle].iteration, cycles_[cycle].added, cycles_[cycle].unlabelled);
}

std::int32_t RunOutlook::startup_batch() const {
  const std::int32_t independent = config().sampler == "tpe" ? config().startup_trials : config().trials;
  return std::clamp(independent, 1, config().trials);
}

std::int32_t RunOutlook::hidden_layers() const {
  return config().mode == Mode::fixed ? static_cast<std::int32_t>(config().hidden.size()) : config().depth_high;
}

std::int32_t RunOutlook::hidden_width() const {
  if (config().mode != Mode::fixed) return config().width_high;
  return config().hidden.empty() ? 0 : *std::max_element(config().hidden.begin(), config().hidden.end());
}

std::int64_t RunOutlook::most_parameters() const {
  const std::vector<std::int32_t> tuned(static_cast<std::size_t>(hidden_layers()), hidden_width());
  std::vector<std::int32_t> sizes = config().mode == Mode::fixed ? config().hidden : tuned;
  sizes.insert(sizes.begin(), data_->n_features);
  sizes.push_back(data_->n_classes);
  return parameter_count(sizes);
}

}  // namespace quarry
