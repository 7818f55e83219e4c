// What belongs to one connection: the user's own object, its addresses, its descriptor.
#include <eddy/net/connector.h>
#include <fcntl.h>

#include <set>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

struct Session {
  Session() { ++alive; }
  ~Session() { --alive; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  std::string name = "new";
  alignas(16) int count = 0;
  static inline int alive = 0;
};

class StreamStates : public StreamTest {};
// exec(2).
class StreamStatesOnLinux : public StreamStates {};

TEST_P(StreamStates, EachConnectionHasItsOwn) {
  StreamOptions options;
  options.state = state_of<Session>();
  options.on_data = [](Stream& from, Slice bytes) {
    auto& session = from.state<Session>();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(&session) % alignof(Session), 0U);
    session.name += bytes.view();
    from.send(session.name + std::to_string(++session.count));
  };
  serve_one(std::move(options));
  Peer other = Peer::connect_to(*server->local_address());
  peer.send("A");
  other.send("B");
  EXPECT_TRUE(run_until([&] { return peer.has_received("newA1") && other.has_received("newB1"); }));
  EXPECT_EQ(Session::alive, 2);
  peer.send("A");
  EXPECT_TRUE(run_until([&] { return peer.has_received("newA1newAA2"); }));
  other.close();
  EXPECT_TRUE(run_until([&] { return Session::alive == 1; }));
  server.reset();
  EXPECT_TRUE(run_until([&] { return Session::alive == 0; }));
}

TEST_P(StreamStates, IsThereInOnCloseAndGoneAfterIt) {
  StreamOptions options;
  options.state = state_of<Session>();
  std::string last;
  options.on_open = [](Stream& opened) { opened.state<Session>().name = "mine"; };
  options.on_close = [&](Stream& closed, std::error_code) { last = closed.state<Session>().name; };
  serve_one(std::move(options));
  peer.close();
  EXPECT_TRUE(run_until([&] { return last == "mine"; }));
  EXPECT_EQ(Session::alive, 0);
}

// One set of options, whoever makes the connections.
TEST_P(StreamStates, OptionsMayBeShared) {
  auto shared = std::make_shared<StreamOptions>(journal.options());
  shared->state = state_of<Session>();
  {
    Server first(reactor(), shared);
    Server second(reactor(), shared, {.max_connections = 1});
    Connector connector(reactor(), shared, {.timeout = 5s});
    ASSERT_TRUE(first.listen("127.0.0.1:0"));
    ASSERT_TRUE(second.listen("127.0.0.1:0"));
    auto one = connector.connect(*first.local_address());
    auto other = connector.connect(*second.local_address());
    ASSERT_TRUE(one && other);
    EXPECT_TRUE(run_until([&] { return journal.count("open") == 4; }));
    EXPECT_EQ(Session::alive, 4);
    first.for_each([](Stream& each) { EXPECT_EQ(each.state<Session>().name, "new"); });
    one->close();
    other->close();
    EXPECT_TRUE(run_until([&] { return journal.count("close") == 2; }));
  }
  EXPECT_TRUE(run_until([&] { return Session::alive == 0; }));
}

TEST_P(StreamStates, IsGoneWithTheReactor) {
  StreamOptions options;
  options.state = state_of<Session>();
  serve_one(std::move(options));
  EXPECT_EQ(Session::alive, 1);
  server.reset();
  destroy_reactor();
  EXPECT_EQ(Session::alive, 0);
}

TEST_P(StreamStates, Addresses) {
  serve_one(journal.options());
  ASSERT_TRUE(stream.peer_address());
  EXPECT_EQ(*stream.peer_address(), address_of(peer.fd()));
  EXPECT_EQ(*stream.local_address(), *server->local_address());
  EXPECT_EQ(&stream.reactor(), &reactor());
  EXPECT_TRUE(stream == stream);
  EXPECT_FALSE(stream == Stream());
  EXPECT_FALSE(Stream().is_open());
}

// The number may be another's by then: nothing must be told of it.
TEST_P(StreamStates, InOnCloseTheDescriptorIsGone) {
  StreamOptions options = journal.options();
  options.on_close = [this](Stream& closed, std::error_code reason) {
    journal.note_close(reason);
    EXPECT_FALSE(closed.is_open());
    EXPECT_EQ(closed.descriptor(), -1);
    ASSERT_FALSE(closed.peer_address());
    EXPECT_EQ(closed.peer_address().error().code(), Errc::kClosed);
    EXPECT_EQ(closed.local_address().error().code(), Errc::kClosed);
    EXPECT_FALSE(closed.send("x"));
    closed.pause();
    closed.resume();
    closed.close();
    closed.reset();
    closed.shutdown_write();
    EXPECT_EQ(closed.queued_bytes(), 0U);
  };
  serve_one(std::move(options));
  stream.send("x");
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(StreamStates, SocketOptions) {
  serve_one(journal.options());
  int on = 0;
  socklen_t length = sizeof on;
  ASSERT_EQ(plain_kernel().getsockopt(stream.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, &length),
            0);
  EXPECT_EQ(on, 1);
  EXPECT_NE(plain_kernel().get_status_flags(stream.descriptor()) & O_NONBLOCK, 0);
}

// A program that the user starts inherits nothing.
TEST_P(StreamStatesOnLinux, EveryDescriptorIsCloseOnExec) {
  std::set<int> before;
  for (int fd = 0; fd < 1024; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) before.insert(fd);
  }
  serve_one(journal.options());
  run_turns();
  int seen = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || before.contains(fd)) continue;
    EXPECT_NE(flags & FD_CLOEXEC, 0) << fd;
    ++seen;
  }
  EXPECT_GE(seen, 5);  // the backend's, the eventfd, the listener and both sides
}

EDDY_ON_EVERY_CONFIGURATION(StreamStates);
EDDY_ON_EVERY_REAL_CONFIGURATION(StreamStatesOnLinux);

}  // namespace
}  // namespace eddy::test
