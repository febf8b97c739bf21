// SPDX-License-Identifier: MIT
#include <cstdlib>

#include "quarry/core/error.h"
#include "src/data/inflate.h"
#include "src/report/raster.h"

namespace quarry {
namespace {

constexpr std::string_view kSignature("\x89PNG\r\n\x1a\n", 8);
constexpr std::uint32_t kLongestSide = 16384;
constexpr std::size_t kZlibHeader = 2, kZlibTrailer = 4;

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

struct Header {
  std::uint32_t width = 0, height = 0;
  std::size_t channels = 0;
};

Header read_header(std::string_view body, const std::string& name) {
  if (body.size() != 13) fail("{}: a PNG header of {} bytes, expected 13", name, body.size());
  Header header{big_endian(body, 0), big_endian(body, 4), 0};
  if (header.width < 1 || header.width > kLongestSide || header.height < 1 || header.height > kLongestSide)
    fail("{}: {} x {} pixels, expected 1 to {} per side", name, header.width, header.height, kLongestSide);
  if (body[8] == 8 && body[9] == 2) header.channels = 3;
  if (body[8] == 8 && body[9] == 6) header.channels = 4;
  if (header.channels == 0 || body[10] != 0 || body[11] != 0 || body[12] != 0)
    fail("{}: expected a PNG of 8 bits a channel, RGB or RGBA, not interlaced", name);
  return header;
}

std::uint8_t paeth(int left, int above, int corner) {
  const int guess = left + above - corner;
  const int a = std::abs(guess - left), b = std::abs(guess - above), c = std::abs(guess - corner);
  return static_cast<std::uint8_t>(a <= b && a <= c ? left : b <= c ? above : corner);
}

/// Undoes the filter of one row in place; `above` is the row before it, of zeros for the first.
void unfilter(int filter, std::uint8_t* row, const std::uint8_t* above, std::size_t length, std::size_t step) {
  for (std::size_t i = 0; i < length; ++i) {
    const int left = i < step ? 0 : row[i - step], corner = i < step ? 0 : above[i - step];
    int add = 0;
    if (filter == 1) add = left;
    if (filter == 2) add = above[i];
    if (filter == 3) add = (left + above[i]) / 2;
    if (filter == 4) add = paeth(left, above[i], corner);
    row[i] = static_cast<std::uint8_t>(row[i] + add);
  }
}

void over_white(const std::uint8_t* rgba, std::uint8_t* rgb) {
  const int alpha = rgba[3];
  for (int c = 0; c < 3; ++c) rgb[c] = static_cast<std::uint8_t>((rgba[c] * alpha + 255 * (255 - alpha) + 127) / 255);
}

Raster unpack(const Header& header, std::string plain, const std::string& name) {
  const std::size_t length = header.width * header.channels;
  if (plain.size() != header.height * (length + 1))
    fail("{}: {} bytes of pixels, expected {}", name, plain.size(), header.height * (length + 1));
  Raster raster{static_cast<std::int32_t>(header.width), static_cast<std::int32_t>(header.height), {}};
  raster.rgb.resize(3 * raster.pixels());
  auto* bytes = reinterpret_cast<std::uint8_t*>(plain.data());
  const std::vector<std::uint8_t> zeros(length);
  const std::uint8_t* above = zeros.data();
  std::uint8_t* out = raster.rgb.data();
  for (std::uint32_t y = 0; y < header.height; ++y, bytes += length + 1) {
    if (bytes[0] > 4) fail("{}: row {} has the unknown filter {}", name, y, bytes[0]);
    std::uint8_t* row = bytes + 1;
    unfilter(bytes[0], row, above, length, header.channels);
    above = row;
    for (std::uint32_t x = 0; x < header.width; ++x, out += 3) {
      if (header.channels == 4)
        over_white(row + 4 * x, out);
      else
        for (std::size_t c = 0; c < 3; ++c) out[c] = row[3 * x + c];
    }
  }
  return raster;
}

}  // namespace

Raster read_png(std::string_view bytes, const std::string& name) {
  if (bytes.substr(0, kSignature.size()) != kSignature) fail("{}: not a PNG file", name);
  Header header;
  std::string packed;
  for (std::size_t at = kSignature.size();;) {
    if (bytes.size() - at < 12) fail("{}: the PNG ends too early", name);
    const std::size_t length = big_endian(bytes, at);
    const std::string_view type = bytes.substr(at + 4, 4);
    if (bytes.size() - at - 12 < length) fail("{}: the PNG ends within a block", name);
    const std::string_view body = bytes.substr(at + 8, length);
    if (type == "IHDR") header = read_header(body, name);
    if (type == "IDAT") packed += body;
    if (type == "IEND") break;
    at += length + 12;
  }
  if (header.channels == 0) fail("{}: the PNG has no header", name);
  if (packed.size() < kZlibHeader + kZlibTrailer) fail("{}: the PNG has no pixels", name);
  Limits limits;
  limits.max_inflated = header.height * (header.width * header.channels + std::uint64_t{1});
  limits.max_inflate_ratio = 1100;  // the most that deflate gives; a white picture comes near
  return unpack(header,
                inflate_raw(std::string_view(packed).substr(kZlibHeader, packed.size() - kZlibHeader - kZlibTrailer),
                            name, kZlibHeader, limits),
                name);
}

}  // namespace quarry
