// After `pause` nothing comes until `resume`, and then all of it, in order.
#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamPause : public StreamTest {};

TEST_P(StreamPause, NothingComesDuringAPause) {
  serve_one(journal.options());
  EXPECT_FALSE(stream.is_paused());
  stream.pause();
  EXPECT_TRUE(stream.is_paused());
  peer.send("held back");
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open"}));
  stream.resume();
  EXPECT_FALSE(stream.is_paused());
  EXPECT_EQ(journal.events, (Events{"open"}));  // nothing from inside the call
  EXPECT_TRUE(run_until([&] { return journal.data == "held back"; }));
}

TEST_P(StreamPause, APauseInOnDataHoldsTheRest) {
  StreamOptions options = journal.options();
  options.on_data = [this](Stream& paused, Slice bytes) {
    journal.note_data(bytes.view());
    paused.pause();
  };
  serve_one(std::move(options));
  const std::string message = pattern(3'000'000);
  size_t sent = 0;
  ASSERT_TRUE(run_until([&] {
    sent += peer.send(std::string_view(message).substr(sent));
    return sent == message.size() || !journal.data.empty();
  }));
  run_turns();
  int rounds = 0;
  for (; journal.data.size() < message.size() && rounds < 10'000; ++rounds) {
    const size_t before = journal.data.size();
    sent += peer.send(std::string_view(message).substr(sent));
    run_turns(3);
    ASSERT_EQ(journal.data.size(), before);
    stream.resume();
    ASSERT_TRUE(run_until([&] { return journal.data.size() > before; }));
  }
  EXPECT_TRUE(journal.data == message);
  EXPECT_GT(rounds, 1);
}

TEST_P(StreamPause, DataFirstThenTheEnd) {
  serve_one(journal.options());
  stream.pause();
  peer.send("data");
  peer.shutdown_write();
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open"}));
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  EXPECT_EQ(journal.events, (Events{"open", "data", "end"}));
  EXPECT_EQ(journal.data, "data");
}

TEST_P(StreamPause, TheEndAloneWaitsToo) {
  serve_one(journal.options());
  stream.pause();
  peer.shutdown_write();
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open"}));
  stream.resume();
  EXPECT_EQ(journal.events, (Events{"open"}));
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
}

// The end is behind data that a callback does not want yet.
TEST_P(StreamPause, APauseWhileTheRestIsDeliveredHoldsTheEnd) {
  StreamOptions options = journal.options();
  options.on_data = [this](Stream& paused, Slice bytes) {
    journal.note_data(bytes.view());
    if (journal.data.size() > 1) paused.pause();
  };
  serve_one(std::move(options));
  peer.send("1");
  ASSERT_TRUE(run_until([&] { return journal.data == "1"; }));
  stream.pause();
  peer.send("2");
  run_turns();
  peer.shutdown_write();
  run_turns();
  stream.resume();
  ASSERT_TRUE(run_until([&] { return journal.data == "12"; }));
  run_turns();
  EXPECT_EQ(journal.count("end"), 0U);
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
}

TEST_P(StreamPause, DataFirstThenThePeersReset) {
  serve_one(journal.options());
  stream.pause();
  peer.send("before the reset");
  run_turns();
  peer.reset();
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open"}));
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"open", "data", "close"}));
  EXPECT_EQ(journal.data, "before the reset");
  EXPECT_EQ(journal.code, std::errc::connection_reset);
}

TEST_P(StreamPause, APeerThatHangsUpDuringAPauseDoesNotSpin) {
  serve_one(journal.options());
  stream.pause();
  peer.send("x");
  peer.reset();
  run_turns();
  expect_no_spin();
  EXPECT_EQ(journal.events, (Events{"open"}));
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.count("data"), 0U);
}

TEST_P(StreamPause, SendingGoesOnDuringAPause) {
  serve_one(journal.options());
  stream.pause();
  stream.send(pattern(1'000'000));
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return peer.received.size() == 1'000'000;
  }));
  EXPECT_TRUE(peer.received == pattern(1'000'000));
}

