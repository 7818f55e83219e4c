// Clocks that jump, and a process that was stopped for long.
#include <eddy/core/reactor.h>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

class FaultClock : public FaultTest {};

// Timers live by CLOCK_MONOTONIC.
TEST_P(FaultClock, TheWallClockJumps) {
  int fired = 0;
  reactor().start_timer(10s, [&] { ++fired; });
  const int64_t before = faulty().realtime_ns();
  faulty().jump(24h);
  EXPECT_GE(faulty().realtime_ns() - before, std::chrono::nanoseconds(24h).count());
  run_turns();
  EXPECT_EQ(fired, 0);
  faulty().jump(-48h);
  run_turns();
  EXPECT_EQ(fired, 0);
  faulty().advance(10s);
  run_turns(2);
  EXPECT_EQ(fired, 1);
}

// A timer of many short periods: once for the stall, with what was missed counted, and then in its
// rhythm.
TEST_P(FaultClock, ALongStallBringsNoBurst) {
  int fired = 0;
  const TimerId timer = reactor().start_timer(1s, [&] { ++fired; }, {.period = 1s});
  run_turns(2);
  faulty().advance(1h);
  run_turns();
  EXPECT_EQ(fired, 1);
  EXPECT_GE(reactor().timers().missed_periods(timer), 3598U);
  faulty().advance(1s);
  run_turns();
  EXPECT_EQ(fired, 2);
  reactor().cancel_timer(timer);
}

// Each of those that are due fires once.
TEST_P(FaultClock, ALongStallFiresEachTimerOnce) {
  int fired = 0;
  for (int i = 1; i <= 100; ++i) reactor().start_timer(i * 1s, [&] { ++fired; });
  faulty().advance(1h);
  run_turns(1);
  EXPECT_EQ(fired, 100);
  run_turns();
  EXPECT_EQ(fired, 100);
}

// Bytes that had arrived in time are not called silence by a loop that was late to look.
TEST_P(FaultClock, AStallIsNoIdleTimeoutOfWhoHasSent) {
  StreamOptions options = journal.options();
  options.idle_timeout = 10s;
  serve_one(std::move(options));
  peer.send("in time");
  faulty().advance(1min);
  EXPECT_TRUE(run_until([&] { return journal.data == "in time"; }));
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open", "data"}));
  faulty().advance(1min);
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, make_error_code(Errc::kTimedOut));
}

// A sleep that a signal ends early, again and again.
TEST_P(FaultClock, InterruptedSleepsFireNothingEarly) {
  plan().fail(SystemCall::kEpollWait, EINTR, kEverySecondTime);
  plan().fail(SystemCall::kUringEnter, EINTR, kEverySecondTime);
  const TimePoint due = reactor().now() + 20ms;
  TimePoint at{};
  reactor().start_timer_at(due, [&] {
    at = reactor().turn_time();
    reactor().stop();
  });
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_GE(at, due);
}
EDDY_ON_EVERY_CONFIGURATION(FaultClock);

}  // namespace
}  // namespace eddy::test
