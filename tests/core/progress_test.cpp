// SPDX-License-Identifier: MIT
#include "quarry/core/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/json.h"
#include "quarry/core/thread_pool.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A terminal or pipe that remembers every write, and a clock that stands still.
struct Screen {
  std::vector<std::string> writes;
  double time = 100;

  ProgressOutput output(bool terminal = false, int columns = 80) {
    return {[this](std::string_view text) { writes.emplace_back(text); }, [this] { return time; }, terminal, columns};
  }
};

TEST(Progress, DurationText) {
  EXPECT_EQ(duration_text(0), "0.0 s");
  EXPECT_EQ(duration_text(3.24), "3.2 s");
  EXPECT_EQ(duration_text(9.96), "10 s");
  EXPECT_EQ(duration_text(59.4), "59 s");
  EXPECT_EQ(duration_text(59.6), "1 min 0 s");
  EXPECT_EQ(duration_text(125), "2 min 5 s");
  EXPECT_EQ(duration_text(3 * 3600 + 12 * 60 + 59), "3 h 12 min");
  EXPECT_EQ(duration_text(4 * 86400 + 6 * 3600), "4 d 6 h");
  EXPECT_EQ(duration_text(std::nan("")), "unknown time");
  EXPECT_EQ(duration_text(-1), "unknown time");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::infinity()), "unknown time");
  EXPECT_THAT(duration_text(1e300), EndsWith(" h"));
}

TEST(Progress, RateText) {
  EXPECT_EQ(rate_text(12.54, "fits"), "12.5 fits/s");
  EXPECT_EQ(rate_text(123456.7, "fits"), "123457 fits/s");
  EXPECT_EQ(rate_text(0.5, "fits"), "30 fits/min");
  EXPECT_EQ(rate_text(1.0 / 3600, "fits"), "1 fits/h");
}

TEST(Progress, SecondsLeft) {
  EXPECT_EQ(seconds_left(10, 40, 5), 15);
  EXPECT_EQ(seconds_left(40, 40, 5), 0);
  EXPECT_EQ(seconds_left(50, 40, 5), 0);
  EXPECT_TRUE(std::isnan(seconds_left(0, 40, 5)));
  EXPECT_TRUE(std::isnan(seconds_left(1, 40, 0)));
}

TEST(Progress, AutomaticChoosesByTerminal) {
  Screen screen, pipe;
  Progress(4, "fits", ProgressMode::automatic, screen.output(true)).advance(4);
  Progress(4, "fits", ProgressMode::automatic, pipe.output(false)).advance(4);
  EXPECT_THAT(screen.writes.front(), StartsWith("\r\x1b[K["));
  EXPECT_THAT(pipe.writes, ElementsAre("4/4 fits (100 %) in 0.0 s\n"));
}

TEST(Progress, BarIsRedrawnAtMostTenTimesASecondAndEndsWithTheTotal) {
  Screen screen;
  {
    Progress progress(1000, "fits", ProgressMode::bar, screen.output(true));
    for (int i = 0; i < 1000; ++i) {
      screen.time += 0.003;
      progress.advance();
    }
  }
  EXPECT_GT(screen.writes.size(), 20u);
  EXPECT_LT(screen.writes.size(), 32u);
  for (const std::string& text : screen.writes) {
    EXPECT_THAT(text, StartsWith("\r\x1b[K"));
    EXPECT_LT(text.size(), 4u + 80u);
  }
  EXPECT_EQ(screen.writes.back(),
            "\r\x1b[K[##############################] 1000/1000 fits (100 %) in 3.0 s, 333 fits/s\n");
  EXPECT_THAT(screen.writes[10], HasSubstr("s left"));
  EXPECT_EQ(std::count_if(screen.writes.begin(), screen.writes.end(),
                          [](const std::string& text) { return text.back() == '\n'; }),
            1);
}

TEST(Progress, BarFitsANarrowTerminal) {
  for (int columns = 1; columns < 100; ++columns) {
    Screen screen;
    Progress progress(100, "acquisitions", ProgressMode::bar, screen.output(true, columns));
    screen.time += 10;
    progress.advance(30);
    ASSERT_EQ(screen.writes.size(), 1u);
    EXPECT_LE(screen.writes[0].size(), 4u + static_cast<std::size_t>(std::max(columns - 1, 1)));
  }
}

TEST(Progress, LinesAreSparse) {
  Screen screen;
  Progress progress(1000, "fits", ProgressMode::lines, screen.output());
  for (int i = 0; i < 1000; ++i) {  // 100 s: a line at each tenth
    screen.time += 0.1;
    progress.advance();
  }
  EXPECT_EQ(screen.writes.size(), 10u);
  EXPECT_EQ(screen.writes[0], "100/1000 fits (10 %), 10 fits/s, 1 min 30 s left\n");
  progress.finish();
  progress.finish();
  EXPECT_EQ(screen.writes.size(), 11u);
  EXPECT_EQ(screen.writes.back(), "1000/1000 fits (100 %) in 1 min 40 s, 10 fits/s\n");
}

TEST(Progress, ShortWorkPrintsOneLineAndLongWorkOneAMinute) {
  Screen quick, slow;
  {
    Progress progress(1000, "fits", ProgressMode::lines, quick.output());
    for (int i = 0; i < 1000; ++i) progress.advance();
  }
  EXPECT_EQ(quick.writes.size(), 1u);
  {
    Progress progress(1000000, "fits", ProgressMode::lines, slow.output());
    for (int i = 0; i < 600; ++i) {
      slow.time += 1;
      progress.advance();
    }
  }
  EXPECT_EQ(slow.writes.size(), 11u);  // ten minutes and the end
}

