// What a run is said to be worth, from the figures of its report.
#include "load/verdict.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "load/report.h"

namespace eddy::load {
namespace {

using testing::HasSubstr;

// Of a run with a schedule in which one request of 40 was sent late.
LoadReport late_now_and_then(int requests, int64_t late_ns = 90'000) {
  LoadReport report{.record = Record(1), .answered = 1, .seconds = 1, .completed = 1};
  for (int i = 0; i < requests; ++i) {
    report.record.response_of[0].record(100'000);
    report.record.lateness.record(i % 40 == 0 ? late_ns : 100);
  }
  report.record.requests.scheduled = report.record.requests.answered =
      static_cast<uint64_t>(requests);
  return report;
}

TEST(Verdict, TheClientIsNotJudgedByAPercentileThatIsNotKnown) {
  LoadOptions options;
  options.pacing = Pacing::kConstant;
  options.rate = 100;
  const Verdict of_few = judge(late_now_and_then(40), options);
  EXPECT_EQ(of_few.status, kTooShortRun);
  EXPECT_EQ(of_few.reason, "p99 wants 1,000 requests, and this run had 40");
  const Verdict of_many = judge(late_now_and_then(4000), options);
  EXPECT_EQ(of_many.status, kClientLimited);
  EXPECT_THAT(of_many.reason,
              HasSubstr("the client was up to 90.0 µs late for 99 % of its requests, "
                        "more than a tenth of the response time's 100 µs"));
}

TEST(Verdict, TheSlackOfATimerIsNoLimitOfTheClient) {
  LoadOptions options;
  options.pacing = Pacing::kConstant;
  options.rate = 100;
  EXPECT_NE(judge(late_now_and_then(4000, 49'000), options).status, kClientLimited);
  EXPECT_EQ(judge(late_now_and_then(4000, 52'000), options).status, kClientLimited);
}

// Of a server that went away amid a run with a schedule.
TEST(Verdict, ErrorsAreToldBeforeWhatComesOfThem) {
  LoadOptions options;
  options.pacing = Pacing::kConstant;
  options.rate = 100;
  LoadReport report = late_now_and_then(4000, 100);
  report.connected = 1;
  report.record.requests.unsent = 1500;
  EXPECT_EQ(judge(report, options).status, kUnstableRun);
  report.troubles[{Trouble::kConnect, "Connection refused"}] = 5184;
  report.troubles[{Trouble::kLost, "Connection reset by peer"}] = 4;
  const Verdict verdict = judge(report, options);
  EXPECT_EQ(verdict.status, kMeasuredWithTroubles);
  EXPECT_EQ(verdict.word, "UNSTABLE");
  EXPECT_EQ(verdict.reason,
            "connections met trouble: 5,188 times, most often Connection refused; 1,500 requests "
            "could not be sent: connections could not be made for them");
}

TEST(Verdict, ALimitThatIsKnownAndKeptIsAllThatIsAskedOfAShortRun) {
  LoadOptions options;
  options.fail_if = {*parse_objective("p90>1s")};
  const LoadReport report = late_now_and_then(200, 100);
  const Verdict kept = judge(report, options);
  EXPECT_EQ(kept.status, kMeasured);
  EXPECT_EQ(kept.word, "TOO SHORT");
  options.fail_if.push_back(*parse_objective("p99.9>1s"));
  EXPECT_EQ(judge(report, options).status, kTooShortRun);
  options.fail_if.push_back(*parse_objective("p90>1ns"));
  EXPECT_EQ(judge(report, options).status, kCrossed);
}

TEST(Verdict, AServerThatSentSomethingDidNotSendNothing) {
  LoadReport report{.record = Record(1), .connected = 1, .seconds = 1};
  EXPECT_EQ(judge(report, {}).reason, "nothing was answered: the server sent nothing");
  report.is_heard = true;
  const Verdict verdict = judge(report, {});
  EXPECT_EQ(verdict.status, kNoAnswer);
  EXPECT_EQ(verdict.reason, "nothing was answered: bytes came, but no whole answer");
}

TEST(Verdict, WhatIsNotWrittenOutweighsTheRest) {
  Verdict verdict = {kTooShortRun, "TOO SHORT", "p99 wants 1,000 requests"};
  judge_written({}, verdict);
  EXPECT_EQ(verdict.status, kTooShortRun);
  judge_written(failure(-ENOSPC, "write", "a.csv"), verdict);
  judge_written(failure(-EIO, "write", "a.html"), verdict);
  EXPECT_EQ(verdict.status, kNotWritten);
  EXPECT_EQ(verdict.reason, "p99 wants 1,000 requests; write a.csv: No space left on device");
}

}  // namespace
}  // namespace eddy::load
