// SPDX-License-Identifier: MIT
#include "src/nn/conv_loops.h"

#include <algorithm>
#include <cmath>

#include "src/nn/conv_gemm.h"

namespace quarry {
namespace {

/// f(place in the columns, place in the image) for every tap that lies inside; columns are [in][k][k][positions].
template <class F>
void for_taps(const ConvLayer& l, F f) {
  const std::int64_t positions = std::int64_t{l.out_height} * l.out_width;
  std::int64_t row = 0;
  for (std::int64_t c = 0; c < l.in_channels; ++c) {
    for (std::int32_t ky = 0; ky < l.kernel; ++ky) {
      for (std::int32_t kx = 0; kx < l.kernel; ++kx, ++row) {
        for (std::int32_t y = 0; y < l.out_height; ++y) {
          const std::int32_t from_y = y * l.stride + ky - l.padding;
          if (from_y < 0 || from_y >= l.in_height) continue;
          for (std::int32_t x = 0; x < l.out_width; ++x) {
            const std::int32_t from_x = x * l.stride + kx - l.padding;
            if (from_x < 0 || from_x >= l.in_width) continue;
            f(row * positions + std::int64_t{y} * l.out_width + x, (c * l.in_height + from_y) * l.in_width + from_x);
          }
        }
      }
    }
  }
}

std::int64_t taps(const ConvLayer& l) {
  return std::int64_t{l.in_channels} * l.kernel * l.kernel;
}

std::int64_t positions_of(const ConvLayer& l) {
  return std::int64_t{l.out_height} * l.out_width;
}

template <class T>
void gather_columns(const ConvLayer& layer, const T* image, std::vector<T>& columns) {
  columns.assign(static_cast<std::size_t>(taps(layer) * positions_of(layer)), T(0));
  for_taps(layer, [&](std::int64_t to, std::int64_t from) { columns[static_cast<std::size_t>(to)] = image[from]; });
}

}  // namespace

template <class T>
void convolve(const ConvLayer& layer, std::int64_t rows, const T* x, const T* w, T* y, std::vector<T>& columns) {
  for (std::int64_t r = 0; r < rows; ++r) {
    gather_columns(layer, x + r * map_in(layer), columns);
    conv_gemm<T>(false, false, layer.out_channels, positions_of(layer), taps(layer), w, columns.data(), false,
                 y + r * map_out(layer));
  }
}

template <class T>
void convolve_weights(const ConvLayer& layer, std::int64_t rows, const T* x, const T* dy, T* dw,
                      std::vector<T>& columns) {
  for (std::int64_t r = 0; r < rows; ++r) {
    gather_columns(layer, x + r * map_in(layer), columns);
    conv_gemm<T>(false, true, layer.out_channels, taps(layer), positions_of(layer), dy + r * map_out(layer),
                 columns.data(), r > 0, dw);
  }
}

template <class T>
void convolve_inputs(const ConvLayer& layer, std::int64_t rows, const T* dy, const T* w, T* dx,
                     std::vector<T>& columns) {
  columns.resize(static_cast<std::size_t>(taps(layer) * positions_of(layer)));
  for (std::int64_t r = 0; r < rows; ++r) {
    conv_gemm<T>(true, false, taps(layer), positions_of(layer), layer.out_channels, w, dy + r * map_out(layer), false,
                 columns.data());
    T* const image = dx + r * map_in(layer);
    for_taps(layer, [&](std::int64_t from, std::int64_t to) { image[to] += columns[static_cast<std::size_t>(from)]; });
  }
}

template <class T>
void norm_statistics(std::int64_t rows, std::int64_t channels, std::int64_t positions, const T* x,
                     NormStatistics<T>& statistics, T* running_mean, T* running_variance) {
  statistics.mean.resize(static_cast<std::size_t>(channels));
  statistics.inverse.resize(static_cast<std::size_t>(channels));
  const double count = static_cast<double>(rows * positions);
  for (std::int64_t c = 0; c < channels; ++c) {
    double sum = 0, squares = 0;
    const auto for_values = [&](auto f) {
      for (std::int64_t r = 0; r < rows; ++r) {
        const T* const map = x + (r * channels + c) * positions;
        for (std::int64_t p = 0; p < positions; ++p) f(static_cast<double>(map[p]));
      }
    };
    for_values([&](double value) { sum += value; });
    const double mean = sum / count;
    for_values([&](double value) { squares += (value - mean) * (value - mean); });
    const auto at = static_cast<std::size_t>(c);
    statistics.mean[at] = static_cast<T>(mean);
    statistics.inverse[at] = static_cast<T>(1 / std::sqrt(squares / count + kNormEpsilon));
    running_mean[c] = static_cast<T>((1 - kRunningShare) * running_mean[c] + kRunningShare * mean);
    running_variance[c] =
        static_cast<T>((1 - kRunningShare) * running_variance[c] + kRunningShare * squares / (count - 1));
  }
}

template <class T>
void normalise(std::int64_t rows, std::int64_t channels, std::int64_t positions, const T* x,
               const NormStatistics<T>& statistics, const T* gamma, const T* beta, T* y) {
  for (std::int64_t i = 0; i < rows * channels; ++i) {
    const auto c = static_cast<std::size_t>(i % channels);
    const T mean = statistics.mean[c], scale = gamma[c] * statistics.inverse[c], shift = beta[c];
    for (std::int64_t p = i * positions; p < (i + 1) * positions; ++p) y[p] = (x[p] - mean) * scale + shift;
  }
}

template <class T>
void normalise_backward(std::int64_t rows, std::int64_t channels, std::int64_t positions, const T* x,
                        const NormStatistics<T>& statistics, const T* gamma, T* dy, T* dgamma, T* dbeta) {
  const double count = static_cast<double>(rows * positions);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double mean = statistics.mean[static_cast<std::size_t>(c)];
    const double inverse = statistics.inverse[static_cast<std::size_t>(c)];
    double sum = 0, products = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t first = (r * channels + c) * positions;
      for (std::int64_t p = first; p < first + positions; ++p) {
        sum += dy[p];
        products += dy[p] * (x[p] - mean) * inverse;
      }
    }
    dgamma[c] = static_cast<T>(products);
    dbeta[c] = static_cast<T>(sum);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t first = (r * channels + c) * positions;
      for (std::int64_t p = first; p < first + positions; ++p) {
        const double standard = (x[p] - mean) * inverse;
        dy[p] = static_cast<T>(gamma[c] * inverse * (dy[p] - sum / count - standard * products / count));
      }
    }
  }
}

