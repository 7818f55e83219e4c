// A buffer ring that runs empty: whoever needs a segment waits for one to come back; no byte is
// lost, nothing spins, and what is held for long in small pieces is moved out of the way.
#include <fcntl.h>

#include <algorithm>
#include <memory>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamExhaustion : public StreamTest {
 protected:
  StreamExhaustion() { reactor_options.buffers = {4096, 1, 2}; }

  // A server that keeps what it receives from its first connection, and echoes to the others.
  void serve_a_keeper() {
    StreamOptions options;
    options.on_data = [this](Stream& from, Slice bytes) {
      if (!(from == stream)) {
        from.send(std::move(bytes));
      } else if (keeps_) {
        kept_.push_back(std::move(bytes));
      }
    };
    keeps_ = true;
    serve_one(std::move(options));
  }
  void let_go() {
    keeps_ = false;
    kept_.clear();
  }
  // Until the kept slices have all of the ring, and somebody had to wait.
  void exhaust() {
    ASSERT_TRUE(run_until([&] {
      if (counters().parked == 0) peer.send(pattern(1024));
      return counters().parked > 0;
    }));
    run_turns();
  }
  bool other_echoes(Peer& other, const std::string& bytes) {
    other.received.clear();
    other.send(bytes);
    return run_until([&] { return other.has_received(bytes); });
  }
  void TearDown() override {
    let_go();
    StreamTest::TearDown();
  }
  // Small pieces that wait for a peer who does not read have all segments; they are copied out of
  // the ring.
  void expect_small_pieces_moved();

  std::vector<Slice> kept_;
  bool keeps_ = false;
  uint64_t sent_ = 0;
};

