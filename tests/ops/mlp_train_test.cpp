// SPDX-License-Identifier: MIT
// The MLP training op against plain double loops, exact integers and finite differences.
#include <gtest/gtest.h>

#include <bit>

#include "tests/support/mlp_cases.h"

namespace quarry::testing {
namespace {

struct Case {
  std::vector<std::int32_t> sizes;
  std::int32_t rows, batch;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {{2, 16, 2}, 64, 32},     {{3, 7, 5, 3}, 33, 32},    {{1, 1, 1}, 5, 1},      {{4, 3}, 40, 32},
      {{5, 1, 17, 2}, 31, 5},   {{33, 31, 15, 4}, 70, 70}, {{16, 16, 16}, 64, 64}, {{60, 48, 48, 48, 2}, 45, 32},
      {{17, 95, 2, 3}, 70, 33}, {{2, 96, 96, 2}, 32, 32},
  };
  return all;
}

/// Every loss, optimizer and dropout once or more over the shapes.
std::vector<MemberSpec> specs() {
  std::vector<MemberSpec> all;
  int i = 0;
  for (const Case& c : cases()) {
    for (const Loss loss : {Loss::ce_on_logits, Loss::ce_on_probs, Loss::mse}) {
      MemberSpec spec = member(c.sizes, c.rows);
      spec.loss = loss;
      spec.batch_size = c.batch;
      spec.weight_decay = i % 2 == 0 ? 0.01 : 0;
      spec.momentum = i % 3 == 1 ? 0.9 : 0;
      if (i % 4 == 3) spec.optimizer = Optimizer::adam, spec.momentum = 0, spec.lr = 0.01;
      if (i % 5 > 2) spec.dropout = 0.3;
      all.push_back(spec);
      ++i;
    }
  }
  return all;
}

std::string describe(const MemberSpec& spec) {
  return shape_name(spec.sizes) + " loss " + std::to_string(static_cast<int>(spec.loss)) + " optimizer " +
         std::to_string(static_cast<int>(spec.optimizer)) + " batch " + std::to_string(spec.batch_size) + " dropout " +
         std::to_string(spec.dropout);
}

TEST(MlpTrain, DoubleAgreesWithPlainLoops) {
  for (const MemberSpec& spec : specs()) {
    for (const bool soft : {false, true}) {
      MlpSet<double> set(spec.train.back() + 1, spec.sizes.front(), spec.sizes.back());
      if (soft) set.soften();
      const NaiveData data = set.naive();
      const std::vector<double> start = fresh_parameters(spec);
      NaiveMlp naive(spec, start);
      std::vector<double> losses;
      for (std::size_t at = 0; at < spec.train.size(); at += static_cast<std::size_t>(spec.batch_size)) {
        const std::size_t end = std::min(spec.train.size(), at + static_cast<std::size_t>(spec.batch_size));
        const std::vector<std::int32_t> rows(spec.train.begin() + static_cast<std::ptrdiff_t>(at),
                                             spec.train.begin() + static_cast<std::ptrdiff_t>(end));
        Doubles gradient(start.size(), 0);
        losses.push_back(naive.batch(data, rows, 7 + static_cast<std::int64_t>(losses.size()), &gradient));
        naive.update(gradient);
      }
      for (const SimdLevel level : simd_levels()) {
        SCOPED_TRACE(describe(spec) + " " + std::string(to_string(level)));
        const EpochResult<double> got = run_epoch<double>(level, spec, set.view(), start, 7);
        ASSERT_EQ(got.losses.size(), losses.size());
        EXPECT_TRUE(got.finite);
        for (std::size_t s = 0; s < losses.size(); ++s) EXPECT_NEAR(got.losses[s], losses[s], 1e-12);
        for (std::size_t i = 0; i < start.size(); ++i) {
          ASSERT_NEAR(got.parameters[i], naive.p[i], 1e-11 + 1e-9 * (spec.optimizer == Optimizer::adam)) << i;
        }
      }
    }
  }
}

TEST(MlpTrain, EveryLevelGivesTheSameBits) {
  const auto compare = [](auto zero) {
    using T = decltype(zero);
    for (const MemberSpec& spec : specs()) {
      for (const bool soft : {false, true}) {
        MlpSet<T> set(spec.train.back() + 1, spec.sizes.front(), spec.sizes.back());
        if (soft) set.soften();
        const std::vector<double> start = fresh_parameters(spec);
        const auto expected = run_epoch<T>(SimdLevel::portable, spec, set.view(), start);
        for (const SimdLevel level : simd_levels()) {
          const auto got = run_epoch<T>(level, spec, set.view(), start);
          EXPECT_EQ(got.parameters, expected.parameters) << describe(spec) << " " << to_string(level);
          EXPECT_EQ(got.losses, expected.losses) << describe(spec) << " " << to_string(level);
        }
      }
    }
  };
  compare(0.0f);
  compare(0.0);
}

}  // namespace
}  // namespace quarry::testing
