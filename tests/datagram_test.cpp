// Datagrams there and back: what a socket is told of them, its peer, its life.
#include <algorithm>

#include "support/datagram_test.h"

namespace eddy::test {
namespace {

class DatagramExchange : public DatagramTest {};

TEST_P(DatagramExchange, AnEchoGoesToWhereItCameFrom) {
  open(echo_options());
  DatagramPeer one(at("127.0.0.1:0"));
  DatagramPeer two(at("127.0.0.1:0"));
  one.send_to(here, "from one");
  two.send_to(here, "from two");
  EXPECT_TRUE(run_until([&] { return one.receive() == 1 && two.receive() == 1; }));
  EXPECT_EQ(one.received[0], "from one");
  EXPECT_EQ(two.received[0], "from two");
  EXPECT_EQ(one.sources[0], here);
}

TEST_P(DatagramExchange, TheSourceIsToldAndBoundariesStay) {
  open(journal_options());
  const DatagramPeer peer(at("127.0.0.1:0"));
  peer.send_to(here, "one");
  peer.send_to(here, "three");
  EXPECT_TRUE(await_arrivals(2));
  EXPECT_EQ(arrived[0].bytes, "one");
  EXPECT_EQ(arrived[1].bytes, "three");
  EXPECT_EQ(arrived[1].info.length, 5U);
  EXPECT_FALSE(arrived[1].info.truncated);
  for (const Arrived& each : arrived) EXPECT_EQ(each.info.source, peer.address());
}

TEST_P(DatagramExchange, WithoutTheSourceWhereItIsNotWanted) {
  open(journal_options({.want_source = false}));
  DatagramPeer(at("127.0.0.1:0")).send_to(here, "x");
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(arrived[0].bytes, "x");
  EXPECT_EQ(arrived[0].info.source, Address());
}

TEST_P(DatagramExchange, AnEmptyDatagramIsNoEnd) {
  open(journal_options());
  const DatagramPeer peer(at("127.0.0.1:0"));
  peer.send_to(here, "");
  peer.send_to(here, "after");
  peer.send_to(here, "");
  EXPECT_TRUE(await_arrivals(3));
  EXPECT_EQ(arrived[0].bytes, "");
  EXPECT_EQ(arrived[0].info.source, peer.address());
  EXPECT_EQ(arrived[1].bytes, "after");
  EXPECT_EQ(arrived[2].bytes, "");
  EXPECT_EQ(closes, 0);
  EXPECT_TRUE(socket.send_to("", peer.address()));
  DatagramPeer other(at("127.0.0.1:0"));
  socket.send_to(Slice(), other.address());
  EXPECT_TRUE(run_until([&] { return other.receive() == 1; }));
  EXPECT_EQ(other.received[0], "");
}

TEST_P(DatagramExchange, TruncationIsToldWithTheRealLength) {
  open(journal_options({.max_datagram_bytes = 10}));
  const DatagramPeer peer(at("127.0.0.1:0"));
  peer.send_to(here, pattern(10));
  peer.send_to(here, pattern(1000));
  peer.send_to(here, "short");
  EXPECT_TRUE(await_arrivals(3));
  EXPECT_FALSE(arrived[0].info.truncated);
  EXPECT_EQ(arrived[1].bytes, pattern(10));
  EXPECT_TRUE(arrived[1].info.truncated);
  EXPECT_EQ(arrived[1].info.length, 1000U);
  EXPECT_EQ(arrived[2].bytes, "short");
  EXPECT_FALSE(arrived[2].info.truncated);
  EXPECT_EQ(socket.stats().truncated, 1U);
}

TEST_P(DatagramExchange, TheLargestDatagramArrivesWhole) {
  open(echo_options());
  DatagramPeer peer(at("127.0.0.1:0"));
  for (const size_t size : {65'507U, 9'000U, 2'049U, 1U}) {
    peer.received.clear();
    peer.send_to(here, pattern(size));
    ASSERT_TRUE(run_until([&] { return peer.receive() == 1; })) << size;
    EXPECT_TRUE(peer.received[0] == pattern(size)) << size;
  }
}

TEST_P(DatagramExchange, ManyInOrder) {
  open(echo_options());
  DatagramPeer peer(at("127.0.0.1:0"));
  constexpr size_t kCount = 3000;
  size_t sent = 0;
  EXPECT_TRUE(run_until([&] {
    while (sent < kCount && sent < peer.received.size() + 100) {
      peer.send_to(here, pattern(sent % 300, sent));
      ++sent;
    }
    return peer.receive() == kCount;
  }));
  for (size_t i = 0; i < peer.received.size(); ++i) {
    ASSERT_EQ(peer.received[i], pattern(i % 300, i)) << i;
  }
  EXPECT_EQ(counters().copied_bytes, 0U);
}

// A turn's datagrams come with one call and leave with one.
TEST_P(DatagramExchange, BatchesShareTheirCalls) {
  open(echo_options());
  DatagramPeer peer(at("127.0.0.1:0"));
  run_turns(3);
  const uint64_t before = counters().system_calls;
  for (int i = 0; i < 50; ++i) peer.send_to(here, "x");
  EXPECT_TRUE(run_until([&] { return peer.receive() == 50; }));
  EXPECT_LT(counters().system_calls - before, 15U);
}

TEST_P(DatagramExchange, SlicesThatAreKeptAreNotFilledAgain) {
  reactor_options.message_buffers = {.message_bytes = 2048, .messages = 8};
  std::vector<Slice> kept;
  DatagramOptions options;
  options.on_datagram = [&](Datagram&, Slice bytes, const DatagramInfo&) {
    kept.push_back(std::move(bytes));
  };
  open(std::move(options));
  const DatagramPeer peer(at("127.0.0.1:0"));
  for (size_t i = 0; i < 40; ++i) peer.send_to(here, pattern(20, i));
  EXPECT_TRUE(run_until([&] { return kept.size() >= 6; }));
  run_turns();
  ASSERT_LE(kept.size(), 8U);  // the rest waits for pieces
  expect_no_spin();
  // They come back one by one, and everything that was sent comes.
  for (size_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(run_until([&] { return kept.size() > i; })) << i;
    EXPECT_EQ(kept[i].view(), pattern(20, i));
    kept[i].clear();
  }
}

TEST_P(DatagramExchange, SlicesOutliveTheReactor) {
  Slice kept;
  DatagramOptions options;
  options.on_datagram = [&](Datagram&, Slice bytes, const DatagramInfo&) {
    kept = std::move(bytes);
  };
  open(std::move(options));
  DatagramPeer(at("127.0.0.1:0")).send_to(here, "kept");
  EXPECT_TRUE(run_until([&] { return !kept.empty(); }));
  socket = {};
  destroy_reactor();
  EXPECT_EQ(kept.view(), "kept");
}

// --- IPv6, Unix

TEST_P(DatagramExchange, OverIPv6) {
  open(echo_options(), "[::1]:0");
  DatagramPeer peer(at("[::1]:0"));
  peer.send_to(here, "six");
  EXPECT_TRUE(run_until([&] { return peer.receive() == 1; }));
  EXPECT_EQ(peer.received[0], "six");
  EXPECT_EQ(peer.sources[0], here);
}

TEST_P(DatagramExchange, AUnixSocketByItsAbstractName) {
  const Address name = at("unix:@" + own_name("s"));
  open(journal_options(), name.to_string());
  EXPECT_EQ(here, name);
  DatagramPeer peer(at("unix:@" + own_name("p")));
  peer.send_to(name, "over there");
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(arrived[0].bytes, "over there");
  EXPECT_EQ(arrived[0].info.source, peer.address());
  EXPECT_TRUE(socket.send_to("and back", arrived[0].info.source));
  EXPECT_TRUE(run_until([&] { return peer.receive() == 1; }));
  EXPECT_EQ(peer.received[0], "and back");
}

TEST_P(DatagramExchange, AUnixSocketThatConnectsCanBeAnswered) {
  const Address name = at("unix:@" + own_name());
  open(echo_options(), name.to_string());
  auto client = Datagram::connect(reactor(), name, journal_options());
  ASSERT_TRUE(client) << client.error().message();
  EXPECT_TRUE(client->send("ping"));
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(arrived[0].bytes, "ping");
  client->close();
}

// --- The peer

TEST_P(DatagramExchange, AConnectedSocketHearsItsPeerAlone) {
  DatagramPeer peer(at("127.0.0.1:0"));
  auto connected = Datagram::connect(reactor(), peer.address(), journal_options());
  ASSERT_TRUE(connected);
  socket = *connected;
  EXPECT_EQ(socket.peer_address().value_or(Address()), peer.address());
  const Address own = *socket.local_address();
  DatagramPeer(at("127.0.0.1:0")).send_to(own, "stranger");
  peer.send_to(own, "friend");
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_TRUE(socket.send("answer"));
  EXPECT_TRUE(run_until([&] { return peer.receive() == 1; }));
  EXPECT_EQ(peer.sources[0], own);
  EXPECT_EQ(arrived.size(), 1U);
  EXPECT_EQ(arrived[0].bytes, "friend");
}

TEST_P(DatagramExchange, ThePeerCanBeChangedAndForgotten) {
  open(journal_options(), nobody().to_string());
  DatagramPeer one(at("127.0.0.1:0"));
  DatagramPeer two(at("127.0.0.1:0"));
  for (DatagramPeer* peer : {&one, &two}) {
    ASSERT_TRUE(socket.connect(peer->address()));
    socket.send("to the peer");
    EXPECT_TRUE(run_until([&] { return peer->receive() == 1; }));
  }
  ASSERT_TRUE(socket.disconnect());
  EXPECT_EQ(socket.peer_address().error().code(), std::errc::not_connected);
  socket.send("to nobody");
  EXPECT_TRUE(run_until([&] { return errors.size() == 1; }));
  EXPECT_EQ(errors[0].code, std::errc::destination_address_required);
  EXPECT_TRUE(errors[0].is_of_send);
  one.send_to(here, "from anybody");
  EXPECT_TRUE(await_arrivals(1));
}

// --- Life

TEST_P(DatagramExchange, NoCallbackRunsInsideACall) {
  bool inside = false;
  bool seen_inside = false;
  DatagramOptions options = journal_options();
  options.on_close = [&](Datagram&, std::error_code) { seen_inside = inside; };
  options.on_error = [&](Datagram&, const DatagramError&) { seen_inside = inside; };
  open(std::move(options));
  inside = true;
  socket.send_to(std::string(70'000, 'x'), here);
  socket.pause();
  socket.resume();
  socket.close();
  inside = false;
  EXPECT_FALSE(socket.is_open());
  EXPECT_TRUE(run_until([&] { return reactor().stats().slots == 1; }));
  EXPECT_FALSE(seen_inside);
}

TEST_P(DatagramExchange, PausedItKeepsWhatComes) {
  open(journal_options());
  const DatagramPeer peer(at("127.0.0.1:0"));
  peer.send_to(here, "before");
  EXPECT_TRUE(await_arrivals(1));
  socket.pause();
  EXPECT_TRUE(socket.is_paused());
  for (size_t i = 0; i < 20; ++i) peer.send_to(here, pattern(30, i));
  run_turns();
  EXPECT_EQ(arrived.size(), 1U);
  expect_no_spin();
  socket.resume();
  EXPECT_TRUE(await_arrivals(21));
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(arrived[i + 1].bytes, pattern(30, i));
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(arrived[i + 1].info.source, peer.address());
}

TEST_P(DatagramExchange, PausedInItsCallbackItHoldsTheRestOfTheBatch) {
  DatagramOptions options = journal_options();
  options.on_datagram = [this](Datagram& self, Slice bytes, const DatagramInfo& info) {
    arrived.push_back({bytes.str(), info});
    self.pause();
  };
  open(std::move(options));
  const DatagramPeer peer(at("127.0.0.1:0"));
  for (size_t i = 0; i < 10; ++i) peer.send_to(here, pattern(30, i));
  for (size_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(await_arrivals(i + 1));
    run_turns();
    EXPECT_EQ(arrived.size(), i + 1);
    EXPECT_EQ(arrived[i].bytes, pattern(30, i));
    socket.resume();
  }
}

TEST_P(DatagramExchange, ClosedInItsCallbackItTellsNoMore) {
  DatagramOptions options = journal_options();
  options.on_datagram = [this](Datagram& self, Slice bytes, const DatagramInfo& info) {
    arrived.push_back({bytes.str(), info});
    self.send_to(std::move(bytes), info.source);
    self.close();
  };
  open(std::move(options));
  DatagramPeer peer(at("127.0.0.1:0"));
  for (int i = 0; i < 10; ++i) peer.send_to(here, "x");
  EXPECT_TRUE(run_until([&] { return closes == 1; }));
  EXPECT_EQ(arrived.size(), 1U);
  EXPECT_FALSE(close_code);
  EXPECT_TRUE(run_until([&] { return peer.receive() == 1; }));  // what was queued was sent
}

TEST_P(DatagramExchange, AnotherOfTheSameBatchCloses) {
  open(journal_options());
  DatagramOptions options;
  int heard = 0;
  options.on_datagram = [&](Datagram&, Slice, const DatagramInfo&) {
    ++heard;
    socket.reset();
  };
  Datagram other = bind("127.0.0.1:0", std::move(options));
  const DatagramPeer peer(at("127.0.0.1:0"));
  peer.send_to(*other.local_address(), "x");
  peer.send_to(here, "y");
  EXPECT_TRUE(run_until([&] { return closes == 1 && heard == 1; }));
  other.close();
}

TEST_P(DatagramExchange, WhatIsQueuedAtCloseIsSentAndAtResetIsNot) {
  DatagramPeer peer(at("127.0.0.1:0"));
  open(journal_options());
  socket.send_to("sent", peer.address());
  socket.close();
  EXPECT_FALSE(socket.send_to("late", peer.address()));
  EXPECT_TRUE(run_until([&] { return closes == 1; }));
  open(journal_options());
  socket.send_to("dropped", peer.address());
  socket.reset();
  EXPECT_TRUE(run_until([&] { return closes == 2; }));
  EXPECT_TRUE(run_until([&] { return peer.receive() == 1; }));
  EXPECT_EQ(peer.received[0], "sent");
}

TEST_P(DatagramExchange, TheReactorEndsWithSocketsOpen) {
  open(journal_options());
  DatagramPeer(at("127.0.0.1:0")).send_to(here, "x");
  socket.send_to("y", here);
  socket = {};
  destroy_reactor();
  EXPECT_EQ(closes, 0);
}

TEST_P(DatagramExchange, ADescriptorThatIsHandedIn) {
  DatagramPeer peer(at("127.0.0.1:0"));
  const int fd = plain_kernel().socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const Address any = at("127.0.0.1:0");
  plain_kernel().bind(fd, any.data(), any.size());
  auto adopted = Datagram::adopt(reactor(), fd, echo_options());
  ASSERT_TRUE(adopted);
  socket = *adopted;
  EXPECT_EQ(socket.descriptor(), fd);
  EXPECT_EQ(Datagram::adopt(reactor(), fd, {}).error().code(), std::errc::file_exists);
  peer.send_to(*socket.local_address(), "x");
  EXPECT_TRUE(run_until([&] { return peer.receive() == 1; }));
}

TEST_P(DatagramExchange, WhatIsNoSocketOfDatagramsIsRefused) {
  const Descriptor other(plain_kernel().socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(Datagram::adopt(reactor(), other.get(), {}).error().code(), Errc::kUnsupported);
  EXPECT_EQ(Datagram::adopt(reactor(), -1, {}).error().code(), std::errc::bad_file_descriptor);
  open(journal_options());
  EXPECT_EQ(Datagram::bind(reactor(), here, {}).error().code(), std::errc::address_in_use);
  EXPECT_EQ(Datagram::bind(reactor(), "localhost:1", {}).error().code(), Errc::kBadAddress);
  EXPECT_EQ(Datagram::bind(reactor(), "203.0.113.7:0", {}).error().code(),
            std::errc::address_not_available);
}

EDDY_ON_EVERY_CONFIGURATION(DatagramExchange);

}  // namespace
}  // namespace eddy::test
