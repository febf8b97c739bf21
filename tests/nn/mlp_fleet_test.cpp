// SPDX-License-Identifier: MIT
// Fleets: what a member's result may and may not depend on, the protocol of epochs, and networks that diverge.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <set>

#include "quarry/core/error.h"
#include "tests/support/mlp_cases.h"

namespace quarry::testing {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A context of one SIMD level (QUARRY_SIMD is read when a context is made).
std::unique_ptr<Context> context_at(SimdLevel level, int workers = 1) {
  setenv("QUARRY_SIMD", std::string(to_string(level)).c_str(), 1);
  auto context = std::make_unique<Context>(Device{}, workers);
  unsetenv("QUARRY_SIMD");
  return context;
}

std::uint64_t bits(double x) {
  return std::bit_cast<std::uint64_t>(x);
}

template <class T>
void expect_same_bits(const MemberResult<T>& a, const MemberResult<T>& b) {
  ASSERT_EQ(a.parameters.size(), b.parameters.size());
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    ASSERT_EQ(bits(a.parameters[i]), bits(b.parameters[i])) << "parameter " << i;
  }
  ASSERT_EQ(a.epoch_losses.size(), b.epoch_losses.size());
  for (std::size_t i = 0; i < a.epoch_losses.size(); ++i) ASSERT_EQ(bits(a.epoch_losses[i]), bits(b.epoch_losses[i]));
  EXPECT_EQ(bits(a.train.loss), bits(b.train.loss));
  EXPECT_EQ(bits(a.validation.loss), bits(b.validation.loss));
  EXPECT_EQ(a.train.accuracy, b.train.accuracy);
  EXPECT_EQ(a.validation.accuracy, b.validation.accuracy);
  EXPECT_EQ(a.epochs_run, b.epochs_run);
  EXPECT_EQ(a.steps, b.steps);
  EXPECT_EQ(a.pruned, b.pruned);
  EXPECT_EQ(a.diverged, b.diverged);
  EXPECT_EQ(a.diverged_epoch, b.diverged_epoch);
}

/// Members of every kind on 4 features and 3 classes: the awkward widths, batches and dropout modes.
std::vector<MemberSpec> mixed_fleet() {
  std::vector<MemberSpec> fleet;
  const std::int32_t widths[] = {1, 2, 15, 16, 17, 31, 33, 95, 96};
  const std::int32_t batches[] = {1, 5, 31, 32, 33, 64, 70};
  for (int i = 0; i < 18; ++i) {
    const std::int32_t width = widths[i % 9];
    MemberSpec spec = member({4, width, widths[(i * 5 + 3) % 9], 3}, 70 - i % 3);
    if (i == 17) spec.sizes = {4, 3};
    spec.batch_size = batches[i % 7];
    if (spec.batch_size == 1) spec.train = some_rows(9);
    spec.drop_last = i % 2 == 0;
    spec.dropout = 0.25 * (i % 3);
    spec.dropout_epochs = static_cast<DropoutEpochs>(i % 4 == 3 ? 2 : i % 4 == 2 ? 1 : 0);
    spec.loss = static_cast<Loss>(i % 3);
    spec.weight_decay = 1e-3 * (i % 2);
    spec.momentum = i % 4 == 1 ? 0.8 : 0;
    if (i % 4 == 2) spec.optimizer = Optimizer::adam, spec.lr = 0.01;
    spec.validation = some_rows(i % 5 == 0 ? 0 : 20 + i, 70);
    spec.validate_every_epoch = i % 2 == 1 && !spec.validation.empty();
    spec.weight_by_size = i % 3 != 0;
    spec.init_key = 100 + static_cast<std::uint64_t>(i);
    fleet.push_back(spec);
  }
  return fleet;
}

template <class T>
class MlpFleetTest : public ::testing::Test {};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(MlpFleetTest, Reals);

TYPED_TEST(MlpFleetTest, AMemberIsTheSameAloneInAFleetAndOnAnyNumberOfWorkers) {
  using T = TypeParam;
  const MlpSet<T> set(120, 4, 3);
  const std::vector<MemberSpec> fleet = mixed_fleet();
  Context one({}, 1), two({}, 2), four({}, 4);
  const auto expected = train_fleet(one, set.view(), std::span(fleet));
  const auto by_two = train_fleet(two, set.view(), std::span(fleet));
  const auto by_four = train_fleet(four, set.view(), std::span(fleet));
  for (std::size_t i = 0; i < fleet.size(); ++i) {
    SCOPED_TRACE(i);
    const auto alone = train_fleet(one, set.view(), std::span(&fleet[i], 1));
    expect_same_bits(alone[0], expected[i]);
    expect_same_bits(by_two[i], expected[i]);
    expect_same_bits(by_four[i], expected[i]);
  }
}

