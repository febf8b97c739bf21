// SPDX-License-Identifier: MIT
// What convolutions compute in.
#pragma once

#include <cstdint>
#include <string_view>

namespace quarry {

/// fp32: everything in float. bf16: activations, their gradients and the weights that are multiplied are Bfloat16;
/// sums, parameters, normalisation and losses are float.
enum class ConvPrecision : std::int32_t { fp32, bf16 };

constexpr std::string_view to_string(ConvPrecision precision) {
  return precision == ConvPrecision::bf16 ? "bf16" : "fp32";
}

}  // namespace quarry
