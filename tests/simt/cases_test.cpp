// SPDX-License-Identifier: MIT
// Every case (tests/simt/cases.h) under every schedule.
#include "tests/simt/cases.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace simt {

void PrintTo(const Case& which, std::ostream* out) {
  *out << which.name;
}

namespace {

#if defined(QUARRY_UNDER_ASAN)
constexpr int kMostRandom = 2;  // a bad address needs no lucky schedule
#else
constexpr int kMostRandom = kRandomSchedules;
#endif

class SimtCase : public testing::TestWithParam<Case> {};

TEST_P(SimtCase, holds_under_every_schedule) {
  EXPECT_NO_THROW(run_case(GetParam(), Schedule::forward, 0)) << "forward";
  EXPECT_NO_THROW(run_case(GetParam(), Schedule::reverse, 0)) << "reverse";
  for (int seed = 1; seed <= kMostRandom && !HasFailure(); ++seed) {
    EXPECT_NO_THROW(run_case(GetParam(), Schedule::random, static_cast<std::uint64_t>(seed))) << "random " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, SimtCase, testing::ValuesIn(cases()),
                         [](const testing::TestParamInfo<Case>& which) { return std::string(which.param.name); });

}  // namespace
}  // namespace simt
