// Several ranks of one run, in one process and on one reactor: that together they do what one would
// do alone.
#include <deque>

#include "load/plan.h"
#include "load/ranked_run.h"
#include "load_test.h"
#include "test_ranks.h"

namespace eddy::load {
namespace {

class RankedRunTest : public LoadTest {
 protected:
  struct Rank {
    Rank(Reactor& reactor, ranks_test::TestNetwork& network, const LoadOptions& whole, uint32_t of)
        : link(network, 0ns),
          options(rank_part_of(whole, link.rank(), of)),
          run(reactor, options),
          report{.record = Record(1)} {}

    ranks_test::TestRank link;
    LoadOptions options;
    LoadRun run;
    std::optional<RankedRun> ranked;
    LoadReport report;
  };

  // Each rank hands in its report when its run is over, and rank 0 has that of all.
  LoadReport run_ranks(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) ranks_.emplace_back(reactor(), network_, options_, count);
    for (Rank& rank : ranks_) rank.ranked.emplace(reactor(), rank.link, options_, rank.run);
    for (Rank& rank : ranks_) EXPECT_TRUE(rank.run.start());
    for (Rank& rank : ranks_) {
      EXPECT_TRUE(run_until([&] { return rank.run.is_over(); }));
      rank.report = rank.run.report();
      rank.ranked->hand_in(rank.report, judge(rank.report, rank.options));
    }
    for (Rank& rank : ranks_) {
      EXPECT_TRUE(run_until([&] { return rank.ranked->is_combined(); }));
    }
    for (size_t i = 1; i < ranks_.size(); ++i) EXPECT_FALSE(ranks_[i].ranked->combined());
    EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
    return *ranks_[0].ranked->combined();
  }

  void TearDown() override {
    ranks_.clear();
    LoadTest::TearDown();
  }

  ranks_test::TestNetwork network_{reactor()};
  std::deque<Rank> ranks_;
};

TEST_P(RankedRunTest, ConstantArrivalsOfAllRanksAreEvenlySpaced) {
  constexpr uint32_t kRanks = 3;
  pace(4000);
  options_.connections = 10;
  options_.threads = 2;
  options_.duration = 50ms;
  std::vector<TimePoint> arrivals;
  options_.address = serve({.on_data = [&](Stream& client, Slice bytes) {
    arrivals.push_back(now());
    client.send(std::move(bytes));
  }});
  size_t settled = 0;
  for (uint32_t i = 0; i < kRanks; ++i) {
    Rank& rank = ranks_.emplace_back(reactor(), network_, options_, kRanks);
    rank.run.hold([&settled] { ++settled; });
    EXPECT_TRUE(rank.run.start());
  }
  EXPECT_TRUE(run_until([&] { return settled == kRanks; }));
  const TimePoint start = after(now(), 1ms);
  for (Rank& rank : ranks_) rank.run.begin(start);
  for (Rank& rank : ranks_) EXPECT_TRUE(run_until([&] { return rank.run.is_over(); }));
  ASSERT_EQ(arrivals.size(), 200U);
  for (size_t i = 1; i < arrivals.size(); ++i) {
    EXPECT_EQ(arrivals[i] - arrivals[i - 1], 250us) << i;
  }
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

TEST_P(RankedRunTest, APoissonProcessIsThinned) {
  pace(4000, Pacing::kPoisson);
  options_.connections = 8;
  options_.duration = 100ms;
  options_.address = serve(test::echo_options());
  options_.threads = 2;
  const LoadReport report = run_ranks(4);
  EXPECT_EQ(report.connected, 8U);
  EXPECT_EQ(report.workers.size(), 8U);
  const RateProfile profile = *RateProfile::make({{.from = 4000, .to = 4000}});
  EXPECT_EQ(report.record.requests.scheduled,
            Schedule::poisson(profile, {}, options_.seed).arrivals().count_before(100ms));
  ASSERT_EQ(report.ranks.size(), 4U);
  uint64_t all = 0;
  for (const Rank& rank : ranks_) {
    EXPECT_GT(rank.report.record.requests.scheduled, 50U);
    all += rank.report.record.requests.scheduled;
  }
  EXPECT_EQ(all, report.record.requests.scheduled);
}

TEST_P(RankedRunTest, ARankThatIsInterruptedEndsTheRunOfAllWithItsReport) {
  pace(1000);
  options_.connections = 4;
  options_.duration = 10s;
  options_.address = serve(test::echo_options());
  reactor().start_timer(500ms, [&] { ranks_[1].ranked->interrupt(); });
  const LoadReport report = run_ranks(2);
  EXPECT_TRUE(report.interrupted);
  EXPECT_LT(report.seconds, 1);
  EXPECT_GT(report.record.requests.answered, 100U);
  EXPECT_EQ(report.record.requests.answered, report.record.requests.scheduled);
}

TEST_P(RankedRunTest, ARankWithoutAShareOfTheRequestsMakesNone) {
  options_.connections = 6;
  options_.threads = 2;
  options_.requests = 2;
  options_.address = serve(test::echo_options());
  const LoadReport report = run_ranks(3);
  EXPECT_EQ(report.connected, 6U);
  EXPECT_EQ(report.record.requests.scheduled, 2U);
  EXPECT_EQ(report.record.requests.answered, 2U);
  EXPECT_EQ(judge_ranks(report, options_).status, kTooShortRun);
}

TEST_P(RankedRunTest, AnInterruptThatComesFromSeveralRanksIsOne) {
  pace(1000);
  options_.connections = 400;
  options_.duration = 10s;
  options_.address = serve({.on_data = [this](Stream& client, Slice bytes) {
    reactor().start_timer(100ms, [client, bytes]() mutable { client.send(std::move(bytes)); });
  }});
  for (const size_t rank : {1U, 0U, 1U}) {
    reactor().start_timer(500ms + rank * 20ms, [this, rank] { ranks_[rank].ranked->interrupt(); });
  }
  const LoadReport report = run_ranks(2);
  EXPECT_TRUE(report.interrupted);
  EXPECT_GT(report.record.requests.answered, 100U);
  EXPECT_EQ(report.record.requests.answered, report.record.requests.scheduled);
}

TEST_P(RankedRunTest, WithoutAServerAllSayThatThereIsNone) {
  options_.address = serve(test::echo_options());
  server->close();
  run_turns();
  const LoadReport report = run_ranks(2);
  EXPECT_EQ(judge_ranks(report, options_).status, kNoConnection);
  for (const RankRow& row : report.ranks) EXPECT_EQ(row.verdict.status, kNoConnection);
}

// On simulated time, where moments are exact.
EDDY_ON_EVERY_SIMULATED_CONFIGURATION(RankedRunTest);

}  // namespace
}  // namespace eddy::load
