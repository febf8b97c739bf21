// SPDX-License-Identifier: MIT
#include "quarry/hpo/space.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "quarry/core/error.h"
#include "tests/hpo/support.h"

namespace quarry {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Space, StudySpaceAsksAsManyWidthsAsLayers) {
  const Space space = mlp_study_space();
  space.validate();
  std::vector<std::string> names;
  for (const Parameter& parameter : space.parameters) names.push_back(parameter.name);
  EXPECT_EQ(names, (std::vector<std::string>{"drop_rate", "depth", "width_0", "width_1", "width_2", "width_3",
                                             "width_4", "lr", "weight_decay"}));
  for (int depth = 1; depth <= 5; ++depth) {
    const std::vector<double> point = {0.1, static_cast<double>(depth)};
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(space.asked(static_cast<std::size_t>(space.find("width_" + std::to_string(i))), point), i < depth);
    }
  }
}

TEST(Space, ConditionsChain) {
  Space space;
  space.parameters = {integer("a", 0, 3), integer("b", 0, 3), integer("c", 0, 3)};
  space.parameters[1].parent = "a";
  space.parameters[1].parent_at_least = 2;
  space.parameters[2].parent = "b";
  space.parameters[2].parent_at_least = 0;
  space.validate();
  EXPECT_TRUE(space.asked(1, std::vector<double>{2}));
  EXPECT_FALSE(space.asked(1, std::vector<double>{1}));
  EXPECT_FALSE(space.asked(2, std::vector<double>{1, kNaN})) << "the parent was not asked";
  EXPECT_EQ(space.value("a", std::vector<double>{1, kNaN, kNaN}), 1);
  EXPECT_THROW(space.value("b", std::vector<double>{1, kNaN, kNaN}), Error);
  EXPECT_THROW(space.value("d", std::vector<double>{1, kNaN, kNaN}), Error);
}

TEST(Space, RefusesWhatCannotBeSearched) {
  struct Case {
    const char* part;  // of the message
    std::function<void(Space&)> spoil;
  };
  const std::vector<Case> cases = {
      {"no parameters", [](Space& s) { s.parameters.clear(); }},
      {"no name", [](Space& s) { s.parameters[0].name.clear(); }},
      {"two parameters", [](Space& s) { s.parameters[1].name = "x"; }},
      {"lower one first", [](Space& s) { s.parameters[0].low = 2; }},
      {"finite", [](Space& s) { s.parameters[0].high = std::numeric_limits<double>::infinity(); }},
      {"finite", [](Space& s) { s.parameters[0].low = kNaN; }},
      {"finite", [](Space& s) { s.parameters[0].low = -1.5e308, s.parameters[0].high = 1.5e308; }},
      {"positive", [](Space& s) { s.parameters[0].log = true; }},
      {"positive", [](Space& s) { s.parameters[1].log = true; }},
      {"whole", [](Space& s) { s.parameters[1].low = 0.5; }},
      {"2^50", [](Space& s) { s.parameters[1].high = 1e16; }},
      {"no choices", [](Space& s) { s.parameters[2].choices.clear(); }},
      {"twice",
       [](Space& s) {
         s.parameters[2].choices = {"a", "b", "a"};
       }},
      {"lacks", [](Space& s) { s.parameters[2].parent = "y"; }},
      {"before", [](Space& s) { s.parameters[0].parent = "n"; }},
      {"before", [](Space& s) { s.parameters[0].parent = "x"; }},
      {"bounded by half of 'y'", [](Space& s) { s.parameters[1].half_of = "y"; }},
      {"bounded by half of 'n'", [](Space& s) { s.parameters[1].half_of = "n"; }},
      {"must be an integer",
       [](Space& s) {
         std::swap(s.parameters[0], s.parameters[1]);
         s.parameters[1].half_of = "n";
       }},
      {"no number", [](Space& s) { s.parameters[1].parent = "x", s.parameters[1].parent_at_least = kNaN; }},
  };
  for (const Case& item : cases) {
    Space space;
    space.parameters = {real("x", 0, 1), integer("n", 0, 5), categorical("c", {"a", "b"})};
    space.validate();
    item.spoil(space);
    try {
      space.validate();
      ADD_FAILURE() << "accepted: " << item.part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_NE(std::string(error.what()).find(item.part), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace quarry
