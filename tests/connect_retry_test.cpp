// Connecting again: on a new socket each time, later and later, up to a limit, from other sources.
#include <eddy/net/connector.h>

#include <map>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

class ConnectRetry : public FaultTest {
 public:
  ConnectOptions with_retries(uint64_t limit) {
    ConnectOptions options;
    options.retry = {.limit = limit, .first_delay = 1ms, .longest_delay = 8ms};
    options.on_attempt_failed = [this](Stream& failed, const Error& error) {
      EXPECT_EQ(failed.is_open(), !closed_here);
      EXPECT_EQ(failed.descriptor(), -1);
      journal.note("failed");
      errors.push_back(error.message());
    };
    return options;
  }
  void connect(const Address& address, const ConnectOptions& options) {
    StreamOptions callbacks = journal.options();
    callbacks.on_close = [this](Stream& closed, std::error_code code) {
      if (const auto error = closed.connect_error()) final_error = error->message();
      journal.note_close(code);
    };
    Connector connector(reactor(), std::move(callbacks), options);
    const auto made = connector.connect(address);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_TRUE(journal.events.empty());  // nothing from inside the call
    stream = *made;
    EXPECT_TRUE(stream.is_open());
  }
  static Address closed_port() { return address_of(bound_socket().get()); }

  std::vector<std::string> errors;
  std::string final_error;
  bool closed_here = false;
};

TEST_P(ConnectRetry, UntilTheLimitEachFailureIsTold) {
  const Address address = closed_port();
  connect(address, with_retries(3));
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"failed", "failed", "failed", "failed", "close"}));
  EXPECT_EQ(journal.code, std::errc::connection_refused);
  const std::string one = "connect " + address.to_string() + ": Connection refused";
  EXPECT_EQ(errors, std::vector<std::string>(4, one));
  EXPECT_EQ(final_error, one + " (" + one + "; " + one + "; " + one + "; " + one + ")");
}

TEST_P(ConnectRetry, OfManyFailuresTheLastAreKept) {
  connect(closed_port(), with_retries(20));
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(errors.size(), 21U);
  EXPECT_NE(final_error.find("the last of 21 failures: "), std::string::npos) << final_error;
}

// connect(2), "Notes": a socket whose connect failed is good for nothing.
TEST_P(ConnectRetry, EachAttemptHasASocketOfItsOwn) {
  const uint64_t before = plan().calls(SystemCall::kSocket);
  connect(closed_port(), with_retries(4));
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(plan().calls(SystemCall::kSocket) - before, 5U);
}

TEST_P(ConnectRetry, SucceedsOnceSomebodyListens) {
  const Address address = closed_port();
  connect(address, with_retries(1'000));
  stream.send("early");  // waits for the connection
  EXPECT_EQ(stream.queued_bytes(), 5U);
  EXPECT_FALSE(stream.local_address());
  EXPECT_TRUE(run_until([&] { return errors.size() >= 3; }));
  server.emplace(reactor(), echo_options());
  ASSERT_TRUE(server->listen(address));
  EXPECT_TRUE(run_until([&] { return journal.data == "early"; }));
  EXPECT_EQ(journal.count("open"), 1U);
  EXPECT_EQ(*stream.peer_address(), address);
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_FALSE(journal.code);
  EXPECT_EQ(final_error, "");
}

TEST_P(ConnectRetry, AConnectionThatWasRetriedIsLikeAnyOther) {
  serve(echo_options());
  const Address address = *server->local_address();
  fail_connecting(ECONNREFUSED, {.times = 1});
  connect(address, with_retries(1));
  const std::string bytes = pattern(3'000'000);
  stream.send(Slice::copy_of(bytes));
  EXPECT_TRUE(run_until([&] { return journal.data.size() == bytes.size(); }));
  EXPECT_TRUE(journal.data == bytes);
  stream.shutdown_write();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.count("failed"), 1U);
}

TEST_P(ConnectRetry, ClosedOrResetWhileItWaits) {
  const Address address = closed_port();
  for (const bool resets : {false, true}) {
    for (int turns = 0; turns < 4; ++turns) {
      journal = {};
      ConnectOptions options = with_retries(1'000);
      options.retry.first_delay = turns < 3 ? 10min : 0ns;
      connect(address, options);
      run_turns(turns);
      resets ? stream.reset() : stream.close();
      EXPECT_FALSE(stream.is_open());
      EXPECT_TRUE(run_until([&] { return journal.closed(); }));
      EXPECT_EQ(journal.count("open"), 0U);
      EXPECT_EQ(journal.events.back(), "close");
      EXPECT_FALSE(journal.code);
    }
  }
}

TEST_P(ConnectRetry, ClosedInOnAttemptFailed) {
  ConnectOptions options = with_retries(1'000);
  options.on_attempt_failed = [&](Stream& failed, const Error&) {
    journal.note("failed");
    if (journal.count("failed") == 2) failed.close();
  };
  connect(closed_port(), options);
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"failed", "failed", "close"}));
  EXPECT_FALSE(journal.code);
}

