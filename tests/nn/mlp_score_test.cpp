// SPDX-License-Identifier: MIT
// Trained networks at work: forward pass, BALD and softmax against plain loops, and what the results may depend on.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>

#include "quarry/core/error.h"
#include "tests/support/mlp_cases.h"

namespace quarry::testing {
namespace {

std::unique_ptr<Context> context_at(SimdLevel level, int workers = 1) {
  setenv("QUARRY_SIMD", std::string(to_string(level)).c_str(), 1);
  auto context = std::make_unique<Context>(Device{}, workers);
  unsetenv("QUARRY_SIMD");
  return context;
}

template <class T>
TrainedMlp<T> network(std::vector<std::int32_t> sizes, double dropout) {
  const MemberSpec spec = member(sizes, 1);
  const Doubles p = fresh_parameters(spec);
  TrainedMlp<T> net;
  net.sizes = std::move(sizes);
  for (const double x : p) net.parameters.push_back(static_cast<T>(2 * x));
  net.dropout = dropout;
  return net;
}

template <class T>
NaiveMlp naive_of(const TrainedMlp<T>& net, MemberSpec& spec) {
  spec = member(net.sizes, 1);
  spec.dropout = net.dropout;
  return NaiveMlp(spec, Doubles(net.parameters.begin(), net.parameters.end()));
}

const std::vector<std::vector<std::int32_t>>& shapes() {
  static const std::vector<std::vector<std::int32_t>> all = {{3, 4},          {2, 16, 2}, {3, 17, 33, 3},
                                                             {60, 48, 48, 2}, {5, 1, 1},  {4, 95, 2, 16, 5}};
  return all;
}

TEST(MlpForward, AgreesWithPlainLoops) {
  Context context({}, 2);
  for (const auto& sizes : shapes()) {
    SCOPED_TRACE(shape_name(sizes));
    const MlpSet<double> set(301, sizes.front(), sizes.back());
    const NaiveData data = set.naive();
    const TrainedMlp<double> net = network<double>(sizes, 0.3);
    MemberSpec spec;
    const NaiveMlp naive = naive_of(net, spec);
    const auto width = static_cast<std::size_t>(penultimate_width(sizes)),
               classes = static_cast<std::size_t>(sizes.back());
    std::vector<double> logits(301 * classes), penultimate(301 * width), again(301 * classes);
    mlp_forward(context, net, set.view().features, {}, logits.data(), penultimate.data());
    for (std::size_t r = 0; r < 301; ++r) {
      const auto a = naive.forward(data.x[r], 0, -1, 0);
      for (std::size_t c = 0; c < classes; ++c) ASSERT_NEAR(logits[r * classes + c], a.back()[c], 1e-12);
      for (std::size_t c = 0; c < width; ++c) ASSERT_NEAR(penultimate[r * width + c], a[a.size() - 2][c], 1e-12);
    }
    mlp_forward(context, net, set.view().features, {}, again.data(), static_cast<double*>(nullptr));
    EXPECT_EQ(again, logits);
    const std::vector<std::int32_t> rows = {300, 7, 7, 0};  // any rows in any order
    std::vector<double> some(rows.size() * classes);
    mlp_forward(context, net, set.view().features, rows, some.data(), static_cast<double*>(nullptr));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t c = 0; c < classes; ++c) {
        EXPECT_EQ(some[i * classes + c], logits[static_cast<std::size_t>(rows[i]) * classes + c]);
      }
    }
  }
}

Doubles naive_bald(const NaiveMlp& naive, const NaiveData& data, std::int32_t passes, std::uint64_t key) {
  const auto entropy = [](const Doubles& p) {
    double h = 0;
    for (const double x : p) h -= x * std::log(x + std::numeric_limits<double>::min());
    return h;
  };
  Doubles scores;
  for (std::size_t r = 0; r < data.x.size(); ++r) {
    Doubles mean(data.target[r].size(), 0);
    double within = 0;
    for (std::int32_t t = 0; t < passes; ++t) {
      const Doubles p = naive_softmax(naive.forward(data.x[r], static_cast<std::uint32_t>(r), t, key).back());
      for (std::size_t c = 0; c < p.size(); ++c) mean[c] += p[c] / passes;
      within += entropy(p) / passes;
    }
    scores.push_back(entropy(mean) - within);
  }
  return scores;
}

TEST(MlpBald, AgreesWithPlainLoops) {
  Context context({}, 2);
  for (const auto& sizes : shapes()) {
    SCOPED_TRACE(shape_name(sizes));
    const MlpSet<double> set(70, sizes.front(), sizes.back());
    const TrainedMlp<double> net = network<double>(sizes, 0.3);
    MemberSpec spec;
    const Doubles expected = naive_bald(naive_of(net, spec), set.naive(), 9, 77);
    Doubles scores(70);
    mlp_bald(context, net, set.view().features, {}, 9, 77, scores.data());
    double largest = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      EXPECT_NEAR(scores[i], expected[i], 1e-12);
      largest = std::max(largest, scores[i]);
    }
    if (sizes.size() > 2 && sizes.back() > 1) {
      EXPECT_GT(largest, 1e-3);
    } else {
      EXPECT_LT(largest, 1e-12);  // no dropout layer, or one class: nothing to disagree about
    }
  }
}

