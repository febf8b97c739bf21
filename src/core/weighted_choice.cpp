// SPDX-License-Identifier: MIT
#include "src/core/weighted_choice.h"

#include <cmath>
#include <numeric>

namespace quarry {
namespace {

/// NumPy's sum of a contiguous double array: pairwise above 128 entries, eight accumulators below.
double pairwise_sum(const double* x, std::size_t n) {
  if (n < 8) return std::accumulate(x, x + n, 0.0);
  if (n > 128) {
    const std::size_t half = n / 2 / 8 * 8;
    return pairwise_sum(x, half) + pairwise_sum(x + half, n - half);
  }
  double r[8];
  std::copy(x, x + 8, r);
  std::size_t i = 8;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) r[lane] += x[i + lane];
  }
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i) sum += x[i];
  return sum;
}

}  // namespace

std::vector<double> normalised_weights(std::span<const double> weights) {
  for (const double weight : weights) QUARRY_CHECK(weight >= 0, "a weight is {}", weight);
  const double sum = pairwise_sum(weights.data(), weights.size());
  QUARRY_CHECK(sum > 0 && std::isfinite(sum), "the weights sum to {}; expected a positive finite sum", sum);
  std::vector<double> result(weights.begin(), weights.end());
  for (double& weight : result) weight /= sum;
  return result;
}

std::vector<double> cumulative_weights(std::span<const double> weights) {
  std::vector<double> result(weights.begin(), weights.end());
  std::partial_sum(result.begin(), result.end(), result.begin());
  const double last = result.back();
  for (double& value : result) value /= last;
  return result;
}

}  // namespace quarry
