// SPDX-License-Identifier: MIT
#include "quarry/core/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <clocale>
#include <cmath>
#include <cstring>
#include <limits>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "tests/fuzz/json_body.h"
#include "tests/support/corpus.h"

namespace quarry {
namespace {

using testing::HasSubstr;

std::string error_of(std::string_view text) {
  try {
    Json::parse(text, "a.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    return error.what();
  }
  return "";
}

std::string again(std::string_view text) {
  return Json::parse(text, "test").dump();
}

TEST(Json, DumpsInInsertionOrder) {
  Json object = Json::object();
  object.set("z", 1).set("a", true).set("list", Json::array_of(std::vector<double>{0.5, -0.0, 3}));
  object.set("none", nullptr).set("text", "a\"b\\\n\x01").set("z", std::int64_t{2}).set("empty", Json::object());
  EXPECT_EQ(object.dump(), R"({"z":2,"a":true,"list":[0.5,-0.0,3.0],"none":null,"text":"a\"b\\\n\u0001","empty":{}})");
  EXPECT_EQ(again(object.dump()), object.dump());
  EXPECT_EQ(object.erase("list").erase("text").erase("absent").dump(), R"({"z":2,"a":true,"none":null,"empty":{}})");
}

TEST(Json, ReadsWhatTheStandardAllows) {
  EXPECT_EQ(again(" [1 , 2.5e3,\t-0,-1E-2, \"\\u00e9\\ud83d\\ude00\\/\" , {} , [ ],null,true,false ]\r\n"),
            "[1,2500.0,0,-0.01,\"\xc3\xa9\xf0\x9f\x98\x80/\",{},[],null,true,false]");
  EXPECT_EQ(again("7"), "7");
  EXPECT_EQ(again("\"\""), "\"\"");
  EXPECT_EQ(again("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(again("-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(again("18446744073709551615"), "18446744073709551616.0");
  EXPECT_EQ(again("123456789012345678901234567890"), "1.2345678901234568e+29");
}

TEST(Json, NumbersReadBackBitForBit) {
  std::vector<double> values = {
      0.0, -0.0,    5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e22, 1e23, 9007199254740993.0,
      0.1, 100000.0};
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const std::uint64_t bits = random_u64(3, i);
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (std::isfinite(value)) values.push_back(value);
  }
  const Json back = Json::parse(Json::array_of(values).dump(), "test");
  ASSERT_EQ(back.items().size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(back.items()[i].type(), Json::Type::real) << values[i];
    const double value = back.items()[i].number();
    ASSERT_EQ(std::memcmp(&value, &values[i], sizeof value), 0) << values[i];
  }
}

TEST(Json, NonFiniteNumbersAreStrings) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::string text = Json::array_of(std::vector<double>{std::nan(""), inf, -inf}).dump();
  EXPECT_EQ(text, R"(["NaN","Infinity","-Infinity"])");
  const Json back = Json::parse(text, "test");
  EXPECT_TRUE(std::isnan(back.items()[0].number()));
  EXPECT_EQ(back.items()[1].number(), inf);
  EXPECT_EQ(back.items()[2].number(), -inf);
}

TEST(Json, NonFiniteNumbersCanBeWrittenAsPythonReadsThem) {
  const double inf = std::numeric_limits<double>::infinity();
  const Json values = Json::array_of(std::vector<double>{std::nan(""), inf, -inf, 3, 0.5});
  const Json nested = Json::object().set("a", Json::array().push(values)).set("NaN", "NaN");
  EXPECT_EQ(nested.dump(Json::NonFinite::bare), R"({"a":[[NaN,Infinity,-Infinity,3.0,0.5]],"NaN":"NaN"})");
}

TEST(Json, ADecimalCommaChangesNothing) {
  const char* before = std::setlocale(LC_ALL, nullptr);
  const std::string saved = before ? before : "C";
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8"}) std::setlocale(LC_ALL, name);
  EXPECT_EQ(again("[0.5,1e-3]"), "[0.5,0.001]");
  std::setlocale(LC_ALL, saved.c_str());
}

TEST(Json, AccessSaysWhatItExpected) {
  const Json object = Json::parse(R"({"n":1,"s":"x"})", "test");
  EXPECT_EQ(object.at("n").integer(), 1);
  EXPECT_EQ(object.at("n").number(), 1.0);
  EXPECT_EQ(object.find("absent"), nullptr);
  const auto message = [](auto&& access) -> std::string {
    try {
      access();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message([&] { object.at("absent"); }), HasSubstr("'absent'"));
  EXPECT_THAT(message([&] { object.at("s").number(); }), HasSubstr("expected a number, found a string"));
  EXPECT_THAT(message([&] { object.at("n").string(); }), HasSubstr("expected a string, found an integer"));
  EXPECT_THAT(message([&] { object.items(); }), HasSubstr("expected an array, found an object"));
  EXPECT_THAT(message([&] { object.at("n").members(); }), HasSubstr("expected an object"));
  EXPECT_THAT(message([&] { object.at("n").boolean(); }), HasSubstr("expected a boolean"));
  EXPECT_THAT(message([&] { Json(1.5).integer(); }), HasSubstr("expected an integer, found a real"));
  EXPECT_THAT(message([&] { Json(1).push(2); }), HasSubstr("expected an array"));
  EXPECT_THAT(message([&] { Json(1).erase("a"); }), HasSubstr("expected an object"));
  EXPECT_THAT(message([&] { Json(1).set("a", 2); }), HasSubstr("expected an object"));
}

TEST(Json, ErrorsNamePlaceAndReason) {
  EXPECT_THAT(error_of(R"({"a":1,"b":2,"a":3})"), HasSubstr("a.json: byte 15: the key 'a' appears twice"));
  EXPECT_THAT(error_of(std::string(65, '[')), HasSubstr("a.json: byte 64: nested deeper than 64 levels"));
  EXPECT_THAT(error_of("[1,]"), HasSubstr("a.json: byte 3: "));
  EXPECT_THAT(error_of("{} x"), HasSubstr("a.json: byte 3: "));
  EXPECT_THAT(error_of(std::string_view("[1]\0", 4)), HasSubstr("a.json: byte 3: a zero byte"));
  EXPECT_THAT(error_of("1e400"), HasSubstr("a.json: byte "));
  EXPECT_EQ(error_of(std::string(64, '[') + std::string(64, ']')), "");
}

TEST(Json, RefusesEverythingElse) {
  for (const char* text : {"",
                           " ",
                           "[",
                           "]",
                           "{",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{a:1}",
                           "{'a':1}",
                           "[1 2]",
                           "[1,,2]",
                           "[01]",
                           "[1.]",
                           "[.5]",
                           "[+1]",
                           "[-]",
                           "[1e]",
                           "[0x1]",
                           "[NaN]",
                           "[Infinity]",
                           "[-Infinity]",
                           "nul",
                           "tru",
                           "True",
                           "\"",
                           "\"\\\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\ud800\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\udc00\"",
                           "\"\n\"",
                           "\"\t\"",
                           "[1]//c",
                           "/**/[1]",
                           "[1]]",
                           "{}{}",
                           "{\"a\":1,}",
                           "\"\xff\"",
                           "\"\xc0\xaf\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf5\x80\x80\x80\"",
                           "\"\xe2\x82\"",
                           "[\"\xe0\x80\x80\"]",
                           "\xef\xbb\xbf[",
                           "[1]\x0c",
                           "\xa0[1]"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
}

TEST(Json, ErrorTextIsSafeToPrintAndShort) {
  const std::string message = error_of("[\"\x1b[31m" + std::string(100000, 'x'));
  EXPECT_LT(message.size(), 400u);
  EXPECT_THAT(message, testing::Not(HasSubstr("\x1b")));
}

TEST(Json, InvalidUtf8IsReplacedWhenWritten) {
  EXPECT_EQ(Json("a\xff\xc3\xa9\xed\xa0\x80z").dump(),
            "\"a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
  EXPECT_EQ(again(Json("\xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf \xf4\x90\x80\x80").dump()).substr(0, 5),
            "\"\xf0\x9f\x98\x80");
}

TEST(Json, LargeObjectsAreCheckedForDuplicatesInLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 100000; ++i) text += "\"key" + std::to_string(i) + "\":0,";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of(text + "\"last\":0}"), "");
  EXPECT_THAT(error_of(text + "\"key77777\":0}"), HasSubstr("'key77777' appears twice"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(Json, HoldsOnTheFuzzCorpus) {
  test::replay_corpus("json", fuzz_json);
}

}  // namespace
}  // namespace quarry
