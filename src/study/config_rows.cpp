// SPDX-License-Identifier: MIT
// One entry per key. A new key: a field in RunConfig and an entry here.
#include <concepts>
#include <type_traits>

#include "quarry/al/strategy.h"
#include "quarry/hpo/search.h"
#include "src/study/config_table.h"

namespace quarry {
namespace {

// The field a chain of member pointers leads to.
template <auto... Path>
const auto& field(const ConfigDraft& draft) {
  return (draft.*....*Path);
}

template <class T>
ConfigValue value_of(const ConfigRow& row, const T& x) {
  if constexpr (std::same_as<T, bool> || std::same_as<T, double> || std::same_as<T, std::string>) {
    return ConfigValue::of(x);
  } else if constexpr (std::is_enum_v<T>) {
    return ConfigValue::of(std::string(row.choices[static_cast<std::size_t>(x)]));
  } else if constexpr (std::same_as<T, std::optional<double>>) {
    return x ? ConfigValue::of(*x) : ConfigValue::of(std::string(row.word));
  } else if constexpr (std::integral<T>) {
    return ConfigValue::of(std::int64_t{x});
  } else {
    std::vector<ConfigValue> items;
    for (const auto& item : x) items.push_back(ConfigValue::of(std::int64_t{item}));
    return ConfigValue::of(std::move(items));
  }
}

template <class T>
void assign(const ConfigRow& row, T& x, const ConfigValue& value) {
  if constexpr (std::same_as<T, bool>) {
    x = value.boolean;
  } else if constexpr (std::same_as<T, double>) {
    x = value.real;
  } else if constexpr (std::same_as<T, std::string>) {
    x = value.text;
  } else if constexpr (std::is_enum_v<T>) {
    for (std::size_t i = 0; i < row.choices.size(); ++i)
      if (row.choices[i] == value.text) x = static_cast<T>(i);
  } else if constexpr (std::same_as<T, std::optional<double>>) {
    x.reset();
    if (value.type == ConfigValue::Type::real) x = value.real;
  } else if constexpr (std::integral<T>) {
    x = static_cast<T>(value.integer);
  } else {
    x.clear();
    for (const ConfigValue& item : value.items) x.push_back(static_cast<typename T::value_type>(item.integer));
  }
}

template <auto... Path>
ConfigRow row(KeyKind kind, std::string_view section, std::string_view name, std::string_view summary) {
  ConfigRow r;
  r.section = section;
  r.name = name;
  r.summary = summary;
  r.kind = kind;
  r.get = [](const ConfigRow& self, const ConfigDraft& draft) { return value_of(self, field<Path...>(draft)); };
  r.set = [](const ConfigRow& self, ConfigDraft& draft, const ConfigValue& value) {
    assign(self, (draft.*....*Path), value);
  };
  return r;
}

struct Bounds {
  double low = 0, high = 0;
  bool open_low = false, open_high = false;
};

template <auto... Path>
ConfigRow number(KeyKind kind, std::string_view section, std::string_view name, Bounds bounds,
                 std::string_view summary) {
  ConfigRow r = row<Path...>(kind, section, name, summary);
  r.low = bounds.low;
  r.high = bounds.high;
  r.open_low = bounds.open_low;
  r.open_high = bounds.open_high;
  return r;
}

template <auto... Path>
ConfigRow choice(std::string_view section, std::string_view name, std::vector<std::string_view> choices,
                 std::string_view summary) {
  ConfigRow r = row<Path...>(KeyKind::choice, section, name, summary);
  r.choices = std::move(choices);
  return r;
}

template <auto... Path>
ConfigRow name_in(std::vector<std::string_view> (*names)(), std::string_view list_command, std::string_view section,
                  std::string_view name, std::string_view summary) {
  ConfigRow r = row<Path...>(KeyKind::name, section, name, summary);
  r.names = names;
  r.list_command = list_command;
  return r;
}

template <class Table>
std::vector<std::string_view> names_of(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& entry : table) names.push_back(entry.name);
  return names;
}
std::vector<std::string_view> data_names() {
  return names_of(data_table());
}
std::vector<std::string_view> strategy_names() {
  return names_of(strategy_table());
}
std::vector<std::string_view> sampler_names() {
  return names_of(sampler_table());
}
std::vector<std::string_view> pruner_names() {
  return names_of(pruner_table());
}

ConfigRow faithful(const char* value, ConfigRow r) {
  r.faithful = ConfigValue::of(std::string(value));
  return r;
}
ConfigRow faithful(bool value, ConfigRow r) {
  r.faithful = ConfigValue::of(value);
  return r;
}
ConfigRow study_wide(ConfigRow r) {
  r.study_wide = true;
  return r;
}

constexpr auto kBoolean = KeyKind::boolean;
constexpr auto kInteger = KeyKind::integer;
constexpr auto kReal = KeyKind::real;
constexpr auto kText = KeyKind::text;
constexpr double kMany = 2147483647;

using D = ConfigDraft;
using R = RunConfig;
using Data = DataConfig;

void add_run(std::vector<ConfigRow>& t) {
  t.push_back(study_wide(row<&D::study>(kText, "", "study", "name of the study; its results go to OUT/STUDY")));
  t.push_back(study_wide(choice<&D::preset>("", "preset", {"corrected", "faithful"},
                                            "where keys that are not given take their values from")));
  ConfigRow seed = number<&D::run, &R::seed>(kInteger, "run", "seed", {0, 4294967295.0},
                                             "seed of everything random in a run; runs are paired by it");
  seed.counted = true;
  t.push_back(seed);
  t.push_back(faithful("numpy", choice<&D::run, &R::rng>("run", "rng", {"philox", "numpy"},
                                                         "random numbers of splits, initial pools, subsets, ties, "
                                                         "Random, BADGE and TPE: own streams, or NumPy's legacy "
                                                         "streams as the published programs draw them")));
}

void add_data(std::vector<ConfigRow>& t) {
  t.push_back(name_in<&D::run, &R::data, &Data::name>(data_names, "quarry list datasets", "data", "name",
                                                      "the data set; \"file\" = your own, see path"));
  t.push_back(choice<&D::run, &R::data, &Data::version>(
      "data", "version", {"final", "seed"}, "toy sets: generator settings of the study's final or first version"));
  ConfigRow noise = number<&D::run, &R::data, &Data::noise>(
      kReal, "data", "noise", {0, 100}, "toy sets: standard deviation of the noise; \"default\" = the generator's");
  noise.word = "default";
  t.push_back(noise);
  t.push_back(row<&D::run, &R::data, &Data::separate_honeypot_noise>(
      kBoolean, "data", "separate_honeypot_noise",
      "blobs: honeypots draw noise of their own instead of repeating that of the clean points"));
  t.push_back(
      choice<&D::run, &R::data, &Data::scaler>("data", "scaler", {"automatic", "minmax", "standard", "none"},
                                               "scaling of each feature; automatic = what the data set's entry says"));
  t.push_back(faithful("test", choice<&D::run, &R::data, &Data::scaler_fit>("data", "scaler_fit", {"train", "test"},
                                                                            "part that the scaler is fitted on")));
  t.push_back(row<&D::run, &R::data, &Data::path>(kText, "data", "path",
                                                  "your file (name = \"file\"), or the folder of a named set's files"));
  t.push_back(row<&D::run, &R::data, &Data::test_path>(kText, "data", "test_path",
                                                       "your file of test rows; empty = hold out test_share"));
  t.push_back(choice<&D::run, &R::data, &Data::format>("data", "format", {"auto", "libsvm", "csv", "npy", "npz", "idx"},
                                                       "format of your files; auto = by name"));
  t.push_back(row<&D::run, &R::data, &Data::label>(
      kText, "data", "label", "csv: name or number (from 0) of the label column; npz: name of the label array"));
  t.push_back(row<&D::run, &R::data, &Data::labels_path>(kText, "data", "labels_path", "npy, idx: file of the labels"));
  t.push_back(row<&D::run, &R::data, &Data::test_labels_path>(kText, "data", "test_labels_path",
                                                              "npy, idx: file of the test labels"));
  t.push_back(number<&D::run, &R::data, &Data::test_share>(kReal, "data", "test_share", {0, 1, true, true},
                                                           "share of your rows held out when there is no test_path"));
  t.push_back(number<&D::run, &R::data, &Data::pool_limit>(kInteger, "data", "pool_limit", {0, kMany},
                                                           "use only the first rows of the pool; 0 = all"));
}

void add_pool(std::vector<ConfigRow>& t) {
  t.push_back(number<&D::run, &R::n_initial>(kInteger, "pool", "n_initial", {-1, kMany},
                                             "instances labelled at the start, drawn at random; -1 = all (upper "
                                             "bound)"));
  t.push_back(number<&D::run, &R::val_share>(kReal, "pool", "val_share", {0, 1, false, true},
                                             "share of them kept for validation, rounded up; 0 = none (mode fixed "
                                             "only)"));
}

void add_acquisition(std::vector<ConfigRow>& t) {
  t.push_back(name_in<&D::run, &R::strategy>(strategy_names, "quarry list strategies", "acquisition", "strategy",
                                             "how instances are chosen"));
  t.push_back(
      number<&D::run, &R::budget>(kInteger, "acquisition", "budget", {0, kMany}, "instances to acquire in all"));
  t.push_back(number<&D::run, &R::size>(kInteger, "acquisition", "size", {1, 1000000}, "instances per acquisition"));
  t.push_back(number<&D::run, &R::candidates>(kInteger, "acquisition", "candidates", {0, kMany},
                                              "score a random subset of this size; 0 = the whole pool"));
  t.push_back(
      number<&D::run, &R::mc_passes>(kInteger, "acquisition", "mc_passes", {1, 100000}, "bald: stochastic passes"));
  t.push_back(faithful("logits",
                       choice<&D::run, &R::coreset_layer>("acquisition", "coreset_layer", {"penultimate", "logits"},
                                                          "coreset, badge: layer whose activations are the features")));
  t.push_back(faithful("numpy_isclose",
                       choice<&D::run, &R::ties>("acquisition", "ties", {"lowest_index", "numpy_isclose", "random"},
                                                 "choice among equal scores; numpy_isclose: among scores within 1e-5, "
                                                 "by NumPy's generator seeded with the run seed")));
  t.push_back(faithful("reseeded", choice<&D::run, &R::random_rng>(
                                       "acquisition", "random_rng", {"independent", "reseeded"},
                                       "random: fresh numbers at every acquisition, or the same ones again")));
  t.push_back(faithful(false, row<&D::run, &R::bald_clamp>(kBoolean, "acquisition", "bald_clamp",
                                                           "bald: negative scores (rounding) count as 0")));
}

void add_model(std::vector<ConfigRow>& t) {
  t.push_back(number<&D::run, &R::hidden>(KeyKind::widths, "model", "hidden", {1, 65536},
                                          "widths of the hidden layers; [] = none"));
  t.push_back(number<&D::run, &R::lr>(kReal, "model", "lr", {0, 1000, true}, "learning rate"));
  t.push_back(number<&D::run, &R::weight_decay>(kReal, "model", "weight_decay", {0, 1000},
                                                "L2 penalty, on weights and biases"));
  t.push_back(number<&D::run, &R::momentum>(kReal, "model", "momentum", {0, 1, false, true},
                                            "momentum of sgd, also in searches"));
  t.push_back(number<&D::run, &R::dropout>(kReal, "model", "dropout", {0, 1, false, true},
                                           "dropout rate before every layer but the first"));
}

void add_training(std::vector<ConfigRow>& t) {
  t.push_back(number<&D::run, &R::epochs>(kInteger, "training", "epochs", {1, 1000000}, "epochs of a fit"));
  t.push_back(number<&D::run, &R::updates>(kInteger, "training", "updates", {0, 1000000000},
                                           "if above 0: as many epochs as give at least this many updates"));
  t.push_back(number<&D::run, &R::batch_size>(kInteger, "training", "batch_size", {1, 65536}, "rows per update"));
  t.push_back(faithful(true, row<&D::run, &R::drop_last>(
                                 kBoolean, "training", "drop_last",
                                 "skip the rows beyond the last full batch of an epoch (never the only batch)")));
  t.push_back(choice<&D::run, &R::optimizer>("training", "optimizer", {"sgd", "adam"}, "optimiser"));
  t.push_back(faithful("ce_on_probs",
                       choice<&D::run, &R::loss>("training", "loss", {"ce_on_logits", "ce_on_probs"},
                                                 "cross-entropy of softmax, or of softmax of softmax (bounded)")));
  t.push_back(
      faithful("first", choice<&D::run, &R::dropout_epochs>("training", "dropout_epochs", {"all", "first", "none"},
                                                            "epochs in which dropout is active")));
  t.push_back(faithful(
      false, row<&D::run, &R::weight_by_size>(kBoolean, "training", "weight_by_size",
                                              "evaluation losses are means over rows, not means of batch means")));
  t.push_back(faithful("fixed", choice<&D::run, &R::initial_weights>(
                                    "training", "initial_weights", {"fixed", "per_use"},
                                    "initial weights and row orders: the same in every fit of a run, or new ones")));
  t.push_back(row<&D::run, &R::refit_on_all>(kBoolean, "training", "refit_on_all",
                                             "the network that is kept trains on the validation rows too"));
}

void add_search(std::vector<ConfigRow>& t) {
  t.push_back(choice<&D::run, &R::mode>(
      "search", "mode", {"fixed", "constant_whole", "constant_initial", "online_static", "online_dynamic"},
      "fixed: no search, the [model] values; constant: one search at the start, on the whole pool or the initial "
      "set; online: a search after every acquisition, on one split or on several"));
  t.push_back(number<&D::run, &R::trials>(kInteger, "search", "trials", {1, 1000000}, "trials of a search"));
  t.push_back(name_in<&D::run, &R::sampler>(sampler_names, "quarry list samplers", "search", "sampler",
                                            "what proposes hyperparameters"));
  t.push_back(name_in<&D::run, &R::pruner>(pruner_names, "quarry list pruners", "search", "pruner",
                                           "what stops hopeless trials"));
  t.push_back(number<&D::run, &R::startup_trials>(kInteger, "search", "startup_trials", {1, 1000000},
                                                  "random trials before the sampler and the pruner use results"));
  t.push_back(number<&D::run, &R::folds>(kInteger, "search", "folds", {1, 1000},
                                         "online_dynamic: splits that a trial is the mean of"));
  t.push_back(choice<&D::run, &R::cross_validation>("search", "cross_validation", {"shuffle_split", "k_fold"},
                                                    "online_dynamic: repeated random splits with val_share, or "
                                                    "disjoint folds"));
  t.push_back(choice<&D::run, &R::objective>("search", "objective", {"last_epoch", "best_epoch"},
                                             "other searches: validation loss of the last or of the best epoch"));
  t.push_back(faithful(false, row<&D::run, &R::normalised_density>(
                                  kBoolean, "search", "normalised_density",
                                  "tpe: densities of reals with their factor 1/sigma; false: as Optuna up to 3.4")));
  t.push_back(faithful("fixed", choice<&D::run, &R::sampler_seed>(
                                    "search", "sampler_seed", {"fixed", "per_use"},
                                    "the sampler's stream: the same in every search of a run, or a new one")));
  t.push_back(row<&D::run, &R::cache_last_trial>(
      kBoolean, "search", "cache_last_trial",
      "constant modes: keep the last trial's hyperparameters instead of the best, as the published cache does"));
  t.push_back(faithful(
      "failed", choice<&D::run, &R::nan_trial>("search", "nan_trial", {"worst", "failed"},
                                               "a trial that diverged counts as worse than all, or is ignored")));
}

void add_space(std::vector<ConfigRow>& t) {
  t.push_back(number<&D::run, &R::lr_low>(kReal, "search", "lr_low", {0, 1000, true}, "learning rate, from"));
  t.push_back(number<&D::run, &R::lr_high>(kReal, "search", "lr_high", {0, 1000, true}, "learning rate, to"));
  t.push_back(number<&D::run, &R::weight_decay_low>(kReal, "search", "weight_decay_low", {0, 1000, true},
                                                    "weight decay (log scale), from"));
  t.push_back(number<&D::run, &R::weight_decay_high>(kReal, "search", "weight_decay_high", {0, 1000, true},
                                                     "weight decay, to"));
  t.push_back(number<&D::run, &R::drop_rate_low>(kReal, "search", "drop_rate_low", {0, 1, true, true},
                                                 "dropout rate (log scale), from"));
  t.push_back(
      number<&D::run, &R::drop_rate_high>(kReal, "search", "drop_rate_high", {0, 1, true, true}, "dropout rate, to"));
  t.push_back(number<&D::run, &R::depth_low>(kInteger, "search", "depth_low", {1, 32}, "hidden layers, from"));
  t.push_back(number<&D::run, &R::depth_high>(kInteger, "search", "depth_high", {1, 32}, "hidden layers, to"));
  t.push_back(
      number<&D::run, &R::width_low>(kInteger, "search", "width_low", {1, 65536}, "width of a hidden layer, from"));
  t.push_back(
      number<&D::run, &R::width_high>(kInteger, "search", "width_high", {1, 65536}, "width of a hidden layer, to"));
  t.push_back(study_wide(choice<&D::networks>("output", "networks", {"none", "final", "every"},
                                              "networks kept for panels and animations: none, the last of each run, "
                                              "or one per acquisition")));
}

}  // namespace

std::span<const ConfigRow> config_rows() {
  static const std::vector<ConfigRow> table = [] {
    std::vector<ConfigRow> t;
    add_run(t);
    add_data(t);
    add_pool(t);
    add_acquisition(t);
    add_model(t);
    add_training(t);
    add_search(t);
    add_space(t);
    return t;
  }();
  return table;
}

}  // namespace quarry
