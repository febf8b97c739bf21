// SPDX-License-Identifier: MIT
// What ConvNetworks is made of.
#pragma once

#include <span>

#include "quarry/nn/conv_fleet_device.h"
#include "src/nn/conv_fleet_arrays.h"

namespace quarry::cuda {

struct ConvNetworks::Impl {
  gpu::Session& session;
  const ResNetPlan plan;
  const std::int32_t networks;
  DeviceArrays memory;
  const NetworkArrays arrays;

  Impl(gpu::Session& s, const ResNetPlan& p, std::int32_t n)
      : session(s), plan(p), networks(n), memory(&s), arrays(lay_out_networks(plan, n, memory)) {}
  /// Puts a network in the queue. Weights in bf16 go to `copies` too, of each layer (or none).
  void send(std::int32_t network, std::span<const float> parameters, std::span<const float> buffers, Staging& staging,
            std::span<const NetLayer> copies);
};

}  // namespace quarry::cuda
