// The loop: what it runs, in which order, and when it ends.
#include <eddy/net/connector.h>
#include <stdlib.h>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class ReactorRun : public StreamTest {};

TEST_P(ReactorRun, ReturnsWhenNothingIsLeft) {
  EXPECT_FALSE(reactor().alive());
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(reactor().run(), 0);
}

TEST_P(ReactorRun, EachThingThatCanHappenKeepsIt) {
  serve(journal.options());
  EXPECT_TRUE(reactor().alive());
  server->close();
  EXPECT_EQ(reactor().run(), 0);  // … and lets it go

  const TimerId id = reactor().start_timer(1h, [] {});
  EXPECT_TRUE(reactor().alive());
  reactor().cancel_timer(id);
  EXPECT_FALSE(reactor().alive());

  reactor().defer([] {});
  EXPECT_TRUE(reactor().alive());
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_FALSE(reactor().alive());
}

TEST_P(ReactorRun, AConnectionKeepsItUntilItsEnd) {
  serve_one(echo_options());
  server->close();
  reactor().start_timer(5ms, [this] { peer.send("x"); });
  reactor().start_timer(10ms, [this] { peer.close(); });
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(server->connections(), 0U);
}

// What was refused outside a turn is cleared away, and nothing is waited for.
TEST_P(ReactorRun, ReturnsAfterAConnectThatWasRefused) {
  Connector connector(reactor(), journal.options(), {.source = *Address::parse("192.0.2.1:0")});
  ASSERT_FALSE(connector.connect("127.0.0.1:7"));
  bool waited = false;
  const TimerId late = reactor().start_timer(kDeadline, [&] { waited = true, reactor().stop(); },
                                             {.referenced = false});
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_FALSE(waited);
  EXPECT_FALSE(reactor().alive());
  reactor().cancel_timer(late);
}

TEST_P(ReactorRun, AForeignLoopDoesNotWaitAfterAConnectThatWasRefused) {
  Connector connector(reactor(), journal.options(), {.source = *Address::parse("192.0.2.1:0")});
  ASSERT_FALSE(connector.connect("127.0.0.1:7"));
  EXPECT_TRUE(reactor().prepare());
  EXPECT_TRUE(reactor().run_once(0ns));
  EXPECT_FALSE(reactor().alive());
}

TEST_P(ReactorRun, RefAndUnref) {
  reactor().ref();
  EXPECT_TRUE(reactor().alive());
  reactor().start_timer(1ms, [this] { reactor().unref(); });
  EXPECT_EQ(reactor().run(), 0);
}

TEST_P(ReactorRun, AWatchMayBeLeftOut) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(machine().pipe(fds, O_CLOEXEC), 0);
  const Descriptor read_end(fds[0]);
  const Descriptor write_end(fds[1]);
  auto watch = reactor().watch(fds[0], Interest::kReadable, [](Interest) {});
  EXPECT_TRUE(reactor().alive());
  watch->set_keeps_alive(false);
  EXPECT_FALSE(reactor().alive());
  EXPECT_EQ(reactor().run(), 0);
  watch->set_keeps_alive(true);
  EXPECT_TRUE(reactor().alive());
  watch->close();
}

TEST_P(ReactorRun, StopEndsItAfterThePresentTurn) {
  serve(echo_options());
  Events order;
  reactor().start_timer(0ns, [&] {
    order.emplace_back("timer");
    reactor().stop();
    reactor().defer([&] { order.emplace_back("deferred"); });
  });
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(order, (Events{"timer", "deferred"}));
  EXPECT_TRUE(reactor().alive());
  // It may run again.
  reactor().start_timer(0ns, [&] { reactor().stop(); });
  EXPECT_EQ(reactor().run(), 0);
}

TEST_P(ReactorRun, AStopBeforeItCounts) {
  serve(echo_options());
  reactor().stop();
  EXPECT_EQ(reactor().run(), 0);
}

TEST_P(ReactorRun, RunOnceWaitsNoLongerThanItIsTold) {
  EXPECT_TRUE(reactor().run_once(0ns));
  auto waited = 0ns;
  for (const TimePoint until = now() + 10s; waited < 20ms && now() < until;) {
    // A signal may end a wait early.
    const TimePoint began = now();
    EXPECT_EQ(reactor().run_once(20ms).value_or(99), 0U);
    waited = now() - began;
  }
  EXPECT_GE(waited, 20ms);
  EXPECT_LT(waited, 10s);
}

