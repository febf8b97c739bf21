// SPDX-License-Identifier: MIT
#include "quarry/core/exact_math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "quarry/core/rng.h"

namespace quarry {
namespace {

template <class T>
struct Bits;
template <>
struct Bits<float> {
  using U = std::uint32_t;
};
template <>
struct Bits<double> {
  using U = std::uint64_t;
};

/// Distance of `got` from the exact value, in units of the last place of the result type (denormals included).
template <class T>
double ulps(T got, long double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  const int lowest = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
  const int unit = std::max(exponent - std::numeric_limits<T>::digits, lowest);
  return static_cast<double>(std::fabs(std::ldexp(static_cast<long double>(got) - exact, -unit)));
}

template <class T>
class ExactMathTest : public testing::Test {
 public:
  static T uniform(std::uint64_t i, double low, double high) {
    return static_cast<T>(low + (high - low) * random_uniform(99, i));
  }
  static constexpr int kDraws = 300000;
};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(ExactMathTest, Reals);

TYPED_TEST(ExactMathTest, ExpIsWithinOneUlpOverTheWholeRange) {
  using T = TypeParam;
  // from the smallest denormal result to the largest finite one, and densely where softmax lives
  const double low = sizeof(T) == 4 ? -103.9 : -745.0, high = sizeof(T) == 4 ? 88.72 : 709.78;
  double worst = 0;
  for (int i = 0; i < this->kDraws; ++i) {
    const T x = i % 3 == 0 ? this->uniform(i, -1, 1) : this->uniform(i, low, high);
    worst = std::max(worst, ulps(exact_exp(x), std::exp(static_cast<long double>(x))));
  }
  EXPECT_LT(worst, 1.0);
  testing::Test::RecordProperty("worst_ulp", std::to_string(worst));
}

TYPED_TEST(ExactMathTest, LogIsWithinOneUlpOverTheWholeRange) {
  using T = TypeParam;
  using U = typename Bits<T>::U;
  double worst = 0;
  for (int i = 0; i < this->kDraws; ++i) {
    T x;
    if (i % 3 == 0) {
      x = this->uniform(i, 0.5, 2);
    } else {  // any positive finite number, denormals included, by its bits
      const U inf = std::bit_cast<U>(std::numeric_limits<T>::infinity());
      x = std::bit_cast<T>(static_cast<U>(1 + random_below(7, inf - 1, static_cast<std::uint64_t>(i))));
    }
    const long double exact = std::log(static_cast<long double>(x));
    if (exact != 0) worst = std::max(worst, ulps(exact_log(x), exact));
  }
  EXPECT_LT(worst, 1.0);
  testing::Test::RecordProperty("worst_ulp", std::to_string(worst));
}

TYPED_TEST(ExactMathTest, SpecialValues) {
  using T = TypeParam;
  using U = typename Bits<T>::U;
  using Limits = std::numeric_limits<T>;
  const T inf = Limits::infinity(), nan = Limits::quiet_NaN();
  EXPECT_EQ(exact_exp(inf), inf);
  EXPECT_EQ(exact_exp(-inf), T(0));
  EXPECT_EQ(exact_exp(T(0)), T(1));
  EXPECT_EQ(exact_exp(T(-0.0)), T(1));
  EXPECT_EQ(exact_exp(Limits::max()), inf);
  EXPECT_EQ(exact_exp(Limits::lowest()), T(0));
  EXPECT_EQ(exact_exp(Limits::denorm_min()), T(1));
  EXPECT_EQ(exact_log(T(1)), T(0));
  EXPECT_EQ(exact_log(T(0)), -inf);
  EXPECT_EQ(exact_log(T(-0.0)), -inf);
  EXPECT_EQ(exact_log(inf), inf);
  for (const T x : {nan, -nan, -inf, T(-1), -Limits::denorm_min()}) {
    EXPECT_EQ(std::bit_cast<U>(exact_log(x)), std::bit_cast<U>(nan)) << x;
  }
  EXPECT_EQ(std::bit_cast<U>(exact_exp(nan)), std::bit_cast<U>(nan));
  EXPECT_EQ(std::bit_cast<U>(exact_exp(-nan)), std::bit_cast<U>(nan));
}

TYPED_TEST(ExactMathTest, DenormalsAreNotFlushed) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  const T lowest = Limits::denorm_min();
  EXPECT_EQ(exact_exp(static_cast<T>(std::log(static_cast<long double>(lowest)))), lowest);
  EXPECT_LT(ulps(exact_log(lowest), std::log(static_cast<long double>(lowest))), 1.0);
  const T below = static_cast<T>(std::log(static_cast<long double>(lowest))) - T(1);  // rounds to zero
  EXPECT_EQ(exact_exp(below), T(0));
  const T edge = static_cast<T>(std::log(static_cast<long double>(Limits::min())) - 0.5L);
  EXPECT_GT(exact_exp(edge), T(0));
  EXPECT_LT(exact_exp(edge), Limits::min());
}

TYPED_TEST(ExactMathTest, ExpOfFloatIsMonotoneAndEveryPowerOfTwoHasItsLog) {
  using T = TypeParam;
  T previous = 0;
  for (int i = 0; i <= 20000; ++i) {
    const T y = exact_exp(T(-20) + T(i) / 500);
    EXPECT_GE(y, previous);
    previous = y;
  }
  for (int k = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
       k < std::numeric_limits<T>::max_exponent; ++k) {
    EXPECT_EQ(exact_log(std::ldexp(T(1), k)), static_cast<T>(k * std::log(2.0L))) << k;
  }
}

}  // namespace
}  // namespace quarry
