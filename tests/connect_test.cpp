// Connectors: connections that come to be, and each way in which they do not.
#include <eddy/net/connector.h>

#include <algorithm>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class Connect : public StreamTest {
 protected:
  // The outcome of a connection that must not come to be.
  std::error_code failure_of(const Address& address, const ConnectOptions& options = {}) {
    StreamOptions callbacks = journal.options();
    callbacks.on_close = [this, address](Stream& closed, std::error_code code) {
      const auto error = closed.connect_error();
      ASSERT_TRUE(error);
      EXPECT_EQ(error->message(), Error(code, "connect", address.to_string()).message());
      journal.note_close(code);
    };
    Connector connector(reactor(), std::move(callbacks), options);
    const auto made = connector.connect(address);
    EXPECT_TRUE(made) << made.error().message();
    EXPECT_TRUE(journal.events.empty());  // nothing from inside the call
    EXPECT_TRUE(run_until([&] { return journal.closed(); }));
    EXPECT_EQ(journal.events, (Events{"close"}));
    return journal.code;
  }
  // A port of 127.0.0.1 on which nobody listens.
  static Address closed_port() { return address_of(bound_socket().get()); }
};

// A listener whose backlog is full: the kernel answers no more, and a connection to it neither
// stands nor fails.
class FullBacklog {
 public:
  FullBacklog() {
    plain_kernel().listen(listener_.get(), 0);
    filler_ = Peer::connect_to(address_);
  }
  const Address& address() const { return address_; }
  // Takes what waits, so that the next try of a client succeeds.
  void accept_all() {
    filler_.close();
    for (Descriptor& taken : accepted_) {
      taken.reset(plain_kernel().accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
  }

 private:
  const Descriptor listener_ = bound_socket();
  const Address address_ = address_of(listener_.get());
  Peer filler_;
  Descriptor accepted_[2];
};

TEST_P(Connect, BothEndsTalk) {
  const Address address = serve(echo_options());
  Connector connector(reactor(), journal.options());
  auto connected = connector.connect(address);
  ASSERT_TRUE(connected);
  EXPECT_TRUE(connected->is_open());
  EXPECT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  EXPECT_EQ(*connected->peer_address(), address);
  connected->send("there and back");
  EXPECT_TRUE(run_until([&] { return journal.data == "there and back"; }));
  connected->close();
  EXPECT_TRUE(run_until([&] { return journal.closed() && server->connections() == 0; }));
  EXPECT_FALSE(journal.code);
  EXPECT_EQ(journal.events, (Events{"open", "data", "close"}));
}

TEST_P(Connect, ByText) {
  const Address address = serve(echo_options());
  Connector connector(reactor(), journal.options());
  auto connected = connector.connect(address.to_string());
  ASSERT_TRUE(connected);
  EXPECT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  connected->reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(Connect, WhatIsSentBeforeTheConnectionStandsWaits) {
  const Address address = serve(echo_options());
  Connector connector(reactor(), journal.options());
  auto connected = connector.connect(address);
  ASSERT_TRUE(connected);
  const std::string bytes = pattern(300'000);
  connected->send(Slice::copy_of(bytes));
  connected->shutdown_write();
  EXPECT_EQ(connected->queued_bytes(), bytes.size());
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  EXPECT_TRUE(journal.data == bytes);
  EXPECT_EQ(journal.events, (Events{"open", "data", "end"}));
  connected->close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(Connect, CloseSendsWhatWaitsForTheConnection) {
  Journal servers;
  const Address address = serve(servers.options());
  Connector connector(reactor(), journal.options());
  auto connected = connector.connect(address);
  ASSERT_TRUE(connected);
  connected->send("all of it");
  connected->close();
  EXPECT_TRUE(run_until([&] { return servers.count("end") == 1 && journal.closed(); }));
  EXPECT_EQ(servers.data, "all of it");
  EXPECT_FALSE(journal.code) << journal.code.message();
  server.reset();
}

TEST_P(Connect, ManyAtOnce) {
  const Address address = serve(echo_options());
  Connector connector(reactor(), journal.options());
  std::vector<Stream> connected;
  for (int i = 0; i < 200; ++i) {
    connected.push_back(*connector.connect(address));
    connected.back().send("x");
  }
  EXPECT_TRUE(run_until([&] { return journal.data.size() == 200; }));
  EXPECT_EQ(journal.count("open"), 200U);
  for (Stream& open : connected) open.close();
  EXPECT_TRUE(run_until([&] { return journal.count("close") == 200; }));
}

TEST_P(Connect, Refused) { EXPECT_EQ(failure_of(closed_port()), std::errc::connection_refused); }

// … and which address it was, also where a connector has several at once.
TEST_P(Connect, EachFailureNamesItsAddress) {
  const std::vector<Address> addresses = {closed_port(), *Address::parse("unix:/nonexistent/x"),
                                          *Address::parse("127.0.0.2:9")};
  std::vector<std::string> errors;
  StreamOptions callbacks;
  callbacks.on_close = [&](Stream& closed, std::error_code) {
    if (const auto error = closed.connect_error()) errors.push_back(error->message());
  };
  Connector connector(reactor(), std::move(callbacks));
  for (const Address& address : addresses) ASSERT_TRUE(connector.connect(address));
  EXPECT_TRUE(run_until([&] { return errors.size() == 3; }));
  std::vector<std::string> expected = {
      "connect " + addresses[0].to_string() + ": Connection refused",
      "connect unix:/nonexistent/x: No such file or directory",
      "connect 127.0.0.2:9: Connection refused"};
  std::ranges::sort(errors);
  std::ranges::sort(expected);
  EXPECT_EQ(errors, expected);
}

// Nobody can be reached at an address that no route leads to (RFC 5737, and 240.0.0.0/4 is
// reserved); which error that is, is the routing table's matter, but it is one, and it is told
// once.
TEST_P(Connect, Unreachable) {
  const std::error_code code = failure_of(*Address::parse("255.255.255.255:9"), {.timeout = 200ms});
  EXPECT_TRUE(code == std::errc::network_unreachable || code == std::errc::permission_denied)
      << code.message();
}

TEST_P(Connect, AfterAFailureATryOnANewSocketSucceeds) {
  const Address address = closed_port();
  EXPECT_EQ(failure_of(address), std::errc::connection_refused);
  server.emplace(reactor(), echo_options());
  ASSERT_TRUE(server->listen(address));
  journal = Journal();
  Connector connector(reactor(), journal.options());
  auto connected = connector.connect(address);
  ASSERT_TRUE(connected);
  EXPECT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  connected->close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(Connect, TimedOut) {
  FullBacklog nobody;
  const TimePoint began = now();
  EXPECT_EQ(failure_of(nobody.address(), {.timeout = 100ms}), Errc::kTimedOut);
  EXPECT_GE(now() - began, 100ms);
}

TEST_P(Connect, StandsBeforeItsTimeOut) {
  const Address address = serve(echo_options());
  Connector connector(reactor(), journal.options(), {.timeout = 100ms});
  auto connected = connector.connect(address);
  ASSERT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  turns_during(150ms);
  EXPECT_TRUE(connected->is_open());  // the deadline was the connecting's
  connected->close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

// Whichever wins the race, it is told once, and no descriptor is left.
TEST_P(Connect, TheTimeOutRacesTheSuccess) {
  const Address address = serve({});
  for (int i = 0; i < 100; ++i) {
    journal = Journal();
    Connector connector(reactor(), journal.options(), {.timeout = std::chrono::microseconds(i)});
    auto connected = connector.connect(address);
    ASSERT_TRUE(connected);
    ASSERT_TRUE(run_until([&] { return journal.closed() || journal.count("open") == 1; }));
    if (journal.closed()) {
      EXPECT_EQ(journal.code, Errc::kTimedOut);
      EXPECT_EQ(journal.events, (Events{"close"}));
    } else {
      connected->reset();
      ASSERT_TRUE(run_until([&] { return journal.closed(); }));
      EXPECT_EQ(journal.events, (Events{"open", "close"}));
    }
  }
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

TEST_P(Connect, ClosedWhileConnecting) {
  FullBacklog nobody;
  Connector connector(reactor(), journal.options());
  for (const bool resets : {false, true}) {
    for (int turns = 0; turns < 3; ++turns) {
      journal = Journal();
      auto connecting = connector.connect(nobody.address());
      ASSERT_TRUE(connecting);
      run_turns(turns);
      resets ? connecting->reset() : connecting->close();
      EXPECT_FALSE(connecting->is_open());
      EXPECT_TRUE(run_until([&] { return journal.closed(); }));
      EXPECT_EQ(journal.events, (Events{"close"}));
      EXPECT_FALSE(journal.code);
    }
  }
}

TEST_P(Connect, AConnectionThatTakesItsTime) {
  FullBacklog slow;
  Connector connector(reactor(), journal.options());
  auto connecting = connector.connect(slow.address());
  ASSERT_TRUE(connecting);
  connecting->send("x");
  run_turns();
  EXPECT_TRUE(journal.events.empty());
  EXPECT_TRUE(connecting->is_open());
  slow.accept_all();  // the kernel's next SYN comes after a second
  EXPECT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  connecting->close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(Connect, SourceAddress) {
  const Address address = serve({});
  Connector connector(reactor(), journal.options(), {.source = *Address::parse("127.0.0.2:0")});
  auto connected = connector.connect(address);
  ASSERT_TRUE(connected);
  ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
  server->for_each([](Stream& accepted) {
    EXPECT_EQ(accepted.peer_address()->with_port(0).to_string(), "127.0.0.2:0");
  });
  EXPECT_EQ(connected->local_address()->with_port(0).to_string(), "127.0.0.2:0");
  connected->close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(Connect, ASourceThatIsNoAddressOfThisMachine) {
  Connector connector(reactor(), journal.options(), {.source = *Address::parse("203.0.113.1:0")});
  const auto refused = connector.connect("127.0.0.1:9");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), std::errc::address_not_available);
  EXPECT_NE(refused.error().message().find("203.0.113.1"), std::string::npos);
}

// Two connections of one source port to one peer cannot be.
TEST_P(Connect, NoLocalPortIsLeft) {
  const Address address = serve({});
  const Address source = closed_port();
  Connector connector(reactor(), journal.options(), {.source = source});
  auto first = connector.connect(address);
  ASSERT_TRUE(first);
  ASSERT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  const auto second = connector.connect(address);
  std::error_code code;
  if (second) {
    EXPECT_TRUE(run_until([&] { return journal.closed(); }));
    code = journal.code;
  } else {
    code = second.error().code();
  }
  EXPECT_TRUE(code == std::errc::address_not_available || code == std::errc::address_in_use)
      << code.message();
  EXPECT_TRUE(first->is_open());
  first->reset();
  EXPECT_TRUE(run_until([&] { return !first->is_open() && server->connections() == 0; }));
}

TEST_P(Connect, TextThatIsNoAddress) {
  Connector connector(reactor(), journal.options());
  const auto refused = connector.connect("nowhere");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kBadAddress);
  EXPECT_TRUE(journal.events.empty());
}

TEST_P(Connect, TheConnectorMayGoFirst) {
  const Address address = serve(echo_options());
  {
    Connector connector(reactor(), journal.options());
    stream = *connector.connect(address);
  }
  stream.send("x");
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

// `{}` is StreamOptions, and not a std::shared_ptr that is null.
TEST_P(Connect, OptionsMayAllBeDefault) {
  const Address address = serve({});
  Server none(reactor(), {}, {});
  Connector connector(reactor(), {});
  stream = *connector.connect(address);
  EXPECT_TRUE(run_until([&] { return server->connections() == 1; }));
  stream.close();
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

// What was queued is sent once the connection stands, and that it stands is not told.
TEST_P(Connect, ClosedWhileConnectingSendsWhatIsQueuedAndOpensNothing) {
  Journal of_server;
  const Address address = serve(of_server.options());
  for (const char* text : {"", "queued"}) {
    SCOPED_TRACE(text);
    journal = Journal();
    of_server = Journal();
    Connector connector(reactor(), journal.options());
    stream = *connector.connect(address);
    stream.send(text);
    stream.close();
    EXPECT_FALSE(stream.is_open());
    EXPECT_TRUE(run_until([&] { return journal.closed(); }));
    EXPECT_EQ(journal.events, (Events{"close"}));
    EXPECT_EQ(journal.code, std::error_code());
    EXPECT_TRUE(run_until([&] { return of_server.data == text; }));
    server->for_each([](Stream& accepted) { accepted.reset(); });
    EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
  }
}

EDDY_ON_EVERY_CONFIGURATION(Connect);

}  // namespace
}  // namespace eddy::test
