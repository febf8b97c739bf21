// SPDX-License-Identifier: MIT
// Tests in child processes, with shell scripts for children.
#include "tests/gpu/isolated.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace quarry::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Said {
  int failed;
  std::string text;
};

/// Runs three tests, a b c; the script is each child's and has the first test's number as $1.
Said run(const std::string& script, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* out = open_memstream(&text, &size);
  const int failed =
      run_isolated({"a", "b", "c"},
                   {[&](std::size_t first) {
                      return std::vector<std::string>{"/bin/sh", "-c", script, "child", std::to_string(first)};
                    },
                    limit},
                   out);
  std::fclose(out);
  const Said said{failed, text};
  std::free(text);
  return said;
}

/// A child whose test b does `work`; a and c pass.
std::string child_with(const std::string& work) {
  return "i=$1; while [ $i -lt 3 ]; do echo BEGIN; if [ $i -eq 1 ]; then " + work +
         "; fi; echo PASSED; "
         "i=$((i + 1)); done";
}

TEST(Isolated, OneChildRunsAllThatPass) {
  const Said said = run("[ $1 -eq 0 ] || exit 7; " + child_with("true"));
  EXPECT_EQ(said.failed, 0) << said.text;
  for (const char* name : {" s a", " s b", " s c"}) EXPECT_THAT(said.text, HasSubstr(name));
}

TEST(Isolated, WhatFollowsAFailureRunsInANewChild) {
  const Said said = run(child_with("echo FAILED out[3] is 1, not 2; exit 1"));
  EXPECT_EQ(said.failed, 1);
  EXPECT_THAT(said.text, HasSubstr("FAILED b: out[3] is 1, not 2\n"));
  EXPECT_THAT(said.text, HasSubstr(" s c"));
}

TEST(Isolated, ACrashIsATestThatFailed) {
  const Said said = run(child_with("kill -SEGV $$"));
  EXPECT_EQ(said.failed, 1);
  EXPECT_THAT(said.text, HasSubstr("FAILED b: the process ended by signal Segmentation fault"));
  EXPECT_THAT(said.text, HasSubstr(" s c"));
}

TEST(Isolated, AChildThatEndsEarlyHasNotPassed) {
  const Said said = run(child_with("exit 0"));
  EXPECT_EQ(said.failed, 1);
  EXPECT_THAT(said.text, HasSubstr("FAILED b: the process ended with exit code 0"));
}

TEST(Isolated, WhatNeverEndsIsKilled) {
  const Said said = run(child_with("exec sleep 1000"), std::chrono::seconds(1));
  EXPECT_EQ(said.failed, 1);
  EXPECT_THAT(said.text, HasSubstr("FAILED b: did not end within 1 s, and was killed"));
  EXPECT_THAT(said.text, HasSubstr(" s c"));
}

TEST(Isolated, TheLimitIsForEachRepeat) {
  const Said said =
      run(child_with("for k in 1 2 3 4; do sleep 0.5; echo AGAIN; done"), std::chrono::milliseconds(1500));
  EXPECT_EQ(said.failed, 0) << said.text;
}

TEST(Isolated, EveryTestFailsWhereNoChildCanDoAnything) {
  const Said said = run("exit 3");
  EXPECT_EQ(said.failed, 3);
  EXPECT_THAT(said.text, Not(HasSubstr(" s a")));
}

}  // namespace
}  // namespace quarry::testing