TEST_P(StreamExhaustion, ManyEchoesThroughATinyRing) {
  const Address address = serve(echo_options());
  std::vector<std::unique_ptr<Peer>> peers;
  std::vector<PatternExchange> transfers;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(std::make_unique<Peer>(Peer::connect_to(address)));
    transfers.emplace_back(*peers.back(), 100'000 + 1'000 * i);
  }
  EXPECT_TRUE(run_until([&] {
    return std::ranges::count_if(transfers, [](auto& t) { return t.step(30'000); }) == 20;
  }));
  for (const PatternExchange& transfer : transfers) EXPECT_TRUE(transfer.complete());
}

TEST_P(StreamExhaustion, ParkedStreamsGoOnWhenSlicesComeBack) {
  serve_a_keeper();
  Peer other = Peer::connect_to(*server->local_address());
  ASSERT_TRUE(run_until([&] { return server->connections() == 2; }));
  exhaust();
  const std::string message = pattern(20'000);
  other.send(message);
  run_turns();
  EXPECT_TRUE(other.has_received(""));
  expect_no_spin();
  EXPECT_TRUE(other.has_received(""));
  let_go();
  EXPECT_TRUE(run_until([&] { return other.has_received(message); }));
}

// Were one given back twice, its bytes would be overwritten while they are kept; were one not given
// back, the ring would be smaller each time.
TEST_P(StreamExhaustion, EachSegmentGoesBackExactlyOnce) {
  serve_a_keeper();
  size_t early_bytes = 0;  // the ring may have to grow in the first round
  uint64_t offset = 0;
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    const uint64_t parked = counters().parked;
    ASSERT_TRUE(run_until([&] {
      if (counters().parked == parked) sent_ += peer.send(pattern(64, sent_));
      return counters().parked != parked;
    }));
    run_turns();
    size_t bytes = 0;
    for (const Slice& slice : kept_) {
      EXPECT_TRUE(is_pattern(slice.view(), offset));
      offset += slice.size();
      bytes += slice.size();
    }
    if (round == 1) early_bytes = bytes;
    EXPECT_GE(bytes, early_bytes / 2);
    // Each counted twice, and let go of in another order than it came.
    std::vector<Slice> again = kept_;
    while (!kept_.empty()) {
      const size_t at = kept_.size() * 7 / 11;
      kept_.erase(kept_.begin() + static_cast<ptrdiff_t>(at));
    }
    EXPECT_TRUE(is_pattern(again.back().view(), offset - again.back().size()));
  }
}

TEST_P(StreamExhaustion, ParkedStreamsMayEndInEveryWay) {
  for (int way = 0; way < 5; ++way) {
    SCOPED_TRACE(way);
    serve_a_keeper();
    Peer other = Peer::connect_to(*server->local_address());
    ASSERT_TRUE(run_until([&] { return server->connections() == 2; }));
    Stream others;
    server->for_each([&](Stream& open) {
      if (!(open == stream)) others = open;
    });
    const uint64_t parked_before = counters().parked;
    ASSERT_TRUE(run_until([&] {
      peer.send(pattern(1024));
      return counters().parked > parked_before;
    }));
    other.send("waits");
    run_turns();
    switch (way) {
      case 0: others.close(); break;
      case 1: others.reset(); break;
      case 2: server.reset(); break;
      case 3: other.reset(); break;
      default: other.shutdown_write();
    }
    run_turns();
    let_go();
    if (way > 2) {
      EXPECT_TRUE(run_until([&] { return server->connections() == 1; }));
    }
    server.reset();
    peer.close();
    let_go();
    expect_baseline();
  }
}

TEST_P(StreamExhaustion, AParkedStreamMayBePausedAndResumed) {
  serve_a_keeper();
  Peer other = Peer::connect_to(*server->local_address());
  ASSERT_TRUE(run_until([&] { return server->connections() == 2; }));
  Stream others;
  server->for_each([&](Stream& open) {
    if (!(open == stream)) others = open;
  });
  exhaust();
  other.send("waits");
  run_turns();
  others.pause();
  run_turns();
  let_go();
  run_turns();
  EXPECT_TRUE(other.has_received(""));
  others.resume();
  EXPECT_TRUE(run_until([&] { return other.has_received("waits"); }));
}

void StreamExhaustion::expect_small_pieces_moved() {
  serve_one(echo_options());
  // All that the kernel takes for this peer is full of bytes that are not of the ring.
  for (int quiet = 0; quiet < 20; quiet = stream.queued_bytes() == 0 ? 0 : quiet + 1) {
    if (stream.queued_bytes() == 0) stream.send(Slice::copy_of(std::string(10'000, '-')));
    run_turns(1);
  }
  Peer other = Peer::connect_to(*server->local_address());
  ASSERT_TRUE(run_until([&] { return server->connections() == 2; }));
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const std::string piece = "piece " + std::to_string(i) + ",";
    expected += piece;
    peer.send(piece);
    run_turns(1);
    ASSERT_TRUE(other_echoes(other, pattern(10'000)));
  }
  EXPECT_GT(counters().relocated_bytes, 0U);
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return peer.received.ends_with(expected);
  }));
  EXPECT_EQ(peer.received.find_first_not_of('-'), peer.received.size() - expected.size());
}

TEST_P(StreamExhaustion, SmallPiecesInQueuesAreMovedOutOfTheRing) { expect_small_pieces_moved(); }

TEST_P(StreamExhaustion, SmallPiecesOfZeroCopySendsAreMovedOutOfTheRing) {
  reactor_options.zero_copy_bytes = 1;
  expect_small_pieces_moved();
}

// A pipe that nobody reads.
TEST_P(StreamExhaustion, SmallPiecesForAPipeAreMovedOutOfTheRing) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(machine().pipe(fds, O_CLOEXEC | O_NONBLOCK), 0);
  const Descriptor read_end(fds[0]);
  while (machine().write(fds[1], std::string(4096, '-')) > 0) {
  }
  Stream pipe = *adopt(reactor(), fds[1], journal.options());
  StreamOptions options;
  options.on_data = [&](Stream& from, Slice bytes) {
    (from == stream ? pipe : from).send(std::move(bytes));
  };
  serve_one(std::move(options));
  Peer other = Peer::connect_to(*server->local_address());
  ASSERT_TRUE(run_until([&] { return server->connections() == 2; }));
  for (int i = 0; i < 50; ++i) {
    peer.send("piece");
    run_turns(1);
    ASSERT_TRUE(other_echoes(other, pattern(10'000)));
  }
  EXPECT_EQ(pipe.queued_bytes(), 50U * 5);
  pipe.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(StreamExhaustion, WhatAPauseHoldsIsMovedOutOfTheRing) {
  StreamOptions options = journal.options();
  options.on_data = [this](Stream& from, Slice bytes) {
    from == stream ? journal.note_data(bytes.view()) : void(from.send(std::move(bytes)));
  };
  serve_one(std::move(options));
  Peer other = Peer::connect_to(*server->local_address());
  ASSERT_TRUE(run_until([&] { return server->connections() == 2; }));
  peer.send("a");
  ASSERT_TRUE(run_until([&] { return journal.data == "a"; }));
  stream.pause();
  peer.send("bcd");
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(other_echoes(other, pattern(10'000)));
  EXPECT_EQ(journal.data, "a");
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.data == "abcd"; }));
}

// Peers that send much and read nothing must not keep the ring from everybody else.
TEST_P(StreamExhaustion, SlowReadersDoNotStarveTheRest) {
  reactor_options.buffers = {64 * 1024, 2, 8};
  const Address address = serve(echo_options());
  std::vector<std::unique_ptr<Peer>> slow;
  std::vector<PatternExchange> transfers;
  for (int i = 0; i < 8; ++i) {
    slow.push_back(std::make_unique<Peer>(Peer::connect_to(address)));
    transfers.emplace_back(*slow.back(), 8 << 20);
  }
  for (int i = 0; i < 300; ++i) {
    for (PatternExchange& transfer : transfers) transfer.send_step(1 << 16);
    run_turns(1);
  }
  Peer fast = Peer::connect_to(address);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(other_echoes(fast, pattern(30'000)));
  // … and lose nothing by it.
  EXPECT_TRUE(run_until(
      [&] { return std::ranges::count_if(transfers, [](auto& t) { return t.step(); }) == 8; }));
  for (const PatternExchange& transfer : transfers) EXPECT_TRUE(transfer.complete());
}

TEST_P(StreamExhaustion, WritingGoesOnWithoutTheRing) {
  serve_a_keeper();
  exhaust();
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    stream.send("copied ");
    std::ranges::copy(std::string_view("reserved "), stream.reserve(9).begin());
    stream.commit(9);
    expected += "copied reserved ";
  }
  EXPECT_TRUE(run_until([&] { return peer.has_received(expected); }));
}

TEST_P(StreamExhaustion, APipeWaitsToo) {
  serve_a_keeper();
  int fds[2] = {-1, -1};
  ASSERT_EQ(machine().pipe(fds, O_CLOEXEC | O_NONBLOCK), 0);
  const Descriptor write_end(fds[1]);
  Stream pipe = *adopt(reactor(), fds[0], journal.options());
  run_turns();
  exhaust();
  const std::string bytes = pattern(50'000);
  ASSERT_EQ(machine().write(write_end.get(), bytes), 50'000);
  run_turns();
  expect_no_spin();
  let_go();
  EXPECT_TRUE(run_until([&] { return journal.data == bytes; }));
  pipe.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

EDDY_ON_EVERY_CONFIGURATION(StreamExhaustion);

}  // namespace
}  // namespace eddy::test
