// SPDX-License-Identifier: MIT
// A GIF decoder for tests, written from the format's specification; it shares nothing with the encoder.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace quarry::test {

struct DecodedGif {
  int width = 0, height = 0;
  bool endless = false;
  std::vector<int> delays;                        ///< hundredths of a second
  std::vector<std::vector<std::uint8_t>> frames;  ///< what is on the screen: [height][width][3]
  std::vector<std::size_t> coded_pixels;          ///< of the part that each frame codes
};

class GifDecoder {
 public:
  explicit GifDecoder(std::string_view bytes) : bytes_(bytes) {}

  DecodedGif decode() {
    if (take(6) != "GIF89a") throw std::runtime_error("no GIF89a");
    gif_.width = number(2);
    gif_.height = number(2);
    const int flags = number(1);
    take(2);
    if ((flags & 0x80) == 0) throw std::runtime_error("no colour table");
    const std::size_t colours = std::size_t{2} << (flags & 7);
    for (std::size_t i = 0; i < colours; ++i) {
      const std::string_view rgb = take(3);
      table_.push_back({byte(rgb[0]), byte(rgb[1]), byte(rgb[2])});
    }
    screen_.assign(static_cast<std::size_t>(3 * gif_.width * gif_.height), 0x7f);
    for (;;) {
      const int kind = number(1);
      if (kind == 0x3b) break;
      if (kind == 0x21)
        extension();
      else if (kind == 0x2c)
        image();
      else
        throw std::runtime_error("unknown block");
    }
    if (at_ != bytes_.size()) throw std::runtime_error("bytes after the end");
    return gif_;
  }

 private:
  static std::uint8_t byte(char c) { return static_cast<std::uint8_t>(c); }
  std::string_view take(std::size_t n) {
    if (bytes_.size() - at_ < n) throw std::runtime_error("too short");
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  int number(int n) {
    int value = 0;
    for (int i = 0; i < n; ++i) value |= byte(take(1)[0]) << (8 * i);
    return value;
  }
  std::string sub_blocks() {
    std::string all;
    for (int n = number(1); n != 0; n = number(1)) all += take(static_cast<std::size_t>(n));
    return all;
  }
  void extension() {
    const int label = number(1);
    const std::string body = sub_blocks();
    if (label == 0xf9) {
      if (body.size() != 4) throw std::runtime_error("graphic control");
      if ((body[0] >> 2 & 7) != 1) throw std::runtime_error("frames must stay");
      transparent_ = (body[0] & 1) != 0 ? byte(body[3]) : -1;
      gif_.delays.push_back(byte(body[1]) | byte(body[2]) << 8);
    } else if (label == 0xff && body.substr(0, 11) == "NETSCAPE2.0") {
      gif_.endless = body.substr(11) == std::string("\x01\0\0", 3);
    }
  }
  void image() {
    const int left = number(2), top = number(2), width = number(2), height = number(2), flags = number(1);
    if (flags != 0) throw std::runtime_error("a table or interlacing of its own");
    const int value_bits = number(1);
    const std::vector<std::uint8_t> values = unpacked(sub_blocks(), value_bits);
    if (values.size() != static_cast<std::size_t>(width * height)) throw std::runtime_error("number of pixels");
    if (left + width > gif_.width || top + height > gif_.height) throw std::runtime_error("outside of the screen");
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const int value = values[static_cast<std::size_t>(y * width + x)];
        if (value == transparent_) continue;
        for (std::size_t c = 0; c < 3; ++c)
          screen_[static_cast<std::size_t>(3 * ((top + y) * gif_.width + left + x)) + c] =
              table_.at(static_cast<std::size_t>(value))[c];
      }
    gif_.frames.push_back(screen_);
    gif_.coded_pixels.push_back(values.size());
  }
  /// LZW with strings kept whole, as the specification's Appendix F tells it.
  static std::vector<std::uint8_t> unpacked(const std::string& packed, int value_bits) {
    const std::size_t clear = std::size_t{1} << value_bits, end = clear + 1;
    std::vector<std::string> strings;
    std::vector<std::uint8_t> out;
    std::string before;
    int bits = value_bits + 1;
    std::size_t position = 0;
    for (;;) {
      std::size_t code = 0;
      for (int b = 0; b < bits; ++b, ++position) {
        if (position / 8 >= packed.size()) throw std::runtime_error("no end of codes");
        code |= static_cast<std::size_t>(byte(packed[position / 8]) >> (position % 8) & 1) << b;
      }
      if (code == end) {
        if (packed.size() - (position + 7) / 8 != 0) throw std::runtime_error("bytes after the last code");
        return out;
      }
      if (code == clear) {
        strings.clear();
        for (std::size_t v = 0; v < clear; ++v) strings.emplace_back(1, static_cast<char>(v));
        strings.resize(clear + 2);
        bits = value_bits + 1;
        before.clear();
        continue;
      }
      if (strings.empty() || code > strings.size() || (code == strings.size() && before.empty()))
        throw std::runtime_error("unknown code");
      const std::string now = code < strings.size() ? strings[code] : before + before[0];
      for (char c : now) out.push_back(byte(c));
      if (!before.empty() && strings.size() < 4096) strings.push_back(before + now[0]);
      if (strings.size() == std::size_t{1} << bits && bits < 12) ++bits;
      before = now;
    }
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  DecodedGif gif_;
  std::vector<std::array<std::uint8_t, 3>> table_;
  std::vector<std::uint8_t> screen_;
  int transparent_ = -1;
};

inline DecodedGif decode_gif(std::string_view bytes) {
  return GifDecoder(bytes).decode();
}

}  // namespace quarry::test