TEST(MlpBald, WithoutEpsilonAProbabilityOfZeroIsNaN) {
  Context context({}, 1);
  const std::vector<std::int32_t> sizes = {3, 8, 2};
  const MlpSet<float> set(40, 3, 2);
  TrainedMlp<float> net = network<float>(sizes, 0.3);
  const auto scores = [&](bool log_epsilon) {
    std::vector<float> result(40);
    mlp_bald(context, net, set.view().features, {}, 9, 77, result.data(), log_epsilon);
    return result;
  };
  EXPECT_EQ(scores(true), scores(false)) << "no probability is near 0: epsilon is below rounding";
  for (float& p : net.parameters) p *= 40;
  const std::vector<float> guarded = scores(true), unguarded = scores(false);
  int undefined = 0;
  for (std::size_t i = 0; i < guarded.size(); ++i) {
    EXPECT_TRUE(std::isfinite(guarded[i]));
    undefined += std::isnan(unguarded[i]);
  }
  EXPECT_GT(undefined, 0);
}

template <class T>
class MlpScoreTest : public ::testing::Test {};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(MlpScoreTest, Reals);

TYPED_TEST(MlpScoreTest, ScoresDependOnTheRowAloneNotOnLevelWorkersOrOtherRows) {
  using T = TypeParam;
  for (const auto& sizes : shapes()) {
    SCOPED_TRACE(shape_name(sizes));
    const MlpSet<T> set(333, sizes.front(), sizes.back());
    const TrainedMlp<T> net = network<T>(sizes, 0.25);
    const auto classes = static_cast<std::size_t>(sizes.back());
    const auto portable = context_at(SimdLevel::portable);
    std::vector<T> expected(333), logits(333 * classes), softmax(333 * classes);
    mlp_bald(*portable, net, set.view().features, {}, 5, 3, expected.data());
    mlp_forward(*portable, net, set.view().features, {}, logits.data(), static_cast<T*>(nullptr));
    const MatrixView<const T> view = matrix<const T>(logits.data(), 333, sizes.back());
    softmax_rows(*portable, view, softmax.data());
    for (const SimdLevel level : simd_levels()) {
      for (const int workers : {1, 2, 4}) {
        const auto context = context_at(level, workers);
        std::vector<T> got(333), got_logits(333 * classes), got_softmax(333 * classes);
        mlp_bald(*context, net, set.view().features, {}, 5, 3, got.data());
        mlp_forward(*context, net, set.view().features, {}, got_logits.data(), static_cast<T*>(nullptr));
        softmax_rows(*context, view, got_softmax.data());
        EXPECT_EQ(got, expected) << to_string(level) << " workers " << workers;
        EXPECT_EQ(got_logits, logits) << to_string(level) << " workers " << workers;
        EXPECT_EQ(got_softmax, softmax) << to_string(level) << " workers " << workers;
        std::vector<std::int32_t> rows;
        for (std::int32_t r = 332; r >= 0; r -= 3) rows.push_back(r);
        std::vector<T> some(rows.size());
        mlp_bald(*context, net, set.view().features, rows, 5, 3, some.data());
        for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(some[i], expected[static_cast<std::size_t>(rows[i])]);
      }
    }
  }
}

TYPED_TEST(MlpScoreTest, SoftmaxOfAwkwardLogits) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  const T inf = Limits::infinity(), nan = Limits::quiet_NaN();
  std::vector<T> x = {0, 0, 0, T(1e4), T(-1e4), 0, -inf, 0, -inf, inf, 0, 0, nan, 1, 2, 1, 2, 3};
  for (const SimdLevel level : simd_levels()) {
    const auto context = context_at(level);
    std::vector<T> p = x;
    softmax_rows(*context, matrix<const T>(p.data(), 6, 3), p.data());  // in place
    for (int c = 0; c < 3; ++c) EXPECT_EQ(p[static_cast<std::size_t>(c)], T(1) / T(3));
    EXPECT_EQ(std::vector<T>(p.begin() + 3, p.begin() + 6), (std::vector<T>{1, 0, 0}));
    EXPECT_EQ(std::vector<T>(p.begin() + 6, p.begin() + 9), (std::vector<T>{0, 1, 0}));
    for (int i = 9; i < 15; ++i) EXPECT_TRUE(i == 10 || i == 11 || std::isnan(p[static_cast<std::size_t>(i)])) << i;
    EXPECT_NEAR(p[15] + p[16] + p[17], T(1), 4 * Limits::epsilon());
    const Doubles expected = naive_softmax({1, 2, 3});
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(p[15 + c], expected[c], 4 * Limits::epsilon());
  }
}

TEST(MlpScore, BadRequestsAreErrors) {
  Context context({}, 1);
  const MlpSet<float> set(10, 3, 2);
  TrainedMlp<float> net = network<float>({3, 4, 2}, 0.5);
  std::vector<float> out(20);
  const std::vector<std::int32_t> bad = {10};
  EXPECT_THROW(mlp_bald(context, net, set.view().features, {}, 0, 1, out.data()), Error);
  EXPECT_THROW(mlp_bald(context, net, set.view().features, bad, 1, 1, out.data()), Error);
  net.dropout = 1;
  EXPECT_THROW(mlp_bald(context, net, set.view().features, {}, 1, 1, out.data()), Error);
  net.parameters.pop_back();
  EXPECT_THROW(mlp_forward(context, net, set.view().features, {}, out.data(), out.data()), Error);
  const TrainedMlp<float> wide = network<float>({4, 2}, 0);
  EXPECT_THROW(mlp_forward(context, wide, set.view().features, {}, out.data(), out.data()), Error);
}

}  // namespace
}  // namespace quarry::testing
