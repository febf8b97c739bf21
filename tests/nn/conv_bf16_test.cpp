// SPDX-License-Identifier: MIT
// Training in bf16 on the CPU: against the reference engine in double, which rounds the same numbers one at a time;
// against double without rounding, within what the rounding can do; bits that depend on the member alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "quarry/core/error.h"
#include "src/nn/conv_engine.h"
#include "tests/support/conv_cases.h"

namespace quarry {
namespace {

constexpr double kSpacing = 0x1p-7;  ///< between Bfloat16 numbers, relative: rounding is off by half of it at most

bool runs_here() {
  try {
    check_conv_precision(ConvPrecision::bf16);
    return true;
  } catch (const Error&) {
    return false;
  }
}

#define SKIP_WITHOUT_BF16() \
  if (!runs_here()) GTEST_SKIP() << "this build or CPU does not train in bf16"

/// What a training step says about each layer.
struct Outcome {
  std::vector<double> losses, buffers, gradient, logits;
};

class Problem {
 public:
  explicit Problem(ResNetKind kind, float shift = 0)
      : data_(testing::striped_set(16, 4, kRows, 1)), plan_(plan_resnet({kind, data_.shape, 4, 0})) {
    parameters_ = initial_parameters(plan_, 3);
    for (const ConvLayer& l : plan_.layers) std::fill_n(parameters_.begin() + l.beta, l.out_channels, shift);
  }

  const ResNetPlan& plan() const { return plan_; }

  template <class T>
  Outcome run(ConvEngine<T>& engine) const {
    const std::vector<T> parameters(parameters_.begin(), parameters_.end());
    const std::vector<float> start = initial_buffers(plan_);
    std::vector<T> buffers(start.begin(), start.end()), gradient(parameters.size()), out(parameters.size());
    std::vector<T> logits(static_cast<std::size_t>(kRows * plan_.spec.classes));
    Outcome outcome;
    outcome.losses.resize(kRows);
    engine.load(parameters.data(), buffers.data());
    put_images(engine);
    engine.train(kRows, data_.train.labels.data(), nullptr, outcome.losses.data());
    engine.gradients(gradient.data());
    engine.store(out.data(), buffers.data());
    put_images(engine);
    engine.evaluate(kRows, nullptr, logits.data(), nullptr);
    outcome.buffers.assign(buffers.begin(), buffers.end());
    outcome.gradient.assign(gradient.begin(), gradient.end());
    outcome.logits.assign(logits.begin(), logits.end());
    return outcome;
  }
  Outcome fast() const { return run(*make_conv_engine(plan_, ConvPrecision::bf16)); }
  Outcome reference(ConvPrecision precision) const { return run(*make_reference_engine<double>(plan_, precision)); }

 private:
  static constexpr std::int32_t kRows = 32;

  template <class T>
  void put_images(ConvEngine<T>& engine) const {
    T* const images = engine.images(kRows);
    for (std::size_t i = 0; i < data_.train.pixels.size(); ++i)
      images[i] = static_cast<T>(static_cast<float>(data_.train.pixels[i]) / 64.0f - 1.7f);
  }

