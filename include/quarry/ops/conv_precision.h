// SPDX-License-Identifier: MIT
// What the convolutions of a network read, on the CPU and on a GPU.
#pragma once

#include <cstdint>

namespace quarry {

/// bf16: convolutions read numbers that are rounded to Bfloat16 and add them up in float; weights and their updates,
/// batch normalisation and the linear layer stay float.
enum class ConvPrecision : std::int32_t { fp32, bf16 };

}  // namespace quarry
