// SPDX-License-Identifier: MIT
// Power of the paired t test. T = (Z + delta) / S with S^2 = chi-squared(v) / v: given S the rest is normal, so one
// integral over S gives any tail.
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/study/plan.h"

namespace quarry {
namespace {

double normal_tail(double x) {
  return 0.5 * std::erfc(x / std::sqrt(2.0));
}

// P(|T| > t) with v degrees of freedom and noncentrality delta. Simpson's rule over y = log S, where S has its mass:
// in y the integrand is smooth at every scale, also for v = 1 and large t.
double two_sided_tail(double t, double v, double delta) {
  constexpr int kIntervals = 400;
  const double spread = 10 / std::sqrt(2 * v);
  const double low = spread < 0.99 ? std::log(1 - spread) : -20, high = std::log(1 + spread);
  const double step = (high - low) / kIntervals;
  const double log_constant = std::log(2.0) + 0.5 * v * std::log(0.5 * v) - std::lgamma(0.5 * v);
  double sum = 0;
  for (int i = 0; i <= kIntervals; ++i) {
    const double y = low + i * step, s = std::exp(y);
    const double density = std::exp(log_constant + v * y - 0.5 * v * s * s);  // of S, times ds/dy = S
    const double tail = normal_tail(t * s - delta) + normal_tail(t * s + delta);
    sum += density * tail * (i == 0 || i == kIntervals ? 1 : i % 2 == 1 ? 4 : 2);
  }
  return sum * step / 3;
}

double critical_value(double v, double alpha) {
  double low = 0, high = 1;
  while (two_sided_tail(high, v, 0) > alpha) high *= 2;
  for (int i = 0; i < 50; ++i) {
    const double middle = 0.5 * (low + high);
    (two_sided_tail(middle, v, 0) > alpha ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

double paired_t_power(std::int32_t n, double difference, double sd, double alpha) {
  QUARRY_CHECK(n >= 2 && sd > 0 && alpha > 0 && alpha < 1, "n {}, sd {}, alpha {}", n, sd, alpha);
  const double v = n - 1;
  return two_sided_tail(critical_value(v, alpha), v, difference / sd * std::sqrt(static_cast<double>(n)));
}

std::int32_t pairs_needed(double difference, double sd, double alpha, double power) {
  constexpr std::int32_t kMost = 1000000;
  const auto enough = [&](std::int32_t n) { return paired_t_power(n, difference, sd, alpha) >= power; };
  std::int32_t below = 1, above = 2;  // power grows with n
  while (above < kMost && !enough(above)) {
    below = above;
    above = std::min(2 * above, kMost);
  }
  while (above - below > 1) {
    const std::int32_t middle = below + (above - below) / 2;
    (enough(middle) ? above : below) = middle;
  }
  return above;
}

}  // namespace quarry
