// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for a checkpoint: refused with an Error, or read and written back alike.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "quarry/core/error.h"
#include "quarry/nn/checkpoint.h"

namespace quarry {

inline void fuzz_safetensors(std::string_view bytes) {
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

}  // namespace quarry
