// Arrivals by arithmetic: that they are those that are found one by one.
#include "load/unsent.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "load/plan.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

Schedule constant(const std::vector<RateSegment>& segments, Mix mix = {}) {
  return Schedule::constant(RateProfile::make(segments).value(), std::move(mix), 3);
}

Schedule recorded() {
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += std::to_string(i / 7 * i) + "e-6\n";
  return *Schedule::replay(lines, "recorded");
}

std::vector<Schedule> exact_schedules() {
  return {constant({{.from = 3000, .to = 3000}}),
          constant({{.length = 2s, .from = 0, .to = 5000},
                    {.length = 1s},
                    {.length = 3s, .from = 700, .to = 100}}),
          recorded()};
}

Arrivals::Passed walk_before(Arrivals& arrivals, nanoseconds end) {
  Arrivals::Passed passed;
  for (; !arrivals.ended() && arrivals.next().at < end; arrivals.take()) {
    ++passed.count;
    passed.last = arrivals.next().at;
  }
  return passed;
}

TEST(SkippedArrivals, AreThoseThatAreWalkedThrough) {
  for (const Schedule& schedule : exact_schedules()) {
    for (const uint32_t of : {1U, 3U}) {
      Arrivals skipped = schedule.arrivals(of - 1, of);
      Arrivals walked = schedule.arrivals(of - 1, of);
      for (const nanoseconds end : {0ns, 1ns, 300'000'000ns, 2'000'000'000ns, 2'000'000'001ns,
                                    2'500'000'000ns, 5'999'999'999ns, 9'000'000'000ns}) {
        const auto [count, last] = skipped.skip_before(end);
        const auto expected = walk_before(walked, end);
        EXPECT_EQ(count, expected.count);
        EXPECT_EQ(last, expected.last);
        ASSERT_EQ(skipped.ended(), walked.ended());
        if (walked.ended()) break;
        EXPECT_EQ(skipped.next(), walked.next());
      }
    }
  }
}

TEST(SkippedArrivals, ArePoissonsOnAverage) {
  const Schedule schedule =
      Schedule::poisson(*RateProfile::make({{.length = 100s, .from = 2000, .to = 6000}}), {}, 4);
  for (const uint32_t of : {1U, 4U}) {
    Arrivals skipped = schedule.arrivals(0, of);
    Arrivals walked = schedule.arrivals(0, of);
    const auto expected = static_cast<double>(walk_before(walked, 90s).count);
    EXPECT_NEAR(static_cast<double>(skipped.skip_before(90s).count), expected,
                5 * std::sqrt(expected));
    EXPECT_GE(skipped.next().at, 90s);
    EXPECT_LT(skipped.next().at, 90'010ms);
    EXPECT_EQ(skipped.skip_before(1h).last / 1s, 99);
    EXPECT_TRUE(skipped.ended());
  }
}

TEST(SkippedArrivals, HaveATimeEach) {
  for (const Schedule& schedule : exact_schedules()) {
    const Arrivals from = schedule.arrivals(1, 2);
    Arrivals walked = from;
    for (uint64_t ahead = 0; ahead < 1000; ++ahead, walked.take()) {
      ASSERT_EQ(from.time_of(ahead), walked.next().at);
    }
  }
  EXPECT_EQ(recorded().arrivals().time_of(5000), std::nullopt);
  EXPECT_EQ(recorded().arrivals().time_of(UINT64_MAX), std::nullopt);
  EXPECT_EQ(constant({{.length = 1s, .from = 10, .to = 10}}).arrivals().time_of(10), std::nullopt);
}

// --- The window of -n

LoadOptions asked_for(uint64_t requests, nanoseconds warmup, Pacing pacing) {
  return {.pacing = pacing, .requests = requests, .warmup = warmup, .duration = 1000h, .seed = 3};
}

TEST(WindowOfRequests, EndsBehindTheLast) {
  for (const Schedule& schedule : exact_schedules()) {
    for (const nanoseconds warmup : {0ns, 10'000'000ns, 700'000'000ns}) {
      Arrivals arrivals = schedule.arrivals();
      walk_before(arrivals, warmup);
      for (uint64_t requests = 1; requests < 2000; ++requests, arrivals.take()) {
        const auto options = asked_for(requests, warmup, Pacing::kConstant);
        const auto window = arrivals.ended() ? options.duration : arrivals.next().at - warmup + 1ns;
        ASSERT_EQ(window_of(schedule, options), window) << requests;
        if (arrivals.ended()) break;
      }
    }
  }
}

TEST(WindowOfRequests, IsKnownAtOnceHoweverMany) {
  const Schedule schedule = constant({{.from = 1e6, .to = 1e6}});
  auto options = asked_for(20'000'000'000, 1s, Pacing::kConstant);
  EXPECT_EQ(window_of(schedule, options), 20'000s - 1us + 1ns);
  options.duration = 1min;
  EXPECT_EQ(window_of(schedule, options), 1min);
  options = asked_for(UINT64_MAX, 0s, Pacing::kConstant);
  EXPECT_EQ(window_of(schedule, options), 1000h);
}

TEST(WindowOfRequests, OfAPoissonProcessIsExactAsLongAsItIsDrawn) {
  const Schedule schedule =
      Schedule::poisson(*RateProfile::make({{.from = 1e6, .to = 1e6}}), {}, 3);
  Arrivals arrivals = schedule.arrivals();
  for (int i = 0; i < 99'999; ++i) arrivals.take();
  EXPECT_EQ(window_of(schedule, asked_for(100'000, 0s, Pacing::kPoisson)),
            arrivals.next().at + 1ns);
  const auto window = window_of(schedule, asked_for(20'000'000'000, 1s, Pacing::kPoisson));
  EXPECT_NEAR(static_cast<double>(window / 1ms), 20e6, 100);
}

// --- What was not sent

std::vector<uint64_t> counts_of(const Histogram& histogram) {
  return {histogram.counts().begin(), histogram.counts().end()};
}

TEST(UnsentRequests, AreInTheHistogramsWhereEachOneWouldBe) {
  constexpr nanoseconds kFrom = 300ms;
  constexpr nanoseconds kTo = 3s;
  constexpr nanoseconds kNow = 3'200ms;
  const Schedule schedule =
      constant({{.length = 2s, .from = 0, .to = 2e6}, {.length = 1h, .from = 1.5e6, .to = 1.5e6}});
  Arrivals arrivals = schedule.arrivals(1, 2);
  Arrivals walked = arrivals;
  Record record(1);
  add_unsent(record, arrivals, {}, kFrom, kTo, kNow);
  walk_before(walked, kFrom);
  Histogram expected;
  for (; walked.next().at < kTo; walked.take()) {
    expected.record((kNow - walked.next().at).count());
  }
  EXPECT_GT(expected.count(), 1'500'000U);  // so not all of them were walked through
  EXPECT_EQ(record.requests.scheduled, expected.count());
  EXPECT_EQ(record.requests.unsent, expected.count());
  EXPECT_EQ(counts_of(record.response_of[0]), counts_of(expected));
  EXPECT_EQ(counts_of(record.lag), counts_of(expected));
  EXPECT_EQ(record.lag.maximum(), expected.maximum());
  EXPECT_EQ(record.lag.minimum(), expected.minimum());
  EXPECT_NEAR(record.lag.mean(), expected.mean(), expected.mean() / 1000);
  EXPECT_EQ(arrivals.next(), walked.next());
}

TEST(UnsentRequests, AreOfEachKindAsItsWeightHasIt) {
  const Mix mix = *Mix::make(std::array{5.0, 0.0, 1.0, 2.0});
  const Schedule schedule = constant({{.from = 1e9, .to = 1e9}}, mix);
  Arrivals arrivals = schedule.arrivals();
  Record record(mix.kinds());
  add_unsent(record, arrivals, mix, 1s, 11s, 11s);
  EXPECT_EQ(record.requests.unsent, 10'000'000'000U);
  const auto share = [&](size_t kind) {
    return static_cast<double>(record.response_of[kind].count()) / 10e9;
  };
  EXPECT_NEAR(share(0), 0.625, 1e-4);
  EXPECT_EQ(share(1), 0);
  EXPECT_NEAR(share(2), 0.125, 1e-4);
  EXPECT_NEAR(share(3), 0.25, 1e-4);
  EXPECT_EQ(record.response().count(), 10'000'000'000U);
  // Their sum is beyond 2^64 ns.
  EXPECT_NEAR(record.lag.mean(), 5e9, 5e6);
}

TEST(UnsentRequests, ThatWaitedLongerThanAHistogramTellsAreCountedAllTheSame) {
  const Schedule schedule = constant({{.from = 1e6, .to = 1e6}});
  Arrivals arrivals = schedule.arrivals();
  Record record(1);
  add_unsent(record, arrivals, {}, 0s, 3h, 3h);
  EXPECT_EQ(record.requests.unsent, 10'800'000'000U);
  EXPECT_EQ(record.lag.count(), 10'800'000'000U);
  EXPECT_EQ(record.lag.maximum(), 3h / 1ns);
  const auto told = static_cast<double>(record.lag.layout().greatest()) / 1000;
  EXPECT_NEAR(static_cast<double>(record.lag.overflowed()), 10.8e9 - told, 0.02e9);
}

TEST(UnsentRequests, OfAPoissonProcessAreThoseThatItHas) {
  const Schedule schedule =
      Schedule::poisson(*RateProfile::make({{.from = 1e6, .to = 1e6}}), {}, 3);
  for (const nanoseconds to : {500'000'000ns, 1'000'000'000'000ns}) {
    Arrivals arrivals = schedule.arrivals();
    const double expected = to < 1s ? static_cast<double>(arrivals.count_before(to)) : 1e9;
    Record record(1);
    add_unsent(record, arrivals, {}, 0s, to, to);
    EXPECT_NEAR(static_cast<double>(record.requests.unsent), expected, to < 1s ? 0 : 5000);
    EXPECT_EQ(record.lag.count(), record.requests.unsent);
  }
}

TEST(UnsentRequests, NoneBeforeAWindowThatHasNotBegun) {
  const Schedule schedule = constant({{.from = 1e9, .to = 1e9}});
  Arrivals arrivals = schedule.arrivals();
  Record record(1);
  add_unsent(record, arrivals, {}, 1s, 10ms, 10ms);
  EXPECT_EQ(record.requests.scheduled, 0U);
}

}  // namespace
}  // namespace eddy::load
