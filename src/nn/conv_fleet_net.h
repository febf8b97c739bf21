// SPDX-License-Identifier: MIT
// What ConvFleetNet is made of.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "quarry/nn/conv_fleet_device.h"
#include "src/nn/conv_fleet_arrays.h"
#include "src/nn/conv_fleet_pass.h"

namespace quarry::cuda {

using GraphPointer = std::unique_ptr<gpu::Graph, void (*)(gpu::Graph*)>;

struct ConvFleetNet::Impl {
  gpu::Session& session;
  const ResNetPlan plan;
  const NetSize size;
  const ImagePool pool;
  const std::vector<ConvNetMember> members;
  DeviceArrays memory;
  NetArrays arrays;
  FleetPass pass;
  Staging staging;
  gpu::Buffer<std::int32_t> order;  ///< [member][stride]
  std::int64_t stride = 0;
  std::optional<gpu::Mark> started;  ///< end of what was started last
  GraphPointer train_graph{nullptr, nullptr};

  Impl(gpu::Session& s, const ResNetPlan& p, ConvPrecision precision, std::int32_t batch, const ImagePool& images,
       std::span<const ConvNetMember> m);

  /// Waits for everything; then what was staged is free again.
  void settle() {
    session.synchronize();
    staging.clear();
    started.reset();
  }
  void begin() {
    if (started) session.wait(*started);
    started.reset();
    staging.clear();
  }

  void send_members();
  FleetRows fleet_rows(bool augment) const;
  FleetClock clock(bool training) const;
  void enqueue_loss(bool training);
  /// per_image: factors of every image of a batch; else of a member.
  void enqueue_drops(const std::uint64_t* keys, const std::uint32_t* steps, bool per_image);
  void enqueue_training_step();
  /// Rows of an epoch or an evaluation to the device; the most steps that a member has.
  std::int64_t send_rows(std::int32_t epoch, std::span<const std::vector<std::int32_t>> rows);
  void clear_sums(std::span<const std::vector<std::int32_t>> rows);
};

}  // namespace quarry::cuda
