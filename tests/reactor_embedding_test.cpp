// A reactor inside a loop that is not eddy's: it sleeps in poll(2), and the reactor never.
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class ReactorEmbedding : public StreamTest {
 protected:
  // The loop as its owner would write it. Its sleeps are long, so that one wake-up that is missed
  // fails the test.
  bool poll_until(const std::function<bool()>& condition) {
    const int fd = reactor().poll_fd();
    EXPECT_GE(fd, 0);
    for (wakes_ = 0; wakes_ < 100'000 && !condition(); ++wakes_) {
      pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
      if (!reactor().prepare() && !condition()) {  // prepare may call back, and send
        const timespec timeout = until_deadline();
        if (ppoll(&entry, 1, &timeout, nullptr) == 0 && timeout.tv_sec >= kTooLong) return false;
      }
      if (!reactor().run_once(0ns)) return false;
    }
    return condition();
  }
  timespec until_deadline() {
    const auto deadline = reactor().next_deadline();
    const std::chrono::nanoseconds wait =
        deadline ? std::max(*deadline - reactor().now(), 0ns) : 20s;
    return {wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
  }
  static constexpr time_t kTooLong = 10;
  int wakes_ = 0;
};

TEST_P(ReactorEmbedding, ATimer) {
  bool fired = false;
  reactor().start_timer(5ms, [&] { fired = true; });
  EXPECT_TRUE(poll_until([&] { return fired; }));
  EXPECT_LT(wakes_, 50);
}

TEST_P(ReactorEmbedding, AnEchoWithAClientInAnotherThread) {
  const Address address = serve(echo_options());
  std::atomic<bool> intact = false;
  std::atomic<bool> finished = false;
  std::thread client([&] {
    Peer mine = Peer::connect_to(address);
    bool same = true;
    for (int i = 0; i < 200 && same; ++i) {
      mine.send("ping");
      std::string answer;
      while (answer.size() < 4 && mine.error == 0 && !mine.ended) {
        pollfd entry = {.fd = mine.fd(), .events = POLLIN, .revents = 0};
        if (poll(&entry, 1, 15'000) != 1) break;
        mine.receive();
        answer += std::exchange(mine.received, {});
      }
      same = answer == "ping";
    }
    intact = same;
    finished = true;
    reactor().post([] {});
  });
  EXPECT_TRUE(poll_until([&] { return finished.load(); }));
  client.join();
  EXPECT_TRUE(intact);
}

TEST_P(ReactorEmbedding, PostsFromAnotherThread) {
  constexpr int kPosts = 2'000;
  int ran = 0;
  reactor();
  std::thread poster([&] {
    for (int i = 0; i < kPosts; ++i) {
      reactor().post([&] { ++ran; });
      if (i % 100 == 0) std::this_thread::yield();
    }
  });
  EXPECT_TRUE(poll_until([&] { return ran == kPosts; }));
  poster.join();
}

TEST_P(ReactorEmbedding, WhatIsAskedForOutsideATurnIsStartedByPrepare) {
  serve_one(echo_options());
  stream.send("from outside");
  EXPECT_TRUE(poll_until([&] { return peer.has_received("from outside"); }));
  bool done = false;
  stream.send(Slice::of_static("!"), [&](std::error_code) { done = true; });
  EXPECT_TRUE(poll_until([&] { return done; }));
  reactor().defer([&] { done = false; });
  EXPECT_TRUE(poll_until([&] { return !done; }));
}

TEST_P(ReactorEmbedding, ALargeTransferToASlowReader) {
  serve_one(echo_options(), 8192);
  std::atomic<bool> finished = false;
  bool intact = false;
  std::thread client([&] {
    PatternExchange transfer(peer, 2 << 20);
    while (!transfer.step()) {
      pollfd entry = {.fd = peer.fd(), .events = POLLIN, .revents = 0};
      if (transfer.sent < 2 << 20) entry.events |= POLLOUT;
      if (poll(&entry, 1, 15'000) != 1) break;
    }
    intact = transfer.complete();
    finished = true;
    reactor().post([] {});
  });
  EXPECT_TRUE(poll_until([&] { return finished.load(); }));
  client.join();
  EXPECT_TRUE(intact);
}

TEST_P(ReactorEmbedding, BeforeSleepComesWithPrepare) {
  int calls = 0;
  reactor().before_sleep([&] { ++calls; });
  EXPECT_FALSE(reactor().prepare());
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(reactor().run_once(0ns));
}

// The foreign loop sleeps in the real kernel.
EDDY_ON_EVERY_REAL_CONFIGURATION(ReactorEmbedding);

}  // namespace
}  // namespace eddy::test
