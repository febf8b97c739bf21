// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for an IDX file.
#pragma once

#include <string>
#include <string_view>

#include "quarry/data/idx.h"
#include "tests/fuzz/reader_outcome.h"
#include "tests/support/byte_writers.h"

namespace quarry {

inline std::string write_idx(const NumericArray& array) {
  std::uint64_t code = 0;
  switch (array.type) {
    case ElementType::u8:
      code = 0x08;
      break;
    case ElementType::i8:
      code = 0x09;
      break;
    case ElementType::i16:
      code = 0x0B;
      break;
    case ElementType::i32:
      code = 0x0C;
      break;
    case ElementType::f32:
      code = 0x0D;
      break;
    case ElementType::f64:
      code = 0x0E;
      break;
    default:
      fail("IDX has no {}", to_string(array.type));
  }
  std::string bytes = big_bytes(code << 8 | array.shape.size(), 4);
  for (const std::uint64_t extent : array.shape) bytes += big_bytes(extent, 4);
  const std::size_t size = size_of(array.type);
  for (std::size_t i = 0; i < array.bytes.size(); i += size) {
    for (std::size_t k = size; k-- > 0;) bytes += array.bytes[i + k];
  }
  return bytes;
}

inline void fuzz_idx(std::string_view input) {
  Limits limits;
  limits.max_inflated = 1 << 17;  // keeps an execution short
  const auto array = outcome_of([&] { return parse_idx(input, kFuzzPath, limits); });
  if (!array) return;
  const std::string written = write_idx(*array);
  if (!input.starts_with("\x1f\x8b")) {
    QUARRY_CHECK(written == input, "the file is not what its array is written as");
    return;
  }
  QUARRY_CHECK(written.size() <= limits.max_inflated, "{} bytes were inflated", written.size());
  const NumericArray again = parse_idx(written, kFuzzPath);
  QUARRY_CHECK(again.shape == array->shape && again.bytes == array->bytes,
               "an array changed on its way through a file");
}

}  // namespace quarry
