// Memory that runs out: what needed it is lost, and what stands goes on.
#include <eddy/net/connector.h>
#include <fcntl.h>

#include <array>

#include "support/scarce_memory.h"
#include "support/stream_test.h"

namespace eddy::test {
namespace {

class FaultMemory : public StreamTest {
 protected:
  void TearDown() override {
    memory_is_out = false;
    StreamTest::TearDown();
  }
  bool echoes(Peer& client) {
    client.received.clear();
    client.send("x");
    return run_until([&] { return client.has_received("x"); });
  }
};

TEST_P(FaultMemory, AnAcceptedConnectionIsLostAndTheRestServed) {
  constexpr size_t kMany = 200;
  serve_one(echo_options());
  const Address address = *server->local_address();
  memory_is_out = true;
  std::vector<Peer> peers;
  for (size_t i = 0; i < kMany; ++i) peers.push_back(Peer::connect_to(address));
  EXPECT_TRUE(run_until([&] { return counters().accepted == kMany + 1; }));
  const size_t lost = counters().accept_failures;
  EXPECT_GT(lost, 0U);
  EXPECT_LT(lost, kMany);  // there was memory for some
  EXPECT_EQ(server->connections(), kMany + 1 - lost);
  EXPECT_TRUE(echoes(peer));
  size_t ended = 0;
  for (Peer& one : peers) ended += one.has_ended() || one.has_failed() ? 1 : 0;
  EXPECT_EQ(ended, lost);
  memory_is_out = false;
  Peer late = Peer::connect_to(address);
  EXPECT_TRUE(echoes(late));
}

TEST_P(FaultMemory, WhatTheUserAskedForIsAnErrorAndLeavesNothing) {
  struct Session {
    std::array<char, 3000> room;  // a size that no slot has yet
  };
  StreamOptions options = journal.options();
  options.state = state_of<Session>();
  const auto shared = std::make_shared<StreamOptions>(std::move(options));
  serve_one(echo_options());
  Connector connector(reactor(), shared);
  int fds[2] = {-1, -1};
  ASSERT_EQ(machine().pipe(fds, O_CLOEXEC), 0);
  const Descriptor read_end(fds[0]);
  const Descriptor write_end(fds[1]);
  memory_is_out = true;
  const auto connected = connector.connect(*server->local_address());
  const auto adopted = adopt(reactor(), read_end.get(), shared);
  memory_is_out = false;
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code(), std::errc::not_enough_memory);
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().code(), std::errc::not_enough_memory);
  EXPECT_GE(plain_kernel().get_status_flags(read_end.get()), 0);  // still the user's
  EXPECT_TRUE(journal.events.empty());
  EXPECT_TRUE(echoes(peer));
  EXPECT_EQ(server->connections(), 1U);
}
EDDY_ON_EVERY_CONFIGURATION(FaultMemory);

}  // namespace
}  // namespace eddy::test
