// SPDX-License-Identifier: MIT
#include "quarry/data/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quarry {
namespace {

using ::testing::ElementsAre;

LabelColumn column(std::initializer_list<const char*> texts) {
  LabelCollector collector;
  for (const char* text : texts) EXPECT_TRUE(collector.add(text));
  return collector.take();
}

TEST(Labels, IntegersAreOrderedAsNumbersHoweverTheyAreWritten) {
  LabelColumn train = column({"10", "+2", "-1", "2.0"}), test = column({"02", "10"});
  EXPECT_THAT(merge_classes(train, test), ElementsAre("-1", "2", "10"));
  EXPECT_THAT(train.ids, ElementsAre(2, 1, 0, 1));
  EXPECT_THAT(test.ids, ElementsAre(1, 2));
}

TEST(Labels, OneTextMakesThemAllTexts) {
  LabelColumn train = column({"10", "2"}), test = column({"b", "2", "B"});
  EXPECT_THAT(merge_classes(train, test), ElementsAre("10", "2", "B", "b"));
  EXPECT_THAT(train.ids, ElementsAre(0, 1));
  EXPECT_THAT(test.ids, ElementsAre(3, 1, 2));
}

TEST(Labels, AnAbsentPartAddsNothing) {
  LabelColumn train = column({"x", "a"}), none;
  EXPECT_THAT(merge_classes(train, none), ElementsAre("a", "x"));
  EXPECT_THAT(train.ids, ElementsAre(1, 0));
}

}  // namespace
}  // namespace quarry
