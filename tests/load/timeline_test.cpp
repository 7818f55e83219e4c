// The timeline of a run: its seconds as they were, joined when there are too many, and percentiles
// only where samples bear them out.
#include "load/timeline.h"

#include <gtest/gtest.h>

#include <chrono>

namespace eddy::load {
namespace {

using namespace std::chrono_literals;  // NOLINT: for tests

constexpr size_t kP50 = 0;
constexpr size_t kP99 = 2;

// `count` answers, of `first`, `first + step`, … nanoseconds.
Record second_of(uint64_t count, int64_t first, int64_t step) {
  Record record(1);
  record.requests = {.scheduled = count, .answered = count};
  record.completed = count;
  record.bytes_received = 10 * count;
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t time = first + static_cast<int64_t>(i) * step;
    record.response_of[0].record(time);
    record.service.record(time / 2);
    record.lag.record(time / 2);
    record.lateness.record(7);
  }
  return record;
}

TEST(TimelineTest, TellsEachSecondAsItWas) {
  Timeline timeline;
  timeline.add(0ns, 1001ms, second_of(1000, 1000, 1000));
  timeline.add(1001ms, 250ms, second_of(0, 0, 0));
  ASSERT_EQ(timeline.spans().size(), 2U);
  const TimelineSpan& full = timeline.spans()[0];
  EXPECT_EQ(full.length, 1001ms);
  EXPECT_EQ(full.requests.answered, 1000U);
  EXPECT_EQ(full.bytes_received, 10'000U);
  ASSERT_TRUE(full.response[kP99]);
  EXPECT_NEAR(static_cast<double>(*full.response[kP99]), 990e3, 1e3);
  EXPECT_EQ(full.response_maximum, 1'000'000);
  EXPECT_NEAR(static_cast<double>(full.service_p99.value_or(0)), 495e3, 1e3);
  EXPECT_EQ(full.lateness_p99, 7);
  const TimelineSpan& empty = timeline.spans()[1];
  EXPECT_EQ(empty.start, 1001ms);
  EXPECT_FALSE(empty.response[kP50]);
  EXPECT_FALSE(empty.lag_p99);
}

TEST(TimelineTest, TellsNoPercentileBeyondWhichAreFewSamples) {
  Timeline timeline;
  timeline.add(0s, 1s, second_of(900, 1000, 1000));
  EXPECT_TRUE(timeline.spans()[0].response[kP50]);
  EXPECT_FALSE(timeline.spans()[0].response[kP99]);
}

TEST(TimelineTest, JoinsNeighboursInsteadOfGrowing) {
  constexpr size_t kSeconds = 2 * Timeline::kMost + 3;
  const Record few = second_of(100, 1000, 1000);
  const Record many = second_of(900, 1000, 1000);
  Timeline timeline;
  for (size_t i = 0; i < kSeconds; ++i) {
    timeline.add(i * 1s, 1s, i % 2 == 0 ? few : many);
    ASSERT_LE(timeline.spans().size(), Timeline::kMost);
  }
  const auto& spans = timeline.spans();
  EXPECT_GE(spans.size(), Timeline::kMost / 2);
  uint64_t answered = 0;
  std::chrono::nanoseconds end{};
  for (const TimelineSpan& span : spans) {
    EXPECT_EQ(span.start, end);
    end = span.start + span.length;
    answered += span.requests.answered;
    if (&span == &spans.back()) continue;
    EXPECT_EQ(span.length, 4s);
    EXPECT_EQ(span.requests.answered, 2000U);
    // 200 of up to 100 µs, and 1,800 of up to 900: half are up to 400.
    EXPECT_NEAR(static_cast<double>(span.response[kP50].value_or(0)), 400e3, 5e3);
    EXPECT_LE(span.response[kP99].value_or(0), span.response_maximum);
    EXPECT_EQ(span.response_maximum, 900'000);
    EXPECT_EQ(span.lateness_p99, 7);
  }
  EXPECT_EQ(end, kSeconds * 1s);
  EXPECT_EQ(answered, kSeconds / 2 * 1000 + 100);
}

TEST(PercentileCurveTest, EndsWhereSamplesEnd) {
  EXPECT_TRUE(percentile_curve(Histogram()).empty());
  const Record record = second_of(1000, 1000, 1000);
  const auto curve = percentile_curve(record.response_of[0]);
  ASSERT_FALSE(curve.empty());
  EXPECT_EQ(curve.front().percentile, 0);
  double last = -1;
  for (const CurvePoint& point : curve) {
    EXPECT_GT(point.percentile, last);
    last = point.percentile;
    EXPECT_LE(point.percentile, 99);
    EXPECT_EQ(point.value, value_at(record.response_of[0], point.percentile));
  }
  EXPECT_GT(last, 98);
}

}  // namespace
}  // namespace eddy::load