TYPED_TEST(MlpFleetTest, EveryLevelGivesTheSameBits) {
  using T = TypeParam;
  const MlpSet<T> set(120, 4, 3);
  const std::vector<MemberSpec> fleet = mixed_fleet();
  const auto expected = train_fleet(*context_at(SimdLevel::portable), set.view(), std::span(fleet));
  for (const SimdLevel level : simd_levels()) {
    const auto got = train_fleet(*context_at(level), set.view(), std::span(fleet));
    for (std::size_t i = 0; i < fleet.size(); ++i) {
      SCOPED_TRACE(std::string(to_string(level)) + " member " + std::to_string(i));
      expect_same_bits(got[i], expected[i]);
    }
  }
}

/// The bits of a run as first recorded (g++ 12, AVX-512): other compilers, machines and versions have to repeat them.
TYPED_TEST(MlpFleetTest, TheBitsAreThoseOfTheRecord) {
  using T = TypeParam;
  const MlpSet<T> set(120, 4, 3);
  const std::vector<MemberSpec> fleet = mixed_fleet();
  Context context({}, 1);
  std::uint64_t hash = 0;
  for (const auto& result : train_fleet(context, set.view(), std::span(fleet))) {
    for (const T x : result.parameters) hash = hash_combine(hash, bits(x));
    for (const double x : result.epoch_losses) hash = hash_combine(hash, bits(x));
    hash = hash_combine(hash, bits(result.train.loss));
  }
  EXPECT_EQ(hash, sizeof(T) == 4 ? 12504319731090892751ULL : 3975810260071917368ULL);
}

/// The whole protocol in plain loops: order by permutation, drop_last, dropout modes, evaluation.
TEST(MlpFleet, FollowsTheProtocolStepByStep) {
  const MlpSet<double> set(120, 4, 3);
  const NaiveData data = set.naive();
  Context context({}, 1);
  const std::vector<MemberSpec> fleet = mixed_fleet();
  const auto results = train_fleet(context, set.view(), std::span(fleet));
  for (std::size_t m = 0; m < fleet.size(); ++m) {
    SCOPED_TRACE(m);
    const MemberSpec& spec = fleet[m];
    NaiveMlp naive(spec, fresh_parameters(spec));
    const auto n = static_cast<std::uint32_t>(spec.train.size());
    const auto batch = static_cast<std::size_t>(spec.batch_size);
    const auto batches = [&](std::uint32_t epoch) {
      std::vector<std::uint64_t> scratch(n);
      std::vector<std::int32_t> order(n);
      random_permutation(spec.order_key, epoch, n, scratch.data(), order.data());
      std::vector<std::vector<std::int32_t>> result;
      for (std::size_t i = 0; i < n; ++i) {
        if (i % batch == 0) result.emplace_back();
        result.back().push_back(spec.train[static_cast<std::size_t>(order[i])]);
      }
      if (spec.drop_last && result.size() > 1 && result.back().size() < batch) result.pop_back();
      return result;
    };
    const auto mean_loss = [&](const std::vector<std::vector<std::int32_t>>& parts) {
      double sum = 0, weight = 0;
      for (const auto& part : parts) {
        const double w = spec.weight_by_size ? static_cast<double>(part.size()) : 1;
        sum += w * naive.batch(data, part, -1);
        weight += w;
      }
      return sum / weight;
    };
    std::int64_t step = 0;
    for (std::int32_t epoch = 0; epoch < spec.epochs; ++epoch) {
      const bool drop =
          spec.dropout_epochs == DropoutEpochs::all || (spec.dropout_epochs == DropoutEpochs::first && epoch == 0);
      for (const auto& rows : batches(static_cast<std::uint32_t>(epoch))) {
        Doubles gradient(naive.p.size(), 0);
        naive.batch(data, rows, drop ? step : -1, &gradient);
        naive.update(gradient);
        ++step;
      }
    }
    const MemberResult<double>& got = results[m];
    EXPECT_EQ(got.steps, step);
    EXPECT_EQ(got.epochs_run, spec.epochs);
    EXPECT_FALSE(got.diverged);
    EXPECT_EQ(got.diverged_epoch, -1);
    for (std::size_t i = 0; i < naive.p.size(); ++i) ASSERT_NEAR(got.parameters[i], naive.p[i], 1e-8) << i;
    EXPECT_NEAR(got.train.loss, mean_loss(batches(static_cast<std::uint32_t>(spec.epochs))), 1e-8);
    if (spec.validation.empty()) continue;
    std::vector<std::vector<std::int32_t>> parts;
    for (std::size_t i = 0; i < spec.validation.size(); ++i) {
      if (i % batch == 0) parts.emplace_back();
      parts.back().push_back(spec.validation[i]);
    }
    EXPECT_NEAR(got.validation.loss, mean_loss(parts), 1e-8);
    ASSERT_EQ(got.epoch_losses.size(), spec.validate_every_epoch ? 3u : 0u);
    if (spec.validate_every_epoch) {
      EXPECT_EQ(bits(got.epoch_losses.back()), bits(got.validation.loss));
    }
  }
}

