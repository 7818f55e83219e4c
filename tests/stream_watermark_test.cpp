// Backpressure: what a slow peer costs is bounded, and told.
#include <algorithm>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamWatermark : public StreamTest {
 protected:
  // Sends to a peer that does not read: first in small steps, until the kernel takes no more, then
  // until the queue holds `bytes`.
  void fill_queue(size_t bytes) {
    for (int quiet = 0; quiet < 20; quiet = stream.queued_bytes() == 0 ? 0 : quiet + 1) {
      if (stream.queued_bytes() == 0) stream.send(Slice::copy_of(pattern(16'000)));
      run_turns(1);
    }
    while (stream.queued_bytes() < bytes) stream.send(Slice::copy_of(pattern(4'000)));
    run_turns(3);
  }
  StreamOptions small_marks() {
    StreamOptions options = journal.options();
    options.high_watermark_bytes = 100'000;
    options.low_watermark_bytes = 30'000;
    return options;
  }
};

TEST_P(StreamWatermark, AboveTheHighMarkTheStreamStopsReading) {
  serve_one(small_marks());
  fill_queue(110'000);
  peer.send("not yet");
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open"}));
  EXPECT_FALSE(stream.is_paused());  // the user's own pause is another thing
  EXPECT_TRUE(run_until([&] {
    peer.receive(10'000);
    return journal.count("drain") == 1;
  }));
  EXPECT_LE(stream.queued_bytes(), 30'000U);
  EXPECT_TRUE(run_until([&] { return journal.data == "not yet"; }));
  EXPECT_EQ(journal.events, (Events{"open", "drain", "data"}));
}

TEST_P(StreamWatermark, ReadWhileFullGoesOnReading) {
  StreamOptions options = small_marks();
  options.read_while_full = true;
  serve_one(std::move(options));
  fill_queue(110'000);
  peer.send("at once");
  EXPECT_TRUE(run_until([&] { return journal.data == "at once"; }));
  EXPECT_GE(stream.queued_bytes(), 100'000U);
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return journal.count("drain") == 1;
  }));
}

TEST_P(StreamWatermark, OnDrainComesOnceEachTime) {
  serve_one(small_marks());
  for (size_t round = 1; round <= 3; ++round) {
    fill_queue(110'000);
    EXPECT_EQ(journal.count("drain"), round - 1);
    EXPECT_TRUE(run_until([&] {
      peer.receive();
      return stream.queued_bytes() == 0;
    }));
    run_turns();
    EXPECT_EQ(journal.count("drain"), round);
  }
}

TEST_P(StreamWatermark, WithoutPassingTheHighMarkThereIsNoDrain) {
  serve_one(small_marks());
  fill_queue(60'000);
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return stream.queued_bytes() == 0;
  }));
  run_turns();
  EXPECT_EQ(journal.count("drain"), 0U);
}

TEST_P(StreamWatermark, OnDrainMaySendAgain) {
  StreamOptions options = small_marks();
  int rounds = 0;
  options.on_drain = [&](Stream& drained) {
    if (++rounds < 20) drained.send(Slice::copy_of(pattern(200'000)));
  };
  serve_one(std::move(options));
  stream.send(Slice::copy_of(pattern(200'000)));
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return peer.received.size() == 20 * 200'000U;
  }));
  EXPECT_EQ(rounds, 20);
}

TEST_P(StreamWatermark, DrainDoesNotUndoTheUsersPause) {
  serve_one(small_marks());
  stream.pause();
  fill_queue(110'000);
  peer.send("x");
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return journal.count("drain") == 1;
  }));
  run_turns();
  EXPECT_EQ(journal.data, "");
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
}

TEST_P(StreamWatermark, PastTheHardLimitTheStreamEnds) {
  StreamOptions options = small_marks();
  options.hard_limit_bytes = 5'000'000;
  serve_one(std::move(options));
  std::error_code done;
  stream.send(Slice::of_static("first"), [&](std::error_code code) { done = code; });
  for (int i = 0; i < 1000 && stream.is_open(); ++i) stream.send(Slice::copy_of(pattern(64'000)));
  EXPECT_FALSE(stream.is_open());
  EXPECT_FALSE(journal.closed());  // not from inside the call
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, Errc::kOverLimit);
  EXPECT_EQ(done, Errc::kOverLimit);
  EXPECT_EQ(counters().over_limit, 1U);
}

TEST_P(StreamWatermark, OneSendPastTheHardLimitEndsTheStreamToo) {
  StreamOptions options = journal.options();
  options.hard_limit_bytes = 1'000'000;
  serve_one(std::move(options));
  EXPECT_FALSE(stream.send(pattern(1'000'001)));
  EXPECT_FALSE(stream.send("more"));
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, Errc::kOverLimit);
}

// Whichever way the bytes come: false, and not told of again.
TEST_P(StreamWatermark, WhatPassesTheHardLimitIsRefused) {
  StreamOptions options = journal.options();
  options.hard_limit_bytes = 10'000;
  const Address address = serve(std::move(options));
  int told = 0;
  const auto count = [&](std::error_code) { ++told; };
  const std::function<bool(Stream&)> ways[] = {
      [](Stream& to) { return to.send(pattern(10'001)); },
      [](Stream& to) { return to.send(Slice::copy_of(pattern(10'001))); },
      [&](Stream& to) { return to.send(Slice::copy_of(pattern(10'001)), count); },
      [](Stream& to) {
        const std::span<char> room = to.reserve(10'001);
        std::ranges::fill(room, 'x');
        return to.commit(10'001);
      }};
  size_t closed = 0;
  for (const auto& way : ways) {
    Peer other = Peer::connect_to(address);
    ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
    server->for_each([&](Stream& accepted) { stream = accepted; });
    EXPECT_TRUE(stream.send(Slice::of_static("x"), count));
    EXPECT_FALSE(way(stream));
    EXPECT_FALSE(stream.is_open());
    ++closed;
    EXPECT_TRUE(run_until([&] { return journal.count("close") == closed; }));
    EXPECT_EQ(journal.code, Errc::kOverLimit);
    EXPECT_EQ(told, static_cast<int>(closed));  // of what was queued
  }
}

TEST_P(StreamWatermark, QueuedBytesAreWhatThePeerHasNotTaken) {
  serve_one(journal.options());
  EXPECT_EQ(stream.queued_bytes(), 0U);
  stream.send("12345");
  EXPECT_EQ(stream.queued_bytes(), 5U);
  EXPECT_TRUE(run_until([&] { return peer.has_received("12345"); }));
  EXPECT_TRUE(run_until([&] { return stream.queued_bytes() == 0; }));
}

// An echo to somebody who only ever sends: the watermark, and what was under way when it was
// passed.
TEST_P(StreamWatermark, AnEchoToAPeerThatNeverReadsIsBounded) {
  StreamOptions options = echo_options();
  options.high_watermark_bytes = 200'000;
  serve_one(std::move(options));
  PatternExchange transfer(peer, 256 << 20);
  size_t most = 0;
  for (int i = 0; i < 1000; ++i) {
    transfer.send_step(1 << 16);
    run_turns(1);
    most = std::max(most, stream.queued_bytes());
  }
  EXPECT_LT(transfer.sent, uint64_t{256} << 20);
  // epoll stops at once; io_uring may have a quota under way, and one more that was armed as it
  // came in.
  EXPECT_LE(most, 200'000 + 3 * size_t{reactor_options.receive_quota_bytes});
  peer.reset();
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

EDDY_ON_EVERY_CONFIGURATION(StreamWatermark);

}  // namespace
}  // namespace eddy::test
