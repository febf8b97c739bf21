// SPDX-License-Identifier: MIT
// Keychain: its settings and costs, what it must not look at, networks that diverge, refusals.
#include "quarry/study/keychain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "quarry/core/error.h"
#include "quarry/study/plan.h"
#include "quarry/study/runner.h"
#include "tests/study/run_driver.h"
#include "tests/support/tree.h"

namespace quarry {
namespace {

using test::Driver;
using testing::HasSubstr;

TEST(Keychain, AutoencodersAreSymmetric) {
  EXPECT_EQ(autoencoder_hidden(96, 5, 0.3), (std::vector<std::int32_t>{96, 28, 8, 5, 8, 28, 96}));
  EXPECT_EQ(autoencoder_hidden(96, 2, 0.5), (std::vector<std::int32_t>{96, 48, 24, 12, 6, 3, 2, 3, 6, 12, 24, 48, 96}));
  EXPECT_EQ(autoencoder_hidden(10, 5, 0.5), (std::vector<std::int32_t>{10, 5, 10}));
  EXPECT_EQ(autoencoder_hidden(2, 2, 0.4), std::vector<std::int32_t>{2});
}

TEST(Keychain, TheErrorOfTheAutoencoderIsASwitch) {  // B13
  // One layer that gives 0: errors are -v.
  const TrainedMlp<float> zero{{3, 3}, std::vector<float>(12, 0.0f), 0, Loss::mse};
  const std::vector<float> v = {1, 2, -3, 0.5f, 0.25f, 0};
  Context context({}, 1);
  const auto error_of = [&](KeychainError error) { return with_autoencoder_error(context, zero, error, v, 3); };
  EXPECT_EQ(error_of(KeychainError::square_of_sum), (std::vector<float>{1, 2, -3, 0, 0.5f, 0.25f, 0, 0.5625f}));
  EXPECT_EQ(error_of(KeychainError::sum_of_squares), (std::vector<float>{1, 2, -3, 14, 0.5f, 0.25f, 0, 0.3125f}));
}

constexpr const char* kSmall = R"(
[data]
name = "moons"
[pool]
n_initial = 12
[acquisition]
strategy = "keychain_naive"
budget = 2
keychain_passes = 3
keychain_trials = 4
keychain_repeats = 2
keychain_ae_trials = 3
[training]
epochs = 3
[search]
mode = "fixed"
startup_trials = 2
depth_high = 2
width_high = 6
)";

StudyConfig small(std::vector<std::string> overrides = {}) {
  return parse_study(kSmall, "small.toml", overrides);
}

std::shared_ptr<const Dataset> moons() {
  static const auto data = std::make_shared<const Dataset>(load_dataset(DataConfig{}));
  return data;
}

TEST(Keychain, FitsAreThePlans) {
  const std::pair<const char*, std::size_t> cases[] = {{"keychain_naive", 3 + (3 + 4 * 2 + 1) * 2},
                                                       {"keychain_autoencoder", 3 + (3 + 3 * 2 + 1 + 4 * 2 + 1) * 2},
                                                       {"keychain", 3 + (3 + 4 * 2 + 1) * 2}};
  for (const auto& [strategy, fits] : cases) {
    const StudyConfig study = small({fmt::format("acquisition.strategy={}", strategy)});
    EXPECT_EQ(Driver(study, moons()).fits.size(), fits) << strategy;
    const RunCost cost = run_cost(study.runs[0].config, {480, 120, 2, 2});
    EXPECT_EQ(cost.fits, static_cast<std::int64_t>(fits)) << strategy;
    EXPECT_EQ(cost.members, 2);
    EXPECT_EQ(cost.startup_members, 4);
  }
  const std::size_t single = Driver(small({"acquisition.keychain_meta_split=single"}), moons()).fits.size();
  EXPECT_EQ(single, 3u + (3 + 4 + 1) * 2);
  EXPECT_EQ(run_cost(small({"acquisition.keychain_meta_split=single"}).runs[0].config, {480, 120, 2, 2}).fits,
            static_cast<std::int64_t>(single));
  // Rows in batches of 32 are one step an epoch: 3 networks, 2 x 3 passes, 2 x (trial by trial after 2, then a fit).
  EXPECT_EQ(run_cost(small().runs[0].config, {480, 120, 2, 2}).sequential_steps, 3 * (3 + 2 * 3 + 2 * (3 + 1)));
  EXPECT_EQ(run_cost(small({"acquisition.strategy=keychain"}).runs[0].config, {480, 120, 2, 2}).sequential_steps,
            3 * (3 + 2 * 1 + 2 * (3 + 1)));
}

TEST(Keychain, ZerosAreWhatThePublishedFormsUse) {
  const auto settings = [](std::vector<std::string> overrides) {
    return keychain_settings(parse_study("[data]\nname = \"moons\"\n", "x.toml", overrides).runs[0].config);
  };
  const KeychainSettings naive = settings({"acquisition.strategy=keychain_naive"});
  EXPECT_EQ(naive.form, KeychainForm::draws);
  EXPECT_FALSE(naive.autoencoder);
  EXPECT_EQ(naive.passes, 20);
  EXPECT_EQ(naive.trials, 50);
  EXPECT_EQ(naive.splits, 10);
  EXPECT_EQ(naive.capacity, 1);
  EXPECT_EQ(settings({"acquisition.strategy=keychain_autoencoder"}).ae_trials, 25);
  EXPECT_TRUE(settings({"acquisition.strategy=keychain_autoencoder"}).autoencoder);
  const KeychainSettings first = settings({"acquisition.strategy=keychain"});
  EXPECT_EQ(first.form, KeychainForm::leave_out);
  EXPECT_EQ(first.passes, 25);
  EXPECT_EQ(first.trials, 25);
  EXPECT_EQ(first.share, 0.1);
  EXPECT_EQ(first.steepness, 10);
  const KeychainSettings later = settings({"acquisition.strategy=keychain", "acquisition.keychain_form=duplicate"});
  EXPECT_EQ(later.share, 0.2);
  EXPECT_EQ(later.steepness, 250);
}

TEST(Keychain, PresetsSetTheSharesAndTheError) {  // B13, B14
  const auto settings = [](const char* preset) {
    return parse_study("[data]\nname = \"moons\"\n", "x.toml",
                       std::vector<std::string>{fmt::format("preset={}", preset)})
        .runs[0]
        .config;
  };
  const RunConfig faithful = settings("faithful"), corrected = settings("corrected");
  EXPECT_EQ(faithful.keychain_ae_error, KeychainError::square_of_sum);
  EXPECT_EQ(corrected.keychain_ae_error, KeychainError::sum_of_squares);
  EXPECT_EQ(keychain_settings(faithful).held_out, faithful.val_share);
  EXPECT_EQ(keychain_settings(faithful).drop_last_share, 0.3);
  EXPECT_EQ(keychain_settings(corrected).drop_last_share, corrected.val_share);
}

TEST(Keychain, LabelsNeverAskedForDecideNothing) {  // leak canary
  for (const char* strategy : {"keychain", "keychain_naive", "keychain_autoencoder"}) {
    const StudyConfig study = small({fmt::format("acquisition.strategy={}", strategy), "search.mode=online_static"});
    const Driver before(study, moons());
    std::set<std::int32_t> known;
    for (const Json& index : before.records[0].at("initial").items())
      known.insert(static_cast<std::int32_t>(index.integer()));
    for (const std::int32_t index : before.picks()) known.insert(index);
    auto changed = std::make_shared<Dataset>(*moons());
    for (std::size_t i = 0; i < changed->train.labels.size(); ++i)
      if (!known.contains(static_cast<std::int32_t>(i))) changed->train.labels[i] = 1 - changed->train.labels[i];
    const Driver after(study, changed);
    for (std::size_t r = 1; r < before.records.size(); ++r)
      EXPECT_EQ(before.records[r].dump(), after.records[r].dump()) << strategy;
  }
}

TEST(Keychain, ValidationRowsAreNeverTrainedOnByAPass) {
  const Driver run(small({"acquisition.strategy=keychain", "acquisition.keychain_form=duplicate"}), moons());
  std::set<std::int32_t> validation;
  for (const Json& index : run.records[0].at("validation").items())
    validation.insert(static_cast<std::int32_t>(index.integer()));
  for (std::size_t pass = 1; pass <= 3; ++pass) {  // after the first network
    const MemberSpec& fit = run.fits.at(pass);
    EXPECT_EQ(fit.train.size(), 9u + 1u);  // int(0.2 x 9) of 9 twice
    for (const std::int32_t row : fit.train) EXPECT_FALSE(validation.contains(row));
    EXPECT_EQ(std::set<std::int32_t>(fit.validation.begin(), fit.validation.end()), validation);
  }
}

/// What trains in an iteration of a mode: trials, a network unless it is a trial's, 3 passes, 4 x 2 + 1 of the meta
/// model.
struct Sequence {
  const char* mode;
  std::size_t trials;
  bool keeps_trial;
};
constexpr Sequence kSequences[] = {{"fixed", 0, false}, {"online_static", 3, true}, {"online_dynamic", 6, false}};

StudyConfig in_mode(const Sequence& sequence, const char* strategy, std::vector<std::string> more = {}) {
  more.insert(more.end(), {fmt::format("acquisition.strategy={}", strategy),
                           fmt::format("search.mode={}", sequence.mode), "search.trials=3", "search.folds=2"});
  return small(std::move(more));
}

// L / L0 is to tell of the rows, not of the initialisation; with initial_weights = "per_use" as well.
TEST(Keychain, APassStartsWhereTheNetworkItIsComparedWithDid) {
  for (const Sequence& sequence : kSequences) {
    for (const char* strategy : {"keychain", "keychain_naive"}) {
      const Driver run(in_mode(sequence, strategy), moons());
      std::vector<std::size_t> chosen;
      for (const Json& record : run.records)
        if (record.at("type").string() == "tuning")
          chosen.push_back(static_cast<std::size_t>(record.at("chosen").integer()));
      const std::size_t passes = sequence.trials + (sequence.keeps_trial ? 0 : 1), period = passes + 3 + 9;
      std::set<std::uint64_t> starts;
      for (std::size_t iteration = 0; iteration < 2; ++iteration) {
        const std::size_t begin = iteration * period;
        const MemberSpec& kept = run.fits.at(begin + (sequence.keeps_trial ? chosen.at(iteration) : sequence.trials));
        for (std::size_t pass = 0; pass < 3; ++pass) {
          const MemberSpec& again = run.fits.at(begin + passes + pass);
          EXPECT_EQ(again.sizes, kept.sizes) << sequence.mode << strategy << iteration;
          EXPECT_EQ(again.init_key, kept.init_key) << sequence.mode << strategy << iteration;
          EXPECT_EQ(again.order_key, kept.order_key);
          EXPECT_EQ(again.dropout_key, kept.dropout_key);
        }
        starts.insert(kept.init_key);
      }
      EXPECT_EQ(starts.size(), 2u) << "per_use";
    }
  }
}

// A running train loss evaluates every batch; nobody reads that of a trial of several folds or of a pass.
TEST(Keychain, ARunningTrainReportIsOfNetworksThatAreReported) {
  for (const Sequence& sequence : kSequences) {
    const auto with = [&](const char* report) {
      return Driver(in_mode(sequence, "keychain_autoencoder",
                            {fmt::format("training.train_report={}", report), "training.dropout_epochs=none"}),
                    moons());
    };
    const Driver running = with("running"), evaluated = with("evaluated");
    const auto reporting = std::count_if(running.fits.begin(), running.fits.end(), [](const MemberSpec& fit) {
      return fit.train_report == TrainReport::running;
    });
    // 3 networks, or the 3 trials before each of them; and the last fits of 2 autoencoders and 2 meta models.
    EXPECT_EQ(reporting, (sequence.keeps_trial ? 9 : 3) + 4) << sequence.mode;
    ASSERT_EQ(running.records.size(), evaluated.records.size());
    for (std::size_t r = 1; r < running.records.size(); ++r) {
      const Json &one = running.records[r], &other = evaluated.records[r];
      if (one.at("type").string() != "cycle") {
        EXPECT_EQ(one.dump(), other.dump()) << sequence.mode << r;
      } else {
        EXPECT_NE(one.at("train_loss").dump(), other.at("train_loss").dump());
        for (const char* key : {"added", "val_loss", "test_loss", "diverged"})
          EXPECT_EQ(one.at(key).dump(), other.at(key).dump());
      }
    }
  }
}

TEST(Keychain, ADivergingMetaModelIsAResult) {
  // Steps of about 1000 on a mean squared error: every trial of the searches comes to NaN or infinity.
  for (const char* strategy : {"keychain_naive", "keychain_autoencoder"}) {
    for (const char* split : {"repeats", "single"}) {
      const Driver run(
          small({fmt::format("acquisition.strategy={}", strategy), "search.lr_low=900", "search.lr_high=1000",
                 "training.epochs=30", "model.lr=0.1", fmt::format("acquisition.keychain_meta_split={}", split)}),
          moons());
      ASSERT_EQ(run.picks().size(), 2u) << strategy;
      const auto meta = run.keychain_records("meta");
      ASSERT_EQ(meta.size(), 2u);
      for (const Json* record : meta) {
        EXPECT_TRUE(record->at("every_trial_failed").boolean());
        for (const Json& trial : record->at("trials").items()) EXPECT_EQ(trial.at("state").string(), "failed");
      }
      const std::vector<Json> cycles = run.cycles();
      EXPECT_FALSE(cycles[0].at("diverged").boolean());  // the classifier itself is well
      for (std::size_t i = 1; i < cycles.size(); ++i) {
        EXPECT_TRUE(cycles[i].at("all_scores_non_finite").boolean());
        EXPECT_TRUE(cycles[i].at("diverged").boolean());
      }
      EXPECT_LT(run.picks()[0], 2);  // the lowest that are not labelled
    }
  }
}

TEST(Keychain, SomeTrialsFailingLeavesTheOthers) {
  const Driver run(small({"acquisition.keychain_trials=12", "search.startup_trials=12", "search.lr_low=0.01",
                          "search.lr_high=60", "training.epochs=20"}),
                   moons());
  std::set<std::string> states;
  for (const Json* record : run.keychain_records("meta")) {
    EXPECT_FALSE(record->at("every_trial_failed").boolean());
    for (const Json& trial : record->at("trials").items()) states.insert(trial.at("state").string());
  }
  EXPECT_TRUE(states.contains("failed") && states.contains("complete"));
}

TEST(Keychain, AClassifierThatDivergesGivesNoCredits) {
  const Driver run(small({"model.lr=1000", "model.weight_decay=0.1", "training.epochs=40", "search.lr_high=0.01"}),
                   moons());
  ASSERT_EQ(run.picks().size(), 2u);
  for (const Json* record : run.keychain_records("passes")) EXPECT_EQ(record->at("without_credit").integer(), 3);
}

std::string refusal(std::vector<std::string> overrides) {
  try {
    small(std::move(overrides));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "accepted";
}

TEST(Keychain, WhatItCannotDoIsRefusedBeforehand) {
  EXPECT_THAT(refusal({"pool.val_share=0"}), HasSubstr("pool.val_share must be above 0"));
  EXPECT_THAT(refusal({"training.refit_on_all=true"}), HasSubstr("training.refit_on_all"));
  EXPECT_THAT(refusal({"pool.n_initial=4", "pool.val_share=0.7"}), HasSubstr("none is left"));
  EXPECT_THAT(refusal({"acquisition.strategy=keychain", "acquisition.keychain_share=0.95"}),
              HasSubstr("acquisition.keychain_share = 0.95 leaves none of 9 instances"));
  EXPECT_EQ(refusal({"acquisition.strategy=keychain", "acquisition.keychain_share=0.95",
                     "acquisition.keychain_form=duplicate"}),
            "accepted");
  const auto duplicating = [](const char* n_initial, const char* share) {  // val_share is 0.25
    return refusal({"acquisition.strategy=keychain", "acquisition.keychain_form=duplicate",
                    fmt::format("pool.n_initial={}", n_initial), fmt::format("acquisition.keychain_share={}", share)});
  };
  EXPECT_THAT(duplicating("6", "0"), HasSubstr("acquisition.keychain_share = 0.2 repeats none of 4 instances"));
  EXPECT_EQ(duplicating("7", "0"), "accepted");  // int(0.2 * 5) is 1
  EXPECT_EQ(duplicating("6", "0.25"), "accepted");
  EXPECT_THAT(refusal({"data.name=fashion_mnist", "model.network=resnet8", "pool.val_share=0"}),
              HasSubstr("is for perceptrons"));
  EXPECT_THAT(refusal({"acquisition.keychain_form=both"}), HasSubstr("keychain_form"));
}

TEST(Keychain, ADeviceIsRefusedBeforeAnythingIsWritten) {
  const test::TempDir out;
  RunOptions options;
  options.out = out.path();
  options.device = {DeviceKind::cuda, 0};
  options.progress = ProgressMode::quiet;
  try {
    run_study(posix_file_system(), small(), options);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), HasSubstr("acquisition.strategy = \"keychain_naive\""));
    EXPECT_THAT(error.what(), HasSubstr("--device cpu"));
  }
  EXPECT_TRUE(test::read_tree(out.path()).empty());
}

}  // namespace
}  // namespace quarry
