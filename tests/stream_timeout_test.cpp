// Limits in time: silent peers, and peers that take nothing.
#include <eddy/net/connector.h>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamTimeout : public StreamTest {
 protected:
  // Something happens each millisecond, for so long or until the stream closes.
  void keep_busy_for(std::chrono::milliseconds time, const std::function<void()>& act) {
    const TimePoint until = now() + time;
    TimePoint next = now();
    EXPECT_TRUE(run_until([&] {
      if (now() >= next) {
        act();
        next += 1ms;
      }
      return now() > until || journal.closed();
    }));
  }
  StreamOptions with_idle_timeout(std::chrono::nanoseconds timeout) {
    StreamOptions options = journal.options();
    options.idle_timeout = timeout;
    return options;
  }
  StreamOptions with_stall_timeout(std::chrono::nanoseconds timeout) {
    StreamOptions options = journal.options();
    options.stall_timeout = timeout;
    return options;
  }
};

TEST_P(StreamTimeout, ASilentPeerIsEnded) {
  const TimePoint began = now();
  serve_one(with_idle_timeout(60ms));
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_GE(now() - began, 60ms);
  EXPECT_EQ(journal.events, (Events{"open", "close"}));
  EXPECT_EQ(journal.code, Errc::kTimedOut);
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
}

TEST_P(StreamTimeout, APeerThatSendsIsNotIdle) {
  serve_one(with_idle_timeout(200ms));
  keep_busy_for(600ms, [&] { peer.send("x"); });
  ASSERT_FALSE(journal.closed());
  const TimePoint silent_since = now();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_GE(now() - silent_since, 150ms);
  EXPECT_EQ(journal.code, Errc::kTimedOut);
}

TEST_P(StreamTimeout, APeerThatTakesIsNotIdle) {
  serve_one(with_idle_timeout(200ms));
  keep_busy_for(600ms, [&] {
    stream.send("x");
    peer.receive();
  });
  EXPECT_FALSE(journal.closed());
  EXPECT_GT(peer.received.size(), 0U);
}

TEST_P(StreamTimeout, APeerThatTakesNothingIsEnded) {
  serve_one(with_stall_timeout(80ms), 4096);
  const TimePoint began = now();
  stream.send(Slice::copy_of(pattern(16 << 20)));
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_GE(now() - began, 80ms);
  EXPECT_EQ(journal.code, Errc::kTimedOut);
}

TEST_P(StreamTimeout, APeerThatTakesSlowlyIsNotStalled) {
  serve_one(with_stall_timeout(300ms), 4096);
  stream.send(Slice::copy_of(pattern(32 << 20)));
  const TimePoint until = now() + 900ms;
  TimePoint next = now();
  EXPECT_TRUE(run_until([&] {
    if (now() >= next) {
      peer.receive(100'000);
      next += 20ms;
    }
    return now() > until || journal.closed();
  }));
  EXPECT_FALSE(journal.closed());
  EXPECT_GT(stream.queued_bytes(), 0U);
}

TEST_P(StreamTimeout, AnEmptyQueueDoesNotStall) {
  serve_one(with_stall_timeout(30ms));
  stream.send("x");
  EXPECT_TRUE(run_until([&] { return peer.has_received("x"); }));
  turns_during(120ms);
  EXPECT_FALSE(journal.closed());
  EXPECT_TRUE(stream.is_open());
}

// close() waits for the queue, and no longer than that.
TEST_P(StreamTimeout, AClosedStreamWhosePeerTakesNothingIsEnded) {
  serve_one(with_stall_timeout(80ms), 4096);
  stream.send(Slice::copy_of(pattern(16 << 20)));
  stream.close();
  run_turns();
  EXPECT_FALSE(journal.closed());
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, Errc::kTimedOut);
}

// The time of the last turn is not the time of the call.
TEST_P(StreamTimeout, TimeIsCountedFromTheSendAlsoOutsideATurn) {
  serve_one(with_stall_timeout(150ms), 4096);
  run_turns();
  machine().pass(200ms);
  const TimePoint began = now();
  stream.send(Slice::copy_of(pattern(16 << 20)));
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_GE(now() - began, 150ms);
}

// A loop that stalled has let the peer's bytes lie: they count before the clock does.
TEST_P(StreamTimeout, BytesThatArrivedWhileTheLoopStalledCount) {
  serve_one(with_idle_timeout(100ms));
  peer.send("in time");
  machine().pass(150ms);
  run_turns(3);
  EXPECT_EQ(journal.data, "in time");
  EXPECT_FALSE(journal.closed());
}

TEST_P(StreamTimeout, TheLongestTimesAreNever) {
  StreamOptions options = echo_options();
  options.idle_timeout = options.stall_timeout = std::chrono::nanoseconds::max();
  const Address address = serve(std::move(options));
  StreamOptions client = journal.options();
  client.idle_timeout = client.stall_timeout = std::chrono::nanoseconds::max();
  Connector connector(reactor(), std::move(client), {.timeout = std::chrono::nanoseconds::max()});
  stream = *connector.connect(address);
  stream.send("x");
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open", "data"}));
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(StreamTimeout, APeerThatTakesAndSendsNothingIsEndedByTheReadTimeout) {
  StreamOptions options = journal.options();
  options.read_timeout = 100ms;
  const TimePoint began = now();
  serve_one(std::move(options));
  keep_busy_for(10s, [&] {
    if (!journal.closed()) stream.send("x");
    peer.receive();
  });
  EXPECT_TRUE(journal.closed());
  EXPECT_GE(now() - began, 100ms);
  EXPECT_LT(now() - began, 5s);
  EXPECT_EQ(journal.code, Errc::kTimedOut);
}

TEST_P(StreamTimeout, TheReadTimeoutIsNotCountedWhileNothingIsRead) {
  StreamOptions options = journal.options();
  options.read_timeout = 60ms;
  serve_one(std::move(options));
  stream.pause();
  turns_during(150ms);
  ASSERT_FALSE(journal.closed());
  const TimePoint resumed = now();
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_GE(now() - resumed, 60ms);
  EXPECT_EQ(journal.code, Errc::kTimedOut);
}

TEST_P(StreamTimeout, TheTotalTimeoutEndsABusyStream) {
  StreamOptions options = journal.options();
  options.total_timeout = 150ms;
  options.idle_timeout = 10s;
  const TimePoint began = now();
  serve_one(std::move(options));
  keep_busy_for(10s, [&] {
    peer.send("x");
    if (!journal.closed()) stream.send("x");
    peer.receive();
  });
  EXPECT_TRUE(journal.closed());
  EXPECT_GE(now() - began, 150ms);
  EXPECT_LT(now() - began, 5s);
  EXPECT_EQ(journal.code, Errc::kTimedOut);
}

TEST_P(StreamTimeout, DoesNotKeepTheLoopFromSleeping) {
  serve_one(with_idle_timeout(10s));
  for (int i = 0; i < 100; ++i) peer.send("x");
  run_turns();
  expect_no_spin();
}

EDDY_ON_EVERY_CONFIGURATION(StreamTimeout);

}  // namespace
}  // namespace eddy::test
