// The simulated io_uring, driven as a program drives Linux's.
#include <eddy/core/uring_probe.h>
#include <gmock/gmock.h>
#include <poll.h>

#include "sim_uring_ring.h"

namespace eddy::test {
namespace {

using sim::Fault;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr uint32_t kMore = IORING_CQE_F_MORE;
constexpr uint32_t kNotification = uring::kCompletionNotification;

// A provided buffer ring of its own.
struct Buffers {
  Buffers(UringQueue& queue, unsigned count, unsigned bytes_each, bool incremental)
      : memory(size_t{count} * bytes_each), mask(count - 1), size(bytes_each) {
    uring::BufferRingRegistration asked = {};
    asked.ring_address = reinterpret_cast<uintptr_t>(ring);
    asked.entries = count;
    asked.flags = incremental ? uring::kBufferRingIncremental : uint16_t{0};
    registered = queue.register_with(IORING_REGISTER_PBUF_RING, &asked, 1);
  }
  void provide(uint16_t id) {
    io_uring_buf& entry = ring->bufs[tail++ & mask];
    entry.addr = reinterpret_cast<uintptr_t>(memory.data() + size_t{id} * size);
    entry.len = size;
    entry.bid = id;
    __atomic_store_n(&ring->tail, tail, __ATOMIC_RELEASE);
  }
  std::string_view at(size_t offset, size_t count) const { return {&memory[offset], count}; }

  alignas(4096) char page[4096] = {};
  io_uring_buf_ring* ring = reinterpret_cast<io_uring_buf_ring*>(page);
  std::vector<char> memory;
  unsigned mask;
  unsigned size;
  uint16_t tail = 0;
  int registered = 0;
};

uint32_t buffer(unsigned id) { return IORING_CQE_F_BUFFER | id << IORING_CQE_BUFFER_SHIFT; }

void prepare_multishot(io_uring_sqe* entry, int fd) {
  io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
}

// --- The ring

TEST_F(SimUring, ProbeFindsWhatTheHostOffers) {
  auto all = probe_uring(kernel_);
  ASSERT_TRUE(all.has_value()) << all.error().message();
  EXPECT_TRUE(all->incremental_buffers);
  EXPECT_TRUE(all->receive_limit);
  EXPECT_TRUE(all->min_wait);
  host_.set_uring_limits({.incremental_buffers = false,
                          .receive_limit = false,
                          .min_wait = false,
                          .no_submission_array = false,
                          .registered_rings = false,
                          .direct_descriptors = false});
  auto none = probe_uring(kernel_);
  ASSERT_TRUE(none.has_value()) << none.error().message();
  EXPECT_FALSE(none->incremental_buffers);
  EXPECT_FALSE(none->receive_limit);
  EXPECT_FALSE(none->min_wait);
}

TEST_F(SimUring, TheHostLimitsTheQueues) {
  host_.set_uring_limits({.most_entries = 1, .most_completion_entries = 2});
  io_uring_params parameters = {};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP;
  const int fd = kernel_.uring_setup(64, &parameters);
  EXPECT_GE(fd, 0);
  EXPECT_EQ(parameters.sq_entries, 1u);
  EXPECT_EQ(parameters.cq_entries, 2u);
  kernel_.close(fd);
  parameters.flags &= ~IORING_SETUP_CLAMP;
  EXPECT_EQ(kernel_.uring_setup(64, &parameters), -EINVAL);
  EXPECT_EQ(kernel_.uring_setup(0, &parameters), -EINVAL);
}

TEST_F(SimUring, ForbiddenSetUp) {
  strike(Fault::kUringForbidden);
  io_uring_params parameters = {};
  EXPECT_THAT(kernel_.uring_setup(8, &parameters), ::testing::AnyOf(-EPERM, -ENOSYS));
}

TEST_F(SimUring, CompletesInOrder) {
  for (uint64_t i = 1; i <= 3; ++i) start(i, [](auto* entry) { io_uring_prep_nop(entry); });
  start(4, [](auto* entry) { entry->opcode = 200; });
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 0, 0}, Completed{2, 0, 0}, Completed{3, 0, 0},
                                  Completed{4, -EINVAL, 0}));
}

