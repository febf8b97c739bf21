// SPDX-License-Identifier: MIT
// Column-wise scaling of features, with the arithmetic of scikit-learn in double precision.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/data/data_table.h"

namespace quarry {

/// minmax:   x * scale + offset, scale = 1 / (max - min), offset = -min * scale: the fitted columns span [0, 1].
/// standard: (x - mean) / sd, with the population's sd.
/// none:     x.
/// A column that does not vary is shifted only.
class FeatureScaling {
 public:
  /// Fits on finite rows of d columns, row-major. T is float or double; kind must not be automatic.
  template <class T>
  static FeatureScaling fit(Scaler kind, std::span<const T> rows, std::int32_t d);

  bool is_identity() const { return kind_ == Scaler::none; }
  /// The value of a feature of column j after scaling.
  double apply(double x, std::int32_t j) const {
    const auto column = static_cast<std::size_t>(j);
    if (kind_ == Scaler::minmax) return x * scale_[column] + offset_[column];
    if (kind_ == Scaler::standard) return (x - offset_[column]) / scale_[column];
    return x;
  }

 private:
  Scaler kind_ = Scaler::none;
  std::vector<double> scale_, offset_;  // standard: sd, mean
};

}  // namespace quarry
