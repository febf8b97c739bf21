// SPDX-License-Identifier: MIT
// A study's config: typed, strict, documented by its own table. Any scalar key may be given a list in the TOML: then
// it is a grid axis, and the study is the product of its axes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/al/keychain.h"
#include "quarry/al/tie_rule.h"
#include "quarry/data/data_table.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/nn/mlp_fleet.h"
#include "quarry/ops/conv_precision.h"

namespace quarry {

/// Hyperparameter handling of the online-tuning study (spec 7), and "fixed": no search, the [model] values.
/// frozen_set: the optimisation half of the hyperparameter study.
enum class Mode { fixed, constant_whole, constant_initial, online_static, online_dynamic, frozen_set };
enum class NetworkKind { mlp, resnet8, resnet14, resnet18 };
enum class RngKind { philox, numpy };
enum class RandomRng { independent, reseeded };        ///< B4
enum class FeatureLayer { penultimate, logits };       ///< B5
enum class SeedPolicy { fixed, per_use };              ///< B8: the same for every use, or a new one for each
enum class SamplerSeed { fixed, per_use, per_cell };   ///< B8; per_cell: frozen_set
enum class CrossValidation { shuffle_split, k_fold };  ///< B9: k_fold pools the out-of-fold losses
enum class TrialObjective { last_epoch, best_epoch };  ///< B12, single-split modes
enum class TrialMeasure { loss, accuracy };            ///< frozen_set
enum class FirstPoint { sampler, model };              ///< frozen_set
enum class Scale { linear, log };
enum class KeychainError { sum_of_squares, square_of_sum };   ///< B13
enum class KeychainSplit { repeats, single };                 ///< B11
enum class KeychainShare { val_share, three_tenths, mixed };  ///< B14

/// Everything that determines one run: one data set, strategy, mode and seed. Defaults are preset "corrected".
struct RunConfig {
  // [run]
  std::int64_t seed = 0;
  RngKind rng = RngKind::philox;

  DataConfig data;           // [data]
  double holdout_share = 0;  ///< residual networks: share of the pool part that this run never sees

  // [pool]
  std::int32_t n_initial = 20;       ///< -1: everything is labelled (upper bound)
  double val_share = 0.25;           ///< share of the initially labelled kept for validation
  std::string acquired;              ///< frozen_set: where the labelled sets come from
  std::int32_t acquired_labels = 0;  ///< frozen_set: how many of them

  // [acquisition]
  std::string strategy = "random";
  std::int32_t budget = 20;          ///< instances to acquire
  std::int32_t size = 1;             ///< instances per acquisition
  std::int64_t candidates = 0;       ///< score a random subset of this size; 0 = the whole pool
  std::vector<std::int32_t> tested;  ///< residual networks: numbers of labels with a test; empty = all
  std::int32_t mc_passes = 100;      ///< BALD
  FeatureLayer coreset_layer = FeatureLayer::penultimate;
  TieRule ties = TieRule::lowest_index;  ///< B24
  RandomRng random_rng = RandomRng::independent;
  bool bald_clamp = true;                                ///< B20: negative scores (rounding) count as 0
  bool log_epsilon = true;                               ///< entropy, bald: ln(p + smallest normal number)
  KeychainForm keychain_form = KeychainForm::leave_out;  ///< strategy "keychain"; here and below see study/keychain.h
  std::int32_t keychain_passes = 0, keychain_capacity = 1;
  double keychain_share = 0, keychain_steepness = 0;
  std::int32_t keychain_trials = 0, keychain_repeats = 10, keychain_ae_trials = 25;
  KeychainError keychain_ae_error = KeychainError::sum_of_squares;  ///< B13
  KeychainSplit keychain_meta_split = KeychainSplit::repeats;       ///< B11
  KeychainShare keychain_meta_share = KeychainShare::val_share;     ///< B14

  // [model]: the network of mode "fixed"
  NetworkKind network = NetworkKind::mlp;
  std::vector<std::int32_t> hidden = {48, 48};
  double lr = 0.1, weight_decay = 1e-4, momentum = 0, dropout = 0.1;