TEST_F(SimUring, AFullCompletionQueueOverflowsAndLosesNothing) {
  open_ring(8, 8);
  for (uint64_t i = 0; i < 8; ++i) start(i, [](auto* entry) { io_uring_prep_nop(entry); });
  EXPECT_GE(queue_->enter(0), 0);
  EXPECT_FALSE(queue_->overflowed());
  for (uint64_t i = 8; i < 11; ++i) start(i, [](auto* entry) { io_uring_prep_nop(entry); });
  EXPECT_GE(queue_->enter(0), 0);
  EXPECT_TRUE(queue_->overflowed());
  std::vector<Completed> all = take();
  EXPECT_EQ(all.size(), 8u);
  for (const Completed& late : turn()) all.push_back(late);
  EXPECT_FALSE(queue_->overflowed());
  ASSERT_EQ(all.size(), 11u);
  for (uint64_t i = 0; i < 11; ++i) EXPECT_EQ(all[i].user_data, i);
}

TEST_F(SimUring, WaitsInVirtualTime) {
  const int64_t began = kernel_.monotonic_ns();
  EXPECT_THAT(turn(5 * kSecondNs), IsEmpty());
  EXPECT_EQ(kernel_.monotonic_ns(), began + 5 * kSecondNs);
}

TEST_F(SimUring, AMinimumWaitGathers) {
  open_ring(8, 8, 1000, 2);
  const auto [ours, theirs] = pair();
  char bytes[8];
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  world_.simulation().after(100'000, [this, fd = theirs] { send(fd, "x"); });
  const int64_t began = kernel_.monotonic_ns();
  EXPECT_THAT(turn(kSecondNs), ElementsAre(Completed{1, 1, 0}));
  EXPECT_EQ(kernel_.monotonic_ns(), began + 1'000'000);
}

TEST_F(SimUring, AWaitThatNothingCanEndIsADeadlock) { EXPECT_EQ(queue_->enter(-1), -EDEADLK); }

TEST_F(SimUring, EnterTakesAPartOrNothing) {
  strike(Fault::kSubmissionsSplit);
  for (uint64_t i = 0; i < 8; ++i) start(i, [](auto* entry) { io_uring_prep_nop(entry); });
  EXPECT_GE(queue_->enter(0), 0);
  EXPECT_NE(queue_->unsubmitted(), 0u);
  EXPECT_LT(queue_->unsubmitted(), 8u);
  world_.faults().clear();
  EXPECT_EQ(turn().size(), 8u);
  strike(Fault::kEnterBusy);
  start(9, [](auto* entry) { io_uring_prep_nop(entry); });
  EXPECT_THAT(turn(), IsEmpty());
  EXPECT_EQ(queue_->unsubmitted(), 1u);
  world_.faults().clear();
  EXPECT_EQ(turn().size(), 1u);
}

TEST_F(SimUring, AnInterruptedWaitReturns) {
  strike(Fault::kInterrupted);
  EXPECT_THAT(turn(-1), IsEmpty());
  EXPECT_EQ(struck(Fault::kInterrupted), 1u);
}

TEST_F(SimUring, AnEventfdCountsCompletions) {
  int fd = kernel_.eventfd();
  ASSERT_EQ(queue_->register_with(IORING_REGISTER_EVENTFD, &fd, 1), 0);
  EXPECT_EQ(queue_->register_with(IORING_REGISTER_EVENTFD, &fd, 1), -EBUSY);
  EXPECT_EQ(kernel_.read_eventfd(fd), -EAGAIN);
  start(1, [](auto* entry) { io_uring_prep_nop(entry); });
  turn();
  EXPECT_GT(kernel_.read_eventfd(fd), 0);
  const auto [ours, theirs] = pair();
  char bytes[8];
  start(2, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  turn();
  EXPECT_EQ(kernel_.read_eventfd(fd), -EAGAIN);
  send(theirs, "x");  // task work is due, though nothing has completed
  EXPECT_GT(kernel_.read_eventfd(fd), 0);
  EXPECT_EQ(turn().size(), 1u);
  EXPECT_EQ(queue_->register_with(IORING_UNREGISTER_EVENTFD, nullptr, 0), 0);
}

// --- Receiving

TEST_F(SimUring, AReceiveWaitsForBytes) {
  const auto [ours, theirs] = pair();
  char bytes[8] = {};
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  EXPECT_THAT(turn(), IsEmpty());
  send(theirs, "eddy");
  EXPECT_STREQ(bytes, "");  // task work runs within an enter only
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 4, 0}));
  EXPECT_STREQ(bytes, "eddy");
}

