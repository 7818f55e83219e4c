// A descriptor that a stream gives back is whole: nothing was lost, and nothing of eddy is left in
// it.
#include <eddy/net/connector.h>
#include <fcntl.h>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamRelease : public StreamTest {
 protected:
  // Releases the stream and waits for its descriptor.
  void release() {
    stream.release([this](int fd) { taken_.reset(fd); });
    EXPECT_FALSE(taken_.is_open());  // not from inside the call
    EXPECT_TRUE(run_until([&] { return taken_.is_open(); }));
  }
  void TearDown() override {
    taken_.reset();
    StreamTest::TearDown();
  }
  Descriptor taken_;
};

TEST_P(StreamRelease, TheTakerReadsOnAndWritesOn) {
  serve_one(journal.options());
  peer.send("for the stream");
  ASSERT_TRUE(run_until([&] { return journal.data == "for the stream"; }));
  release();
  EXPECT_EQ(server->connections(), 0U);
  EXPECT_EQ(journal.count("close"), 0U);
  peer.send("for the taker");
  Peer side(taken_.release());
  EXPECT_TRUE(run_until([&] { return side.has_received("for the taker"); }));
  side.send("from the taker");
  EXPECT_TRUE(run_until([&] { return peer.has_received("from the taker"); }));
}

TEST_P(StreamRelease, WhatIsQueuedIsSentFirst) {
  serve_one(journal.options());
  const std::string bytes = pattern(4 << 20);
  stream.send(Slice::copy_of(bytes));
  stream.release([this](int fd) { taken_.reset(fd); });
  EXPECT_FALSE(stream.send("too late"));
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return taken_.is_open();
  }));
  taken_.reset();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_TRUE(peer.received == bytes);
}

// Each byte goes to the stream or to the taker, in order, wherever the cut is.
TEST_P(StreamRelease, NoByteIsLostBetweenTheTwo) {
  for (int turns = 0; turns < 6; ++turns) {
    journal = Journal();
    serve_one(journal.options());
    const std::string bytes = pattern(600'000);
    size_t sent = peer.send(bytes);
    run_turns(turns);
    stream.release([this](int fd) { taken_.reset(fd); });
    ASSERT_TRUE(run_until([&] { return taken_.is_open(); }));
    Peer side(taken_.release());
    ASSERT_TRUE(run_until([&] {
      sent += peer.send(std::string_view(bytes).substr(sent));
      side.receive();
      return journal.data.size() + side.received.size() == bytes.size();
    }));
    EXPECT_TRUE(journal.data + side.received == bytes);
    peer.close();
  }
}

TEST_P(StreamRelease, WhatAPauseHeldIsDeliveredFirst) {
  serve_one(journal.options());
  peer.send("1");
  ASSERT_TRUE(run_until([&] { return journal.data == "1"; }));
  stream.pause();
  peer.send("2");
  run_turns();
  release();
  Peer side(taken_.release());
  side.receive();
  EXPECT_EQ(journal.data + side.received, "12");
}

TEST_P(StreamRelease, WhatIsUnreadGoesToTheTakerAndIsReceivedFirstByTheNextStream) {
  serve_one(journal.options());
  peer.send("1");
  ASSERT_TRUE(run_until([&] { return journal.data == "1"; }));
  stream.pause();
  peer.send("2");
  run_turns();
  std::string unread;
  stream.release_unread([&](int fd, const SharedBytes& bytes) {
    unread = bytes.view();
    taken_.reset(fd);
  });
  peer.send("3");
  EXPECT_TRUE(run_until([&] { return taken_.is_open(); }));
  EXPECT_EQ(journal.data, "1");
  EXPECT_EQ(journal.count("close"), 0U);
  Journal next;
  auto again = adopt(reactor(), taken_.release(),
                     SharedStreamOptions(std::make_shared<StreamOptions>(next.options())),
                     Slice::copy_of(unread));
  ASSERT_TRUE(again);
  peer.send("4");
  EXPECT_TRUE(run_until([&] { return next.data == "234"; }));
  EXPECT_EQ(next.events.front(), "open");
  again->close();
  EXPECT_TRUE(run_until([&] { return next.closed(); }));
}

// What had arrived before the reset is told first, and nobody takes a connection that is broken.
TEST_P(StreamRelease, AResetInThePlaceOfWhatIsUnreadIsTold) {
  serve_one(journal.options(), 4096);
  stream.send(Slice::copy_of(pattern(16 << 20)));
  stream.pause();
  run_turns();
  stream.release_unread([](int, const SharedBytes&) { ADD_FAILURE() << "it is broken"; });
  run_turns();
  peer.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_TRUE(journal.code);
}

TEST_P(StreamRelease, APipesStatusFlagsAreRestored) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(machine().pipe(fds, O_CLOEXEC), 0);
  const Descriptor write_end(fds[1]);
  const int before = plain_kernel().get_status_flags(fds[0]);
  stream = *adopt(reactor(), fds[0], journal.options());
  run_turns(2);
  release();
  EXPECT_EQ(taken_.get(), fds[0]);
  EXPECT_EQ(plain_kernel().get_status_flags(taken_.get()), before);
}

// The other order of shutting down: the reactor goes first.
TEST_P(StreamRelease, WithoutATakerTheDescriptorIsClosed) {
  serve_one(journal.options());
  stream.release([](int) { FAIL() << "the reactor is gone"; });
  run_turns(0);
  server.reset();
  destroy_reactor();
  EXPECT_TRUE(peer.has_ended() || peer.has_failed());
}

// Where the queue cannot be sent, there is nothing to take over: on_close tells why.
TEST_P(StreamRelease, APeerThatResetsMeanwhileIsTold) {
  serve_one(journal.options(), 4096);
  stream.send(Slice::copy_of(pattern(16 << 20)));
  run_turns();
  stream.release([this](int fd) { taken_.reset(fd); });
  run_turns();
  EXPECT_FALSE(taken_.is_open());
  peer.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_TRUE(journal.code == std::errc::connection_reset || journal.code == std::errc::broken_pipe)
      << journal.code.message();
  EXPECT_FALSE(taken_.is_open());
}

TEST_P(StreamRelease, AResetAfterItAborts) {
  serve_one(journal.options());
  stream.send("never sent");
  stream.release([this](int fd) { taken_.reset(fd); });
  stream.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_FALSE(taken_.is_open());
  EXPECT_TRUE(run_until([&] { return peer.has_failed(); }));
}

TEST_P(StreamRelease, OfAConnectThatFailsIsTold) {
  Descriptor nobody = bound_socket();
  Connector connector(reactor(), journal.options());
  stream = *connector.connect(address_of(nobody.get()));
  stream.release([this](int fd) { taken_.reset(fd); });
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, std::errc::connection_refused);
  EXPECT_FALSE(taken_.is_open());
}

EDDY_ON_EVERY_CONFIGURATION(StreamRelease);

}  // namespace
}  // namespace eddy::test
