// Timers in a loop: against the clock, and among the other things that happen in a turn. What the
// wheel itself promises is in timer_wheel_test.
#include "support/stream_test.h"

namespace eddy::test {
namespace {

class Timers : public StreamTest {};

TEST_P(Timers, NeverEarly) {
  for (const std::chrono::nanoseconds delay :
       {std::chrono::nanoseconds(0), std::chrono::nanoseconds(1), 50'000ns, 999'999ns, 1'000'001ns,
        7'654'321ns}) {
    const TimePoint began = reactor().now();
    bool fired = false;
    reactor().start_timer(delay, [&] { fired = true; });
    while (!fired) ASSERT_TRUE(reactor().run_once(10s));
    EXPECT_GE(reactor().now() - began, delay);
    EXPECT_GE(reactor().turn_time() - began, delay);
  }
}

TEST_P(Timers, TheLoopSleepsUntilTheDeadlineAndNoLonger) {
  const TimePoint began = reactor().now();
  const uint64_t turns = counters().turns;
  reactor().start_timer(30ms, [] {});
  EXPECT_EQ(reactor().run(), 0);  // ends with the last timer
  EXPECT_GE(reactor().now() - began, 30ms);
  EXPECT_LT(reactor().now() - began, 10s);
  EXPECT_LT(counters().turns - turns, 20U);
}

TEST_P(Timers, AtAPointInTime) {
  const TimePoint deadline = reactor().now() + 5ms;
  TimePoint fired{};
  reactor().start_timer_at(deadline, [&] { fired = reactor().turn_time(); });
  EXPECT_EQ(reactor().next_deadline(), deadline);
  reactor().run();
  EXPECT_GE(fired, deadline);
}

TEST_P(Timers, AFarDeadlineDoesNotOverflow) {
  const TimerId far = reactor().start_timer(std::chrono::nanoseconds::max(), [] { FAIL(); });
  EXPECT_TRUE(far);
  run_turns(3);
  EXPECT_TRUE(reactor().cancel_timer(far));
}

TEST_P(Timers, RepeatsWithItsPeriod) {
  int fired = 0;
  TimerId id;
  const TimePoint began = reactor().now();
  id = reactor().start_timer(4ms,
                             [&] {
                               if (++fired == 5) reactor().cancel_timer(id);
                             },
                             {.period = 4ms});
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(fired, 5);
  EXPECT_GE(reactor().now() - began, 20ms);
}

TEST_P(Timers, AStallIsNoBurst) {
  int fired = 0;
  const TimerId id = reactor().start_timer(1ms, [&] { ++fired; }, {.period = 1ms});
  ASSERT_TRUE(run_until([&] { return fired > 0; }));
  fired = 0;
  machine().pass(50ms);
  run_turns(1);
  EXPECT_EQ(fired, 1);
  EXPECT_GE(reactor().timers().missed_periods(id), 45U);
  reactor().cancel_timer(id);
}

// A packet and a timer in one turn: what arrived comes first, so that it can cancel the timer.
TEST_P(Timers, ArrivalsComeBeforeTimersInATurn) {
  StreamOptions options = journal.options();
  TimerId deadline;
  options.on_data = [&](Stream&, Slice bytes) {
    journal.note_data(bytes.view());
    EXPECT_TRUE(reactor().cancel_timer(deadline));
  };
  serve_one(std::move(options));
  run_turns(3);
  deadline = reactor().start_timer(1ms, [&] { journal.note("timer"); });
  peer.send("in time");
  machine().pass(5ms);  // both are due
  run_turns(5);
  EXPECT_EQ(journal.events, (Events{"open", "data"}));
}

TEST_P(Timers, ATimerCancelledByAnotherOfTheSameTurnNeverFires) {
  TimerId second;
  int fired = 0;
  reactor().start_timer(1ms, [&] {
    ++fired;
    EXPECT_TRUE(reactor().cancel_timer(second));
  });
  second = reactor().start_timer(1ms, [&] { ++fired; });
  machine().pass(5ms);
  run_turns(3);
  EXPECT_EQ(fired, 1);
}

TEST_P(Timers, RestartMovesTheDeadline) {
  const TimePoint began = reactor().now();
  const TimerId id = reactor().start_timer(1ms, [] {});
  EXPECT_TRUE(reactor().restart_timer(id, 30ms));
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_GE(reactor().now() - began, 30ms);
  EXPECT_FALSE(reactor().restart_timer(id, 1ms));
  EXPECT_FALSE(reactor().cancel_timer(id));
}

TEST_P(Timers, AnUnreferencedOneDoesNotKeepTheLoop) {
  bool fired = false;
  reactor().start_timer(1h, [&] { fired = true; }, {.referenced = false});
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_FALSE(fired);
}

TEST_P(Timers, ATimerStartedInACallbackCountsFromThen) {
  TimePoint started{};
  TimePoint fired{};
  reactor().start_timer(1ms, [&] {
    machine().pass(5ms);
    started = reactor().now();
    reactor().start_timer(2ms, [&] { fired = reactor().now(); });
  });
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_GE(fired - started, 2ms);
}

// Sending at a pace: every deadline is met in its own time, though each is nearer than a
// millisecond.
TEST_P(Timers, PacesBelowAMillisecond) {
  constexpr int kTimes = 200;
  int fired = 0;
  TimerId id;
  const TimePoint began = reactor().now();
  id = reactor().start_timer(100us,
                             [&] {
                               if (++fired == kTimes) reactor().cancel_timer(id);
                             },
                             {.period = 100us});
  reactor().run();
  EXPECT_GE(reactor().now() - began, kTimes * 100us);
  EXPECT_EQ(fired, kTimes);
}

TEST_P(Timers, LatenessIsCounted) {
  reactor().start_timer(1ms, [] {});
  machine().pass(20ms);
  run_turns(1);
  const Histogram& lag = *reactor().stats().loop_lag_ns;
  EXPECT_EQ(lag.count(), 1U);
  EXPECT_GE(lag.maximum(), 15'000'000);
}

EDDY_ON_EVERY_CONFIGURATION(Timers);

}  // namespace
}  // namespace eddy::test
