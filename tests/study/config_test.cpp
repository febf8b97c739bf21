// SPDX-License-Identifier: MIT
// Parsing, presets, overrides, the grid and its names.
#include "quarry/study/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "quarry/core/rng.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

StudyConfig parse(std::string_view toml, std::vector<std::string> overrides = {}) {
  return parse_study(toml, "study.toml", overrides);
}

std::vector<std::string> ids(const StudyConfig& study) {
  std::vector<std::string> result;
  for (const StudyRun& run : study.runs) result.push_back(run.id);
  return result;
}

TEST(Config, AnEmptyFileIsTheDefaults) {
  const StudyConfig study = parse("");
  EXPECT_EQ(study.study, "study");
  EXPECT_EQ(study.preset, "corrected");
  EXPECT_EQ(study.networks, "none");
  ASSERT_EQ(study.runs.size(), 1u);
  const RunConfig defaults;
  const RunConfig& run = study.runs[0].config;
  EXPECT_EQ(run.hidden, defaults.hidden);
  EXPECT_EQ(run.rng, defaults.rng);
  EXPECT_EQ(run.loss, defaults.loss);
  EXPECT_EQ(run.lr_high, defaults.lr_high);
  EXPECT_FALSE(run.data.noise.has_value());
  EXPECT_EQ(study.runs[0].id, "moons__random__fixed__n20__v0.25__s0");
  EXPECT_EQ(study.runs[0].variant, "");
}

TEST(Config, EveryKindOfKeyIsRead) {
  const StudyConfig study = parse(R"(
study = "mine"
[run]
seed = 7
[data]
name = "blobs"
noise = 1          # an integer where a real is wanted
separate_honeypot_noise = true
scaler = "standard"
[acquisition]
budget = 12
size = 3
candidates = 1_000
[model]
hidden = [128, 64]
lr = 1e-2
[output]
networks = "final"
)");
  EXPECT_EQ(study.study, "mine");
  EXPECT_EQ(study.networks, "final");
  ASSERT_EQ(study.runs.size(), 1u);
  const RunConfig& run = study.runs[0].config;
  EXPECT_EQ(run.seed, 7);
  EXPECT_EQ(run.data.name, "blobs");
  EXPECT_EQ(run.data.noise, 1.0);
  EXPECT_TRUE(run.data.separate_honeypot_noise);
  EXPECT_EQ(run.data.scaler, Scaler::standard);
  EXPECT_EQ(run.budget, 12);
  EXPECT_EQ(run.size, 3);
  EXPECT_EQ(run.candidates, 1000);
  EXPECT_THAT(run.hidden, ElementsAre(128, 64));
  EXPECT_EQ(run.lr, 0.01);
}

TEST(Config, FaithfulIsThePublishedBehaviour) {
  const RunConfig run = parse("preset = \"faithful\"").runs[0].config;
  EXPECT_EQ(run.rng, RngKind::numpy);
  EXPECT_EQ(run.data.scaler_fit, ScalerFit::test);
  EXPECT_EQ(run.dropout_epochs, DropoutEpochs::first);
  EXPECT_EQ(run.coreset_layer, FeatureLayer::logits);
  EXPECT_EQ(run.loss, Loss::ce_on_probs);
  EXPECT_TRUE(run.drop_last);
  EXPECT_FALSE(run.weight_by_size);
  EXPECT_EQ(run.ties, TieRule::numpy_isclose);
  EXPECT_EQ(run.random_rng, RandomRng::reseeded);
  EXPECT_FALSE(run.bald_clamp);
  EXPECT_FALSE(run.normalised_density);
  EXPECT_EQ(run.sampler_seed, SamplerSeed::fixed);
  EXPECT_EQ(run.initial_weights, SeedPolicy::fixed);
  EXPECT_EQ(run.nan_trial, "failed");
  EXPECT_FALSE(run.cache_last_trial);
  EXPECT_FALSE(run.refit_on_all);
  EXPECT_FALSE(run.data.separate_honeypot_noise);
}

