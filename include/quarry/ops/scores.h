// SPDX-License-Identifier: MIT
// Uncertainty scores from class probabilities [n][C]; larger = more uncertain; natural logarithms. A row that holds a
// NaN or an infinity scores NaN.
//
// Order of operations: classes in index order; entropy sums by fma; log is quarry's own; epsilon is the smallest
// normal float, 1.1754944e-38, in every precision (the published study's).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "quarry/core/context.h"
#include "quarry/core/exact_math.h"
#include "quarry/core/host_device.h"
#include "quarry/core/tensor.h"

namespace quarry {

inline constexpr float kScoreNan = std::numeric_limits<float>::quiet_NaN();

template <class T>
inline constexpr T kEntropyEpsilon = static_cast<T>(0x1p-126);

/// Scores of one row whose probabilities come one by one, in class order: what every backend adds up with.
/// Entropy: -sum_c p_c ln(p_c + epsilon).
template <class T>
struct RowEntropy {
  T sum = 0;
  QUARRY_HD void add(T p) { sum = std::fma(p, exact_log(p + kEntropyEpsilon<T>), sum); }
  QUARRY_HD T score() const { return 0 - sum; }  // +0, never -0
};

/// -(largest - second largest).
struct RowMargin {
  float first = 0, second = 0;
  std::int64_t classes = 0;
  QUARRY_HD void add(float p) {
    if (classes == 0 || p > first) {
      second = first;
      first = p;
    } else if (classes == 1 || p > second) {
      second = p;
    }
    ++classes;
  }
  QUARRY_HD float score() const { return -(first - second); }
};

/// 1 - largest.
struct RowLeastConfidence {
  float largest = 0;
  bool any = false;
  QUARRY_HD void add(float p) {
    largest = !any || p > largest ? p : largest;
    any = true;
  }
  QUARRY_HD float score() const { return 1.0f - largest; }
};

/// A row's score, NaN if a probability is not finite.
template <class Row>
struct FiniteRow {
  Row row;
  bool finite = true;
  QUARRY_HD void add(float p) {
    finite = finite && p - p == 0;
    row.add(p);
  }
  QUARRY_HD float score() const { return finite ? row.score() : kScoreNan; }
};

/// Entropy of one row; `stride` elements apart.
template <class T>
QUARRY_HD inline T entropy_of(const T* p, std::int64_t classes, std::int64_t stride = 1) {
  RowEntropy<T> row;
  for (std::int64_t c = 0; c < classes; ++c) row.add(p[c * stride]);
  return row.score();
}

/// A mean over stochastic passes.
template <class T>
QUARRY_HD inline T bald_mean(T sum, std::int32_t passes) {
  return sum / static_cast<T>(passes);
}

/// BALD of one row from its running sums over `passes` stochastic passes: H[mean p] - mean H[p].
/// sum_p [classes] becomes the mean.
template <class T>
QUARRY_HD inline T bald_of(T* sum_p, std::int64_t classes, T sum_entropy, std::int32_t passes) {
  for (std::int64_t c = 0; c < classes; ++c) sum_p[c] = bald_mean(sum_p[c], passes);
  return entropy_of(sum_p, classes) - bald_mean(sum_entropy, passes);
}

/// Shannon entropy (Shannon 1948; as active learning: Settles 2009).
void entropy_scores(Context& context, MatrixView<const float> probabilities, std::span<float> scores);
/// -(largest - second largest); with one class -largest (Scheffer, Decomain, Wrobel 2001).
void margin_scores(Context& context, MatrixView<const float> probabilities, std::span<float> scores);
/// 1 - largest (Lewis and Gale 1994).
void least_confidence_scores(Context& context, MatrixView<const float> probabilities, std::span<float> scores);

/// Streaming BALD (Houlsby et al. 2011; Gal, Islam, Ghahramani 2017): add each pass, in order, to sums that start at
/// zero; no [passes][n][C] tensor.
void bald_accumulate(Context& context, MatrixView<const float> probabilities, MatrixView<float> sum_p,
                     std::span<float> sum_entropy);
/// scores from the sums; sum_p becomes the mean probabilities.
void bald_finish(Context& context, MatrixView<float> sum_p, std::span<const float> sum_entropy, std::int32_t passes,
                 std::span<float> scores);

}  // namespace quarry
