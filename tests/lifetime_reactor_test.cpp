// The end of a reactor: silent, whole, and refused where it would be a mistake.
#include <eddy/net/connector.h>
#include <sys/wait.h>

#include <thread>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class LifetimeReactor : public StreamTest {};
// fork(2).
class LifetimeReactorOnLinux : public LifetimeReactor {};
class LifetimeReactorDeathTest : public StreamTest {};
#ifndef NDEBUG
// A simulated host has one thread.
class LifetimeReactorThreadsDeathTest : public StreamTest {};
#endif

TEST_P(LifetimeReactor, ClosesWhatIsOpenWithoutCallbacks) {
  serve_one(journal.options());
  std::vector<Peer> peers;
  for (int i = 0; i < 20; ++i) peers.push_back(Peer::connect_to(*server->local_address()));
  ASSERT_TRUE(run_until([&] { return server->connections() == 21; }));
  stream.send(Slice::copy_of(pattern(4 << 20)));  // under way as the end comes
  run_turns(2);
  const Events before = journal.events;
  server.reset();
  destroy_reactor();
  EXPECT_EQ(journal.events, before);
  for (Peer& left : peers) EXPECT_TRUE(left.has_ended() || left.has_failed());
}

TEST_P(LifetimeReactor, StreamsOfNoServerTooAndWhatWasClosingAlready) {
  for (int turns = 0; turns < 4; ++turns) {
    journal = Journal();
    int fds[2] = {-1, -1};
    ASSERT_EQ(plain_kernel().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peer = Peer(fds[1]);
    stream = *adopt(reactor(), fds[0], journal.options());
    run_turns(2);
    stream.send(Slice::copy_of("x"), [this](std::error_code) { journal.note("done"); });
    stream.close();
    run_turns(turns);
    const Events before = journal.events;
    destroy_reactor();
    EXPECT_EQ(journal.events, before);
    EXPECT_TRUE(peer.has_ended());
  }
}

TEST_P(LifetimeReactor, TheServerMayBeDestroyedByWhatTheReactorDestroys) {
  serve_one(journal.options());
  auto owned = std::make_shared<std::optional<Server>>();
  owned->emplace(reactor(), journal.options());
  ASSERT_TRUE((*owned)->listen("127.0.0.1:0"));
  peer = Peer::connect_to(*(*owned)->local_address());
  ASSERT_TRUE(run_until([&] { return (*owned)->connections() == 1; }));
  reactor().defer([owned = std::move(owned)] {});
  server.reset();
  destroy_reactor();
  EXPECT_TRUE(peer.has_ended() || peer.has_failed());
}

TEST_P(LifetimeReactor, EverythingThatCanBeUnderWay) {
  serve_one(journal.options());
  stream.pause();
  Connector connector(reactor(), journal.options());
  ASSERT_TRUE(connector.connect(*server->local_address()));
  ASSERT_TRUE(connector.connect("127.0.0.1:1"));
  int fds[2] = {-1, -1};
  ASSERT_EQ(machine().pipe(fds, O_CLOEXEC), 0);
  const Descriptor read_end(fds[0]);
  const Descriptor write_end(fds[1]);
  ASSERT_TRUE(reactor().watch(read_end.get(), Interest::kReadable, [](Interest) {}));
  reactor().start_timer(1h, [] {});
  reactor().defer([this] { journal.note("deferred"); });
  reactor().post([this] { journal.note("posted"); });
  const Events before = journal.events;
  server.reset();
  destroy_reactor();
  EXPECT_EQ(journal.events, before);
}

TEST_P(LifetimeReactor, NeverRun) {
  serve(journal.options());
  peer = Peer::connect_to(*server->local_address());
  stream = *adopt(reactor(), machine().duplicate(peer.fd()), journal.options());
  stream.send("never sent");
  server.reset();
  destroy_reactor();
  EXPECT_TRUE(journal.events.empty());
}

TEST_P(LifetimeReactor, SlicesOutliveIt) {
  std::vector<Slice> kept;
  StreamOptions options;
  options.on_data = [&](Stream&, Slice bytes) { kept.push_back(std::move(bytes)); };
  serve_one(std::move(options));
  const std::string bytes = pattern(700'000);
  size_t sent = 0;
  const auto total = [&] {
    size_t sum = 0;
    for (const Slice& slice : kept) sum += slice.size();
    return sum;
  };
  ASSERT_TRUE(run_until([&] {
    sent += peer.send(std::string_view(bytes).substr(sent));
    return total() == bytes.size();
  }));
  server.reset();
  destroy_reactor();
  std::string joined;
  for (const Slice& slice : kept) joined += slice.view();
  EXPECT_TRUE(joined == bytes);
  const Slice last = kept.back();
  kept.clear();
  EXPECT_TRUE(is_pattern(last.view(), bytes.size() - last.size()));
}

TEST_P(LifetimeReactor, SeveralInOneThread) {
  serve_one(echo_options());
  Reactor second(kernel(), reactor_options);
  Server other_server(second, echo_options());
  ASSERT_TRUE(other_server.listen("127.0.0.1:0"));
  Peer other = Peer::connect_to(*other_server.local_address());
  peer.send("one");
  other.send("two");
  EXPECT_TRUE(run_until([&] {
    EXPECT_TRUE(second.run_once(0ns));
    return peer.has_received("one") && other.has_received("two");
  }));
}

// A child has its parent's reactor, but must not use it.
TEST_P(LifetimeReactorOnLinux, AForkedChildIsRefusedAndTheParentGoesOn) {
  serve_one(echo_options());
  Reactor fresh(kernel(), reactor_options);
  const pid_t child = fork();
  if (child == 0) {
    const auto refuses = [](Reactor& inherited) {
      const auto turned = inherited.run_once(0ns);
      return !turned && turned.error().code() == std::errc::no_child_process &&
             turned.error().message().find("fork") != std::string::npos;
    };
    _exit(refuses(fresh) && refuses(reactor()) ? 0 : 1);  // one that has run is no other
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(fresh.run_once(0ns));
  peer.send("on");
  EXPECT_TRUE(run_until([&] { return peer.has_received("on"); }));
}

// The child's copy goes away without touching what the parent still uses.
TEST_P(LifetimeReactorOnLinux, AForkedChildMayDestroyItsCopy) {
  serve_one(echo_options());
  const pid_t child = fork();
  if (child == 0) {
    server.reset();
    destroy_reactor();
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  peer.send("on");
  EXPECT_TRUE(run_until([&] { return peer.has_received("on"); }));
  EXPECT_TRUE(stream.is_open());
}

TEST_P(LifetimeReactorDeathTest, DestroyedByItsOwnCallback) {
  EXPECT_DEATH(
      {
        auto doomed = std::make_unique<Reactor>(kernel(), reactor_options);
        doomed->defer([&] { doomed.reset(); });
        static_cast<void>(doomed->run_once(0ns));
      },
      "this program broke a rule: a Reactor was destroyed by one of its own callbacks");
}

TEST_P(LifetimeReactorDeathTest, RunByItsOwnCallback) {
  EXPECT_DEATH(
      {
        Reactor nested(kernel(), reactor_options);
        nested.defer([&] { nested.run(); });
        static_cast<void>(nested.run_once(0ns));
      },
      "run or run_once was called by a callback");
}

// What is done before the turn waits is a callback as well.
TEST_P(LifetimeReactorDeathTest, RunByACallbackBeforeTheWait) {
  EXPECT_DEATH(
      {
        Reactor nested(kernel(), reactor_options);
        nested.before_sleep([&] { static_cast<void>(nested.run_once(0ns)); });
        static_cast<void>(nested.run_once(10ms));
      },
      "run or run_once was called by a callback");
}

TEST_P(LifetimeReactorDeathTest, TheStateOfAStreamThatHasAnother) {
  serve_one(journal.options());
  EXPECT_DEATH(stream.state<int>(), "this program broke a rule: Stream::state<T> was called, and");
}

#ifndef NDEBUG

TEST_P(LifetimeReactorDeathTest, AStreamUsedAfterItsOnClose) {
  serve_one(journal.options());
  stream.close();
  ASSERT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_FALSE(stream.is_open());  // the one thing that may be asked
  EXPECT_DEATH(stream.send("x"), "this program broke a rule: a Stream was used after its on_close");
  EXPECT_DEATH(stream.close(), "this program broke a rule: a Stream was used after its on_close");
  EXPECT_DEATH(stream.pause(), "this program broke a rule: a Stream was used after its on_close");
}

TEST_P(LifetimeReactorDeathTest, AStreamThatNamesNoConnection) {
  EXPECT_DEATH(Stream().send("x"), "a Stream that names no connection was used");
}

TEST_P(LifetimeReactorThreadsDeathTest, AStreamUsedByAnotherThread) {
  serve_one(journal.options());
  EXPECT_DEATH(std::thread([&] { stream.send("x"); }).join(),
               "a Stream was used by a thread that is not its reactor's");
}

TEST_P(LifetimeReactorThreadsDeathTest, RunByAnotherThread) {
  // A process of its own: in one that was forked, that would be told first.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  run_turns(1);
  EXPECT_DEATH(std::thread([&] { static_cast<void>(reactor().run_once(0ns)); }).join(),
               "a Reactor was run by a second thread");
}

TEST_P(LifetimeReactorThreadsDeathTest, DestroyedByAnotherThread) {
  run_turns(1);
  EXPECT_DEATH(std::thread([&] { destroy_reactor(); }).join(),
               "destroyed by a thread that is not the one that ran it");
}

TEST_P(LifetimeReactorDeathTest, AWatchUsedAfterItWasClosed) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(machine().pipe(fds, O_CLOEXEC), 0);
  const Descriptor read_end(fds[0]);
  const Descriptor write_end(fds[1]);
  auto watch = reactor().watch(read_end.get(), Interest::kReadable, [](Interest) {});
  ASSERT_TRUE(watch);
  watch->close();
  watch->close();  // closing twice is nothing
  EXPECT_DEATH(watch->set_interest(Interest::kNone), "a Watch was used after it was closed");
}

#else

TEST_P(LifetimeReactor, AStreamUsedAfterItsOnCloseDoesNothing) {
  serve_one(journal.options());
  stream.close();
  ASSERT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_FALSE(stream.send("x"));
  EXPECT_FALSE(stream.commit(0));
  EXPECT_TRUE(stream.reserve(1).empty());
  EXPECT_EQ(stream.queued_bytes(), 0U);
  EXPECT_FALSE(stream.peer_address());
  stream.pause();
  stream.close();
  // Nor to whoever has taken its place.
  Peer other = Peer::connect_to(*server->local_address());
  ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
  EXPECT_FALSE(stream.send("x"));
  stream.reset();
  run_turns();
  EXPECT_EQ(server->connections(), 1U);
  EXPECT_TRUE(other.has_received(""));
}

#endif

EDDY_ON_EVERY_CONFIGURATION(LifetimeReactor);
EDDY_ON_EVERY_REAL_CONFIGURATION(LifetimeReactorOnLinux);
EDDY_ON_EVERY_CONFIGURATION(LifetimeReactorDeathTest);
#ifndef NDEBUG
EDDY_ON_EVERY_REAL_CONFIGURATION(LifetimeReactorThreadsDeathTest);
#endif

}  // namespace
}  // namespace eddy::test
