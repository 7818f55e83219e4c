#include <eddy/core/mailbox.h>

#include <array>
#include <atomic>
#include <memory>
#include <numeric>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "eventfd_loop.h"

namespace eddy {
namespace {

using test::EventfdLoop;

class MailboxTest : public testing::Test {
 protected:
  EventfdLoop loop_;
  Mailbox mailbox_{loop_};
};

TEST_F(MailboxTest, RunsWhatWasPostedInOrder) {
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(mailbox_.post([&order, i] { order.push_back(i); }));
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(mailbox_.drain(), 1000U);
  std::vector<int> expected(1000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
  EXPECT_EQ(mailbox_.drain(), 0U);
}

TEST_F(MailboxTest, WhatACallablePostsIsLeftForTheNextDrain) {
  int runs = 0;
  struct Again {
    Mailbox* mailbox;
    int* runs;
    void operator()() const {
      ++*runs;
      mailbox->post(*this);
    }
  };
  mailbox_.post(Again{&mailbox_, &runs});
  EXPECT_EQ(mailbox_.drain(), 1U);
  EXPECT_EQ(mailbox_.drain(), 1U);
  EXPECT_EQ(runs, 2);
}

// Each callable has its own size, so that they begin and end at all places of a block, and checks
// its own bytes.
template <size_t kSize>
struct Sized {
  std::array<unsigned char, kSize> bytes;
  size_t* intact;
  Sized(unsigned char mark, size_t* counter) : intact(counter) { bytes.fill(mark); }
  void operator()() const {
    for (const unsigned char byte : bytes) {
      if (byte != bytes[0]) return;
    }
    ++*intact;
  }
};

template <size_t... kSizes>
size_t post_sized(Mailbox& mailbox, size_t& intact, std::index_sequence<kSizes...>) {
  (mailbox.post(Sized<kSizes * 7 + 1>(static_cast<unsigned char>(kSizes), &intact)), ...);
  return sizeof...(kSizes);
}

TEST_F(MailboxTest, CallablesOfEverySizeKeepTheirBytes) {
  size_t posted = 0;
  size_t intact = 0;
  for (int round = 0; round < 100; ++round) {
    posted += post_sized(mailbox_, intact, std::make_index_sequence<48>());
  }
  EXPECT_EQ(mailbox_.drain(), posted);
  EXPECT_EQ(intact, posted);
}

TEST_F(MailboxTest, TakesMoveOnlyAndOverAlignedCallables) {
  int sum = 0;
  mailbox_.post([&sum, one = std::make_unique<int>(1)] { sum += *one; });
  struct alignas(128) Aligned {
    int* sum;
    int operator()() && { return *sum += reinterpret_cast<uintptr_t>(this) % 128 == 0 ? 10 : 0; }
  };
  mailbox_.post(Aligned{&sum});
  const auto lvalue = [&sum] { sum += 100; };
  mailbox_.post(lvalue);
  mailbox_.drain();
  EXPECT_EQ(sum, 111);
}

TEST_F(MailboxTest, CallableIsDestroyedOnceItHasRun) {
  const auto token = std::make_shared<int>();
  mailbox_.post([token] {});
  EXPECT_EQ(token.use_count(), 2);
  mailbox_.drain();
  EXPECT_EQ(token.use_count(), 1);
}

TEST_F(MailboxTest, WakesOnceASleepAndOnlyThen) {
  mailbox_.post([] {});
  EXPECT_EQ(loop_.wakes, 0);
  EXPECT_FALSE(mailbox_.prepare_sleep());
  mailbox_.drain();

  EXPECT_TRUE(mailbox_.prepare_sleep());
  mailbox_.post([] {});
  mailbox_.post([] {});
  EXPECT_EQ(loop_.wakes, 1);
  EXPECT_TRUE(loop_.wait(0));
  mailbox_.woken();
  mailbox_.post([] {});
  EXPECT_EQ(mailbox_.drain(), 3U);
  EXPECT_EQ(loop_.wakes, 1);

  EXPECT_TRUE(mailbox_.prepare_sleep());
  mailbox_.woken();
  mailbox_.post([] {});
  EXPECT_EQ(loop_.wakes, 1);
}

TEST_F(MailboxTest, AClosedMailboxRefusesAndStillDrains) {
  int runs = 0;
  const auto token = std::make_shared<int>();
  mailbox_.post([&runs] { ++runs; });
  mailbox_.close();
  EXPECT_FALSE(mailbox_.post([&runs, token] { ++runs; }));
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_FALSE(mailbox_.prepare_sleep());
  EXPECT_EQ(mailbox_.drain(), 1U);
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(mailbox_.prepare_sleep());
  mailbox_.woken();
  EXPECT_FALSE(mailbox_.post([] {}));
}

TEST_F(MailboxTest, ClosingTwiceLosesNothing) {
  mailbox_.post([] {});
  mailbox_.close();
  mailbox_.close();
  EXPECT_EQ(mailbox_.drain(), 1U);
}

TEST_F(MailboxTest, ClosedFromWithinACallableStillRunsTheRest) {
  int runs = 0;
  mailbox_.post([this] { mailbox_.close(); });
  mailbox_.post([&runs] { ++runs; });
  EXPECT_EQ(mailbox_.drain(), 2U);
  EXPECT_EQ(runs, 1);
}

TEST_F(MailboxTest, DiscardDestroysWithoutRunningAndCounts) {
  int runs = 0;
  const auto token = std::make_shared<int>();
  for (int i = 0; i < 500; ++i) mailbox_.post([&runs, token] { ++runs; });
  mailbox_.post([&runs, token, large = std::array<char, 1000>()] { runs += large[0] + 1; });
  EXPECT_EQ(mailbox_.discard(), 501U);
  EXPECT_EQ(mailbox_.discard(), 0U);
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(runs, 0);
}

TEST(Mailbox, DestructorDestroysWhatIsLeftEvenIfThatPosts) {
  EventfdLoop loop;
  bool posted = true;
  struct PostsWhenDestroyed {
    Mailbox* mailbox;
    bool* posted;
    void operator()() const {}
    PostsWhenDestroyed(Mailbox* to, bool* result) : mailbox(to), posted(result) {}
    PostsWhenDestroyed(PostsWhenDestroyed&& other) noexcept
        : mailbox(std::exchange(other.mailbox, nullptr)), posted(other.posted) {}
    ~PostsWhenDestroyed() {
      if (mailbox != nullptr) *posted = mailbox->post([] {});
    }
  };
  {
    Mailbox mailbox(loop);
    mailbox.post(PostsWhenDestroyed(&mailbox, &posted));
  }
  EXPECT_FALSE(posted);
}

TEST_F(MailboxTest, ManyProducersKeepTheirOrder) {
  constexpr int kProducers = 4;
  constexpr int kPosts = 25'000;
  std::array<int, kProducers> next{};
  int out_of_order = 0;
  int finished = 0;
  std::vector<std::jthread> producers;
  producers.reserve(kProducers);
  for (int producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&, producer] {
      for (int i = 0; i < kPosts; ++i) {
        mailbox_.post([&, producer, i] {
          out_of_order += next[producer]++ != i;
          finished += i + 1 == kPosts;
        });
      }
    });
  }
  while (finished < kProducers) ASSERT_TRUE(loop_.turn(mailbox_)) << "a wake-up was lost";
  EXPECT_EQ(out_of_order, 0);
  EXPECT_EQ(next, (std::array<int, kProducers>{kPosts, kPosts, kPosts, kPosts}));
}

// The producer posts again a little after its last callable has run, which is just before, while or
// after the loop goes to sleep.
TEST_F(MailboxTest, PostRacingWithSleepIsNotLost) {
  constexpr int kPosts = 20'000;
  std::atomic<int> ran{0};
  std::jthread producer([&](const std::stop_token& stop) {
    for (int i = 0; i < kPosts && !stop.stop_requested(); ++i) {
      for (int tries = 0; ran.load() < i && !stop.stop_requested(); ++tries) {
        if (tries > 1000) std::this_thread::yield();
      }
      for (int delay = i % 100; delay > 0; --delay) ran.load();
      mailbox_.post([&ran] { ++ran; });
    }
  });
  while (ran.load() < kPosts) ASSERT_TRUE(loop_.turn(mailbox_)) << "a wake-up was lost";
}

TEST(Mailbox, CloseWaitsForAWakeUnderWay) {
  struct SlowWaker final : Waker {
    std::atomic<bool> entered{false};
    std::atomic<bool> may_leave{false};
    bool left = false;  // not atomic: TSan sees whether close() orders it
    void wake() noexcept override {
      entered = true;
      while (!may_leave) std::this_thread::yield();
      for (int i = 0; i < 1000; ++i) std::this_thread::yield();
      left = true;
    }
  } waker;
  Mailbox mailbox(waker);
  ASSERT_TRUE(mailbox.prepare_sleep());
  std::jthread producer([&] { mailbox.post([] {}); });
  while (!waker.entered) std::this_thread::yield();
  EXPECT_EQ(mailbox.drain(), 1U);
  waker.may_leave = true;
  mailbox.close();
  EXPECT_TRUE(waker.left);
}

TEST_F(MailboxTest, PostsFromAThreadsLastDestructorsArrive) {
  struct PostsAtThreadEnd {
    Mailbox* mailbox = nullptr;
    int* runs = nullptr;
    ~PostsAtThreadEnd() {
      for (int i = 0; i < 3; ++i) mailbox->post([counter = runs] { ++*counter; });
    }
  };
  int runs = 0;
  std::thread([&] {
    // Made before the thread's first post, so destroyed after the mailbox's own state of the
    // thread.
    thread_local PostsAtThreadEnd at_end;
    at_end.mailbox = &mailbox_;
    at_end.runs = &runs;
    mailbox_.post([&runs] { ++runs; });
  }).join();
  EXPECT_EQ(mailbox_.drain(), 4U);
  EXPECT_EQ(runs, 4);
}

}  // namespace
}  // namespace eddy