TEST_F(SimUring, AReceiveOutlivesItsDescriptor) {
  const auto [ours, theirs] = pair();
  char bytes[8] = {};
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  turn();
  kernel_.close(ours);
  send(theirs, "late");
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 4, 0}));
  EXPECT_STREQ(bytes, "late");
}

TEST_F(SimUring, MultishotIntoBuffersThatAreConsumedIncrementally) {
  Buffers buffers(*queue_, 4, 8, true);
  ASSERT_EQ(buffers.registered, 0);
  buffers.provide(3);
  const auto [ours, theirs] = pair();
  start(1, [fd = ours](auto* entry) { prepare_multishot(entry, fd); });
  send(theirs, "abc");
  EXPECT_THAT(turn(),
              ElementsAre(Completed{1, 3, buffer(3) | kMore | uring::kCompletionBufferMore}));
  send(theirs, "defghij");  // fills the buffer, and finds no other
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 5, buffer(3) | kMore | IORING_CQE_F_SOCK_NONEMPTY},
                                  Completed{1, -ENOBUFS, 0}));
  EXPECT_EQ(buffers.at(24, 8), "abcdefgh");
  buffers.provide(1);
  start(2, [fd = ours](auto* entry) { prepare_multishot(entry, fd); });
  EXPECT_EQ(turn().size(), 1u);
  kernel_.close(theirs);
  EXPECT_THAT(turn(), ElementsAre(Completed{2, 0, IORING_CQE_F_SOCK_NONEMPTY}));
  EXPECT_EQ(buffers.at(8, 2), "ij");
}

TEST_F(SimUring, WholeBuffersWhereTheHostKnowsNoIncrement) {
  host_.set_uring_limits({.incremental_buffers = false});
  open_ring(8, 8);
  Buffers refused(*queue_, 4, 8, true);
  EXPECT_EQ(refused.registered, -EINVAL);
  Buffers buffers(*queue_, 4, 8, false);
  ASSERT_EQ(buffers.registered, 0);
  buffers.provide(0);
  buffers.provide(1);
  const auto [ours, theirs] = pair();
  start(1, [fd = ours](auto* entry) { prepare_multishot(entry, fd); });
  send(theirs, "a");
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 1, buffer(0) | kMore}));
  send(theirs, "b");
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 1, buffer(1) | kMore}));
}

TEST_F(SimUring, ALimitedReceiveEnds) {
  Buffers buffers(*queue_, 4, 8, true);
  buffers.provide(0);
  const auto [ours, theirs] = pair();
  uring::set_receive_limit(start(1, [fd = ours](auto* entry) { prepare_multishot(entry, fd); }), 3);
  send(theirs, "ab");
  EXPECT_THAT(turn(),
              ElementsAre(Completed{1, 2, buffer(0) | kMore | uring::kCompletionBufferMore}));
  send(theirs, "c");
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 1, buffer(0) | uring::kCompletionBufferMore}));
}

