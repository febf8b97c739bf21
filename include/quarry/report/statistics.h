// SPDX-License-Identifier: MIT
// The statistics of a report: pure functions of numbers, checked against SciPy (tests/goldens/statistics.json).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace quarry {

// ---- one sample ------------------------------------------------------------------------------------------------

double mean(std::span<const double> values);
/// Sample standard deviation (n - 1); 0 for one value.
double standard_deviation(std::span<const double> values);
/// Median of the finite order; the mean of the middle two for an even number. Not a number for none.
double median(std::vector<double> values);

struct Estimate {
  std::int64_t n = 0;           ///< finite values, those behind the figures
  std::int64_t non_finite = 0;  ///< values that are not finite: counted, never silently dropped
  double mean = 0, sd = 0;
  double half_width = 0;  ///< of the 95 % t-interval; infinite for n = 1
};
/// Mean, sd and interval of the finite values; not a number if there are none.
Estimate estimate(std::span<const double> values);

/// Student's t: two-sided p-value of |t|, and the quantile with P(T <= x) = p, for df > 0 degrees of freedom.
double t_two_sided_p(double t, double df);
double t_quantile(double p, double df);
/// I_x(a, b), the regularised incomplete beta function (continued fraction of Lentz's kind; DLMF 8.17.22).
double incomplete_beta(double a, double b, double x);

/// Area under a learning curve by trapezoids on the true label counts, divided by their range: the mean height of the
/// curve. Label counts ascend strictly; a single point is its own mean.
double area_under_curve(std::span<const double> labels, std::span<const double> values);

// ---- paired comparisons ----------------------------------------------------------------------------------------

/// Two-sided sign-flip test of paired differences (Fisher 1935): the share of sign patterns whose |sum| is at least
/// the observed one. All 2^n patterns up to n = 20, else 100 000 random ones and (1 + hits) / (1 + draws).
/// No differences, or any that is not finite: 1.
double sign_flip_p(std::span<const double> differences);
/// Smallest p-value that sign_flip_p can give with n pairs: 2 / 2^n.
double smallest_sign_flip_p(std::int64_t n);
/// Smallest n at which the best of `comparisons` can reach `level` after Holm's correction.
std::int64_t pairs_for_holm(std::int64_t comparisons, double level = 0.05);

/// Two-sided p-value of the paired t-test. All differences equal: 1 if they are zero, else 0. Fewer than two, or any
/// not finite: 1.
double paired_t_p(std::span<const double> differences);

/// Holm's step-down adjusted p-values (Holm 1979), in the order given.
std::vector<double> holm(std::span<const double> p_values);

/// "" if n paired seeds can show a difference at 5 % among this many comparisons, else a sentence that says why not and
/// how many seeds it takes.
std::string too_few_seeds(std::int64_t n, std::int64_t comparisons);

}  // namespace quarry
