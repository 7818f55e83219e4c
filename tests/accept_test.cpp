// Listeners: taking connections, and not taking them for a while.
#include <fcntl.h>

#include <algorithm>
#include <atomic>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class Accept : public StreamTest {
 protected:
  // How many of them are answered when each sends a byte.
  static size_t answered(std::vector<Peer>& peers) {
    return static_cast<size_t>(
        std::ranges::count_if(peers, [](Peer& p) { return p.has_received("x"); }));
  }
  static std::vector<Peer> connect_many(const Address& address, int count) {
    std::vector<Peer> peers;
    for (int i = 0; i < count; ++i) {
      peers.push_back(Peer::connect_to(address));
      peers.back().send("x");
    }
    return peers;
  }
};

TEST_P(Accept, ABurst) {
  const Address address = serve(echo_options());
  std::vector<Peer> peers = connect_many(address, 500);
  EXPECT_TRUE(run_until([&] { return answered(peers) == 500; }));
  EXPECT_EQ(counters().accepted, 500U);
  EXPECT_EQ(server->connections(), 500U);
}

TEST_P(Accept, OneAfterTheOther) {
  const Address address = serve(echo_options());
  for (int i = 0; i < 100; ++i) {
    std::vector<Peer> one = connect_many(address, 1);
    ASSERT_TRUE(run_until([&] { return answered(one) == 1; }));
  }
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

TEST_P(Accept, NoMoreThanTheCapAtATime) {
  constexpr size_t kCap = 4;
  const Address address = serve(echo_options(), {.max_connections = kCap});
  std::vector<Peer> peers = connect_many(address, 20);
  size_t most = 0;
  size_t served = 0;
  EXPECT_TRUE(run_until([&] {
    most = std::max(most, server->connections());
    for (auto& one : peers) {
      if (!one.is_open() || !one.has_received("x")) continue;
      ++served;
      one.close();  // makes room for one that waits in the backlog
    }
    return served == 20;
  }));
  EXPECT_EQ(most, kCap);
}

TEST_P(Accept, AtTheCapTheRestWaitsAndNothingSpins) {
  const Address address = serve(echo_options(), {.max_connections = 3});
  std::vector<Peer> peers = connect_many(address, 10);
  ASSERT_TRUE(run_until([&] { return answered(peers) == 3; }));
  expect_no_spin();
  EXPECT_EQ(answered(peers), 3U);
  EXPECT_EQ(server->connections(), 3U);
}

// The cap holds also where all of the backlog could come at once.
TEST_P(Accept, ACapAboveAThousand) {
  constexpr size_t kCap = 1500;
  const Address address = serve({}, {.max_connections = kCap});
  std::vector<Peer> peers;
  for (int i = 0; i < 1800; ++i) peers.push_back(Peer::connect_to(address));
  ASSERT_TRUE(run_until([&] { return server->connections() >= kCap; }));
  run_turns(50);
  EXPECT_EQ(server->connections(), kCap);
  peers.clear();
  EXPECT_TRUE(run_until([&] { return counters().accepted == 1800 && server->connections() == 0; }));
}

// A flood is taken in portions, so that those who are connected have their turns.
TEST_P(Accept, NoMoreThanTheLimitInATurn) {
  constexpr uint64_t kPerTurn = 8;
  uint64_t most = 0;
  uint64_t before = 0;
  reactor().set_trace([&](const TurnTrace&) {
    const uint64_t now = counters().accepted;
    most = std::max(most, now - before);
    before = now;
  });
  const Address address = serve(echo_options(), {}, {.accepts_per_turn = kPerTurn});
  std::vector<Peer> peers = connect_many(address, 200);
  EXPECT_TRUE(run_until([&] { return answered(peers) == 200; }));
  EXPECT_LE(most, kPerTurn);
  reactor().set_trace({});
}

TEST_P(Accept, AFloodLeavesThoseWhoAreConnectedTheirTurns) {
  constexpr uint64_t kFlood = 400;
  const Address address = serve(echo_options(), {}, {.accepts_per_turn = 8});
  peer = Peer::connect_to(address);
  ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
  std::vector<Peer> flood = connect_many(address, kFlood);
  peer.send("x");
  EXPECT_TRUE(run_until([&] { return peer.has_received("x"); }));
  EXPECT_LT(counters().accepted, 1 + kFlood / 4);
  EXPECT_TRUE(run_until([&] { return answered(flood) == kFlood; }));
}

TEST_P(Accept, APausedListenerLeavesConnectionsInTheBacklog) {
  std::vector<Descriptor> accepted;
  Listener listener(reactor(), [&](int fd) { accepted.emplace_back(fd); });
  ASSERT_TRUE(listener.listen("127.0.0.1:0"));
  const Address address = *listener.local_address();
  listener.pause();
  run_turns(3);
  std::vector<Peer> peers = connect_many(address, 3);
  run_turns();
  EXPECT_EQ(accepted.size(), 0U);
  listener.resume();
  EXPECT_TRUE(run_until([&] { return accepted.size() == 3; }));
  listener.pause();
  listener.pause();
  listener.resume();
  listener.resume();
  peers.push_back(Peer::connect_to(address));
  EXPECT_TRUE(run_until([&] { return accepted.size() == 4; }));
}

TEST_P(Accept, APauseInTheCallbackTakesOneAtATime) {
  std::vector<Descriptor> accepted;
  std::optional<Listener> listener;
  listener.emplace(reactor(), [&](int fd) {
    accepted.emplace_back(fd);
    listener->pause();
  });
  ASSERT_TRUE(listener->listen("127.0.0.1:0"));
  std::vector<Peer> peers = connect_many(*listener->local_address(), 5);
  for (size_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(run_until([&] { return accepted.size() == i; }));
    run_turns();
    EXPECT_EQ(accepted.size(), i);
    listener->resume();
  }
}

TEST_P(Accept, ClosingTheServerLeavesItsConnections) {
  serve_one(echo_options());
  const Address address = *server->local_address();
  server->close();
  EXPECT_FALSE(server->local_address());
  run_turns();
  EXPECT_FALSE(Peer::connect_to(address).is_open());
  peer.send("still here");
  EXPECT_TRUE(run_until([&] { return peer.has_received("still here"); }));
  // And listen again, on the same address, though connections of before stand.
  ASSERT_TRUE(server->listen(address));
  std::vector<Peer> one = connect_many(address, 1);
  EXPECT_TRUE(run_until([&] { return answered(one) == 1; }));
  EXPECT_EQ(server->connections(), 2U);
}

TEST_P(Accept, ForEachSeesEveryOpenConnection) {
  const Address address = serve(echo_options());
  std::vector<Peer> peers = connect_many(address, 5);
  ASSERT_TRUE(run_until([&] { return answered(peers) == 5; }));
  int seen = 0;
  server->for_each([&](Stream& visited) {
    EXPECT_TRUE(visited.is_open());
    if (++seen == 2) server->for_each([](Stream& inner) { inner.close(); });
  });
  EXPECT_EQ(seen, 2);  // the rest was closed meanwhile
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

TEST_P(Accept, DrainLetsQueuesEmptyAndResetsWhatIsLeftAtTheDeadline) {
  const Address address = serve(journal.options());
  Peer reader = Peer::connect_to(address);
  Peer idler = Peer::connect_to(address, 4096);
  ASSERT_TRUE(run_until([&] { return server->connections() == 2; }));
  server->for_each([](Stream& to) { to.send(Slice::copy_of(pattern(8 << 20))); });
  run_turns(2);
  server->drain(10s);
  server->drain(300ms);  // the last one counts
  EXPECT_TRUE(run_until([&] {
    reader.receive();
    return reader.ended;
  }));
  reader.close();
  EXPECT_TRUE(reader.received == pattern(8 << 20));
  EXPECT_TRUE(run_until([&] { return server->connections() == 1; }));
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
  EXPECT_TRUE(idler.has_failed());
  EXPECT_EQ(journal.count("close"), 2U);
  EXPECT_FALSE(Peer::connect_to(address).is_open());
}

TEST_P(Accept, SocketsThatTheUserBoundOrListensOnAlready) {
  for (const bool listens : {false, true}) {
    const int fd = bound_socket().release();
    if (listens) {
      ASSERT_EQ(plain_kernel().listen(fd, 5), 0);
    }
    std::vector<Descriptor> accepted;
    Listener listener(reactor(), [&](int descriptor) { accepted.emplace_back(descriptor); });
    ASSERT_TRUE(listener.listen_on(fd));
    peer = Peer::connect_to(*listener.local_address());
    ASSERT_TRUE(run_until([&] { return accepted.size() == 1; }));
    EXPECT_NE(plain_kernel().get_status_flags(accepted[0].get()) & O_NONBLOCK, 0);
  }
}

TEST_P(Accept, Ipv6) {
  server.emplace(reactor(), echo_options());
  ASSERT_TRUE(server->listen("[::1]:0"));
  std::vector<Peer> one = connect_many(*server->local_address(), 1);
  EXPECT_TRUE(run_until([&] { return answered(one) == 1; }));
  server->for_each([](Stream& accepted) {
    EXPECT_EQ(accepted.peer_address()->to_string().substr(0, 6), "[::1]:");
  });
}

TEST_P(Accept, SeveralListenersOfOneAddressShareIt) {
  const Address address = serve(echo_options(), {}, {.reuse_port = true});
  Server second(reactor(), echo_options());
  ASSERT_TRUE(second.listen(address, {.reuse_port = true}));
  std::vector<Peer> peers = connect_many(address, 100);
  EXPECT_TRUE(run_until([&] { return answered(peers) == 100; }));
  EXPECT_GT(server->connections(), 0U);
  EXPECT_GT(second.connections(), 0U);
}

// A peer that is still sending has all that was flushed for it: no reset comes before it ends.
TEST_P(Accept, DrainWaitsForThePeersEndWhereThereIsSomethingToLose) {
  serve_one(journal.options(), 4096);
  const std::string bytes = pattern(300'000);
  stream.send(Slice::copy_of(bytes));
  run_turns();
  server->drain(kDeadline);
  EXPECT_TRUE(run_until([&] {
    peer.send("unasked");
    peer.receive(1000);
    return peer.ended || peer.error != 0;
  }));
  EXPECT_EQ(peer.error, 0);
  EXPECT_TRUE(peer.received == bytes);
  EXPECT_TRUE(journal.data.empty());  // what came after the drain began was dropped
  peer.close();
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

TEST_P(Accept, DrainDoesNotWaitForIdleConnections) {
  serve_one(journal.options());
  server->drain(kDeadline);
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_EQ(server->connections(), 0U);
  EXPECT_EQ(journal.code, std::error_code());
}

TEST_P(Accept, DrainOfAPausedConnectionWhosePeerHasEnded) {
  serve_one(journal.options());
  stream.pause();
  peer.send("unread");
  peer.shutdown_write();
  run_turns();
  server->drain(kDeadline);
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
  EXPECT_TRUE(peer.has_ended());
}

// Of a socket that somebody else listens on as well: each connection comes to the one or to the
// other, whenever the first finishes.
TEST_P(Accept, FinishingLosesNoConnection) {
  constexpr size_t kMany = 8;
  for (int turns = 0; turns < 6; ++turns) {
    std::vector<Descriptor> taken;
    const auto take = [&](int fd) { taken.emplace_back(fd); };
    Listener first(reactor(), take);
    Listener second(reactor(), take);
    const ListenOptions one_by_one = {.accepts_per_turn = turns < 3 ? 1U : 64U};
    Descriptor socket = bound_socket();
    Descriptor same(machine().duplicate(socket.get()));
    ASSERT_TRUE(first.listen_on(socket.release(), one_by_one));
    run_turns(2);
    int finished = 0;
    const std::vector<Peer> peers = connect_many(*first.local_address(), kMany);
    run_turns(turns % 3);
    first.finish([&] { ++finished; });
    EXPECT_FALSE(first.is_listening());
    EXPECT_EQ(finished, 0);
    EXPECT_TRUE(run_until([&] { return finished == 1; }));
    const size_t by_the_first = taken.size();
    run_turns();
    EXPECT_EQ(taken.size(), by_the_first);
    ASSERT_TRUE(second.listen_on(same.release()));
    EXPECT_TRUE(run_until([&] { return taken.size() == kMany; }));
    second.close();
  }
}

TEST_P(Accept, FinishingIsCutShortByTheListenersEnd) {
  {
    Listener listener(reactor(), [](int fd) { plain_kernel().close(fd); });
    ASSERT_TRUE(listener.listen("127.0.0.1:0"));
    run_turns(2);
    listener.finish([] { ADD_FAILURE() << "the Listener is gone"; });
  }
  run_turns();
}

TEST_P(Accept, ASocketThatListensAlreadyIsServedFrom) {
  Descriptor socket = bound_socket();
  plain_kernel().listen(socket.get(), 16);
  const Address address = address_of(socket.get());
  std::vector<Peer> peers = connect_many(address, 2);
  server.emplace(reactor(), echo_options());
  ASSERT_TRUE(server->listen_on(socket.release()));
  EXPECT_EQ(*server->local_address(), address);
  EXPECT_TRUE(run_until([&] { return answered(peers) == 2; }));
}

TEST_P(Accept, AConnectionThatSomebodyElseAcceptedIsTaken) {
  const Descriptor listening = bound_socket();
  plain_kernel().listen(listening.get(), 16);
  std::vector<Peer> peers = connect_many(address_of(listening.get()), 1);
  const int fd =
      plain_kernel().accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  ASSERT_GE(fd, 0);
  std::atomic<size_t> count = 0;
  server.emplace(reactor(), journal.options(), ServerOptions{.shared_count = &count});
  auto taken = server->take(fd, Slice::of_static("before "));
  ASSERT_TRUE(taken);
  EXPECT_TRUE(journal.events.empty());  // not from inside the call
  EXPECT_TRUE(run_until([&] { return journal.data == "before x"; }));
  EXPECT_EQ(journal.events, (Events{"open", "data"}));
  EXPECT_EQ(server->connections(), 1U);
  EXPECT_EQ(count.load(), 1U);
  taken->close();
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
  EXPECT_EQ(count.load(), 0U);
  const auto refused = server->take(-1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), std::errc::bad_file_descriptor);
}

// Both server and reactor may be destroyed in either order.
TEST_P(Accept, AServerMayOutliveItsReactor) {
  serve_one(journal.options(), 4096);
  stream.send(Slice::copy_of(pattern(16 << 20)));
  run_turns();
  server->drain(kDeadline);
  run_turns();
  EXPECT_EQ(server->connections(), 1U);
  Listener listener(reactor(), [](int) {});
  ASSERT_TRUE(listener.listen("127.0.0.1:0"));
  destroy_reactor();
  EXPECT_EQ(server->connections(), 0U);
  EXPECT_FALSE(listener.is_listening());
  server.reset();
}

EDDY_ON_EVERY_CONFIGURATION(Accept);

}  // namespace
}  // namespace eddy::test
