// SPDX-License-Identifier: MIT
// A cycle on the device: tuning, fitting, scoring, record. Plans are written for the whole cycle first and copied to
// the device as one; then every launch is enqueued.
#include "src/study/device_cycle_cuda.h"

#include <algorithm>
#include <utility>

#include "quarry/study/fits.h"

namespace quarry {
namespace {

/// Address of a member of a structure on the device.
template <class T, class S>
T* member_of(S* device, T S::*member) {
  return &(device->*member);
}

SpaceMap space_map(const Space& space) {
  return {space.find("drop_rate"), space.find("depth"), space.find("width_0"), space.find("lr"),
          space.find("weight_decay")};
}

TuningRun tuning_run(const RunOutlook& run, std::int32_t iteration) {
  const RunConfig& config = run.config();
  const bool one_fold = run.folds().size() == 1;
  TuningRun tuning;
  tuning.n_folds = static_cast<std::int32_t>(run.folds().size());
  tuning.space = space_map(study_space(config));
  tuning.seed = static_cast<std::uint64_t>(config.seed);
  tuning.iteration = iteration;
  tuning.keys_per_use = config.initial_weights == SeedPolicy::per_use;
  tuning.inputs = run.data().n_features;
  tuning.outputs = run.data().n_classes;
  tuning.prunes = one_fold && config.pruner != "none";
  tuning.best_epoch = one_fold && config.objective == TrialObjective::best_epoch;
  tuning.pooled = config.cross_validation == CrossValidation::k_fold;
  tuning.keeps = run.run().keeps_trial_network(iteration);
  tuning.takes_last = run.run().takes_last_trial(iteration);
  return tuning;
}

}  // namespace

MlpDeviceNetwork DeviceSegment::network(std::size_t run) const {
  DeviceNetwork* const device = shared_.networks + run;
  return {places_[run].sizes, member_of(device, &DeviceNetwork::n_layers), member_of(device, &DeviceNetwork::dropout),
          places_[run].parameters};
}

MlpFitJob DeviceSegment::with_rows(const MlpFitJob& job, std::size_t run, const std::int32_t* train,
                                   const std::int32_t* validation) const {
  const DeviceData& data = *data_.at(&runs_[run].data());
  MlpFitJob placed = job;
  placed.features = data.train.data();
  placed.labels = data.labels.data();
  placed.train = train;
  placed.validation = validation;
  return placed;
}

DeviceSegment::Tuning DeviceSegment::plan_tuning(std::size_t cycle, CyclePlan& plan) const {
  Tuning tuning;
  std::vector<MlpFitJob> folds;
  std::vector<TuningRun> runs;
  for (const std::size_t r : present(cycle)) {
    const RunOutlook& run = runs_[r];
    if (!run.tunes(cycle)) continue;
    TuningRun here = tuning_run(run, run.cycles()[cycle].iteration);
    here.first_fold = static_cast<std::int32_t>(folds.size());
    here.kept = shared_.networks + r;
    const std::vector<MlpFitJob> jobs = run.fold_jobs(cycle);
    for (std::size_t f = 0; f < jobs.size(); ++f)
      folds.push_back(with_rows(jobs[f], r, places_[r].fold_train[f], places_[r].fold_validation[f]));
    tuning.trials = std::max(tuning.trials, run.config().trials);
    tuning.prunes = tuning.prunes || here.prunes != 0;
    tuning.keeps = tuning.keeps || here.keeps != 0;
    runs.push_back(here);
  }
  const MlpFitJob* const on_device = plan.put(folds);
  for (TuningRun& run : runs) run.folds = on_device + run.first_fold;
  tuning.runs = plan.put(runs);
  tuning.n = static_cast<std::int32_t>(runs.size());
  tuning.folds = static_cast<std::int32_t>(folds.size());
  tuning.first = setups_.first[cycle];
  tuning.first_step = first_step(runs_, cycle, shape_);
  return tuning;
}

/// Ask, train, tell: the same launches for every trial.
void DeviceSegment::enqueue_step(const Tuning& tuning, std::int32_t count) {
  DeviceSearch* const searches = searches_->data() + tuning.first;
  cuda::search_ask(session_, searches, tuning.n, count);
  if (tuning.prunes && count == 1) cuda::search_thresholds(session_, searches, tuning.n);
  cuda::trial_jobs(session_, searches, tuning.runs, tuning.n, count, shared_.trial_networks, shared_.trial_jobs);
  const std::int32_t jobs = count * tuning.folds;
  cuda::mlp_fit(session_, cuda::plan_mlp_fit(session_.device(), jobs, sizes_.bounds), shared_.trial_jobs, jobs,
                shared_.ticket, shared_.workspace);
  cuda::trial_reports(session_, searches, tuning.runs, tuning.n, count, shared_.trial_networks);
  cuda::search_tell(session_, searches, tuning.n, count);
  if (tuning.keeps) cuda::keep_best(session_, searches, tuning.runs, tuning.n, count, shared_.trial_networks);
}

void DeviceSegment::enqueue_tuning(const Tuning& tuning) {
  if (tuning.n == 0) return;
  const gpu::Range range(session_, "tuning");
  cuda::search_reset(session_, searches_->data() + tuning.first, tuning.n);
  enqueue_step(tuning, tuning.first_step);
  const std::int32_t left = tuning.trials - tuning.first_step;
  if (graphs_ && left > 1) {
    graphs_made_.push_back(session_.record([&] { enqueue_step(tuning, 1); }));
    for (std::int32_t trial = 0; trial < left; ++trial) session_.run(*graphs_made_.back());
  } else {
    for (std::int32_t trial = 0; trial < left; ++trial) enqueue_step(tuning, 1);
  }
  cuda::adopt_trials(session_, searches_->data() + tuning.first, tuning.runs, tuning.n);
}

DeviceSegment::Fitting DeviceSegment::plan_fitting(std::size_t cycle, CyclePlan& plan) const {
  std::vector<MlpFitJob> jobs(runs_.size());
  std::vector<FittedRun> fitted;
  for (MlpFitJob& job : jobs) job.active = 0;
  Fitting fitting;
  for (const std::size_t r : present(cycle)) {
    DeviceNetwork* const network_of_run = shared_.networks + r;
    fitted.push_back({network_of_run, records_[r].record, records_[r].parameters});
    if (!runs_[r].cycles()[cycle].fits) continue;
    jobs[r] = with_rows(runs_[r].network_job(cycle), r, places_[r].network_train, places_[r].network_validation);
    jobs[r].network = network(r);
    jobs[r].result = member_of(network_of_run, &DeviceNetwork::result);
    fitting.any = true;
  }
  fitting.jobs = plan.put(jobs);
  fitting.fitted = plan.put(fitted);
  fitting.n_fitted = static_cast<std::int32_t>(fitted.size());
  return fitting;
}

void DeviceSegment::enqueue_fitting(const Fitting& fitting) {
  const gpu::Range range(session_, "fit");
  const auto n = static_cast<std::int32_t>(runs_.size());
  if (fitting.any) {
    cuda::network_rates(session_, shared_.networks, fitting.jobs, n);
    cuda::mlp_fit(session_, cuda::plan_mlp_fit(session_.device(), n, sizes_.bounds), fitting.jobs, n, shared_.ticket,
                  shared_.workspace);
  }
  cuda::record_fits(session_, fitting.fitted, fitting.n_fitted);
}

DeviceSegment::Scoring DeviceSegment::plan_scoring(std::size_t cycle, CyclePlan& plan) const {
  std::vector<MlpScoreJob> jobs;
  for (const std::size_t r : present(cycle)) {
    const RunOutlook& run = runs_[r];
    if (run.cycles()[cycle].tests) {
      MlpScoreJob test;
      test.features = data_.at(&run.data())->test.data();
      test.n_rows = static_cast<std::int32_t>(run.data().test.n);
      test.network = network(r);
      test.logits = records_[r].logits;
      jobs.push_back(test);
    }
    if (run.cycles()[cycle].picks > 0) add_selection_scores(cycle, r, jobs);
  }
  return {plan.put(jobs), static_cast<std::int32_t>(jobs.size())};
}

void DeviceSegment::enqueue_scoring(const Scoring& scoring) {
  if (scoring.n == 0) return;
  const gpu::Range range(session_, "score");
  const cuda::MlpFleetPlan plan = cuda::plan_mlp_score(session_.device(), scoring.n, sizes_.most_rows, sizes_.bounds);
  cuda::mlp_score(session_, plan, scoring.jobs, scoring.n, sizes_.most_rows, shared_.workspace);
}

void DeviceSegment::enqueue() {
  const std::size_t cycle = marks_.size();
  CyclePlan plan(plans_.data() + cycle * sizes_.plan, shared_.plan, sizes_.plan);
  const Tuning tuning = plan_tuning(cycle, plan);
  const Fitting fitting = plan_fitting(cycle, plan);
  const Subsets subsets = plan_subsets(cycle, plan);
  const Scoring scoring = plan_scoring(cycle, plan);
  const Selecting selecting = plan_selecting(cycle, plan);
  plan.copy_in(session_);
  enqueue_tuning(tuning);
  enqueue_fitting(fitting);
  enqueue_subsets(subsets);
  enqueue_scoring(scoring);
  enqueue_selecting(selecting);
  {
    const gpu::Range range(session_, "record");
    session_.copy_out(out_.data() + cycle * sizes_.record, shared_.record, sizes_.record);
    if (tuning.n > 0) searches_->copy_out(session_, tuning.first, tuning.n);
    marks_.push_back(session_.mark());
  }
  const gpu::Range range(session_, "acquire");
  cuda::acquire(session_, selecting.acquired, selecting.n_acquired);
}

}  // namespace quarry