TEST(Progress, WorkDoneBeforeDoesNotCountForTheRate) {
  Screen screen;
  Progress progress(100, "fits", ProgressMode::lines, screen.output());
  progress.skip(50);
  screen.time += 10;
  progress.advance(10);
  EXPECT_THAT(screen.writes, ElementsAre("60/100 fits (60 %), 1 fits/s, 40 s left\n"));
}

TEST(Progress, JsonLines) {
  Screen screen;
  {
    Progress progress(10, "fits", ProgressMode::json, screen.output(true));
    progress.note("run \x1b[31m\"a\" diverged");
    for (int i = 0; i < 10; ++i) {
      screen.time += 0.5;
      progress.advance();
    }
  }
  ASSERT_EQ(screen.writes.size(), 7u);
  EXPECT_EQ(screen.writes[0], "{\"event\":\"note\",\"text\":\"run [31m\\\"a\\\" diverged\"}\n");
  EXPECT_EQ(
      screen.writes[1],
      "{\"event\":\"progress\",\"unit\":\"fits\",\"done\":2,\"total\":10,\"seconds\":1.0,\"seconds_left\":4.0}\n");
  for (const std::string& line : screen.writes) {
    EXPECT_THAT(line, EndsWith("\n"));
    Json::parse(line, "progress");
  }
  EXPECT_EQ(Json::parse(screen.writes.back(), "progress").at("event").string(), "end");
}

TEST(Progress, StepsOfItemsUnderWayAreShownAndCountForTheTimeLeftOnly) {
  Screen screen;
  Progress progress(40, "cycles", ProgressMode::bar, screen.output(true, 200));
  const auto shown = [&] {
    const std::string line = screen.writes.back();
    return line.substr(line.find("] ") + 2);
  };
  progress.skip(10);
  progress.begin_part(4, "epoch");
  screen.time += 5;
  progress.part(50, 200);  // a quarter of four cycles in 5 s: one in 5 s, of thirty
  EXPECT_EQ(shown(), "10/40 cycles (25 %), epoch 50/200, 2 min 25 s left");
  screen.time += 5;
  progress.part(100, 200);
  progress.part(99, 200);  // of a worker that comes too late
  progress.advance(1);
  screen.time += 5;
  progress.part(150, 200);
  EXPECT_EQ(shown(), "11/40 cycles (27 %), epoch 150/200, 4 cycles/min, 2 min 15 s left");
  screen.time += 5;
  progress.part(200, 200);
  progress.end_part();
  progress.part(1, 2);  // nothing is under way
  screen.time += 20;
  progress.advance(3);
  EXPECT_EQ(shown(), "14/40 cycles (35 %), 6 cycles/min, 4 min 20 s left");
  // Half of an item that did not come to its end counts until something ends.
  progress.begin_part(0.5, "epoch");
  screen.time += 8;
  progress.part(10, 10);
  progress.end_part();
  progress.begin_part(0.5, "epoch");
  screen.time += 2;
  progress.part(10, 10);
  EXPECT_THAT(shown(), EndsWith("epoch 10/10, 4.8 cycles/min, 4 min 10 s left"));
}

TEST(Progress, StepsAreAMemberOfTheJsonLine) {
  Screen screen;
  {
    Progress progress(4, "cycles", ProgressMode::json, screen.output());
    progress.begin_part(1, "epoch");
    screen.time += 2;
    progress.part(5, 10);
  }
  ASSERT_EQ(screen.writes.size(), 2u);
  EXPECT_EQ(screen.writes[0],
            "{\"event\":\"progress\",\"unit\":\"cycles\",\"done\":0,\"total\":4,\"seconds\":2.0,\"seconds_left\":14.0,"
            "\"part\":{\"unit\":\"epoch\",\"done\":5,\"total\":10}}\n");
  EXPECT_EQ(Json::parse(screen.writes[1], "end").find("part"), nullptr);
}

TEST(Progress, QuietWritesNothing) {
  Screen screen;
  {
    Progress progress(10, "fits", ProgressMode::quiet, screen.output(true));
    progress.note("text");
    screen.time += 100;
    progress.advance(10);
  }
  EXPECT_TRUE(screen.writes.empty());
}

TEST(Progress, NotesStandAboveTheBar) {
  Screen screen;
  Progress progress(10, "fits", ProgressMode::bar, screen.output(true));
  progress.note("before the bar");
  progress.advance();
  progress.note("run 3\x1b[2J diverged");
  EXPECT_EQ(screen.writes[0], "before the bar\n");
  EXPECT_EQ(screen.writes[2], "\r\x1b[Krun 3[2J diverged\n");
  EXPECT_THAT(screen.writes[3], StartsWith("\r\x1b[K[###"));
}

TEST(Progress, NoWorkIsSilentAndStoppedWorkSaysHowFar) {
  Screen screen;
  Progress(0, "fits", ProgressMode::bar, screen.output(true)).finish();
  EXPECT_TRUE(screen.writes.empty());
  {
    Progress progress(10, "fits", ProgressMode::lines, screen.output());
    screen.time += 2;
    progress.advance(3);
  }
  EXPECT_THAT(screen.writes, ElementsAre("3/10 fits (30 %) in 2.0 s, 1.5 fits/s\n"));
  EXPECT_THROW(Progress(-1, "fits", ProgressMode::quiet, screen.output()), Error);
}

TEST(Progress, IsThreadSafe) {
  Screen screen;
  {
    Progress progress(4000, "fits", ProgressMode::lines, screen.output());
    ThreadPool pool(4);
    pool.parallel_for(4000, [&](std::int64_t, int) { progress.advance(); });
  }
  EXPECT_THAT(screen.writes, ElementsAre("4000/4000 fits (100 %) in 0.0 s\n"));
}

}  // namespace
}  // namespace quarry
