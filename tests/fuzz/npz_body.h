// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for an NPZ archive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/data/npz.h"
#include "tests/fuzz/npy_body.h"
#include "tests/fuzz/reader_outcome.h"
#include "tests/support/byte_writers.h"

namespace quarry {

inline void fuzz_npz(std::string_view input) {
  Limits limits;
  limits.max_inflated = 1 << 17;  // keeps an execution short
  const auto arrays = outcome_of([&] { return parse_npz(input, kFuzzPath, limits); });
  if (!arrays) return;
  std::uint64_t total = 0;
  std::vector<ZipEntry> entries;
  for (const auto& [name, array] : *arrays) {
    total += array.bytes.size();
    entries.push_back(zip_stored(name + ".npy", npy_bytes(npy_header(array, '<', false), array.bytes)));
  }
  QUARRY_CHECK(total <= limits.max_inflated, "{} bytes were inflated", total);
  const std::vector<NamedArray> again = parse_npz(zip_archive(entries), kFuzzPath);
  QUARRY_CHECK(again.size() == arrays->size(), "{} arrays instead of {}", again.size(), arrays->size());
  for (std::size_t i = 0; i < again.size(); ++i) {
    const NumericArray &a = again[i].array, &b = (*arrays)[i].array;
    QUARRY_CHECK(again[i].name == (*arrays)[i].name && a.type == b.type && a.shape == b.shape && a.bytes == b.bytes,
                 "an array changed on its way through a file");
  }
}

}  // namespace quarry
