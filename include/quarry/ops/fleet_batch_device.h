// SPDX-License-Identifier: MIT
// The two ends of a convolutional fleet's step on a GPU: what the step of each member is (FleetClock), its images from
// bytes to activations, dropout factors; and behind the last layer the mean over positions, the linear layer, softmax
// cross-entropy and their gradients. Tensors, members and the images of a step as in conv_device.h; `features` are
// those after padded_channels. Every pointer is a device pointer aligned to 16 bytes. Nothing allocates, synchronises
// or reads back.
#pragma once

#include "quarry/ops/conv_device.h"

namespace quarry {

/// Counts the steps of an epoch for every member, so that one recorded step can run again and again. Arrays are
/// [member] unless it says otherwise.
struct FleetClock {
  std::int32_t members = 0, batch = 32;
  const std::int32_t* slots = nullptr;  ///< rows of the epoch's order: batches follow each other, the last may be short
  const std::int32_t* epochs = nullptr;  ///< of the member's training; behind them it sits out
  const float* rates = nullptr;          ///< [member][rates_stride]: learning rate of each epoch; null: none, nor lr
  std::int64_t rates_stride = 0;
  std::int32_t* step = nullptr;   ///< of the epoch, in and out: set it to 0 before each epoch
  std::int32_t* epoch = nullptr;  ///< in
  // out, of this step
  std::int32_t* images = nullptr;  ///< 0 where the member's epoch or training is over
  std::int32_t* first_slot = nullptr;
  float* lr = nullptr;
  std::uint32_t* steps_done =
      nullptr;  ///< in and out: steps that this member has begun before this one; -1u at first; or null
};

/// Images [n][channels][height][width] as bytes.
struct ImagePool {
  const std::uint8_t* pixels = nullptr;
  const std::int32_t* labels = nullptr;  ///< [n], or null
  std::int32_t channels = 0, height = 0, width = 0;
  const float *mean = nullptr, *deviation = nullptr;  ///< [channels]
};

/// Which images: place i of a member holds row order[member * order_stride + first_slot[member] + i].
struct FleetRows {
  FleetImages fleet;
  std::int32_t batch = 32;
  const std::int32_t* order = nullptr;
  std::int64_t order_stride = 0;             ///< 0: all members have the same rows
  const std::int32_t* first_slot = nullptr;  ///< [member]
  /// Crop and flip of ops/augment.h by the slot and the epoch; null: none. Members whose augment is 0 have none.
  const std::uint64_t* augment_keys = nullptr;
  const std::int32_t* augment = nullptr;  ///< [member], or null: all
  const std::int32_t* epoch = nullptr;    ///< [member]
};

/// Factors of channel dropout (ops/conv_dropout.h): 0 or 1 / (1 - rate).
struct FleetDropout {
  std::int32_t members = 0, batch = 32, channels = 0;
  const std::uint64_t* keys = nullptr;   ///< [member]
  const std::uint32_t* steps = nullptr;  ///< [member]: training step or scoring pass
  std::uint32_t site = 0;
  double rate = 0;
  bool per_image = true;     ///< training: [member][batch][padded channels]; else [member][padded channels], row 0
  float* factors = nullptr;  ///< out
};

struct HeadShape {
  std::int32_t features = 0, classes = 0;  ///< channels of the last layer
  std::int32_t height = 0, width = 0, batch = 32;
};

/// The linear layer: weights [member][classes][padded features], biases [member][classes]. velocities: of the step.
struct Head {
  float *weights = nullptr, *biases = nullptr;
  float *weight_velocity = nullptr, *bias_velocity = nullptr;
};

/// Losses of a step and where they are gathered.
struct HeadLoss {
  const float* logits = nullptr;         ///< [member][batch][classes]
  const std::int32_t* labels = nullptr;  ///< [member][batch]
  float* losses = nullptr;               ///< [member][batch] out: -log softmax of the label; 0 where there is no image
  float* d_logits = nullptr;             ///< [member][batch][classes] out, of the mean over the images; or null
  double* loss_sum = nullptr;            ///< [member] in and out: += losses in order
  std::int32_t* correct = nullptr;       ///< [member] in and out, or null: += images whose label has the largest
                                         ///< logit (the first of equals; the first NaN counts as the largest)
  std::int32_t* diverged_epoch = nullptr;  ///< [member] in and out, or null: epoch of the first loss that is not finite
  const std::int32_t* epoch = nullptr;     ///< [member], with diverged_epoch
};

namespace cuda {

void fleet_step(gpu::Session& session, const FleetClock& clock);

/// out [member][y][x][image][padded channels]; labels [member][batch] out, -1 where there is no image; or null.
void gather_images(gpu::Session& session, ConvPrecision precision, const ImagePool& pool, const FleetRows& rows,
                   void* out, std::int32_t* labels);

/// Errors: a check fails on a rate that is not in [0, 1).
void drop_factors(gpu::Session& session, const FleetDropout& dropout);

/// features [member][batch][padded features] of float: the mean over the positions, summed in order.
void head_features(gpu::Session& session, ConvPrecision precision, const HeadShape& shape, const FleetImages& fleet,
                   const void* activations, float* features);
/// logits [member][batch][classes]; 0 where there is no image.
void head_logits(gpu::Session& session, const HeadShape& shape, const FleetImages& fleet, const float* features,
                 const Head& head, float* logits);
void head_loss(gpu::Session& session, const HeadShape& shape, const FleetImages& fleet, const HeadLoss& loss);
/// d_activations: the gradient at every position, from d_logits and the weights as they are.
void head_gradient(gpu::Session& session, ConvPrecision precision, const HeadShape& shape, const FleetImages& fleet,
                   const float* d_logits, const Head& head, void* d_activations);
/// The step of weights and biases.
void head_step(gpu::Session& session, const HeadShape& shape, const FleetImages& fleet, const float* d_logits,
               const float* features, const SgdRates& rates, const Head& head);

}  // namespace cuda
}  // namespace quarry
