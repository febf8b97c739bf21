// SPDX-License-Identifier: MIT
// Plans of residual networks: counts of the study's specification, offsets, initial values.
#include "quarry/nn/resnet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"

namespace quarry {
namespace {

TEST(ResNet, CountsOfTheStudy) {
  const ResNetPlan ten = plan_resnet({ResNetKind::resnet18, {3, 32, 32}, 10, 0});
  const ResNetPlan hundred = plan_resnet({ResNetKind::resnet18, {3, 32, 32}, 100, 0});
  EXPECT_EQ(ten.n_parameters, 11173962);
  EXPECT_EQ(hundred.n_parameters, 11220132);
  EXPECT_EQ(ten.layers.size(), 20u);
  EXPECT_EQ(ten.n_buffers, 2 * 4800);
  EXPECT_EQ(ten.features, 512);
  EXPECT_EQ(forward_macs(ten), 555422720);
  EXPECT_EQ(forward_macs(hundred), 555468800);
  EXPECT_EQ(training_macs(ten), 1664498688);
  EXPECT_EQ(ten.layers[0].name, "conv1");
  EXPECT_EQ(ten.layers[7].name, "layer2.0.downsample.0");
  EXPECT_EQ(ten.layers[7].norm, "layer2.0.downsample.1");
  EXPECT_EQ(ten.layers[7].kernel, 1);
  EXPECT_EQ(ten.layers.back().name, "layer4.1.conv2");
  EXPECT_EQ(ten.layers.back().out_height, 4);
  int shortcuts = 0;
  for (const ResNetBlock& block : ten.blocks) shortcuts += block.shortcut >= 0 ? 1 : 0;
  EXPECT_EQ(shortcuts, 3);
}

TEST(ResNet, SmallNetworks) {
  const ResNetPlan small = plan_resnet({ResNetKind::resnet8, {1, 28, 28}, 10, 0.1});
  EXPECT_EQ(small.layers.size(), 1u + 3 * 2 + 2);
  EXPECT_EQ(small.features, 64);
  EXPECT_EQ(small.layers.back().out_height, 7);
  EXPECT_EQ(plan_resnet({ResNetKind::resnet14, {3, 32, 32}, 10, 0}).layers.size(), 1u + 6 * 2 + 2);
  const ResNetPlan odd = plan_resnet({ResNetKind::resnet8, {3, 9, 7}, 2, 0});
  EXPECT_EQ(odd.layers.back().out_height, 3);
  EXPECT_EQ(odd.layers.back().out_width, 2);
  EXPECT_THROW(plan_resnet({ResNetKind::resnet8, {3, 0, 8}, 2, 0}), Error);
  EXPECT_THROW(plan_resnet({ResNetKind::resnet8, {3, 8, 8}, 1, 0}), Error);
  EXPECT_THROW(plan_resnet({ResNetKind::resnet8, {3, 8, 8}, 2, 1.0}), Error);
}

TEST(ResNet, TensorsFollowOneAnother) {
  for (const ResNetKind kind : {ResNetKind::resnet8, ResNetKind::resnet14, ResNetKind::resnet18}) {
    const ResNetPlan plan = plan_resnet({kind, {3, 16, 16}, 7, 0});
    std::int64_t parameters = 0, buffers = 0;
    for (const ConvLayer& l : plan.layers) {
      EXPECT_EQ(l.weight, parameters);
      EXPECT_EQ(l.gamma, l.weight + std::int64_t{l.out_channels} * l.in_channels * l.kernel * l.kernel);
      EXPECT_EQ(l.beta, l.gamma + l.out_channels);
      parameters = l.beta + l.out_channels;
      EXPECT_EQ(l.mean, buffers);
      EXPECT_EQ(l.variance, l.mean + l.out_channels);
      buffers = l.variance + l.out_channels;
    }
    EXPECT_EQ(plan.linear_weight, parameters);
    EXPECT_EQ(plan.linear_bias, parameters + 7 * plan.features);
    EXPECT_EQ(plan.n_parameters, plan.linear_bias + 7);
    EXPECT_EQ(plan.n_buffers, buffers);
  }
}

TEST(ResNet, InitialValues) {
  const ResNetPlan plan = plan_resnet({ResNetKind::resnet14, {3, 16, 16}, 10, 0});
  const std::vector<float> p = initial_parameters(plan, 42);
  ASSERT_EQ(p.size(), static_cast<std::size_t>(plan.n_parameters));
  const auto uniform = [&](std::int64_t first, std::int64_t count, double fan_in, const std::string& what) {
    double sum = 0, squares = 0, largest = 0;
    for (std::int64_t i = first; i < first + count; ++i) {
      const PhiloxBlock block = random_block(42, static_cast<std::uint64_t>(i / 4));
      const double value = (2 * ((block.word[i % 4] + 0.5) / 4294967296.0) - 1) / std::sqrt(fan_in);
      ASSERT_EQ(p[static_cast<std::size_t>(i)], static_cast<float>(value)) << what << " " << i;
      sum += value;
      squares += value * value;
      largest = std::max(largest, std::fabs(value));
    }
    const double n = static_cast<double>(count), bound = 1 / std::sqrt(fan_in);
    EXPECT_LT(std::fabs(sum / n), 5 * bound / std::sqrt(3 * n)) << what;  // five standard errors
    EXPECT_NEAR(squares / n, bound * bound / 3, 5 * bound * bound * std::sqrt(4.0 / 45 / n)) << what;
    EXPECT_LE(largest, bound) << what;
  };
  for (const ConvLayer& l : plan.layers) {
    uniform(l.weight, l.gamma - l.weight, l.in_channels * l.kernel * l.kernel, l.name);
    for (std::int64_t c = 0; c < l.out_channels; ++c) {
      EXPECT_EQ(p[static_cast<std::size_t>(l.gamma + c)], 1.0f);
      EXPECT_EQ(p[static_cast<std::size_t>(l.beta + c)], 0.0f);
    }
  }
  uniform(plan.linear_weight, 10 * plan.features, plan.features, "linear");
  uniform(plan.linear_bias, 10, plan.features, "bias");
  EXPECT_NE(initial_parameters(plan, 43), p);
  const std::vector<float> buffers = initial_buffers(plan);
  for (const ConvLayer& l : plan.layers) {
    for (std::int64_t c = 0; c < l.out_channels; ++c) {
      EXPECT_EQ(buffers[static_cast<std::size_t>(l.mean + c)], 0.0f);
      EXPECT_EQ(buffers[static_cast<std::size_t>(l.variance + c)], 1.0f);
    }
  }
}

}  // namespace
}  // namespace quarry
