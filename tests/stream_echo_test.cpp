// The first page of the README: what a peer sends comes back, whole and in order, at every size and
// pace.
#include <algorithm>
#include <memory>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamEcho : public StreamTest {
 protected:
  // `size` bytes there and back, in the steps given.
  void exchange(uint64_t size, size_t send_most, size_t receive_most) {
    serve_one(echo_options());
    PatternExchange transfer(peer, size);
    EXPECT_TRUE(run_until([&] { return transfer.step(send_most, receive_most); }));
    EXPECT_TRUE(transfer.complete()) << transfer.arrived << " of " << size;
    EXPECT_EQ(counters().bytes_received, size);
    EXPECT_EQ(counters().bytes_sent, size);
    EXPECT_EQ(counters().copied_bytes, 0U);
  }
};

TEST_P(StreamEcho, OneByte) { exchange(1, 1, SIZE_MAX); }
TEST_P(StreamEcho, SixtyFourBytes) { exchange(64, 64, SIZE_MAX); }
TEST_P(StreamEcho, SixteenKibibytes) { exchange(16 << 10, SIZE_MAX, SIZE_MAX); }
TEST_P(StreamEcho, AroundASegment) { exchange(256 * 1024 - 1, SIZE_MAX, SIZE_MAX); }
TEST_P(StreamEcho, EightMebibytes) { exchange(8 << 20, 1 << 20, SIZE_MAX); }
TEST_P(StreamEcho, ManySmallWrites) { exchange(200'000, 64, SIZE_MAX); }
TEST_P(StreamEcho, APeerThatWritesByteByByte) { exchange(2'000, 1, SIZE_MAX); }
TEST_P(StreamEcho, APeerThatReadsSlowly) { exchange(4 << 20, SIZE_MAX, 20'000); }

// Reads nothing until all that fits between the two has been sent.
TEST_P(StreamEcho, APeerThatReadsLate) {
  serve_one(echo_options());
  PatternExchange transfer(peer, 16 << 20);
  uint64_t before = 1;
  for (int quiet = 0; quiet < 50; quiet = transfer.sent == before ? quiet + 1 : 0) {
    before = transfer.sent;
    transfer.send_step(1 << 20);
    run_turns(1);
  }
  EXPECT_LT(transfer.sent, uint64_t{16} << 20);  // held back: the stream stopped reading
  EXPECT_TRUE(run_until([&] { return transfer.step(); }));
  EXPECT_TRUE(transfer.complete());
}

TEST_P(StreamEcho, PingPong) {
  serve_one(echo_options());
  for (int i = 0; i < 200; ++i) {
    const std::string message =
        pattern(1 + static_cast<size_t>(i) * 37 % 1000, static_cast<uint64_t>(i));
    ASSERT_EQ(peer.send(message), message.size());
    ASSERT_TRUE(run_until([&] { return peer.has_received(message); }));
    peer.received.clear();
  }
}

TEST_P(StreamEcho, ManyConnectionsAtOnce) {
  const Address address = serve(echo_options());
  std::vector<std::unique_ptr<Peer>> peers;
  std::vector<PatternExchange> transfers;
  for (int i = 0; i < 200; ++i) {
    peers.push_back(std::make_unique<Peer>(Peer::connect_to(address)));
    ASSERT_TRUE(peers.back()->is_open());
    transfers.emplace_back(*peers.back(), 20'000 + i);
  }
  EXPECT_TRUE(run_until([&] {
    return std::ranges::count_if(transfers, [](auto& t) { return t.step(7'000); }) == 200;
  }));
  EXPECT_TRUE(std::ranges::all_of(transfers, [](auto& t) { return t.complete(); }));
  EXPECT_EQ(server->connections(), 200U);
  peers.clear();
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

// What one peer sends goes to all, the bytes as they lie.
TEST_P(StreamEcho, BroadcastOfOneSliceToMany) {
  constexpr size_t kListeners = 100;
  StreamOptions options;
  options.on_data = [this](Stream& from, Slice bytes) {
    server->for_each([&](Stream& to) {
      if (!(to == from)) to.send(bytes);
    });
  };
  const Address address = serve(std::move(options));
  std::vector<Peer> peers;
  for (size_t i = 0; i <= kListeners; ++i) peers.push_back(Peer::connect_to(address));
  ASSERT_TRUE(run_until([&] { return server->connections() == kListeners + 1; }));
  const std::string message = pattern(10'000);
  ASSERT_EQ(peers[0].send(message), message.size());
  EXPECT_TRUE(run_until([&] {
    return std::ranges::count_if(peers, [&](Peer& p) { return p.has_received(message); }) ==
           kListeners;
  }));
  EXPECT_TRUE(peers[0].has_received(""));
  EXPECT_EQ(counters().copied_bytes, 0U);
  EXPECT_EQ(counters().bytes_sent, kListeners * message.size());
}

// What was received from one goes out to another, by reference.
TEST_P(StreamEcho, ForwardsBetweenTwoStreams) {
  StreamOptions options;
  options.on_data = [this](Stream& from, Slice bytes) {
    server->for_each([&](Stream& to) {
      if (!(to == from)) to.send(std::move(bytes));
    });
  };
  serve_one(std::move(options));
  Peer other = Peer::connect_to(*server->local_address());
  ASSERT_TRUE(run_until([&] { return server->connections() == 2; }));
  const std::string there = pattern(3 << 20);
  size_t sent = 0;
  EXPECT_TRUE(run_until([&] {
    sent += peer.send(std::string_view(there).substr(sent));
    other.receive();
    return other.received.size() == there.size();
  }));
  EXPECT_TRUE(other.received == there);
  other.send("and back");
  EXPECT_TRUE(run_until([&] { return peer.has_received("and back"); }));
}

EDDY_ON_EVERY_CONFIGURATION(StreamEcho);

}  // namespace
}  // namespace eddy::test
