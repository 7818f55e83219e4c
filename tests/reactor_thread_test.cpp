// What other threads and signal handlers may do to a loop: post, stop, notify.
#include <signal.h>

#include <atomic>
#include <thread>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class ReactorThread : public StreamTest {
 protected:
  // run() in this thread, beside `work` in another.
  void run_beside(std::function<void()> work) {
    reactor().ref();
    std::thread other(std::move(work));
    EXPECT_EQ(reactor().run(), 0);
    other.join();
    reactor().unref();
  }
};

TEST_P(ReactorThread, PostsRunInTheLoopsThreadInOrder) {
  constexpr int kPosts = 20'000;
  const auto loops_thread = std::this_thread::get_id();
  std::vector<int> order;
  run_beside([&] {
    for (int i = 0; i < kPosts; ++i) {
      reactor().post([&, i] {
        EXPECT_EQ(std::this_thread::get_id(), loops_thread);
        order.push_back(i);
        if (i + 1 == kPosts) reactor().stop();
      });
    }
  });
  ASSERT_EQ(order.size(), static_cast<size_t>(kPosts));
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

// Each post is made as the loop is about to sleep, or asleep: none may be missed.
TEST_P(ReactorThread, NoWakeUpIsLost) {
  constexpr int kRounds = 5'000;
  std::atomic<int> answered = 0;
  run_beside([&] {
    for (int i = 0; i < kRounds; ++i) {
      reactor().post([&] { answered.fetch_add(1); });
      const auto deadline = std::chrono::steady_clock::now() + kDeadline;
      while (answered.load() <= i && std::chrono::steady_clock::now() < deadline) {
        if (i % 3 == 0) std::this_thread::yield();
      }
    }
    reactor().stop();
  });
  EXPECT_EQ(answered.load(), kRounds);
}

TEST_P(ReactorThread, NoWakeUpIsLostWhileItSpins) {
  reactor_options.spin = 50us;
  constexpr int kRounds = 2'000;
  std::atomic<int> answered = 0;
  run_beside([&] {
    for (int i = 0; i < kRounds; ++i) {
      reactor().post([&] { answered.fetch_add(1); });
      const auto deadline = std::chrono::steady_clock::now() + kDeadline;
      while (answered.load() <= i && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
      }
    }
    reactor().stop();
  });
  EXPECT_EQ(answered.load(), kRounds);
}

TEST_P(ReactorThread, StopFromAnotherThreadEndsASleep) {
  for (int i = 0; i < 50; ++i) {
    run_beside([this] { reactor().stop(); });
  }
}

TEST_P(ReactorThread, PostsOfManyThreadsAmongTraffic) {
  serve_one(echo_options());
  constexpr int kThreads = 4;
  constexpr int kPosts = 2'000;
  std::atomic<int> ran = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int post = 0; post < kPosts; ++post) reactor().post([&] { ran.fetch_add(1); });
    });
  }
  PatternExchange transfer(peer, 1 << 20);
  EXPECT_TRUE(run_until([&] { return transfer.step() && ran.load() == kThreads * kPosts; }));
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(transfer.complete());
}

const Notifier* notified_by_signal = nullptr;

class SignalHandler {
 public:
  explicit SignalHandler(const Notifier& notifier) {
    notified_by_signal = &notifier;
    struct sigaction action = {};
    action.sa_handler = [](int) { notified_by_signal->notify(); };
    sigaction(SIGUSR2, &action, &before_);
  }
  ~SignalHandler() { sigaction(SIGUSR2, &before_, nullptr); }
  SignalHandler(const SignalHandler&) = delete;
  SignalHandler& operator=(const SignalHandler&) = delete;

 private:
  struct sigaction before_ = {};
};

TEST_P(ReactorThread, ANotifierInASignalHandlerOfAnotherThread) {
  constexpr uint64_t kSignals = 1'000;
  uint64_t notifications = 0;
  const Notifier notifier(reactor().mailbox(), [&](uint64_t count) {
    notifications += count;
    if (notifications == kSignals) reactor().stop();
  });
  const SignalHandler handler(notifier);
  run_beside([] {
    for (uint64_t i = 0; i < kSignals; ++i) raise(SIGUSR2);  // returns when it has been handled
  });
  EXPECT_EQ(notifications, kSignals);
}

TEST_P(ReactorThread, ANotifierInASignalHandlerThatInterruptsTheLoop) {
  uint64_t notifications = 0;
  const Notifier notifier(reactor().mailbox(), [&](uint64_t count) { notifications += count; });
  const SignalHandler handler(notifier);
  const size_t hook = reactor().before_sleep([] { raise(SIGUSR2); });
  EXPECT_TRUE(reactor().run_once(kDeadline));
  reactor().remove_before_sleep(hook);
  EXPECT_EQ(notifications, 1U);
}

// A reactor is made here and run there: it belongs to the thread that runs it first.
TEST_P(ReactorThread, MadeInOneThreadAndRunInAnother) {
  const auto passed_on = std::make_unique<Reactor>(reactor_options);
  std::thread([&] {
    int fired = 0;
    passed_on->start_timer(1ms, [&] { ++fired; });
    EXPECT_EQ(passed_on->run(), 0);
    EXPECT_EQ(fired, 1);
    const_cast<std::unique_ptr<Reactor>&>(passed_on).reset();
  }).join();
}

// A simulated host has one thread.
EDDY_ON_EVERY_REAL_CONFIGURATION(ReactorThread);

}  // namespace
}  // namespace eddy::test
