// SPDX-License-Identifier: MIT
#include "quarry/core/text.h"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <cstring>
#include <limits>

#include "quarry/core/rng.h"

namespace quarry {
namespace {

TEST(Text, Suggestion) {
  const std::vector<std::string_view> known = {"entropy", "margin", "core_set", "badge", "lr"};
  EXPECT_EQ(suggestion("entorpy", known), " Did you mean 'entropy'?");
  EXPECT_EQ(suggestion("coreset", known), " Did you mean 'core_set'?");
  EXPECT_EQ(suggestion("", known), "");
  EXPECT_EQ(suggestion("bald_x_y", known), "");
  EXPECT_EQ(suggestion(std::string(1 << 20, 'x'), known), "");
  EXPECT_EQ(suggestion("x", {}), "");
}

TEST(Text, FormatExactKnownValues) {
  EXPECT_EQ(format_exact(0.1), "0.1");
  EXPECT_EQ(format_exact(0.1f), "0.1");
  EXPECT_EQ(format_exact(-0.0), "-0");
  EXPECT_EQ(format_exact(std::nan("")), "NaN");
  EXPECT_EQ(format_exact(HUGE_VAL), "Infinity");
  EXPECT_EQ(format_exact(-std::numeric_limits<float>::infinity()), "-Infinity");
}

template <class T, class Bits>
void expect_round_trip(Bits bits) {
  T value, back = 0;
  std::memcpy(&value, &bits, sizeof value);
  if (!std::isfinite(value)) return;
  ASSERT_TRUE(parse_number(format_exact(value), back)) << format_exact(value);
  ASSERT_EQ(std::memcmp(&value, &back, sizeof value), 0) << format_exact(value);
}

TEST(Text, NumbersReadBackBitForBit) {
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const std::uint64_t bits = random_u64(1, i);
    expect_round_trip<double>(bits);
    expect_round_trip<float>(static_cast<std::uint32_t>(bits));
  }
  for (const double value : {5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -0.0, 9007199254740993.0}) {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    expect_round_trip<double>(bits);
  }
}

TEST(Text, ParseNumberTakesTheWholeTextOrNothing) {
  double real = 7;
  for (const char* text :
       {"", " 1", "1 ", "+1", "1x", "nan", "NaN", "inf", "-Infinity", "0x1", "1e999", "1,5", "-", "--1", ".", "1e"}) {
    EXPECT_FALSE(parse_number(text, real)) << text;
  }
  EXPECT_FALSE(parse_number(std::string_view("1\0", 2), real));
  EXPECT_EQ(real, 7);
  EXPECT_TRUE(parse_number("-1.5e3", real));
  EXPECT_EQ(real, -1500);
  EXPECT_TRUE(parse_number(".5", real));
  std::int64_t integer = 7;
  for (const char* text : {"", "1.0", "9223372036854775808", "+1", " 1", "1e3"}) {
    EXPECT_FALSE(parse_number(text, integer)) << text;
  }
  EXPECT_EQ(integer, 7);
  EXPECT_TRUE(parse_number("-9223372036854775808", integer));
  EXPECT_EQ(integer, std::numeric_limits<std::int64_t>::min());
}

TEST(Text, PrintableDropsControlBytesAndKeepsUtf8) {
  EXPECT_EQ(printable("a\x1b[31mb\n\t\r\x7f"), "a[31mb");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "ab");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "31m");  // U+009B starts an escape sequence too
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f\xc2"), "gr\xc3\xbc\xc3\x9f\xc2");
}

TEST(Text, Join) {
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join(std::vector<std::string>{"a", "b", "c"}, ", "), "a, b, c");
}

}  // namespace
}  // namespace quarry
