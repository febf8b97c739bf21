// SPDX-License-Identifier: MIT
// Steps of a tuning on the device beside TuningRound, with made-up results in the place of training.
#include <cmath>
#include <limits>

#include "kernels/cycle.h"
#include "quarry/core/rng.h"
#include "quarry/hpo/device_searches.h"
#include "quarry/study/tuning.h"
#include "tests/simt/cases.h"

namespace quarry {
namespace {

constexpr std::int32_t kInputs = 3, kOutputs = 2, kMostSizes = 5;
constexpr std::int64_t kMostParameters = 200;

template <class T>
std::vector<T> downloaded(gpu::Session& session, const T* device, std::size_t n) {
  std::vector<T> values(n);
  gpu::download<T>(session, device, values);
  return values;
}

template <class T>
void overwrite(gpu::Session& session, T* device, const std::vector<T>& values) {
  const gpu::Pinned<T> staged(session, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) staged[i] = values[i];
  session.copy_in(device, staged.data(), values.size() * sizeof(T));
  session.synchronize();
}

RunConfig config_of(Mode mode, std::int64_t seed) {
  RunConfig config;
  config.seed = seed;
  config.mode = mode;
  config.trials = 7;
  config.startup_trials = 3;
  config.folds = 2;
  config.epochs = 4;
  config.depth_high = 3;
  config.width_high = 6;
  return config;
}

/// Any function of trial and fold: few distinct losses, some of them no numbers.
MemberResult<float> made_up(const MemberSpec& spec, std::int32_t trial, std::int32_t fold, bool fails) {
  MemberResult<float> result;
  const auto loss = [&](std::int32_t epoch) {
    const std::uint32_t word = random_u32(3, static_cast<std::uint64_t>(100 * trial + 10 * fold + epoch));
    return word % 6 == 0 || fails ? std::numeric_limits<double>::quiet_NaN() : 0.1 * (word % 5);
  };
  for (std::int32_t epoch = 0; epoch < spec.epochs && spec.validate_every_epoch; ++epoch)
    result.epoch_losses.push_back(loss(epoch));
  result.epochs_run = spec.epochs;
  result.validation.loss = loss(spec.epochs);
  result.train.loss = trial;
  result.parameters.assign(static_cast<std::size_t>(parameter_count(spec.sizes)), static_cast<float>(trial) + 0.5f);
  return result;
}

/// One search and its run on the device.
class OnDevice {
 public:
  OnDevice(gpu::Session& session, const RunConfig& config, std::int32_t n_folds, std::int32_t rows)
      : session_(session), config_(config), searches_(session, std::vector{setup(n_folds)}, 1) {
    const auto slots = static_cast<std::size_t>(config.startup_trials * n_folds);
    sizes_ = {session, (slots + 1) * kMostSizes};
    parameters_ = {session, (slots + 1) * static_cast<std::size_t>(kMostParameters)};
    std::vector<DeviceNetwork> networks(slots + 1);
    for (std::size_t i = 0; i <= slots; ++i) {
      networks[i].sizes = sizes_.data() + i * kMostSizes;
      networks[i].parameters = parameters_.data() + i * static_cast<std::size_t>(kMostParameters);
    }
    networks_ = gpu::upload<DeviceNetwork>(session, networks);
    jobs_ = {session, slots};
    std::vector<MlpFitJob> folds(static_cast<std::size_t>(n_folds));
    for (std::size_t f = 0; f < folds.size(); ++f) {
      folds[f].n_validation = rows + static_cast<std::int32_t>(f);
      folds[f].epochs = config.epochs;
      folds[f].validate_every_epoch = n_folds == 1 && reports_every_epoch(config);
    }
    folds_ = gpu::upload<MlpFitJob>(session, folds);
    TuningRun run;
    const Space space = study_space(config);
    run.folds = folds_.data();
    run.kept = networks_.data() + slots;
    run.n_folds = n_folds;
    run.space = {space.find("drop_rate"), space.find("depth"), space.find("width_0"), space.find("lr"),
                 space.find("weight_decay")};
    run.seed = static_cast<std::uint64_t>(config.seed);
    run.iteration = 2;
    run.keys_per_use = config.initial_weights == SeedPolicy::per_use;
    run.inputs = kInputs;
    run.outputs = kOutputs;
    run.prunes = n_folds == 1 && config.pruner != "none";
    run.best_epoch = n_folds == 1 && config.objective == TrialObjective::best_epoch;
    run.pooled = config.cross_validation == CrossValidation::k_fold;
    run.keeps = n_folds == 1;
    run.takes_last = config.cache_last_trial;
    run_ = gpu::upload<TuningRun>(session, std::vector{run});
    cuda::search_reset(session, searches_.data(), 1);
  }

