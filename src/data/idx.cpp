// SPDX-License-Identifier: MIT
#include "quarry/data/idx.h"

#include <cstddef>
#include <cstdint>

#include "quarry/core/error.h"
#include "src/data/bytes.h"
#include "src/data/inflate.h"

namespace quarry {
namespace {

constexpr std::size_t kMaxRank = 8;

ElementType element_type(std::uint64_t code, const std::string& path) {
  switch (code) {
    case 0x08:
      return ElementType::u8;
    case 0x09:
      return ElementType::i8;
    case 0x0B:
      return ElementType::i16;
    case 0x0C:
      return ElementType::i32;
    case 0x0D:
      return ElementType::f32;
    case 0x0E:
      return ElementType::f64;
    default:
      fail("{}: byte 2: element type {:#04x} is unknown; expected 08, 09, 0B, 0C, 0D or 0E", path, code);
  }
}

}  // namespace

NumericArray parse_idx(std::string_view bytes, const std::string& path, const Limits& limits) {
  if (bytes.substr(0, 2) == "\x1f\x8b") {
    const std::string plain = gunzip(bytes, path, limits);
    if (plain.substr(0, 2) == "\x1f\x8b") fail("{}: gzipped twice; expected IDX inside", path);
    return parse_idx(plain, path + " (inflated)", limits);
  }
  const ByteView view(bytes, path);
  if (view.big(0, 2, "the magic number") != 0) {
    fail("{}: byte 0: not an IDX file: it starts with {:#06x}; expected two zero bytes", path,
         view.big(0, 2, "the magic number"));
  }
  NumericArray array;
  array.type = element_type(view.big(2, 1, "the magic number"), path);
  const auto rank = static_cast<std::size_t>(view.big(3, 1, "the magic number"));
  if (rank < 1 || rank > kMaxRank) fail("{}: byte 3: rank {}; expected 1 to {}", path, rank, kMaxRank);
  for (std::size_t r = 0; r < rank; ++r) array.shape.push_back(view.big(4 + 4 * r, 4, "the extents"));
  const std::size_t start = 4 + 4 * rank;
  const std::uint64_t wanted = checked_count(array.shape, array.type, path) * size_of(array.type);
  if (wanted != view.size() - start) {
    fail("{}: byte {}: the header announces {} bytes of elements, but {} follow", path, start, wanted,
         view.size() - start);
  }
  array.bytes = view.slice(start, static_cast<std::size_t>(wanted), "the elements");
  swap_bytes(array.bytes, size_of(array.type));
  return array;
}

}  // namespace quarry
