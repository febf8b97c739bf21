// SPDX-License-Identifier: MIT
// A fleet of residual networks in the memory of a GPU: the same plan for every member, each with its own parameters,
// hyperparameters and rows. A training step of all members is one recorded graph; nothing is read back inside an epoch.
// A member's numbers are those of any other fleet, bit for bit (conv_device.h), on one kind of device and precision.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "quarry/core/gpu.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/nn/resnet.h"
#include "quarry/ops/fleet_batch_device.h"

namespace quarry::cuda {

/// What a member trains by, decided beforehand.
struct ConvNetMember {
  std::vector<float> rates;  ///< learning rate of each epoch; as many epochs as there are
  float weight_decay = 0, momentum = 0;
  bool augment = true;
  std::uint64_t augment_key = 0, dropout_key = 0;
};

/// What has become of a member so far.
struct ConvNetProgress {
  double loss_sum = 0;               ///< of the rows of the last epoch, or evaluation, as they came
  std::int32_t correct = 0;          ///< of the last evaluation
  std::int32_t diverged_epoch = -1;  ///< first epoch with a training loss that is not finite
};

class ConvFleetNet {
 public:
  /// pool: in device memory, with labels; it must stay. batch: most images of a step.
  /// Errors: a check fails on shapes that do not fit each other; Failure if the memory does not suffice.
  ConvFleetNet(gpu::Session& session, const ResNetPlan& plan, ConvPrecision precision, std::int32_t batch,
               const ImagePool& pool, std::span<const ConvNetMember> members);
  ~ConvFleetNet();
  ConvFleetNet(const ConvFleetNet&) = delete;
  ConvFleetNet& operator=(const ConvFleetNet&) = delete;

  /// Bytes of device memory of such a fleet: a pure function.
  static std::size_t memory(const ResNetPlan& plan, ConvPrecision precision, std::int32_t batch, std::int32_t members,
                            std::int32_t epochs);

  /// Packed parameters and buffers of a member (ResNetPlan). load begins a training: momentum, steps and losses are
  /// cleared; every member has to be loaded before it trains. Both block.
  void load(std::int32_t member, std::span<const float> parameters, std::span<const float> buffers);
  void store(std::int32_t member, std::span<float> parameters, std::span<float> buffers);

  /// Trains an epoch. orders[member]: rows of the pool, batch after batch, the last one may be short; empty: sits out.
  /// Members behind their last rate sit out too. Waits for what was started before, not for this.
  void train_epoch(std::int32_t epoch, std::span<const std::vector<std::int32_t>> orders);

  /// Evaluation mode on rows of the pool. augment: by (augment_key, place, 2^32 - 1).
  void evaluate(std::span<const std::vector<std::int32_t>> rows, bool augment);
  /// The same without loss, for scoring: logits [place][classes] and features [place][features] of each member's rows;
  /// either may be null. With a rate of dropout and a pass >= 0: by the masks of (mc_key, pass). Blocks.
  void score(std::span<const std::vector<std::int32_t>> rows, std::int32_t pass, std::span<const std::uint64_t> mc_keys,
             std::vector<std::vector<float>>* logits, std::vector<std::vector<float>>* features);

  /// Blocks.
  std::vector<ConvNetProgress> progress();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// train_conv_fleet (nn/conv_fleet.h) on a GPU, from and to host memory. Members of one network, batch size and number
/// of epochs train together, as many as there is memory for; the results are those of any other division.
/// Errors: as there; failed, with the bytes, if there is no memory for a single member.
std::vector<ConvMemberResult> train_conv_fleet(gpu::Session& session, ConvPrecision precision, const ImageDataset& data,
                                               std::span<const ConvMemberSpec> members);

}  // namespace quarry::cuda
