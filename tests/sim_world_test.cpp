// The world's own promises: time, chance, links, hosts, and what it says to an impossible one.
#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>
#include <eddy/net/server.h>
#include <eddy/sim/world.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <functional>
#include <optional>
#include <string>

namespace eddy::test {
namespace {

using namespace std::chrono_literals;  // NOLINT: for tests

using sim::Host;
using sim::World;

// An echo server on one host, and a client on another.
class SimWorld : public testing::TestWithParam<BackendKind> {
 protected:
  SimWorld() { unsetenv("EDDY_BACKEND"); }  // each test has its own
  void start() {
    server_.emplace(here_, ReactorOptions{.backend = GetParam()});
    client_.emplace(there_, ReactorOptions{.backend = GetParam()});
    ASSERT_FALSE(server_->error()) << server_->error()->message();
    echo_.emplace(*server_, StreamOptions{.on_data = [](Stream& peer, Slice bytes) {
      peer.send(std::move(bytes));
    }});
    ASSERT_TRUE(echo_->listen("10.0.0.1:7"));
  }
  Stream connect(ConnectOptions options = {}) {
    StreamOptions stream;
    stream.read_while_full = true;  // or an echo and its client wait for one another
    stream.on_open = [this](Stream&) { opened_at_ = world_.now(); };
    stream.on_data = [this](Stream&, Slice bytes) { received_ += bytes.view(); };
    stream.on_close = [this](Stream&, std::error_code code) { closed_ = code; };
    Connector connector(*client_, std::move(stream), options);
    return connector.connect("10.0.0.1:7").value();
  }
  bool arrives(std::string_view text, std::chrono::nanoseconds limit = 10s) {
    return world_.run_until([&] { return received_ == text; }, limit);
  }

