// SPDX-License-Identifier: MIT
// A fleet of residual networks in the memory of a GPU: the same plan for every member, each with its own parameters,
// hyperparameters and rows. A training step of all members is one recorded graph. From the first epoch to the end of
// what follows a training nothing is read back and nothing waits for the device, except that no more than two calls of
// an object (epochs, scoring passes) are in its queue, and where pinned memory for what is sent has to grow. A member's
// numbers are those of any other fleet, bit for bit (conv_device.h), on one kind of device and precision.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "quarry/core/gpu.h"
#include "quarry/core/gpu_convolution.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/nn/resnet.h"
#include "quarry/ops/fleet_batch_device.h"
#include "quarry/ops/fleet_record_device.h"

namespace quarry::cuda {

/// What a member trains by, decided beforehand.
struct ConvNetMember {
  std::vector<float> rates;  ///< learning rate of each epoch; as many epochs as there are
  float weight_decay = 0, momentum = 0;
  bool augment = true;
  std::uint64_t augment_key = 0, dropout_key = 0;
};

/// Parameters and buffers of networks of one plan in device memory, side by side: what a training leaves there, for
/// tests and selections to be made with. Needs its session alone.
class ConvNetworks {
 public:
  ConvNetworks(gpu::Session& session, const ResNetPlan& plan, std::int32_t networks);
  ~ConvNetworks();
  ConvNetworks(const ConvNetworks&) = delete;
  ConvNetworks& operator=(const ConvNetworks&) = delete;

  /// Bytes of device memory: a pure function.
  static std::size_t memory(const ResNetPlan& plan, std::int32_t networks);
  const ResNetPlan& plan() const;
  /// Packed parameters and buffers of a network (ResNetPlan), to the host. Blocks.
  void read(std::int32_t network, std::span<float> parameters, std::span<float> buffers) const;

