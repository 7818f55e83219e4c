// Several addresses: tried as RFC 8305 says, the first to connect wins, and nothing is left of the
// others.
#include <eddy/net/connector.h>
#include <eddy/net/resolver.h>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

std::vector<Address> parsed(std::initializer_list<const char*> texts) {
  std::vector<Address> addresses;
  for (const char* text : texts) addresses.push_back(*Address::parse(text));
  return addresses;
}
std::vector<std::string> texts_of(std::span<const Address> addresses) {
  std::vector<std::string> texts;
  for (const Address& address : addresses) texts.push_back(address.to_string());
  return texts;
}

TEST(InterleaveFamilies, TheyTakeTurnsBeginningWithTheFirst) {
  const auto order = [](std::initializer_list<const char*> texts) {
    return texts_of(interleave_families(parsed(texts)));
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(order({}), Texts());
  EXPECT_EQ(order({"1.1.1.1:1", "1.1.1.2:1"}), (Texts{"1.1.1.1:1", "1.1.1.2:1"}));
  EXPECT_EQ(order({"[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"}),
            (Texts{"[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"}));
  EXPECT_EQ(order({"1.1.1.1:1", "1.1.1.2:1", "[::1]:1"}),
            (Texts{"1.1.1.1:1", "[::1]:1", "1.1.1.2:1"}));
}

class ConnectRace : public FaultTest {
 public:
  ConnectOptions told() {
    ConnectOptions options;
    options.on_attempt_failed = [this](Stream&, const Error& error) {
      errors.push_back(error.message());
    };
    return options;
  }
  void connect(std::span<const Address> addresses, const ConnectOptions& options) {
    StreamOptions callbacks = journal.options();
    callbacks.on_close = [this](Stream& closed, std::error_code code) {
      if (const auto error = closed.connect_error()) final_error = error->message();
      journal.note_close(code);
    };
    Connector connector(reactor(), std::move(callbacks), options);
    const auto made = connector.connect(addresses);
    ASSERT_TRUE(made) << made.error().message();
    stream = *made;
  }
  static Address closed_port() { return address_of(bound_socket().get()); }

  std::vector<std::string> errors;
  std::string final_error;
};

TEST_P(ConnectRace, NoAddressIsAnError) {
  Connector connector(reactor(), {});
  const auto none = connector.connect(std::span<const Address>());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), std::errc::invalid_argument);
}

// A failure brings the next one's turn at once, not after the delay.
TEST_P(ConnectRace, ARefusalGoesOnToTheNext) {
  const Address open = serve(echo_options());
  const std::vector<Address> addresses = {closed_port(), closed_port(), open};
  ConnectOptions options = told();
  options.attempt_delay = 2s;
  const TimePoint began = now();
  connect(addresses, options);
  stream.send("x");
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  EXPECT_LT(now() - began, 2s);
  EXPECT_EQ(errors.size(), 2U);
  EXPECT_EQ(*stream.peer_address(), open);
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(ConnectRace, EveryErrorIsKept) {
  const std::vector<Address> addresses = {closed_port(), closed_port()};
  connect(addresses, {});
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, std::errc::connection_refused);
  EXPECT_EQ(final_error, "connect " + addresses[0].to_string() +
                             " and 1 more: Connection refused (connect " +
                             addresses[0].to_string() + ": Connection refused; connect " +
                             addresses[1].to_string() + ": Connection refused)");
}

// All connect at once: one of them is the stream's, the others are closed, whatever wins.
TEST_P(ConnectRace, OneWins) {
  const Address open = serve(echo_options());
  const std::vector<Address> addresses(4, open);
  plan().delay(UringOperation::kConnect, 3, kEveryTime);
  for (int i = 0; i < 20; ++i) {
    journal = {};
    ConnectOptions options;
    options.attempt_delay = std::chrono::milliseconds(10);
    connect(addresses, options);
    run_turns(i % 3);
    machine().pass(12ms);  // the next one's turn comes before the first is told
    EXPECT_TRUE(run_until([&] { return journal.count("open") == 1; }));
    run_turns();
    EXPECT_EQ(journal.events, (Events{"open"}));
    stream.close();
    EXPECT_TRUE(run_until([&] { return journal.closed() && server->connections() == 0; }));
  }
}

TEST_P(ConnectRace, ClosedWhileSeveralAreUnderWay) {
  const Descriptor full = bound_socket();
  plain_kernel().listen(full.get(), 0);
  const std::vector<Address> addresses(3, address_of(full.get()));
  const Peer filler = Peer::connect_to(addresses.front());
  for (const bool resets : {false, true}) {
    journal = {};
    connect(addresses, {.attempt_delay = 10ms});
    turns_during(40ms);
    resets ? stream.reset() : stream.close();
    EXPECT_TRUE(run_until([&] { return journal.closed(); }));
    EXPECT_EQ(journal.events, (Events{"close"}));
    EXPECT_FALSE(journal.code);
  }
}

