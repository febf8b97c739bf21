// SPDX-License-Identifier: MIT
// Reading numbers out of a file's bytes, and saying where in a text an error is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "quarry/core/error.h"

namespace quarry {

/// The bytes of a file, with its name for messages. Every access is checked.
class ByteView {
 public:
  ByteView(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  std::size_t size() const { return bytes_.size(); }
  std::string_view slice(std::size_t at, std::size_t n, std::string_view what) const {
    if (at > bytes_.size() || n > bytes_.size() - at) {
      fail("{}: byte {}: the file ends within {} ({} bytes expected, {} left)", path_, at, what, n,
           bytes_.size() - std::min(at, bytes_.size()));
    }
    return bytes_.substr(at, n);
  }
  /// Unsigned integer of n bytes, least significant first.
  std::uint64_t little(std::size_t at, std::size_t n, std::string_view what) const {
    const std::string_view text = slice(at, n, what);
    std::uint64_t value = 0;
    for (std::size_t i = n; i-- > 0;) value = value << 8 | static_cast<unsigned char>(text[i]);
    return value;
  }
  /// Unsigned integer of n bytes, most significant first.
  std::uint64_t big(std::size_t at, std::size_t n, std::string_view what) const {
    const std::string_view text = slice(at, n, what);
    std::uint64_t value = 0;
    for (const char c : text) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }

 private:
  std::string_view bytes_;
  const std::string& path_;
};

/// Reverses the bytes of every element of `size` bytes.
inline void swap_bytes(std::string& bytes, std::size_t size) {
  if (size < 2) return;
  for (std::size_t i = 0; i + size <= bytes.size(); i += size) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i), bytes.begin() + static_cast<std::ptrdiff_t>(i + size));
  }
}

/// "path:line:column" of a byte of a text; lines and columns (bytes) count from 1.
inline std::string position_in(const std::string& path, std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n');
  const std::size_t column = line_start == std::string_view::npos ? offset + 1 : offset - line_start;
  return fmt::format("{}:{}:{}", path, line, column);
}

}  // namespace quarry
