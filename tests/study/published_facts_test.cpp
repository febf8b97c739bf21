// SPDX-License-Identifier: MIT
// What was checked of the published program (the specification's [checked] facts): preset "faithful" does it, preset
// "corrected" does not.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "quarry/core/rng.h"
#include "tests/study/run_driver.h"
#include "tests/support/mlp_cases.h"

namespace quarry {
namespace {

using test::Driver;
using test::study_of;

constexpr const char* kPresets[] = {"faithful", "corrected"};

StudyConfig with_preset(const std::string& preset, const std::string& toml, std::vector<std::string> overrides = {}) {
  overrides.push_back("preset=" + preset);
  return study_of(toml, std::move(overrides));
}

/// The data of a preset: the scaler is one of its switches.
std::shared_ptr<const Dataset> data_of(const StudyConfig& study) {
  return std::make_shared<const Dataset>(load_dataset(study.runs.at(0).config.data));
}

Driver run(const StudyConfig& study) {
  return Driver(study, data_of(study));
}

/// A fit in plain loops that counts its forward passes with dropout.
struct CountedFit {
  CountedFit(const MemberSpec& spec, const testing::NaiveData& data, bool (*drops)(std::int32_t epoch))
      : net(spec, testing::fresh_parameters(spec)) {
    const auto n = static_cast<std::uint32_t>(spec.train.size());
    std::vector<std::uint64_t> scratch(n);
    std::vector<std::int32_t> order(n);
    for (std::int32_t epoch = 0; epoch < spec.epochs; ++epoch) {
      random_permutation(spec.order_key, static_cast<std::uint32_t>(epoch), n, scratch.data(), order.data());
      std::vector<std::int32_t> batch;
      for (const std::int32_t i : order) batch.push_back(spec.train[static_cast<std::size_t>(i)]);
      testing::Doubles gradient(net.p.size(), 0);
      net.batch(data, batch, drops(epoch) ? epoch : -1, &gradient);
      net.update(gradient);
      stochastic += drops(epoch);
      passes += 3;  // and the evaluations of the training and of the validation part
    }
  }
  testing::NaiveMlp net;
  int stochastic = 0, passes = 0;
};

double largest_difference(const testing::Doubles& a, const testing::Doubles& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST(PublishedFacts, DropoutActsInOneOf600Passes) {  // B2: 200 epochs of one batch, each with two evaluations
  const testing::MlpSet<double> set(20, 2, 2);
  Context context({}, 1);
  for (const char* preset : kPresets) {
    SCOPED_TRACE(preset);
    const RunConfig config = with_preset(preset, "[model]\ndropout = 0.4\nhidden = [8, 8]").runs[0].config;
    FitRows rows;
    rows.train = testing::some_rows(15);
    rows.validation = testing::some_rows(5, 15);
    rows.unviolated = 20;
    const MemberSpec spec = make_member(config, 2, 2, fixed_hyperparameters(config), {}, rows);
    const auto trained = train_fleet(context, set.view(), std::span(&spec, 1))[0].parameters;
    const CountedFit first(spec, set.naive(), [](std::int32_t epoch) { return epoch == 0; });
    const CountedFit all(spec, set.naive(), [](std::int32_t) { return true; });
    const CountedFit none(spec, set.naive(), [](std::int32_t) { return false; });
    const bool faithful = preset == kPresets[0];
    const CountedFit& same = faithful ? first : all;
    EXPECT_LT(largest_difference(trained, same.net.p), 1e-9);
    EXPECT_GT(largest_difference(trained, faithful ? all.net.p : first.net.p), 1e-3);
    EXPECT_GT(largest_difference(trained, none.net.p), 1e-3);
    EXPECT_EQ(same.stochastic, faithful ? 1 : 200);
    EXPECT_EQ(same.passes, 600);
  }
}

constexpr const char* kShort = R"(
[run]
seed = 42
[pool]
n_initial = 40
[acquisition]
budget = 5
[training]
epochs = 1
)";

TEST(PublishedFacts, RandomWalksThroughConsecutiveIndices) {  // B4, and 17.6
  EXPECT_EQ(run(with_preset("faithful", kShort)).picks(), (std::vector<std::int32_t>{424, 425, 426, 427, 428}));
  const std::vector<std::int32_t> picks = run(with_preset("corrected", kShort)).picks();
  int consecutive = 0;
  for (std::size_t i = 1; i < picks.size(); ++i) consecutive += picks[i] == picks[i - 1] + 1;
  EXPECT_EQ(consecutive, 0);
}

/// Test loss of one row by a preset's loss, with the right class `margin` above all others.
double loss_of(const std::string& preset, std::int64_t classes, float margin) {
  std::vector<float> logits(static_cast<std::size_t>(classes), 0.0f);
  logits[0] = margin;
  DataPart part;
  part.n = 1;
  part.labels = {0};
  const RunConfig config = with_preset(preset, "").runs[0].config;
  return test_metrics(matrix<const float>(logits.data(), 1, classes), part, config.loss, 32, config.weight_by_size)
      .loss;
}

TEST(PublishedFacts, TheDoubleSoftmaxLossHasItsRanges) {  // B7, spec 5.2
  // With two wrong classes the worst case has one of them certain: the loss is then ln(e + 1 + 1) all the same.
  const double e = std::exp(1.0);
  EXPECT_NEAR(loss_of("faithful", 2, 50), 0.3133, 5e-5);
  EXPECT_NEAR(loss_of("faithful", 2, 0), 0.6931, 5e-5);
  EXPECT_NEAR(loss_of("faithful", 2, -50), 1.3133, 5e-5);
  EXPECT_NEAR(loss_of("faithful", 3, 50), 0.5514, 5e-5);
  EXPECT_NEAR(loss_of("faithful", 3, 0), 1.0986, 5e-5);
  EXPECT_NEAR(loss_of("faithful", 3, -50), std::log(2 * std::exp(0.5) + 1), 1e-6);  // two wrong classes, half each
  DataPart part;
  part.n = 1;
  part.labels = {0};
  const std::vector<float> wrong = {0, 50, 0};
  const auto logits = matrix<const float>(wrong.data(), 1, 3);
  EXPECT_NEAR(test_metrics(logits, part, Loss::ce_on_probs, 32, false).loss, 1.5514, 5e-5);
  EXPECT_NEAR(test_metrics(logits, part, Loss::ce_on_probs, 32, false).loss, std::log(e + 2), 1e-6);
  EXPECT_LT(loss_of("corrected", 2, 50), 1e-6);
  EXPECT_NEAR(loss_of("corrected", 2, -50), 50, 1e-3);
  EXPECT_LT(loss_of("corrected", 3, 50), 1e-6);
}

TEST(PublishedFacts, TheDoubleSoftmaxHardlyPullsAtConfidentMistakes) {  // spec 5.2
  const auto steepest = [](const char* preset, float from, float to) {
    double largest = 0;
    for (float margin = from; margin < to; margin += 0.25f)
      largest = std::max(largest, (loss_of(preset, 2, margin) - loss_of(preset, 2, margin + 0.25f)) / 0.25);
    return largest;
  };
  EXPECT_NEAR(steepest("faithful", -12, 12), 0.26, 0.01);
  EXPECT_LT(steepest("faithful", -12, -10), 1e-3);
  EXPECT_GT(steepest("corrected", -12, -10), 0.999);
}

constexpr const char* kTuned = R"(
[run]
seed = 2
[pool]
n_initial = 12
[acquisition]
strategy = "entropy"
budget = 2
[training]
epochs = 10
[search]
mode = "constant_initial"
trials = 6
startup_trials = 3
depth_high = 2
width_high = 8
)";

/// Learning rates of the trials, of the chosen one, and of the networks of the rows.
struct Rates {
  explicit Rates(const Driver& driver) {
    for (const Json& record : driver.records) {
      if (record.at("type").string() == "cycle") networks.insert(record.at("lr").number());
      if (record.at("type").string() != "tuning" || !trials.empty()) continue;
      for (const Json& trial : record.at("trials").items()) trials.push_back(trial.at("parameters").at("lr").number());
      best = trials.at(static_cast<std::size_t>(record.at("chosen").integer()));
    }
  }
  std::vector<double> trials;
  double best = 0;
  std::set<double> networks;
};

TEST(PublishedFacts, TheCacheHoldsTheLastTrialWhenThatSwitchIsOn) {  // B1; off even in "faithful"
  const Rates last(run(with_preset("faithful", kTuned, {"search.cache_last_trial=true"})));
  ASSERT_NE(last.best, last.trials.back()) << "the last trial won: choose another seed";
  EXPECT_EQ(last.networks, std::set<double>{last.trials.back()});
  for (const char* preset : kPresets) {
    const Rates best(run(with_preset(preset, kTuned)));
    EXPECT_EQ(best.networks, std::set<double>{best.best}) << preset;
  }
  const Rates online(run(with_preset(
      "faithful", kTuned,
      {"search.cache_last_trial=true", "search.mode=online_dynamic", "acquisition.budget=0", "search.folds=2"})));
  EXPECT_EQ(online.networks, std::set<double>{online.best}) << "dynamic is not affected";
}

/// The candidate farthest from its nearest labelled row in some layer, in plain loops.
std::int32_t farthest(const SelectJob& job, const Dataset& data, bool logits) {
  MemberSpec spec;
  spec.sizes = job.network->sizes;
  const testing::NaiveMlp net(spec, {job.network->parameters.begin(), job.network->parameters.end()});
  const auto features = [&](std::int32_t row) {
    const auto d = static_cast<std::size_t>(data.n_features), i = static_cast<std::size_t>(row) * d;
    testing::Doubles x(data.train.features.begin() + static_cast<std::ptrdiff_t>(i),
                       data.train.features.begin() + static_cast<std::ptrdiff_t>(i + d));
    const auto layers = net.forward(x, 0, -1, 0);
    return layers[layers.size() - (logits ? 1 : 2)];
  };
  std::int32_t best = -1;
  double largest = -1;
  for (const std::int32_t candidate : job.candidates) {
    const testing::Doubles e = features(candidate);
    double nearest = 1e300;
    for (const std::int32_t labelled : job.labelled) {
      const testing::Doubles f = features(labelled);
      double sum = 0;
      for (std::size_t k = 0; k < e.size(); ++k) sum += (e[k] - f[k]) * (e[k] - f[k]);
      nearest = std::min(nearest, sum);
    }
    if (nearest > largest) {
      largest = nearest;
      best = candidate;
    }
  }
  return best;
}

TEST(PublishedFacts, CoresetsWorkInLogitSpace) {  // B5: two columns for two classes
  constexpr const char* kCoreset =
      "[run]\nseed = 3\n[acquisition]\nstrategy = \"coreset\"\nbudget = 1\n"
      "[model]\nhidden = [16]\n";
  for (const char* preset : kPresets) {
    const bool faithful = preset == kPresets[0];
    const StudyConfig study = with_preset(preset, kCoreset);
    const auto data = data_of(study);
    const test::TempDir directory;
    Context context({}, 1);
    const auto executor = make_in_process_executor(context, nullptr);
    ActiveLearningRun one(posix_file_system(), study.runs[0], data, directory.path() + "/run", "none");
    const std::int32_t number = executor->load(data);
    const FitJob fit{number, one.fits().at(0)};
    one.give_fits(executor->fit({&fit, 1}));
    TestJob test = one.test_job();
    test.data = number;
    one.give_test(executor->test({&test, 1}).front());
    SelectJob job = one.select_job();
    job.data = number;
    const std::int32_t pick = executor->select({&job, 1}).front().indices.at(0);
    ASSERT_NE(farthest(job, *data, true), farthest(job, *data, false)) << "both layers agree: choose another seed";
    EXPECT_EQ(pick, farthest(job, *data, faithful)) << preset;
  }
}

TEST(PublishedFacts, TheScalerIsOfTheTestPart) {  // B3
  for (const char* preset : kPresets) {
    const auto data = data_of(with_preset(preset, ""));
    const bool faithful = preset == kPresets[0];
    const std::vector<float>& fitted = faithful ? data->test.features : data->train.features;
    const std::vector<float>& other = faithful ? data->train.features : data->test.features;
    const auto [low, high] = std::minmax_element(fitted.begin(), fitted.end());
    EXPECT_NEAR(*low, 0, 1e-6) << preset;
    EXPECT_NEAR(*high, 1, 1e-6) << preset;
    const auto [least, most] = std::minmax_element(other.begin(), other.end());
    EXPECT_GT(std::abs(*least) + std::abs(*most - 1), 1e-3) << preset;
  }
}

TEST(PublishedFacts, TheFirstTenConfigurationsAreTheSameInEverySearch) {  // B8, 17.8
  const auto distinct = [](const char* preset) {
    const Driver driver = run(with_preset(
        preset, kTuned,
        {"search.mode=online_static", "search.trials=10", "search.startup_trials=10", "training.epochs=2"}));
    std::set<std::string> points;
    std::size_t searches = 0;
    for (const Json& record : driver.records) {
      if (record.at("type").string() != "tuning") continue;
      ++searches;
      for (const Json& trial : record.at("trials").items()) points.insert(trial.at("parameters").dump());
    }
    EXPECT_EQ(searches, 3u);
    return points.size();
  };
  EXPECT_EQ(distinct("faithful"), 10u);
  EXPECT_EQ(distinct("corrected"), 30u);
}

TEST(PublishedFacts, ALargerSetGivesNoMoreStepsUpTo63) {  // B15, 17.4
  const auto steps = [](const char* preset, std::int64_t n) {
    const RunConfig config = with_preset(preset, "").runs[0].config;
    FitRows rows;
    rows.train = testing::some_rows(static_cast<std::int32_t>(n));
    rows.unviolated = 20;
    rows.added = n - 15;
    const MemberSpec spec = make_member(config, 2, 2, fixed_hyperparameters(config), {}, rows);
    return steps_per_epoch(n, spec.batch_size, spec.drop_last);
  };
  const std::map<std::int64_t, std::int64_t> published = {{15, 1}, {32, 1}, {33, 1}, {63, 1}, {64, 2}, {175, 5}};
  for (const auto& [n, expected] : published) {
    EXPECT_EQ(steps("faithful", n), expected) << n;
    EXPECT_EQ(steps("corrected", n), (n + 31) / 32) << n;
  }
}

}  // namespace
}  // namespace quarry
