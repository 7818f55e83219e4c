// Streams over Unix sockets: what differs from TCP, and that nothing else does.
#include <eddy/net/connector.h>
#include <stddef.h>
#include <sys/un.h>

#include "support/stream_test.h"
#include "support/unix_names.h"

namespace eddy::test {
namespace {

class UnixStream : public StreamTest {
 protected:
  void listen(const Address& address, StreamOptions options) {
    server.emplace(reactor(), std::move(options));
    const auto listening = server->listen(address);
    ASSERT_TRUE(listening) << listening.error().message();
  }
  // A server, and a connection to it: `peer` is the other side, `stream` the server's.
  void serve_one_at_path(StreamOptions options) {
    const Address address = names_.at_path("server");
    listen(address, std::move(options));
    peer = Peer::connect_to(address);
    ASSERT_TRUE(peer.is_open());
    ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
    server->for_each([&](Stream& accepted) { stream = accepted; });
  }
  // The outcome of a connection that must not come to be.
  std::error_code failure_of(const Address& address) {
    Journal told;
    Connector connector(reactor(), told.options());
    const auto made = connector.connect(address);
    EXPECT_TRUE(made) << made.error().message();
    EXPECT_TRUE(told.events.empty());  // nothing from inside the call
    EXPECT_TRUE(run_until([&] { return told.closed(); }));
    EXPECT_EQ(told.events, (Events{"close"}));
    return told.code;
  }
  static Descriptor bound(const Address& address, int type) {
    Descriptor socket(plain_kernel().socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(plain_kernel().bind(socket.get(), address.data(), address.size()), 0);
    return socket;
  }

  UnixNames names_;
};

TEST_P(UnixStream, AnEchoOverAPathAndOverAnAbstractName) {
  for (const Address& address : {names_.at_path("echo"), UnixNames::abstract("echo")}) {
    listen(address, echo_options());
    EXPECT_EQ(server->local_address().value_or(Address()), address);
    peer = Peer::connect_to(address);
    ASSERT_TRUE(peer.is_open()) << address.to_string();
    PatternExchange transfer(peer, 3 << 20);
    EXPECT_TRUE(run_until([&] { return transfer.step(); }));
    EXPECT_TRUE(transfer.complete()) << transfer.arrived;
    peer.close();
    EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
    server.reset();
  }
}

TEST_P(UnixStream, BothEndsOfAConnectionAreEddys) {
  for (const Address& address : {names_.at_path("both"), UnixNames::abstract("both")}) {
    Journal told;
    listen(address, echo_options());
    StreamOptions options = told.options();
    options.read_while_full = true;  // it sends more than the sockets and the server's queue hold
    Connector connector(reactor(), std::move(options));
    auto client = connector.connect(address.to_string());
    ASSERT_TRUE(client) << client.error().message();
    const std::string bytes = pattern(2 << 20);
    client->send(Slice::copy_of(bytes));  // waits until the connection stands
    EXPECT_TRUE(run_until([&] { return told.data.size() == bytes.size(); }));
    EXPECT_TRUE(told.data == bytes);
    EXPECT_EQ(client->peer_address().value_or(Address()), address);
    EXPECT_EQ(client->local_address()->to_string(), "unix:");  // a client has no name
    client->shutdown_write();
    EXPECT_TRUE(run_until([&] { return told.count("end") == 1; }));
    client->close();
    EXPECT_TRUE(run_until([&] { return told.closed() && server->connections() == 0; }));
    EXPECT_FALSE(told.code);
    EXPECT_EQ(told.count("close"), 1U);
    server.reset();
  }
}

TEST_P(UnixStream, AClientMayHaveANameToo) {
  const Address address = UnixNames::abstract("named-server");
  const Address mine = UnixNames::abstract("named-client");
  Address seen;
  listen(address, {.on_open = [&](Stream& s) { seen = s.peer_address().value_or(Address()); }});
  Connector connector(reactor(), journal.options(), {.source = mine});
  auto client = connector.connect(address);
  ASSERT_TRUE(client);
  EXPECT_TRUE(run_until([&] { return seen.family() == AF_UNIX; }));
  EXPECT_EQ(seen, mine);
  client->close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(UnixStream, ConnectsThatFailSayWhy) {
  EXPECT_EQ(failure_of(names_.at_path("nothing")), errno_code(ENOENT));
  EXPECT_EQ(failure_of(UnixNames::abstract("nothing")), errno_code(ECONNREFUSED));
  const Address stale = names_.at_path("stale");
  bound(stale, SOCK_STREAM).reset();
  EXPECT_EQ(failure_of(stale), errno_code(ECONNREFUSED));
  const Address datagrams = names_.at_path("datagrams");
  const Descriptor socket = bound(datagrams, SOCK_DGRAM);
  EXPECT_EQ(failure_of(datagrams), errno_code(EPROTOTYPE));
}

// TCP's connect waits where a backlog is full, a Unix socket's does not: the same on every backend.
TEST_P(UnixStream, AFullBacklogIsTold) {
  const Address address = names_.at_path("full");
  const Descriptor listening = bound(address, SOCK_STREAM);
  ASSERT_EQ(plain_kernel().listen(listening.get(), 0), 0);
  const Peer filler = Peer::connect_to(address);
  ASSERT_TRUE(filler.is_open());
  EXPECT_EQ(failure_of(address), errno_code(EAGAIN));
  const Descriptor taken(
      plain_kernel().accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  Connector connector(reactor(), journal.options());
  auto client = connector.connect(address);
  ASSERT_TRUE(client);
  EXPECT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  client->close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(UnixStream, AConnectionMayBeClosedBeforeItIsTold) {
  const Address address = names_.at_path("early");
  std::string arrived;
  listen(address, {.on_data = [&](Stream&, Slice bytes) { arrived += bytes.view(); }});
  Connector connector(reactor(), journal.options());
  auto client = connector.connect(address);
  ASSERT_TRUE(client);
  client->send("all of it");
  client->close();
  EXPECT_TRUE(run_until([&] { return journal.closed() && arrived == "all of it"; }));
  EXPECT_EQ(journal.events, (Events{"close"}));
  auto dropped = connector.connect(address);
  ASSERT_TRUE(dropped);
  dropped->reset();
  EXPECT_TRUE(run_until([&] { return journal.count("close") == 2; }));
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

TEST_P(UnixStream, HalfOfItMayBeClosed) {
  serve_one_at_path({.on_data = [&](Stream&, Slice bytes) { journal.note_data(bytes.view()); },
                     .on_end =
                         [](Stream& s) {
                           s.send("and the answer");
                           s.close();
                         }});
  peer.send("the question");
  peer.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_EQ(journal.data, "the question");
  EXPECT_EQ(peer.received, "and the answer");
  EXPECT_EQ(peer.error, 0);
}

TEST_P(UnixStream, APeerThatDoesNotReadStopsWhatItSends) {
  StreamOptions options = echo_options();
  options.high_watermark_bytes = 100'000;
  options.low_watermark_bytes = 10'000;
  serve_one_at_path(std::move(options));
  PatternExchange transfer(peer, 8 << 20);
  // It sends and does not read: what is sent fills the watermark, then the socket, and no more.
  uint64_t before = 0;
  EXPECT_TRUE(run_until([&] {
    before = transfer.sent;
    transfer.send_step(1 << 16);
    run_turns(3);
    return transfer.sent == before;
  }));
  EXPECT_LT(transfer.sent, uint64_t{8 << 20});
  EXPECT_LT(stream.queued_bytes(), 100'000U + reactor_options.receive_quota_bytes);
  EXPECT_TRUE(run_until([&] { return transfer.step(); }));
  EXPECT_TRUE(transfer.complete());
}

// unix(7): there is no reset but for who had sent what was not read.
TEST_P(UnixStream, AResetIsAnEndOrECONNRESETWhereInputWasUnread) {
  serve_one_at_path(journal.options());
  stream.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed() && peer.has_ended(); }));
  EXPECT_EQ(peer.error, 0);
  server.reset();

  serve_one_at_path(journal.options());
  stream.pause();
  run_turns();
  peer.send("unread");
  stream.reset();
  EXPECT_TRUE(run_until([&] { return peer.has_failed() || peer.has_ended(); }));
  EXPECT_TRUE(peer.ended || peer.error == ECONNRESET) << peer.error;
}

TEST_P(UnixStream, APeersResetIsAnError) {
  serve_one_at_path(journal.options());
  stream.send("never read");
  run_turns();
  peer.send("last words");
  peer.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.data, "last words");
  EXPECT_EQ(journal.code, errno_code(ECONNRESET)) << journal.code.message();
}

TEST_P(UnixStream, AServerDrains) {
  serve_one_at_path(journal.options());
  const std::string bytes = pattern(1 << 20);
  stream.send(Slice::copy_of(bytes));
  server->drain(5s);
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return peer.ended;
  }));
  EXPECT_TRUE(peer.received == bytes);
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
  EXPECT_FALSE(exists(names_.at_path("server")));
}

TEST_P(UnixStream, AnUnnamedServerFindsANameItself) {
  const sockaddr_un nothing = {.sun_family = AF_UNIX, .sun_path = {}};
  const auto unnamed =
      Address::from(reinterpret_cast<const sockaddr*>(&nothing), offsetof(sockaddr_un, sun_path));
  ASSERT_TRUE(unnamed);
  listen(*unnamed, echo_options());
  const auto found = server->local_address();
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->is_abstract());
  peer = Peer::connect_to(*found);
  EXPECT_TRUE(peer.is_open());
  run_turns();
}

EDDY_ON_EVERY_CONFIGURATION(UnixStream);

// The urgent byte of Unix sockets (Linux 5.15), which the model has not.
class UnixStreamOnLinux : public UnixStream {};

// It is not among the others, and a read ends before it; what is behind it must come all the same.
TEST_P(UnixStreamOnLinux, WhatFollowsAnUrgentByteArrives) {
  serve_one_at_path(journal.options());
  peer.send("abc");
  peer.send("!", MSG_OOB);
  peer.send("def");
  EXPECT_TRUE(run_until([&] { return journal.data.size() == 6; })) << journal.data;
  EXPECT_EQ(journal.data, "abcdef");
  expect_no_spin();
}

EDDY_ON_EVERY_REAL_CONFIGURATION(UnixStreamOnLinux);

}  // namespace
}  // namespace eddy::test
