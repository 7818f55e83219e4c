// The line that people see while a run goes on.
#include "load/live_line.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <vector>

namespace eddy::load {
namespace {

using namespace std::chrono_literals;  // NOLINT: for tests

constexpr LineStyle kTerminal = {.columns = 100};
constexpr LineStyle kLog = {.columns = 0};
constexpr LineStyle kAscii = {.columns = 100, .is_utf8 = false};

LiveFigures measuring() {
  LiveFigures figures;
  figures.moment = {.phase = Moment::Phase::kMeasuring, .elapsed = 13s, .left = 7s};
  figures.rate = 3003.4;
  figures.last = {.p50 = 113'000, .p99 = 8'880'000, .maximum = 26'100'000};
  figures.failed = 2;
  figures.course = {0, 50, 100};
  figures.is_open_loop = true;
  return figures;
}

TEST(LiveLineTest, TellsATerminalTheTimeLeftAndTheCourse) {
  EXPECT_EQ(live_line(measuring(), kTerminal),
            "  7 s left  3,003/s    p50 113 µs   p99 8.88 ms  max 26.1 ms  failed 2  p99 ▁▅█");
}

TEST(LiveLineTest, TellsALogTheTimePassed) {
  EXPECT_EQ(live_line(measuring(), kLog),
            "  13 s   3,003/s    p50 113 µs   p99 8.88 ms  max 26.1 ms  failed 2");
}

TEST(LiveLineTest, OfSeveralRanksItSaysWhose) {
  LiveFigures figures = measuring();
  figures.whose = "rank 0 of 4";
  EXPECT_TRUE(live_line(figures, kTerminal).starts_with("  rank 0 of 4:  7 s left  3,003/s "));
}

TEST(LiveLineTest, KeepsToAsciiWhereTheLocaleDoes) {
  EXPECT_EQ(live_line(measuring(), kAscii),
            "  7 s left  3,003/s    p50 113 us   p99 8.88 ms  max 26.1 ms  failed 2  p99 .+#");
}

TEST(LiveLineTest, ShowsTheCourseOfTheRateWhereItIsWhatVaries) {
  LiveFigures figures = measuring();
  figures.is_open_loop = false;
  EXPECT_EQ(live_line(figures, kTerminal),
            "  7 s left  3,003/s    p50 113 µs   p99 8.88 ms  max 26.1 ms  failed 2  rate ▁▅█");
}

TEST(LiveLineTest, ShowsAsMuchOfTheCourseAsThereIsRoomFor) {
  EXPECT_TRUE(live_line(measuring(), {.columns = 79}).ends_with("failed 2  p99 ▅█"));
  EXPECT_TRUE(live_line(measuring(), {.columns = 78}).ends_with("failed 2"));
}

TEST(LiveLineTest, TellsThePhasesAroundTheWindow) {
  LiveFigures figures;
  figures.connections = 1000;
  figures.moment = {.open_connections = 12};
  EXPECT_EQ(live_line(figures, kTerminal), "  connecting: 12 of 1,000");
  figures.moment = {.phase = Moment::Phase::kWarmup, .elapsed = 1s, .left = 150s};
  figures.rate = 10;
  EXPECT_EQ(live_line(figures, kTerminal), "  2 min 30 s left  10/s       warming up");
  figures.moment = {.phase = Moment::Phase::kDraining, .in_flight = 1, .troubles = 3};
  EXPECT_EQ(live_line(figures, kTerminal), "  waiting for 1 answer  troubles 3");
}

TEST(LiveLineTest, TellsTheTimePassedWhereNobodyKnowsTheEnd) {
  LiveFigures figures = measuring();
  figures.moment.left = -1ns;
  figures.last.p99.reset();
  figures.course.clear();
  EXPECT_EQ(live_line(figures, kTerminal),
            "  13 s      3,003/s    p50 113 µs   p99 -        max 26.1 ms  failed 2");
}

TEST(LiveLineTest, KnowsTheLocale) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) unsetenv(name);
  EXPECT_FALSE(locale_is_utf8());
  setenv("LANG", "de_DE.utf8", 1);
  EXPECT_TRUE(locale_is_utf8());
  setenv("LC_ALL", "C", 1);
  EXPECT_FALSE(locale_is_utf8());
  setenv("LC_ALL", "C.UTF-8", 1);
  EXPECT_TRUE(locale_is_utf8());
}

TEST(SparklineTest, IsFlatWhereThereIsNothing) {
  EXPECT_EQ(sparkline(std::vector<double>{}, true), "");
  EXPECT_EQ(sparkline(std::vector<double>{0, 0}, true), "▁▁");
  EXPECT_EQ(sparkline(std::vector<double>{1, 1}, true), "██");
}

}  // namespace
}  // namespace eddy::load
