// SPDX-License-Identifier: MIT
#include "quarry/data/libsvm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <clocale>

#include "quarry/data/npy.h"
#include "tests/data/support.h"

namespace quarry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LibsvmTable parse(std::string_view text) {
  return parse_libsvm(text, "t.svm");
}

TEST(Libsvm, ReadsWhatScikitLearnWrote) {
  const LibsvmTable table = parse_libsvm(golden_bytes("table.libsvm"), "table.libsvm");
  const NumericArray x = parse_npy(golden_bytes("table_x.npy"), "x"), y = parse_npy(golden_bytes("table_y.npy"), "y");
  ASSERT_EQ(table.rows, 20);
  ASSERT_EQ(table.columns, 6);
  EXPECT_EQ(table.features, to_floats(x, "x"));
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(table.labels.names[static_cast<std::size_t>(table.labels.ids[i])],
              std::to_string(static_cast<int>(y.at(i))));
  }
}

TEST(Libsvm, AbsentEntriesAreZeroAndEmptyRowsCount) {
  const LibsvmTable table = parse("+1 2:0.5\n-1\n1.0 \t1:-3e1 4:+2 \n");
  EXPECT_EQ(table.rows, 3);
  EXPECT_EQ(table.columns, 4);
  EXPECT_THAT(table.features, ElementsAre(0, 0.5, 0, 0, 0, 0, 0, 0, -30, 0, 0, 2));
  EXPECT_THAT(table.labels.names, ElementsAre("1", "-1"));
  EXPECT_THAT(table.labels.ids, ElementsAre(0, 1, 0));
}

TEST(Libsvm, LineEndsBlanksAndCommentsMakeNoDifference) {
  const std::vector<float> expected = parse("1 1:2\n2 2:3\n").features;
  for (const std::string_view text :
       {"1 1:2\n2 2:3", "1 1:2\r\n2 2:3\r\n", "\n\n1 1:2\n\n# a comment\n2 2:3\n", "1 1:2 # one\n2 2:3#two",
        "\t1  1:2\t\n  2 2:3  ", "# only\r\n1 1:2\n \t \n2 2:3\r\n"}) {
    const LibsvmTable table = parse(text);
    EXPECT_EQ(table.features, expected) << text;
    EXPECT_EQ(table.rows, 2) << text;
  }
}

TEST(Libsvm, MinColumnsWidenTheTable) {
  EXPECT_THAT(parse_libsvm("1 1:2\n0 2:1", "t", 3).features, ElementsAre(2, 0, 0, 0, 1, 0));
  EXPECT_EQ(parse_libsvm("1 7:2", "t", 3).columns, 7);
}

TEST(Libsvm, TheLocaleChangesNothing) {
  const char* before = std::setlocale(LC_ALL, nullptr);
  const std::string saved = before;
  std::setlocale(LC_ALL, "de_DE.UTF-8");  // where it is installed, the decimal comma must not matter
  EXPECT_EQ(parse("1 1:2.5").features[0], 2.5f);
  std::setlocale(LC_ALL, saved.c_str());
}

TEST(Libsvm, RefusesWithThePlace) {
  const std::pair<std::string, std::string> cases[] = {
      {"x 1:2", "t.svm:1:1: found 'x'; expected a class"},
      {"1 1:2\n0.5 1:2", "t.svm:2:1: found '0.5'; expected a class"},
      {"1,2 1:2", "one class per line"},
      {"99999999999 1:1", "an integer of 32 bits"},
      {"nan 1:1", "expected a class"},
      {"1 0:2", "t.svm:1:3: found '0'; expected an index of 1 or more"},
      {"1 -1:2", "an index of 1 or more"},
      {"1 a:2", "an index of 1 or more"},
      {"1 :2", "an index of 1 or more"},
      {"1 99999999999999999999:2", "an index of 1 or more"},
      {"1 1048577:2", "an index of at most 1048576"},
      {"1 2:1 2:1", "t.svm:1:7: found '2:1'; expected an index above 2"},
      {"1 3:1 2:1", "an index above 3"},
      {"1 5", "t.svm:1:3: found '5'; expected index:value"},
      {"1 1:", "t.svm:1:5: found ''; expected a finite number"},
      {"1 1:x", "t.svm:1:5"},
      {"1 1:2:3", "a finite number"},
      {"1 1: 2", "a finite number"},
      {"1 1:nan", "a finite number"},
      {"1 1:inf", "a finite number"},
      {"1 1:1e39", "the range of a float"},
      {"1 1:1e999", "the range of a float"},
      {"1 1:2,5", "a finite number"},
      {"1 1:0x10", "a finite number"},
      {"1 1:++1", "a finite number"},
      {"1 1:+-1", "a finite number"},
      {"1 qid:3 1:2", "qid"},
      {"1 1:2\r1 1:3", "a finite number"},
      {std::string("1 1:2\0", 6), "a finite number"},
      {"1 " + std::string(100, 'z'), "zzz...'; expected index:value"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(error_of([&, t = text] { parse(t); }), HasSubstr(message)) << text;
  }
  std::string line_900 = "1 1:1\n";
  for (int i = 1; i < 899; ++i) line_900 += "1 1:1\n";
  EXPECT_THAT(error_of([&] { parse(line_900 + "1 1:oops\n"); }), HasSubstr("t.svm:900:5"));
}

TEST(Libsvm, RefusesTablesThatAreFarLargerThanTheFile) {
  // 20 rows of 2^20 floats are 80 MB from 280 bytes.
  std::string text;
  for (int i = 0; i < 20; ++i) text += "1 1048576:1\n";
  EXPECT_THAT(error_of([&] { parse(text); }), HasSubstr("too sparse"));
}

TEST(Libsvm, RefusesTooManyClasses) {
  std::string text;
  for (int i = 0; i <= 10'000; ++i) text += std::to_string(i) + "\n";
  EXPECT_THAT(error_of([&] { parse(text); }), HasSubstr("more than 10000 different labels"));
}

}  // namespace
}  // namespace quarry
