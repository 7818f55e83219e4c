// The search for the highest rate: against queues whose capacity is known, and against curves that
// would lead it astray.
#include "load/find_max.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "load/batches.h"
#include "load/random.h"
#include "load/report.h"
#include "queue.h"

namespace eddy::load {
namespace {

using End = SearchResult::End;

Objective objective(const char* text) { return *parse_objective(text); }

// Runs that say at once what a curve says.
RunAt by(std::function<Standing(double)> standing) {
  return [standing](double rate, uint64_t) {
    return RateRun{.rate = rate, .standing = standing(rate)};
  };
}
RunAt within_up_to(double capacity) {
  return by([=](double rate) { return rate <= capacity ? Standing::kWithin : Standing::kBeyond; });
}

TEST(FindMax, AStepIsFoundToThePrecision) {
  for (const double capacity : {3.0, 999.0, 1000.0, 1001.0, 123'456.0, 9e8}) {
    for (const double precision : {0.2, 0.01}) {
      const auto found = find_max({.precision = precision}, within_up_to(capacity));
      EXPECT_EQ(found.end, End::kFound);
      ASSERT_TRUE(found.max_rate && found.not_within) << capacity;
      EXPECT_LE(*found.max_rate, capacity);
      EXPECT_GT(*found.not_within, capacity);
      EXPECT_LE(*found.not_within, *found.max_rate * (1 + precision));
      EXPECT_LT(found.runs.size(), 40U);
    }
  }
}

TEST(FindMax, BothEndsAreRunTwice) {
  const auto found = find_max({}, within_up_to(5000));
  for (const double end : {*found.max_rate, *found.not_within}) {
    EXPECT_EQ(std::ranges::count(found.runs, end, &RateRun::rate), 2);
  }
}

TEST(FindMax, NeverWithinIsSaidAfterTwoRunsAtTheLeastRate) {
  const auto found = find_max({.first = 1000, .least = 10}, within_up_to(0));
  EXPECT_EQ(found.end, End::kNeverWithin);
  EXPECT_FALSE(found.max_rate);
  EXPECT_EQ(found.not_within, 10);
  EXPECT_EQ(std::ranges::count(found.runs, 10, &RateRun::rate), 2);
}

TEST(FindMax, NoRateAboveTheMostIsRun) {
  const auto found = find_max({.first = 1000, .most = 50'000}, within_up_to(1e12));
  EXPECT_EQ(found.end, End::kAlwaysWithin);
  EXPECT_EQ(found.max_rate, 50'000);
  EXPECT_FALSE(found.not_within);
  for (const RateRun& run : found.runs) EXPECT_LE(run.rate, 50'000);
}

TEST(FindMax, TheFirstRateIsBroughtBetweenTheBounds) {
  EXPECT_EQ(find_max({.first = 1000, .most = 10}, within_up_to(1e12)).runs.front().rate, 10);
  EXPECT_EQ(find_max({.first = 1000, .least = 5000}, within_up_to(1e4)).runs.front().rate, 5000);
}

TEST(FindMax, ARunThatShowsNothingIsNotWithin) {
  const auto found = find_max({}, by([](double rate) {
                                return rate <= 2000   ? Standing::kWithin
                                       : rate <= 8000 ? Standing::kUndecided
                                                      : Standing::kBeyond;
                              }));
  EXPECT_EQ(found.end, End::kFound);
  EXPECT_LE(*found.max_rate, 2000);
  EXPECT_GT(*found.max_rate, 1900);
}

TEST(FindMax, AClientThatIsTheLimitIsToldAndNotTakenForTheServers) {
  const auto found = find_max({}, by([](double rate) {
                                return rate <= 30'000 ? Standing::kWithin : Standing::kClientLimit;
                              }));
  EXPECT_EQ(found.end, End::kClientLimit);
  EXPECT_LE(*found.max_rate, 30'000);
  EXPECT_GT(*found.max_rate, 28'000);
  // Beyond what the server can do, it does not matter what the client could.
  const auto server = find_max({}, by([](double rate) {
                                 return rate <= 30'000   ? Standing::kWithin
                                        : rate <= 70'000 ? Standing::kBeyond
                                                         : Standing::kClientLimit;
                               }));
  EXPECT_EQ(server.end, End::kFound);
}

// One run of a rate that fails by chance, or that is within by chance, changes nothing.
TEST(FindMax, OneRunThatLiesIsOutvoted) {
  for (uint64_t lie = 0; lie < 20; ++lie) {
    const auto found = find_max({}, [lie](double rate, uint64_t number) {
      const bool within = (rate <= 50'000) != (number == lie);
      return RateRun{.rate = rate, .standing = within ? Standing::kWithin : Standing::kBeyond};
    });
    EXPECT_EQ(found.end, End::kFound);
    EXPECT_LE(*found.max_rate, 50'000) << lie;
    EXPECT_GT(*found.max_rate, 45'000) << lie;
  }
}

// A tenth of all runs lie: the search ends all the same, and mostly near the truth.
TEST(FindMax, NoiseDoesNotLeadFarAstray) {
  int near = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    const auto found = find_max({.precision = 0.1}, [&](double rate, uint64_t) {
      const bool lies = random.below(10) == 0;
      const bool within = (rate <= 50'000) != lies;
      return RateRun{.rate = rate, .standing = within ? Standing::kWithin : Standing::kBeyond};
    });
    EXPECT_LE(found.runs.size(), SearchOptions().most_runs);
    near += found.max_rate && *found.max_rate > 40'000 && *found.max_rate < 60'000 ? 1 : 0;
  }
  EXPECT_GE(near, 80);
}

TEST(FindMax, RunsThatContradictEachOtherEndIt) {
  const auto found = find_max({.most_runs = 5}, [](double rate, uint64_t number) {
    return RateRun{.rate = rate,
                   .standing = number % 2 == 0 ? Standing::kWithin : Standing::kBeyond};
  });
  EXPECT_EQ(found.end, End::kNotSettled);
  EXPECT_EQ(found.runs.size(), 5U);
}

TEST(FindMax, WhoMakesTheRunsMayStopIt) {
  const auto found = find_max({}, [](double rate, uint64_t number) -> std::optional<RateRun> {
    if (number == 2) return std::nullopt;
    return RateRun{.rate = rate, .standing = Standing::kWithin};
  });
  EXPECT_EQ(found.end, End::kStopped);
  EXPECT_EQ(found.runs.size(), 2U);
  EXPECT_EQ(found.max_rate, 2000);
}

TEST(FindMax, RatesAreToldAsTheyWereMeant) {
  Search search = {objective("p99<5ms"), {.end = End::kNeverWithin, .not_within = 999.9999999}};
  EXPECT_EQ(
      summary_of(search),
      "no rate was shown to be within p99<5ms, not even 1,000 a second; longer runs (-d) tell "
      "of lower rates");
  search.result.end = End::kStopped;
  EXPECT_EQ(summary_of(search), "no rate was shown to be within p99<5ms: the search was stopped");
  search.result = {.end = End::kStopped, .max_rate = 2000};
  EXPECT_EQ(summary_of(search),
            "the highest rate within p99<5ms is 2,000 a second or above: the search was stopped");
}

TEST(FindMax, ALimitOfTheClientIsToldInWords) {
  Search search = {objective("p99<5ms"), {.end = End::kClientLimit, .not_within = 2000}};
  EXPECT_EQ(summary_of(search),
            "no rate was shown to be within p99<5ms: already at 2,000 a second the client was the "
            "limit, so the server's cannot be told");
}

TEST(FindMax, ARunIsWithinHoweverLateTheClientWas) {
  const Objective limit = objective("p99<5ms");
  LoadReport report{.record = Record(1)};
  for (int i = 0; i < 2000; ++i) {
    report.record.response_of[0].record(2'000'000);
    report.record.lateness.record(1'000'000);
  }
  report.record.requests.scheduled = report.record.requests.answered = 2000;
  report.intervals[kJudged] = {.verdict = QuantileInterval::Verdict::kKnown,
                               .value = 2'000'000,
                               .lower = 1'900'000,
                               .upper = 2'100'000};
  const Verdict late = {kClientLimited, "CLIENT-LIMITED", ""};
  EXPECT_EQ(judge_rate(1000, limit, report, late).standing, Standing::kWithin);
  EXPECT_EQ(judge_rate(1000, objective("p99<1ms"), report, late).standing, Standing::kClientLimit);
  report.intervals[kJudged].verdict = QuantileInterval::Verdict::kTooShort;
  EXPECT_EQ(judge_rate(1000, limit, report, late).standing, Standing::kUndecided);
}

TEST(FindMax, AnIntervalDecidesWhereItLiesOnOneSide) {
  const Objective limit = objective("p99<5ms");
  QuantileInterval interval{
      .verdict = QuantileInterval::Verdict::kKnown, .lower = 1'000'000, .upper = 4'999'999};
  EXPECT_EQ(standing_of(interval, limit), Standing::kWithin);
  interval.open = true;
  EXPECT_EQ(standing_of(interval, limit), Standing::kUndecided);
  interval.open = false;
  interval.upper = 5'000'000;
  EXPECT_EQ(standing_of(interval, limit), Standing::kUndecided);
  interval.lower = 5'000'000;
  EXPECT_EQ(standing_of(interval, limit), Standing::kBeyond);
  EXPECT_EQ(standing_of({}, limit), Standing::kUndecided);
}

// --- Queues whose capacity is known

// A run against a queue that serves 1,000 requests a second, until it is decided or so many were
// made.
RateRun run_queue(double rate, const Objective& limit, Service service, uint64_t seed) {
  RateRun run{.rate = rate, .standing = Standing::kBeyond};
  if (rate >= 990) return run;
  constexpr size_t kLook = 20'000;
  constexpr size_t kMost = 320'000;
  Queue queue(service, rate / 1000, seed);
  Histogram whole;
  Batches batches;
  for (size_t sent = 1, look = kLook; sent <= kMost; ++sent) {
    const int64_t response = queue.next();
    whole.record(response);
    batches.record(response);
    if (sent % (kLook / 128) == 0) batches.end_span();
    if (sent < look) continue;
    look *= 2;
    run.interval = quantile_interval(whole, batches, limit.percent);
    run.standing = standing_of(run.interval, limit);
    if (run.standing != Standing::kUndecided) break;
  }
  return run;
}

double true_maximum(Service service, const Objective& limit) {
  double least = 0.01;
  double most = 0.99;
  while (most - least > 1e-6) {
    const double middle = (least + most) / 2;
    (true_quantile(service, middle, limit.percent) < limit.limit ? least : most) = middle;
  }
  return least * 1000;
}

TEST(FindMax, TheCapacityOfAQueueIsFound) {
  const Objective limit = objective("p99<8ms");
  for (const Service service : {Service::kConstant, Service::kExponential}) {
    const double truth = true_maximum(service, limit);
    for (uint64_t seed = 1; seed <= (kSanitized ? 1 : 3); ++seed) {
      const auto found =
          find_max({.first = 20, .precision = 0.02}, [&](double rate, uint64_t number) {
            return run_queue(rate, limit, service, Random::seed_of(seed, number));
          });
      ASSERT_TRUE(found.max_rate);
      EXPECT_GT(*found.max_rate, truth * 0.9) << truth;
      EXPECT_LT(*found.max_rate, truth * 1.03) << truth;
    }
  }
}

}  // namespace
}  // namespace eddy::load