  World world_{1};
  Host here_ = world_.host("10.0.0.1");
  Host there_ = world_.host("10.0.0.2");
  std::optional<Reactor> server_;
  std::optional<Reactor> client_;
  std::optional<Server> echo_;
  TimePoint opened_at_{};
  std::string received_;
  std::optional<std::error_code> closed_;
};

TEST_P(SimWorld, AConnectionTakesAsLongAsItsLinks) {
  world_.link(here_, there_, {.latency = 30ms});
  world_.link(there_, here_, {.latency = 20ms});
  start();
  const TimePoint from = world_.now();
  Stream stream = connect();
  ASSERT_TRUE(world_.run_until([&] { return opened_at_ != TimePoint{}; }));
  EXPECT_GE(opened_at_ - from, 50ms);
  EXPECT_LT(opened_at_ - from, 51ms);
  stream.send(std::string_view("x"));
  const TimePoint sent = world_.now();
  ASSERT_TRUE(arrives("x"));
  EXPECT_GE(world_.now() - sent, 50ms);
  EXPECT_LT(world_.now() - sent, 51ms);
}

TEST_P(SimWorld, BytesTakeAsLongAsTheBandwidthAllows) {
  world_.link(there_, here_, {.latency = 0ns, .bytes_per_second = 10'000});
  start();
  Stream stream = connect();
  stream.send(std::string(20'000, 'x'));
  const TimePoint from = world_.now();
  ASSERT_TRUE(world_.run_until([&] { return received_.size() == 20'000; }));
  EXPECT_GE(world_.now() - from, 2s);
  EXPECT_LT(world_.now() - from, 2100ms);
}

TEST_P(SimWorld, APartitionHoldsBytesBackUntilItHeals) {
  start();
  Stream stream = connect();
  world_.run_for(1ms);
  world_.partition(here_, there_);
  stream.send(std::string_view("x"));
  world_.run_for(100s);
  EXPECT_EQ(received_, "");
  world_.heal();
  EXPECT_TRUE(arrives("x"));
}

TEST_P(SimWorld, AConnectionThatIsCutForTooLongTimesOut) {
  start();
  Stream stream = connect();
  world_.run_for(1ms);
  world_.partition(here_, there_);
  stream.send(std::string_view("x"));
  ASSERT_TRUE(world_.run_until([&] { return closed_.has_value(); }));
  EXPECT_EQ(*closed_, std::errc::timed_out);
}

TEST_P(SimWorld, ConnectingThroughAPartitionTimesOut) {
  start();
  world_.partition(here_, there_);
  connect({.timeout = 0ns});
  const TimePoint from = world_.now();
  ASSERT_TRUE(world_.run_until([&] { return closed_.has_value(); }));
  EXPECT_EQ(*closed_, std::errc::timed_out);
  EXPECT_GT(world_.now() - from, 2min);  // tcp(7), tcp_syn_retries
}

TEST_P(SimWorld, AClogHoldsOneDirectionUp) {
  start();
  Stream stream = connect();
  world_.run_for(1ms);
  world_.clog(here_, there_, 3s);
  stream.send(std::string_view("x"));
  const TimePoint from = world_.now();
  ASSERT_TRUE(arrives("x"));
  EXPECT_GE(world_.now() - from, 3s);
  EXPECT_EQ(server_->stats().counters.bytes_received, 1U);
}

TEST_P(SimWorld, AResetIsSeenByBothSides) {
  start();
  Stream stream = connect();
  stream.send(std::string_view("x"));
  ASSERT_TRUE(arrives("x"));
  EXPECT_TRUE(world_.reset(stream));
  ASSERT_TRUE(world_.run_until([&] { return closed_ && echo_->connections() == 0; }));
  EXPECT_EQ(*closed_, std::errc::connection_reset);
}

TEST_P(SimWorld, AProcessThatIsKilledEndsItsConnections) {
  start();
  Stream stream = connect();
  stream.send(std::string_view("x"));
  ASSERT_TRUE(arrives("x"));
  here_.kill();
  EXPECT_EQ(here_.open_descriptors(), 0);
  EXPECT_TRUE(world_.run_until([&] { return closed_.has_value(); }, 10s));
}

// The client's connection stands before the server has accepted it: reset then, nobody has it.
TEST_P(SimWorld, AResetBeforeTheServerHasItLeavesNothing) {
  world_.link(here_, there_, {.latency = 5ms});
  world_.link(there_, here_, {.latency = 5ms});
  start();
  Stream stream = connect();
  ASSERT_TRUE(world_.run_until([&] { return opened_at_ != TimePoint{}; }));
  EXPECT_TRUE(world_.reset(stream));
  world_.run_for(1min);
  EXPECT_EQ(closed_, std::error_code(ECONNRESET, std::system_category()));
  EXPECT_EQ(echo_->connections(), 0U);
  EXPECT_FALSE(world_.reset(stream));  // it is none any more
}

TEST_P(SimWorld, AKilledProcessMakesNoTurnAndItsSuccessorDoes) {
  start();
  bool fired = false;
  server_->start_timer(1s, [&] { fired = true; });
  client_->start_timer(500ms, [&] { here_.kill(); });
  testing::internal::CaptureStderr();
  EXPECT_EQ(server_->run(), 1);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("No such process"), std::string::npos);
  here_.stall(1ms);
  world_.run_for(10s);
  EXPECT_FALSE(fired);
  EXPECT_NE(world_.describe().find("was killed"), std::string::npos);
  echo_.reset();
  server_.reset();
  Reactor too_early(here_);
  EXPECT_TRUE(too_early.error());
  here_.restart();
  server_.emplace(here_, ReactorOptions{.backend = GetParam()});
  ASSERT_FALSE(server_->error()) << server_->error()->message();
  server_->start_timer(1s, [&] { fired = true; });
  world_.run_for(2s);
  EXPECT_TRUE(fired);
}

// What copies into the ring has a segment for it, which is no peak that a timer waits to see gone.
TEST_P(SimWorld, AnIdleReactorMakesNoTurns) {
  start();
  Stream stream = connect();
  stream.send(std::string(3'000'000, 'x'));
  ASSERT_TRUE(world_.run_until([&] { return received_.size() == 3'000'000; }));
  world_.run_for(10s);
  const uint64_t before = client_->stats().counters.turns + server_->stats().counters.turns;
  world_.run_for(1h);
  EXPECT_LE(client_->stats().counters.turns + server_->stats().counters.turns - before, 4U);
}

TEST_P(SimWorld, LoopsThatTalkForEverAreEnded) {
  start();
  world_.limit_events(10'000);
  Stream stream = connect();
  stream.send(std::string_view("x"));
  std::function<void()> again = [&] { client_->start_timer(1us, [&] { again(); }); };
  again();
  testing::internal::CaptureStderr();
  world_.run_for(1h);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("more events than"), std::string::npos);
  EXPECT_LT(world_.now() - TimePoint{}, 1h);
}

TEST_P(SimWorld, TheLongestTimesAreForEver) {
  start();
  here_.stall(std::chrono::nanoseconds::max());
  world_.clog(here_, there_, std::chrono::nanoseconds::max());
  world_.jump_wall_clock(std::chrono::nanoseconds::max());
  EXPECT_GT(here_.kernel().realtime_ns(), 0);
  connect({.timeout = 1h});
  world_.run_for(10min);
  EXPECT_FALSE(closed_ && !*closed_);
  EXPECT_EQ(echo_->connections(), 0U);
}

TEST_P(SimWorld, AHostThatStallsIsLate) {
  start();
  Stream stream = connect();
  world_.run_for(1ms);
  here_.stall(2s);
  stream.send(std::string_view("x"));
  const TimePoint from = world_.now();
  ASSERT_TRUE(arrives("x"));
  EXPECT_GE(world_.now() - from, 1999ms);
}

TEST_P(SimWorld, SignalsArrive) {
  start();
  int64_t told = 0;
  auto watch = server_->on_signal(SIGTERM, [&](int64_t count) { told += count; });
  ASSERT_TRUE(watch);
  here_.raise(SIGTERM);
  here_.raise(SIGTERM);
  there_.raise(SIGTERM);
  EXPECT_TRUE(world_.run_until([&] { return told == 2; }, 1s));
  watch->close();
}

TEST_P(SimWorld, TheWallClockJumpsAndNoTimerDoes) {
  start();
  bool fired = false;
  client_->start_timer(10s, [&] { fired = true; });
  world_.jump_wall_clock(std::chrono::hours(1000));
  world_.run_for(9s);
  EXPECT_FALSE(fired);
  world_.jump_wall_clock(-std::chrono::hours(2000));
  world_.run_for(2s);
  EXPECT_TRUE(fired);
}

// `run` drives the world: a user's main need not change.
TEST_P(SimWorld, RunDrivesTheWorld) {
  start();
  Stream stream = connect();
  stream.send(std::string_view("x"));
  client_->start_timer(5s, [&] { client_->stop(); });
  const TimePoint from = world_.now();
  EXPECT_EQ(client_->run(), 0);
  EXPECT_EQ(received_, "x");
  EXPECT_GE(world_.now() - from, 5s);
}

// With nothing under way and no timer, it would sleep for ever.
TEST_P(SimWorld, ADeadlockEndsWithWhatEverybodyWaitsFor) {
  start();
  connect();
  world_.run_for(1s);
  testing::internal::CaptureStderr();
  EXPECT_EQ(client_->run(), 1);
  const std::string told = testing::internal::GetCapturedStderr();
  for (const char* part : {"deadlock", "seed 1", "of virtual time", "10.0.0.1: ", "10.0.0.2: ",
                           "waits for an event without an end", "tcp 10.0.0.1:7 to 10.0.0.2:"}) {
    EXPECT_NE(told.find(part), std::string::npos) << part << " is not in\n" << told;
  }
  ASSERT_TRUE(client_->error());
  EXPECT_EQ(client_->error()->code().value(), EDEADLK);
}

// Where eddy is built without io_uring, asking for it is an error.
#if EDDY_HAS_URING
constexpr BackendKind kBackends[] = {BackendKind::kEpoll, BackendKind::kUring};
#else
constexpr BackendKind kBackends[] = {BackendKind::kEpoll};
#endif
INSTANTIATE_TEST_SUITE_P(, SimWorld, testing::ValuesIn(kBackends), [](const auto& test) {
  return test.param == BackendKind::kEpoll ? "SimEpoll" : "SimUring";
});

// --- Impossible worlds

void expect_error(const World& world, const char* part) {
  ASSERT_TRUE(world.error());
  EXPECT_NE(world.error()->message().find(part), std::string::npos) << world.error()->message();
}

TEST(SimWorldErrors, TwoHostsWithOneAddress) {
  World world(1);
  world.host("10.0.0.1");
  EXPECT_FALSE(world.error());
  world.host("10.0.0.1");
  expect_error(world, "10.0.0.1");
}

TEST(SimWorldErrors, AHostWithoutAnAddress) {
  for (const char* text : {"", "10.0.0", "10.0.0.1:80", "localhost", "0.0.0.0", "127.0.0.1", "::1",
                           "224.0.0.1", "255.255.255.255", "ff02::1"}) {
    World world(1);
    world.host(text);
    expect_error(world, text);
  }
}

TEST(SimWorldErrors, LinksThatCannotBe) {
  const sim::LinkOptions impossible[] = {
      {.latency = -1ns}, {.jitter = -1ns}, {.loss = -0.1}, {.loss = 1.1}};
  for (const sim::LinkOptions& options : impossible) {
    World world(1);
    const Host a = world.host("10.0.0.1");
    const Host b = world.host("fd00::2");
    world.link(a, b, options);
    expect_error(world, "10.0.0.1 to fd00::2");
  }
}

TEST(SimWorldErrors, AHostOfAnotherWorld) {
  World world(1);
  World other(2);
  const Host here = world.host("10.0.0.1");
  world.partition(here, other.host("10.0.0.2"));
  expect_error(world, "10.0.0.2");
}

TEST(SimWorldErrors, AReactorOfAnImpossibleWorldSaysSo) {
  World world(1);
  const Host host = world.host("10.0.0.1");
  Reactor reactor(host);
  world.host("10.0.0.1");
  reactor.start_timer(1s, [] { ADD_FAILURE() << "it ran"; });
  testing::internal::CaptureStderr();
  EXPECT_EQ(reactor.run(), 1);
  testing::internal::GetCapturedStderr();
  EXPECT_NE(world.describe().find("two hosts have this address"), std::string::npos);
}

TEST(SimWorldErrors, NothingRunsInAnImpossibleWorld) {
  World world(1);
  const Host host = world.host("10.0.0.1");
  world.host("10.0.0.1");
  const TimePoint from = world.now();
  world.run_for(1s);
  EXPECT_EQ(world.now(), from);
  EXPECT_FALSE(world.run_until([] { return true; }));
  EXPECT_FALSE(world.reset(host, 5));
}

TEST(SimWorldErrorsDeathTest, AReactorThatOutlivesItsWorld) {
  EXPECT_DEATH(
      {
        std::optional<World> world(1);
        Reactor reactor(world->host("10.0.0.1"));
        world.reset();
      },
      "a reactor on 10.0.0.1 outlived its world");
}

TEST(SimWorldTrace, OneSeedOneTrace) {
  const auto trace_of = [](uint64_t seed) {
    World world(seed);
    Reactor server(world.host("10.0.0.1"));
    const Host there = world.host("10.0.0.2");
    Reactor client(there);
    world.faults().swarm();
    Server echo(server, {.on_data = [](Stream& peer, Slice bytes) { peer.send(bytes); }});
    EXPECT_TRUE(echo.listen("10.0.0.1:7"));
    Connector connector(client, StreamOptions{});
    auto stream = connector.connect("10.0.0.1:7");
    if (stream) stream->send(std::string(100'000, 'x'));
    world.run_for(10s);
    return world.trace_hash();
  };
  EXPECT_EQ(trace_of(1), trace_of(1));
  EXPECT_NE(trace_of(1), trace_of(2));
}

}  // namespace
}  // namespace eddy::test
