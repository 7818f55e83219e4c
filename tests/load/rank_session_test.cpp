// What the ranks of a run say to each other: without MPI, on simulated time.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>

#include "../support/reactor_test.h"
#include "load/rank_session.h"
#include "load/verdict.h"
#include "test_ranks.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

// A rank, and what it was told.
struct Teller {
  Teller(ranks_test::TestNetwork& network, std::chrono::nanoseconds skew) : link(network, skew) {}

  void open(Reactor& reactor) {
    session.emplace(
        reactor, link,
        RankSession::Events{
            .start = [this](const RankSession::Start& at) { start = at; },
            .interrupt = [this] { interrupted = true; },
            .handed_in = [this](const std::vector<std::string>& all) { handed_in = all; },
            .told = [this](std::string_view how) { told = how; },
            .reduced = [this] { reduced = true; },
            .failed = [this](const RankSession::Failure& why) { failure = why; }});
  }
  void die() {
    link.is_gone = true;
    session.reset();
  }

  ranks_test::TestRank link;
  std::optional<RankSession> session;
  std::optional<RankSession::Start> start;
  bool interrupted = false;
  std::vector<std::string> handed_in;
  std::string told;
  bool reduced = false;
  std::optional<RankSession::Failure> failure;
};

class RankSessionTest : public test::ReactorTest {
 protected:
  void open(size_t count) {
    const std::array skews = {0s, 1000s, -3s, 7s};
    for (size_t i = 0; i < count; ++i) ranks_.emplace_back(network_, skews[i]);
    for (Teller& rank : ranks_) rank.open(reactor());
  }
  void settle_all() {
    for (Teller& rank : ranks_) rank.session->settled("same");
  }
  bool all_of(const std::function<bool(const Teller&)>& holds) {
    return run_until([&] { return std::ranges::all_of(ranks_, holds); });
  }
  bool all_start() {
    return all_of([](const Teller& rank) { return rank.start.has_value(); });
  }

  void TearDown() override {
    ranks_.clear();
    ReactorTest::TearDown();
  }

  ranks_test::TestNetwork network_{reactor()};
  std::deque<Teller> ranks_;
};

TEST_P(RankSessionTest, AllStartAtOneMomentWhateverTheirClocksShow) {
  open(4);
  for (size_t i = 0; i < 3; ++i) ranks_[i].session->settled("same");
  EXPECT_FALSE(run_until([&] { return ranks_[0].start.has_value(); }, 500ms));
  ranks_[3].session->settled("same");
  ASSERT_TRUE(all_start());
  const TimePoint start = ranks_[0].start->at;
  EXPECT_EQ(ranks_[0].start->uncertainty, 0ns);
  for (Teller& rank : ranks_) {
    const auto skew = rank.link.now() - ranks_[0].link.now();
    const auto error = rank.start->at - skew - start;
    EXPECT_LE(std::chrono::abs(error), rank.start->uncertainty);
    EXPECT_LE(rank.start->uncertainty, 5ms);
    EXPECT_EQ(rank.start->clock_offset, skew + error);
    EXPECT_GT(start + skew, rank.link.now());  // nobody hears of it too late
  }
}

TEST_P(RankSessionTest, RanksWithOtherOptionsDoNotStart) {
  open(3);
  ranks_[0].session->settled("-c 10");
  ranks_[1].session->settled("-c 10");
  ranks_[2].session->settled("-c 20");
  ASSERT_TRUE(run_until([&] { return ranks_[0].failure.has_value(); }));
  EXPECT_EQ(ranks_[0].failure->what, "rank 2 of 3 was started with other options");
  EXPECT_EQ(ranks_[0].failure->status, 2);
  EXPECT_TRUE(ranks_[0].failure->is_mine_to_tell);
  for (const Teller& rank : ranks_) EXPECT_FALSE(rank.start);
  // The others know, and need not take rank 0 for lost.
  EXPECT_TRUE(all_of([](const Teller& rank) { return rank.failure.has_value(); }));
  EXPECT_EQ(ranks_[2].failure->what, "rank 0 has given up");
  EXPECT_FALSE(ranks_[1].failure->is_mine_to_tell || ranks_[2].failure->is_mine_to_tell);
}

TEST_P(RankSessionTest, WhatAllHandInIsAddedUpOnRankZero) {
  open(3);
  settle_all();
  ASSERT_TRUE(all_start());
  for (size_t i = 0; i < 3; ++i) ranks_[i].session->hand_in(std::string(i, 'x'));
  ASSERT_TRUE(run_until([&] { return !ranks_[0].handed_in.empty(); }));
  EXPECT_THAT(ranks_[0].handed_in, ElementsAre("", "x", "xx"));
  ranks_[0].session->tell("this way");
  ASSERT_TRUE(all_of([](const Teller& rank) { return rank.told == "this way"; }));
  std::array<std::vector<uint64_t>, 3> sums = {{{1, 2}, {10, 20}, {100, 200}}};
  std::array<std::vector<int64_t>, 3> maxima = {{{5}, {-1}, {7}}};
  for (size_t i = 0; i < 3; ++i) ranks_[i].session->reduce(sums[i], maxima[i]);
  ASSERT_TRUE(all_of([](const Teller& rank) { return rank.reduced; }));
  EXPECT_THAT(sums[0], ElementsAre(111, 222));
  EXPECT_THAT(maxima[0], ElementsAre(7));
  EXPECT_THAT(ranks_[1].handed_in, testing::IsEmpty());
}

