// What can go wrong with datagrams, on a kernel that fails as the test says: errors that are told
// while the socket lives, bounds, calls that are interrupted, cut short or refused.
#include <eddy/core/faulty_kernel.h>
#include <errno.h>

#include "support/datagram_test.h"

namespace eddy::test {
namespace {

constexpr FaultTimes kEveryTime = {.times = kAlways};
constexpr FaultTimes kEverySecondTime = {.every = 2, .times = kAlways};

class DatagramFault : public DatagramTest {
 protected:
  Kernel& kernel() override { return faulty_; }
  FaultPlan& plan() {
    reactor();
    return faulty_.plan();
  }
  void expect_echo(size_t count) {
    open(echo_options());
    DatagramPeer peer(at("127.0.0.1:0"));
    for (size_t i = 0; i < count; ++i) {
      peer.send_to(here, pattern(100, i));
      ASSERT_TRUE(run_until([&] { return peer.receive() == i + 1; })) << i;
      EXPECT_EQ(peer.received[i], pattern(100, i));
    }
  }
  void TearDown() override {
    faulty_.plan().clear();
    DatagramTest::TearDown();
  }

 private:
  FaultyKernel faulty_{plain_kernel()};
};

// --- ICMP

TEST_P(DatagramFault, RefusedIsToldAndTheSocketLives) {
  const Address there = nobody();
  auto connected = Datagram::connect(reactor(), there, journal_options());
  ASSERT_TRUE(connected);
  socket = *connected;
  EXPECT_TRUE(socket.send("into the void"));
  EXPECT_TRUE(run_until([&] { return errors.size() == 1; }));
  EXPECT_EQ(errors[0].code, std::errc::connection_refused);
  EXPECT_FALSE(errors[0].is_of_send);
  expect_no_spin();
  DatagramPeer peer(there);
  EXPECT_TRUE(socket.send("and now"));
  EXPECT_TRUE(run_until([&] { return peer.receive() == 1; }));
  peer.send_to(*socket.local_address(), "heard");
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(closes, 0);
}

TEST_P(DatagramFault, ManySendsToNobodyAllLeave) {
  auto connected = Datagram::connect(reactor(), nobody(), journal_options());
  ASSERT_TRUE(connected);
  socket = *connected;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(socket.send("x"));
  EXPECT_TRUE(run_until([&] { return socket.stats().sent == 100; }));
  EXPECT_TRUE(run_until([&] { return !errors.empty(); }));
  for (const DatagramError& error : errors) {
    EXPECT_EQ(error.code, std::errc::connection_refused);
    EXPECT_FALSE(error.is_of_send);
  }
}

TEST_P(DatagramFault, TheDetailsOfAnError) {
  open(journal_options({.error_details = true}));
  const Address there = nobody();
  socket.send_to("into the void", there);
  EXPECT_TRUE(run_until([&] { return errors.size() == 1; }));
  EXPECT_EQ(errors[0].code, std::errc::connection_refused);
  EXPECT_EQ(errors[0].destination, there);
  EXPECT_EQ(errors[0].offender, at("127.0.0.1:0"));
  EXPECT_EQ(errors[0].type, 3);    // destination unreachable:
  EXPECT_EQ(errors[0].detail, 3);  // the port (RFC 792)
  expect_no_spin();
  DatagramPeer(at("127.0.0.1:0")).send_to(here, "alive");
  EXPECT_TRUE(await_arrivals(1));
}

TEST_P(DatagramFault, TheDetailsOfAnErrorByIPv6) {
  open(journal_options({.error_details = true}), "[::1]:0");
  const Address there = DatagramPeer(at("[::1]:0")).address();
  socket.send_to("into the void", there);
  EXPECT_TRUE(run_until([&] { return errors.size() == 1; }));
  EXPECT_EQ(errors[0].code, std::errc::connection_refused);
  EXPECT_EQ(errors[0].destination, there);
  EXPECT_EQ(errors[0].offender, at("[::1]:0"));
}

// --- Sends that fail

TEST_P(DatagramFault, TooLongIsToldAndTheOthersLeave) {
  open(journal_options());
  DatagramPeer peer(at("127.0.0.1:0"));
  socket.send_to("before", peer.address());
  socket.send_to(std::string(65'508, 'x'), peer.address());
  socket.send_to("after", peer.address());
  EXPECT_TRUE(run_until([&] { return peer.receive() == 2 && errors.size() == 1; }));
  EXPECT_EQ(errors[0].code, std::errc::message_size);
  EXPECT_TRUE(errors[0].is_of_send);
  EXPECT_EQ(errors[0].destination, peer.address());
  EXPECT_EQ(peer.received, (std::vector<std::string>{"before", "after"}));
  EXPECT_EQ(socket.stats().sent, 2U);
  EXPECT_EQ(socket.stats().send_failures, 1U);
}

TEST_P(DatagramFault, AFailedSendIsTriedOnceMore) {
  open(journal_options());
  DatagramPeer peer(at("127.0.0.1:0"));
  plan().fail(SystemCall::kSendmmsg, ENETUNREACH, {.times = 1});
  socket.send_to("x", peer.address());
  EXPECT_TRUE(run_until([&] { return peer.receive() == 1 && errors.size() == 1; }));
  EXPECT_FALSE(errors[0].is_of_send);
  plan().fail(SystemCall::kSendmmsg, ENETUNREACH, {.times = 2});
  socket.send_to("y", peer.address());
  EXPECT_TRUE(run_until([&] { return errors.size() == 2; }));
  EXPECT_TRUE(errors[1].is_of_send);
  EXPECT_EQ(errors[1].code, std::errc::network_unreachable);
}

TEST_P(DatagramFault, EachOfManyAlikeHasDetailsOfItsOwn) {
  open(journal_options({.error_details = true}));
  const Address there = nobody();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(socket.send_to("void", there));
  EXPECT_TRUE(run_until([&] { return errors.size() == 10; })) << errors.size();
  for (const DatagramError& error : errors) EXPECT_EQ(error.destination, there);
}

// As a device without checksums does, or a tunnel (EIO), and a path with a small MTU (EINVAL).
TEST_P(DatagramFault, WhereSegmentsAreRefusedEachDatagramLeavesByItself) {
  for (const int error : {EIO, EINVAL}) {
    open(journal_options());
    DatagramPeer peer(at("127.0.0.1:0"));
    plan().fail(SystemCall::kSendmmsg, error, {.times = 1});
    for (int i = 0; i < 10; ++i) socket.send_to("x", peer.address());
    EXPECT_TRUE(run_until([&] { return peer.receive() == 10; }));
    EXPECT_EQ(socket.stats().sent, 10U);
    EXPECT_TRUE(errors.empty());
    socket.reset();
  }
}

TEST_P(DatagramFault, AFailureThatIsNotOfTheSegmentsIsToldOfEachDatagram) {
  open(journal_options());
  const DatagramPeer peer(at("127.0.0.1:0"));
  plan().fail(SystemCall::kSendmmsg, EINVAL, kEveryTime);
  for (int i = 0; i < 3; ++i) socket.send_to("x", peer.address());
  EXPECT_TRUE(run_until([&] { return errors.size() == 3; }));
  for (const DatagramError& error : errors) EXPECT_TRUE(error.is_of_send);
}

TEST_P(DatagramFault, AUnixSocketWithoutAReceiverIsAnErrorOfTheSend) {
  open(journal_options(), "unix:@" + own_name());
  socket.send_to("x", at("unix:@" + own_name("nobody")));
  EXPECT_TRUE(run_until([&] { return errors.size() == 1; }));
  EXPECT_EQ(errors[0].code, std::errc::connection_refused);
  EXPECT_TRUE(errors[0].is_of_send);
}

// --- Bounds

TEST_P(DatagramFault, TheSendQueueIsBoundedAndTellsWhenItDrains) {
  DatagramOptions options = journal_options({.send_queue_datagrams = 10});
  open(std::move(options));
  DatagramPeer peer(at("127.0.0.1:0"));
  plan().fail(SystemCall::kSendmmsg, EAGAIN, {.times = 1});
  int accepted = 0;
  while (socket.send_to("x", peer.address())) ++accepted;
  EXPECT_EQ(accepted, 10);
  EXPECT_EQ(socket.stats().queued, 10U);
  EXPECT_EQ(socket.stats().refused, 1U);
  EXPECT_EQ(drains, 0);
  EXPECT_TRUE(run_until([&] { return drains == 1; }));
  EXPECT_TRUE(run_until([&] { return peer.receive() == 10; }));
  EXPECT_TRUE(socket.send_to("x", peer.address()));
}

TEST_P(DatagramFault, TheSendQueueIsBoundedInBytes) {
  open(journal_options({.send_queue_bytes = 1000}));
  const Address there = nobody();
  EXPECT_TRUE(socket.send_to(std::string(2000, 'x'), there));  // one may always be queued
  EXPECT_FALSE(socket.send_to("x", there));
  EXPECT_TRUE(run_until([&] { return drains == 1; }));
  EXPECT_TRUE(socket.send_to("x", there));
}

// Who fills the queue again each time that it drains does not keep the loop.
TEST_P(DatagramFault, OnDrainThatSendsWithoutEndLeavesTheLoopItsTurns) {
  const DatagramPeer peer(at("127.0.0.1:0"));
  DatagramOptions options;
  options.send_queue_datagrams = 4;
  options.on_drain = [&](Datagram& self) {
    while (self.send_to(Slice::of_static("x"), peer.address())) {
    }
  };
  open(std::move(options));
  while (socket.send_to(Slice::of_static("x"), peer.address())) {
  }
  bool fired = false;
  reactor().start_timer(1ms, [&] { fired = true; });
  EXPECT_TRUE(run_until([&] { return fired && socket.stats().sent > 1000; }));
}

// A receiver that is full holds up a Unix socket, connected or not, and nothing is lost.
TEST_P(DatagramFault, AFullUnixReceiverHoldsUpItsSender) {
  for (const bool is_connected : {false, true}) {
    DatagramPeer peer(at("unix:@" + own_name(is_connected ? "c" : "p")));
    open(journal_options(), "unix:@" + own_name(is_connected ? "d" : "s"));
    if (is_connected) {
      ASSERT_TRUE(socket.connect(peer.address()));
    }
    constexpr size_t kCount = 900;
    for (size_t i = 0; i < kCount; ++i) {
      const std::string bytes = std::to_string(i);
      ASSERT_TRUE(is_connected ? socket.send(bytes) : socket.send_to(bytes, peer.address()));
    }
    run_turns();
    EXPECT_GT(socket.stats().queued, 0U);
    expect_no_spin();
    EXPECT_TRUE(run_until([&] { return peer.receive() == kCount; }));
    for (size_t i = 0; i < kCount; ++i) ASSERT_EQ(peer.received[i], std::to_string(i));
    EXPECT_TRUE(errors.empty());
    socket.close();
  }
}

TEST_P(DatagramFault, WhatTheKernelDroppedIsCounted) {
  open(journal_options({.receive_buffer_bytes = 8192}));
  const DatagramPeer peer(at("127.0.0.1:0"));
  socket.pause();
  run_turns(3);
  for (int i = 0; i < 500; ++i) peer.send_to(here, std::string(1000, 'x'));
  run_turns(3);
  EXPECT_GT(socket.stats().kernel_drops, 100U);
  const uint64_t kept = 500 - socket.stats().kernel_drops;
  socket.resume();
  EXPECT_TRUE(await_arrivals(kept));
}

// --- Interrupted, refused, cut short

TEST_P(DatagramFault, InterruptedCallsAreMadeAgain) {
  for (const SystemCall call : {SystemCall::kRecvmmsg, SystemCall::kSendmmsg,
                                SystemCall::kEpollWait, SystemCall::kUringEnter}) {
    plan().fail(call, EINTR, kEverySecondTime);
  }
  plan().fail(UringOperation::kReceive, EINTR, kEverySecondTime);
  expect_echo(30);
}

TEST_P(DatagramFault, WouldBlockAfterReadinessLosesNothing) {
  plan().fail(SystemCall::kRecvmmsg, EAGAIN, kEverySecondTime);
  plan().fail(SystemCall::kSendmmsg, EAGAIN, kEverySecondTime);
  plan().fail(UringOperation::kReceive, EAGAIN, kEverySecondTime);
  plan().spurious_readiness(kEverySecondTime);
  expect_echo(30);
}

TEST_P(DatagramFault, BatchesOfOne) {
  plan().shorten(SystemCall::kRecvmmsg, 1, kEveryTime);
  plan().shorten(SystemCall::kSendmmsg, 1, kEveryTime);
  plan().end_multishot(UringOperation::kReceive, kEveryTime);
  open(echo_options());
  DatagramPeer peer(at("127.0.0.1:0"));
  for (size_t i = 0; i < 100; ++i) peer.send_to(here, pattern(50, i));
  EXPECT_TRUE(run_until([&] { return peer.receive() == 100; }));
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(peer.received[i], pattern(50, i));
}

TEST_P(DatagramFault, CompletionsThatComeLateAndOutOfOrder) {
  plan().chaos(7, {.delay = 0.3, .reorder = 0.3, .lose_cancel = 0.5});
  expect_echo(50);
  socket.pause();
  socket.resume();
  socket.close();
}

TEST_P(DatagramFault, WithoutMemoryForMessagesThereIsNoSocket) {
  reactor();
  plan().fail(SystemCall::kMapMemory, ENOMEM, {.times = 1});
  EXPECT_EQ(Datagram::bind(reactor(), "127.0.0.1:0", {}).error().code(),
            std::errc::not_enough_memory);
  expect_echo(3);
}

TEST_P(DatagramFault, ReceivingThatIsImpossibleEndsTheSocket) {
  open(journal_options());
  plan().fail(SystemCall::kRecvmmsg, EBADF, kEveryTime);
  plan().fail(UringOperation::kReceive, EBADF, kEveryTime);
  plan().end_multishot(UringOperation::kReceive, {});
  const DatagramPeer peer(at("127.0.0.1:0"));
  peer.send_to(here, "x");
  EXPECT_TRUE(run_until([&] { return closes == 1; }));
  EXPECT_EQ(close_code, std::errc::bad_file_descriptor);
}

EDDY_ON_EVERY_CONFIGURATION(DatagramFault);

}  // namespace
}  // namespace eddy::test
