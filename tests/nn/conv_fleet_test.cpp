// SPDX-License-Identifier: MIT
// Fleets of residual networks: they learn, and a member is the same bits in any company.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/ops/augment.h"
#include "src/nn/conv_engine.h"
#include "tests/support/conv_cases.h"
#include "tests/support/tiny_images.h"

namespace quarry::testing {
namespace {

void expect_same(const ConvMemberResult& a, const ConvMemberResult& b) {
  EXPECT_EQ(a.parameters, b.parameters);
  EXPECT_EQ(a.buffers, b.buffers);
  EXPECT_EQ(a.validation.loss, b.validation.loss);
  EXPECT_EQ(a.validation.accuracy, b.validation.accuracy);
  EXPECT_EQ(a.train_loss, b.train_loss);
  EXPECT_EQ(a.steps, b.steps);
}

TEST(ConvFleet, LearnsStripes) {
  const ImageDataset data = striped_set(12, 4, 320, 128);
  ConvMemberSpec spec = small_member(data, 256, 64);
  spec.epochs = 8;
  spec.validate_every_epoch = true;
  Context context;
  const ConvMemberResult result = train_conv_fleet(context, data, std::vector{spec}).front();
  EXPECT_EQ(result.steps, 8 * 17);
  EXPECT_EQ(result.epoch_validation.size(), 8u);
  EXPECT_FALSE(result.diverged);
  EXPECT_LT(result.epoch_validation.front().accuracy, 0.9);
  EXPECT_GT(result.validation.accuracy, 0.95);
  EXPECT_LT(result.validation.loss, 0.2);
  EXPECT_LT(result.train_loss, 0.2);

  // the same network on the other part, by conv_forward
  const TrainedConvNet network{spec.network, result.parameters, result.buffers};
  std::vector<float> logits(128 * 4), features(128 * 64);
  conv_forward(context, network, data, data.test, {}, logits.data(), features.data());
  int correct = 0;
  for (std::size_t i = 0; i < 128; ++i) {
    const float* const z = logits.data() + i * 4;
    correct += std::max_element(z, z + 4) - z == data.test.labels[i] ? 1 : 0;
  }
  EXPECT_GT(correct, 121);
}

/// Members that differ in everything a member can differ in.
std::vector<ConvMemberSpec> mixed_members(const ImageDataset& data) {
  std::vector<ConvMemberSpec> members(4, small_member(data, 40, 20));
  members[1].lr = 0.01;
  members[1].init_key = 99;
  members[1].batches = BatchRule::keep_last;  // a batch of 8 at the end
  members[2].network.dropout = 0.2;
  members[2].batches = BatchRule::drop_last;
  members[2].augment_validation = true;
  members[3].train = row_range(10, 70);
  members[3].batches = BatchRule::fill_last;
  members[3].validate_every_epoch = true;
  members[3].augment = false;
  return members;
}

TEST(ConvFleet, MemberIsTheSameInAnyCompany) {
  const ImageDataset data = striped_set(8, 4, 80, 4);
  std::vector<ConvMemberSpec> members = mixed_members(data);
  std::vector<ConvMemberResult> alone;
  Context one({}, 1), three({}, 3);
  for (const ConvMemberSpec& member : members) {
    alone.push_back(train_conv_fleet(one, data, std::span(&member, 1)).front());
  }
  const std::vector<ConvMemberResult> together = train_conv_fleet(three, data, members);
  std::vector<ConvMemberSpec> backwards(members.rbegin(), members.rend());
  const std::vector<ConvMemberResult> reversed = train_conv_fleet(one, data, backwards);
  for (std::size_t i = 0; i < members.size(); ++i) {
    SCOPED_TRACE(i);
    expect_same(alone[i], together[i]);
    expect_same(alone[i], reversed[members.size() - 1 - i]);
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(alone[i].parameters, alone[j].parameters);
  }
}

TEST(ConvFleet, DivergedMemberIsRecordedAndAlone) {
  const ImageDataset data = striped_set(8, 4, 60, 4);
  std::vector<ConvMemberSpec> members(3, small_member(data, 40, 20));
  members[2].init_key = 5;
  Context context({}, 2);
  const std::vector<ConvMemberResult> healthy = train_conv_fleet(context, data, members);
  members[1].lr = 1e6;
  members[1].schedule = LrSchedule::constant;
  members[1].weight_decay = 1;  // doubles and more at every step: no normalisation holds that
  members[1].epochs = 6;
  const std::vector<ConvMemberResult> mixed = train_conv_fleet(context, data, members);
  expect_same(healthy[0], mixed[0]);
  expect_same(healthy[2], mixed[2]);
  EXPECT_FALSE(mixed[0].diverged);
  EXPECT_TRUE(mixed[1].diverged);
  EXPECT_GE(mixed[1].diverged_epoch, 0);
  EXPECT_EQ(mixed[1].epochs_run, 6);
  EXPECT_EQ(mixed[1].steps, 6 * 3);
  EXPECT_TRUE(std::isnan(mixed[1].train_loss));
  EXPECT_TRUE(std::isnan(mixed[1].validation.loss));
  EXPECT_EQ(mixed[1].validation.accuracy, 0.25);  // NaN logits are class 0, a quarter of these images
}

TEST(ConvFleet, EveryStepOfTheSpecIsTaken) {
  // By hand, from the engine's own steps: order, schedule, augmentation and decay of a fleet member.
  const ImageDataset data = striped_set(8, 4, 60, 4);
  ConvMemberSpec spec = small_member(data, 40, 0);
  Context context({}, 1);
  const ConvMemberResult trained = train_conv_fleet(context, data, std::vector{spec}).front();

  const ResNetPlan plan = plan_resnet(spec.network);
  const auto engine = make_conv_engine(plan);
  engine->load(initial_parameters(plan, spec.init_key).data(), initial_buffers(plan).data());
  const auto pixels = static_cast<std::size_t>(data.shape.pixels());
  for (std::int32_t e = 0; e < 2; ++e) {
    const std::vector<std::int32_t> order = epoch_order(spec.order_key, e, 40, 16, BatchRule::fill);
    ASSERT_EQ(order.size(), 48u);
    for (std::size_t b = 0; b < 3; ++b) {
      float* out = engine->images(16);
      std::int32_t labels[16];
      double losses[16];
      for (std::size_t i = 0; i < 16; ++i) {
        const auto row = static_cast<std::size_t>(order[b * 16 + i]);
        labels[i] = data.train.labels[row];
        const AugmentDraw draw = augment_draw(spec.augment_key, b * 16 + i, static_cast<std::uint32_t>(e));
        for (std::size_t p = 0; p < pixels; ++p) {
          const auto x = static_cast<std::int32_t>(p % 8), y = static_cast<std::int32_t>(p / 8 % 8);
          const std::size_t c = p / 64;
          const std::int32_t from_x = (draw.flip ? 7 - x : x) + draw.dx - 4, from_y = y + draw.dy - 4;
          const bool inside = from_x >= 0 && from_x < 8 && from_y >= 0 && from_y < 8;
          const std::size_t at = row * pixels + c * 64 + static_cast<std::size_t>(from_y * 8 + from_x);
          out[i * pixels + p] =
              normalised_pixel(inside ? data.train.pixels[at] : std::uint8_t{0}, data.mean[c], data.deviation[c]);
        }
      }
      engine->train(16, labels, nullptr, losses);
      const double factor = e == 0 ? 0.01 : 1.0;
      engine->update(static_cast<float>(spec.lr * factor), 5e-4f, 0.9f);
    }
  }
  std::vector<float> parameters(trained.parameters.size()), buffers(trained.buffers.size());
  engine->store(parameters.data(), buffers.data());
  EXPECT_EQ(parameters, trained.parameters);
  EXPECT_EQ(buffers, trained.buffers);
}

TEST(ConvFleet, BadMembersAreRefused) {
  const ImageDataset data = striped_set(8, 4, 60, 4);
  Context context({}, 1);
  const auto refused = [&](auto change) {
    ConvMemberSpec spec = small_member(data, 40, 20);
    spec.epochs = 0;
    change(spec);
    EXPECT_THROW(train_conv_fleet(context, data, std::vector{spec}), Error);
  };
  EXPECT_NO_THROW(train_conv_fleet(context, data, std::vector{small_member(data, 4, 0)}));
  refused([](ConvMemberSpec& s) { s.train.clear(); });
  refused([](ConvMemberSpec& s) { s.train[3] = 60; });
  refused([](ConvMemberSpec& s) { s.validation[3] = -1; });
  refused([](ConvMemberSpec& s) { s.network.classes = 3; });
  refused([](ConvMemberSpec& s) { s.network.input.height = 9; });
  refused([](ConvMemberSpec& s) { s.batch_size = 0; });
  refused([](ConvMemberSpec& s) { s.epochs = -1; });
  refused([](ConvMemberSpec& s) { s.network.dropout = 1; });
}

TEST(ConvFleet, BatchOfOneNeedsPositions) {
  const ImageDataset tiny = striped_set(4, 4, 60, 4);  // resnet8 leaves one position
  Context context({}, 1);
  ConvMemberSpec spec = small_member(tiny, 17, 0);
  spec.epochs = 1;
  EXPECT_NO_THROW(train_conv_fleet(context, tiny, std::vector{spec}));
  spec.batches = BatchRule::keep_last;  // 16 and 1
  EXPECT_THROW(train_conv_fleet(context, tiny, std::vector{spec}), Error);
  const ImageDataset small = striped_set(8, 4, 60, 4);
  spec = small_member(small, 17, 0);
  spec.epochs = 1;
  spec.batches = BatchRule::keep_last;
  EXPECT_FALSE(train_conv_fleet(context, small, std::vector{spec}).front().diverged);
}

TEST(ConvFleet, AStopEndsTheTrainingWithinAStep) {
  const ImageDataset data = test::tiny_images();
  ConvMemberSpec spec;
  spec.network = {ResNetKind::resnet8, data.shape, data.n_classes, 0};
  spec.epochs = 1000000;
  spec.batch_size = 8;
  for (std::int32_t row = 0; row < 16; ++row) spec.train.push_back(row);
  Context context({}, 2);
  std::atomic<bool> stop{false};
  std::atomic<int> epochs{0};
  const std::vector<ConvMemberSpec> members = {spec, spec};
  const FleetWatch watch = {&stop, [&] {
                              if (++epochs == 3) stop = true;
                            }};
  EXPECT_THROW(train_conv_fleet(context, data, members, watch), Interrupted);
  EXPECT_GE(epochs, 3);
  EXPECT_LE(epochs, 4) << "the other member may have been at the end of its epoch";
}

}  // namespace
}  // namespace quarry::testing
