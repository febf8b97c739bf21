// SPDX-License-Identifier: MIT
#include "quarry/data/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/support.h"

namespace quarry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CsvTable parse(std::string_view text, const std::string& label) {
  return parse_csv(text, "t.csv", label);
}

std::vector<std::string> labels_of(const CsvTable& table) {
  std::vector<std::string> labels;
  for (const std::int32_t id : table.labels.ids) labels.push_back(table.labels.names[static_cast<std::size_t>(id)]);
  return labels;
}

TEST(Csv, HeaderAndLabelByName) {
  const CsvTable table = parse("width,kind,height\n1,cat,2.5\n-3e0,dog,+4\n", "kind");
  EXPECT_EQ(table.rows, 2);
  EXPECT_EQ(table.columns, 2);
  EXPECT_THAT(table.features, ElementsAre(1, 2.5, -3, 4));
  EXPECT_THAT(table.feature_names, ElementsAre("width", "height"));
  EXPECT_THAT(labels_of(table), ElementsAre("cat", "dog"));
}

TEST(Csv, LabelByNumberWithAndWithoutHeader) {
  EXPECT_THAT(parse("1,2,a\n3,4,b\n", "2").features, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(parse("1,2,a\n3,4,b\n", "2").feature_names, IsEmpty());
  EXPECT_THAT(parse("x,y,k\n1,2,a\n3,4,b\n", "2").feature_names, ElementsAre("x", "y"));
  EXPECT_THAT(parse("label,0,1\n7,2,3\n8,4,5\n", "0").feature_names, ElementsAre("0", "1"));  // numbers as names
  EXPECT_EQ(parse("one,0,1\ntwo,4,5\n", "0").rows, 2);                                        // labels are texts
}

TEST(Csv, QuotesAsInRfc4180) {
  const CsvTable table =
      parse("\"x, or y\",\"the \"\"label\"\"\"\r\n\"1\",\"a\nb\"\r\n 2 , \"c,\"\"\" \r\n", "the \"label\"");
  EXPECT_THAT(table.feature_names, ElementsAre("x, or y"));
  EXPECT_THAT(table.features, ElementsAre(1, 2));
  EXPECT_THAT(labels_of(table), ElementsAre("a\nb", "c,\""));
}

TEST(Csv, LineEndsEmptyLinesAndByteOrderMarkMakeNoDifference) {
  for (const std::string_view text :
       {"x,k\n1,0\n2,1\n", "x,k\n1,0\n2,1", "x,k\r\n1,0\r\n2,1\r\n", "\xef\xbb\xbfx,k\n1,0\n2,1\n",
        "\n\nx,k\n\n1,0\n2,1\n\n\n", " x ,\tk\n1 ,0\n2, 1 "}) {
    const CsvTable table = parse(text, "k");
    EXPECT_THAT(table.features, ElementsAre(1, 2)) << text;
    EXPECT_THAT(table.feature_names, ElementsAre("x")) << text;
    EXPECT_THAT(labels_of(table), ElementsAre("0", "1")) << text;
  }
}

TEST(Csv, RefusesWithThePlace) {
  struct Case {
    std::string text, label, message;
  };
  const Case cases[] = {
      {"", "0", "no records"},
      {"\n\n", "0", "no records"},
      {"1\n2\n", "0", "expected a label and at least one feature"},
      {"1;2\n", "0", "separated by commas"},
      {"x,k\n", "k", "a header and no instances"},
      {"1,2\n3,4,5\n", "0", "t.csv:2:1: 3 fields; the first line has 2"},
      {"1,2\n3\n", "0", "1 fields"},
      {"1,2\n3,\n", "0", "t.csv:2:3: an empty field"},
      {"1,2\n,3\n", "0", "t.csv:2:1: an empty label"},
      {"1,2\n3,x\n", "0", "t.csv:2:3: 'x'; expected a finite number"},
      {"1,2\n3,nan\n", "0", "expected a finite number"},
      {"1,2\n3,1e40\n", "0", "range of a float"},
      {"a,b,1\nc,2,3\n", "0", "t.csv:1:3: 'b' is not a number, though other features"},
      {"1,\"2\n3,4\n", "0", "t.csv:1:3: this quote is never closed"},
      {"1,\"2\"x\n", "0", "text after a closing quote"},
      {"1,2\"\n", "0", "a quote inside an unquoted field"},
      {"1,2\r3,4\n", "0", "a carriage return"},
      {"1,2\n3,4\r", "0", "a carriage return"},
      {std::string("1,\0\n", 4), "0", "NUL"},
      {std::string("1,\"\0\"\n", 6), "0", "t.csv:1:4: a NUL byte"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(error_of([&] { parse(c.text, c.label); }), HasSubstr(c.message)) << c.text;
  }
}

TEST(Csv, ColumnNumbersAsFirstLineNeedADecision) {
  const std::string text = "0,1,2\n5,6,1\n7,8,0\n";  // pandas: to_csv(index=False) of a frame without names
  const std::string message = error_of([&] { parse_csv(text, "t.csv", "2"); }, ErrorKind::usage);
  EXPECT_THAT(message, HasSubstr("t.csv: the first line is 0 to 2"));
  EXPECT_THAT(message, HasSubstr("data.header"));
  const CsvTable header = parse_csv(text, "t.csv", "2", CsvHeader::yes);
  EXPECT_THAT(header.features, ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(header.feature_names, ElementsAre("0", "1"));
  const CsvTable row = parse_csv(text, "t.csv", "2", CsvHeader::no);
  EXPECT_THAT(row.features, ElementsAre(0, 1, 5, 6, 7, 8));
  EXPECT_TRUE(row.feature_names.empty());
  EXPECT_EQ(parse_csv("0,1,3\n5,6,1\n", "t.csv", "2").rows, 2);  // any other number is an instance
  EXPECT_EQ(parse_csv("1,0,2\n5,6,1\n", "t.csv", "2").rows, 2);
}

TEST(Csv, TheKeyDecidesAboutTheHeader) {
  EXPECT_EQ(parse_csv("1,2\n3,4\n", "t.csv", "1", CsvHeader::yes).rows, 1);
  EXPECT_THAT(error_of([&] { parse_csv("x,y\n3,4\n", "t.csv", "1", CsvHeader::no); }), HasSubstr("t.csv:1:1: 'x'"));
  EXPECT_THAT(error_of([&] { parse_csv("x,y\n3,4\n", "t.csv", "y", CsvHeader::no); }, ErrorKind::usage),
              HasSubstr("data.header is \"no\""));
}

TEST(Csv, AWrongLabelIsAUsageErrorThatNamesTheColumns) {
  const auto error = [](const std::string& text, const std::string& label) {
    return error_of([&] { parse(text, label); }, ErrorKind::usage);
  };
  EXPECT_THAT(error("1,2\n", ""), HasSubstr("data.label is missing"));
  EXPECT_THAT(error("1,2\n", "2"), HasSubstr("column 2, but there are 2"));
  EXPECT_THAT(error("x,y\n1,2\n", "z"), HasSubstr("no such column. It has 0 'x', 1 'y'"));
  EXPECT_THAT(error("x,x\n1,2\n", "x"), HasSubstr("two columns"));
}

TEST(Csv, LimitsAreChecked) {
  Limits limits;
  limits.max_columns = 3;
  EXPECT_EQ(parse_csv("1,2,3,4\n", "t", "0", CsvHeader::automatic, limits).columns, 3);
  EXPECT_THAT(error_of([&] { parse_csv("1,2,3,4,5\n", "t", "0", CsvHeader::automatic, limits); }),
              HasSubstr("more than 3 columns"));
  limits.max_rows = 2;
  EXPECT_THAT(error_of([&] { parse_csv("1,2\n1,2\n1,2\n", "t", "0", CsvHeader::automatic, limits); }),
              HasSubstr("3 instances"));
  std::string text;
  for (int i = 0; i <= 10'000; ++i) text += std::to_string(i) + ",2\n";
  EXPECT_THAT(error_of([&] { parse(text, "0"); }), HasSubstr("t.csv:10001:1: the 10001th different label"));
}

}  // namespace
}  // namespace quarry