TEST(Config, TheHyperparameterStudyIsAPreset) {
  const RunConfig run = parse("preset = \"hyperparameter_study\"\n[data]\nname = \"cifar10\"").runs[0].config;
  EXPECT_EQ(run.rng, RngKind::numpy);
  EXPECT_EQ(run.holdout_share, 0.1);
  EXPECT_EQ(run.n_initial, 100);
  EXPECT_EQ(run.val_share, 0);
  EXPECT_EQ(run.budget, 3900);
  EXPECT_EQ(run.size, 100);
  EXPECT_EQ(run.candidates, 10000);
  EXPECT_EQ(run.network, NetworkKind::resnet18);
  EXPECT_EQ(run.momentum, 0.9);
  EXPECT_EQ(run.dropout, 0);
  EXPECT_EQ(run.epochs, 200);
  EXPECT_EQ(run.batch_size, 32);
  EXPECT_EQ(run.batches, BatchRule::fill);
  EXPECT_EQ(run.schedule, LrSchedule::warmup_cosine);
  EXPECT_EQ(run.warmup_epochs, 10);
  EXPECT_TRUE(run.augment);
  EXPECT_EQ(run.initial_weights, SeedPolicy::fixed);
  EXPECT_EQ(run.trials, 50);
  EXPECT_EQ(run.pruner, "none");
  EXPECT_EQ(run.folds, 10);
  EXPECT_EQ(run.cross_validation, CrossValidation::k_fold);
  EXPECT_EQ(run.measure, TrialMeasure::accuracy);
  EXPECT_EQ(run.first_point, FirstPoint::model);
  EXPECT_EQ(run.lag, 3);
  EXPECT_EQ(run.sampler_seed, SamplerSeed::per_cell);
  EXPECT_FALSE(run.normalised_density);
  EXPECT_TRUE(run.augment_validation);
  EXPECT_EQ(run.lr_low, 1e-5);
  EXPECT_EQ(run.lr_high, 0.1);
  EXPECT_EQ(run.lr_scale, Scale::log);
  EXPECT_EQ(run.weight_decay_low, 1e-5);
  EXPECT_EQ(run.weight_decay_high, 0.1);
}

TEST(Config, KeysTogetherAreWalkedSideBySide) {
  const std::string text =
      "together = \"model.lr, model.weight_decay\"\n[run]\nseed = [1, 2]\n[acquisition]\nstrategy = [\"random\", "
      "\"entropy\"]\n[model]\nlr = [0.1, 0.2, 0.1]\nweight_decay = [0.5, 0.5, 0.25]\n";
  const StudyConfig study = parse(text);
  ASSERT_EQ(study.runs.size(), 2u * 3 * 2);
  std::vector<std::pair<double, double>> pairs;
  for (std::size_t i = 0; i < 6; i += 2) pairs.emplace_back(study.runs[i].config.lr, study.runs[i].config.weight_decay);
  EXPECT_THAT(pairs, ElementsAre(std::pair(0.1, 0.5), std::pair(0.2, 0.5), std::pair(0.1, 0.25)));
  EXPECT_EQ(study.runs[0].config.strategy, study.runs[5].config.strategy) << "pairs vary faster than strategies";
  EXPECT_EQ(study.runs[0].config.lr, study.runs[1].config.lr) << "seeds are innermost";
  EXPECT_EQ(parse(study.resolved).resolved, study.resolved);
  EXPECT_EQ(parse(text, {"model.lr=0.3", "model.weight_decay=0.1"}).runs.size(), 4u) << "one pair is no axis";
}

TEST(Config, KeysOfTheFileBeatThePreset) {
  const RunConfig run = parse("preset = \"faithful\"\n[training]\nloss = \"ce_on_logits\"\n").runs[0].config;
  EXPECT_EQ(run.loss, Loss::ce_on_logits);
  EXPECT_TRUE(run.drop_last);
}

TEST(Config, ThePresetCanBeSwitchedFromTheCommandLine) {
  const StudyConfig study = parse("preset = \"corrected\"\n[training]\ndrop_last = false\n", {"preset=faithful"});
  EXPECT_EQ(study.preset, "faithful");
  EXPECT_FALSE(study.runs[0].config.drop_last);
  EXPECT_EQ(study.runs[0].config.loss, Loss::ce_on_probs);
}

