// SPDX-License-Identifier: MIT
// One trained residual network at work on images in device memory, in fp32: what comes out stays there.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "quarry/nn/conv_fleet_device.h"

namespace quarry {

class DeviceScorer {
 public:
  /// The pool must stay. most_rows: that a call will have, for the size of a batch: no result depends on it.
  /// Errors: a check fails on shapes; device, with the bytes, if the memory does not suffice for a batch of one.
  DeviceScorer(gpu::Session& session, const TrainedConvNet& network, const ImagePool& pool, std::int64_t most_rows);

  std::int32_t classes() const { return plan_.spec.classes; }
  /// Of a row of features: zeros follow those that there are.
  std::int32_t width() const { return padded_channels(plan_.features); }

  /// Evaluation mode: logits [rows][classes] and features [rows][width], either may be null.
  void score(const std::vector<std::int32_t>& rows, float* logits, float* features);
  /// Logits of a pass of Monte-Carlo dropout.
  void score_pass(const std::vector<std::int32_t>& rows, std::int32_t pass, std::uint64_t mc_key, float* logits);

 private:
  void run(const std::vector<std::int32_t>& rows, std::int32_t pass, std::uint64_t mc_key, float* logits,
           float* features);

  const ResNetPlan plan_;
  std::unique_ptr<cuda::ConvFleetNet> net_;
};

}  // namespace quarry
