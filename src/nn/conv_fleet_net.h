// SPDX-License-Identifier: MIT
// What ConvFleetNet is made of.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "quarry/core/error.h"
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
  const bool graphs;
  /// Of the last call and the one before, by turns; `started`: the end of what each was for.
  Staging stagings[2];
  std::optional<gpu::Mark> started[2];
  std::size_t turn = 0;
  gpu::Buffer<std::int32_t> order;  ///< [member][stride]
  std::int64_t stride = 0;
  GraphPointer train_graph{nullptr, nullptr};

  Impl(gpu::Session& s, const ResNetPlan& p, ConvMeans means, std::int32_t batch, const ImagePool& images,
       std::span<const ConvNetMember> m, bool with_graphs);

  /// Waits for everything; then what was staged is free again.
  void settle() {
    session.synchronize();
    for (Staging& staging : stagings) staging.clear();
    for (std::optional<gpu::Mark>& mark : started) mark.reset();
  }
  /// Before the graph and what is staged go: they may be in use. If it fails, the session's next call says so.
  void wait_for_copies() noexcept {
    try {
      settle();
    } catch (const Error&) {
    }
  }
  /// The next call may stage: what was staged two calls ago has been used.
  void begin() {
    turn = 1 - turn;
    if (started[turn]) session.wait(*started[turn]);
    started[turn].reset();
    staging().clear();
  }
  void end() { started[turn] = session.mark(); }
  Staging& staging() { return stagings[turn]; }

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
