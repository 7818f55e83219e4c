// What io_uring may do to a receive: end it at any time, find no buffer, complete late; with rings
// of the smallest size.
#include <algorithm>
#include <memory>
#include <vector>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

// Exchanges with an echo server, all at once.
class FaultReceive : public FaultTest {
 protected:
  void expect_echoes(int connections, uint64_t bytes_each) {
    const Address address = serve(echo_options());
    std::vector<std::unique_ptr<Peer>> peers;
    std::vector<PatternExchange> transfers;
    for (int i = 0; i < connections; ++i) {
      peers.push_back(std::make_unique<Peer>(Peer::connect_to(address)));
      transfers.emplace_back(*peers.back(), bytes_each + static_cast<uint64_t>(i));
    }
    EXPECT_TRUE(run_until([&] {
      return std::ranges::count_if(transfers, [](auto& t) { return t.step(3'000); }) == connections;
    }));
    EXPECT_TRUE(std::ranges::all_of(transfers, [](auto& t) { return t.complete(); }));
    const size_t idle = reactor().stats().segments_in_use;
    EXPECT_LE(idle, reactor_options.buffers.max_segments);
    peers.clear();
    EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
  }
};

TEST_P(FaultReceive, MoreIsMissingAtEveryCompletion) {
  plan().end_multishot(UringOperation::kReceive, kEveryTime);
  plan().end_multishot(UringOperation::kAccept, kEveryTime);
  expect_echoes(20, 50'000);
  EXPECT_GE(fired().ended_multishots, 1U);
}

TEST_P(FaultReceive, MoreIsMissingNowAndThen) {
  plan().end_multishot(UringOperation::kReceive, {.after = 3, .every = 7, .times = kAlways});
  plan().end_multishot(UringOperation::kAccept, {.after = 1, .every = 3, .times = kAlways});
  expect_echoes(20, 50'000);
}

TEST_P(FaultReceive, CancelledThoughNobodyAsked) {
  plan().fail(UringOperation::kReceive, ECANCELED, kEverySecondTime);
  plan().fail(UringOperation::kSend, ECANCELED, kEverySecondTime);
  plan().fail(UringOperation::kAccept, ECANCELED, kEverySecondTime);
  expect_echoes(5, 50'000);
}

TEST_P(FaultReceive, NoBufferThoughThereAreSome) {
  plan().fail(UringOperation::kReceive, ENOBUFS, kEverySecondTime);
  expect_echoes(20, 50'000);
  EXPECT_GT(counters().buffer_exhaustions, 0U);
}

// Two segments of 4 KiB for twenty connections: they wait in turns, and every byte comes in its
// order.
TEST_P(FaultReceive, TinyBufferRing) {
  reactor_options.buffers = {.segment_bytes = 4096, .initial_segments = 1, .max_segments = 2};
  plan().end_multishot(UringOperation::kReceive, {.every = 5, .times = kAlways});
  plan().delay(UringOperation::kAny, 2, {.every = 6, .times = kAlways});
  plan().shorten(UringOperation::kSend, 100, {.every = 4, .times = kAlways});
  expect_echoes(20, 20'000);
}

TEST_P(FaultReceive, CompletionsComeLate) {
  plan().delay(UringOperation::kReceive, 3, {.every = 3, .times = kAlways});
  plan().delay(UringOperation::kSend, 2, {.every = 2, .times = kAlways});
  plan().delay(UringOperation::kClose, 4, kEveryTime);
  plan().delay(UringOperation::kFilesUpdate, 4, kEveryTime);
  expect_echoes(20, 100'000);
  EXPECT_GT(fired().delayed_completions, 0U);
}

// A place among the direct descriptors cannot be had, now and then.
TEST_P(FaultReceive, DirectDescriptorsFail) {
  plan().fail(UringOperation::kFilesUpdate, ENOMEM, kEverySecondTime);
  expect_echoes(6, 200'000);
}

// One entry: every submission but the first is in mid-chain of a full queue.
TEST_P(FaultReceive, SubmissionQueueOfOne) {
  faulty().plan().clamp_rings(1, 0);
  expect_echoes(40, 20'000);
}

TEST_P(FaultReceive, SubmissionQueueOfFourWithShortEnters) {
  faulty().plan().clamp_rings(4, 0);
  plan().shorten(SystemCall::kUringEnter, 1, {.every = 3, .times = kAlways});
  plan().fail(SystemCall::kUringEnter, EAGAIN, {.every = 5, .times = kAlways});
  plan().fail(SystemCall::kUringEnter, EBUSY, {.every = 7, .times = kAlways});
  expect_echoes(40, 20'000);
}

TEST_P(FaultReceive, CompletionQueueOverflows) {
  faulty().plan().clamp_rings(2, 2);
  expect_echoes(40, 20'000);
  EXPECT_GT(fired().held_by_overflow, 0U);
}

TEST_P(FaultReceive, CompletionQueueOfOne) {
  faulty().plan().clamp_rings(1, 1);
  plan().delay(UringOperation::kAny, 2, {.every = 5, .times = kAlways});
  expect_echoes(40, 20'000);
  EXPECT_GT(fired().held_by_overflow, 0U);
}

TEST_P(FaultReceive, EverythingAtItsSmallest) {
  reactor_options.buffers = {.segment_bytes = 4096, .initial_segments = 1, .max_segments = 1};
  faulty().plan().clamp_rings(1, 1);
  expect_echoes(10, 10'000);
}

// After pause() nothing is told, whatever was under way; nothing of it is lost.
TEST_P(FaultReceive, PausedWithACompletionOnItsWay) {
  plan().delay(UringOperation::kReceive, 4, kEverySecondTime);
  plan().lose_cancel(kEverySecondTime);
  serve_one(journal.options());
  uint64_t sent = 0;
  for (int i = 0; i < 30; ++i) {
    sent += peer.send(pattern(1000, sent));
    run_turns(i % 4);
    stream.pause();
    const size_t told = journal.data.size();
    run_turns(i % 7);
    EXPECT_EQ(journal.data.size(), told);
    stream.resume();
  }
  EXPECT_TRUE(run_until([&] { return journal.data.size() == sent; }));
  EXPECT_TRUE(is_pattern(journal.data, 0));
}
EDDY_ON_EVERY_URING(FaultReceive);

}  // namespace
}  // namespace eddy::test
