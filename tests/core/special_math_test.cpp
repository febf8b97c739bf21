// SPDX-License-Identifier: MIT
// Against 50-digit values (mpmath) and SciPy: tests/goldens/core/make_special_math.py.
#include "quarry/core/special_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace quarry {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double call(const std::string& name, const std::vector<double>& a) {
  if (name == "erf") return exact_erf(a[0]);
  if (name == "erfc") return exact_erfc(a[0]);
  if (name == "log_cdf") return normal_log_cdf(a[0]);
  if (name == "ppf") return normal_ppf(a[0]);
  if (name == "ppf_of_log") return normal_ppf_of_log(a[0]);
  if (name == "log_mass") return normal_log_mass(a[0], a[1]);
  if (name == "truncated_ppf") return truncated_normal_ppf(a[0], a[1], a[2]);
  throw std::runtime_error("unknown function " + name);
}

/// Error in units of the value, of 1 where the value passes through zero (inverse functions and logarithms).
double error(const std::string& name, double got, double expected) {
  const bool relative = name == "erf" || name == "erfc" || name == "log_cdf";
  return std::abs(got - expected) / (relative ? std::abs(expected) : std::max(1.0, std::abs(expected)));
}

TEST(SpecialMath, AgreesWithMpmathAndSciPy) {
  std::ifstream file(std::string(QUARRY_GOLDENS) + "/core/special_math.txt");
  ASSERT_TRUE(file);
  std::map<std::string, int> cases;
  std::map<std::string, double> worst;
  std::string line;
  while (std::getline(file, line)) {
    if (line[0] == '#') continue;
    std::istringstream words(line);
    std::string name, word;
    words >> name;
    std::vector<double> numbers;
    while (words >> word) numbers.push_back(std::strtod(word.c_str(), nullptr));
    const double scipy = numbers.back(), exact = numbers[numbers.size() - 2];
    numbers.resize(numbers.size() - 2);
    const double got = call(name, numbers);
    ++cases[name];
    if (got != exact) {
      const double e = error(name, got, exact);
      EXPECT_LE(e, 1e-14) << line << " gave " << got << ", expected " << exact;
      worst[name] = std::max(worst[name], e);
    }
    // SciPy's own errors: its log masses cancel, its truncated inverse is good to about 1e-8 near an end.
    const double scipy_tolerance = name == "truncated_ppf" ? 2e-8 : name == "log_mass" ? 1e-11 : 1e-12;
    if (got != scipy) {
      EXPECT_LE(error(name, got, scipy), scipy_tolerance) << line << " SciPy";
    }
  }
  EXPECT_EQ(cases.size(), 7u);
  for (const auto& [name, e] : worst) RecordProperty(name, std::to_string(e));
  EXPECT_EQ(cases["log_cdf"], 410);
}

TEST(SpecialMath, Limits) {
  EXPECT_EQ(exact_erf(0.0), 0.0);
  EXPECT_EQ(exact_erf(30.0), 1.0);
  EXPECT_EQ(exact_erf(-30.0), -1.0);
  EXPECT_EQ(exact_erfc(30.0), 0.0);
  EXPECT_EQ(exact_erfc(-30.0), 2.0);
  EXPECT_EQ(exact_erfc(kInfinity), 0.0);
  EXPECT_TRUE(std::isnan(exact_erf(std::nan(""))));
  EXPECT_TRUE(std::isnan(exact_erfc(std::nan(""))));
  EXPECT_EQ(normal_cdf(0.0), 0.5);
  EXPECT_EQ(normal_cdf(40.0), 1.0);
  EXPECT_EQ(normal_cdf(-1e5), 0.0);
  EXPECT_EQ(normal_ppf(0.0), -kInfinity);
  EXPECT_EQ(normal_ppf(1.0), kInfinity);
  EXPECT_EQ(normal_ppf(0.5), 0.0);
  EXPECT_EQ(normal_ppf_of_log(-kInfinity), -kInfinity);
  EXPECT_EQ(exact_log1p(0.0), 0.0);
  EXPECT_NEAR(exact_log1p(1e-20), 1e-20, 1e-34);
}

TEST(SpecialMath, TruncatedInverseStaysInsideAndReachesTheEnds) {
  for (const auto& [a, b] : {std::pair(-1.0, 2.0), std::pair(0.0, 1.0), std::pair(-100.0, 0.0), std::pair(5.0, 6.0),
                             std::pair(-60.0, -50.0)}) {
    EXPECT_EQ(truncated_normal_ppf(0.0, a, b), a);
    EXPECT_EQ(truncated_normal_ppf(1.0, a, b), b);
    double before = a;
    for (double q = 1e-18; q < 1; q = q < 0.01 ? q * 3 : q + 0.01) {
      const double x = truncated_normal_ppf(q, a, b);
      EXPECT_GE(x, before) << q << " in " << a << ", " << b;
      EXPECT_LE(x, b);
      before = x;
    }
  }
}

}  // namespace
}  // namespace quarry
