// SPDX-License-Identifier: MIT
// Tensors of fleets for the cases of convolutional kernels: made-up values, the layouts of the device, guarded memory
// on it, and comparisons. References work on plain arrays [image][channel][y][x] of double, one member at a time.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "quarry/core/bfloat16.h"
#include "quarry/core/gpu.h"
#include "quarry/ops/conv_device.h"
#include "tests/simt/cases.h"
#include "tests/support/select_data.h"

namespace quarry::test {

template <class T>
constexpr ConvPrecision precision_of() {
  return sizeof(T) == 4 ? ConvPrecision::fp32 : ConvPrecision::bf16;
}

/// x as T stores it, rounded by arithmetic of its own.
template <class T>
double rounded(double x) {
  if (sizeof(T) == 4 || x == 0 || !std::isfinite(x)) return static_cast<double>(static_cast<float>(x));
  int exponent = 0;
  const double mantissa = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(mantissa, 8)), exponent - 8);
}

enum class Values { integers, reals };

/// Integers -3..3, or roughly normal numbers, as T has them.
template <class T>
std::vector<double> make_values(std::int64_t n, std::uint64_t key, Values kind) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto element = static_cast<std::uint64_t>(i);
    values.push_back(kind == Values::integers ? static_cast<double>(random_below(key, 7, element)) - 3
                                              : rounded<T>(static_cast<double>(bell(key, element))));
  }
  return values;
}

/// Activations of one member: [image][channel][y][x].
struct Images {
  std::int32_t n = 0, channels = 0, height = 0, width = 0;
  std::vector<double> values;
  double& at(std::int32_t image, std::int32_t channel, std::int32_t y, std::int32_t x) {
    return values[static_cast<std::size_t>(((image * channels + channel) * height + y) * width + x)];
  }
  double at(std::int32_t image, std::int32_t channel, std::int32_t y, std::int32_t x) const {
    return values[static_cast<std::size_t>(((image * channels + channel) * height + y) * width + x)];
  }
};

template <class T>
Images make_images(std::int32_t n, std::int32_t channels, std::int32_t height, std::int32_t width, std::uint64_t key,
                   Values kind) {
  return {n, channels, height, width, make_values<T>(std::int64_t{n} * channels * height * width, key, kind)};
}

/// Calls visit(place on the device, image, channel, y, x) for every place of a member; image and channel are -1 where
/// there is none.
template <class F>
void each_place(const Images& like, std::int32_t batch, const F& visit) {
  std::size_t place = 0;
  for (std::int32_t y = 0; y < like.height; ++y) {
    for (std::int32_t x = 0; x < like.width; ++x) {
      for (std::int32_t image = 0; image < batch; ++image) {
        for (std::int32_t channel = 0; channel < padded_channels(like.channels); ++channel, ++place) {
          visit(place, image < like.n ? image : -1, channel < like.channels ? channel : -1, y, x);
        }
      }
    }
  }
}

inline std::size_t places(const Images& like, std::int32_t batch) {
  return static_cast<std::size_t>(like.height * like.width * batch * padded_channels(like.channels));
}

/// Appends a member's images as the device has them.
template <class T>
void append_images(std::vector<T>& out, const Images& images, std::int32_t batch) {
  each_place(images, batch, [&](std::size_t, std::int32_t i, std::int32_t c, std::int32_t y, std::int32_t x) {
    out.push_back(from_float<T>(i < 0 || c < 0 ? 0.0f : static_cast<float>(images.at(i, c, y, x))));
  });
}

/// Memory of the device with poison behind it, which check() wants to be still there.
template <class T>
class Guarded {
 public:
  Guarded(gpu::Session& session, std::size_t n) : session_(session), n_(n), memory_(session, n + kGuard) {
    session.fill(memory_.data(), 0xff, (n + kGuard) * sizeof(T));
  }
  Guarded(gpu::Session& session, const std::vector<T>& values) : Guarded(session, values.size()) {
    const gpu::Buffer<T> staged = gpu::upload<T>(session, values);
    session.copy_within(memory_.data(), staged.data(), values.size() * sizeof(T));
    session.synchronize();
  }
  T* data() const { return memory_.data(); }
  /// All numbers; fails if the poison behind them is gone.
  std::vector<T> read(const char* what) const {
    std::vector<T> all(n_ + kGuard);
    gpu::download<T>(session_, memory_.data(), all);
    for (std::size_t i = n_; i < all.size(); ++i) simt::expect(is_poison(all[i]), "%s: written beyond the end", what);
    all.resize(n_);
    return all;
  }
  static bool is_poison(const T& x) {
    unsigned char poison[sizeof(T)];
    std::memset(poison, 0xff, sizeof poison);
    return std::memcmp(&x, poison, sizeof poison) == 0;
  }

 private:
  static constexpr std::size_t kGuard = 64;
  gpu::Session& session_;
  std::size_t n_;
  gpu::Buffer<T> memory_;
};

template <class T>
void expect_untouched(const std::vector<T>& got, std::size_t begin, std::size_t n, const char* what) {
  for (std::size_t i = begin; i < begin + n; ++i) {
    simt::expect(Guarded<T>::is_poison(got[i]), "%s: [%zu] of a member without images is written", what, i - begin);
  }
}

/// Stretches of two tensors hold the same bytes.
template <class T>
void expect_same_bytes(const std::vector<T>& got, std::size_t at, const std::vector<T>& want, std::size_t want_at,
                       std::size_t n, const char* what) {
  for (std::size_t i = 0; i < n; ++i) {
    simt::expect(std::memcmp(&got[at + i], &want[want_at + i], sizeof(T)) == 0,
                 "%s: [%zu] is %g in one, %g in the other", what, i, static_cast<double>(to_float(got[at + i])),
                 static_cast<double>(to_float(want[want_at + i])));
  }
}

/// A number and how far off it may be: share of `scale`, the sum of the magnitudes that it is made of.
inline void expect_close(double got, double want, double scale, double share, const char* what, std::size_t place) {
  const double off = std::abs(got - want);
  simt::expect(off <= share * scale, "%s: [%zu] is %.9g, not %.9g (off %.3g, may be %.3g)", what, place, got, want, off,
               share * scale);
}

/// A member's tensor on the device: values (`share` 0: rounded to T exactly), zero where nothing is.
template <class T>
void expect_images(const std::vector<T>& got, std::size_t begin, const Images& want, const Images& scale,
                   std::int32_t batch, double share, const char* what) {
  each_place(want, batch, [&](std::size_t place, std::int32_t i, std::int32_t c, std::int32_t y, std::int32_t x) {
    const double is = static_cast<double>(to_float(got[begin + place]));
    if (i < 0 || c < 0) {
      simt::expect(is == 0, "%s: [%zu], where nothing is, holds %g", what, place, is);
    } else if (share == 0) {
      expect_close(is, rounded<T>(want.at(i, c, y, x)), 0, 0, what, place);
    } else {
      const double store = sizeof(T) == 4 ? 0 : std::ldexp(std::abs(want.at(i, c, y, x)), -8);
      expect_close(is, want.at(i, c, y, x), scale.at(i, c, y, x) + store / share, share, what, place);
    }
  });
}

}  // namespace quarry::test