TEST(MlpFleet, StepsPerEpochAreThoseOfTheStudy) {
  const MlpSet<float> set(200, 2, 2);
  Context context({}, 1);
  const std::pair<std::int32_t, std::int64_t> expected[] = {{15, 1}, {32, 1}, {33, 1}, {63, 1}, {64, 2}, {175, 5}};
  for (const auto& [n, steps] : expected) {
    MemberSpec spec = member({2, 5, 2}, n);
    spec.drop_last = true;
    spec.epochs = 1;
    EXPECT_EQ(train_fleet(context, set.view(), std::span(&spec, 1))[0].steps, steps) << n;
    spec.drop_last = false;
    EXPECT_EQ(train_fleet(context, set.view(), std::span(&spec, 1))[0].steps, (n + 31) / 32) << n;
  }
}

/// First-only dropout: as if epoch 0 were run with dropout and the rest without; all and none differ from it.
TEST(MlpFleet, DropoutInTheFirstEpochOnly) {
  const MlpSet<float> set(80, 3, 2);
  Context context({}, 1);
  MemberSpec spec = member({3, 20, 20, 2}, 70);
  spec.dropout = 0.4;
  const auto run = [&](DropoutEpochs mode, std::int32_t epochs) {
    spec.dropout_epochs = mode;
    spec.epochs = epochs;
    return train_fleet(context, set.view(), std::span(&spec, 1))[0].parameters;
  };
  EXPECT_EQ(run(DropoutEpochs::first, 1), run(DropoutEpochs::all, 1));
  EXPECT_NE(run(DropoutEpochs::first, 1), run(DropoutEpochs::none, 1));
  EXPECT_NE(run(DropoutEpochs::first, 2), run(DropoutEpochs::all, 2));
  const std::vector<float> after_two = run(DropoutEpochs::first, 2);
  spec.dropout_key += 1;  // other masks change the result through epoch 0 only
  EXPECT_NE(run(DropoutEpochs::first, 2), after_two);
  // the second epoch alone, from the parameters after the first, without dropout but in the order of epoch 1
  spec.dropout_key -= 1;
  const std::vector<float> after_one = run(DropoutEpochs::first, 1);
  MemberSpec second = spec;
  second.dropout_epochs = DropoutEpochs::none;
  std::vector<std::uint64_t> scratch(70);
  std::vector<std::int32_t> order(70);
  random_permutation(spec.order_key, 1, 70, scratch.data(), order.data());
  second.train = order;
  second.dropout = 0;
  const std::vector<double> start(after_one.begin(), after_one.end());
  EXPECT_EQ(run_epoch<float>(context.simd(), second, set.view(), start).parameters, after_two);
}

