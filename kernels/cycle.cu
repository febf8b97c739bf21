// SPDX-License-Identifier: MIT
// Tuning steps and records (kernels/cycle.h); the host's counterparts are src/study/tuning.cpp and fits.cpp.
#include "kernels/cycle.h"
#include "kernels/simt.h"
#include "quarry/study/fit_keys.h"

namespace quarry {
namespace {

constexpr std::int32_t kThreads = 128;

__device__ std::int32_t thread() {
  return static_cast<std::int32_t>(threadIdx.x);
}

__device__ void set_hyperparameters(DeviceNetwork& network, const double* point, const TuningRun& run) {
  network.lr = point[run.space.lr];
  network.weight_decay = point[run.space.weight_decay];
  network.dropout = point[run.space.drop_rate];
  const auto depth = static_cast<std::int32_t>(point[run.space.depth]);
  network.sizes[0] = run.inputs;
  for (std::int32_t i = 0; i < depth; ++i) {
    network.sizes[1 + i] = static_cast<std::int32_t>(point[run.space.first_width + i]);
  }
  network.sizes[1 + depth] = run.outputs;
  network.n_layers = depth + 1;
}

__device__ std::int64_t parameters_of(const DeviceNetwork& network) {
  std::int64_t n = 0;
  for (std::int32_t l = 0; l < network.n_layers; ++l) n += (std::int64_t{network.sizes[l]} + 1) * network.sizes[l + 1];
  return n;
}

__device__ std::int64_t first_job(const TuningRun& run, std::int32_t count) {
  return static_cast<std::int64_t>(count) * run.first_fold;
}

__global__ void __launch_bounds__(kThreads, 1)
    trial_jobs_kernel(const DeviceSearch* searches, TuningRun* runs, std::int32_t count, DeviceNetwork* networks,
                      MlpFitJob* jobs) {
  const DeviceSearch& search = searches[blockIdx.x];
  TuningRun& run = runs[blockIdx.x];
  if (thread() == 0) run.first_trial = search.told;
  for (std::int32_t i = thread(); i < count * run.n_folds; i += kThreads) {
    const std::int32_t trial = search.told + i / run.n_folds, fold = i % run.n_folds;
    DeviceNetwork& network = networks[first_job(run, count) + i];
    MlpFitJob& job = jobs[first_job(run, count) + i];
    if (trial >= search.asked) {  // this search has ended
      job.active = 0;
      continue;
    }
    set_hyperparameters(network, search.points + static_cast<std::int64_t>(trial) * search.n_parameters, run);
    const FitKeys keys = fit_keys(run.seed, run.keys_per_use != 0, run.iteration, trial, fold);
    job = run.folds[fold];
    job.network = {network.sizes, &network.n_layers, &network.dropout, network.parameters};
    job.lr = network.lr;
    job.weight_decay = network.weight_decay;
    job.init_key = keys.init;
    job.order_key = keys.order;
    job.dropout_key = keys.dropout;
    if (job.validate_every_epoch) {
      job.epoch_losses = search.reports + static_cast<std::int64_t>(trial) * search.most_steps;
    }
    if (run.prunes && count == 1) {  // trials trained together are pruned afterwards, in order
      job.prune_above = search.thresholds;
      job.n_prune_above = job.epochs;
    }
    job.result = &network.result;
    job.active = 1;
  }
}

/// The smallest of n values, any number before a NaN.
__device__ double smallest(const double* values, std::int32_t n) {
  double best = values[0];
  for (std::int32_t i = 1; i < n; ++i) {
    if (values[i] < best || (best != best && values[i] == values[i])) best = values[i];
  }
  return best;
}

__global__ void __launch_bounds__(kThreads, 1) trial_reports_kernel(const DeviceSearch* searches, const TuningRun* runs,
                                                                    std::int32_t count, const DeviceNetwork* networks) {
  const DeviceSearch& search = searches[blockIdx.x];
  const TuningRun& run = runs[blockIdx.x];
  for (std::int32_t k = thread(); k < count; k += kThreads) {
    const std::int32_t trial = run.first_trial + k;
    if (trial >= search.asked) continue;
    const DeviceNetwork* const folds = networks + first_job(run, count) + std::int64_t{k} * run.n_folds;
    double* const reports = search.reports + static_cast<std::int64_t>(trial) * search.most_steps;
    double value = folds[0].result.validation_loss;
    std::int32_t n_reports = run.folds[0].validate_every_epoch ? folds[0].result.epochs_run : 0;
    if (run.n_folds > 1) {
      double sum = 0, weight = 0;
      for (std::int32_t f = 0; f < run.n_folds; ++f) {
        const double w = run.pooled ? static_cast<double>(run.folds[f].n_validation) : 1.0;
        sum += w * folds[f].result.validation_loss;
        weight += w;
        value = reports[f] = sum / weight;
      }
      n_reports = run.n_folds;
    } else if (run.best_epoch) {
      value = smallest(reports, n_reports);
    }
    search.values[trial] = value;
    search.n_reports[trial] = n_reports;
  }
}

__global__ void __launch_bounds__(kThreads, 1) keep_best_kernel(const DeviceSearch* searches, const TuningRun* runs,
                                                                std::int32_t count, const DeviceNetwork* networks) {
  const DeviceSearch& search = searches[blockIdx.x];
  const TuningRun& run = runs[blockIdx.x];
  if (!run.keeps || search.told == run.first_trial) return;
  const std::int32_t first_stands_in = run.first_trial == 0 ? 0 : -1;  // until a trial succeeds
  const std::int32_t trial = search.tell_improved ? search.best : first_stands_in;
  if (trial < 0) return;
  const DeviceNetwork& from = networks[first_job(run, count) + trial - run.first_trial];
  const std::int64_t n = parameters_of(from);
  for (std::int64_t i = thread(); i < n; i += kThreads) run.kept->parameters[i] = from.parameters[i];
  if (thread() == 0) run.kept->result = from.result;
}

__global__ void __launch_bounds__(kThreads, 1)
    adopt_trials_kernel(const DeviceSearch* searches, const TuningRun* runs, std::int32_t n) {
  for (std::int32_t r = thread(); r < n; r += kThreads) {
    const DeviceSearch& search = searches[r];
    const std::int32_t best = search.best < 0 ? 0 : search.best;
    const std::int32_t trial = runs[r].takes_last ? search.asked - 1 : best;
    set_hyperparameters(*runs[r].kept, search.points + static_cast<std::int64_t>(trial) * search.n_parameters, runs[r]);
  }
}

__global__ void __launch_bounds__(kThreads, 1)
    network_rates_kernel(const DeviceNetwork* networks, MlpFitJob* jobs, std::int32_t n) {
  for (std::int32_t r = thread(); r < n; r += kThreads) {
    jobs[r].lr = networks[r].lr;
    jobs[r].weight_decay = networks[r].weight_decay;
  }
}

__global__ void __launch_bounds__(kThreads, 1) record_fits_kernel(const FittedRun* runs) {
  const FittedRun run = runs[blockIdx.x];
  if (thread() == 0) {
    run.record->fit = run.network->result;
    run.record->unused = 0;
  }
  if (run.parameters == nullptr) return;
  const std::int64_t n = parameters_of(*run.network);
  for (std::int64_t i = thread(); i < n; i += kThreads) run.parameters[i] = run.network->parameters[i];
}

gpu::LaunchShape blocks(std::int32_t n) {
  gpu::LaunchShape shape;
  shape.grid.x = static_cast<unsigned>(n);
  shape.block.x = kThreads;
  return shape;
}

}  // namespace

namespace cuda {

void trial_jobs(gpu::Session& session, const DeviceSearch* searches, TuningRun* runs, std::int32_t n,
                std::int32_t count, DeviceNetwork* networks, MlpFitJob* jobs) {
  if (n > 0) gpu::launch(session, "trial_jobs", blocks(n), &trial_jobs_kernel, searches, runs, count, networks, jobs);
}

void trial_reports(gpu::Session& session, const DeviceSearch* searches, const TuningRun* runs, std::int32_t n,
                   std::int32_t count, const DeviceNetwork* networks) {
  if (n > 0) gpu::launch(session, "trial_reports", blocks(n), &trial_reports_kernel, searches, runs, count, networks);
}

void keep_best(gpu::Session& session, const DeviceSearch* searches, const TuningRun* runs, std::int32_t n,
               std::int32_t count, const DeviceNetwork* networks) {
  if (n > 0) gpu::launch(session, "keep_best", blocks(n), &keep_best_kernel, searches, runs, count, networks);
}

void adopt_trials(gpu::Session& session, const DeviceSearch* searches, const TuningRun* runs, std::int32_t n) {
  if (n > 0) gpu::launch(session, "adopt_trials", blocks(1), &adopt_trials_kernel, searches, runs, n);
}

void network_rates(gpu::Session& session, const DeviceNetwork* networks, MlpFitJob* jobs, std::int32_t n) {
  if (n > 0) gpu::launch(session, "network_rates", blocks(1), &network_rates_kernel, networks, jobs, n);
}

void record_fits(gpu::Session& session, const FittedRun* runs, std::int32_t n) {
  if (n > 0) gpu::launch(session, "record_fits", blocks(n), &record_fits_kernel, runs);
}

}  // namespace cuda
}  // namespace quarry
