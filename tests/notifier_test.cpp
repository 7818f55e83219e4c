#include <eddy/core/notifier.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "eventfd_loop.h"

namespace eddy {
namespace {

using test::EventfdLoop;

class NotifierTest : public testing::Test {
 protected:
  // A notifier that keeps what its callback was told.
  Notifier make_recording() {
    return Notifier(mailbox_, [this](uint64_t count) { told_.push_back(count); });
  }

  EventfdLoop loop_;
  Mailbox mailbox_{loop_};
  std::vector<uint64_t> told_;
};

using Told = std::vector<uint64_t>;

TEST_F(NotifierTest, CoalescesAndCounts) {
  const Notifier notifier = make_recording();
  notifier.notify();
  notifier.notify();
  notifier.notify();
  EXPECT_EQ(mailbox_.drain(), 1U);
  notifier.notify();
  EXPECT_EQ(mailbox_.drain(), 1U);
  EXPECT_EQ(mailbox_.drain(), 0U);
  EXPECT_EQ(told_, (Told{3, 1}));
}

TEST_F(NotifierTest, WakesASleepingLoopOnce) {
  const Notifier notifier = make_recording();
  ASSERT_TRUE(mailbox_.prepare_sleep());
  notifier.notify();
  notifier.notify();
  EXPECT_EQ(loop_.wakes, 1);
  EXPECT_TRUE(loop_.wait(0));
}

TEST_F(NotifierTest, NotifyInItsOwnCallbackIsForTheNextDrain) {
  int runs = 0;
  std::optional<Notifier> notifier;
  notifier.emplace(mailbox_, [&](uint64_t) {
    if (++runs < 3) notifier->notify();
  });
  notifier->notify();
  EXPECT_EQ(mailbox_.drain(), 1U);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(mailbox_.drain(), 1U);
  EXPECT_EQ(mailbox_.drain(), 1U);
  EXPECT_EQ(mailbox_.drain(), 0U);
  EXPECT_EQ(runs, 3);
}

TEST_F(NotifierTest, DestroyedWhilePendingRunsNoMore) {
  std::optional<Notifier> notifier = make_recording();
  notifier->notify();
  mailbox_.post([&] { told_.push_back(100); });
  notifier.reset();
  mailbox_.drain();
  EXPECT_EQ(told_, (Told{100}));
}

TEST_F(NotifierTest, DestroyedInTheSameDrainRunsNoMore) {
  std::optional<Notifier> notifier = make_recording();
  mailbox_.post([&] { notifier.reset(); });
  notifier->notify();
  mailbox_.drain();
  EXPECT_TRUE(told_.empty());
}

TEST_F(NotifierTest, DestroyedInItsOwnCallback) {
  std::optional<Notifier> notifier;
  const auto token = std::make_shared<int>();
  notifier.emplace(mailbox_, [this, &notifier, token](uint64_t count) {
    notifier->notify();  // leaves it in the mailbox, as an unlucky signal would
    notifier.reset();
    told_.push_back(count);
  });
  notifier->notify();
  mailbox_.drain();
  EXPECT_EQ(told_, (Told{1}));
  mailbox_.drain();
  EXPECT_EQ(told_, (Told{1}));
  EXPECT_EQ(token.use_count(), 1);
}

TEST_F(NotifierTest, MovesWhilePending) {
  Notifier first = make_recording();
  first.notify();
  const Notifier second = std::move(first);
  second.notify();
  mailbox_.drain();
  EXPECT_EQ(told_, (Told{2}));
}

TEST_F(NotifierTest, InAClosedMailboxNothingHappens) {
  const Notifier notifier = make_recording();
  mailbox_.close();
  notifier.notify();
  EXPECT_EQ(mailbox_.drain(), 0U);
  EXPECT_TRUE(told_.empty());
}

TEST(Notifier, MayBeDestroyedAfterItsMailbox) {
  EventfdLoop loop;
  int runs = 0;
  std::optional<Mailbox> mailbox(std::in_place, loop);
  const Notifier pending(*mailbox, [&runs](uint64_t) { ++runs; });
  pending.notify();
  EXPECT_EQ(mailbox->discard(), 1U);
  mailbox.reset();
  EXPECT_EQ(runs, 0);
}

TEST_F(NotifierTest, CountsAreCompleteFromManyThreads) {
  constexpr int kThreads = 3;
  constexpr uint64_t kNotifications = 20'000;
  uint64_t sum = 0;
  const Notifier notifier(mailbox_, [&sum](uint64_t count) { sum += count; });
  std::vector<std::jthread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (uint64_t n = 0; n < kNotifications; ++n) notifier.notify();
    });
  }
  while (sum < kThreads * kNotifications) ASSERT_TRUE(loop_.turn(mailbox_)) << "lost at " << sum;
  EXPECT_EQ(sum, kThreads * kNotifications);
}

// The handler of SIGUSR1 in these tests notifies.
class SignalTest : public NotifierTest {
 protected:
  void SetUp() override {
    target_ = &notifier_;
    struct sigaction action = {};
    action.sa_handler = [](int) { target_->notify(); };
    ASSERT_EQ(sigaction(SIGUSR1, &action, &before_), 0);
  }
  void TearDown() override { sigaction(SIGUSR1, &before_, nullptr); }

  static inline const Notifier* target_ = nullptr;
  Notifier notifier_ = make_recording();
  struct sigaction before_ = {};
};

TEST_F(SignalTest, HandlerWakesALoopAboutToSleepAndKeepsErrno) {
  ASSERT_TRUE(mailbox_.prepare_sleep());
  errno = EDOM;
  raise(SIGUSR1);
  EXPECT_EQ(errno, EDOM);
  EXPECT_TRUE(loop_.wait(20'000));
  mailbox_.woken();
  EXPECT_EQ(mailbox_.drain(), 1U);
  EXPECT_EQ(told_, (Told{1}));
}

// Signals meet the loop's thread at any place of post(), drain() and prepare_sleep().
TEST_F(SignalTest, HandlerMayInterruptTheMailboxAnywhere) {
  constexpr int kSignals = 2000;
  int posted_runs = 0;
  std::atomic<int> handled{0};
  std::atomic<bool> all_sent{false};
  const pthread_t loop_thread = pthread_self();
  std::jthread sender([&](const std::stop_token& stop) {
    for (int i = 0; i < kSignals; ++i) {
      pthread_kill(loop_thread, SIGUSR1);
      // Signals coalesce as well: the next one only when this one has been handled, so that all can
      // be counted.
      while (handled.load() <= i && !stop.stop_requested()) std::this_thread::yield();
    }
    all_sent = true;
  });
  int posts = 0;
  uint64_t sum = 0;
  while (!all_sent || sum < kSignals) {
    for (int i = 0; i < 10; ++i, ++posts) mailbox_.post([&posted_runs] { ++posted_runs; });
    ASSERT_TRUE(loop_.turn(mailbox_));
    for (const uint64_t count : std::exchange(told_, {})) sum += count;
    handled = static_cast<int>(sum);
  }
  EXPECT_EQ(sum, uint64_t{kSignals});
  EXPECT_EQ(posted_runs, posts);
}

}  // namespace
}  // namespace eddy
