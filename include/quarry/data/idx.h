// SPDX-License-Identifier: MIT
// IDX, the format of MNIST and Fashion-MNIST, plain or gzipped.
#pragma once

#include <string>
#include <string_view>

#include "quarry/data/array.h"
#include "quarry/data/limits.h"

namespace quarry {

/// Accepts: two zero bytes; the element type (08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64); the
/// rank, 1 to 8; `rank` extents of 32 bits; the elements; all big endian, and not a byte more. Bytes that start with
/// 1F 8B are taken for one gzip member and inflated first, within the limits.
/// Pure function. Errors: failed, with `path` and byte.
NumericArray parse_idx(std::string_view bytes, const std::string& path, const Limits& limits = {});

}  // namespace quarry