TEST(MlpFleet, PruningComparesTheSmallestOrTheCurrentLoss) {
  const MlpSet<float> set(80, 3, 2);
  Context context({}, 1);
  MemberSpec spec = member({3, 8, 2}, 30);
  spec.lr = 2.0;  // jumpy on purpose
  spec.epochs = 12;
  spec.validation = some_rows(40, 40);
  spec.validate_every_epoch = true;
  const auto run = [&] { return train_fleet(context, set.view(), std::span(&spec, 1))[0]; };
  const std::vector<double> losses = run().epoch_losses;
  ASSERT_EQ(losses.size(), 12u);
  std::size_t worse = 1;  // an epoch whose loss is above an earlier one
  while (worse < 12 && losses[worse] <= *std::min_element(losses.begin(), losses.begin() + static_cast<int>(worse))) {
    ++worse;
  }
  ASSERT_LT(worse, 12u) << "the case needs a loss that rises";
  const double best = *std::min_element(losses.begin(), losses.begin() + static_cast<int>(worse));
  spec.prune_above.assign(12, kNaN);
  spec.prune_above[worse] = (best + losses[worse]) / 2;
  EXPECT_FALSE(run().pruned);
  spec.prune_on_current = true;
  const auto stopped = run();
  EXPECT_TRUE(stopped.pruned);
  EXPECT_EQ(stopped.epochs_run, static_cast<std::int32_t>(worse) + 1);
  EXPECT_EQ(stopped.epoch_losses, std::vector<double>(losses.begin(), losses.begin() + stopped.epochs_run));
  spec.prune_on_current = false;
  spec.prune_above = {kNaN, best - 1};  // shorter than the epochs: no check beyond
  EXPECT_EQ(run().epochs_run, 2);
  spec.prune_above = {kInf, kInf};
  EXPECT_FALSE(run().pruned);
  spec.lr = kNaN;  // every loss NaN counts as above any threshold
  spec.prune_above = {kNaN, kNaN, 1e9};
  EXPECT_EQ(run().epochs_run, 3);
}

/// Number of epochs of a fit with these validation losses, from the words of the study (spec 12).
std::int32_t epochs_until(EarlyStopping rule, const std::vector<double>& losses, std::size_t warmup, std::size_t wait) {
  double smallest = losses.at(warmup);
  std::size_t since = 0;  // epochs that count after the first of the row
  bool in_row = false;
  for (std::size_t e = warmup + 1; e < losses.size(); ++e) {
    const bool worse = rule == EarlyStopping::published ? losses[e] > smallest : losses[e] >= smallest;
    if (in_row && rule == EarlyStopping::patience && !worse) in_row = false;
    if (in_row) {
      ++since;
    } else if (worse) {
      in_row = true;
      since = 0;
    }
    smallest = std::min(smallest, losses[e]);
    if (in_row && since == wait) return static_cast<std::int32_t>(e) + 1;
  }
  return static_cast<std::int32_t>(losses.size());
}

TEST(MlpFleet, EarlyStoppingWithAndWithoutTheDefect) {
  const MlpSet<float> set(120, 3, 2);
  Context context({}, 1);
  MemberSpec spec = member({3, 12, 2}, 70);
  spec.epochs = 400;
  spec.lr = 0.6;
  spec.batch_size = 8;
  spec.validation = some_rows(20, 90);
  spec.validate_every_epoch = true;
  spec.stopping_warmup = 100;
  const auto run = [&](EarlyStopping rule) {
    spec.early_stopping = rule;
    return train_fleet(context, set.view(), std::span(&spec, 1))[0];
  };
  const auto whole = run(EarlyStopping::none);
  ASSERT_EQ(whole.epochs_run, 400);
  std::set<std::int32_t> lengths;
  for (const std::int32_t wait : {0, 1, 5, 20}) {
    spec.patience = wait;
    for (const EarlyStopping rule : {EarlyStopping::patience, EarlyStopping::published}) {
      const auto result = run(rule);
      EXPECT_EQ(result.epochs_run, epochs_until(rule, whole.epoch_losses, 100, static_cast<std::size_t>(wait)));
      ASSERT_LE(result.epoch_losses.size(), whole.epoch_losses.size());
      EXPECT_TRUE(std::equal(result.epoch_losses.begin(), result.epoch_losses.end(), whole.epoch_losses.begin()));
      lengths.insert(result.epochs_run);
    }
  }
  EXPECT_GE(*lengths.begin(), 101 + 1);  // the loss of epoch 101 is the first that counts
  EXPECT_GE(lengths.size(), 4u) << "the rules did not matter: choose another network";
  spec.validate_every_epoch = false;  // watching needs no record
  const auto quiet = run(EarlyStopping::published);
  EXPECT_TRUE(quiet.epoch_losses.empty());
  EXPECT_EQ(quiet.epochs_run, epochs_until(EarlyStopping::published, whole.epoch_losses, 100, 20));
  spec.validation.clear();
  EXPECT_THROW(run(EarlyStopping::patience), Error);
}

