// SPDX-License-Identifier: MIT
#include "quarry/data/array.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>

#include "quarry/core/error.h"

namespace quarry {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are kept in the order of this machine");

struct TypeInfo {
  std::size_t size;
  std::string_view name;
};

constexpr TypeInfo kTypes[] = {{1, "bool"},  {1, "uint8"},   {1, "int8"},    {2, "uint16"},
                               {2, "int16"}, {4, "uint32"},  {4, "int32"},   {8, "uint64"},
                               {8, "int64"}, {2, "float16"}, {4, "float32"}, {8, "float64"}};

/// IEEE half precision, which C++20 has no type for.
struct Half {
  std::uint16_t bits;
  explicit operator double() const {
    const int exponent = (bits >> 10) & 31;
    const int fraction = bits & 1023;
    double magnitude = std::ldexp(fraction + 1024, exponent - 25);
    if (exponent == 0) magnitude = std::ldexp(fraction, -24);
    if (exponent == 31) {
      magnitude = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    }
    return bits & 0x8000 ? -magnitude : magnitude;
  }
};

struct Boolean {
  std::uint8_t byte;
  explicit operator double() const { return byte != 0; }
};

/// Calls use(T{}) with T the C++ type of the elements.
template <class Use>
void with_type(ElementType type, Use&& use) {
  switch (type) {
    case ElementType::boolean:
      return use(Boolean{});
    case ElementType::u8:
      return use(std::uint8_t{});
    case ElementType::i8:
      return use(std::int8_t{});
    case ElementType::u16:
      return use(std::uint16_t{});
    case ElementType::i16:
      return use(std::int16_t{});
    case ElementType::u32:
      return use(std::uint32_t{});
    case ElementType::i32:
      return use(std::int32_t{});
    case ElementType::u64:
      return use(std::uint64_t{});
    case ElementType::i64:
      return use(std::int64_t{});
    case ElementType::f16:
      return use(Half{});
    case ElementType::f32:
      return use(float{});
    case ElementType::f64:
      return use(double{});
  }
}

/// Calls use(i, value) for the elements begin .. end-1, values as doubles.
template <class Use>
void for_each_element(const NumericArray& array, std::uint64_t begin, std::uint64_t end, Use&& use) {
  with_type(array.type, [&](auto element) {
    for (std::uint64_t i = begin; i < end; ++i) {
      std::memcpy(&element, array.bytes.data() + i * sizeof element, sizeof element);
      use(i, static_cast<double>(element));
    }
  });
}

}  // namespace

std::size_t size_of(ElementType type) {
  return kTypes[static_cast<std::size_t>(type)].size;
}

std::string_view to_string(ElementType type) {
  return kTypes[static_cast<std::size_t>(type)].name;
}

std::uint64_t NumericArray::count() const {
  return bytes.size() / size_of(type);
}

double NumericArray::at(std::uint64_t i) const {
  QUARRY_CHECK(i < count(), "element {} of {}", i, count());
  double result = 0;
  for_each_element(*this, i, i + 1, [&](std::uint64_t, double value) { result = value; });
  return result;
}

std::uint64_t checked_count(const std::vector<std::uint64_t>& shape, ElementType type, const std::string& where) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::uint64_t product = 1;  // of the extents above zero, so that 0 cannot hide an absurd one
  bool empty = false;
  for (const std::uint64_t extent : shape) {
    if (extent == 0) {
      empty = true;
      continue;
    }
    if (extent > kMost / size_of(type) / product)
      fail("{}: the shape asks for more elements than can be counted", where);
    product *= extent;
  }
  return empty ? 0 : product;
}

std::vector<float> to_floats(const NumericArray& array, const std::string& where) {
  std::vector<float> result(array.count());
  for_each_element(array, 0, array.count(), [&](std::uint64_t i, double value) {
    if (std::isfinite(value) && std::abs(value) > static_cast<double>(std::numeric_limits<float>::max())) {
      fail("{}: element {} is {}, beyond the range of a float", where, i, value);
    }
    result[i] = static_cast<float>(value);
  });
  return result;
}

std::vector<std::int64_t> to_integers(const NumericArray& array, const std::string& where) {
  std::vector<std::int64_t> result(array.count());
  for_each_element(array, 0, array.count(), [&](std::uint64_t i, double value) {
    if (!(std::abs(value) < 0x1p53) || value != std::floor(value)) {
      fail("{}: element {} is {}; expected an integer", where, i, value);
    }
    result[i] = static_cast<std::int64_t>(value);
  });
  return result;
}

}  // namespace quarry