TEST_F(SimUring, MultishotEndsForNoReasonAndAtAnOverflow) {
  open_ring(2, 2);
  Buffers buffers(*queue_, 4, 8, true);
  buffers.provide(0);
  const auto [ours, theirs] = pair();
  start(1, [fd = ours](auto* entry) { prepare_multishot(entry, fd); });
  turn();
  start(2, [](auto* entry) { io_uring_prep_nop(entry); });
  start(3, [](auto* entry) { io_uring_prep_nop(entry); });
  send(theirs, "x");
  EXPECT_GE(queue_->enter(0), 0);
  EXPECT_TRUE(queue_->overflowed());
  EXPECT_EQ(take().size(), 2u);
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 1, buffer(0) | uring::kCompletionBufferMore}));
  strike(Fault::kMultishotEnds);
  start(4, [fd = ours](auto* entry) { prepare_multishot(entry, fd); });
  send(theirs, "y");
  EXPECT_THAT(turn(), ElementsAre(Completed{4, 1, buffer(0) | uring::kCompletionBufferMore}));
}

TEST_F(SimUring, ABufferProvidedTwiceIsAViolation) {
  Buffers buffers(*queue_, 4, 8, false);
  buffers.provide(2);
  buffers.provide(2);
  const auto [ours, theirs] = pair();
  start(1, [fd = ours](auto* entry) { prepare_multishot(entry, fd); });
  turn();
  EXPECT_THAT(world_.violation(), ::testing::HasSubstr("buffer 2"));
  queue_.reset();
  kernel_.close(ours);
  violates_ = true;
}

TEST_F(SimUring, LateAndReorderedCompletions) {
  strike(Fault::kCompletionLate);
  const auto [ours, theirs] = pair();
  char bytes[8];
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  turn();
  send(theirs, "x");
  EXPECT_THAT(turn(), IsEmpty());
  EXPECT_THAT(turn(kSecondNs), ElementsAre(Completed{1, 1, 0}));
  world_.faults().clear();
  strike(Fault::kCompletionsReordered);
  std::vector<uint64_t> order;
  char more[10][8];
  std::vector<int> writers;
  for (uint64_t i = 0; i < 10; ++i) {
    const auto [mine, other] = pair();
    start(i, [&](auto* entry) { io_uring_prep_recv(entry, mine, more[i], 8, 0); });
    writers.push_back(other);
  }
  turn();
  for (const int fd : writers) send(fd, "x");
  for (const Completed& completed : turn()) order.push_back(completed.user_data);
  EXPECT_EQ(order.size(), 10u);
  EXPECT_FALSE(std::ranges::is_sorted(order));
}