TEST_P(RankSessionTest, ARankThatIsToldToEndTellsTheOthers) {
  open(3);
  settle_all();
  ASSERT_TRUE(all_start());
  ranks_[1].session->interrupt();
  EXPECT_TRUE(all_of([&](const Teller& rank) { return &rank == &ranks_[1] || rank.interrupted; }));
  EXPECT_FALSE(ranks_[1].interrupted);
  // All have answered, so none is lost, however long the end takes.
  EXPECT_FALSE(
      run_until([&] { return ranks_[0].failure || ranks_[1].failure; }, RankSession::kSilence * 2));
}

TEST_P(RankSessionTest, ARankThatCannotStartEndsTheRunForAll) {
  open(3);
  ranks_[0].session->settled("same");
  ranks_[1].session->settled("same");
  ranks_[2].session->hand_in("no connection");
  EXPECT_TRUE(run_until([&] { return ranks_[0].interrupted && ranks_[1].interrupted; }));
  ranks_[0].session->hand_in("interrupted");
  ranks_[1].session->hand_in("interrupted");
  EXPECT_TRUE(run_until([&] { return ranks_[0].handed_in.size() == 3; }));
  EXPECT_FALSE(ranks_[0].start || ranks_[1].start);
}

TEST_P(RankSessionTest, AtAnInterruptWhoDoesNotAnswerIsLostAtOnce) {
  open(4);
  settle_all();
  ASSERT_TRUE(all_start());
  ranks_[2].die();
  const TimePoint from = now();
  for (const size_t i : {0, 1, 3}) ranks_[i].session->interrupt();
  ASSERT_TRUE(
      run_until([&] { return ranks_[0].failure && ranks_[1].failure && ranks_[3].failure; }));
  EXPECT_LE(now() - from, RankSession::kAnswer + 100ms);
  EXPECT_EQ(ranks_[0].failure->what, "rank 2 of 4 was lost: there is no result");
  EXPECT_EQ(ranks_[0].failure->status, kRankLost);
  EXPECT_TRUE(ranks_[0].failure->is_mine_to_tell);
  EXPECT_FALSE(ranks_[1].failure->is_mine_to_tell);
  EXPECT_FALSE(ranks_[3].failure->is_mine_to_tell);
}

TEST_P(RankSessionTest, WithoutALauncherThatTellsSilenceDoes) {
  for (const size_t gone : {1, 0}) {
    ranks_.clear();
    network_.ranks.clear();
    open(3);
    settle_all();
    ASSERT_TRUE(all_start());
    ranks_[gone].die();
    const TimePoint from = now();
    // While a rank is waited for: the others have ended.
    for (Teller& rank : ranks_) {
      if (rank.session) rank.session->hand_in("found");
    }
    Teller& teller = ranks_[gone == 0 ? 1 : 0];
    ASSERT_TRUE(run_until([&] { return teller.failure.has_value(); }));
    EXPECT_GE(now() - from, RankSession::kSilence - 1s);  // it was heard until shortly before
    EXPECT_EQ(teller.failure->what,
              "rank " + std::to_string(gone) + " of 3 was lost: there is no result");
    EXPECT_TRUE(teller.failure->is_mine_to_tell);
  }
}

// Stopped, or without a CPU: it heard nobody, and takes nobody for lost.
TEST_P(RankSessionTest, WhoWasAwayTakesNobodyForSilent) {
  open(3);
  settle_all();
  ASSERT_TRUE(all_start());
  test::machine().pass(RankSession::kSilence * 2);
  EXPECT_FALSE(run_until(
      [&] {
        return std::ranges::any_of(ranks_,
                                   [](const Teller& rank) { return rank.failure.has_value(); });
      },
      RankSession::kSilence * 2));
}

TEST_P(RankSessionTest, SeveralThatAreLostAreAllNamed) {
  open(4);
  ranks_[0].die();
  ranks_[1].die();
  ranks_[3].die();
  ranks_[2].session->interrupt();
  ASSERT_TRUE(run_until([&] { return ranks_[2].failure.has_value(); }));
  EXPECT_EQ(ranks_[2].failure->what, "ranks 0, 1 and 3 of 4 were lost: there is no result");
  EXPECT_TRUE(ranks_[2].failure->is_mine_to_tell);
}

TEST_P(RankSessionTest, WhatMpiFailsWithEndsTheRun) {
  open(2);
  ranks_[0].link.broken = "MPI_Isend: no route";
  ASSERT_TRUE(run_until([&] { return ranks_[0].failure.has_value(); }));
  EXPECT_EQ(ranks_[0].failure->what, "MPI_Isend: no route");
  EXPECT_TRUE(ranks_[0].failure->is_mine_to_tell);
}

// What it does depends on time alone.
EDDY_ON_EVERY_SIMULATED_CONFIGURATION(RankSessionTest);

}  // namespace
}  // namespace eddy::load