template <class T>
void cross_entropy(std::int64_t rows, std::int64_t classes, const T* logits, const std::int32_t* labels, double* losses,
                   T* gradient) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* const z = logits + r * classes;
    double largest = z[0], sum = 0;
    for (std::int64_t c = 1; c < classes; ++c) largest = z[c] > largest ? z[c] : largest;
    for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(z[c] - largest);
    losses[r] = std::log(sum) - (z[labels[r]] - largest);
    if (gradient == nullptr) continue;
    for (std::int64_t c = 0; c < classes; ++c) {
      const double target = c == labels[r] ? 1 : 0;
      gradient[r * classes + c] = static_cast<T>((std::exp(z[c] - largest) / sum - target) / static_cast<double>(rows));
    }
  }
}

#define QUARRY_CONV_LOOPS(T)                                                                                      \
  template void convolve(const ConvLayer&, std::int64_t, const T*, const T*, T*, std::vector<T>&);                \
  template void convolve_weights(const ConvLayer&, std::int64_t, const T*, const T*, T*, std::vector<T>&);        \
  template void convolve_inputs(const ConvLayer&, std::int64_t, const T*, const T*, T*, std::vector<T>&);         \
  template void norm_statistics(std::int64_t, std::int64_t, std::int64_t, const T*, NormStatistics<T>&, T*, T*);  \
  template void normalise(std::int64_t, std::int64_t, std::int64_t, const T*, const NormStatistics<T>&, const T*, \
                          const T*, T*);                                                                          \
  template void normalise_backward(std::int64_t, std::int64_t, std::int64_t, const T*, const NormStatistics<T>&,  \
                                   const T*, T*, T*, T*);                                                         \
  template void cross_entropy(std::int64_t, std::int64_t, const T*, const std::int32_t*, double*, T*)
QUARRY_CONV_LOOPS(float);
QUARRY_CONV_LOOPS(double);

}  // namespace quarry
