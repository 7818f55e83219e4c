#include "load/stationarity.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <gtest/gtest.h>

#include "load/batches.h"
#include "queue.h"

namespace eddy::load {
namespace {

using Verdict = Stationarity::Verdict;

constexpr size_t kSpans = 100;

// A run whose service takes `slower(x)` times as long at the part x of it.
template <typename Slower>
Stationarity run(Queue& queue, size_t requests, Slower slower) {
  Batches batches;
  for (size_t span = 0; span < kSpans; ++span) {
    const double factor = slower(static_cast<double>(span) / kSpans);
    for (size_t i = 0; i < requests / kSpans; ++i) batches.record(queue.next(factor));
    batches.end_span();
  }
  return stationarity(batches);
}

double steady(double /*x*/) { return 1; }

// 1 of 100 would be 3; 11 or more of 300 would then be seen in 3 of 10,000 trials.
TEST(Stationarity, SteadyQueuesRaiseNoAlarm) {
  constexpr int kRuns = kSanitized ? 50 : 300;
  for (const double utilisation : {0.5, 0.8}) {
    Queue queue(Service::kExponential, utilisation, 11);
    int alarms = 0;
    for (int i = 0; i < kRuns; ++i) {
      alarms += run(queue, 10'000, steady).verdict == Verdict::kChanged ? 1 : 0;
    }
    EXPECT_LE(alarms, 10) << utilisation;
  }
}

TEST(Stationarity, FindsAServiceThatBecomesSlower) {
  Queue queue(Service::kExponential, 0.5, 12);
  const auto step = run(queue, 100'000, [](double x) { return x < 0.5 ? 1 : 1.2; });
  EXPECT_EQ(step.verdict, Verdict::kChanged);
  EXPECT_GT(step.lower, 1.2);  // a fifth more service, and more waiting for it
  EXPECT_LT(step.upper, 1.9);
  const auto leak = run(queue, 200'000, [](double x) { return 1 + 0.4 * x; });
  EXPECT_EQ(leak.verdict, Verdict::kChanged);
  EXPECT_GT(leak.ratio, 1.2);
}

TEST(Stationarity, FindsAWarmUpThatWasLeftIn) {
  Queue queue(Service::kExponential, 0.4, 13);
  const auto warm_up = run(queue, 200'000, [](double x) { return x < 0.1 ? 1.8 : 1; });
  EXPECT_EQ(warm_up.verdict, Verdict::kChanged);
  EXPECT_LT(warm_up.ratio, 0.95);
}

// Without any noise, the trend itself must not pass for what a steady server does.
TEST(Stationarity, FindsASlowLeakInEvenLatencies) {
  Batches batches;
  for (int64_t span = 0; span < 100; ++span) {
    for (int i = 0; i < 10; ++i) batches.record(1'000'000 + 2000 * span);
    batches.end_span();
  }
  const auto leak = stationarity(batches);
  EXPECT_EQ(leak.verdict, Verdict::kChanged);
  EXPECT_NEAR(leak.ratio, 1.095, 0.01);
}

TEST(Stationarity, FindsAQueueThatGrowsWithoutEnd) {
  Queue queue(Service::kExponential, 0.9, 14);
  const auto overloaded = run(queue, 20'000, [](double /*x*/) { return 1.3; });
  EXPECT_EQ(overloaded.verdict, Verdict::kChanged);
  EXPECT_GT(overloaded.ratio, 1.5);
}

TEST(Stationarity, OneLatencyForAllIsSteady) {
  Batches batches;
  for (size_t span = 0; span < kSpans; ++span) {
    for (int i = 0; i < 10; ++i) batches.record(1'000'000);
    batches.end_span();
  }
  const auto constant = stationarity(batches);
  EXPECT_EQ(constant.verdict, Verdict::kSteady);
  EXPECT_NEAR(constant.ratio, 1, 1e-9);
}

TEST(Stationarity, AChangeThatIsSureButOfNoAccountIsNone) {
  for (const auto& [slower, verdict] :
       {std::pair(3'000, Verdict::kSteady), std::pair(40'000, Verdict::kChanged)}) {
    Batches batches;
    for (size_t span = 0; span < kSpans; ++span) {
      for (int64_t i = 0; i < 10; ++i) {
        batches.record(1'000'000 + 1000 * i + (span < kSpans / 2 ? 0 : slower));
      }
      batches.end_span();
    }
    const auto found = stationarity(batches);
    EXPECT_EQ(found.verdict, verdict) << slower;
    EXPECT_GT(found.lower, 1) << slower;
  }
}

TEST(Stationarity, SaysThatAFewBatchesTellNothing) {
  Batches batches;
  EXPECT_EQ(stationarity(batches).verdict, Verdict::kTooShort);
  for (int64_t span = 0; span < 31; ++span) {
    batches.record(span < 15 ? 1000 : 2000);
    batches.end_span();
  }
  EXPECT_EQ(stationarity(batches).verdict, Verdict::kTooShort);
}

TEST(Stationarity, BatchesWithoutRequestsTellNothing) {
  Batches batches;
  for (size_t span = 0; span < kSpans; ++span) batches.end_span();
  EXPECT_EQ(stationarity(batches).verdict, Verdict::kTooShort);
  // A server that did not answer in one of the halves.
  for (size_t span = 0; span < kSpans; ++span) {
    batches.record(1000);
    batches.end_span();
  }
  EXPECT_EQ(stationarity(batches).verdict, Verdict::kTooShort);
}

}  // namespace
}  // namespace eddy::load
