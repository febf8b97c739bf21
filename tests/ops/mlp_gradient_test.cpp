// SPDX-License-Identifier: MIT
// The MLP training op against exact integers and finite differences, and what it may touch.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "quarry/core/text.h"
#include "tests/support/mlp_cases.h"

namespace quarry::testing {
namespace {

/// Small integers, a step size and means that are powers of two: every product and sum is exact, so float must equal
/// plain loops bit for bit, whatever the order.
TEST(MlpTrain, IntegersAreExact) {
  for (const std::vector<std::int32_t>& sizes : std::vector<std::vector<std::int32_t>>{
           {5, 4}, {1, 1, 1}, {3, 17, 2}, {2, 9, 5, 4}, {16, 31, 33, 1}, {7, 8, 15, 2}}) {
    for (const std::int32_t rows : {1, 2, 16, 32, 64, 128}) {
      MemberSpec spec = member(sizes, rows);
      spec.loss = Loss::mse;
      spec.batch_size = rows;
      spec.lr = 0.25;
      MlpSet<float> set(rows, sizes.front(), sizes.back());
      std::uint64_t at = 0;
      const auto integer = [&](std::int64_t most) {
        return static_cast<double>(random_below(3, static_cast<std::uint64_t>(2 * most + 1), at++)) -
               static_cast<double>(most);
      };
      for (float& x : set.features) x = static_cast<float>(integer(2));
      for (float& x : set.targets) x = static_cast<float>(integer(8));
      Doubles start(static_cast<std::size_t>(parameter_count(sizes)));
      for (double& p : start) p = integer(1);
      NaiveMlp naive(spec, start);
      Doubles gradient(start.size(), 0);
      naive.batch(set.naive(), spec.train, -1, &gradient);
      naive.update(gradient);
      for (const SimdLevel level : simd_levels()) {
        const auto got = run_epoch<float>(level, spec, set.view(), start);
        double largest = 0;
        for (std::size_t i = 0; i < start.size(); ++i) {
          ASSERT_EQ(got.parameters[i], naive.p[i]) << shape_name(sizes) << " rows " << rows << " parameter " << i;
          largest = std::max(largest, std::fabs(naive.p[i] - start[i]));
        }
        EXPECT_GT(largest, 0);
      }
    }
  }
}

/// Which units are on for every row: a finite difference that crosses a kink is no derivative.
std::vector<bool> active_units(const NaiveMlp& net, const NaiveData& data, const MemberSpec& spec) {
  std::vector<bool> on;
  for (std::size_t r = 0; r < spec.train.size(); ++r) {
    const auto a = net.forward(data.x[r], static_cast<std::uint32_t>(r), spec.dropout > 0 ? 0 : -1, spec.dropout_key);
    for (std::size_t l = 1; l + 1 < a.size(); ++l) {
      for (const double x : a[l]) on.push_back(x > 0);
    }
  }
  return on;
}

struct LossCase {
  Loss loss;
  bool soft = false;  ///< distributions instead of labels
};

TEST(MlpTrain, FiniteDifferencesOfEveryLossAndLayer) {
  constexpr double eps = 1e-5;
  double worst = 0;
  const LossCase cases[] = {
      {Loss::ce_on_logits}, {Loss::ce_on_probs}, {Loss::mse}, {Loss::ce_on_logits, true}, {Loss::ce_on_probs, true}};
  for (const auto& [loss, soft] : cases) {
    for (const double dropout : {0.0, 0.4}) {
      for (const std::int32_t rows : {9, 40}) {
        MemberSpec spec = member({3, 11, 6, 17, 4}, rows);
        spec.loss = loss;
        spec.dropout = dropout;
        spec.batch_size = rows;
        MlpSet<double> set(rows, 3, 4);
        if (soft) set.soften();
        const NaiveData data = set.naive();
        const Doubles start = fresh_parameters(spec);
        const SimdLevel level = simd_levels().back();
        const auto loss_at = [&](const Doubles& p) { return run_epoch<double>(level, spec, set.view(), p).losses[0]; };
        spec.lr = -1;  // new - old is the gradient
        const auto moved = run_epoch<double>(level, spec, set.view(), start);
        std::size_t begin = 0;
        std::uint64_t draw = 0;
        for (std::size_t l = 0; l + 1 < spec.sizes.size(); ++l) {
          const std::size_t end = begin + static_cast<std::size_t>((spec.sizes[l] + 1) * spec.sizes[l + 1]);
          double norm = 0;
          for (std::size_t i = begin; i < end; ++i) norm += std::pow(moved.parameters[i] - start[i], 2);
          const double scale = std::sqrt(norm / static_cast<double>(end - begin));
          ASSERT_GT(scale, 0);
          for (int direction = 0, tries = 0; direction < 8 && tries < 200; ++tries) {
            Doubles up = start, down = start;
            double slope = 0;
            for (std::size_t i = begin; i < end; ++i) {
              const double u = random_uniform(21, draw++) < 0.5 ? -1 : 1;
              up[i] += eps * u;
              down[i] -= eps * u;
              slope += (moved.parameters[i] - start[i]) * u;
            }
            if (active_units(NaiveMlp(spec, up), data, spec) != active_units(NaiveMlp(spec, down), data, spec))
              continue;
            const double difference = (loss_at(up) - loss_at(down)) / (2 * eps);
            const double error = std::fabs(difference - slope) / (scale * std::sqrt(static_cast<double>(end - begin)));
            EXPECT_LT(error, 1e-7) << "loss " << static_cast<int>(loss) << " layer " << l << " dropout " << dropout;
            worst = std::max(worst, error);
            ++direction;
          }
          begin = end;
        }
      }
    }
  }
  RecordProperty("worst_relative_error", format_exact(worst));
  EXPECT_GT(worst, 0);
}

/// A buffer with 4 KiB of a fixed pattern on both sides, filled with NaN.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::int64_t n) : n_(static_cast<std::size_t>(n)), all_(n_ + 2 * kGuard) {
    for (T& x : all_.span()) x = T(-77);
    for (std::size_t i = 0; i < n_; ++i) data()[i] = std::numeric_limits<T>::quiet_NaN();
  }
  T* data() { return all_.data() + kGuard; }
  std::size_t size() const { return n_; }
  bool intact() const {
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (all_[i] != T(-77) || all_[kGuard + n_ + i] != T(-77)) return false;
    }
    return true;
  }
  bool complete() {
    for (std::size_t i = 0; i < n_; ++i) {
      if (std::isnan(data()[i])) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kGuard = 4096 / sizeof(T);
  std::size_t n_;
  Buffer<T> all_;
};

template <class T>
void stays_inside(SimdLevel level, const std::vector<std::int32_t>& sizes, std::int32_t rows, Loss loss) {
  SCOPED_TRACE(shape_name(sizes) + " rows " + std::to_string(rows) + " " + std::string(to_string(level)));
  const MlpShape shape(sizes);
  const MlpPlan& plan = shape.plan();
  const MlpOps<T>& ops = mlp_ops<T>(level);
  Guarded<T> features(std::int64_t{rows} * sizes.front()), targets(std::int64_t{rows} * sizes.back());
  Guarded<T> parameters(plan.parameters), moment1(plan.parameters), moment2(plan.parameters), scratch(plan.scratch);
  Guarded<T> logits(std::int64_t{rows} * sizes.back()), penultimate(std::int64_t{rows} * sizes[sizes.size() - 2]);
  Guarded<T> scores(rows), probabilities(std::int64_t{rows} * sizes.back());
  const MlpSet<T> set(rows, sizes.front(), sizes.back());
  std::copy(set.features.begin(), set.features.end(), features.data());
  std::copy(set.targets.begin(), set.targets.end(), targets.data());
  shape.initialise(3, parameters.data());
  std::fill(moment1.data(), moment1.data() + moment1.size(), T(0));
  std::fill(moment2.data(), moment2.data() + moment2.size(), T(0));
  const MlpRows<T> data{features.data(), set.labels.data(), targets.data(), nullptr, rows};
  const T adam[] = {T(0.01), T(1), T(0.01), T(1), T(0.01), T(1), T(0.01), T(1)};
  for (const Optimizer optimizer : {Optimizer::sgd, Optimizer::adam}) {
    MlpEpoch<T> epoch;
    epoch.plan = &plan;
    epoch.data = data;
    epoch.loss = loss;
    epoch.optimizer = optimizer;
    epoch.batch_size = (rows + 2) / 3;
    epoch.lr = T(0.01);
    epoch.epsilon = T(1e-8);
    epoch.adam_steps = adam;
    epoch.dropout = mlp_dropout(0.2, 5);
    epoch.parameters = parameters.data();
    epoch.moment1 = moment1.data();
    epoch.moment2 = moment2.data();
    epoch.scratch = scratch.data();
    ops.train_epoch(epoch);
    EXPECT_TRUE(epoch.finite);
  }
  MlpEvaluation<T> evaluation;
  evaluation.plan = &plan;
  evaluation.data = data;
  evaluation.loss = loss;
  evaluation.parameters = parameters.data();
  evaluation.scratch = scratch.data();
  ops.evaluate(evaluation);
  EXPECT_TRUE(std::isfinite(evaluation.mean_loss));
  ops.predict({&plan, data, parameters.data(), scratch.data(), logits.data(), penultimate.data()});
  ops.bald({&plan, data, parameters.data(), mlp_dropout(0.2, 6), 3, scratch.data(), scores.data()});
  Guarded<T> softmax_scratch(2 * 32 * ((sizes.back() + 15) / 16 * 16));
  ops.softmax({logits.data(), probabilities.data(), rows, sizes.back(), softmax_scratch.data()});
  EXPECT_TRUE(parameters.complete());
  EXPECT_TRUE(logits.complete());
  EXPECT_TRUE(penultimate.complete());
  EXPECT_TRUE(scores.complete());
  EXPECT_TRUE(probabilities.complete());
  for (const Guarded<T>* buffer : {&features, &targets, &parameters, &moment1, &moment2, &scratch, &logits,
                                   &penultimate, &scores, &probabilities, &softmax_scratch}) {
    EXPECT_TRUE(buffer->intact());
  }
}

TEST(MlpOps, WriteAllOfTheirOutputsAndNothingElse) {
  for (const SimdLevel level : simd_levels()) {
    for (const std::int32_t rows : {1, 31, 33, 100}) {
      stays_inside<float>(level, {1, 1, 1}, rows, Loss::mse);
      stays_inside<float>(level, {5, 17, 3}, rows, Loss::ce_on_probs);
      stays_inside<float>(level, {33, 2, 95, 17}, rows, Loss::ce_on_logits);
      stays_inside<double>(level, {16, 31, 16}, rows, Loss::mse);
      stays_inside<double>(level, {7, 4}, rows, Loss::ce_on_probs);
    }
  }
}

TEST(MlpOps, TheGuardSeesAWriteBeside) {
  Guarded<float> buffer(8);
  EXPECT_TRUE(buffer.intact());
  EXPECT_FALSE(buffer.complete());
  buffer.data()[8] = 0;
  EXPECT_FALSE(buffer.intact());
}

}  // namespace
}  // namespace quarry::testing