TEST_P(ReactorRun, RunOnceWaitsForTheNextTimer) {
  const TimePoint began = now();
  bool fired = false;
  reactor().start_timer(10ms, [&] { fired = true; });
  while (!fired) ASSERT_TRUE(reactor().run_once(20s));
  EXPECT_LT(now() - began, 10s);
}

TEST_P(ReactorRun, RunOnceTellsWhatItDispatched) {
  reactor().post([] {});
  reactor().post([] {});
  reactor().start_timer(0ns, [] {});
  EXPECT_GE(reactor().run_once(0ns).value_or(0), 3U);
  EXPECT_EQ(reactor().run_once(0ns).value_or(99), 0U);
}

TEST_P(ReactorRun, WhatIsDeferredRunsAtTheEndOfTheTurn) {
  Events order;
  reactor().defer([&] {
    order.emplace_back("deferred");
    // While deferred work runs, more of it belongs to the next turn.
    reactor().defer([&] { order.emplace_back("next turn"); });
  });
  reactor().post([&] {
    order.emplace_back("posted");
    reactor().defer([&] { order.emplace_back("deferred by the post"); });
  });
  reactor().start_timer(0ns, [&] { order.emplace_back("timer"); });
  run_turns(1);
  EXPECT_EQ(order, (Events{"timer", "posted", "deferred", "deferred by the post"}));
  run_turns(1);
  EXPECT_EQ(order.back(), "next turn");
}

TEST_P(ReactorRun, DeferredWorkDoesNotKeepTheRestFromItsTurn) {
  serve_one(echo_options());
  int left = 100'000;
  std::function<void()> again = [&] {
    if (--left > 0) reactor().defer([&] { again(); });
  };
  again();
  peer.send("x");
  EXPECT_TRUE(run_until([&] { return peer.has_received("x"); }));
  EXPECT_GT(left, 0);
  left = 0;
  run_turns(2);
}

TEST_P(ReactorRun, BeforeSleepComesEachTimeBeforeASleep) {
  int calls = 0;
  const size_t id = reactor().before_sleep([&] { ++calls; });
  EXPECT_TRUE(reactor().run_once(0ns));
  EXPECT_EQ(calls, 0);  // no sleep
  EXPECT_TRUE(reactor().run_once(1ms));
  EXPECT_EQ(calls, 1);
  reactor().remove_before_sleep(id);
  EXPECT_TRUE(reactor().run_once(1ms));
  EXPECT_EQ(calls, 1);
}

TEST_P(ReactorRun, WhatBeforeSleepStartsCounts) {
  bool fired = false;
  bool started = false;
  const size_t timer_hook = reactor().before_sleep([&] {
    if (!std::exchange(started, true)) reactor().start_timer(1ms, [&] { fired = true; });
  });
  const TimePoint began = now();
  while (!fired) ASSERT_TRUE(reactor().run_once(20s));
  EXPECT_LT(now() - began, 10s);
  reactor().remove_before_sleep(timer_hook);

  bool deferred = false;
  reactor().before_sleep([&] {
    if (!deferred) reactor().defer([&] { deferred = true; });
  });
  EXPECT_TRUE(reactor().run_once(20s));
  EXPECT_TRUE(deferred);
  EXPECT_LT(now() - began, 10s);
}

TEST_P(ReactorRun, WhatBeforeSleepSendsLeavesBeforeTheSleep) {
  serve_one(echo_options());
  bool sent = false;
  reactor().before_sleep([&] {
    if (!std::exchange(sent, true)) stream.send("good night");
  });
  EXPECT_TRUE(reactor().run_once(50ms));
  EXPECT_TRUE(peer.has_received("good night"));
}

TEST_P(ReactorRun, AHookMayRemoveItselfAndOthers) {
  Events order;
  size_t first = 0;
  size_t second = 0;
  first = reactor().before_sleep([&] {
    order.emplace_back("first");
    reactor().remove_before_sleep(first);
    reactor().remove_before_sleep(second);
  });
  second = reactor().before_sleep([&] { order.emplace_back("second"); });
  reactor().before_sleep([&] { order.emplace_back("third"); });
  EXPECT_TRUE(reactor().run_once(1ms));
  EXPECT_TRUE(reactor().run_once(1ms));
  EXPECT_EQ(order, (Events{"first", "third", "third"}));
}