// What is queued at `close` is for the connection that comes to be, if one does.
TEST_P(ConnectRetry, CloseWaitsForWhatIsQueued) {
  Journal of_server;
  const Address address = serve(of_server.options());
  fail_connecting(ECONNREFUSED, {.times = 2});
  connect(address, with_retries(5));
  stream.send("queued");
  stream.close();
  closed_here = true;
  EXPECT_TRUE(run_until([&] { return journal.closed() && of_server.count("end") == 1; }));
  EXPECT_EQ(of_server.data, "queued");
  EXPECT_EQ(journal.events, (Events{"failed", "failed", "close"}));
  EXPECT_FALSE(journal.code);
}

TEST_P(ConnectRetry, EachFailureIsToldWhileItCloses) {
  for (const bool confirms : {false, true}) {
    journal = {};
    closed_here = false;
    connect(closed_port(), with_retries(3));
    stream.send("queued");
    confirms ? stream.close_confirmed(10min) : stream.close();
    closed_here = true;
    EXPECT_TRUE(run_until([&] { return journal.closed(); }));
    EXPECT_EQ(journal.events, (Events{"failed", "failed", "failed", "failed", "close"}));
    EXPECT_EQ(journal.code, std::errc::connection_refused);
  }
}

TEST_P(ConnectRetry, ResetInOnAttemptFailedWhileItCloses) {
  ConnectOptions options = with_retries(1'000);
  options.on_attempt_failed = [&](Stream& failed, const Error&) {
    journal.note("failed");
    if (journal.count("failed") == 2) failed.reset();
  };
  connect(closed_port(), options);
  stream.send("queued");
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"failed", "failed", "close"}));
}

