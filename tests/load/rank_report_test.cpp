// That what ranks hand in, and the sum of their tallies, is the report of all.
#include "load/rank_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>

#include "load/random.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;

constexpr size_t kKinds = 2;

// What a rank has measured, from a seed.
struct Rank {
  explicit Rank(uint64_t seed, size_t seconds = 3) : random(seed) {
    for (size_t second = 0; second < seconds; ++second) add_second(second);
    report.seconds = static_cast<double>(seconds);
    report.completed = report.record.completed;
    report.connected = report.answered = report.churned.closed = seed;
    report.troubles[{Trouble::kLost, "reset"}] = seed;
    report.troubles[{Trouble::kWrong, "status " + std::to_string(seed)}] = 1;
    WorkerReport& worker = report.workers.emplace_back();
    worker.connections = static_cast<uint32_t>(seed);
    worker.seconds = report.seconds;
    worker.cpu_ns = seed * 100;
    worker.lateness.record(static_cast<int64_t>(seed));
  }

  void add_second(size_t number) {
    Record second(kKinds);
    for (size_t slice = 0; slice < 10; ++slice) {
      for (int i = 0; i < 200; ++i) {
        const auto time = static_cast<int64_t>(random.below(10'000'000));
        second.response_of[static_cast<size_t>(i) % kKinds].record(time);
        second.service.record(time / 2);
        second.lateness.record(time / 100);
        batches.record(time);
        second.requests.scheduled += 1;
        second.requests.answered += 1;
        second.completed += 1;
      }
      batches.end_span();
    }
    second.requests.unsent = 3;
    second.classes = {1, 2, 3};
    second.handshakes.times.record(1000);
    second.handshakes.resumed = 1;
    second.handshakes.agreed["TLSv1.3"] = 1;
    timeline.add(number * 1s, 1s, second);
    report.record.merge(second);
  }

  RankFindings findings() const { return {report, batches, timeline}; }

  Random random;
  LoadReport report{.record = Record(kKinds)};
  Batches batches;
  Timeline timeline;
};

// As MPI_SUM and MPI_MAX would.
void add(Tally& sum, const Tally& part) {
  ASSERT_EQ(sum.sums.size(), part.sums.size());
  ASSERT_EQ(sum.maxima.size(), part.maxima.size());
  for (size_t i = 0; i < part.sums.size(); ++i) sum.sums[i] += part.sums[i];
  for (size_t i = 0; i < part.maxima.size(); ++i) {
    sum.maxima[i] = std::max(sum.maxima[i], part.maxima[i]);
  }
}

std::vector<std::string> hand_in(const std::deque<Rank>& ranks) {
  std::vector<std::string> all;
  for (size_t i = 0; i < ranks.size(); ++i) {
    const Verdict verdict = {static_cast<int>(i), "VALID", ""};
    all.push_back(to_hand_in(ranks[i].findings(),
                             row_of(ranks[i].report, verdict, "host" + std::to_string(i))));
  }
  return all;
}

LoadOptions options_of_both() { return {.mix = *Mix::make(std::array{1.0, 1.0})}; }

std::expected<LoadReport, std::string> combine(const std::deque<Rank>& ranks) {
  const auto sum = RankSum::of(hand_in(ranks));
  if (!sum) return std::unexpected(sum.error());
  Tally tally = tally_of(ranks[0].findings(), sum->how());
  for (size_t i = 1; i < ranks.size(); ++i) add(tally, tally_of(ranks[i].findings(), sum->how()));
  return sum->report(tally, options_of_both());
}

void expect_equal(const Histogram& found, const Histogram& expected) {
  EXPECT_TRUE(std::ranges::equal(found.counts(), expected.counts()));
  EXPECT_EQ(found.count(), expected.count());
  EXPECT_EQ(found.sum(), expected.sum());
  EXPECT_EQ(found.minimum(), expected.minimum());
  EXPECT_EQ(found.maximum(), expected.maximum());
  EXPECT_EQ(found.overflowed(), expected.overflowed());
}