TEST_P(ConnectRace, WithoutAnAnswerTheTimeOutIsTold) {
  const Descriptor full = bound_socket();
  plain_kernel().listen(full.get(), 0);
  const std::vector<Address> addresses(2, address_of(full.get()));
  const Peer filler = Peer::connect_to(addresses.front());
  connect(addresses, {.timeout = 10s, .total_timeout = 60ms, .attempt_delay = 10ms});
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, Errc::kTimedOut);
  EXPECT_NE(final_error.find("2 had not answered yet"), std::string::npos) << final_error;
  journal = {};
  connect(addresses, {.timeout = 30ms, .attempt_delay = 10ms});
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, Errc::kTimedOut);
  EXPECT_NE(final_error.find("deadline passed; connect"), std::string::npos) << final_error;
}

class ConnectByName : public ConnectRace {
 protected:
  void connect(Resolver& resolver, const std::string& host, const std::string& service) {
    StreamOptions callbacks = journal.options();
    callbacks.on_close = [this](Stream& closed, std::error_code code) {
      if (const auto error = closed.connect_error()) final_error = error->message();
      journal.note_close(code);
    };
    Connector connector(reactor(), std::move(callbacks));
    const auto made = connector.connect(resolver, host, service);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_TRUE(journal.events.empty());
    stream = *made;
  }
};

// "localhost" may be ::1 too, where nobody listens.
TEST_P(ConnectByName, OneOfItsAddressesAnswers) {
  const Address address = serve(echo_options());
  Resolver resolver(reactor());
  connect(resolver, "localhost", std::to_string(address.port()));
  stream.send("x");
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  EXPECT_EQ(*stream.peer_address(), address);
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(ConnectByName, WhatIsNoNameIsRefused) {
  Resolver resolver(reactor());
  Connector connector(reactor(), journal.options());
  const auto refused = connector.connect(resolver, "", "80");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kBadAddress);
  run_turns();
  EXPECT_TRUE(journal.events.empty());
}

TEST_P(ConnectByName, WhatIsNotFoundIsTold) {
  Resolver resolver(reactor());
  connect(resolver, "127.0.0.1", "no-such-service-here");
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"close"}));
  EXPECT_EQ(&journal.code.category(), &name_category()) << journal.code.message();
  EXPECT_EQ(final_error.find("connect 127.0.0.1:no-such-service-here: "), 0U) << final_error;
}

TEST_P(ConnectByName, ClosedWhileItIsLookedUp) {
  const Address address = serve(echo_options());
  Resolver resolver(reactor());
  for (const bool resets : {false, true}) {
    journal = {};
    connect(resolver, "localhost", std::to_string(address.port()));
    resets ? stream.reset() : stream.close();
    EXPECT_TRUE(run_until([&] { return journal.closed(); }));
    EXPECT_EQ(journal.events, (Events{"close"}));
    EXPECT_FALSE(journal.code);
  }
  EXPECT_TRUE(run_until([&] { return resolver.stats().threads.running == 0; }));
}

TEST_P(ConnectByName, TheResolverMayGoFirst) {
  const Address address = serve(echo_options());
  std::optional<Resolver> resolver(std::in_place, reactor());
  connect(*resolver, "localhost", std::to_string(address.port()));
  resolver.reset();
  EXPECT_TRUE(journal.events.empty());
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, std::errc::operation_canceled);
}

EDDY_ON_EVERY_CONFIGURATION(ConnectRace);
EDDY_ON_EVERY_CONFIGURATION(ConnectByName);

