// SPDX-License-Identifier: MIT
// NPZ, NumPy's zip archive of arrays.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quarry/data/array.h"
#include "quarry/data/limits.h"

namespace quarry {

struct NamedArray {
  std::string name;  ///< without ".npy"
  NumericArray array;
};

/// Accepts: a zip archive in one part, not encrypted, without zip64 sizes (so below 4 GiB), of at most 1,000 members
/// that do not overlap, each named NAME.npy once, stored or deflated, with the size and CRC-32 of the directory; and
/// what parse_npy accepts inside. The directory at the end of the file counts; sizes in local headers are ignored.
/// Inflating is bounded per member and in sum. Order as in the directory.
/// Pure function. Errors: failed, with `path`, member and byte.
std::vector<NamedArray> parse_npz(std::string_view bytes, const std::string& path, const Limits& limits = {});

}  // namespace quarry