TEST_F(SimUring, MultishotDatagramsBringTheirNames) {
  Buffers buffers(*queue_, 4, 128, false);
  buffers.provide(0);
  const int ours = kernel_.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  const sockaddr_in address = loopback(9000);
  ASSERT_EQ(kernel_.bind(ours, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  msghdr header = {};
  header.msg_namelen = sizeof(sockaddr_in);
  start(1, [&](auto* entry) {
    io_uring_prep_recvmsg_multishot(entry, ours, &header, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
  });
  const int theirs = kernel_.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  char hello[] = "hello";
  iovec piece = {hello, 5};
  sockaddr_in to = address;
  msghdr message = {};
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  start(2, [&](auto* entry) { io_uring_prep_sendmsg(entry, theirs, &message, 0); });
  EXPECT_THAT(turn(), ElementsAre(Completed{2, 5, 0}));
  const size_t size = sizeof(io_uring_recvmsg_out) + sizeof(sockaddr_in) + 5;
  EXPECT_THAT(turn(kSecondNs),
              ElementsAre(Completed{1, static_cast<int>(size), buffer(0) | kMore}));
  io_uring_recvmsg_out* out = io_uring_recvmsg_validate(buffers.memory.data(), 128, &header);
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(out->payloadlen, 5u);
  EXPECT_EQ(memcmp(io_uring_recvmsg_payload(out, &header), "hello", 5), 0);
  EXPECT_EQ(static_cast<sockaddr_in*>(io_uring_recvmsg_name(out))->sin_family, AF_INET);
}

// --- Sending

TEST_F(SimUring, ASendThatSucceedsMaySayNothing) {
  const auto [ours, theirs] = pair();
  start(1, [fd = ours](auto* entry) {
    io_uring_prep_send(entry, fd, "eddy", 4, MSG_DONTWAIT | MSG_WAITALL);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
  });
  EXPECT_THAT(turn(), IsEmpty());
  EXPECT_EQ(receive(theirs), "eddy");
  const std::string large(4 << 20, 'x');
  const auto send_large = [&](uint64_t name) {
    start(name, [&](auto* entry) {
      io_uring_prep_send(entry, ours, large.data(), large.size(), MSG_DONTWAIT | MSG_WAITALL);
      entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    });
    return turn();
  };
  const auto part = send_large(2);
  ASSERT_EQ(part.size(), 1u);
  EXPECT_GT(part[0].result, 0);
  EXPECT_LT(part[0].result, 4 << 20);
  EXPECT_THAT(send_large(3), ElementsAre(Completed{3, -EAGAIN, 0}));
}

TEST_F(SimUring, ASendOfAllGoesOnUntilAllIsSent) {
  const auto [ours, theirs] = pair();
  std::string first(1 << 20, 'a');
  std::string second(1 << 20, 'b');
  iovec pieces[] = {{first.data(), first.size()}, {second.data(), second.size()}};
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  start(1, [&](auto* entry) { io_uring_prep_sendmsg(entry, ours, &message, MSG_WAITALL); });
  std::string received;
  std::vector<Completed> completed;
  for (int i = 0; i < 1000 && completed.empty(); ++i) {
    completed = turn();
    received += receive(theirs);
  }
  received += receive(theirs);
  EXPECT_THAT(completed, ElementsAre(Completed{1, 2 << 20, 0}));
  EXPECT_EQ(received, first + second);
}

TEST_F(SimUring, AZeroCopySendNotifies) {
  const auto [client, server] = tcp_pair();
  ASSERT_GE(server, 0);
  const auto prepare = [fd = client](auto* entry) {
    io_uring_prep_send(entry, fd, "eddy", 4, MSG_WAITALL);
    entry->opcode = uring::kOperationSendZeroCopy;
    entry->ioprio = uring::kZeroCopyReportsUse;
  };
  start(1, prepare);
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 4, kMore}));
  EXPECT_THAT(turn(kSecondNs), ElementsAre(Completed{1, 0, kNotification}));
  strike(Fault::kZeroCopyCopied);
  start(2, prepare);
  EXPECT_EQ(turn().size(), 1u);
  EXPECT_THAT(
      turn(kSecondNs),
      ElementsAre(Completed{2, static_cast<int>(uring::kNotificationCopied), kNotification}));
}

TEST_F(SimUring, ALocalSocketSendsNothingInPlace) {
  const auto [ours, theirs] = pair();
  start(1, [fd = ours](auto* entry) {
    io_uring_prep_send(entry, fd, "eddy", 4, 0);
    entry->opcode = uring::kOperationSendZeroCopy;
  });
  EXPECT_THAT(turn(),
              ElementsAre(Completed{1, -EOPNOTSUPP, kMore}, Completed{1, 0, kNotification}));
}

TEST_F(SimUring, BytesOfAZeroCopySendMustStay) {
  const auto [client, server] = tcp_pair();
  char bytes[] = "eddy";
  start(1, [&, fd = client](auto* entry) {
    io_uring_prep_send(entry, fd, bytes, 4, MSG_WAITALL);
    entry->opcode = uring::kOperationSendZeroCopy;
  });
  turn();
  bytes[0] = 'E';
  turn(kSecondNs);
  EXPECT_THAT(world_.violation(), ::testing::HasSubstr("zero-copy"));
  violates_ = true;
}