 private:
  friend class ConvFleetNet;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class ConvFleetNet {
 public:
  /// pool: in device memory, with labels; it must stay. batch: most images of a step. graphs: false for single
  /// launches. The engine of each layer is the table's (ops/conv_engines.h), or cuDNN (src/nn/conv_fleet_library.h).
  /// Errors: a check fails on shapes that do not fit each other; usage, conv_engine's; with cuDNN those of
  /// gpu::Convolutions; Failure if the memory does not suffice.
  ConvFleetNet(gpu::Session& session, const ResNetPlan& plan, ConvMeans means, std::int32_t batch,
               const ImagePool& pool, std::span<const ConvNetMember> members, bool graphs = true);
  /// Scores alone, in fp32, with a network that has been trained; `networks` must stay.
  ConvFleetNet(gpu::Session& session, const ConvNetworks& networks, std::int32_t network, std::int32_t batch,
               const ImagePool& pool);
  /// Waits for what this object has in the queue.
  ~ConvFleetNet();
  ConvFleetNet(const ConvFleetNet&) = delete;
  ConvFleetNet& operator=(const ConvFleetNet&) = delete;

  /// Bytes of device memory of such a fleet, with cuDNN at most, its networks included and the rows of its calls not: a
  /// pure function.
  static std::size_t memory(const ResNetPlan& plan, ConvMeans means, std::int32_t batch, std::int32_t members,
                            std::int32_t epochs);
  /// Of one that scores, beside its network, with room for the rows of a call: a pure function.
  static std::size_t scoring_memory(const ResNetPlan& plan, std::int32_t batch, std::int64_t rows);

  /// Room for so many rows of a member in a call: a call with more of them waits.
  void reserve(std::int64_t rows);
  /// Packed parameters and buffers of a member (ResNetPlan). load begins a training: momentum, steps and losses are
  /// cleared; every member has to be loaded before it trains. Waits as train_epoch does; store blocks.
  void load(std::int32_t member, std::span<const float> parameters, std::span<const float> buffers);
  void store(std::int32_t member, std::span<float> parameters, std::span<float> buffers);

  /// Trains an epoch. orders[member]: rows of the pool, batch after batch, the last one may be short; empty: sits out.
  /// Members behind their last rate sit out too. Waits for the call before the last one, not for this: the device has
  /// the next epoch in its queue when it ends one.
  void train_epoch(std::int32_t epoch, std::span<const std::vector<std::int32_t>> orders);

  /// Evaluation mode on rows of the pool. augment: by (augment_key, place, 2^32 - 1).
  void evaluate(std::span<const std::vector<std::int32_t>> rows, bool augment);
  /// The same without loss, for scoring, into device memory: logits[member] [place][classes] and features[member]
  /// [place][padded_channels(features)], zeros behind them, of each member's rows; either span may be empty. With a
  /// rate of dropout and a pass >= 0: by the masks of (mc_keys[member], pass). Waits as train_epoch does.
  void score(std::span<const std::vector<std::int32_t>> rows, std::int32_t pass, std::span<const std::uint64_t> mc_keys,
             std::span<float* const> logits, std::span<float* const> features);

  /// Looks in every parameter and buffer for what is not finite: ConvNetProgress::non_finite.
  void check_finite();
  /// What has become of the members so far, [member] in device memory; progress() brings it to the host and blocks.
  void note(ConvNetProgress* device);
  std::vector<ConvNetProgress> progress();

  /// The networks; everything else on the device is released in the order of the queue. This object is of no further
  /// use, but what it has staged is in the queue: destroy it when that has been reached, or it waits.
  std::shared_ptr<const ConvNetworks> leave_networks();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What trains a network there, for the record of a run: equal bits are promised under one name alone. Names the kind
/// of device, the precision, the engines of the network's layers and the version of their table; and the engines of
/// scoring in fp32, if they are others. cuDNN is named with its version and a checksum of what it chooses for the
/// layers. Errors: usage, conv_engine's; with cuDNN those of gpu::Convolutions.
std::string conv_engine_name(gpu::Session& session, const ResNetPlan& plan, ConvMeans means, std::int32_t batch);

/// A part of an image set in device memory, as bytes. Construction blocks.
class DeviceImages {
 public:
  DeviceImages(gpu::Session& session, const ImageDataset& data, const ImagePart& part);
  ImagePool pool() const;
  /// Bytes of device memory: a pure function.
  static std::size_t memory(const ImageShape& shape, std::int64_t images);

 private:
  ImageShape shape_;
  gpu::Buffer<std::uint8_t> pixels_;
  gpu::Buffer<std::int32_t> labels_;
  gpu::Buffer<float> mean_, deviation_;
};

/// Images of a scoring step, at most: they fill a device. No result depends on it.
inline constexpr std::int32_t kScoringImages = 128;

/// Networks of a call that were trained side by side; the device may be at it still.
struct ConvFleetTrained {
  std::span<const std::size_t> members;  ///< of the call, in the order of the networks
  const ConvNetworks& networks;
  std::size_t memory_limit = 0;  ///< bytes that the session may have in use, these networks included
};

/// How a fleet is trained; results do not depend on it.
struct ConvFleetOptions {
  bool graphs = true;
  /// Looked at before every member is loaded and before every epoch; once it is set, Interrupted is thrown.
  const std::atomic<bool>* stop = nullptr;
  /// Called with 1 for each epoch of each member, when it is in the queue; with minus those of all members when an
  /// allocation has failed and they have to be trained again.
  std::function<void(std::int64_t epochs)> epochs_done;
  /// Puts in the queue, behind a training, what is made of its networks, and does not wait; it is there before `done`
  /// is called for them. Called again for members that have to be trained again.
  std::function<void(const ConvFleetTrained& trained)> follow;
  std::size_t follow_memory = 0;  ///< bytes of device memory that this takes at least, beside the networks
};

/// Members of a fleet that its kernels' grids have room for: a pure function. At least 1.
std::int32_t most_fleet_members(const ResNetPlan& plan, std::int32_t batch);

/// Bytes of the workspaces of cuDNN in a fleet's memory, at most; 0 without it. A fleet of more members than
/// gpu::kConvolutionQueues has no more of them: a pure function. What the library takes for itself is not counted.
std::size_t most_conv_workspace(const ResNetPlan& plan, ConvMeans means, std::int32_t batch, std::int32_t members);

/// Bytes of device memory that a fleet of one member takes in training: a pure function.
std::size_t conv_member_memory(const ConvMemberSpec& member);

/// train_conv_fleet (nn/conv_fleet.h) on a GPU: `pool` is data.train in device memory. Members of one network,
/// precision, batch size and number of epochs train together, as many as there is memory for; where an allocation fails
/// all the same, half as many. Results are read back when those that train together are trained and followed: a few
/// numbers each in one copy, and the parameters where the network is to be kept. `done` gets each of them then;
/// they are those of any other division. Errors: as there; device, with the bytes, if there is no memory for a single
/// member; Interrupted.
void train_conv_fleet(gpu::Session& session, const ImageDataset& data, const ImagePool& pool,
                      std::span<const ConvMemberSpec> members, const ConvFleetOptions& options,
                      const std::function<void(std::size_t member, ConvMemberResult)>& done);

}  // namespace quarry::cuda