/// The published defect: after one blip a fit ends however well it goes on; the shortest has 122 epochs.
TEST(MlpFleet, TheDefectEndsAFitWhoseLossKeepsFalling) {
  const MlpSet<float> set(120, 3, 2);
  Context context({}, 1);
  MemberSpec spec = member({3, 12, 2}, 32);
  spec.epochs = 400;
  spec.validation = some_rows(8, 90);
  spec.validate_every_epoch = true;
  std::int32_t shortest = 400;
  bool fell = false;
  for (const double lr : {0.02, 0.1, 0.5, 1.0, 2.0}) {
    spec.lr = lr;
    spec.early_stopping = EarlyStopping::published;
    const auto published = train_fleet(context, set.view(), std::span(&spec, 1))[0];
    spec.early_stopping = EarlyStopping::patience;
    const auto patient = train_fleet(context, set.view(), std::span(&spec, 1))[0];
    EXPECT_LE(published.epochs_run, patient.epochs_run);
    shortest = std::min(shortest, published.epochs_run);
    fell = fell || patient.epochs_run > published.epochs_run;
  }
  EXPECT_EQ(shortest, 122);
  EXPECT_TRUE(fell);
}

TEST(MlpFleet, ARunningTrainReportIsTheMeanBeforeEveryUpdate) {
  const MlpSet<double> set(80, 3, 2);
  Context context({}, 1);
  MemberSpec spec = member({3, 10, 2}, 70);
  spec.dropout_epochs = DropoutEpochs::none;
  const auto run = [&](const MemberSpec& m) { return train_fleet(context, set.view(), std::span(&m, 1))[0]; };
  for (const Optimizer optimizer : {Optimizer::sgd, Optimizer::adam}) {
    spec.optimizer = optimizer;
    spec.batch_size = 70;
    double sum = 0, accuracy = 0;
    for (std::int32_t epoch = 0; epoch < 5; ++epoch) {  // one batch: the loss before its update is that of the net
      MemberSpec before = spec;
      before.epochs = epoch;
      const Evaluation train = run(before).train;
      sum += train.loss;
      accuracy = train.accuracy;
    }
    MemberSpec running = spec;
    running.epochs = 5;
    running.train_report = TrainReport::running;
    EXPECT_NEAR(run(running).train.loss, sum / 5, 1e-12);
    EXPECT_NEAR(run(running).train.accuracy, accuracy, 1e-12);
    running.batch_size = 32;  // three batches: the training itself is the same
    MemberSpec plain = running;
    plain.train_report = TrainReport::evaluated;
    EXPECT_EQ(run(running).parameters, run(plain).parameters);
    EXPECT_EQ(run(running).steps, run(plain).steps);
    EXPECT_NE(run(running).train.loss, run(plain).train.loss);
  }
  spec.train_report = TrainReport::running;
  spec.dropout_epochs = DropoutEpochs::first;
  EXPECT_THROW(run(spec), Error);
}

TEST(MlpFleet, InitialParametersAreTheStart) {
  const MlpSet<double> set(40, 3, 2);
  Context context({}, 1);
  MemberSpec spec = member({3, 6, 2}, 40);
  const auto fresh = train_fleet(context, set.view(), std::span(&spec, 1))[0];
  spec.initial_parameters = fresh_parameters(spec);
  spec.init_key = 999;
  expect_same_bits(train_fleet(context, set.view(), std::span(&spec, 1))[0], fresh);
  spec.epochs = 0;
  EXPECT_EQ(train_fleet(context, set.view(), std::span(&spec, 1))[0].parameters, spec.initial_parameters);
}

TEST(MlpFleet, FreshParametersAreUniformWithinTheBound) {
  const MemberSpec spec = member({50, 96, 96, 2}, 1);
  const std::vector<double> p = fresh_parameters(spec);
  std::size_t at = 0;
  for (std::size_t l = 0; l + 1 < spec.sizes.size(); ++l) {
    const auto count = static_cast<std::size_t>((spec.sizes[l] + 1) * spec.sizes[l + 1]);
    const double bound = 1 / std::sqrt(spec.sizes[l]);
    double sum = 0, square = 0;
    for (std::size_t i = at; i < at + count; ++i) {
      EXPECT_LT(std::fabs(p[i]), bound);
      sum += p[i] / bound;
      square += p[i] * p[i] / (bound * bound);
    }
    const auto n = static_cast<double>(count);
    EXPECT_LT(std::fabs(sum / n), 5 / std::sqrt(3 * n));
    EXPECT_NEAR(square / n, 1.0 / 3, 5 * 0.3 / std::sqrt(n));
    at += count;
  }
  const MlpShape shape(spec.sizes);
  Buffer<float> working(static_cast<std::size_t>(shape.plan().parameters));
  shape.initialise(spec.init_key, working.data());
  std::vector<float> single(p.size());
  shape.pack(working.data(), single.data());
  for (std::size_t i = 0; i < p.size(); ++i) EXPECT_EQ(single[i], static_cast<float>(p[i]));
}

