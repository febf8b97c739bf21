// SPDX-License-Identifier: MIT
#include "src/data/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "quarry/core/error.h"

namespace quarry {
namespace {

constexpr std::uint64_t kSmall = 64 << 10;  // so that the ratio does not refuse a short run of zeros
constexpr int kGzipOnly = 16 + MAX_WBITS;
constexpr int kRawDeflate = -MAX_WBITS;

/// zlib's stream, ended with the scope.
class Inflater {
 public:
  explicit Inflater(int window_bits) {
    if (inflateInit2(&stream_, window_bits) != Z_OK) fail("zlib cannot be started: out of memory");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream& operator*() { return stream_; }
  z_stream* operator->() { return &stream_; }

 private:
  z_stream stream_{};
};

std::string inflate_bytes(std::string_view in, int window_bits, const std::string& path, std::size_t at,
                          const Limits& limits) {
  const std::uint64_t most = most_inflated(in.size(), limits);
  Inflater inflater(window_bits);
  std::string out(static_cast<std::size_t>(std::min<std::uint64_t>(most, 4 * in.size() + kSmall)), '\0');
  std::size_t consumed = 0, produced = 0;
  for (;;) {
    constexpr std::size_t kStep = std::numeric_limits<uInt>::max() / 2;
    const std::size_t offered = std::min(in.size() - consumed, kStep);
    const std::size_t room = std::min(out.size() - produced, kStep);
    inflater->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data() + consumed));
    inflater->avail_in = static_cast<uInt>(offered);
    inflater->next_out = reinterpret_cast<Bytef*>(out.data() + produced);
    inflater->avail_out = static_cast<uInt>(room);
    const int status = inflate(&*inflater, Z_NO_FLUSH);
    consumed += offered - inflater->avail_in;
    produced += room - inflater->avail_out;
    if (status == Z_STREAM_END) break;
    if (status != Z_OK && status != Z_BUF_ERROR) {
      fail("{}: byte {}: damaged compressed data ({})", path, at + consumed,
           inflater->msg != nullptr ? inflater->msg : "zlib gives no reason");
    }
    if (produced < out.size()) {
      if (consumed == in.size()) fail("{}: byte {}: the compressed data ends too early", path, at + consumed);
      continue;
    }
    if (produced >= most) {
      fail("{}: {} compressed bytes inflate to more than {}; refused as a decompression bomb", path, in.size(), most);
    }
    out.resize(static_cast<std::size_t>(std::min<std::uint64_t>(most, 2 * produced)));
  }
  if (consumed != in.size()) {
    fail("{}: byte {}: {} bytes follow the end of the compressed data", path, at + consumed, in.size() - consumed);
  }
  out.resize(produced);
  return out;
}

}  // namespace

std::uint64_t most_inflated(std::uint64_t n, const Limits& limits) {
  return std::min(limits.max_inflated, limits.max_inflate_ratio * n + kSmall);
}

std::string gunzip(std::string_view bytes, const std::string& path, const Limits& limits) {
  return inflate_bytes(bytes, kGzipOnly, path, 0, limits);
}

std::string inflate_raw(std::string_view bytes, const std::string& path, std::size_t at, const Limits& limits) {
  return inflate_bytes(bytes, kRawDeflate, path, at, limits);
}

}  // namespace quarry
