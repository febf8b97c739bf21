// SPDX-License-Identifier: MIT
// A numeric array as it came from a file: what the NPY, NPZ and IDX readers return.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quarry {

enum class ElementType { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, f32, f64 };

std::size_t size_of(ElementType type);
std::string_view to_string(ElementType type);

/// Elements in row-major (C) order, little endian, `type` as in the file: a label keeps all its bits, and a byte
/// image takes a byte per pixel.
struct NumericArray {
  ElementType type = ElementType::u8;
  std::vector<std::uint64_t> shape;  ///< outermost first; empty for a single number
  std::string bytes;                 ///< count() * size_of(type) bytes

  std::uint64_t count() const;
  /// Element i of the row-major order, as a double (64-bit integers above 2^53 are rounded).
  double at(std::uint64_t i) const;
};

/// The product of the extents. Fails, naming `where`, if it or the size in bytes does not fit 63 bits.
std::uint64_t checked_count(const std::vector<std::uint64_t>& shape, ElementType type, const std::string& where);

/// All elements as floats. Fails, naming `where` and the element, for finite values beyond a float's range; NaN and
/// infinities are kept.
std::vector<float> to_floats(const NumericArray& array, const std::string& where);

/// All elements as integers. Fails, naming `where` and the element, for values that are none or beyond 2^53.
std::vector<std::int64_t> to_integers(const NumericArray& array, const std::string& where);

}  // namespace quarry
