#include "load/schedule.h"
#include "load/rate_text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eddy::load {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

RateProfile profile_of(const std::vector<RateSegment>& segments) {
  auto profile = RateProfile::make(segments);
  EXPECT_TRUE(profile) << profile.error().message();
  return std::move(*profile);
}

RateProfile steady(double rate, nanoseconds length = RateSegment::kEndless) {
  return profile_of({{.length = length, .from = rate, .to = rate}});
}

Mix mix_of(const std::vector<double>& weights) {
  auto mix = Mix::make(weights);
  EXPECT_TRUE(mix) << mix.error().message();
  return std::move(*mix);
}

std::vector<Arrival> take(Arrivals arrivals, size_t most = 10'000'000) {
  std::vector<Arrival> taken;
  for (; !arrivals.ended() && taken.size() < most; arrivals.take())
    taken.push_back(arrivals.next());
  return taken;
}

std::vector<int64_t> times(const std::vector<Arrival>& arrivals) {
  std::vector<int64_t> counts;
  for (const Arrival& arrival : arrivals) counts.push_back(arrival.at.count());
  return counts;
}

std::vector<uint32_t> kinds(const std::vector<Arrival>& arrivals) {
  std::vector<uint32_t> numbers;
  for (const Arrival& arrival : arrivals) numbers.push_back(arrival.kind);
  return numbers;
}

size_t count_between(const std::vector<Arrival>& arrivals, nanoseconds from, nanoseconds to) {
  return static_cast<size_t>(std::ranges::count_if(
      arrivals, [&](const Arrival& arrival) { return arrival.at >= from && arrival.at < to; }));
}

// The numbers that the generator's authors' own program gives.
TEST(Random, IsSplitmix64) {
  Random random(1234567);
  EXPECT_EQ(random(), 6457827717110365317);
  EXPECT_EQ(random(), 3203168211198807973);
  EXPECT_EQ(Random::at(1234567, 2), 9817491932198370423U);
  EXPECT_EQ(random(), 9817491932198370423U);
}