TEST_P(StreamPause, WhatAPauseLetsArriveIsBounded) {
  reactor_options.receive_quota_bytes = 64 * 1024;
  serve_one(journal.options());
  peer.send("x");
  ASSERT_TRUE(run_until([&] { return journal.data == "x"; }));
  stream.pause();
  run_turns(3);
  const uint64_t before = counters().bytes_received;
  PatternExchange transfer(peer, 64 << 20);
  for (int i = 0; i < 200; ++i) {
    transfer.send_step(1 << 16);
    run_turns(1);
  }
  // What was under way, and nothing after it.
  EXPECT_LE(counters().bytes_received - before, 2 * reactor_options.receive_quota_bytes);
  EXPECT_LT(transfer.sent, uint64_t{64} << 20);
  EXPECT_EQ(journal.data, "x");
}

TEST_P(StreamPause, PausingAndResumingAtEveryTurnLosesNothing) {
  StreamOptions options = echo_options();
  serve_one(std::move(options));
  PatternExchange transfer(peer, 4 << 20);
  int turn = 0;
  EXPECT_TRUE(run_until([&] {
    switch (turn++ % 5) {
      case 0: stream.pause(); break;
      case 2: stream.resume(); break;
      case 3:
        stream.pause();
        stream.resume();
        stream.pause();
        stream.resume();
        break;
      default: break;
    }
    return transfer.step(30'000);
  }));
  EXPECT_TRUE(transfer.complete());
}

TEST_P(StreamPause, PausedInOnOpen) {
  StreamOptions options = journal.options();
  options.on_open = [this](Stream& opened) {
    journal.note("open");
    opened.pause();
  };
  serve_one(std::move(options));
  peer.send("x");
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open"}));
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
}

TEST_P(StreamPause, OnHoldALittleIsReadAndKept) {
  serve_one(journal.options());
  stream.hold();
  EXPECT_FALSE(stream.is_paused());
  peer.send("kept");
  ASSERT_TRUE(run_until([&] { return counters().bytes_received == 4; }));
  EXPECT_EQ(journal.events, (Events{"open"}));
  peer.shutdown_write();
  run_turns();
  stream.resume();
  EXPECT_EQ(journal.events, (Events{"open"}));
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  EXPECT_EQ(journal.events, (Events{"open", "data", "end"}));
  EXPECT_EQ(journal.data, "kept");
}

TEST_P(StreamPause, OnHoldMuchIsNotRead) {
  serve_one(journal.options());
  stream.hold();
  const std::string message = pattern(16 << 20);
  size_t sent = 0;
  const auto send_some = [&] { sent += peer.send(std::string_view(message).substr(sent)); };
  EXPECT_TRUE(run_until([&] {
    send_some();
    return stream.is_paused();
  }));
  for (int i = 0; i < 50; ++i) {
    send_some();
    run_turns(2);
  }
  // What io_uring may have taken for one receive, and what one read of epoll's may.
  EXPECT_LE(counters().bytes_received, 3U << 20);
  EXPECT_TRUE(journal.data.empty());
  stream.resume();
  EXPECT_TRUE(run_until([&] {
    send_some();
    return journal.data.size() == message.size();
  }));
  EXPECT_TRUE(journal.data == message);
}

// Nothing else would tell who waits for the queue to come down.
TEST_P(StreamPause, OnHoldALostPeerDrainsTheQueue) {
  serve_one(journal.options());
  stream.hold();
  stream.send(Slice::copy_of(pattern(16 << 20)));
  EXPECT_TRUE(stream.is_full());
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open"}));
  peer.reset();
  EXPECT_TRUE(run_until([&] { return journal.count("drain") == 1; }));
  EXPECT_FALSE(stream.is_full());
  EXPECT_FALSE(stream.send("more"));
  EXPECT_FALSE(journal.closed());
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, std::errc::connection_reset);
}

EDDY_ON_EVERY_CONFIGURATION(StreamPause);

}  // namespace
}  // namespace eddy::test
