// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for an NPY file.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/data/npy.h"
#include "tests/fuzz/reader_outcome.h"
#include "tests/support/byte_writers.h"

namespace quarry {

inline std::string npy_header(const NumericArray& array, char order, bool fortran_order) {
  static constexpr const char* kCodes[] = {"b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"};
  std::string shape;
  for (const std::uint64_t extent : array.shape) shape += std::to_string(extent) + ", ";
  return fmt::format("{{'descr': '{}{}', 'fortran_order': {}, 'shape': ({}), }}\n", order,
                     kCodes[static_cast<std::size_t>(array.type)], fortran_order ? "True" : "False", shape);
}

/// The elements in Fortran order, by the definition: the first index varies fastest.
inline std::string fortran_elements(const NumericArray& array) {
  const std::size_t size = size_of(array.type);
  std::vector<std::uint64_t> index(array.shape.size(), 0);
  std::string bytes;
  for (std::uint64_t k = 0; k < array.count(); ++k) {
    std::uint64_t position = 0;
    for (std::size_t r = 0; r < index.size(); ++r) position = position * array.shape[r] + index[r];
    bytes.append(array.bytes, position * size, size);
    for (std::size_t r = 0; r < index.size() && ++index[r] == array.shape[r]; ++r) index[r] = 0;
  }
  return bytes;
}

/// Written anew in both orders and byte orders, the array is the same.
inline void check_npy_array(const NumericArray& array) {
  const std::size_t size = size_of(array.type);
  std::string big = array.bytes;
  for (std::size_t i = 0; i < big.size(); i += size) {
    std::reverse(big.begin() + static_cast<std::ptrdiff_t>(i), big.begin() + static_cast<std::ptrdiff_t>(i + size));
  }
  const std::string variants[] = {npy_bytes(npy_header(array, '<', false), array.bytes),
                                  npy_bytes(npy_header(array, '>', false), big),
                                  npy_bytes(npy_header(array, '<', true), fortran_elements(array))};
  for (const std::string& variant : variants) {
    const NumericArray again = parse_npy(variant, kFuzzPath);
    QUARRY_CHECK(again.type == array.type && again.shape == array.shape && again.bytes == array.bytes,
                 "an array changed on its way through a file");
  }
}

inline void fuzz_npy(std::string_view input) {
  const auto array = outcome_of([&] { return parse_npy(input, kFuzzPath); });
  if (!array) return;
  QUARRY_CHECK(array->bytes.size() < input.size(), "more elements than bytes");
  QUARRY_CHECK(array->count() == checked_count(array->shape, array->type, kFuzzPath), "the shape is not the size");
  check_npy_array(*array);
  outcome_of([&] { return to_floats(*array, kFuzzPath); });
  outcome_of([&] { return to_integers(*array, kFuzzPath); });
}

}  // namespace quarry
