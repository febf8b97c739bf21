// SPDX-License-Identifier: MIT
// Keys that contradict each other. Only values count, not whether a key was written: the resolved text, which writes
// every key, must be accepted.
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/study/keychain.h"
#include "src/study/config_table.h"

namespace quarry {
namespace {

using Problem = std::optional<ConfigProblem>;

template <class... Args>
Problem problem(std::vector<std::string_view> keys, fmt::format_string<Args...> format, Args&&... args) {
  return ConfigProblem{std::move(keys), fmt::format(format, std::forward<Args>(args)...)};
}

// What only data.name = "file" reads.
Problem check_file_keys(const DataConfig& data) {
  const std::pair<std::string_view, const std::string&> keys[] = {{"data.test_path", data.test_path},
                                                                  {"data.label", data.label},
                                                                  {"data.labels_path", data.labels_path},
                                                                  {"data.test_labels_path", data.test_labels_path}};
  for (const auto& [key, value] : keys)
    if (!value.empty())
      return problem({key, "data.name"}, "{} is for data.name = \"file\"; the data set here is '{}'", key, data.name);
  if (data.header != CsvHeader::automatic)
    return problem({"data.header", "data.name"}, "data.header is for data.name = \"file\"; the data set here is '{}'",
                   data.name);
  return {};
}

Problem check_data(const DataConfig& data) {
  if (data.name != "file") return check_file_keys(data);
  if (data.path.empty()) return problem({"data.name", "data.path"}, "data.name = \"file\" needs data.path, your file");
  if (!data.test_path.empty() && data.test_share != DataConfig{}.test_share)
    return problem({"data.test_share", "data.test_path"}, "data.test_share has no meaning beside data.test_path");
  if (data.test_path.empty() && !data.test_labels_path.empty())
    return problem({"data.test_labels_path", "data.test_path"}, "data.test_labels_path needs data.test_path");
  if (data.header != CsvHeader::automatic && data.format != "auto" && data.format != "csv")
    return problem({"data.header", "data.format"}, "data.header has no meaning for {} files, only for csv",
                   data.format);
  const bool labels_apart = data.format == "npy" || data.format == "idx";
  const bool labels_inside = data.format == "libsvm" || data.format == "csv" || data.format == "npz";
  if (data.format == "libsvm" && !data.label.empty())
    return problem({"data.label", "data.format"},
                   "data.label has no meaning for LIBSVM files: each line begins with its label");
  if (labels_apart && !data.label.empty())
    return problem({"data.label", "data.format"}, "data.label has no meaning for {} files; use data.labels_path",
                   data.format);
  if (labels_apart && data.labels_path.empty())
    return problem({"data.format", "data.labels_path"}, "{} files need data.labels_path, the file of the labels",
                   data.format);
  if (labels_apart && !data.test_path.empty() && data.test_labels_path.empty())
    return problem({"data.test_path", "data.test_labels_path"},
                   "data.test_path needs data.test_labels_path, the labels of the test rows");
  if (labels_inside && !(data.labels_path.empty() && data.test_labels_path.empty()))
    return problem({data.labels_path.empty() ? "data.test_labels_path" : "data.labels_path", "data.format"},
                   "{} files hold their labels; data.labels_path is for npy and idx", data.format);
  return {};
}

Problem check_pool(const RunConfig& run) {
  if (run.n_initial == 0) return problem({"pool.n_initial"}, "pool.n_initial: expected -1 (all) or at least 1, got 0");
  if (run.mode == Mode::frozen_set) return {};
  if (run.val_share == 0 && run.mode != Mode::fixed)
    return problem({"pool.val_share", "search.mode"},
                   "search.mode = \"{}\" chooses by validation loss: pool.val_share must be above 0",
                   to_string(run.mode));
  if (run.n_initial < 0 || run.val_share == 0) return {};
  const double validation = std::ceil(run.val_share * run.n_initial);
  if (validation >= run.n_initial)
    return problem({"pool.n_initial", "pool.val_share"},
                   "pool.n_initial = {} with pool.val_share = {} leaves {} for validation and none to train on",
                   run.n_initial, format_exact(run.val_share), run.n_initial);
  return {};
}

Problem check_acquisition(const RunConfig& run) {
  if (run.mode == Mode::frozen_set) return {};
  if (run.budget > 0 && run.size > run.budget)
    return problem({"acquisition.size", "acquisition.budget"},
                   "acquisition.size = {} is more than acquisition.budget = {}", run.size, run.budget);
  if (run.candidates > 0 && run.candidates < run.size)
    return problem({"acquisition.candidates", "acquisition.size"},
                   "acquisition.candidates = {} is less than acquisition.size = {}", run.candidates, run.size);
  return {};
}

Problem check_training(const RunConfig& run) {
  if (run.train_report == TrainReport::running && run.dropout_epochs != DropoutEpochs::none)
    return problem({"training.train_report", "training.dropout_epochs"},
                   "training.train_report = \"running\" needs training.dropout_epochs = \"none\"");
  if (run.early_stopping == EarlyStopping::none) return {};
  if (run.val_share == 0)
    return problem({"training.early_stopping", "pool.val_share"},
                   "training.early_stopping looks at the validation loss: pool.val_share must be above 0");
  if (run.refit_on_all)
    return problem({"training.early_stopping", "training.refit_on_all"},
                   "training.early_stopping has no validation rows to look at with training.refit_on_all");
  return {};
}

Problem check_keychain(const RunConfig& run) {
  if (!is_keychain(run.strategy) || run.network != NetworkKind::mlp || run.n_initial < 0) return {};
  if (run.val_share == 0)
    return problem({"pool.val_share", "acquisition.strategy"},
                   "acquisition.strategy = \"{}\" learns from validation losses: pool.val_share must be above 0",
                   run.strategy);
  if (run.refit_on_all)
    return problem({"training.refit_on_all", "acquisition.strategy"},
                   "acquisition.strategy = \"{}\" learns from validation losses, which training.refit_on_all = true "
                   "does not leave",
                   run.strategy);
  const KeychainSettings settings = keychain_settings(run);
  const std::int32_t train = run.n_initial - static_cast<std::int32_t>(std::ceil(run.val_share * run.n_initial));
  if (train - std::ceil(settings.held_out * train) < 1)
    return problem({"pool.n_initial", "acquisition.keychain_meta_share"},
                   "acquisition.strategy = \"{}\" splits the {} instances to train on again and holds out {} of them: "
                   "none is left; raise pool.n_initial or lower pool.val_share",
                   run.strategy, train, std::ceil(settings.held_out * train));
  if (settings.form == KeychainForm::leave_out && static_cast<std::int32_t>((1 - settings.share) * train) < 1)
    return problem({"acquisition.keychain_share", "pool.n_initial"},
                   "acquisition.keychain_share = {} leaves none of {} instances to train on",
                   format_exact(settings.share), train);
  if (settings.form == KeychainForm::duplicate && static_cast<std::int32_t>(settings.share * train) < 1)
    return problem({"acquisition.keychain_share", "pool.n_initial"},
                   "acquisition.keychain_share = {} repeats none of {} instances to train on: every pass would be the "
                   "same; raise it or pool.n_initial",
                   format_exact(settings.share), train);
  return {};
}

Problem check_search(const RunConfig& run) {
  const auto ordered = [&](auto low, auto high, std::string_view low_key, std::string_view high_key) -> Problem {
    if (low <= high) return {};
    return problem({high_key, low_key}, "{} = {} is above {} = {}", low_key, low, high_key, high);
  };
  if (Problem p = ordered(run.lr_low, run.lr_high, "search.lr_low", "search.lr_high")) return p;
  if (Problem p =
          ordered(run.weight_decay_low, run.weight_decay_high, "search.weight_decay_low", "search.weight_decay_high"))
    return p;
  if (Problem p = ordered(run.drop_rate_low, run.drop_rate_high, "search.drop_rate_low", "search.drop_rate_high"))
    return p;
  if (Problem p = ordered(run.depth_low, run.depth_high, "search.depth_low", "search.depth_high")) return p;
  if (Problem p = ordered(run.width_low, run.width_high, "search.width_low", "search.width_high")) return p;
  if (run.mode == Mode::frozen_set && run.cross_validation == CrossValidation::k_fold && run.folds < 2)
    return problem({"search.folds", "search.cross_validation"}, "k_fold needs search.folds of at least 2, got {}",
                   run.folds);
  if (run.mode != Mode::online_dynamic || run.cross_validation != CrossValidation::k_fold) return {};
  if (run.folds < 2)
    return problem({"search.folds", "search.cross_validation"}, "k_fold needs search.folds of at least 2, got {}",
                   run.folds);
  if (run.n_initial > 0 && run.folds > run.n_initial)
    return problem({"search.folds", "pool.n_initial"}, "search.folds = {} is more than pool.n_initial = {}", run.folds,
                   run.n_initial);
  return {};
}

// Keys that only residual networks read.
Problem check_perceptron(const RunConfig& run) {
  const RunConfig usual;
  const std::pair<std::string_view, bool> foreign[] = {{"data.holdout_share", run.holdout_share != usual.holdout_share},
                                                       {"acquisition.tested", !run.tested.empty()},
                                                       {"training.batches", run.batches != usual.batches},
                                                       {"training.schedule", run.schedule != usual.schedule},
                                                       {"training.augment", run.augment != usual.augment},
                                                       {"training.precision", run.precision != usual.precision},
                                                       {"training.convolution", run.convolution != usual.convolution},
                                                       {"search.mode", run.mode == Mode::frozen_set},
                                                       {"search.measure", run.measure != usual.measure},
                                                       {"search.first_point", run.first_point != usual.first_point},
                                                       {"search.lag", run.lag != usual.lag},
                                                       {"search.augment_validation", run.augment_validation},
                                                       {"training.warmup_epochs", run.warmup_epochs != 0},
                                                       {"pool.acquired", !run.acquired.empty()},
                                                       {"pool.acquired_labels", run.acquired_labels != 0}};
  for (const auto& [key, is_set] : foreign)
    if (is_set) return problem({key, "model.network"}, "{} is for residual networks; model.network is \"mlp\"", key);
  if (run.pruner == "asha")
    return problem({"search.pruner", "search.mode"}, "search.pruner = \"asha\" is for search.mode = \"frozen_set\"");
  if (run.sampler_seed == SamplerSeed::per_cell)
    return problem({"search.sampler_seed", "search.mode"},
                   "search.sampler_seed = \"per_cell\" is for search.mode = \"frozen_set\"");
  return {};
}

Problem check_frozen_set(const RunConfig& run) {
  if (run.acquired.empty())
    return problem({"search.mode", "pool.acquired"},
                   "search.mode = \"frozen_set\" needs pool.acquired, the folder of the study that chose the labels");
  if (run.acquired_labels < 2)
    return problem({"pool.acquired_labels"}, "pool.acquired_labels: expected at least 2 labels to search on, got {}",
                   run.acquired_labels);
  if (run.cross_validation == CrossValidation::k_fold && run.folds > run.acquired_labels)
    return problem({"search.folds", "pool.acquired_labels"}, "search.folds = {} is more than pool.acquired_labels = {}",
                   run.folds, run.acquired_labels);
  constexpr std::int64_t kLargestSeed = 4294967295 - 100;  // NumPy's, and what the study adds
  if (run.rng == RngKind::numpy && run.seed > kLargestSeed)
    return problem({"run.seed", "run.rng"},
                   "run.seed = {}: a search with rng = \"numpy\" is seeded with 100 more, so at most {}", run.seed,
                   kLargestSeed);
  if (run.cross_validation == CrossValidation::shuffle_split && run.val_share == 0)
    return problem({"pool.val_share", "search.cross_validation"},
                   "shuffle_split needs pool.val_share above 0, the share of the labels that a split holds out");
  const bool inside = run.lr >= run.lr_low && run.lr <= run.lr_high && run.weight_decay >= run.weight_decay_low &&
                      run.weight_decay <= run.weight_decay_high;
  if (run.first_point == FirstPoint::model && !inside)
    return problem({"search.first_point", "model.lr"},
                   "search.first_point = \"model\": model.lr = {}, model.weight_decay = {} is outside the search space",
                   format_exact(run.lr), format_exact(run.weight_decay));
  return {};
}

// What residual networks do not have.
Problem check_residual(const RunConfig& run) {
  if (!has_images(run.data.name))
    return problem({"data.name", "model.network"}, "model.network = \"{}\" needs a set of images; '{}' is none",
                   to_string(run.network), run.data.name);
  if (run.mode != Mode::fixed && run.mode != Mode::frozen_set)
    return problem({"search.mode", "model.network"},
                   "search.mode = \"{}\" is for perceptrons; residual networks have fixed and frozen_set",
                   to_string(run.mode));
  if (is_keychain(run.strategy))
    return problem({"acquisition.strategy", "model.network"},
                   "acquisition.strategy = \"{}\" is for perceptrons; model.network is \"{}\"", run.strategy,
                   to_string(run.network));
  const RunConfig usual;
  const std::pair<std::string_view, bool> foreign[] = {
      {"training.optimizer", run.optimizer != Optimizer::sgd},
      {"training.loss", run.loss != Loss::ce_on_logits},
      {"training.updates", run.updates != 0},
      {"training.drop_last", run.drop_last},
      {"training.refit_on_all", run.refit_on_all},
      {"training.dropout_epochs", run.dropout_epochs != DropoutEpochs::all},
      {"training.weight_by_size", !run.weight_by_size},
      {"training.early_stopping", run.early_stopping != usual.early_stopping},
      {"training.train_report", run.train_report != usual.train_report},
      {"acquisition.random_rng", run.random_rng != usual.random_rng},
      {"acquisition.log_epsilon", run.log_epsilon != usual.log_epsilon},
      {"search.stop_when_beaten", run.stop_when_beaten},
      {"search.tune_dropout", run.tune_dropout != usual.tune_dropout},
      {"search.objective", run.objective != usual.objective},
      {"search.cache_last_trial", run.cache_last_trial},
      {"data.scaler", run.data.scaler != Scaler::automatic}};
  for (const auto& [key, is_set] : foreign)
    if (is_set)
      return problem({key, "model.network"}, "{} is for perceptrons; model.network is \"{}\"", key,
                     to_string(run.network));
  if (run.schedule == LrSchedule::warmup_cosine && run.warmup_epochs >= run.epochs)
    return problem({"training.warmup_epochs", "training.epochs"},
                   "training.warmup_epochs = {} leaves nothing of training.epochs = {}", run.warmup_epochs, run.epochs);
  if (run.mode == Mode::frozen_set) return check_frozen_set(run);
  if (run.strategy == "bald" && run.dropout == 0)
    return problem(
        {"acquisition.strategy", "model.dropout"},
        "acquisition.strategy = \"bald\" needs model.dropout above 0: without it all its passes are the same");
  if (!run.tested.empty() && run.n_initial < 0)
    return problem({"acquisition.tested", "pool.n_initial"},
                   "acquisition.tested has no meaning where everything is labelled (pool.n_initial = -1)");
  for (const std::int32_t labels : run.tested) {
    const std::int32_t bought = labels - run.n_initial;
    const bool reached = bought == run.budget || (bought >= 0 && bought < run.budget && bought % run.size == 0);
    if (run.n_initial > 0 && !reached)
      return problem(
          {"acquisition.tested", "acquisition.size"},
          "acquisition.tested: a run never has {} labels; it has {} and then {} more with every acquisition, up "
          "to {}",
          labels, run.n_initial, run.size, run.n_initial + run.budget);
  }
  if (run.val_share != 0)
    return problem({"pool.val_share", "model.network"},
                   "pool.val_share = {}: nothing is chosen on validation rows here; set it to 0",
                   format_exact(run.val_share));
  return {};
}

}  // namespace

std::optional<ConfigProblem> check_run(const RunConfig& run) {
  if (Problem p = check_data(run.data)) return p;
  if (Problem p = check_pool(run)) return p;
  if (Problem p = check_acquisition(run)) return p;
  if (Problem p = check_training(run)) return p;
  if (Problem p = check_keychain(run)) return p;
  if (Problem p = check_search(run)) return p;
  if (Problem p = run.network == NetworkKind::mlp ? check_perceptron(run) : check_residual(run)) return p;
  if (run.optimizer == Optimizer::adam && run.momentum > 0)
    return problem({"model.momentum", "training.optimizer"},
                   "model.momentum has no meaning with training.optimizer = \"adam\"");
  return {};
}

}  // namespace quarry
