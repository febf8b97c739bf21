// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for a checkpoint: refused with an Error, or read and written back alike.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/nn/checkpoint.h"

namespace quarry {

inline void fuzz_perceptron(std::string_view bytes) {
  TrainedMlp<float> network;
  try {
    network = parse_checkpoint(bytes, "input");
  } catch (const Error&) {
    return;
  }
  QUARRY_CHECK(network.parameters.size() * sizeof(float) < bytes.size(), "more numbers than bytes");
  const std::string canonical = write_checkpoint(network);
  const TrainedMlp<float> again = parse_checkpoint(canonical, "written");
  QUARRY_CHECK(again.sizes == network.sizes && again.dropout == network.dropout && again.loss == network.loss &&
                   again.parameters.size() == network.parameters.size() &&
                   std::memcmp(again.parameters.data(), network.parameters.data(),
                               network.parameters.size() * sizeof(float)) == 0,
               "a network changed on its way through a file");
  QUARRY_CHECK(write_checkpoint(again) == canonical, "two files of one network differ");
}

inline void fuzz_residual_network(std::string_view bytes) {
  TrainedConvNet network;
  try {
    network = parse_conv_checkpoint(bytes, "input");
  } catch (const Error&) {
    return;
  }
  QUARRY_CHECK((network.parameters.size() + network.buffers.size()) * sizeof(float) < bytes.size(),
               "more numbers than bytes");
  const std::string canonical = write_checkpoint(network);
  const TrainedConvNet again = parse_conv_checkpoint(canonical, "written");
  const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  };
  QUARRY_CHECK(again.spec.kind == network.spec.kind && same(again.parameters, network.parameters) &&
                   same(again.buffers, network.buffers),
               "a network changed on its way through a file");
  QUARRY_CHECK(write_checkpoint(again) == canonical, "two files of one network differ");
}

inline void fuzz_safetensors(std::string_view bytes) {
  fuzz_perceptron(bytes);
  fuzz_residual_network(bytes);
}

}  // namespace quarry