TEST(MlpFleet, DivergenceIsRecordedAndStaysWithTheMember) {
  MlpSet<float> set(80, 3, 2);
  Context context({}, 2);
  const MemberSpec sound = member({3, 12, 2}, 64);
  const auto expected = train_fleet(context, set.view(), std::span(&sound, 1))[0];
  std::vector<MemberSpec> fleet;
  const auto add = [&](auto change) {
    MemberSpec spec = sound;
    spec.epochs = 40;
    change(spec);
    fleet.push_back(sound);
    fleet.push_back(spec);
  };
  add([](MemberSpec& s) { s.lr = kInf; });
  add([](MemberSpec& s) { s.lr = kNaN; });
  add([](MemberSpec& s) { s.lr = 1e3, s.weight_decay = 1e3; });
  add([](MemberSpec& s) { s.lr = 1e3, s.loss = Loss::mse; });
  add([](MemberSpec& s) { s.lr = 1, s.weight_decay = 1e3; });
  add([](MemberSpec& s) { s.weight_decay = kNaN; });
  add([](MemberSpec& s) { s.optimizer = Optimizer::adam, s.lr = kInf; });
  const auto results = train_fleet(context, set.view(), std::span(fleet));
  for (std::size_t i = 0; i < fleet.size(); i += 2) {
    SCOPED_TRACE(i);
    expect_same_bits(results[i], expected);
    const auto& bad = results[i + 1];
    EXPECT_TRUE(bad.diverged);
    EXPECT_EQ(bad.epochs_run, 40);
    EXPECT_GE(bad.diverged_epoch, 0);
    EXPECT_LE(bad.train.accuracy, 1);
    for (const SimdLevel level : simd_levels()) {
      expect_same_bits(train_fleet(*context_at(level), set.view(), std::span(&fleet[i + 1], 1))[0], bad);
    }
  }
}

TEST(MlpFleet, ExtremesThatDoNotDiverge) {
  MlpSet<float> set(80, 3, 2);
  Context context({}, 1);
  const auto run = [&](const MemberSpec& spec) { return train_fleet(context, set.view(), std::span(&spec, 1))[0]; };
  MemberSpec spec = member({3, 12, 2}, 64);
  spec.lr = 0;
  std::vector<double> start = fresh_parameters(spec);
  EXPECT_EQ(run(spec).parameters, std::vector<float>(start.begin(), start.end()));
  spec.lr = 1e-30;
  EXPECT_EQ(run(spec).parameters, std::vector<float>(start.begin(), start.end()));
  spec.lr = 0.1;
  spec.train = {7};  // one row
  EXPECT_FALSE(run(spec).diverged);
  EXPECT_EQ(run(spec).steps, 3);
  set.labels.assign(set.labels.size(), 1);  // one class
  spec.train = some_rows(64);
  spec.epochs = 50;
  const auto one_class = run(spec);
  EXPECT_FALSE(one_class.diverged);
  EXPECT_EQ(one_class.train.accuracy, 1);
  for (const Loss loss : {Loss::ce_on_logits, Loss::ce_on_probs}) {  // logits of +-1e4
    MemberSpec extreme = member({3, 2}, 64);
    extreme.loss = loss;
    extreme.lr = 0.01;
    extreme.initial_parameters = {0, 0, 0, 0, 0, 0, 1e4, -1e4};
    const auto result = run(extreme);
    EXPECT_FALSE(result.diverged);
    EXPECT_TRUE(std::isfinite(result.train.loss));
    EXPECT_EQ(result.train.accuracy, 0);
    if (loss == Loss::ce_on_logits) {
      EXPECT_NEAR(result.train.loss, 2e4, 1);
    }
    if (loss == Loss::ce_on_probs) {
      EXPECT_NEAR(result.train.loss, std::log(1 + std::exp(1.0)), 1e-6);
    }
  }
}

