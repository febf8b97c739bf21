// SPDX-License-Identifier: MIT
// How the convolutions of a network are computed: what they read, on the CPU and on a GPU, and whose they are there.
#pragma once

#include <cstdint>
#include <string_view>

namespace quarry {

/// bf16: convolutions read numbers that are rounded to Bfloat16 and add them up in float; weights and their updates,
/// batch normalisation and the linear layer stay float.
enum class ConvPrecision : std::int32_t { fp32, bf16 };

constexpr std::string_view to_string(ConvPrecision precision) {
  return precision == ConvPrecision::bf16 ? "bf16" : "fp32";
}

/// Whose convolutions train on a GPU: our engines by their table (ops/conv_engines.h), or cuDNN's, of every layer.
enum class ConvChoice : std::int32_t { table, cudnn };

struct ConvMeans {
  ConvPrecision precision = ConvPrecision::fp32;
  ConvChoice choice = ConvChoice::table;

  constexpr ConvMeans() = default;
  constexpr ConvMeans(ConvPrecision p, ConvChoice c = ConvChoice::table) : precision(p), choice(c) {}
  friend constexpr bool operator==(const ConvMeans&, const ConvMeans&) = default;
};

}  // namespace quarry