TEST(Config, OverridesTakeTomlValuesAndBareWords) {
  const StudyConfig study =
      parse("[run]\nseed = 1\n",
            {"run.seed=2", "data.name = blobs", "model.lr=5e-2", "model.hidden=[32,16]", "data.noise=\"default\"",
             "training.drop_last=true", "run.seed=3", "study=other", "data.path=/some where/file-1.csv"});
  EXPECT_EQ(study.study, "other");
  const RunConfig& run = study.runs[0].config;
  EXPECT_EQ(run.seed, 3);  // the last one wins
  EXPECT_EQ(run.data.name, "blobs");
  EXPECT_EQ(run.lr, 0.05);
  EXPECT_THAT(run.hidden, ElementsAre(32, 16));
  EXPECT_FALSE(run.data.noise.has_value());
  EXPECT_TRUE(run.drop_last);
  EXPECT_EQ(run.data.path, "/some where/file-1.csv");
}

TEST(Config, OverridesMayBeLists) {
  EXPECT_THAT(ids(parse("", {"acquisition.strategy=[random, 'entropy',\"bald\"]"})),
              ElementsAre("moons__random__fixed__n20__v0.25__s0", "moons__entropy__fixed__n20__v0.25__s0",
                          "moons__bald__fixed__n20__v0.25__s0"));
  EXPECT_EQ(parse("", {"run.seed=0..4"}).runs.size(), 5u);
  EXPECT_EQ(parse("", {"model.hidden=[[8], [8, 8]]"}).runs.size(), 2u);
}

TEST(Config, TheGridRunsInTableOrderWithSeedsInnermost) {
  const StudyConfig study = parse(R"(
[search]
mode = ["constant_initial", "online_dynamic"]
[run]
seed = "3..4"
[acquisition]
strategy = ["entropy", "random"]
)");
  EXPECT_THAT(
      ids(study),
      ElementsAre("moons__entropy__constant_initial__n20__v0.25__s3",
                  "moons__entropy__constant_initial__n20__v0.25__s4", "moons__entropy__online_dynamic__n20__v0.25__s3",
                  "moons__entropy__online_dynamic__n20__v0.25__s4", "moons__random__constant_initial__n20__v0.25__s3",
                  "moons__random__constant_initial__n20__v0.25__s4", "moons__random__online_dynamic__n20__v0.25__s3",
                  "moons__random__online_dynamic__n20__v0.25__s4"));
  EXPECT_EQ(study.runs[3].config.mode, Mode::online_dynamic);
  EXPECT_EQ(study.runs[3].config.seed, 4);
  EXPECT_EQ(study.runs[3].variant, "");
}

TEST(Config, OtherAxesAreTheVariantAndHaveAHashInTheId) {
  const StudyConfig study = parse("[model]\nhidden = [[16], [16, 16]]\n[training]\nepochs = [5, 10]\n");
  ASSERT_EQ(study.runs.size(), 4u);
  EXPECT_EQ(study.runs[1].variant, "model.hidden=[16] training.epochs=10");
  EXPECT_EQ(study.runs[2].variant, "model.hidden=[16, 16] training.epochs=5");
  std::set<std::string> unique;
  for (const StudyRun& run : study.runs) {
    EXPECT_THAT(run.id, testing::MatchesRegex("moons__random__fixed__n20__v0.25__s0__x[0-9a-f]+"));
    EXPECT_EQ(run.id.size(), std::string("moons__random__fixed__n20__v0.25__s0__x01234567").size());
    unique.insert(run.id);
  }
  EXPECT_EQ(unique.size(), 4u);
}

TEST(Config, AListOfOneIsAValue) {
  const StudyConfig one = parse("[run]\nseed = [5]\n[training]\nepochs = [9]\n");
  EXPECT_EQ(one.runs.size(), 1u);
  EXPECT_EQ(one.runs[0].variant, "");
  EXPECT_EQ(one.hash, parse("[run]\nseed = 5\n[training]\nepochs = 9\n").hash);
}