TEST(MlpFleet, TheDoubleSoftmaxLossHasItsBounds) {
  MlpSet<double> set(40, 2, 3);
  Context context({}, 1);
  MemberSpec spec = member({2, 3}, 40);
  spec.loss = Loss::ce_on_probs;
  spec.epochs = 0;
  const auto loss = [&](std::vector<double> bias, std::int32_t label) {
    set.labels.assign(40, label);
    spec.initial_parameters = {0, 0, 0, 0, 0, 0};
    spec.initial_parameters.insert(spec.initial_parameters.end(), bias.begin(), bias.end());
    return train_fleet(context, set.view(), std::span(&spec, 1))[0].train.loss;
  };
  EXPECT_NEAR(loss({60, 0, 0}, 0), 0.5514, 5e-5);
  EXPECT_NEAR(loss({0, 0, 0}, 0), 1.0986, 5e-5);
  EXPECT_NEAR(loss({60, 0, 0}, 1), 1.5514, 5e-5);
}

TEST(MlpFleet, AccuracyTakesTheLowestOfEqualsAndTheFirstNaN) {
  MlpSet<double> set(6, 1, 3);
  set.labels = {0, 1, 2, 0, 1, 2};
  Context context({}, 1);
  MemberSpec spec = member({1, 3}, 6);
  spec.epochs = 0;
  const auto accuracy = [&](std::vector<double> bias, std::vector<std::int32_t> rows) {
    spec.initial_parameters = {0, 0, 0};
    spec.initial_parameters.insert(spec.initial_parameters.end(), bias.begin(), bias.end());
    spec.train = std::move(rows);
    return train_fleet(context, set.view(), std::span(&spec, 1))[0].train.accuracy;
  };
  EXPECT_EQ(accuracy({1, 1, 1}, {0, 3}), 1);
  EXPECT_EQ(accuracy({0, 1, 1}, {1, 4}), 1);
  EXPECT_EQ(accuracy({5, kNaN, kNaN}, {1, 4}), 1);
  EXPECT_EQ(accuracy({kNaN, kNaN, 9}, {0, 3}), 1);
  EXPECT_EQ(accuracy({5, 3, kNaN}, {2, 5}), 1);
  EXPECT_EQ(accuracy({kInf, 3, 1}, {0, 1, 2}), 1.0 / 3);
}

TEST(MlpFleet, BadSpecsAreErrors) {
  const MlpSet<float> set(20, 3, 2);
  Context context({}, 1);
  const auto rejects = [&](const char* what, auto change) {
    std::vector<MemberSpec> fleet(2, member({3, 4, 2}, 20));
    change(fleet[1]);
    try {
      train_fleet(context, set.view(), std::span<const MemberSpec>(fleet));
      ADD_FAILURE() << what << " was accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
    }
  };
  rejects("widths", [](MemberSpec& s) { s.sizes = {3}; });
  rejects("width 0", [](MemberSpec& s) { s.sizes = {3, 0, 2}; });
  rejects("4 inputs", [](MemberSpec& s) { s.sizes = {4, 2}; });
  rejects("epochs", [](MemberSpec& s) { s.epochs = -1; });
  rejects("batch size", [](MemberSpec& s) { s.batch_size = 0; });
  rejects("dropout", [](MemberSpec& s) { s.dropout = 1; });
  rejects("dropout", [](MemberSpec& s) { s.dropout = kNaN; });
  rejects("momentum", [](MemberSpec& s) { s.momentum = -0.1; });
  rejects("beta1", [](MemberSpec& s) { s.optimizer = Optimizer::adam, s.beta1 = 1; });
  rejects("no training rows", [](MemberSpec& s) { s.train.clear(); });
  rejects("row 20", [](MemberSpec& s) { s.train.push_back(20); });
  rejects("row -1", [](MemberSpec& s) { s.validation.push_back(-1); });
  rejects("label", [](MemberSpec& s) { s.sizes = {3, 1}; });
  rejects("initial parameters", [](MemberSpec& s) { s.initial_parameters = {1}; });
  rejects("targets", [](MemberSpec& s) { s.loss = Loss::mse, s.sizes = {3, 5}; });
}

}  // namespace
}  // namespace quarry::testing