// Two addresses of a server, each with a link of its own, in virtual time.
class ConnectRaceInAWorld : public testing::TestWithParam<Configuration> {
 protected:
  void SetUp() override {
    for (sim::Host* host : {&over_six_, &over_four_}) {
      world_.link(client_, *host, {.latency = 0ns});
      world_.link(*host, client_, {.latency = 0ns});
      auto& at = host == &over_six_ ? six_ : four_;
      at.reactor.emplace(*host, GetParam().options);
      at.server.emplace(*at.reactor, StreamOptions{.on_open = [this, &at](Stream&) {
        at.opened.push_back(world_.now() - began_);
      }});
      ASSERT_TRUE(at.server->listen(host == &over_six_ ? "[fd00::1]:7" : "10.0.0.1:7"));
    }
    reactor_.emplace(client_, GetParam().options);
  }
  // When it was open, at which address.
  std::pair<std::chrono::nanoseconds, std::string> connect(ConnectOptions options = {}) {
    std::pair<std::chrono::nanoseconds, std::string> opened;
    bool closed = false;
    Connector connector(*reactor_,
                        {.on_open =
                             [&](Stream& stream) {
                               opened = {world_.now() - began_, stream.peer_address()->to_string()};
                             },
                         .on_close = [&](Stream&, std::error_code) { closed = true; }},
                        std::move(options));
    began_ = world_.now();
    auto stream = connector.connect(parsed({"[fd00::1]:7", "10.0.0.1:7"}));
    EXPECT_TRUE(stream);
    EXPECT_TRUE(world_.run_until([&] { return closed || !opened.second.empty(); }));
    if (!closed) stream->close();
    EXPECT_TRUE(world_.run_until([&] { return closed; }));
    world_.heal();
    world_.run_for(10s);
    EXPECT_EQ(six_.server->connections() + four_.server->connections(), 0U);
    return opened;
  }
  void expect_about(std::chrono::nanoseconds time, std::chrono::nanoseconds expected) {
    EXPECT_GE(time, expected);
    EXPECT_LT(time, expected + 1ms);
  }

  struct At {
    std::optional<Reactor> reactor;
    std::optional<Server> server;
    std::vector<std::chrono::nanoseconds> opened;
  };
  sim::World world_{1};
  sim::Host client_ = world_.host("10.0.0.9");
  sim::Host over_six_ = world_.host("fd00::1");
  sim::Host over_four_ = world_.host("10.0.0.1");
  At six_;
  At four_;
  std::optional<Reactor> reactor_;
  TimePoint began_{};
};

TEST_P(ConnectRaceInAWorld, TheFirstThatAnswersInTimeIsAlone) {
  world_.link(over_six_, client_, {.latency = 200ms});
  const auto [time, peer] = connect();
  expect_about(time, 200ms);
  EXPECT_EQ(peer, "[fd00::1]:7");
  EXPECT_EQ(four_.opened.size(), 0U);
}

TEST_P(ConnectRaceInAWorld, TheSecondHasItsTurnAfterTheDelay) {
  world_.partition(client_, over_six_);
  const auto [time, peer] = connect();
  expect_about(time, 250ms);
  EXPECT_EQ(peer, "10.0.0.1:7");
}

TEST_P(ConnectRaceInAWorld, TheFirstMayStillWin) {
  world_.link(over_six_, client_, {.latency = 300ms});
  world_.link(over_four_, client_, {.latency = 100ms});
  const auto [time, peer] = connect();
  expect_about(time, 300ms);
  EXPECT_EQ(peer, "[fd00::1]:7");
}

TEST_P(ConnectRaceInAWorld, ARefusalGivesItsTurnAtOnce) {
  six_.server->close();
  world_.run_for(1ms);
  const auto [time, peer] = connect();
  expect_about(time, 0ms);
  EXPECT_EQ(peer, "10.0.0.1:7");
}

// Its answer is there before the stream has had its first turn.
TEST_P(ConnectRaceInAWorld, ANameThatIsCachedHasTheDelayToo) {
  const sim::Host silent = world_.host("10.0.0.2");
  world_.name("two.example", {"10.0.0.2", "10.0.0.1"});
  Resolver resolver(*reactor_, {.cache_entries = 8});
  bool resolved = false;
  ASSERT_TRUE(resolver.resolve("two.example", "7", [&](const auto&) { resolved = true; }));
  ASSERT_TRUE(world_.run_until([&] { return resolved; }));
  world_.partition(client_, silent);
  std::chrono::nanoseconds took{};
  bool closed = false;
  Connector connector(*reactor_, {.on_open =
                                      [&](Stream& stream) {
                                        took = world_.now() - began_;
                                        stream.close();
                                      },
                                  .on_close = [&](Stream&, std::error_code) { closed = true; }});
  reactor_->post([&] {
    began_ = world_.now();
    EXPECT_TRUE(connector.connect(resolver, "two.example", "7"));
  });
  EXPECT_TRUE(world_.run_until([&] { return closed; }));
  EXPECT_EQ(resolver.stats().from_cache, 1U);
  expect_about(took, 250ms);
}

// RFC 8305, section 8: from 10 ms to 2 s.
TEST_P(ConnectRaceInAWorld, TheDelayHasItsBounds) {
  world_.partition(client_, over_six_);
  expect_about(connect({.attempt_delay = 0ns}).first, 10ms);
  world_.partition(client_, over_six_);
  expect_about(connect({.attempt_delay = 1h}).first, 2s);
}

EDDY_ON_EVERY_SIMULATED_CONFIGURATION(ConnectRaceInAWorld);

}  // namespace
}  // namespace eddy::test
