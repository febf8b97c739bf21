// SPDX-License-Identifier: MIT
// Convolutions in double precision by their definition: scattered from the input, for comparison with kernels that
// gather. `magnitude` takes absolute values, which gives the scale of rounding errors.
#pragma once

#include "tests/simt/fleet_tensors.h"

namespace quarry::test {

struct ConvProblem {
  ConvShape shape;
  std::vector<std::int32_t> images;  ///< of each member
  Values kind = Values::integers;
};

inline ConvShape conv_shape(std::int32_t in, std::int32_t out, std::int32_t kernel, std::int32_t stride,
                            std::int32_t height, std::int32_t width, std::int32_t batch) {
  ConvShape s;
  s.in_channels = in;
  s.out_channels = out;
  s.kernel = kernel;
  s.stride = stride;
  s.padding = (kernel - 1) / 2;
  s.in_height = height;
  s.in_width = width;
  s.out_height = (height + 2 * s.padding - kernel) / stride + 1;
  s.out_width = (width + 2 * s.padding - kernel) / stride + 1;
  s.batch = batch;
  return s;
}

/// Calls visit(image, out channel, in channel, weight, in y, in x, out y, out x) for every product of a convolution.
/// Weights are counted [out][in][ky][kx].
template <class F>
void each_product(const ConvShape& s, std::int32_t images, const F& visit) {
  for (std::int32_t image = 0; image < images; ++image) {
    for (std::int32_t o = 0; o < s.out_channels; ++o) {
      for (std::int32_t i = 0; i < s.in_channels; ++i) {
        for (std::int32_t ky = 0; ky < s.kernel; ++ky) {
          for (std::int32_t kx = 0; kx < s.kernel; ++kx) {
            const auto weight = static_cast<std::size_t>(((o * s.in_channels + i) * s.kernel + ky) * s.kernel + kx);
            for (std::int32_t y = 0; y < s.out_height; ++y) {
              const std::int32_t in_y = y * s.stride + ky - s.padding;
              if (in_y < 0 || in_y >= s.in_height) continue;
              for (std::int32_t x = 0; x < s.out_width; ++x) {
                const std::int32_t in_x = x * s.stride + kx - s.padding;
                if (in_x >= 0 && in_x < s.in_width) visit(image, o, i, weight, in_y, in_x, y, x);
              }
            }
          }
        }
      }
    }
  }
}

inline double term(double a, double b, bool magnitude) {
  return magnitude ? std::abs(a * b) : a * b;
}

inline Images conv_forward(const ConvShape& s, const Images& in, const std::vector<double>& w, bool magnitude) {
  Images out{in.n, s.out_channels, s.out_height, s.out_width, {}};
  out.values.assign(static_cast<std::size_t>(in.n * s.out_channels * s.out_height * s.out_width), 0);
  each_product(s, in.n, [&](auto image, auto o, auto i, auto weight, auto in_y, auto in_x, auto y, auto x) {
    out.at(image, o, y, x) += term(in.at(image, i, in_y, in_x), w[weight], magnitude);
  });
  return out;
}

inline Images conv_input_gradient(const ConvShape& s, const Images& dy, const std::vector<double>& w, bool magnitude) {
  Images dx{dy.n, s.in_channels, s.in_height, s.in_width, {}};
  dx.values.assign(static_cast<std::size_t>(dy.n * s.in_channels * s.in_height * s.in_width), 0);
  each_product(s, dy.n, [&](auto image, auto o, auto i, auto weight, auto in_y, auto in_x, auto y, auto x) {
    dx.at(image, i, in_y, in_x) += term(dy.at(image, o, y, x), w[weight], magnitude);
  });
  return dx;
}

inline std::vector<double> conv_weight_gradient(const ConvShape& s, const Images& in, const Images& dy,
                                                bool magnitude) {
  std::vector<double> dw(static_cast<std::size_t>(s.out_channels * s.in_channels * s.kernel * s.kernel), 0);
  each_product(s, in.n, [&](auto image, auto o, auto i, auto weight, auto in_y, auto in_x, auto y, auto x) {
    dw[weight] += term(in.at(image, i, in_y, in_x), dy.at(image, o, y, x), magnitude);
  });
  return dw;
}

/// Where weight (o, i, ky, kx) lies on the device; i up to the padded channels.
inline std::size_t weight_place(const ConvShape& s, std::int32_t o, std::int32_t i, std::int32_t ky, std::int32_t kx) {
  return static_cast<std::size_t>(((o * s.kernel + ky) * s.kernel + kx) * padded_channels(s.in_channels) + i);
}

/// Calls visit(place on the device, number in [out][in][ky][kx] or -1) for every weight of a member.
template <class F>
void each_weight(const ConvShape& s, const F& visit) {
  for (std::int32_t o = 0; o < s.out_channels; ++o) {
    for (std::int32_t ky = 0; ky < s.kernel; ++ky) {
      for (std::int32_t kx = 0; kx < s.kernel; ++kx) {
        for (std::int32_t i = 0; i < padded_channels(s.in_channels); ++i) {
          const bool real = i < s.in_channels;
          visit(weight_place(s, o, i, ky, kx),
                real ? ((o * s.in_channels + i) * s.kernel + ky) * s.kernel + kx : std::int32_t{-1});
        }
      }
    }
  }
}

template <class T>
void append_weights(std::vector<T>& out, const ConvShape& s, const std::vector<double>& w) {
  each_weight(s, [&](std::size_t, std::int32_t number) {
    out.push_back(from_float<T>(number < 0 ? 0.0f : static_cast<float>(w[static_cast<std::size_t>(number)])));
  });
}

}  // namespace quarry::test
