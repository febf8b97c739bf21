// SPDX-License-Identifier: MIT
#include "quarry/data/encode.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "quarry/core/error.h"

namespace quarry {
namespace {

/// scikit-learn's threshold below which a range counts as zero.
constexpr double kNoRange = 10 * std::numeric_limits<double>::epsilon();

template <class T>
void fit_minmax(std::span<const T> rows, std::size_t d, std::vector<double>& scale, std::vector<double>& offset) {
  std::vector<double> low(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(d)), high = low;
  for (std::size_t i = 0; i < rows.size(); i += d) {
    for (std::size_t j = 0; j < d; ++j) {
      low[j] = std::min(low[j], static_cast<double>(rows[i + j]));
      high[j] = std::max(high[j], static_cast<double>(rows[i + j]));
    }
  }
  for (std::size_t j = 0; j < d; ++j) {
    const double range = high[j] - low[j];
    scale[j] = 1 / (range < kNoRange ? 1 : range);
    offset[j] = 0 - low[j] * scale[j];
  }
}

template <class T>
void fit_standard(std::span<const T> rows, std::size_t d, std::vector<double>& scale, std::vector<double>& offset) {
  const auto n = static_cast<double>(rows.size() / d);
  for (std::size_t i = 0; i < rows.size(); ++i) offset[i % d] += static_cast<double>(rows[i]) / n;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double distance = static_cast<double>(rows[i]) - offset[i % d];
    scale[i % d] += distance * distance / n;
  }
  for (std::size_t j = 0; j < d; ++j) {
    const double sd = std::sqrt(scale[j]);
    // Rounding leaves a constant column a small sd of the size of its values' last digit.
    scale[j] = sd <= kNoRange * std::max(1.0, std::abs(offset[j])) ? 1 : sd;
  }
}

}  // namespace

template <class T>
FeatureScaling FeatureScaling::fit(Scaler kind, std::span<const T> rows, std::int32_t d) {
  QUARRY_CHECK(kind != Scaler::automatic, "the scaler is still undecided");
  const auto columns = static_cast<std::size_t>(d);
  QUARRY_CHECK(d > 0 && !rows.empty() && rows.size() % columns == 0, "{} values in {} columns", rows.size(), d);
  FeatureScaling scaling;
  scaling.kind_ = kind;
  if (kind == Scaler::none) return scaling;
  scaling.scale_.assign(columns, 0);
  scaling.offset_.assign(columns, 0);
  if (kind == Scaler::minmax) fit_minmax(rows, columns, scaling.scale_, scaling.offset_);
  if (kind == Scaler::standard) fit_standard(rows, columns, scaling.scale_, scaling.offset_);
  return scaling;
}

template FeatureScaling FeatureScaling::fit(Scaler, std::span<const float>, std::int32_t);
template FeatureScaling FeatureScaling::fit(Scaler, std::span<const double>, std::int32_t);

}  // namespace quarry
