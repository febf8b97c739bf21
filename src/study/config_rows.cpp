// SPDX-License-Identifier: MIT
// The table of a config's keys; a new key is a field in RunConfig and an entry here, in config_rows_training.cpp or in
// config_rows_search.cpp; and, where residual networks read it, in the list of protocol.cpp.
#include "quarry/al/strategy.h"
#include "src/study/config_row_makers.h"

namespace quarry {
namespace config {
namespace {

std::vector<std::string_view> data_names() {
  return names_of(data_table());
}
std::vector<std::string_view> strategy_names() {
  return names_of(strategy_table());
}

void add_run(std::vector<ConfigRow>& t) {
  t.push_back(study_wide(row<&D::study>(kText, "", "study", "name of the study; its results go to OUT/STUDY")));
  t.push_back(
      study_wide(choice<&D::preset>("", "preset", {"corrected", "faithful", "seed", "keychain", "hyperparameter_study"},
                                    "where keys that are not given take their values from")));
  t.push_back(study_wide(
      row<&D::together>(kText, "", "together",
                        "keys whose lists are walked side by side instead of crossed, separated by commas: \"model.lr, "
                        "model.weight_decay\" makes pairs")));
  ConfigRow seed = number<&D::run, &R::seed>(kInteger, "run", "seed", {0, 4294967295.0},
                                             "seed of everything random in a run; runs are paired by it");
  seed.counted = true;
  t.push_back(seed);
  t.push_back(published(
      "numpy", faithful("numpy", choice<&D::run, &R::rng>("run", "rng", {"philox", "numpy"},
                                                          "random numbers of splits, initial pools, subsets, ties, "
                                                          "Random, BADGE and TPE: own streams, or NumPy's legacy "
                                                          "streams as the published programs draw them"))));
}

void add_data(std::vector<ConfigRow>& t) {
  t.push_back(name_in<&D::run, &R::data, &Data::name>(data_names, "quarry list datasets", "data", "name",
                                                      "the data set; \"file\" = your own, see path"));
  t.push_back(first_version(
      "seed", keychain_version(
                  "keychain",
                  choice<&D::run, &R::data, &Data::version>(
                      "data", "version",
                      {"final", "keychain", "seed", "june_22", "july_10", "july_12", "july_14", "july_15", "july_16",
                       "july_17"},
                      "sets of the online-tuning study: as in its final version, earlier versions, or before them; "
                      "splice: keychain and seed train on the scaled file and test on the raw one, as published"))));
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
  t.push_back(row<&D::run, &R::data, &Data::path>(
      kText, "data", "path",
      "your file (name = \"file\"), or the folder of a named set's files; a relative path, here and below, starts from "
      "the folder that quarry is run in, not from that of the config"));
  t.push_back(row<&D::run, &R::data, &Data::test_path>(kText, "data", "test_path",
                                                       "your file of test rows; empty = hold out test_share"));
  t.push_back(choice<&D::run, &R::data, &Data::format>("data", "format", {"auto", "libsvm", "csv", "npy", "npz", "idx"},
                                                       "format of your files; auto = by name"));
  t.push_back(choice<&D::run, &R::data, &Data::header>(
      "data", "header", {"auto", "yes", "no"},
      "csv: whether the first line holds the names of the columns; auto = if its fields are no numbers"));
  ConfigRow label = row<&D::run, &R::data, &Data::label>(
      kText, "data", "label", "csv: name or number (from 0) of the label column; npz: name of the label array");
  label.number_or_text = true;
  t.push_back(label);
  t.push_back(row<&D::run, &R::data, &Data::labels_path>(kText, "data", "labels_path", "npy, idx: file of the labels"));
  t.push_back(row<&D::run, &R::data, &Data::test_labels_path>(kText, "data", "test_labels_path",
                                                              "npy, idx: file of the test labels"));
  t.push_back(number<&D::run, &R::data, &Data::test_share>(kReal, "data", "test_share", {0, 1, true, true},
                                                           "share of your rows held out when there is no test_path"));
  t.push_back(number<&D::run, &R::data, &Data::pool_limit>(kInteger, "data", "pool_limit", {0, kMany},
                                                           "use only the first rows of the pool; 0 = all"));
  t.push_back(published(0.1, number<&D::run, &R::holdout_share>(
                                 kReal, "data", "holdout_share", {0, 1, false, true},
                                 "residual networks: share of the pool set aside at random, by the run seed, as the "
                                 "published study does; indices are positions in what is left")));
}

void add_pool(std::vector<ConfigRow>& t) {
  t.push_back(published(
      100, number<&D::run, &R::n_initial>(kInteger, "pool", "n_initial", {-1, kMany},
                                          "instances labelled at the start, drawn at random; -1 = all (upper bound)")));
  t.push_back(published(
      0.0, number<&D::run, &R::val_share>(kReal, "pool", "val_share", {0, 1, false, true},
                                          "share of them kept for validation, rounded up; 0 = none (mode fixed only); "
                                          "frozen_set with shuffle_split: share of the set that a split holds out")));
  t.push_back(row<&D::run, &R::acquired>(
      kText, "pool", "acquired",
      "frozen_set: folder of the study whose labelled sets are searched on (OUT/STUDY, or DATASET/STRATEGY/... in the "
      "layout of the published study)"));
  t.push_back(number<&D::run, &R::acquired_labels>(kInteger, "pool", "acquired_labels", {0, kMany},
                                                   "frozen_set: how many of the labels, first acquired first"));
}

void add_acquisition(std::vector<ConfigRow>& t) {
  t.push_back(name_in<&D::run, &R::strategy>(strategy_names, "quarry list strategies", "acquisition", "strategy",
                                             "how instances are chosen"));
  t.push_back(published(
      3900, number<&D::run, &R::budget>(kInteger, "acquisition", "budget", {0, kMany}, "instances to acquire in all")));
  t.push_back(published(
      100, number<&D::run, &R::size>(kInteger, "acquisition", "size", {1, 1000000}, "instances per acquisition")));
  t.push_back(
      published(10000, number<&D::run, &R::candidates>(kInteger, "acquisition", "candidates", {0, kMany},
                                                       "score a random subset of this size; 0 = the whole pool")));
  t.push_back(number<&D::run, &R::tested>(
      KeyKind::widths, "acquisition", "tested", {1, kMany},
      "residual networks: test only at these numbers of labels (and train only there if the strategy needs no "
      "network); [] = always"));
  t.push_back(
      number<&D::run, &R::mc_passes>(kInteger, "acquisition", "mc_passes", {1, 100000}, "bald: stochastic passes"));
  t.push_back(faithful("logits",
                       choice<&D::run, &R::coreset_layer>("acquisition", "coreset_layer", {"penultimate", "logits"},
                                                          "coreset, badge: layer whose activations are the features")));
  t.push_back(earlier(
      "numpy_equal",
      faithful("numpy_isclose", choice<&D::run, &R::ties>(
                                    "acquisition", "ties", {"lowest_index", "numpy_isclose", "random", "numpy_equal"},
                                    "choice among equal scores; numpy_isclose: among scores within 1e-5, "
                                    "by NumPy's generator seeded with the run seed; numpy_equal: so among "
                                    "equal ones"))));
  t.push_back(faithful("reseeded", choice<&D::run, &R::random_rng>(
                                       "acquisition", "random_rng", {"independent", "reseeded"},
                                       "random: fresh numbers at every acquisition, or the same ones again")));
  t.push_back(faithful(false, row<&D::run, &R::bald_clamp>(kBoolean, "acquisition", "bald_clamp",
                                                           "bald: negative scores (rounding) count as 0")));
  t.push_back(first_version(
      false, row<&D::run, &R::log_epsilon>(
                 kBoolean, "acquisition", "log_epsilon",
                 "entropy, bald: ln(p + 1.2e-38); false: ln(p), so that a probability of 0 gives NaN, which ranks last "
                 "(the published program ended there)")));
}

void add_keychain(std::vector<ConfigRow>& t) {
  t.push_back(choice<&D::run, &R::keychain_form>(
      "acquisition", "keychain_form", {"leave_out", "duplicate"},
      "keychain: instances of a pass are left out (commit 5d08ebc) or trained on twice (6f1412b)"));
  t.push_back(number<&D::run, &R::keychain_passes>(
      kInteger, "acquisition", "keychain_passes", {0, 100000},
      "keychain*: networks trained for the credits of an acquisition; 0 = 25 for keychain, 20 for the others"));
  t.push_back(number<&D::run, &R::keychain_share>(
      kReal, "acquisition", "keychain_share", {0, 1, false, true},
      "keychain: share of the instances that a pass leaves out or repeats; 0 = 0.1 for leave_out, 0.2 for duplicate"));
  t.push_back(number<&D::run, &R::keychain_steepness>(
      kReal, "acquisition", "keychain_steepness", {0, 1e6},
      "keychain: steepness of the sigmoid between credit and target; 0 = 10 for leave_out, 250 for duplicate"));
  t.push_back(number<&D::run, &R::keychain_capacity>(
      kInteger, "acquisition", "keychain_capacity", {1, 100000},
      "keychain*: acquisitions whose credits the meta model learns from, the last ones"));
  t.push_back(number<&D::run, &R::keychain_trials>(
      kInteger, "acquisition", "keychain_trials", {0, 1000000},
      "keychain*: trials of the meta model's search; 0 = 25 for keychain, 50 for the others"));
  t.push_back(number<&D::run, &R::keychain_repeats>(
      kInteger, "acquisition", "keychain_repeats", {1, 1000},
      "keychain*: random splits that a trial of the meta model and of the autoencoder is the mean of"));
  t.push_back(choice<&D::run, &R::keychain_meta_split>(
      "acquisition", "keychain_meta_split", {"repeats", "single"},
      "keychain*: their trials are judged on keychain_repeats splits, or on the first of them alone"));
  t.push_back(faithful("mixed", choice<&D::run, &R::keychain_meta_share>(
                                    "acquisition", "keychain_meta_share", {"val_share", "three_tenths", "mixed"},
                                    "keychain*: share that those splits hold out, pool.val_share or 0.3; mixed: "
                                    "val_share, while the meta model's training.drop_last counts with 0.3")));
  t.push_back(number<&D::run, &R::keychain_ae_trials>(kInteger, "acquisition", "keychain_ae_trials", {1, 1000000},
                                                      "keychain_autoencoder: trials of the autoencoder's search"));
  t.push_back(faithful("square_of_sum", choice<&D::run, &R::keychain_ae_error>(
                                            "acquisition", "keychain_ae_error", {"sum_of_squares", "square_of_sum"},
                                            "keychain_autoencoder: the reconstruction error that is a feature; "
                                            "square_of_sum: of signed errors, which may cancel")));
}

}  // namespace

void add_loop_rows(std::vector<ConfigRow>& t) {
  add_run(t);
  add_data(t);
  add_pool(t);
  add_acquisition(t);
  add_keychain(t);
}

}  // namespace config

std::span<const ConfigRow> config_rows() {
  static const std::vector<ConfigRow> table = [] {
    std::vector<ConfigRow> t;
    config::add_loop_rows(t);
    config::add_training_rows(t);
    config::add_search_rows(t);
    return t;
  }();
  return table;
}

}  // namespace quarry
