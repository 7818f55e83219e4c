#include "load/objective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "load/report.h"

namespace eddy::load {
namespace {

using Figure = Objective::Figure;
using Relation = Objective::Relation;
using testing::HasSubstr;

Objective objective(const std::string& text) {
  auto parsed = parse_objective(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Objective();
}

TEST(Objective, IsReadWithItsUnits) {
  const Objective tail = objective("p99.9<5ms");
  EXPECT_EQ(tail.figure, Figure::kPercentile);
  EXPECT_EQ(tail.percent, 99.9);
  EXPECT_EQ(tail.relation, Relation::kBelow);
  EXPECT_EQ(tail.limit, 5e6);
  EXPECT_EQ(tail.text, "p99.9<5ms");
  EXPECT_EQ(objective("p50 >= 300 us").limit, 3e5);
  EXPECT_EQ(objective("max<1s").figure, Figure::kMaximum);
  EXPECT_EQ(objective("mean<=2ms").relation, Relation::kAtMost);
  EXPECT_DOUBLE_EQ(objective("errors<0.1%").limit, 0.001);
  EXPECT_DOUBLE_EQ(objective("errors<0.001").limit, 0.001);
  EXPECT_EQ(objective("rate>10k").limit, 1e4);
  EXPECT_EQ(objective("rate>10k").relation, Relation::kAbove);
}

TEST(Objective, WhatCannotBeReadIsToldWithWhatItShouldLookLike) {
  for (const char* text :
       {"",         "p99",      "p99=5ms",    "p99<",     "p99<5",    "p100<5ms",    "p0<5ms",
        "p<5ms",    "p-1<5ms",  "q99<5ms",    "p99<<5ms", "errors<2", "errors<x",    "errors<-1%",
        "pnan<5ms", "rate>inf", "errors<nan", "rate>5ms", "max<5%",   "p99<5ms p99", "5ms>p99"}) {
    const auto parsed = parse_objective(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_FALSE(parsed.error().advice().empty()) << text;
  }
  EXPECT_THAT(parse_objective("p99<5").error().message(), HasSubstr("5ms"));
}

// A run of 10,000 requests, of 1 to 10,000 µs.
LoadReport report() {
  LoadReport made{.record = Record(1)};
  for (int us = 1; us <= 10'000; ++us) made.record.response_of[0].record(us * 1000);
  made.record.requests = {.scheduled = 10'010,
                          .answered = 10'000,
                          .lost = 5,
                          .abandoned = 2,
                          .timed_out = 2,
                          .unsent = 1};
  made.completed = 10'000;
  made.seconds = 2;
  made.intervals[2] = {.verdict = QuantileInterval::Verdict::kKnown,
                       .value = 9'900'000,
                       .lower = 9'800'000,
                       .upper = 9'950'000};
  return made;
}

TEST(Objective, IsJudgedOnTheFigureAndSureOnAllOfItsInterval) {
  const LoadReport run = report();
  const auto beyond = judge_objective(objective("p99>5ms"), run);
  EXPECT_TRUE(beyond.known && beyond.holds && beyond.sure);
  EXPECT_NEAR(beyond.figure, 9.9e6, 1e4);
  EXPECT_THAT(beyond.to_string(), HasSubstr("p99 was 9.90 ms (95 % interval 9.80 ms to 9.95 ms), "
                                            "98 % above 5.00 ms"));
  const auto near = judge_objective(objective("p99>9.85ms"), run);
  EXPECT_TRUE(near.holds);
  EXPECT_FALSE(near.sure);
  const auto within = judge_objective(objective("p99>20ms"), run);
  EXPECT_TRUE(within.known && within.sure);
  EXPECT_FALSE(within.holds);
}

TEST(Objective, TheDistanceIsToldAsAPersonWould) {
  const LoadReport run = report();
  const auto told = [&](const char* text) {
    return judge_objective(objective(text), run).to_string();
  };
  EXPECT_THAT(told("max<10ms"), HasSubstr("the maximum was 10.0 ms, exactly 10.0 ms"));
  EXPECT_THAT(told("rate>4999"), HasSubstr(", just above "));
  EXPECT_THAT(told("rate>10"), HasSubstr(", 500 times "));
  EXPECT_THAT(told("rate<10k"), HasSubstr(", 50 % below "));
  LoadReport without = report();
  without.record.requests = {.scheduled = 10, .answered = 10};
  EXPECT_THAT(judge_objective(objective("errors>0.1%"), without).to_string(),
              HasSubstr("errors was 0 %, below 0.1 %"));
}

TEST(Objective, AnIntervalThatIsOpenIsAboveWhateverLiesAboveItsEnd) {
  LoadReport run = report();
  run.intervals[2].open = true;
  EXPECT_TRUE(judge_objective(objective("p99>5ms"), run).sure);
  EXPECT_FALSE(judge_objective(objective("p99>20ms"), run).sure);
  EXPECT_FALSE(judge_objective(objective("p99<20ms"), run).sure);
}

TEST(Objective, APercentileThatTheRunIsTooShortForIsNotKnown) {
  const auto unknown = judge_objective(objective("p99.95>1ns"), report());
  EXPECT_FALSE(unknown.known || unknown.holds || unknown.sure);
  EXPECT_THAT(unknown.to_string(), HasSubstr("p99.95 is not known"));
}

TEST(Objective, OtherFiguresAreThoseOfTheWholeRun) {
  const LoadReport run = report();
  EXPECT_DOUBLE_EQ(judge_objective(objective("errors<0.1%"), run).figure, 8.0 / 10'010);
  EXPECT_TRUE(judge_objective(objective("errors<0.1%"), run).holds);
  EXPECT_FALSE(judge_objective(objective("errors<0.01%"), run).holds);
  EXPECT_EQ(judge_objective(objective("rate>10k"), run).figure, 5000);
  EXPECT_FALSE(judge_objective(objective("rate>10k"), run).holds);
  EXPECT_EQ(judge_objective(objective("max<=10ms"), run).figure, 1e7);
  EXPECT_TRUE(judge_objective(objective("max<=10ms"), run).holds);
  EXPECT_FALSE(judge_objective(objective("max<10ms"), run).holds);
  EXPECT_NEAR(judge_objective(objective("mean<6ms"), run).figure, 5.0005e6, 1);
}

}  // namespace
}  // namespace eddy::load