TEST(ConstantSchedule, PutsTheKthArrivalAtKOverRate) {
  EXPECT_THAT(times(take(Schedule::constant(steady(3)).arrivals(), 7)),
              ElementsAre(0, 333'333'333, 666'666'667, 1'000'000'000, 1'333'333'333, 1'666'666'667,
                          2'000'000'000));
}

TEST(ConstantSchedule, DoesNotDrift) {
  const Schedule schedule = Schedule::constant(steady(30'000));
  Arrivals arrivals = schedule.arrivals();
  for (int64_t k = 0; k < 3'000'000; ++k, arrivals.take()) {
    ASSERT_EQ(arrivals.next().at.count(), (k * 1'000'000 + 15) / 30);  // rounded, exactly
  }
  EXPECT_EQ(arrivals.next().at, 100s);
}

TEST(ConstantSchedule, EndsWithItsProfile) {
  const Schedule schedule = Schedule::constant(steady(1000, 2s));
  EXPECT_EQ(take(schedule.arrivals()).size(), 2000);
  EXPECT_EQ(schedule.arrivals().count_before(500ms), 500);
  EXPECT_EQ(schedule.arrivals().count_before(1h), 2000);
}

TEST(ConstantSchedule, SharesAreEvenAndOutOfStep) {
  const Schedule schedule = Schedule::constant(steady(1000));
  EXPECT_THAT(times(take(schedule.arrivals(0, 4), 3)), ElementsAre(0, 4'000'000, 8'000'000));
  EXPECT_THAT(times(take(schedule.arrivals(3, 4), 3)),
              ElementsAre(3'000'000, 7'000'000, 11'000'000));
}

TEST(ConstantSchedule, StepsChangeTheSpacing) {
  const Schedule schedule = Schedule::constant(profile_of({{.length = 1s, .from = 2, .to = 2},
                                                           {.length = 1s, .from = 0, .to = 0},
                                                           {.length = 1s, .from = 4, .to = 4}}));
  EXPECT_THAT(
      times(take(schedule.arrivals())),
      ElementsAre(0, 500'000'000, 2'000'000'000, 2'250'000'000, 2'500'000'000, 2'750'000'000));
}

TEST(ConstantSchedule, RampsPlaceArrivalsWhereTheirIntegralReachesThem) {
  const Schedule schedule = Schedule::constant(
      profile_of({{.length = 10s, .from = 0, .to = 2000}, {.length = 5s, .from = 2000, .to = 0}}));
  const auto arrivals = take(schedule.arrivals());
  EXPECT_EQ(arrivals.size(), 15'000);
  EXPECT_EQ(arrivals[0].at, 0s);
  EXPECT_EQ(arrivals[2500].at, 5s);  // 100 t^2
  EXPECT_EQ(arrivals[10'000].at, 10s);
  EXPECT_EQ(arrivals[10'000 + 3'750].at, 12'500ms);  // 2000 t - 200 t^2
  for (nanoseconds at = 1s; at <= 10s; at += 1s) {
    const double seconds = static_cast<double>(at.count()) / 1e9;
    EXPECT_NEAR(static_cast<double>(count_between(arrivals, 0s, at)), 100 * seconds * seconds, 1);
  }
}

TEST(PoissonSchedule, IsTheSameFromTheSameSeed) {
  const Schedule schedule = Schedule::poisson(steady(1000), mix_of({1, 2, 1}), 42);
  const auto arrivals = take(schedule.arrivals(), 5);
  EXPECT_EQ(take(schedule.arrivals(), 5), arrivals);
  EXPECT_NE(take(Schedule::poisson(steady(1000), mix_of({1, 2, 1}), 43).arrivals(), 5), arrivals);
  // Wherever this runs.
  EXPECT_THAT(times(arrivals), ElementsAre(334'377, 1'459'108, 1'877'855, 3'635'729, 4'896'280));
  EXPECT_THAT(kinds(arrivals), ElementsAre(1, 2, 2, 1, 1));
  const Schedule ramp =
      Schedule::poisson(profile_of({{.length = 1h, .from = 1, .to = 5000}}), {}, 7);
  EXPECT_EQ(take(ramp.arrivals(), 1'000'000).back().at.count(), 1'200'620'815'393);
}

TEST(PoissonSchedule, GapsAreExponential) {
  const auto arrivals = times(take(Schedule::poisson(steady(1e6), {}, 1).arrivals(), 100'000));
  std::vector<double> gaps;  // in their mean
  int64_t before = 0;
  for (const int64_t at : arrivals) {
    gaps.push_back(static_cast<double>(at - before) / 1000);
    before = at;
  }
  const auto count = static_cast<double>(gaps.size());
  double sum = 0;
  double squares = 0;
  double products = 0;  // of neighbours
  for (size_t i = 0; i < gaps.size(); ++i) {
    sum += gaps[i];
    squares += (gaps[i] - 1) * (gaps[i] - 1);
    if (i > 0) products += (gaps[i] - 1) * (gaps[i - 1] - 1);
  }
  EXPECT_NEAR(sum / count, 1, 4 / std::sqrt(count));
  EXPECT_NEAR(squares / count, 1, 4 * std::sqrt(8 / count));  // the square's variance is 8
  EXPECT_NEAR(products / count, 0, 4 / std::sqrt(count));
  // Kolmogorov and Smirnov: 1.95 / sqrt(n) is passed once in 1000 times.
  std::ranges::sort(gaps);
  double distance = 0;
  for (size_t i = 0; i < gaps.size(); ++i) {
    const double expected = 1 - std::exp(-gaps[i]);
    distance = std::max({distance, expected - static_cast<double>(i) / count,
                         static_cast<double>(i + 1) / count - expected});
  }
  EXPECT_LT(distance, 1.95 / std::sqrt(count));
}

// The variance of the counts in equal spans, divided by their mean: 1 for a Poisson process.
double index_of_dispersion(const std::vector<Arrival>& arrivals, nanoseconds span, size_t spans) {
  std::vector<double> counts(spans);
  for (const Arrival& arrival : arrivals) {
    const auto index = static_cast<size_t>(arrival.at / span);
    if (index < spans) ++counts[index];
  }
  double mean = 0;
  for (const double count : counts) mean += count / static_cast<double>(spans);
  double variance = 0;
  for (const double count : counts) {
    variance += (count - mean) * (count - mean) / static_cast<double>(spans - 1);
  }
  return variance / mean;
}

TEST(PoissonSchedule, WholeAndSharesAreDispersedAsAPoissonProcess) {
  const Schedule schedule = Schedule::poisson(steady(1000, 1000s), {}, 5);
  constexpr size_t kSpans = 10'000;
  const double tolerance = 4 * std::sqrt(2.0 / kSpans);
  EXPECT_NEAR(index_of_dispersion(take(schedule.arrivals()), 100ms, kSpans), 1, tolerance);
  EXPECT_NEAR(index_of_dispersion(take(schedule.arrivals(1, 3)), 100ms, kSpans), 1, tolerance);
}

TEST(PoissonSchedule, FollowsTheIntegralOfItsProfile) {
  const Schedule schedule = Schedule::poisson(profile_of({{.length = 10s, .from = 0, .to = 20'000},
                                                          {.length = 10s, .from = 5000, .to = 5000},
                                                          {.length = 5s, .from = 8000, .to = 0}}),
                                              {}, 3);
  const auto arrivals = take(schedule.arrivals());
  const auto expect_near = [&](nanoseconds from, nanoseconds to, double expected) {
    EXPECT_NEAR(static_cast<double>(count_between(arrivals, from, to)), expected,
                4 * std::sqrt(expected));
  };
  expect_near(0s, 5s, 25'000);
  expect_near(5s, 10s, 75'000);
  expect_near(10s, 20s, 50'000);
  expect_near(20s, 22'500ms, 15'000);
  expect_near(22'500ms, 25s, 5000);
  EXPECT_TRUE(std::ranges::is_sorted(times(arrivals)));
  EXPECT_LT(arrivals.back().at, 25s);
}

TEST(Schedule, SharesTogetherAreTheWhole) {
  const Mix mix = mix_of({3, 1});
  const RateProfile profile =
      profile_of({{.length = 2s, .from = 100, .to = 3000}, {.length = 1s, .from = 500, .to = 500}});
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += std::to_string(i * i) + "e-6\n";
  for (const Schedule& schedule :
       {Schedule::constant(profile, mix, 9), Schedule::poisson(profile, mix, 9),
        *Schedule::replay(lines, "recorded", mix, 9)}) {
    const auto whole = take(schedule.arrivals());
    for (const uint32_t of : {1U, 2U, 3U, 7U}) {
      std::vector<Arrival> together;
      for (uint32_t index = 0; index < of; ++index) {
        const auto share = take(schedule.arrivals(index, of));
        EXPECT_NEAR(static_cast<double>(share.size()), static_cast<double>(whole.size()) / of, 150);
        together.insert(together.end(), share.begin(), share.end());
      }
      std::ranges::sort(together, {}, &Arrival::at);
      EXPECT_EQ(together, whole);
    }
  }
}

TEST(Schedule, IsLookedAtWithoutBeingTaken) {
  const Schedule schedule = Schedule::poisson(steady(1000, 10s), {}, 8);
  Arrivals arrivals = schedule.arrivals();
  arrivals.take();
  const Arrival next = arrivals.next();
  const uint64_t left = arrivals.count_before(1h);
  EXPECT_EQ(arrivals.next(), next);
  arrivals.take();
  EXPECT_EQ(arrivals.count_before(1h), left - 1);
  EXPECT_EQ(arrivals.count_before(next.at), 0);
}

TEST(Mix, KindsAreAsFrequentAsTheirWeights) {
  const std::array<double, 4> weights{5, 0, 1, 2};
  const auto mix = Mix::make(weights);
  ASSERT_TRUE(mix);
  EXPECT_EQ(mix->kinds(), 4);
  const auto arrivals = take(Schedule::constant(steady(1), *mix, 4).arrivals(), 80'000);
  std::array<double, 4> counts{};
  for (const Arrival& arrival : arrivals) ++counts[arrival.kind];
  EXPECT_EQ(counts[1], 0);
  double chi_square = 0;
  for (const size_t kind : {0U, 2U, 3U}) {
    const double expected = weights[kind] * 10'000;
    chi_square += (counts[kind] - expected) * (counts[kind] - expected) / expected;
  }
  EXPECT_LT(chi_square, 13.8);  // of 2 degrees of freedom: passed once in 1000 times
}

TEST(Mix, DoesNotChangeTheTimes) {
  EXPECT_EQ(times(take(Schedule::poisson(steady(10), {}, 6).arrivals(), 100)),
            times(take(Schedule::poisson(steady(10), mix_of({1, 1}), 6).arrivals(), 100)));
}

TEST(Mix, RefusesWeightsThatAreNone) {
  EXPECT_FALSE(Mix::make({}));
  EXPECT_FALSE(Mix::make(std::array{0.0, 0.0}));
  const auto negative = Mix::make(std::array{1.0, -1.0});
  ASSERT_FALSE(negative);
  EXPECT_THAT(negative.error().message(), HasSubstr("weight 2"));
  EXPECT_FALSE(Mix::make(std::array<double, 1>{NAN}));
}

TEST(RateProfile, RefusesWhatCannotBeMade) {
  const auto refusal = [](const std::vector<RateSegment>& segments) -> std::string {
    const auto profile = RateProfile::make(segments);
    return profile ? "accepted" : profile.error().message();
  };
  EXPECT_THAT(refusal({}), HasSubstr("no rate above 0"));
  EXPECT_THAT(refusal({{.length = 1s}}), HasSubstr("no rate above 0"));
  EXPECT_THAT(refusal({{.from = 1, .to = 1}, {.from = 1, .to = 1}}), HasSubstr("segment 2"));
  EXPECT_THAT(refusal({{.length = 0s, .from = 1, .to = 1}}), HasSubstr("segment 1"));
  EXPECT_THAT(refusal({{.length = 1s, .from = 1, .to = -1}}), HasSubstr("segment 1"));
  EXPECT_THAT(refusal({{.length = 1s, .from = NAN, .to = 1}}), HasSubstr("segment 1"));
  EXPECT_THAT(refusal({{.length = 1s, .from = 1, .to = 2e9}}), HasSubstr("segment 1"));
}

TEST(ReplayedSchedule, HasTheTimesAndKindsOfItsText) {
  const auto schedule = Schedule::replay("# at kind\n0 1\n\n0.000001\t0 # twice\r\n1e-6 1\n12.5 0",
                                         "arrivals.txt", mix_of({1, 1}));
  ASSERT_TRUE(schedule) << schedule.error().message();
  EXPECT_THAT(take(schedule->arrivals()),
              ElementsAre(Arrival{0ns, 1}, Arrival{1us, 0}, Arrival{1us, 1}, Arrival{12'500ms, 0}));
}

TEST(ReplayedSchedule, TellsTheLineThatIsWrong) {
  const auto refusal = [](std::string_view text) -> std::string {
    const auto schedule = Schedule::replay(text, "arrivals.txt");
    return schedule ? "accepted" : schedule.error().message();
  };
  EXPECT_THAT(refusal("0\n1\n0.5\n"), HasSubstr("arrivals.txt:3: "));
  EXPECT_THAT(refusal("\n# none\nsoon\n"), HasSubstr("arrivals.txt:3: "));
  EXPECT_THAT(refusal("soon"), HasSubstr("'soon' is no time"));
  EXPECT_THAT(refusal("-1"), HasSubstr("'-1' is no time"));
  EXPECT_THAT(refusal("nan"), HasSubstr("is no time"));
  EXPECT_THAT(refusal("1e300"), HasSubstr("is no time"));
  EXPECT_THAT(refusal("1x"), HasSubstr("is no time"));
  EXPECT_THAT(refusal("1 1"), HasSubstr("'1' is no kind from 0 to 0"));
  EXPECT_THAT(refusal("1 0 0"), HasSubstr("a time and a kind"));
  EXPECT_THAT(refusal("# nothing\n"), HasSubstr("no time in it"));
}

// --- Rates as they are written

TEST(RateText, StepsAndRampsAreSegments) {
  const auto segments = parse_rates("0..1k:30s,1k:1m,500");
  ASSERT_TRUE(segments);
  ASSERT_EQ(segments->size(), 3);
  EXPECT_EQ((*segments)[0].from, 0);
  EXPECT_EQ((*segments)[0].to, 1000);
  EXPECT_EQ((*segments)[0].length, std::chrono::seconds(30));
  EXPECT_EQ((*segments)[1].from, (*segments)[1].to);
  EXPECT_EQ((*segments)[2].to, 500);
  EXPECT_EQ(length_of(*segments), std::nullopt);
  EXPECT_EQ(length_of(*parse_rates("1k:30s,2k:10s")), std::chrono::seconds(40));
  EXPECT_EQ(parse_rates("10k")->front().from, 10'000);
}

TEST(RateText, WhatIsWrongIsNamed) {
  const auto refusal = [](std::string_view text) {
    const auto segments = parse_rates(text);
    return segments ? "accepted" : segments.error().message();
  };
  EXPECT_THAT(refusal("1k:30s,5k,1k"), testing::HasSubstr("5k"));
  EXPECT_THAT(refusal("1k..2k"), testing::HasSubstr("how long"));
  EXPECT_THAT(refusal("1k:soon"), testing::HasSubstr("1k:soon"));
  EXPECT_THAT(refusal("fast"), testing::HasSubstr("fast"));
  EXPECT_THAT(refusal("0"), testing::HasSubstr("above 0"));
  EXPECT_THAT(refusal("1k:30s,"), testing::HasSubstr("a rate is"));
  EXPECT_THAT(refusal(""), testing::HasSubstr("a rate is"));
  EXPECT_THAT(refusal("2g"), testing::HasSubstr("1g"));
}

}  // namespace
}  // namespace eddy::load