  ImageDataset data_;
  ResNetPlan plan_;
  std::vector<float> parameters_;
};

/// Largest difference of a layer's batch means, in standard deviations of the channel, and of its batch variances,
/// relative. Running statistics are 0 + mean / 10 and 0.9 + variance / 10 after one step.
double statistics_apart(const ConvLayer& l, const Outcome& a, const Outcome& b) {
  double apart = 0;
  for (std::int64_t c = 0; c < l.out_channels; ++c) {
    const auto mean = static_cast<std::size_t>(l.mean + c), variance = static_cast<std::size_t>(l.variance + c);
    const double spread = (b.buffers[variance] - 0.9) * 10;
    apart = std::max(apart, std::fabs(a.buffers[mean] - b.buffers[mean]) * 10 / std::sqrt(spread));
    apart = std::max(apart, std::fabs(a.buffers[variance] - b.buffers[variance]) * 10 / spread);
  }
  return apart;
}

double apart(const std::vector<double>& a, const std::vector<double>& b, std::int64_t first, std::int64_t count) {
  double difference = 0, norm = 0;
  for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference / norm);
}

/// Two engines round the same number to neighbours when it lies closer to a tie than they are apart: numbers that are
/// e apart (relative) do so at a rate of e / kSpacing, and are kSpacing apart then. The root of the mean square behind
/// the rounding is sqrt(e kSpacing), which tends to kSpacing with the depth. Float sums alone: 1e-5, the stem's.
double tolerance_at(std::int32_t depth) {
  double e = 1e-5;
  for (std::int32_t d = 0; d < depth; ++d) e = std::sqrt(e * kSpacing);
  return e;
}

TEST(ConvBf16, EachLayerIsTheReferencesWithRoundedInputsAndWeights) {
  SKIP_WITHOUT_BF16();
  const Problem problem(ResNetKind::resnet8);
  const Outcome fast = problem.fast(), rounded = problem.reference(ConvPrecision::bf16),
                exact = problem.reference(ConvPrecision::fp32);
  for (std::size_t i = 0; i < problem.plan().layers.size(); ++i) {
    const ConvLayer& l = problem.plan().layers[i];
    const double difference = statistics_apart(l, fast, rounded);
    EXPECT_LT(difference, tolerance_at(static_cast<std::int32_t>(i))) << l.name;
    // The check can tell: numbers that are not rounded, or otherwise, give other statistics.
    EXPECT_LT(2 * difference, statistics_apart(l, fast, exact)) << l.name;
  }
}

/// With normalised maps around 4 no unit of the network is at the kink of its ReLU, where roundings would switch it.
TEST(ConvBf16, GradientsAreTheReferences) {
  SKIP_WITHOUT_BF16();
  const Problem problem(ResNetKind::resnet8, 4);
  const Outcome fast = problem.fast(), rounded = problem.reference(ConvPrecision::bf16),
                exact = problem.reference(ConvPrecision::fp32);
  // Maps of size 4 to 8 and deviation 1: neighbours are 4 kSpacing apart, two engines' roundings at most that. Slopes
  // and maps of a layer pass no more than 18 roundings (9 layers there and back), independent of one another.
  const double tolerance = 4 * kSpacing / std::sqrt(6.0) * std::sqrt(18.0);
  for (const ConvLayer& l : problem.plan().layers) {
    const std::int64_t n = l.gamma - l.weight;
    const double difference = apart(fast.gradient, rounded.gradient, l.weight, n);
    EXPECT_LT(difference, tolerance) << l.name;
    EXPECT_LT(2 * difference, apart(fast.gradient, exact.gradient, l.weight, n)) << l.name << ": the check can tell";
    EXPECT_LT(apart(fast.gradient, rounded.gradient, l.gamma, l.out_channels), tolerance) << l.norm;
    EXPECT_LT(apart(fast.gradient, rounded.gradient, l.beta, l.out_channels), tolerance) << l.norm;
  }
  const ResNetPlan& plan = problem.plan();
  EXPECT_LT(apart(fast.gradient, rounded.gradient, plan.linear_weight, plan.n_parameters - plan.linear_weight),
            tolerance);
}

TEST(ConvBf16, LossesAreThoseOfExactNumbersWithinTheRounding) {
  SKIP_WITHOUT_BF16();
  for (const ResNetKind kind : {ResNetKind::resnet8, ResNetKind::resnet14}) {
    const Problem problem(kind);
    const Outcome fast = problem.fast(), exact = problem.reference(ConvPrecision::fp32);
    double largest = 0;
    for (const double z : exact.logits) largest = std::max(largest, std::fabs(z));
    // Each layer reads maps and weights that are off by kSpacing / 2 each at most; normalisation hands that on as it
    // is. Cross-entropy moves by no more than twice what the logits move by.
    const double bound = 2 * largest * kSpacing * static_cast<double>(problem.plan().layers.size());
    for (std::size_t r = 0; r < fast.losses.size(); ++r) EXPECT_NEAR(fast.losses[r], exact.losses[r], bound) << r;
    EXPECT_NE(fast.losses, exact.losses);
  }
}

std::vector<ConvMemberSpec> members(const ImageDataset& data) {
  std::vector<ConvMemberSpec> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(testing::small_member(data, 40, 8));
    all.back().init_key = static_cast<std::uint64_t>(100 + i);
    all.back().precision = i == 2 ? ConvPrecision::fp32 : ConvPrecision::bf16;
    all.back().batches = BatchRule::keep_last;
  }
  all[4].init_key = all[2].init_key;  // the same network in both precisions
  return all;
}

TEST(ConvBf16, AMemberOfAFleetIsTheMemberAloneInEveryRun) {
  SKIP_WITHOUT_BF16();
  const ImageDataset data = testing::striped_set(16, 4, 64, 8);
  const std::vector<ConvMemberSpec> specs = members(data);
  Context one({}, 1), three({}, 3);
  const std::vector<ConvMemberResult> fleet = train_conv_fleet(three, data, specs),
                                      again = train_conv_fleet(one, data, specs);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const ConvMemberResult alone = train_conv_fleet(one, data, std::span(&specs[i], 1)).at(0);
    for (const ConvMemberResult* other : {&fleet[i], &again[i]}) {
      EXPECT_EQ(alone.parameters, other->parameters) << i;
      EXPECT_EQ(alone.buffers, other->buffers) << i;
      EXPECT_EQ(alone.train_loss, other->train_loss) << i;
      EXPECT_EQ(alone.validation.loss, other->validation.loss) << i;
    }
    EXPECT_FALSE(alone.diverged);
  }
  EXPECT_NE(fleet[2].parameters, fleet[4].parameters) << "fp32 and bf16 are two things";
  EXPECT_NEAR(fleet[2].train_loss, fleet[4].train_loss, 0.2);
}

TEST(ConvBf16, TheEngineSaysItsPrecision) {
  EXPECT_NE(conv_engine_name().find("fp32"), std::string_view::npos);
  EXPECT_EQ(conv_engine_name(), conv_engine_name(ConvPrecision::fp32));
  SKIP_WITHOUT_BF16();
  EXPECT_NE(conv_engine_name(ConvPrecision::bf16).find("bf16"), std::string_view::npos);
}

TEST(ConvBf16, IsRefusedWhereTheCpuHasNoInstructionsForIt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a fresh process: oneDNN looks at the variable once
  const auto refused = [] {
    setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE", 1);
    try {
      check_conv_precision(ConvPrecision::bf16);
    } catch (const Error& error) {
      std::fputs(error.what(), stderr);
      std::_Exit(error.exit_code());
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(refused(), ::testing::ExitedWithCode(2), "use fp32");
}

}  // namespace
}  // namespace quarry
