// The decorator itself: what it does to calls, to epoll and to a ring, and that it does nothing
// else.
#include <eddy/core/faulty_kernel.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "support/configurations.h"
#include "support/descriptors.h"

#if EDDY_HAS_URING
#include <eddy/core/uring_queue.h>
#include <poll.h>
#endif

namespace eddy::test {
namespace {

using namespace std::chrono_literals;  // NOLINT: for tests

class FaultyKernelTest : public testing::TestWithParam<Configuration> {
 private:
  const Machine machine_{GetParam().simulated};  // before all else, and gone after it

 protected:
  void SetUp() override {
    int pair[2];
    ASSERT_EQ(kernel_.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    here_ = Descriptor(pair[0]);
    there_ = Descriptor(pair[1]);
  }
  FaultPlan& plan() { return kernel_.plan(); }
  ssize_t send(std::string_view bytes) {
    return kernel_.send(there_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  std::string receive() {
    std::array<char, 64> room;
    const ssize_t count = kernel_.recv(here_.get(), room.data(), room.size(), 0);
    return count < 0 ? std::to_string(count) : std::string(room.data(), static_cast<size_t>(count));
  }

  FaultyKernel kernel_{plain_kernel()};
  Descriptor here_;
  Descriptor there_;
};

TEST_P(FaultyKernelTest, WithoutAPlanEverythingIsAsItWas) {
  EXPECT_EQ(send("hello"), 5);
  EXPECT_EQ(receive(), "hello");
  EXPECT_EQ(plan().calls(SystemCall::kSend), 1U);
  EXPECT_EQ(plan().calls(SystemCall::kAny), 3U);
  EXPECT_EQ(plan().fired().failed_calls, 0U);
}

TEST_P(FaultyKernelTest, ARuleSkipsRepeatsAndEnds) {
  plan().fail(SystemCall::kSend, EPIPE, {.after = 2, .every = 3, .times = 2});
  std::vector<bool> failed;
  for (int i = 0; i < 10; ++i) failed.push_back(send("x") == -EPIPE);
  EXPECT_EQ(failed, (std::vector<bool>{false, false, true, false, false, true, false, false, false,
                                       false}));
  EXPECT_EQ(plan().fired().failed_calls, 2U);
  EXPECT_EQ(receive(), "xxxxxxxx");
}

TEST_P(FaultyKernelTest, TheNthCallOfAnyKind) {
  plan().fail(SystemCall::kAny, ENOMEM, {.after = 1});
  EXPECT_EQ(send("x"), 1);
  EXPECT_EQ(receive(), std::to_string(-ENOMEM));
  EXPECT_EQ(receive(), "x");
}

TEST_P(FaultyKernelTest, AHookSeesTheCallAndDecides) {
  plan().decide(SystemCall::kSend, [&](const FaultPlan::Seen& seen) -> std::optional<int64_t> {
    EXPECT_EQ(seen.fd, there_.get());
    if (seen.argument > 3) return -EMSGSIZE;
    return {};
  });
  EXPECT_EQ(send("long one"), -EMSGSIZE);
  EXPECT_EQ(send("one"), 3);
}

TEST_P(FaultyKernelTest, ClearedItFailsNoMore) {
  plan().fail(SystemCall::kAny, EIO, {.times = kAlways});
  EXPECT_EQ(send("x"), -EIO);
  plan().clear();
  EXPECT_EQ(send("x"), 1);
}

TEST_P(FaultyKernelTest, ShortTransfersMoveTheFirstBytes) {
  plan().shorten(SystemCall::kSendmsg, 4);
  plan().shorten(SystemCall::kRecv, 1);
  std::string first = "abc";
  std::string second = "def";
  iovec pieces[] = {{first.data(), 3}, {second.data(), 3}};
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  EXPECT_EQ(kernel_.sendmsg(there_.get(), &message, MSG_NOSIGNAL), 4);
  EXPECT_EQ(receive(), "a");
  EXPECT_EQ(receive(), "bcd");
  EXPECT_EQ(plan().fired().shortened_calls, 2U);
}

// close(2): the descriptor is gone whatever it says.
TEST_P(FaultyKernelTest, AFailedCloseClosesAllTheSame) {
  const size_t before = machine().open_descriptors();
  plan().fail(SystemCall::kClose, EINTR);
  EXPECT_EQ(kernel_.close(there_.release()), -EINTR);
  EXPECT_EQ(machine().open_descriptors(), before - 1);
}

TEST_P(FaultyKernelTest, ClocksMoveWhenTold) {
  const int64_t monotonic = kernel_.monotonic_ns();
  const int64_t realtime = kernel_.realtime_ns();
  kernel_.jump(-1h);
  EXPECT_LT(kernel_.realtime_ns(), realtime);
  EXPECT_LT(kernel_.monotonic_ns() - monotonic, std::chrono::nanoseconds(30min).count());
  kernel_.advance(2h);
  EXPECT_GE(kernel_.monotonic_ns() - monotonic, std::chrono::nanoseconds(2h).count());
  EXPECT_GE(kernel_.realtime_ns() - realtime, std::chrono::nanoseconds(1h).count());
}

TEST_P(FaultyKernelTest, TheSameSeedFailsTheSameCalls) {
  const auto results = [&](uint64_t seed) {
    plan().chaos(seed, {.interrupt = 0.3, .would_block = 0.2, .shorten = 0.3});
    std::vector<ssize_t> seen;
    for (int i = 0; i < 200; ++i) {
      seen.push_back(send("0123456789"));
      std::array<char, 4096> room;
      plain_kernel().recv(here_.get(), room.data(), room.size(), 0);
    }
    return seen;
  };
  const auto once = results(7);
  EXPECT_EQ(results(7), once);
  EXPECT_NE(results(8), once);
}
EDDY_ON_EVERY_MACHINE(FaultyKernelTest);

// --- epoll

class FaultyEpoll : public FaultyKernelTest {
 protected:
  void SetUp() override {
    FaultyKernelTest::SetUp();
    epoll_ = Descriptor(kernel_.epoll_create());
    epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = 77}};
    ASSERT_EQ(kernel_.epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, here_.get(), &event), 0);
    EXPECT_EQ(wait(), EPOLLOUT);
    EXPECT_EQ(wait(), 0U);
  }
  // What is told of `here_`, at once.
  uint32_t wait() {
    epoll_event event = {};
    const int count = kernel_.epoll_wait(epoll_.get(), &event, 1, 0);
    EXPECT_EQ(event.data.u64, count == 1 ? 77U : 0U);
    return event.events;
  }
  Descriptor epoll_;
};

TEST_P(FaultyEpoll, WhatIsDeniedIsToldAgain) {
  send("hello");
  EXPECT_EQ(wait(), EPOLLIN | EPOLLOUT);
  plan().fail(SystemCall::kRecv, EAGAIN);
  EXPECT_EQ(receive(), std::to_string(-EAGAIN));
  EXPECT_EQ(wait(), EPOLLIN);
  EXPECT_EQ(receive(), "hello");
  EXPECT_EQ(receive(), std::to_string(-EAGAIN));
  EXPECT_EQ(wait(), 0U);
}

TEST_P(FaultyEpoll, WhatIsCutShortIsToldAgain) {
  send("hello");
  wait();
  plan().shorten(SystemCall::kRecv, 2);
  EXPECT_EQ(receive(), "he");
  EXPECT_EQ(wait(), EPOLLIN);
  EXPECT_EQ(receive(), "llo");
  EXPECT_EQ(wait(), 0U);
}

// Edge-triggered, it is told once; told again, it comes with the rest.
TEST_P(FaultyEpoll, AHangUpThatWasToldIsToldAgain) {
  there_.reset();
  EXPECT_EQ(wait() & (EPOLLIN | EPOLLHUP), EPOLLIN | EPOLLHUP);
  plan().fail(SystemCall::kRecv, EAGAIN);
  receive();
  EXPECT_EQ(wait(), EPOLLIN | EPOLLHUP);
}

TEST_P(FaultyEpoll, SpuriousReadiness) {
  plan().spurious_readiness();
  EXPECT_EQ(wait(), EPOLLIN | EPOLLOUT);
  EXPECT_EQ(receive(), std::to_string(-EAGAIN));
  EXPECT_EQ(plan().fired().spurious_events, 1U);
  EXPECT_EQ(wait(), 0U);
}

TEST_P(FaultyEpoll, OnlyAddingFails) {
  plan().fail(SystemCall::kEpollCtl, ENOSPC, {.times = kAlways});
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = 77}};
  EXPECT_EQ(kernel_.epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, here_.get(), &event), 0);
  EXPECT_EQ(kernel_.epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, there_.get(), &event), -ENOSPC);
  EXPECT_EQ(kernel_.epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, here_.get(), nullptr), 0);
}
EDDY_ON_EVERY_MACHINE(FaultyEpoll);

