// SPDX-License-Identifier: MIT
// Keys of the hyperparameter search, and of what is kept.
#include "quarry/hpo/search.h"
#include "src/study/config_row_makers.h"

namespace quarry::config {
namespace {

std::vector<std::string_view> sampler_names() {
  return names_of(sampler_table());
}
std::vector<std::string_view> pruner_names() {
  return names_of(pruner_table());
}

void add_search(std::vector<ConfigRow>& t) {
  t.push_back(choice<&D::run, &R::mode>(
      "search", "mode",
      {"fixed", "constant_whole", "constant_initial", "online_static", "online_dynamic", "frozen_set"},
      "fixed: no search, the [model] values; constant: one search at the start, on the whole pool or the initial "
      "set; online: a search after every acquisition, on one split or on several; frozen_set: no acquisition, one "
      "search "
      "over learning rate and weight decay on the labels of an earlier study (residual networks)"));
  t.push_back(number<&D::run, &R::trials>(kInteger, "search", "trials", {1, 1000000}, "trials of a search"));
  t.push_back(name_in<&D::run, &R::sampler>(sampler_names, "quarry list samplers", "search", "sampler",
                                            "what proposes hyperparameters"));
  t.push_back(published("none", name_in<&D::run, &R::pruner>(pruner_names, "quarry list pruners", "search", "pruner",
                                                             "what stops hopeless trials; asha: frozen_set only")));
  t.push_back(number<&D::run, &R::startup_trials>(kInteger, "search", "startup_trials", {1, 1000000},
                                                  "random trials before the sampler uses results"));
  t.push_back(earlier(
      5, number<&D::run, &R::pruner_startup>(kInteger, "search", "pruner_startup", {0, 1000000},
                                             "median, median_current: completed trials before the pruner decides")));
  t.push_back(first_version(0.6, number<&D::run, &R::pruner_warmup>(
                                     kReal, "search", "pruner_warmup", {0, 1},
                                     "median, median_current: share of the epochs (one split) or folds before the "
                                     "pruner decides, rounded down")));
  t.push_back(earlier(true, row<&D::run, &R::stop_when_beaten>(
                                kBoolean, "search", "stop_when_beaten",
                                "mlp, CPU: a search ends with the first trial that is better than every trial of the "
                                "run's earlier searches")));
  t.push_back(earlier(
      10, published(10, number<&D::run, &R::folds>(kInteger, "search", "folds", {1, 1000},
                                                   "online_dynamic, frozen_set: splits that a trial is the mean of"))));
  t.push_back(
      earlier(10, number<&D::run, &R::whole_folds>(kInteger, "search", "whole_folds", {1, 1000},
                                                   "constant_whole: random splits that a trial is the mean of")));
  ConfigRow whole_share = number<&D::run, &R::whole_val_share>(
      kReal, "search", "whole_val_share", {0, 1, true, true},
      "constant_whole: share of the pool that a split of its search holds out; \"default\" = val_share");
  whole_share.word = "default";
  t.push_back(earlier(0.2, whole_share));
  t.push_back(published("k_fold", choice<&D::run, &R::cross_validation>(
                                      "search", "cross_validation", {"shuffle_split", "k_fold"},
                                      "online_dynamic, frozen_set: repeated random splits with val_share, or disjoint "
                                      "folds")));
  t.push_back(published("accuracy", choice<&D::run, &R::measure>("search", "measure", {"loss", "accuracy"},
                                                                 "frozen_set: what a search optimises on the "
                                                                 "validation rows")));
  t.push_back(published("model", choice<&D::run, &R::first_point>(
                                     "search", "first_point", {"sampler", "model"},
                                     "frozen_set: the first trial is the sampler's, or the [model] values")));
  t.push_back(published(3, number<&D::run, &R::lag>(
                               kInteger, "search", "lag", {0, 1000},
                               "frozen_set: a trial knows all results but those of so many trials before it, as with "
                               "lag + 1 workers; 0 = sequential")));
  t.push_back(published(true, row<&D::run, &R::augment_validation>(
                                  kBoolean, "search", "augment_validation",
                                  "frozen_set: validation images are augmented like training images, once")));
  t.push_back(choice<&D::run, &R::objective>("search", "objective", {"last_epoch", "best_epoch"},
                                             "other searches: validation loss of the last or of the best epoch"));
  t.push_back(published(
      false, faithful(false, row<&D::run, &R::normalised_density>(
                                 kBoolean, "search", "normalised_density",
                                 "tpe: densities of reals with their factor 1/sigma; false: as Optuna up to 3.4"))));
  t.push_back(published(
      "per_cell",
      faithful("fixed", choice<&D::run, &R::sampler_seed>(
                            "search", "sampler_seed", {"fixed", "per_use", "per_cell"},
                            "the sampler's stream: the same in every search of a run, or a new one; per_cell: "
                            "frozen_set, a new one for each data set, strategy, [model] lr and weight_decay and "
                            "pool.acquired_labels, where the others make one for each seed"))));
  t.push_back(row<&D::run, &R::cache_last_trial>(
      kBoolean, "search", "cache_last_trial",
      "constant modes: keep the last trial's hyperparameters instead of the best, as the published cache does"));
  t.push_back(
      faithful("failed", choice<&D::run, &R::nan_trial>("search", "nan_trial", {"worst", "failed"},
                                                        "a trial whose value is not a number counts as worse than all, "
                                                        "or is ignored (an accuracy always is a number)")));
}

void add_space(std::vector<ConfigRow>& t) {
  t.push_back(
      published(1e-5, number<&D::run, &R::lr_low>(kReal, "search", "lr_low", {0, 1000, true}, "learning rate, from")));
  t.push_back(
      published(0.1, number<&D::run, &R::lr_high>(kReal, "search", "lr_high", {0, 1000, true}, "learning rate, to")));
  t.push_back(published("log", choice<&D::run, &R::lr_scale>("search", "lr_scale", {"linear", "log"},
                                                             "scale on which the learning rate is sampled")));
  t.push_back(
      published(1e-5, number<&D::run, &R::weight_decay_low>(kReal, "search", "weight_decay_low", {0, 1000, true},
                                                            "weight decay (log scale), from")));
  t.push_back(number<&D::run, &R::weight_decay_high>(kReal, "search", "weight_decay_high", {0, 1000, true},
                                                     "weight decay, to"));
  t.push_back(earlier(false, row<&D::run, &R::tune_dropout>(
                                 kBoolean, "search", "tune_dropout",
                                 "mlp: searches choose a dropout rate; false: all have that of [model] (CPU)")));
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
                                              "networks kept, for panels, animations and other programs: none, the "
                                              "last of each run, or one per acquisition")));
}

}  // namespace

void add_search_rows(std::vector<ConfigRow>& t) {
  add_search(t);
  add_space(t);
}

}  // namespace quarry::config
