// SPDX-License-Identifier: MIT
#include "src/report/gif.h"

#include <algorithm>

#include "quarry/core/error.h"

namespace quarry {
namespace {

constexpr std::uint32_t kClear = 256, kEnd = 257, kFirst = 258, kCodes = 4096;
constexpr std::uint8_t kAsBefore = 255;  // the palette's last entry, transparent
constexpr std::int32_t kLongestSide = 0xffff;

/// Bits, lowest first, in sub-blocks that say their length.
class CodeWriter {
 public:
  void put(std::uint32_t code, int bits) {
    pending_ |= code << held_;
    held_ += bits;
    for (; held_ >= 8; held_ -= 8, pending_ >>= 8) put_byte(static_cast<char>(pending_ & 0xff));
  }
  std::string finish() {
    if (held_ > 0) put_byte(static_cast<char>(pending_ & 0xff));
    end_block();
    return bytes_ + '\0';
  }

 private:
  void put_byte(char byte) {
    block_ += byte;
    if (block_.size() == 255) end_block();
  }
  void end_block() {
    if (block_.empty()) return;
    bytes_ += static_cast<char>(block_.size());
    bytes_ += block_;
    block_.clear();
  }

  std::uint32_t pending_ = 0;
  int held_ = 0;
  std::string block_, bytes_;
};

void put_short(std::string& bytes, std::int32_t value) {
  bytes += static_cast<char>(value & 0xff);
  bytes += static_cast<char>(value >> 8 & 0xff);
}

struct Rectangle {
  std::int32_t left, top, width, height;
};

/// The smallest rectangle that holds every pixel that changed; a single pixel if none did.
Rectangle changed(const std::vector<std::uint8_t>& before, const std::vector<std::uint8_t>& now, std::int32_t width) {
  const auto columns = static_cast<std::size_t>(width);
  std::size_t left = columns, right = 0, top = now.size(), bottom = 0;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (before[i] == now[i]) continue;
    left = std::min(left, i % columns);
    right = std::max(right, i % columns);
    top = std::min(top, i / columns);
    bottom = i / columns;
  }
  if (left > right) return {0, 0, 1, 1};
  return {static_cast<std::int32_t>(left), static_cast<std::int32_t>(top), static_cast<std::int32_t>(right - left + 1),
          static_cast<std::int32_t>(bottom - top + 1)};
}

/// A part of a frame; what is as before is transparent: long runs of one value, half the bytes of whole frames.
std::vector<std::uint8_t> cut_out(const std::vector<std::uint8_t>& now, const std::vector<std::uint8_t>& before,
                                  const Rectangle& part, std::int32_t width) {
  std::vector<std::uint8_t> values;
  values.reserve(static_cast<std::size_t>(part.width) * static_cast<std::size_t>(part.height));
  for (std::int32_t y = part.top; y < part.top + part.height; ++y)
    for (std::int32_t x = part.left; x < part.left + part.width; ++x) {
      const std::size_t i = static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
      values.push_back(!before.empty() && before[i] == now[i] ? kAsBefore : now[i]);
    }
  return values;
}

}  // namespace

std::string gif_lzw(const std::vector<std::uint8_t>& values) {
  QUARRY_CHECK(!values.empty(), "a picture of no pixels");
  std::vector<std::uint16_t> longer(std::size_t{kCodes} * 256);  // [code][value]: the code of both together, 0: none
  CodeWriter codes;
  std::uint32_t next = kFirst;
  int bits = 9;
  codes.put(kClear, bits);
  std::uint32_t code = values[0];
  for (std::size_t i = 1; i < values.size(); ++i) {
    std::uint16_t& both = longer[code * 256 + values[i]];
    if (both != 0) {
      code = both;
      continue;
    }
    codes.put(code, bits);
    code = values[i];
    if (next == kCodes) {
      codes.put(kClear, bits);
      std::fill(longer.begin(), longer.end(), std::uint16_t{0});
      next = kFirst;
      bits = 9;
      continue;
    }
    both = static_cast<std::uint16_t>(next);
    if (next == std::uint32_t{1} << bits) ++bits;  // the reader is one entry behind
    ++next;
  }
  codes.put(code, bits);
  // The reader adds its entry for the last code before it reads the end, which may take a bit more.
  if (next == std::uint32_t{1} << bits && bits < 12) ++bits;
  codes.put(kEnd, bits);
  return codes.finish();
}

GifWriter::GifWriter(std::int32_t width, std::int32_t height, const GifPalette& palette)
    : width_(width), height_(height) {
  QUARRY_CHECK(width >= 1 && width <= kLongestSide && height >= 1 && height <= kLongestSide, "{} x {} pixels", width,
               height);
  bytes_ = "GIF89a";
  put_short(bytes_, width);
  put_short(bytes_, height);
  bytes_ += std::string("\xf7\0\0", 3);  // a table of 256 colours of 8 bits, background 0, square pixels
  for (std::size_t i = 0; i < 256; ++i)
    for (std::size_t c = 0; c < 3; ++c)
      bytes_ += i < palette.colours().size() ? static_cast<char>(palette.colours()[i][c]) : '\0';
  bytes_ += std::string("\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0", 19);  // again and again
}

void GifWriter::add(const std::vector<std::uint8_t>& indices, std::int32_t hundredths) {
  QUARRY_CHECK(indices.size() == static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_),
               "a frame of {} pixels in an animation of {} x {}", indices.size(), width_, height_);
  QUARRY_CHECK(hundredths >= 0 && hundredths <= 0xffff, "a delay of {} hundredths of a second", hundredths);
  const bool first = before_.empty();
  const Rectangle part = first ? Rectangle{0, 0, width_, height_} : changed(before_, indices, width_);
  bytes_ += std::string("\x21\xf9\x04", 3);
  bytes_ += first ? '\x04' : '\x05';  // stays when the next is drawn; transparent colours after the first frame
  put_short(bytes_, hundredths);
  bytes_ += static_cast<char>(kAsBefore);
  bytes_ += '\0';
  bytes_ += ',';
  for (std::int32_t value : {part.left, part.top, part.width, part.height}) put_short(bytes_, value);
  bytes_ += std::string("\0\x08", 2);  // no table of its own; values of 8 bits
  bytes_ += gif_lzw(cut_out(indices, before_, part, width_));
  before_ = indices;
}

std::string GifWriter::finish() {
  QUARRY_CHECK(!before_.empty(), "an animation of no frame");
  return std::move(bytes_) + ';';
}

}  // namespace quarry