// --- io_uring

#if EDDY_HAS_URING

// Where io_uring is forbidden there is nothing to decorate: then these see that the refusal is
// passed on.
class FaultyRing : public FaultyKernelTest {
 protected:
  bool open(unsigned entries = 8, unsigned completion_entries = 16) {
    auto queue =
        UringQueue::open(kernel_, {.entries = entries, .completion_entries = completion_entries});
    if (!queue) {
      EXPECT_FALSE(UringQueue::open(plain_kernel(), {}));
      return false;
    }
    queue_ = std::move(*queue);
    return true;
  }
  io_uring_sqe& send(uint64_t name, std::string_view bytes) {
    io_uring_sqe& entry = queue_->next_entry();
    io_uring_prep_send(&entry, there_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    entry.user_data = name;
    return entry;
  }
  // What one enter that does not wait brings: "1:5" is a result of 5 for what is named 1.
  std::vector<std::string> enter() {
    EXPECT_GE(queue_->enter(0), 0);
    std::vector<std::string> told;
    UringQueue::Completion completion;
    while (queue_->take(completion)) {
      told.push_back(std::to_string(completion.user_data) + ":" +
                     std::to_string(completion.result) +
                     ((completion.flags & IORING_CQE_F_MORE) != 0 ? "+" : ""));
    }
    return told;
  }
  using Told = std::vector<std::string>;

  std::unique_ptr<UringQueue> queue_;
};
// A poll that goes on, which eddy does not use and the simulation has not.
class FaultyRingOnLinux : public FaultyRing {};

TEST_P(FaultyRing, WithoutAPlanEverythingIsAsItWas) {
  if (!open()) return;
  send(1, "hello");
  send(2, "world!");
  EXPECT_EQ(enter(), (Told{"1:5", "2:6"}));
  EXPECT_EQ(receive(), "helloworld!");
}

TEST_P(FaultyRing, AFailedSubmissionNeverReachesTheKernel) {
  if (!open()) return;
  plan().fail(UringOperation::kSend, ECONNRESET, {.after = 1});
  for (uint64_t i = 1; i <= 3; ++i) send(i, "x");
  const Told told = enter();
  EXPECT_EQ(std::set<std::string>(told.begin(), told.end()),
            (std::set<std::string>{"1:1", "2:-104", "3:1"}));
  EXPECT_EQ(receive(), "xx");
}

TEST_P(FaultyRing, AShortSend) {
  if (!open()) return;
  plan().shorten(UringOperation::kSend, 2);
  send(1, "hello");
  EXPECT_EQ(enter(), Told{"1:2"});
  EXPECT_EQ(receive(), "he");
}

TEST_P(FaultyRing, ADelayedCompletionCountsEnters) {
  if (!open()) return;
  plan().delay(UringOperation::kSend, 2);
  send(1, "a");
  send(2, "b");
  EXPECT_EQ(enter(), Told{"2:1"});
  EXPECT_EQ(enter(), Told{});
  EXPECT_EQ(enter(), Told{"1:1"});
}

// A sleep would last for ever: nothing else comes.
TEST_P(FaultyRing, ADelayDoesNotOutlastASleep) {
  if (!open()) return;
  plan().delay(UringOperation::kSend, 3);
  send(1, "a");
  UringQueue::Completion completion = {};
  int enters = 0;
  for (; !queue_->take(completion) && enters < 100; ++enters) EXPECT_GE(queue_->enter(-1), 0);
  EXPECT_EQ(enters, 4);
  EXPECT_EQ(completion.user_data, 1U);
}

TEST_P(FaultyRingOnLinux, CompletionsOfOneOperationKeepTheirOrder) {
  if (!open()) return;
  io_uring_sqe& entry = queue_->next_entry();
  io_uring_prep_poll_multishot(&entry, here_.get(), POLLIN);
  entry.user_data = 1;
  enter();
  plan().delay(UringOperation::kPoll, 2);
  for (int i = 0; i < 3; ++i) {
    FaultyKernelTest::send("x");
    EXPECT_EQ(enter(), i < 2 ? Told{} : (Told{"1:1+", "1:1+", "1:1+"}));
  }
}

TEST_P(FaultyRingOnLinux, AMultishotThatEndsEarly) {
  if (!open()) return;
  io_uring_sqe& entry = queue_->next_entry();
  io_uring_prep_poll_multishot(&entry, here_.get(), POLLIN);
  entry.user_data = 1;
  enter();
  plan().end_multishot(UringOperation::kPoll, {.after = 1});
  FaultyKernelTest::send("x");
  EXPECT_EQ(enter(), Told{"1:1+"});
  FaultyKernelTest::send("x");
  EXPECT_EQ(enter(), Told{"1:1"});
  FaultyKernelTest::send("x");
  EXPECT_EQ(enter(), Told{});
  EXPECT_EQ(plan().fired().ended_multishots, 1U);
}

TEST_P(FaultyRing, ACancellationThatLoses) {
  if (!open()) return;
  io_uring_sqe& poll = queue_->next_entry();
  io_uring_prep_poll_add(&poll, here_.get(), POLLIN);
  poll.user_data = 1;
  enter();
  plan().lose_cancel();
  io_uring_sqe& entry = queue_->next_entry();
  io_uring_prep_cancel64(&entry, 1, 0);
  entry.user_data = 2;
  const Told told = enter();
  EXPECT_EQ(std::set<std::string>(told.begin(), told.end()),
            (std::set<std::string>{"1:-125", "2:-114"}));
}

TEST_P(FaultyRing, AClampedQueueOverflowsAndLosesNothing) {
  plan().clamp_rings(2, 2);
  if (!open(64, 256)) return;
  for (uint64_t i = 0; i < 20; ++i)
    send(i, "x");  // more than there are entries: handed over on the way
  std::set<std::string> all;
  for (int i = 0; i < 100 && all.size() < 20; ++i) {
    for (const std::string& told : enter()) all.insert(told);
  }
  EXPECT_EQ(all.size(), 20U);
  EXPECT_GT(plan().fired().held_by_overflow, 0U);
  EXPECT_EQ(receive(), std::string(20, 'x'));
}

// Only the failures of such a send are told, and in the enter that made it.
TEST_P(FaultyRing, SilentSuccessIsSilentAndItsFailureIsInTime) {
  if (!open()) return;
  plan().delay(UringOperation::kAny, 5, {.times = kAlways});
  plan().fail(UringOperation::kSend, EAGAIN, {.after = 1});
  plan().shorten(UringOperation::kSend, 1, {.after = 1});  // of those that are made: the third
  for (uint64_t i = 1; i <= 4; ++i) send(i, "xy").flags |= IOSQE_CQE_SKIP_SUCCESS;
  EXPECT_EQ(enter(), (Told{"2:-11", "3:1"}));
  EXPECT_EQ(receive(), "xyxxy");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(enter(), Told{});
}
EDDY_ON_EVERY_MACHINE(FaultyRing);
EDDY_ON_CONFIGURATIONS(FaultyRingOnLinux, std::vector{every_machine().front()});

#endif

}  // namespace
}  // namespace eddy::test