  /// The jobs of the next `count` trials.
  std::vector<MlpFitJob> ask(std::int32_t count) {
    cuda::search_ask(session_, searches_.data(), 1, count);
    cuda::trial_jobs(session_, searches_.data(), run_.data(), 1, count, networks_.data(), jobs_.data());
    return downloaded(session_, jobs_.data(), jobs_.size());
  }

  void tell(std::int32_t count, const std::vector<MlpFitJob>& jobs, const std::vector<MemberResult<float>>& results) {
    std::vector<DeviceNetwork> networks = downloaded(session_, networks_.data(), networks_.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      networks[i].result.validation_loss = results[i].validation.loss;
      networks[i].result.train_loss = results[i].train.loss;
      networks[i].result.epochs_run = results[i].epochs_run;
      if (!results[i].epoch_losses.empty()) overwrite(session_, jobs[i].epoch_losses, results[i].epoch_losses);
      overwrite(session_, jobs[i].network.parameters, results[i].parameters);
    }
    overwrite(session_, networks_.data(), networks);
    cuda::trial_reports(session_, searches_.data(), run_.data(), 1, count, networks_.data());
    cuda::search_tell(session_, searches_.data(), 1, count);
    cuda::keep_best(session_, searches_.data(), run_.data(), 1, count, networks_.data());
  }

  std::vector<Trial> finish() {
    cuda::adopt_trials(session_, searches_.data(), run_.data(), 1);
    searches_.copy_out(session_, 0, 1);
    session_.synchronize();
    return searches_.trials(0);
  }
  DeviceNetwork kept() { return downloaded(session_, networks_.data() + networks_.size() - 1, 1)[0]; }

 private:
  SearchSetup setup(std::int32_t n_folds) const {
    SearchSetup setup;
    setup.space = study_space(config_);
    setup.options = sampler_options(config_, 2);
    setup.pruner = config_.pruner == "none" ? DevicePruner::none : DevicePruner::median;
    setup.pruner_options = pruner_options(config_, n_folds > 1 ? n_folds : config_.epochs);
    setup.nan_trial = config_.nan_trial == "failed" ? NanTrial::failed : NanTrial::worst;
    setup.most_trials = config_.trials;
    setup.most_steps = n_folds > 1 ? n_folds : reports_every_epoch(config_) ? config_.epochs : 0;
    return setup;
  }