TEST_P(ReactorRun, TimeOfTheTurn) {
  const TimePoint before = reactor().now();
  TimePoint in_timer{};
  TimePoint in_post{};
  reactor().start_timer(0ns, [&] { in_timer = reactor().turn_time(); });
  reactor().post([&] { in_post = reactor().turn_time(); });
  run_turns(1);
  EXPECT_GE(in_timer, before);
  EXPECT_EQ(in_timer, in_post);
  EXPECT_LE(in_timer, reactor().now());
}

TEST_P(ReactorRun, TheTraceSeesEachTurn) {
  std::vector<TurnTrace> turns;
  reactor().set_trace([&](const TurnTrace& turn) { turns.push_back(turn); });
  reactor().start_timer(20ms, [] {});
  reactor().post([] {});
  reactor().run();
  ASSERT_GE(turns.size(), 2U);
  uint64_t timers = 0;
  uint64_t posted = 0;
  for (size_t i = 0; i < turns.size(); ++i) {
    EXPECT_EQ(turns[i].number, turns[0].number + i);
    timers += turns[i].timers;
    posted += turns[i].posted;
  }
  EXPECT_EQ(timers, 1U);
  EXPECT_EQ(posted, 1U);
  EXPECT_GE(turns.back().waited, 1ms);
  EXPECT_EQ(reactor().stats().callback_time_ns->count(), turns.size());
}

TEST_P(ReactorRun, TellsItsBackendAndWhy) {
  EXPECT_EQ(reactor().backend().kind, reactor_options.backend);
  EXPECT_FALSE(reactor().backend().reason.empty());
  EXPECT_EQ(reactor().operations().kind(), reactor_options.backend);
}

TEST_P(ReactorRun, ABadEnvironmentIsAnErrorOfEveryCall) {
  const char* before = getenv("EDDY_BACKEND");
  const std::string kept = before == nullptr ? "" : before;
  setenv("EDDY_BACKEND", "kqueue", 1);
  Reactor broken(kernel(), reactor_options);
  const auto opened = Reactor::open(reactor_options);
  kept.empty() ? unsetenv("EDDY_BACKEND") : setenv("EDDY_BACKEND", kept.c_str(), 1);
  ASSERT_TRUE(broken.error());
  EXPECT_NE(broken.error()->message().find("kqueue"), std::string::npos);
  ASSERT_FALSE(opened);
  EXPECT_FALSE(broken.run_once(0ns));
  EXPECT_FALSE(broken.watch(0, Interest::kReadable, [](Interest) {}));
  Server unable(broken, echo_options());
  EXPECT_FALSE(unable.listen("127.0.0.1:0"));
  EXPECT_FALSE(adopt(broken, 0, echo_options()));
  EXPECT_EQ(broken.run(), 1);
}

EDDY_ON_EVERY_CONFIGURATION(ReactorRun);

// The same exchange with each way of waiting.
class ReactorWaits : public StreamTest {
 protected:
  void exchange() {
    serve_one(echo_options());
    for (int i = 0; i < 50; ++i) {
      peer.received.clear();
      peer.send("ping");
      ASSERT_TRUE(run_until([&] { return peer.has_received("ping"); }));
    }
    PatternExchange transfer(peer, 3 << 20);
    peer.received.clear();
    EXPECT_TRUE(run_until([&] { return transfer.step(); }));
    EXPECT_TRUE(transfer.complete());
    bool fired = false;
    const TimePoint began = reactor().now();
    reactor().start_timer(3ms, [&] { fired = true; });
    while (!fired) ASSERT_TRUE(reactor().run_once(10s));
    EXPECT_GE(reactor().now() - began, 3ms);
  }
};

TEST_P(ReactorWaits, Spinning) {
  reactor_options.spin = 200us;
  exchange();
}

TEST_P(ReactorWaits, SpinningPastADeadline) {
  reactor_options.spin = 10s;
  const TimePoint began = now();
  bool fired = false;
  reactor().start_timer(2ms, [&] { fired = true; });
  while (!fired) ASSERT_TRUE(reactor().run_once(20s));
  reactor().start_timer(1ms, [&] { reactor().stop(); });
  reactor().ref();
  EXPECT_EQ(reactor().run(), 0);
  reactor().unref();
  EXPECT_LT(now() - began, 5s);
}

TEST_P(ReactorWaits, LettingCompletionsGather) {
  reactor_options.min_wait = 300us;
  exchange();
}

TEST_P(ReactorWaits, WithTheThreadsOwnTimerSlack) {
  reactor_options.timer_slack = 0ns;
  exchange();
}

EDDY_ON_EVERY_CONFIGURATION(ReactorWaits);

}  // namespace
}  // namespace eddy::test
