// The backlog: what waits to be accepted, how much may, and what a client sees of a full one.
#include <eddy/net/connector.h>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class ListenBacklog : public StreamTest {
 protected:
  // One that accepts nothing before `resume`.
  void listen(int backlog) {
    listener.emplace(reactor(), [this](int fd) { accepted.emplace_back(fd); });
    const auto listening = listener->listen("127.0.0.1:0", {.backlog = backlog});
    ASSERT_TRUE(listening) << listening.error().message();
    listener->pause();
    run_turns();
  }
  Backlog queue() {
    const auto told = listener->backlog();
    EXPECT_TRUE(told) << told.error().message();
    return told.value_or(Backlog());
  }
  // On loopback the handshake is over when connect(2) returns.
  void fill(int connections) {
    for (int i = 0; i < connections; ++i) {
      peers.push_back(Peer::connect_to(*listener->local_address()));
      ASSERT_TRUE(peers.back().is_open());
    }
  }
  void TearDown() override {
    listener.reset();
    accepted.clear();
    peers.clear();
    StreamTest::TearDown();
  }

 public:
  std::optional<Listener> listener;
  std::vector<Descriptor> accepted;
  std::vector<Peer> peers;
};

TEST_P(ListenBacklog, TellsWhatWaitsAndHowMuchMay) {
  listen(5);
  EXPECT_EQ(queue().waiting, 0U);
  EXPECT_EQ(queue().limit, 5U);
  fill(3);
  EXPECT_EQ(queue().waiting, 3U);
  EXPECT_EQ(queue().dropped, 0U);
  listener->resume();
  EXPECT_TRUE(run_until([&] { return accepted.size() == 3; }));
  EXPECT_EQ(queue().waiting, 0U);
}

// listen(2): up to the backlog, and one more (sk_acceptq_is_full). A further client is told
// nothing: it waits, and tries again after a second.
TEST_P(ListenBacklog, AFullOneMakesTheClientWait) {
  listen(2);
  fill(3);
  EXPECT_EQ(queue().waiting, 3U);
  Connector connector(reactor(), journal.options(), {.timeout = 200ms});
  ASSERT_TRUE(connector.connect(*listener->local_address()));
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"close"}));
  EXPECT_EQ(journal.code, Errc::kTimedOut);
  EXPECT_EQ(queue().waiting, 3U);
  const uint32_t dropped = queue().dropped;
  EXPECT_GE(dropped, 1U);
  EXPECT_EQ(counters().backlog_drops, 0U);
  listener->close();
  EXPECT_EQ(counters().backlog_drops, dropped);
}

TEST_P(ListenBacklog, AClientThatWaitedIsAcceptedOnceThereIsRoom) {
  listen(0);
  fill(1);
  Connector connector(reactor(), journal.options());
  stream = *connector.connect(*listener->local_address());
  run_turns();
  EXPECT_TRUE(journal.events.empty());
  listener->resume();
  EXPECT_TRUE(run_until([&] { return journal.count("open") == 1 && accepted.size() == 2; }));
  EXPECT_GE(queue().dropped, 1U);
  stream.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(ListenBacklog, NothingIsToldOfWhatDoesNotListen) {
  Listener idle(reactor(), [](int) {});
  EXPECT_EQ(idle.backlog().error().code(), Errc::kClosed);
  EXPECT_EQ(idle.descriptor(), -1);
  ASSERT_TRUE(idle.listen("unix:@eddy-backlog-test"));
  EXPECT_EQ(idle.backlog().error().code(), std::errc::operation_not_supported);
}

TEST_P(ListenBacklog, AServerTellsItToo) {
  serve({}, {}, {.backlog = 7});
  EXPECT_EQ(server->backlog()->limit, 7U);
}

EDDY_ON_EVERY_CONFIGURATION(ListenBacklog);

}  // namespace
}  // namespace eddy::test