  gpu::Session& session_;
  RunConfig config_;
  DeviceSearches searches_;
  gpu::Buffer<std::int32_t> sizes_;
  gpu::Buffer<float> parameters_;
  gpu::Buffer<DeviceNetwork> networks_;  ///< of a step's trials, then the run's own
  gpu::Buffer<MlpFitJob> jobs_, folds_;
  gpu::Buffer<TuningRun> run_;
};

void expect_same_fit(gpu::Session& session, const MlpFitJob& job, const MemberSpec& spec) {
  const bool same_numbers = job.lr == spec.lr && job.weight_decay == spec.weight_decay && job.epochs == spec.epochs;
  const bool same_keys =
      job.init_key == spec.init_key && job.order_key == spec.order_key && job.dropout_key == spec.dropout_key;
  simt::expect(job.active == 1 && same_numbers && same_keys, "a job differs from the host's member");
  simt::expect((job.prune_above != nullptr) == !spec.prune_above.empty(), "pruned while it trains, or not");
  simt::expect(job.prune_above == nullptr || job.n_prune_above == spec.epochs, "thresholds of %d epochs",
               job.n_prune_above);
  const auto n_layers = downloaded(session, job.network.n_layers, 1)[0];
  simt::expect_equal<std::int32_t>(downloaded(session, job.network.sizes, static_cast<std::size_t>(n_layers) + 1),
                                   spec.sizes, "sizes");
  simt::expect(downloaded(session, job.network.dropout, 1)[0] == spec.dropout, "dropout");
}

void check_tuning(const RunConfig& config, bool fails) {
  const std::int32_t n_folds = config.mode == Mode::online_dynamic ? config.folds : 1, rows = 3;
  std::vector<FitRows> folds(static_cast<std::size_t>(n_folds));
  for (std::size_t f = 0; f < folds.size(); ++f) {
    folds[f].train = {1, 2, 3};
    folds[f].validation.resize(static_cast<std::size_t>(rows) + f);
  }
  TuningRound round(config, kInputs, kOutputs, 2, folds);
  gpu::Session session(0);
  OnDevice device(session, config, n_folds, rows);
  for (std::int32_t trial = 0; trial < config.trials;) {
    const std::vector<MemberSpec> fits = round.next_fits();
    const std::int32_t count = static_cast<std::int32_t>(fits.size()) / n_folds;
    const std::vector<MlpFitJob> jobs = device.ask(count);
    std::vector<MemberResult<float>> results;
    for (std::size_t i = 0; i < fits.size(); ++i) {
      expect_same_fit(session, jobs[i], fits[i]);
      const auto place = static_cast<std::int32_t>(i);
      results.push_back(made_up(fits[i], trial + place / n_folds, place % n_folds, fails));
    }
    device.tell(count, jobs, results);
    round.give(results);
    trial += count;
  }
  simt::expect(device.ask(1)[0].active == 0, "a search that has ended trains on");
  device.tell(1, {}, {});

  TuningRound copy(config, kInputs, kOutputs, 2, folds);
  copy.restore(device.finish());
  simt::expect(copy.record().dump() == round.record().dump(), "the trials differ from the host's");
  const Hyperparameters want = config.cache_last_trial ? round.last_hyperparameters() : round.chosen_hyperparameters();
  const DeviceNetwork kept = device.kept();
  simt::expect(kept.lr == want.lr && kept.weight_decay == want.weight_decay && kept.dropout == want.dropout &&
                   kept.n_layers == static_cast<std::int32_t>(want.hidden.size()) + 1,
               "other hyperparameters than the host's");
  if (n_folds > 1 || config.cache_last_trial) return;
  const MemberResult<float> network = round.take_chosen_network().value();
  simt::expect(kept.result.train_loss == network.train.loss, "another trial's network");
  simt::expect_equal<float>(downloaded(session, kept.parameters, network.parameters.size()), network.parameters,
                            "parameters");
}

SIMT_CASE(a_tuning_on_one_split) {
  check_tuning(config_of(Mode::online_static, 1), false);
  check_tuning(config_of(Mode::online_static, 2), true);
  RunConfig config = config_of(Mode::online_static, 3);
  config.objective = TrialObjective::best_epoch;
  config.nan_trial = "failed";
  check_tuning(config, false);
  check_tuning(config, true);
  config.initial_weights = SeedPolicy::fixed;
  config.cache_last_trial = true;
  check_tuning(config, false);
}

SIMT_CASE(a_tuning_without_reports) {
  RunConfig config = config_of(Mode::online_static, 5);
  config.pruner = "none";
  check_tuning(config, false);
}

SIMT_CASE(a_tuning_over_folds) {
  RunConfig config = config_of(Mode::online_dynamic, 4);
  check_tuning(config, false);
  config.cross_validation = CrossValidation::k_fold;
  check_tuning(config, false);
}

}  // namespace
}  // namespace quarry