TEST(Tally, HistogramsAreAddedExactly) {
  Histogram first;
  Histogram second;
  const Histogram empty;
  for (const int64_t value : {int64_t{0}, int64_t{77'777}, int64_t{1} << 50}) first.record(value);
  second.record(123'456);
  Tally sum;
  for (const Histogram* histogram : std::initializer_list<const Histogram*>{&first, &empty, &empty})
    sum.add(*histogram);
  Tally part;
  for (const Histogram* histogram :
       std::initializer_list<const Histogram*>{&second, &second, &empty})
    part.add(*histogram);
  add(sum, part);
  Histogram expected;
  ASSERT_TRUE(expected.merge(first) && expected.merge(second));
  TallyReader reader(sum);
  Histogram both;
  Histogram one;
  Histogram none;
  for (Histogram* histogram : {&both, &one, &none}) reader.take(*histogram);
  EXPECT_TRUE(reader.ok());
  expect_equal(both, expected);
  expect_equal(one, second);
  expect_equal(none, empty);
  uint64_t more = 1;
  reader.take(more);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(more, 0U);
}

TEST(Tally, NumbersThatContradictEachOtherAreRefused) {
  Histogram histogram;
  histogram.record(5);
  Tally tally;
  tally.add(histogram);
  tally.maxima[0] = 1000;
  Histogram restored;
  TallyReader reader(tally);
  reader.take(restored);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(restored.count(), 0U);
}

TEST(RankReport, IsThatOfAllRequests) {
  std::deque<Rank> ranks;
  Record expected(kKinds);
  for (const uint64_t seed : {1, 2, 3}) {
    ranks.emplace_back(seed);
    expected.merge(ranks.back().report.record);
  }
  const auto whole = combine(ranks);
  ASSERT_TRUE(whole) << whole.error();
  for (size_t kind = 0; kind < kKinds; ++kind) {
    expect_equal(whole->record.response_of[kind], expected.response_of[kind]);
  }
  expect_equal(whole->record.service, expected.service);
  expect_equal(whole->record.lateness, expected.lateness);
  expect_equal(whole->record.connect, expected.connect);
  EXPECT_EQ(whole->record.requests.scheduled, 3U * 6000);
  EXPECT_EQ(whole->record.requests.unsent, 27U);
  EXPECT_EQ(whole->record.handshakes.times.count(), 9U);
  EXPECT_EQ(whole->record.handshakes.resumed, 9U);
  EXPECT_EQ(whole->record.handshakes.agreed.at("TLSv1.3"), 9U);
  EXPECT_EQ(whole->completed, 3U * 6000);
  EXPECT_EQ(whole->connected, 6U);
  EXPECT_EQ(whole->churned.closed, 6U);
  EXPECT_EQ(whole->seconds, 3);
  EXPECT_EQ(whole->troubles.at({Trouble::kLost, "reset"}), 6U);
  EXPECT_EQ(whole->troubles.size(), 4U);
  ASSERT_EQ(whole->workers.size(), 3U);
  EXPECT_EQ(whole->workers[2].cpu_ns, 300U);
  EXPECT_EQ(whole->workers[2].lateness.maximum(), 3);
  ASSERT_EQ(whole->ranks.size(), 3U);
  EXPECT_EQ(whole->ranks[1].host, "host1");
  EXPECT_EQ(whole->ranks[1].requests_per_second, 2000);
  EXPECT_EQ(whole->ranks[1].p99, value_at(ranks[1].report.record.response(), 99));
  EXPECT_EQ(whole->ranks[1].verdict.status, 1);
}

TEST(RankReport, TellsIntervalsAndSecondsOfAllRequests) {
  std::deque<Rank> ranks;
  Batches batches;
  for (const uint64_t seed : {1, 2}) ranks.emplace_back(seed, 5);
  const auto whole = combine(ranks);
  ASSERT_TRUE(whole) << whole.error();
  EXPECT_EQ(whole->intervals[kJudged].verdict, QuantileInterval::Verdict::kKnown);
  EXPECT_EQ(whole->intervals[kJudged].value, whole->record.response().percentile(99));
  EXPECT_EQ(whole->stationarity.verdict, Stationarity::Verdict::kSteady);
  ASSERT_EQ(whole->timeline.size(), 5U);
  for (const TimelineSpan& span : whole->timeline) {
    EXPECT_EQ(span.length, 1s);
    EXPECT_EQ(span.completed, 4000U);
    EXPECT_NEAR(static_cast<double>(span.response[kJudged].value_or(0)), 9.9e6, 0.2e6);
    EXPECT_NEAR(static_cast<double>(span.service_p99.value_or(0)), 4.95e6, 0.1e6);
  }
}

TEST(RankReport, BatchesOfRanksThatDidNotEndTogetherAreThoseThatAllHave) {
  std::deque<Rank> ranks;
  ranks.emplace_back(1, 14);  // 140 slices: batches of two
  ranks.emplace_back(2, 12);  // 120: batches of one
  const auto whole = combine(ranks);
  ASSERT_TRUE(whole) << whole.error();
  EXPECT_EQ(whole->record.requests.scheduled, 26U * 2000);
  EXPECT_EQ(whole->intervals[kJudged].verdict, QuantileInterval::Verdict::kKnown);
  ASSERT_EQ(whole->timeline.size(), 14U);
  EXPECT_EQ(whole->timeline[11].completed, 4000U);
  EXPECT_EQ(whole->timeline[12].completed, 2000U);
}

TEST(RankReport, WhatCannotBeReadIsToldWithItsRank) {
  std::deque<Rank> ranks;
  for (const uint64_t seed : {1, 2}) ranks.emplace_back(seed);
  const std::vector<std::string> whole = hand_in(ranks);
  EXPECT_TRUE(RankSum::of(whole));
  for (size_t size = 0; size < whole[1].size(); size += 1 + size / 50) {
    const auto sum = RankSum::of({whole[0], whole[1].substr(0, size)});
    ASSERT_FALSE(sum) << size;
    EXPECT_EQ(sum.error(), "what rank 1 found cannot be read");
  }
  const auto sum = RankSum::of(whole);
  EXPECT_EQ(sum->report(Tally(), options_of_both()).error(),
            "the ranks' numbers do not fit together");
}

TEST(RankReport, IsWorthNoMoreThanARankThatCouldNotDoItsPart) {
  const Rank rank(1, 20);
  LoadReport whole = {.record = Record(kKinds)};
  whole.record.merge(rank.report.record);
  whole.record.requests.unsent = 0;
  whole.connected = whole.answered = whole.completed = 40'000;
  whole.seconds = 20;
  const LoadOptions options = {.pacing = Pacing::kConstant};
  tell_certainty(whole, rank.batches, options);
  const auto judged = [&](std::vector<Verdict> verdicts) {
    whole.ranks.clear();
    for (Verdict& verdict : verdicts) whole.ranks.push_back({.p99 = 1, .verdict = verdict});
    return judge_ranks(whole, options);
  };
  EXPECT_EQ(judged({{kMeasured, "VALID", ""}, {kMeasured, "VALID", ""}}).word, "VALID");
  // Of less than all, these tell nothing of the whole.
  EXPECT_EQ(judged({{kTooShortRun, "TOO SHORT", "a"}, {kUnstableRun, "UNSTABLE", "b"}}).word,
            "VALID");
  const Verdict limited = judged({{}, {}, {kClientLimited, "CLIENT-LIMITED", "it was busy"}});
  EXPECT_EQ(limited.status, kClientLimited);
  EXPECT_EQ(limited.reason, "rank 2: it was busy");
  const Verdict without = judged(
      {{kClientLimited, "CLIENT-LIMITED", "busy"}, {kNoConnection, "", "no connection to x"}});
  EXPECT_EQ(without.status, kNoConnection);
  EXPECT_EQ(without.reason, "rank 1: no connection to x");
  whole.ranks[0].p99.reset();
  whole.ranks.pop_back();
  EXPECT_EQ(judge_ranks(whole, options).word, "VALID");
}

}  // namespace
}  // namespace eddy::load
