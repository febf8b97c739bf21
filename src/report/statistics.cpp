// SPDX-License-Identifier: MIT
#include "quarry/report/statistics.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"

namespace quarry {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kMaxExactPairs = 20;
constexpr std::int64_t kRandomPatterns = 100000;

/// log Gamma(x), x > 0, by Stirling's series after a shift. std::lgamma writes a global, which two threads may not.
double log_gamma(double x) {
  double shift = 0;
  while (x < 10) shift += std::log(x++);
  const double i = 1 / x, i2 = i * i;
  const double series = i * (1.0 / 12 - i2 * (1.0 / 360 - i2 * (1.0 / 1260 - i2 * (1.0 / 1680 - i2 / 1188))));
  return (x - 0.5) * std::log(x) - x + 0.918938533204672742 + series - shift;
}

/// The continued fraction of the incomplete beta function; converges fast for x < (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto away_from_zero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), value = d;
  for (int m = 1; m <= 10000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    value *= c * d;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    value *= c * d;
    if (std::abs(c * d - 1) < 1e-16) break;
  }
  return value;
}

/// Sums of every sign pattern of the values.
std::vector<double> signed_sums(std::span<const double> values) {
  std::vector<double> sums = {0};
  for (double value : values) {
    const std::size_t n = sums.size();
    sums.resize(2 * n);
    for (std::size_t i = 0; i < n; ++i) {
      sums[n + i] = sums[i] - value;
      sums[i] += value;
    }
  }
  return sums;
}

}  // namespace

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_deviation(std::span<const double> values) {
  if (values.size() == 1) return 0;
  const double centre = mean(values);
  double sum = 0;
  for (double value : values) sum += (value - centre) * (value - centre);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double median(std::vector<double> values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return kNaN;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * values[half - 1] + 0.5 * values[half];
}

Estimate estimate(std::span<const double> values) {
  std::vector<double> finite;
  for (double value : values)
    if (std::isfinite(value)) finite.push_back(value);
  Estimate result;
  result.n = static_cast<std::int64_t>(finite.size());
  result.non_finite = static_cast<std::int64_t>(values.size()) - result.n;
  if (finite.empty()) {
    result.mean = result.sd = result.half_width = kNaN;
    return result;
  }
  const auto n = static_cast<double>(finite.size());
  result.mean = mean(finite);
  result.sd = standard_deviation(finite);
  result.half_width = finite.size() == 1 ? kInfinity : t_quantile(0.975, n - 1) * result.sd / std::sqrt(n);
  return result;
}

double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double t_two_sided_p(double t, double df) {
  if (std::isnan(t)) return kNaN;
  return incomplete_beta(df / 2, 0.5, df / (df + t * t));
}

double t_quantile(double p, double df) {
  QUARRY_CHECK(p > 0 && p < 1 && df > 0, "p is {}, df is {}", p, df);
  if (p == 0.5) return 0;
  const double tail = 2 * std::min(p, 1 - p);  // two-sided
  double low = 0, high = 1;
  while (t_two_sided_p(high, df) > tail) high *= 2;
  for (int i = 0; i < 200 && low < high; ++i) {  // bisection: slow, exact to the last bits, rarely called
    const double middle = low + (high - low) / 2;
    if (middle == low || middle == high) break;
    (t_two_sided_p(middle, df) > tail ? low : high) = middle;
  }
  return p < 0.5 ? -high : high;
}

double area_under_curve(std::span<const double> labels, std::span<const double> values) {
  QUARRY_CHECK(!labels.empty() && labels.size() == values.size(), "{} label counts, {} values", labels.size(),
               values.size());
  if (labels.size() == 1) return values[0];
  double area = 0;
  for (std::size_t i = 1; i < labels.size(); ++i) {
    QUARRY_CHECK(labels[i] > labels[i - 1], "label counts {} and {} do not ascend", labels[i - 1], labels[i]);
    area += (labels[i] - labels[i - 1]) * (values[i] + values[i - 1]) / 2;
  }
  return area / (labels.back() - labels.front());
}

double sign_flip_p(std::span<const double> differences) {
  double observed = 0, size = 0;
  for (double difference : differences) {
    observed += difference;
    size += std::abs(difference);
  }
  if (!std::isfinite(size)) return 1;
  // Patterns that give the same sum on paper must count as equal in floating point too.
  const double bar = std::abs(observed) - 1e-12 * size;
  if (differences.size() <= kMaxExactPairs) {
    const std::size_t half = differences.size() / 2;
    const std::vector<double> first = signed_sums(differences.first(half)),
                              second = signed_sums(differences.subspan(half));
    std::int64_t hits = 0;
    for (double a : first)
      for (double b : second) hits += std::abs(a + b) >= bar;
    return static_cast<double>(hits) / static_cast<double>(first.size() * second.size());
  }
  const std::uint64_t key = stream_key(0, RngPurpose::report, differences.size());
  std::int64_t hits = 0;
  for (std::int64_t draw = 0; draw < kRandomPatterns; ++draw) {
    double sum = 0;
    std::uint32_t signs = 0;
    for (std::size_t i = 0; i < differences.size(); ++i) {
      if (i % 32 == 0) signs = random_u32(key, static_cast<std::uint64_t>(draw), static_cast<std::uint32_t>(i / 32));
      sum += (signs >> (i % 32) & 1) != 0 ? differences[i] : -differences[i];
    }
    hits += std::abs(sum) >= bar;
  }
  return static_cast<double>(1 + hits) / static_cast<double>(1 + kRandomPatterns);
}

double smallest_sign_flip_p(std::int64_t n) {
  if (n < 1) return 1;
  if (n > static_cast<std::int64_t>(kMaxExactPairs)) return 1.0 / (1 + kRandomPatterns);
  return std::ldexp(2.0, -static_cast<int>(n));
}

std::int64_t pairs_for_holm(std::int64_t comparisons, double level) {
  std::int64_t n = 1;
  while (n < 60 && static_cast<double>(comparisons) * std::ldexp(2.0, -static_cast<int>(n)) > level) ++n;
  return n;
}

double paired_t_p(std::span<const double> differences) {
  if (differences.size() < 2) return 1;
  const double centre = mean(differences), sd = standard_deviation(differences);
  if (!std::isfinite(sd)) return 1;
  if (sd == 0) return centre == 0 ? 1 : 0;
  const auto n = static_cast<double>(differences.size());
  return t_two_sided_p(centre / (sd / std::sqrt(n)), n - 1);
}

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double running = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double scaled = static_cast<double>(order.size() - rank) * p_values[order[rank]];
    running = std::max(running, std::min(1.0, scaled));
    adjusted[order[rank]] = running;
  }
  return adjusted;
}

std::string too_few_seeds(std::int64_t n, std::int64_t comparisons) {
  const double smallest = smallest_sign_flip_p(n);
  const std::int64_t needed = pairs_for_holm(comparisons);
  if (static_cast<double>(comparisons) * smallest <= 0.05) return "";
  const std::string family =
      comparisons == 1 ? "a comparison needs" : fmt::format("{} comparisons with Holm's correction need", comparisons);
  if (smallest > 0.05)
    return fmt::format(
        "n = {} seed{}: cannot be significant at 5 % (the smallest possible p is {:.3g}); {} at least {} "
        "seeds.",
        n, n == 1 ? "" : "s", smallest, family, needed);
  return fmt::format(
      "n = {} seeds: cannot be significant at 5 % after Holm's correction (the smallest possible p is "
      "{:.3g}); {} at least {} seeds.",
      n, smallest * static_cast<double>(comparisons), family, needed);
}

}  // namespace quarry
