// SPDX-License-Identifier: MIT
// The layers of the reference engine, one function each. Maps are [rows][channels][height][width]; sums over a batch
// are taken in double, in index order.
#pragma once

#include <cstdint>
#include <vector>

#include "quarry/nn/resnet.h"

namespace quarry {

inline constexpr double kNormEpsilon = 1e-5;
inline constexpr double kRunningShare = 0.1;  ///< of the batch in the running statistics

/// Numbers of an image before and behind a layer.
inline std::int64_t map_in(const ConvLayer& layer) {
  return std::int64_t{layer.in_channels} * layer.in_height * layer.in_width;
}
inline std::int64_t map_out(const ConvLayer& layer) {
  return std::int64_t{layer.out_channels} * layer.out_height * layer.out_width;
}

/// y = x * w (cross-correlation, zero padding). `columns` is scratch.
template <class T>
void convolve(const ConvLayer& layer, std::int64_t rows, const T* x, const T* w, T* y, std::vector<T>& columns);
/// dw of dy.
template <class T>
void convolve_weights(const ConvLayer& layer, std::int64_t rows, const T* x, const T* dy, T* dw,
                      std::vector<T>& columns);
/// dx of dy, added to what is there.
template <class T>
void convolve_inputs(const ConvLayer& layer, std::int64_t rows, const T* dy, const T* w, T* dx,
                     std::vector<T>& columns);

/// Batch statistics of `channels` maps of `positions` values each.
template <class T>
struct NormStatistics {
  std::vector<T> mean, inverse;  ///< inverse = 1 / sqrt(variance + epsilon)
};

/// Statistics of x; running mean and variance move.
template <class T>
void norm_statistics(std::int64_t rows, std::int64_t channels, std::int64_t positions, const T* x,
                     NormStatistics<T>& statistics, T* running_mean, T* running_variance);
/// y = gamma (x - mean) inverse + beta.
template <class T>
void normalise(std::int64_t rows, std::int64_t channels, std::int64_t positions, const T* x,
               const NormStatistics<T>& statistics, const T* gamma, const T* beta, T* y);
/// From dy (training mode) dgamma, dbeta and, in place of dy, dx.
template <class T>
void normalise_backward(std::int64_t rows, std::int64_t channels, std::int64_t positions, const T* x,
                        const NormStatistics<T>& statistics, const T* gamma, T* dy, T* dgamma, T* dbeta);

/// Mean cross-entropy of logits [rows][classes]: losses [rows] and, if not null, the gradient at the logits.
template <class T>
void cross_entropy(std::int64_t rows, std::int64_t classes, const T* logits, const std::int32_t* labels, double* losses,
                   T* gradient);

}  // namespace quarry
