// SPDX-License-Identifier: MIT
// Every switch of the study's table of quirks that decides how a network is trained (spec 14).
#include "quarry/study/fits.h"

#include <gtest/gtest.h>

#include <numeric>

namespace quarry {
namespace {

FitRows rows(std::int32_t train, std::int32_t validation, std::int64_t added = 0) {
  FitRows r;
  r.train.resize(static_cast<std::size_t>(train));
  std::iota(r.train.begin(), r.train.end(), 0);
  r.validation.resize(static_cast<std::size_t>(validation));
  std::iota(r.validation.begin(), r.validation.end(), train);
  r.unviolated = train + validation - added;
  r.added = added;
  return r;
}

MemberSpec member(const RunConfig& config, const FitRows& r, const FitPlace& place = {}) {
  return make_member(config, 2, 2, fixed_hyperparameters(config), place, r);
}

TEST(Fits, StepsPerEpochFollowTheSpec) {  // spec 17.4
  EXPECT_EQ(steps_per_epoch(15, 32, true), 1);
  EXPECT_EQ(steps_per_epoch(32, 32, true), 1);
  EXPECT_EQ(steps_per_epoch(33, 32, true), 1);
  EXPECT_EQ(steps_per_epoch(63, 32, true), 1);
  EXPECT_EQ(steps_per_epoch(64, 32, true), 2);
  EXPECT_EQ(steps_per_epoch(175, 32, true), 5);
  EXPECT_EQ(steps_per_epoch(33, 32, false), 2);
  EXPECT_EQ(steps_per_epoch(175, 32, false), 6);
}

TEST(Fits, DropLastLooksAtTheStudysCount) {  // spec 4.3
  RunConfig config;
  config.drop_last = true;
  config.val_share = 0.25;
  EXPECT_FALSE(member(config, rows(32, 5, 17)).drop_last);  // int(20 * 0.75) + 17 = 32
  EXPECT_TRUE(member(config, rows(33, 5, 18)).drop_last);   // 33 > 32
  config.val_share = 0.9;                                   // int(20 * (1 - 0.9)) is 1, one below the two training rows
  EXPECT_FALSE(member(config, rows(33, 18, 31)).drop_last);
  EXPECT_TRUE(member(config, rows(34, 18, 32)).drop_last);
  config.drop_last = false;
  EXPECT_FALSE(member(config, rows(100, 5, 85)).drop_last);
}

TEST(Fits, FixedKeysAreTheSameForEveryFitAndPerUseKeysAreNot) {  // B8
  RunConfig config;
  config.initial_weights = SeedPolicy::fixed;
  const MemberSpec a = member(config, rows(10, 5), {-1, 0, 0}), b = member(config, rows(10, 5), {7, 3, 2});
  EXPECT_EQ(a.init_key, b.init_key);
  EXPECT_EQ(a.order_key, b.order_key);
  EXPECT_EQ(a.dropout_key, b.dropout_key);
  EXPECT_NE(a.init_key, a.order_key);
  config.initial_weights = SeedPolicy::per_use;
  const FitPlace places[] = {{-1, 0, 0}, {0, 0, 0}, {-1, 1, 0}, {-1, 0, 1}, {-1, FitPlace::kRefit, 0}};
  for (const FitPlace& p : places) {
    for (const FitPlace& q : places) {
      const bool same = p.iteration == q.iteration && p.trial == q.trial && p.fold == q.fold;
      EXPECT_EQ(member(config, rows(10, 5), p).init_key == member(config, rows(10, 5), q).init_key, same);
    }
  }
  RunConfig other = config;
  other.seed = config.seed + 1;
  EXPECT_NE(member(config, rows(10, 5)).init_key, member(other, rows(10, 5)).init_key);
}

TEST(Fits, UpdatesBecomeEpochs) {  // B16
  RunConfig config;
  config.epochs = 200;
  EXPECT_EQ(member(config, rows(15, 5)).epochs, 200);
  config.updates = 400;
  EXPECT_EQ(member(config, rows(15, 5)).epochs, 400);
  EXPECT_EQ(member(config, rows(96, 5)).epochs, 134);  // 3 steps an epoch: 402 >= 400
}

TEST(Fits, TrainingSwitchesReachTheMember) {
  RunConfig config;
  config.loss = Loss::ce_on_probs;               // B7
  config.dropout_epochs = DropoutEpochs::first;  // B2
  config.weight_by_size = false;                 // B17
  config.optimizer = Optimizer::adam;
  config.batch_size = 8;
  config.hidden = {5, 7};
  config.lr = 0.25;
  config.weight_decay = 0.5;
  config.momentum = 0.75;
  config.dropout = 0.125;
  const MemberSpec m = member(config, rows(10, 5));
  EXPECT_EQ(m.loss, Loss::ce_on_probs);
  EXPECT_EQ(m.dropout_epochs, DropoutEpochs::first);
  EXPECT_FALSE(m.weight_by_size);
  EXPECT_EQ(m.optimizer, Optimizer::adam);
  EXPECT_EQ(m.batch_size, 8);
  EXPECT_EQ(m.sizes, (std::vector<std::int32_t>{2, 5, 7, 2}));
  EXPECT_EQ(m.lr, 0.25);
  EXPECT_EQ(m.weight_decay, 0.5);
  EXPECT_EQ(m.momentum, 0.75);
  EXPECT_EQ(m.dropout, 0.125);
  EXPECT_EQ(m.train.size(), 10u);
  EXPECT_EQ(m.validation.size(), 5u);
}

TEST(Fits, TheSpaceTakesTheRunsBounds) {
  RunConfig config;
  config.depth_high = 7;
  config.width_low = 3;
  config.width_high = 9;
  config.lr_high = 0.75;
  const Space space = study_space(config);
  space.validate();
  EXPECT_GE(space.find("width_6"), 0);
  EXPECT_LT(space.find("width_7"), 0);
  EXPECT_EQ(space.parameters[static_cast<std::size_t>(space.find("lr"))].high, 0.75);
  for (std::int32_t i = 0; i < 7; ++i) {
    const Parameter& width = space.parameters[static_cast<std::size_t>(space.find(fmt::format("width_{}", i)))];
    EXPECT_EQ(width.low, 3);
    EXPECT_EQ(width.high, 9);
  }
  config.depth_high = 2;
  EXPECT_LT(study_space(config).find("width_2"), 0);
  EXPECT_GE(study_space(config).find("width_1"), 0);
}

}  // namespace
}  // namespace quarry
