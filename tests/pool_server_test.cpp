// A server on several reactors: who takes a connection, and how all of them end.
#include <eddy/net/pool_server.h>
#include <sys/socket.h>

#include "support/pattern.h"
#include "support/pool_serving.h"

namespace eddy::test {
namespace {

TEST_P(PoolServing, EachReactorAcceptsFromASocketOfItsOwn) {
  serve_all(Accepting::kByEach);
  EXPECT_EQ(server_->sockets().size(), kReactors);
  for (const int socket : server_->sockets()) EXPECT_EQ(address_of(socket), address_);
  spread(12);
  EXPECT_EQ(server_->connections(), 12U);
  server_->drain(kDeadline);
  expect_end();
  EXPECT_EQ(closed_.load(), 12U);
  for (Peer& served : peers_) {
    EXPECT_TRUE(served.ended || run_until([&] { return served.has_ended(); }));
  }
}

TEST_P(PoolServing, AnAcceptorHandsOverInTurn) {
  serve_all(Accepting::kInTurn);
  EXPECT_EQ(spread(9), (std::vector<int>{3, 3, 3}));
  server_->drain(kDeadline);
  expect_end();
}

TEST_P(PoolServing, AnAcceptorHandsOverToWhoHasTheFewest) {
  serve_all(Accepting::kByFewest);
  EXPECT_EQ(spread(6), (std::vector<int>{2, 2, 2}));
  std::vector<Peer> of_the_second;
  for (Peer& served : peers_) {
    if (ask(served) == 1) served.close();
  }
  EXPECT_TRUE(await(closed_, 2));
  EXPECT_EQ(spread(2), (std::vector<int>{0, 2, 0}));
  server_->drain(kDeadline);
  expect_end();
}

TEST_P(PoolServing, AfterCloseThoseThatStandAreServedOn) {
  for (const Accepting accepting : {Accepting::kByEach, Accepting::kInTurn}) {
    SCOPED_TRACE(static_cast<int>(accepting));
    ReactorPool its(kernel(), {.reactors = 2, .reactor = reactor_options});
    PoolServer serving(its, [](Reactor&, unsigned) { return echo_options(); },
                       {.accepting = accepting});
    ASSERT_TRUE(serving.listen("127.0.0.1:0"));
    const Address address = *serving.local_address();
    ASSERT_TRUE(its.start());
    Peer standing = Peer::connect_to(address);
    standing.send("1");
    ASSERT_TRUE(run_until([&] { return standing.has_received("1"); }));
    serving.close();
    ASSERT_TRUE(run_until([&] { return !Peer::connect_to(address).is_open(); }));
    standing.send("2");
    EXPECT_TRUE(run_until([&] { return standing.has_received("12"); }));
    standing.close();
    EXPECT_TRUE(its.join());
  }
}

TEST_P(PoolServing, ADrainAnswersWhatIsOnItsWayAndResetsWhoDoesNotRead) {
  serve_all(Accepting::kByEach);
  spread(4);
  Peer stuck = Peer::connect_to(address_, 4096);
  ASSERT_GE(ask(stuck), 0);
  server_->for_each([name = address_of(stuck.fd())](Stream& connection) {
    const bool is_stuck = connection.peer_address() == name;
    connection.send(Slice::copy_of(pattern(is_stuck ? 16 << 20 : 1 << 20)));
  });
  server_->drain(2s);
  EXPECT_TRUE(run_until([&] {
    for (Peer& served : peers_) served.receive();
    return server_->connections() == 0;
  }));
  for (Peer& served : peers_) {
    EXPECT_TRUE(run_until([&] { return served.has_ended(); }));
    EXPECT_EQ(served.received.size(), 2U + (1 << 20));
  }
  EXPECT_TRUE(run_until([&] { return stuck.has_failed(); }));
  expect_end();
}

TEST_P(PoolServing, ABroadcastReachesEveryConnectionOfEveryReactor) {
  serve_all(Accepting::kInTurn);
  spread(7);
  const std::string bytes = pattern(16 << 10);
  const SharedBytes shared = SharedBytes::adopt(std::string(bytes));
  server_->broadcast(shared);
  for (Peer& served : peers_) {
    EXPECT_TRUE(
        run_until([&] { return served.has_received(served.received.substr(0, 2) + bytes); }));
  }
  server_->drain(kDeadline);
  expect_end();
}

TEST_P(PoolServing, ASocketThatBreaksEndsTheWholeWithItsError) {
  serve_all(Accepting::kInTurn);
  for (const int socket : server_->sockets()) plain_kernel().shutdown(socket, SHUT_RDWR);
  const auto ended = pool().join();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().message().substr(0, 20), "accept4 in reactor 0");
}

TEST_P(PoolServing, ATakenAddressIsToldBeforeAnyThreadIsMade) {
  serve_all(Accepting::kInTurn);
  ReactorPool second(kernel(), {.reactors = 2, .reactor = reactor_options});
  PoolServer serving(second, [](Reactor&, unsigned) { return echo_options(); });
  const auto listening = serving.listen(address_);
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code(), std::errc::address_in_use);
}

EDDY_ON_EVERY_CONFIGURATION(PoolServing);

}  // namespace
}  // namespace eddy::test
