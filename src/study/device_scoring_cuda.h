// SPDX-License-Identifier: MIT
// One trained residual network at work on images in device memory, in fp32: what comes out stays there.
#pragma once

#include <cstdint>
#include <vector>

#include "quarry/nn/conv_fleet_device.h"

namespace quarry {

/// A network that was trained on the device, and what it may be asked of.
struct DeviceConvNet {
  const cuda::ConvNetworks& networks;
  std::int32_t which = 0;
  std::size_t memory_limit = 0;  ///< bytes that the session may have in use
};

class DeviceScorer {
 public:
  /// The pool and the networks must stay. most_rows: that a call will have. Takes as much memory as a batch of
  /// kScoringImages needs or the limit leaves: no result depends on it. Does not wait.
  /// Errors: a check fails on shapes; device, with the bytes, if the memory does not suffice for a batch of one.
  DeviceScorer(gpu::Session& session, const DeviceConvNet& network, const ImagePool& pool, std::int64_t most_rows);

  /// Bytes of device memory that it takes at least: a pure function.
  static std::size_t least_memory(const ResNetPlan& plan, std::int64_t most_rows);

  /// Evaluation mode: logits [rows][classes] and features [rows][padded_channels(features)], zeros behind those that
  /// there are; either may be null.
  void score(const std::vector<std::int32_t>& rows, float* logits, float* features);
  /// Logits of a pass of Monte-Carlo dropout.
  void score_pass(const std::vector<std::int32_t>& rows, std::int32_t pass, std::uint64_t mc_key, float* logits);

  /// Gives its device memory back in the order of the queue; nothing more may be scored. The end of the object waits
  /// for the queue.
  void release() { net_.leave_networks(); }

 private:
  void run(const std::vector<std::int32_t>& rows, std::int32_t pass, std::uint64_t mc_key, float* logits,
           float* features);

  cuda::ConvFleetNet net_;
};

}  // namespace quarry