// --- Connections

TEST_F(SimUring, MultishotAcceptAndConnect) {
  const int listening = listener(7000);
  start(1, [&](auto* entry) {
    io_uring_prep_multishot_accept(entry, listening, nullptr, nullptr, 0);
  });
  const sockaddr_in address = loopback(7000);
  for (uint64_t i = 2; i < 4; ++i) {
    const int fd = kernel_.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    start(i, [&](auto* entry) {
      io_uring_prep_connect(entry, fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    });
  }
  std::vector<Completed> accepted, connected;
  for (int i = 0; i < 100 && accepted.size() + connected.size() < 4; ++i) {
    for (const Completed& one : turn(kSecondNs)) {
      (one.user_data == 1 ? accepted : connected).push_back(one);
    }
  }
  ASSERT_EQ(accepted.size(), 2u);
  EXPECT_NE(accepted[0].flags & kMore, 0u);
  EXPECT_THAT(connected, UnorderedElementsAre(Completed{2, 0, 0}, Completed{3, 0, 0}));
  const int nobody = kernel_.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const sockaddr_in closed = loopback(7001);
  start(9, [&](auto* entry) {
    io_uring_prep_connect(entry, nobody, reinterpret_cast<const sockaddr*>(&closed), sizeof closed);
  });
  EXPECT_THAT(turn(kSecondNs), ElementsAre(Completed{9, -ECONNREFUSED, 0}));
}

TEST_F(SimUring, PollAndClose) {
  const auto [ours, theirs] = pair();
  start(1, [fd = ours](auto* entry) { io_uring_prep_poll_add(entry, fd, POLLIN); });
  EXPECT_THAT(turn(), IsEmpty());
  send(theirs, "x");
  EXPECT_THAT(turn(), ElementsAre(Completed{1, POLLIN, 0}));
  start(2, [fd = ours](auto* entry) { io_uring_prep_close(entry, fd); });
  start(3, [fd = ours](auto* entry) { io_uring_prep_close(entry, fd); });
  EXPECT_THAT(turn(), ElementsAre(Completed{2, 0, 0}, Completed{3, -EBADF, 0}));
}

TEST_F(SimUring, DirectDescriptors) {
  io_uring_rsrc_register asked = {};
  asked.nr = 4096;
  asked.flags = IORING_RSRC_REGISTER_SPARSE;
  EXPECT_EQ(queue_->register_with(IORING_REGISTER_FILES2, &asked, sizeof asked), -EMFILE);
  asked.nr = 8;
  EXPECT_EQ(queue_->register_with(IORING_REGISTER_FILES2, &asked, sizeof asked), 0);
  const auto [ours, theirs] = pair();
  int descriptor = ours;
  start(1, [&](auto* entry) { io_uring_prep_files_update(entry, &descriptor, 1, 5); });
  start(2, [&](auto* entry) { io_uring_prep_files_update(entry, &descriptor, 1, 8); });
  start(3, [](auto* entry) {
    io_uring_prep_send(entry, 5, "eddy", 4, 0);
    entry->flags |= IOSQE_FIXED_FILE;
  });
  start(4, [](auto* entry) {
    io_uring_prep_send(entry, 4, "eddy", 4, 0);
    entry->flags |= IOSQE_FIXED_FILE;
  });
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 1, 0}, Completed{2, -EINVAL, 0}, Completed{3, 4, 0},
                                  Completed{4, -EBADF, 0}));
  kernel_.close(ours);
  EXPECT_EQ(receive(theirs), "eddy");
  char byte = 0;
  EXPECT_EQ(kernel_.recv(theirs, &byte, 1, 0), -EAGAIN);  // the table holds the socket open
  descriptor = -1;
  start(5, [&](auto* entry) { io_uring_prep_files_update(entry, &descriptor, 1, 5); });
  turn();
  EXPECT_EQ(kernel_.recv(theirs, &byte, 1, 0), 0);
}