  // [training]
  std::int32_t epochs = 200;
  std::int64_t updates = 0;  ///< B16: if > 0, train for as many epochs as give at least this many updates
  std::int32_t batch_size = 32;
  BatchRule batches = BatchRule::keep_last;  ///< residual networks, here and below
  LrSchedule schedule = LrSchedule::constant;
  std::int32_t warmup_epochs = 0;
  bool augment = false;
  ConvPrecision precision = ConvPrecision::fp32;
  ConvChoice convolution = ConvChoice::table;
  bool drop_last = false;  ///< B15
  Optimizer optimizer = Optimizer::sgd;
  Loss loss = Loss::ce_on_logits;                      ///< B7
  DropoutEpochs dropout_epochs = DropoutEpochs::all;   ///< B2
  bool weight_by_size = true;                          ///< B17
  SeedPolicy initial_weights = SeedPolicy::per_use;    ///< B8
  bool refit_on_all = false;                           ///< B18
  EarlyStopping early_stopping = EarlyStopping::none;  ///< and B25
  std::int32_t patience = 20, stopping_warmup = 100;
  TrainReport train_report = TrainReport::evaluated;  ///< and B25

  // [search]
  Mode mode = Mode::fixed;
  std::int32_t trials = 50;
  std::string sampler = "tpe";
  std::string pruner = "median";
  std::int32_t startup_trials = 10;
  std::int32_t pruner_startup = 10;       ///< completed trials before the median pruner decides
  double pruner_warmup = 0.4;             ///< share of the epochs or folds before it does
  bool stop_when_beaten = false;          ///< a search ends at the first value below all of earlier searches
  std::int32_t folds = 6;                 ///< online_dynamic
  std::int32_t whole_folds = 1;           ///< constant_whole
  std::optional<double> whole_val_share;  ///< constant_whole; empty: val_share
  CrossValidation cross_validation = CrossValidation::shuffle_split;
  TrialMeasure measure = TrialMeasure::loss;
  FirstPoint first_point = FirstPoint::sampler;
  std::int32_t lag = 0;  ///< results of so many trials are not known yet
  bool augment_validation = false;
  TrialObjective objective = TrialObjective::last_epoch;
  bool normalised_density = true;  ///< B28
  SamplerSeed sampler_seed = SamplerSeed::per_use;
  bool cache_last_trial = false;    ///< B1
  std::string nan_trial = "worst";  ///< "worst" or "failed"
  double lr_low = 1e-4, lr_high = 0.5;
  Scale lr_scale = Scale::linear;
  double weight_decay_low = 1e-6, weight_decay_high = 1e-1;
  bool tune_dropout = true;  ///< false: always the [model] value
  double drop_rate_low = 1e-3, drop_rate_high = 0.5;
  std::int32_t depth_low = 1, depth_high = 5, width_low = 2, width_high = 96;
};

/// One cell of the grid.
struct StudyRun {
  RunConfig config;
  std::string id;       ///< unique in the study, safe as a directory name
  std::string variant;  ///< "key=value ..." of the axes beyond data, strategy, mode, seed, n_initial, val_share
};

struct StudyConfig {
  std::string study = "study";  ///< name; the results go to OUT/<study>
  std::string preset = "corrected";
  std::string networks = "none";  ///< [output]: none, final, every
  std::vector<StudyRun> runs;     ///< grid order: axes in table order, the last varies fastest, seeds innermost
  std::string resolved;           ///< canonical TOML: every key with its value or list; parsing it gives the same study
  std::uint64_t hash = 0;         ///< of `resolved`
  std::vector<std::string> notes;  ///< what looks like a mistake and is none: lines for a person
};

/// One key of the config, for parsing, --set, the resolved text and docs/config.md alike.
struct ConfigKey {
  std::string_view section, name, type, values, summary;
};
std::span<const ConfigKey> config_keys();

/// Parses a study. `overrides` are "section.key=value" (TOML value syntax; bare words are strings). Pure function of
/// its arguments. Errors: usage, as file:line:column, for syntax, unknown keys (with a suggestion), wrong types,
/// values out of range, contradictory keys, an empty grid, duplicate runs.
StudyConfig parse_study(std::string_view toml, const std::string& path, std::span<const std::string> overrides);
/// Reads the file, then parse_study; refuses (usage) a list of a key that no run reads, which older results may have.
StudyConfig load_study(const std::string& path, std::span<const std::string> overrides);

/// "fixed", "constant_whole", ...: the name in configs and results.
std::string_view to_string(Mode mode);
std::string_view to_string(NetworkKind network);
/// Canonical text of the [data] keys: equal texts mean the same data set.
std::string data_identity(const DataConfig& data);

/// docs/config.md: the reference of every key, made from the table.
std::string config_reference();

}  // namespace quarry
