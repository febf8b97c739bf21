// SPDX-License-Identifier: MIT
// Trained residual networks at work: forward pass and BALD.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/ops/conv_dropout.h"
#include "src/nn/conv_engine.h"
#include "src/nn/image_batch.h"
#include "tests/support/conv_cases.h"

namespace quarry::testing {
namespace {

constexpr std::int32_t kClasses = 4;

struct Trained {
  ImageDataset data = striped_set(8, kClasses, 60, 70);
  TrainedConvNet network;

  explicit Trained(double dropout) {
    ConvMemberSpec spec = small_member(data, 40, 0);
    spec.network.dropout = dropout;
    spec.schedule = LrSchedule::constant;
    spec.epochs = 8;
    Context context({}, 1);
    ConvMemberResult result = train_conv_fleet(context, data, std::vector{spec}).front();
    network = {spec.network, std::move(result.parameters), std::move(result.buffers)};
  }
};

/// Logits of test rows by the reference engine, a row at a time; factors of dropout or null.
std::vector<float> reference_logits(const Trained& t, std::int32_t row, const float* factors, float* features) {
  const auto engine = make_reference_engine<float>(plan_resnet(t.network.spec));
  engine->load(t.network.parameters.data(), t.network.buffers.data());
  ImageReader(t.data).read(t.data.test, row, AugmentDraw{}, engine->images(1));
  std::vector<float> logits(kClasses);
  engine->evaluate(1, factors, logits.data(), features);
  return logits;
}

std::vector<double> softmax(const std::vector<float>& logits) {
  std::vector<double> p;
  double sum = 0;
  for (const float z : logits) sum += p.emplace_back(std::exp(static_cast<double>(z)));
  for (double& value : p) value /= sum;
  return p;
}

double entropy(const std::vector<double>& p) {
  double h = 0;
  for (const double value : p) h -= value > 0 ? value * std::log(value) : 0;
  return h;
}

TEST(ConvForward, AgreesWithTheReferenceRowByRow) {
  const Trained t(0.2);  // dropout is for training and BALD: not here
  Context one({}, 1), three({}, 3);
  std::vector<float> logits(70 * kClasses), features(70 * 64), other(logits.size());
  conv_forward(one, t.network, t.data, t.data.test, {}, logits.data(), features.data());
  conv_forward(three, t.network, t.data, t.data.test, {}, other.data(), nullptr);
  EXPECT_EQ(logits, other);
  for (const std::int32_t row : {0, 31, 32, 69}) {
    float phi[64];
    const std::vector<float> expected = reference_logits(t, row, nullptr, phi);
    for (int c = 0; c < kClasses; ++c) {
      EXPECT_NEAR(logits[static_cast<std::size_t>(row * kClasses + c)], expected[static_cast<std::size_t>(c)], 1e-4);
    }
    for (int f = 0; f < 64; ++f) {
      EXPECT_NEAR(features[static_cast<std::size_t>(row * 64 + f)], phi[f], 1e-4 * (1 + std::fabs(phi[f])));
      EXPECT_GE(features[static_cast<std::size_t>(row * 64 + f)], 0.0f);
    }
  }
  // any selection of rows, in any order
  const std::vector<std::int32_t> rows = {69, 3, 3, 40};
  std::vector<float> some(rows.size() * kClasses);
  conv_forward(three, t.network, t.data, t.data.test, rows, some.data(), nullptr);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t c = 0; c < kClasses; ++c) {
      EXPECT_EQ(some[i * kClasses + c], logits[static_cast<std::size_t>(rows[i]) * kClasses + c]);
    }
  }
}

TEST(ConvForward, RefusesWhatDoesNotFit) {
  Trained t(0);
  Context context({}, 1);
  std::vector<float> out(70 * kClasses);
  const std::vector<std::int32_t> outside = {70};
  EXPECT_THROW(conv_forward(context, t.network, t.data, t.data.test, outside, out.data(), nullptr), Error);
  EXPECT_THROW(conv_bald(context, t.network, t.data, t.data.test, {}, 0, 1, out.data()), Error);
  t.network.parameters.pop_back();
  EXPECT_THROW(conv_forward(context, t.network, t.data, t.data.test, {}, out.data(), nullptr), Error);
}

TEST(ConvBald, IsTheMutualInformationOfItsPasses) {
  const Trained t(0.3);
  constexpr int kPasses = 5;
  Context context({}, 2);
  std::vector<float> scores(70);
  conv_bald(context, t.network, t.data, t.data.test, {}, kPasses, 55, scores.data());

  const ResNetPlan plan = plan_resnet(t.network.spec);
  const DropoutSites sites = dropout_sites(plan);
  for (const std::int32_t row : {0, 33, 69}) {
    std::vector<double> mean(kClasses, 0.0);
    double entropies = 0;
    for (std::uint32_t pass = 0; pass < kPasses; ++pass) {
      std::vector<float> factors;
      for (std::size_t site = 0; site < sites.layers.size(); ++site) {
        const auto channels = plan.layers[static_cast<std::size_t>(sites.layers[site])].out_channels;
        for (std::int32_t c = 0; c < channels; ++c) {
          const PhiloxBlock block =
              philox(philox_key(55), static_cast<std::uint32_t>(c / 4), 0, pass, static_cast<std::uint32_t>(site));
          factors.push_back(block.word[c % 4] / 4294967296.0 >= 0.3 ? 1 / 0.7f : 0.0f);
        }
      }
      const std::vector<double> p = softmax(reference_logits(t, row, factors.data(), nullptr));
      for (std::size_t c = 0; c < kClasses; ++c) mean[c] += p[c] / kPasses;
      entropies += entropy(p) / kPasses;
    }
    EXPECT_GT(entropy(mean) - entropies, 1e-3);
    EXPECT_NEAR(scores[static_cast<std::size_t>(row)], entropy(mean) - entropies, 1e-5) << row;
  }
}

TEST(ConvBald, ScoreOfAnImageDependsOnNothingElse) {
  const Trained t(0.3);
  Context one({}, 1), three({}, 3);
  std::vector<float> all(70), again(70), other_key(70);
  conv_bald(one, t.network, t.data, t.data.test, {}, 4, 55, all.data());
  conv_bald(three, t.network, t.data, t.data.test, {}, 4, 55, again.data());
  EXPECT_EQ(all, again);
  conv_bald(three, t.network, t.data, t.data.test, {}, 4, 56, other_key.data());
  EXPECT_NE(all, other_key);
  const std::vector<std::int32_t> rows = {64, 2, 33};
  std::vector<float> some(rows.size());
  conv_bald(three, t.network, t.data, t.data.test, rows, 4, 55, some.data());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(some[i], all[static_cast<std::size_t>(rows[i])]);
}

TEST(ConvBald, IsZeroWithoutDropout) {
  const Trained t(0);
  Context context({}, 1);
  std::vector<float> scores(70, 1.0f);
  conv_bald(context, t.network, t.data, t.data.test, {}, 3, 55, scores.data());
  for (const float score : scores) EXPECT_NEAR(score, 0.0f, 1e-6f);
}

}  // namespace
}  // namespace quarry::testing