// --- Cancelling

TEST_F(SimUring, ACancellationIsToldBeforeItsTarget) {
  const auto [ours, theirs] = pair();
  char bytes[8];
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  turn();
  start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  start(3, [](auto* entry) { io_uring_prep_cancel64(entry, 7, 0); });
  EXPECT_THAT(turn(), ElementsAre(Completed{2, 0, 0}, Completed{3, -ENOENT, 0},
                                  Completed{1, -ECANCELED, 0}));
}

TEST_F(SimUring, ACancellationMayBeToldAfterItsTarget) {
  strike(Fault::kCancelOrder);
  const auto [ours, theirs] = pair();
  char bytes[8];
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  EXPECT_THAT(turn(), ElementsAre(Completed{1, -ECANCELED, 0}, Completed{2, 0, 0}));
}

TEST_F(SimUring, ACancellationMayLose) {
  const auto [ours, theirs] = pair();
  char bytes[8] = {};
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  turn();
  send(theirs, "won");
  strike(Fault::kCancelLost);
  start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 3, 0}, Completed{2, -ENOENT, 0}));
  EXPECT_STREQ(bytes, "won");
}

TEST_F(SimUring, AnAcceptedDescriptorMayComeJustBeforeTheCancellation) {
  const int listening = listener(7000);
  start(1, [&](auto* entry) {
    io_uring_prep_multishot_accept(entry, listening, nullptr, nullptr, 0);
  });
  turn();
  const int client = connect_to(7000);
  world_.run_for(std::chrono::seconds(1));
  strike(Fault::kCancelLost);
  start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  const auto completed = turn();
  ASSERT_EQ(completed.size(), 3u);
  EXPECT_GT(completed[0].result, client);
  EXPECT_EQ(completed[0].flags, kMore);
  EXPECT_EQ(completed[1], (Completed{2, 0, 0}));
  EXPECT_EQ(completed[2], (Completed{1, -ECANCELED, 0}));
}

TEST_F(SimUring, AllOfOneSocketAreCancelled) {
  const auto [ours, theirs] = pair();
  const auto [other, peer] = pair();
  const int same = host_.duplicate(ours);
  char bytes[3][8];
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes[0], 8, 0); });
  start(2, [&](auto* entry) { io_uring_prep_recv(entry, other, bytes[1], 8, 0); });
  start(3, [&](auto* entry) { io_uring_prep_recv(entry, same, bytes[2], 8, 0); });
  turn();
  start(4, [&](auto* entry) {
    io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL);
    entry->fd = ours;
  });
  EXPECT_THAT(turn(), ElementsAre(Completed{4, 2, 0}, Completed{1, -ECANCELED, 0},
                                  Completed{3, -ECANCELED, 0}));
}

// --- The end

TEST_F(SimUring, ARingMustNotEndWithASendUnderWay) {
  const auto [ours, theirs] = pair();
  const std::string large(4 << 20, 'x');
  start(1, [&](auto* entry) {
    io_uring_prep_send(entry, ours, large.data(), large.size(), MSG_WAITALL);
  });
  turn();
  queue_.reset();
  EXPECT_THAT(world_.violation(), ::testing::HasSubstr("under way"));
  violates_ = true;
}

TEST_F(SimUring, AKilledProcessMayLookAtItsRings) {
  const auto [ours, theirs] = pair();
  const std::string large(4 << 20, 'x');
  start(1, [&](auto* entry) {
    io_uring_prep_send(entry, ours, large.data(), large.size(), MSG_WAITALL);
  });
  turn();
  host_.kill();
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_EQ(queue_->enter(0), -EBADF);
}

}  // namespace
}  // namespace eddy::test