TEST(Config, IdsAreUniqueSafeAndShort) {
  const StudyConfig study = parse(R"(
[run]
seed = "0..9"
[data]
name = ["moons", "adversarial_moons"]
[pool]
n_initial = [-1, 20, 2147483646]
val_share = [0.12345678901234567, 1.2345678901234567e-5]
[acquisition]
strategy = ["random", "coreset"]
[model]
weight_decay = [0, 0.1, 0.2, 0.3, 0.4, 0.5]
)");
  EXPECT_EQ(study.runs.size(), 10u * 2 * 3 * 2 * 2 * 6);
  std::set<std::string> unique;
  for (const StudyRun& run : study.runs) {
    EXPECT_LE(run.id.size(), 120u);
    EXPECT_EQ(run.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-"), std::string::npos) << run.id;
    unique.insert(run.id);
  }
  EXPECT_EQ(unique.size(), study.runs.size());
}

TEST(Config, ManyVariantsGetLongerHashes) {
  // 300 * 300 variants: with 32-bit hashes a clash is as good as certain (about 1 pair expected per 90000).
  std::string numbers = "[";
  for (int i = 1; i <= 300; ++i) numbers += std::to_string(i) + (i < 300 ? "," : "]");
  const StudyConfig study = parse("[training]\nepochs = " + numbers + "\n[search]\ntrials = " + numbers + "\n");
  std::set<std::string> unique;
  for (const StudyRun& run : study.runs) unique.insert(run.id);
  EXPECT_EQ(unique.size(), 90000u);
}

TEST(Config, EveryListedKeyCanBeAnAxis) {
  for (const ConfigKey& key : config_keys()) {
    if (key.section.empty() || key.section == "output") continue;
    const std::string full = std::string(key.section) + "." + std::string(key.name);
    SCOPED_TRACE(full);
    // The default in a list of its own is a grid of one: accepted for every key.
    const std::string resolved = parse("").resolved;
    const std::size_t section = resolved.find("[" + std::string(key.section) + "]");
    const std::size_t line = resolved.find("\n" + std::string(key.name) + " = ", section);
    ASSERT_NE(line, std::string::npos);
    const std::size_t start = resolved.find('=', line) + 2;
    const std::string value = resolved.substr(start, resolved.find('\n', start) - start);
    EXPECT_EQ(parse("", {full + "=[" + value + "]"}).resolved, resolved);
  }
}

TEST(Config, ResolvedTextIsTheSameStudyAgain) {
  const StudyConfig study = parse(R"(
study = "again"
preset = "faithful"
[run]
seed = "2..5"
[data]
name = ["moons", "blobs"]
noise = ["default", 0.1, 1e-7]
[model]
hidden = [[], [3], [4, 5]]
[output]
networks = "every"
)");
  const StudyConfig again = parse(study.resolved);
  EXPECT_EQ(again.resolved, study.resolved);
  EXPECT_EQ(again.hash, study.hash);
  EXPECT_EQ(again.study, "again");
  EXPECT_EQ(again.preset, "faithful");
  EXPECT_EQ(again.networks, "every");
  ASSERT_EQ(again.runs.size(), study.runs.size());
  for (std::size_t i = 0; i < study.runs.size(); ++i) {
    EXPECT_EQ(again.runs[i].id, study.runs[i].id);
    EXPECT_EQ(again.runs[i].variant, study.runs[i].variant);
    EXPECT_EQ(again.runs[i].config.hidden, study.runs[i].config.hidden);
    EXPECT_EQ(again.runs[i].config.data.noise, study.runs[i].config.data.noise);
  }
  EXPECT_THAT(study.resolved, HasSubstr("seed = \"2..5\"\n"));
  EXPECT_THAT(study.resolved, HasSubstr("loss = \"ce_on_probs\"\n"));
  EXPECT_THAT(study.resolved, HasSubstr("noise = [\"default\", 0.1, 1e-07]\n"));
}

TEST(Config, TheHashSeesEveryKey) {
  std::set<std::uint64_t> hashes = {parse("").hash};
  hashes.insert(parse("", {"run.seed=1"}).hash);
  hashes.insert(parse("", {"training.loss=ce_on_probs"}).hash);
  hashes.insert(parse("", {"output.networks=final"}).hash);
  hashes.insert(parse("", {"model.lr=0.2"}).hash);
  EXPECT_EQ(hashes.size(), 5u);
}

TEST(Config, OrderAndLayoutOfTheFileDoNotMatter) {
  const StudyConfig a = parse("[model]\nlr = 0.5\n[run]\nseed = 3\n");
  const StudyConfig b = parse("\xef\xbb\xbfrun.seed = 3 # comment with \xc3\xa9\r\nmodel.lr = 5e-1\r\n");
  EXPECT_EQ(a.resolved, b.resolved);
}

TEST(Config, EqualDataKeysHaveEqualIdentity) {
  const StudyConfig study = parse("[data]\nname = [\"moons\", \"blobs\"]\n[model]\nlr = [0.1, 0.2]\n");
  ASSERT_EQ(study.runs.size(), 4u);
  EXPECT_EQ(data_identity(study.runs[0].config.data), data_identity(study.runs[1].config.data));
  EXPECT_NE(data_identity(study.runs[0].config.data), data_identity(study.runs[2].config.data));
}

// A value a key can take, in TOML: from its row of the table.
std::string random_value(const ConfigKey& key, std::uint64_t stream, std::uint64_t draw) {
  const auto below = [&](std::uint64_t bound) { return random_below(stream, bound, draw, 1); };
  if (key.type == "boolean") return below(2) ? "true" : "false";
  if (key.type == "integer") return std::to_string(2 + below(30));
  if (key.type == "real") return std::to_string(0.05 + 0.9 * random_uniform(stream, draw, 2));
  if (key.type == "list of integers")
    return "[" + std::to_string(1 + below(9)) + (below(2) ? ", " + std::to_string(1 + below(9)) : "") + "]";
  if (key.name == "study") return below(2) ? "a.b-c" : "\"x_1\"";
  if (key.values.starts_with("any")) return below(2) ? "\"\"" : "\"a \\\"word\\\" \\\\ \xc3\xa9\"";
  if (key.values.starts_with("names of")) return "";  // the tables of other modules: left at the default
  std::vector<std::string> choices = {""};
  for (const char c : key.values) {
    if (c == ',') {
      choices.emplace_back();
    } else if (c != ' ') {
      choices.back() += c;
    }
  }
  return choices[below(choices.size())];
}

// Keys that a study of perceptrons, or one of residual networks, has no use for.
bool is_foreign(const ConfigKey& key, bool residual) {
  static const std::set<std::string_view> only_residual = {"holdout_share", "tested",    "batches",     "schedule",
                                                           "augment",       "measure",   "first_point", "lag",
                                                           "warmup_epochs", "precision", "convolution"};
  static const std::set<std::string_view> only_perceptron = {
      "optimizer", "loss",           "updates",      "drop_last",        "refit_on_all", "scaler",     "val_share",
      "mode",      "early_stopping", "train_report", "stop_when_beaten", "tune_dropout", "log_epsilon"};
  return key.name == "together" || key.name == "header" ||
         (residual ? only_perceptron : only_residual).contains(key.name);
}

TEST(Config, RandomConfigsRoundTrip) {
  int accepted = 0, accepted_residual = 0;
  for (std::uint64_t seed = 0; seed < 1200; ++seed) {
    const bool residual = seed % 3 == 0;
    std::vector<std::string> overrides;
    if (residual) overrides = {"data.name=cifar10", "model.network=resnet8", "pool.val_share=0"};
    std::uint64_t draw = 0;
    for (const ConfigKey& key : config_keys()) {
      draw += 4;
      if (random_below(seed, 4, draw) != 0 || key.name == "network" || is_foreign(key, residual)) continue;
      const std::string name =
          key.section.empty() ? std::string(key.name) : fmt::format("{}.{}", key.section, key.name);
      std::string value = random_value(key, seed, draw + 1);
      if (value.empty()) continue;
      const std::string second = random_value(key, seed, draw + 2);
      const bool wide = key.section.empty() || key.section == "output";
      if (!wide && second != value && overrides.size() % 7 == 0) value = "[" + value + ", " + second + "]";
      overrides.push_back(name + "=" + value);
    }
    StudyConfig study;
    try {
      study = parse("", overrides);
    } catch (const Error& error) {
      // Random keys may contradict each other; then the message is about that, not about their syntax or range.
      EXPECT_THAT(error.what(), testing::Not(HasSubstr("expected a"))) << error.what();
      continue;
    }
    ++accepted;
    accepted_residual += residual;
    const StudyConfig again = parse(study.resolved);
    EXPECT_EQ(again.resolved, study.resolved);
    EXPECT_EQ(again.hash, study.hash);
    ASSERT_EQ(again.runs.size(), study.runs.size());
    for (std::size_t i = 0; i < study.runs.size(); ++i) EXPECT_EQ(again.runs[i].id, study.runs[i].id);
  }
  EXPECT_GT(accepted, 40);
  EXPECT_GT(accepted_residual, 10);
}

}  // namespace
}  // namespace quarry