TEST_P(ConnectRetry, WithoutASocketItTriesAgain) {
  serve(echo_options());
  plan().fail(SystemCall::kSocket, EMFILE, {.times = 2});
  connect(*server->local_address(), with_retries(2));
  EXPECT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  EXPECT_EQ(journal.events, (Events{"failed", "failed", "open"}));
  EXPECT_EQ(errors.front().find("socket "), 0U) << errors.front();
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(ConnectRetry, TheTotalTimeEndsThemAll) {
  ConnectOptions options = with_retries(kAlways);
  options.retry.longest_delay = 1ms;
  options.total_timeout = 50ms;
  const TimePoint began = now();
  connect(closed_port(), options);
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_GE(now() - began, 50ms);
  EXPECT_EQ(journal.code, Errc::kTimedOut);
  EXPECT_GT(errors.size(), 5U);
}

TEST_P(ConnectRetry, TheTotalTimeIsTheConnectingsAlone) {
  serve(echo_options());
  ConnectOptions options = with_retries(5);
  options.total_timeout = 50ms;
  connect(*server->local_address(), options);
  ASSERT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  turns_during(100ms);
  EXPECT_TRUE(stream.is_open());
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(ConnectRetry, OptionsOutOfRangeAreBroughtIntoIt) {
  ConnectOptions options = with_retries(2);
  options.retry = {.limit = 2, .first_delay = -5s, .longest_delay = -1ns, .jitter = -3};
  options.attempt_delay = -1s;
  connect(closed_port(), options);
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(errors.size(), 3U);
}

TEST_P(ConnectRetry, ADelayWithoutEndIsNotShort) {
  constexpr auto kNever = std::chrono::nanoseconds::max();
  ConnectOptions options = with_retries(kAlways);
  options.retry = {.limit = 1, .first_delay = kNever, .longest_delay = kNever, .jitter = 0};
  connect(closed_port(), options);
  EXPECT_TRUE(run_until([&] { return errors.size() == 1; }));
  turns_during(50ms);
  EXPECT_EQ(errors.size(), 1U);
  EXPECT_TRUE(stream.is_open());
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(ConnectRetry, TheReactorMayGoFirst) {
  ConnectOptions options = with_retries(kAlways);
  options.on_attempt_failed = {};
  for (const auto delay : {0ms, 1ms, 600'000ms}) {
    options.retry.first_delay = options.retry.longest_delay = delay;
    Connector connector(reactor(), {}, options);
    ASSERT_TRUE(connector.connect(closed_port()));
    run_turns(3);
  }
  destroy_reactor();
}

// --- Sources

TEST_P(ConnectRetry, SourcesTakeTurns) {
  std::map<std::string, int> seen;
  const Address address = serve({.on_open = [&](Stream& accepted) {
    ++seen[accepted.peer_address()->with_port(0).to_string()];
  }});
  Connector connector(reactor(), journal.options(),
                      {.source = {*Address::parse("127.0.0.2:0"), *Address::parse("127.0.0.4:0")}});
  std::vector<Stream> made;
  for (int i = 0; i < 12; ++i) made.push_back(*connector.connect(address));
  EXPECT_TRUE(run_until([&] { return journal.count("open") == 12; }));
  EXPECT_TRUE(run_until([&] { return server->connections() == 12; }));
  EXPECT_EQ(seen, (std::map<std::string, int>{
                      {"127.0.0.2:0", 4}, {"127.0.0.3:0", 4}, {"127.0.0.4:0", 4}}));
  for (Stream& open : made) open.close();
  EXPECT_TRUE(run_until([&] { return journal.count("close") == 12; }));
}

// No port is left at a source: the next one serves.
TEST_P(ConnectRetry, ASourceWithoutPortsIsPassedOver) {
  const Address address = serve({});
  fail_connecting(EADDRNOTAVAIL, {.times = 2});
  ConnectOptions options = with_retries(0);
  options.source = {*Address::parse("127.0.0.2:0"), *Address::parse("127.0.0.4:0")};
  connect(address, options);
  EXPECT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  EXPECT_EQ(journal.events, (Events{"failed", "failed", "open"}));
  EXPECT_EQ(stream.local_address()->with_port(0).to_string(), "127.0.0.4:0");
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(ConnectRetry, EachSourceIsTriedOnce) {
  const Address address = serve({});
  fail_connecting(EADDRNOTAVAIL, kEveryTime);
  ConnectOptions options = with_retries(0);
  options.source = {*Address::parse("127.0.0.2:0"), *Address::parse("127.0.0.4:0")};
  connect(address, options);
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"failed", "failed", "failed", "close"}));
  EXPECT_EQ(journal.code, std::errc::address_not_available);
}

// Ports by number: one that is taken is passed over.
TEST_P(ConnectRetry, PortsOfASourceTakeTurns) {
  const Address address = serve({});
  const Descriptor taken = bound_socket();
  const Address first = address_of(taken.get());
  const Address last = first.with_port(static_cast<uint16_t>(first.port() + 3));
  ConnectOptions options = with_retries(0);
  options.source = {first, last};
  connect(address, options);
  EXPECT_TRUE(run_until([&] { return journal.count("open") == 1 || journal.closed(); }));
  ASSERT_EQ(journal.count("open"), 1U) << final_error;
  EXPECT_GT(stream.local_address()->port(), first.port());
  EXPECT_LE(stream.local_address()->port(), last.port());
  stream.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

EDDY_ON_EVERY_CONFIGURATION(ConnectRetry);

TEST(SourceRangeTest, CountsAddressesAndPorts) {
  const auto at = [](const SourceRange& range, uint64_t index) {
    return range.at(index).to_string();
  };
  EXPECT_EQ(SourceRange().size(), 0U);
  EXPECT_EQ(SourceRange(Address()).size(), 0U);
  const SourceRange one = *Address::parse("127.0.0.2:0");
  EXPECT_EQ(one.size(), 1U);
  EXPECT_EQ(at(one, 0), "127.0.0.2:0");
  const SourceRange both(*Address::parse("10.0.0.255:7"), *Address::parse("10.0.1.1:9"));
  EXPECT_EQ(both.size(), 9U);
  EXPECT_EQ(at(both, 0), "10.0.0.255:7");
  EXPECT_EQ(at(both, 1), "10.0.1.0:7");
  EXPECT_EQ(at(both, 2), "10.0.1.1:7");
  EXPECT_EQ(at(both, 3), "10.0.0.255:8");
  EXPECT_EQ(at(both, 8), "10.0.1.1:9");
  const SourceRange wide(*Address::parse("[fd00::ffff:ffff]:0"),
                         *Address::parse("[fd00::1:0:0:1]:5"));
  EXPECT_EQ(wide.size(), 0xffff'0000'0003U);
  EXPECT_EQ(at(wide, 1), "[fd00::1:0:0]:0");
  // A whole network, and any port of it: as many as can be counted.
  const SourceRange network(*Address::parse("[fd00::]:1"),
                            *Address::parse("[fd00::ffff:ffff:ffff:ffff]:65535"));
  EXPECT_EQ(network.size(), (uint64_t{1} << 48) * 65535);
  EXPECT_EQ(at(network, 2), "[fd00::2]:1");
  EXPECT_EQ(at(network, network.size() - 1), "[fd00::ffff:ffff:ffff]:65535");
  // What is the wrong way round, or of two kinds, is the first one.
  const Address first = *Address::parse("10.0.0.5:80");
  EXPECT_EQ(SourceRange(first, *Address::parse("10.0.0.4:79")).size(), 1U);
  EXPECT_EQ(SourceRange(first, *Address::parse("[::1]:90")).size(), 1U);
}

// --- In virtual time

class ConnectBackOff : public testing::TestWithParam<Configuration> {
 public:
  // When each attempt was begun, from the first on.
  std::vector<std::chrono::nanoseconds> attempts(uint64_t seed, const RetryOptions& retry) {
    sim::World world(seed);
    const sim::Host here = world.host("10.0.0.1");
    const sim::Host there = world.host("10.0.0.2");
    world.link(here, there, {.latency = 0ns});
    world.link(there, here, {.latency = 0ns});
    FaultyKernel kernel(here);
    std::vector<std::chrono::nanoseconds> begun;
    const TimePoint began = world.now();
    kernel.plan().decide(SystemCall::kSocket, [&](const FaultPlan::Seen&) {
      begun.push_back(world.now() - began);
      return std::nullopt;
    });
    Reactor reactor(kernel, GetParam().options);
    begun.clear();  // its set-up makes none that counts
    bool closed = false;
    Connector connector(reactor, {.on_close = [&](Stream&, std::error_code) { closed = true; }},
                        {.retry = retry});
    EXPECT_TRUE(connector.connect("10.0.0.2:9"));
    EXPECT_TRUE(world.run_until([&] { return closed; }));
    return begun;
  }
};

TEST_P(ConnectBackOff, DoublesUpToTheLongest) {
  const auto begun =
      attempts(1, {.limit = 5, .first_delay = 100ms, .longest_delay = 500ms, .jitter = 0});
  ASSERT_EQ(begun.size(), 6U);
  const std::chrono::milliseconds expected[] = {0ms, 100ms, 300ms, 700ms, 1200ms, 1700ms};
  for (size_t i = 0; i < begun.size(); ++i) {
    EXPECT_GE(begun[i], expected[i]);
    EXPECT_LT(begun[i], expected[i] + 1ms);
  }
}

TEST_P(ConnectBackOff, JitterTakesAPartOfEachDelayAndTheSeedSaysWhich) {
  const RetryOptions retry{.limit = 4, .first_delay = 100ms, .longest_delay = 100ms, .jitter = 0.5};
  const auto begun = attempts(1, retry);
  ASSERT_EQ(begun.size(), 5U);
  for (size_t i = 1; i < begun.size(); ++i) {
    const auto delay = begun[i] - begun[i - 1];
    EXPECT_GE(delay, 50ms);
    EXPECT_LT(delay, 101ms);
  }
  EXPECT_EQ(attempts(1, retry), begun);
  EXPECT_NE(attempts(2, retry), begun);
}

EDDY_ON_EVERY_SIMULATED_CONFIGURATION(ConnectBackOff);

}  // namespace
}  // namespace eddy::test
