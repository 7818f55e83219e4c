// io_uring, as Linux and its model have it: rings, connections, direct descriptors, cancellation.
// kernel_contract_uring_transfer_test.cpp has what moves bytes.
#include <errno.h>
#include <gmock/gmock.h>
#include <poll.h>

#include "support/uring_contract.h"

namespace eddy::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class ContractUring : public KernelContract {
 protected:
  static void nop(io_uring_sqe* entry) { io_uring_prep_nop(entry); }

  TestedUring ring_{kernel, 16, 32};
};

// --- The ring

TEST_P(ContractUring, SetUpRefusesWhatItCannotGive) {
  io_uring_params parameters = {};
  EXPECT_EQ(kernel.uring_setup(0, &parameters), -EINVAL);
  parameters.flags = 1U << 31;
  EXPECT_EQ(kernel.uring_setup(8, &parameters), -EINVAL);
  parameters = {};
  parameters.flags = IORING_SETUP_DEFER_TASKRUN;  // for a single issuer only
  EXPECT_EQ(kernel.uring_setup(8, &parameters), -EINVAL);
  constexpr uint32_t kOurs =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL;
  parameters = {};
  parameters.flags = kOurs;
  EXPECT_EQ(kernel.uring_setup(32769, &parameters), -EINVAL);
  parameters = {};
  parameters.flags = kOurs | IORING_SETUP_CQSIZE;
  parameters.cq_entries = 4;  // less than there are submissions
  EXPECT_EQ(kernel.uring_setup(8, &parameters), -EINVAL);
  parameters = {};
  parameters.flags = kOurs;
  keep(kernel.uring_setup(5, &parameters));
  EXPECT_EQ(parameters.sq_entries, 8u);
  EXPECT_EQ(parameters.cq_entries, 16u);
}

TEST_P(ContractUring, ADisabledRingTakesNothing) {
  io_uring_params parameters = {};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED;
  const int fd = keep(kernel.uring_setup(4, &parameters));
  ASSERT_GE(fd, 0);
  EXPECT_EQ(kernel.uring_enter(fd, 0, 0, IORING_ENTER_GETEVENTS, nullptr, 8), -EBADFD);
  EXPECT_EQ(kernel.uring_register(fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0), 0);
  EXPECT_EQ(kernel.uring_register(fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0), -EBADFD);
  EXPECT_EQ(kernel.uring_enter(fd, 0, 0, IORING_ENTER_GETEVENTS, nullptr, 8), 0);
  EXPECT_EQ(kernel.uring_enter(fd, 0, 0, 1U << 31, nullptr, 8), -EINVAL);
}

TEST_P(ContractUring, CompletesInOrder) {
  for (uint64_t i = 1; i <= 3; ++i) ring_.start(i, nop);
  ring_.start(4, [](auto* entry) { entry->opcode = 200; });
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{1, 0, 0}, Completed{2, 0, 0}, Completed{3, 0, 0},
                                        Completed{4, -EINVAL, 0}));
}

TEST_P(ContractUring, AFullCompletionQueueOverflowsAndLosesNothing) {
  TestedUring small(kernel, 8, 8);
  for (uint64_t i = 0; i < 8; ++i) small.start(i, nop);
  EXPECT_GE(small.queue().enter(0), 0);
  EXPECT_FALSE(small.queue().overflowed());
  for (uint64_t i = 8; i < 11; ++i) small.start(i, nop);
  EXPECT_GE(small.queue().enter(0), 0);
  EXPECT_TRUE(small.queue().overflowed());
  std::vector<Completed> all = small.take();
  EXPECT_EQ(all.size(), 8u);
  for (const Completed& late : small.turn()) all.push_back(late);
  EXPECT_FALSE(small.queue().overflowed());
  ASSERT_EQ(all.size(), 11u);
  for (uint64_t i = 0; i < 11; ++i) EXPECT_EQ(all[i].user_data, i);
}

TEST_P(ContractUring, AnEventfdCountsCompletions) {
  int fd = keep(kernel.eventfd());
  const auto registered = [&](unsigned opcode) {
    return ring_.queue().register_with(opcode, &fd, 1);
  };
  ASSERT_EQ(registered(IORING_REGISTER_EVENTFD), 0);
  EXPECT_EQ(registered(IORING_REGISTER_EVENTFD), -EBUSY);
  EXPECT_EQ(kernel.read_eventfd(fd), -EAGAIN);
  ring_.start(1, nop);
  ring_.turn();
  EXPECT_GT(kernel.read_eventfd(fd), 0);
  const Ends ends = pair(SOCK_STREAM);
  char bytes[8];
  ring_.start(2, [&](auto* entry) { io_uring_prep_recv(entry, ends.a, bytes, sizeof bytes, 0); });
  EXPECT_THAT(ring_.turn(), IsEmpty());
  EXPECT_EQ(kernel.read_eventfd(fd), -EAGAIN);
  send(ends.b, "x");  // task work is due, though nothing has completed
  EXPECT_GT(kernel.read_eventfd(fd), 0);
  EXPECT_EQ(ring_.turn().size(), 1u);
  EXPECT_EQ(ring_.queue().register_with(IORING_UNREGISTER_EVENTFD, nullptr, 0), 0);
  EXPECT_EQ(ring_.queue().register_with(IORING_UNREGISTER_EVENTFD, nullptr, 0), -ENXIO);
}

// --- Connections

TEST_P(ContractUring, MultishotAcceptAndConnect) {
  const int listening = listener();
  const sockaddr_in address = name_of(listening);
  const auto prepare_connect = [&](uint64_t name, const sockaddr_in& to) {
    const int fd = tcp();
    ring_.start(name, [&](auto* entry) {
      io_uring_prep_connect(entry, fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    });
  };
  ring_.start(1, [&](auto* entry) {
    io_uring_prep_multishot_accept(entry, listening, nullptr, nullptr, SOCK_NONBLOCK);
  });
  prepare_connect(2, address);
  prepare_connect(3, address);
  std::vector<Completed> accepted, connected;
  for (const Completed& one : ring_.await(4)) {
    (one.user_data == 1 ? accepted : connected).push_back(one);
  }
  ASSERT_EQ(accepted.size(), 2u);
  for (const Completed& one : accepted) {
    EXPECT_NE(one.flags & kMore, 0u);
    EXPECT_EQ(peer_of(keep(one.result)).sin_family, AF_INET);
  }
  EXPECT_THAT(connected, UnorderedElementsAre(Completed{2, 0, 0}, Completed{3, 0, 0}));
  // A listener that was bound and is gone: nobody is there.
  const int other = listener();
  const sockaddr_in gone = name_of(other);
  close(other);
  prepare_connect(9, gone);
  EXPECT_THAT(ring_.await(1), ElementsAre(Completed{9, -ECONNREFUSED, 0}));
}

TEST_P(ContractUring, ASingleAcceptTakesOne) {
  const int listening = listener();
  ring_.start(1, [&](auto* entry) {
    io_uring_prep_accept(entry, listening, nullptr, nullptr, SOCK_NONBLOCK);
  });
  EXPECT_THAT(ring_.turn(), IsEmpty());
  const int first = tcp();
  connect(first, name_of(listening));
  const auto accepted = ring_.await(1);
  ASSERT_EQ(accepted.size(), 1u);
  EXPECT_GE(keep(accepted[0].result), 0);
  EXPECT_EQ(accepted[0].flags & kMore, 0u);
}

TEST_P(ContractUring, WhatIsNoSocketIsTold) {
  const int fd = keep(kernel.eventfd());
  char bytes[8];
  ring_.start(1, [&](auto* entry) { io_uring_prep_recv(entry, fd, bytes, sizeof bytes, 0); });
  ring_.start(2, [&](auto* entry) { io_uring_prep_send(entry, fd, bytes, sizeof bytes, 0); });
  ring_.start(3, [&](auto* entry) { io_uring_prep_accept(entry, fd, nullptr, nullptr, 0); });
  ring_.start(4, [&](auto* entry) { io_uring_prep_recv(entry, 999, bytes, sizeof bytes, 0); });
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{1, -ENOTSOCK, 0}, Completed{2, -ENOTSOCK, 0},
                                        Completed{3, -ENOTSOCK, 0}, Completed{4, -EBADF, 0}));
}

TEST_P(ContractUring, PollAndClose) {
  const Ends ends = pair(SOCK_STREAM);
  ring_.start(1, [&](auto* entry) { io_uring_prep_poll_add(entry, ends.a, POLLIN); });
  EXPECT_THAT(ring_.turn(), IsEmpty());
  send(ends.b, "x");
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{1, POLLIN, 0}));
  ring_.start(2, [&](auto* entry) { io_uring_prep_poll_add(entry, ends.a, POLLOUT); });
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{2, POLLOUT, 0}));
  // The peer's end is told unasked.
  ring_.start(3, [&](auto* entry) { io_uring_prep_poll_add(entry, ends.b, POLLPRI); });
  EXPECT_THAT(ring_.turn(), IsEmpty());
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_WR), 0);
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{3, POLLRDHUP, 0}));
  const int fd = duplicate(ends.a);
  ring_.start(4, [&](auto* entry) { io_uring_prep_close(entry, fd); });
  ring_.start(5, [&](auto* entry) { io_uring_prep_close(entry, fd); });
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{4, 0, 0}, Completed{5, -EBADF, 0}));
}

// --- Direct descriptors

TEST_P(ContractUring, DirectDescriptors) {
  io_uring_rsrc_register asked = {};
  asked.nr = 8;
  asked.flags = IORING_RSRC_REGISTER_SPARSE;
  const Ends ends = pair(SOCK_STREAM);
  int descriptor = ends.a;
  const auto put = [&](uint64_t name, uint32_t place) {
    ring_.start(name, [&](auto* entry) {
      io_uring_prep_files_update(entry, &descriptor, 1, static_cast<int>(place));
    });
  };
  const auto send_to_place = [&](uint64_t name, int place) {
    ring_.start(name, [&](auto* entry) {
      io_uring_prep_send(entry, place, "eddy", 4, 0);
      entry->flags |= IOSQE_FIXED_FILE;
    });
  };
  put(1, 5);
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{1, -ENXIO, 0}));
  EXPECT_EQ(ring_.queue().register_with(IORING_REGISTER_FILES2, &asked, sizeof asked), 0);
  EXPECT_EQ(ring_.queue().register_with(IORING_REGISTER_FILES2, &asked, sizeof asked), -EBUSY);
  put(2, 5);
  put(3, 8);
  send_to_place(4, 5);
  send_to_place(5, 4);
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{2, 1, 0}, Completed{3, -EINVAL, 0},
                                        Completed{4, 4, 0}, Completed{5, -EBADF, 0}));
  close(ends.a);
  EXPECT_EQ(receive(ends.b), "eddy");
  EXPECT_EQ(receive(ends.b), "EAGAIN");  // the table holds the socket open
  descriptor = -1;
  put(6, 5);
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{6, 1, 0}));
  await(ends.b, EPOLLHUP);
  EXPECT_EQ(receive(ends.b), "end");
}

// --- Cancelling

TEST_P(ContractUring, ACancellationIsToldBeforeItsTarget) {
  const Ends ends = pair(SOCK_STREAM);
  char bytes[8];
  ring_.start(1, [&](auto* entry) { io_uring_prep_recv(entry, ends.a, bytes, sizeof bytes, 0); });
  EXPECT_THAT(ring_.turn(), IsEmpty());
  ring_.start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  ring_.start(3, [](auto* entry) { io_uring_prep_cancel64(entry, 7, 0); });
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{2, 0, 0}, Completed{3, -ENOENT, 0},
                                        Completed{1, -ECANCELED, 0}));
}

TEST_P(ContractUring, WhatWasWokenCanBeCancelledStill) {
  const Ends ends = pair(SOCK_STREAM);
  char bytes[8];
  ring_.start(1, [&](auto* entry) { io_uring_prep_recv(entry, ends.a, bytes, sizeof bytes, 0); });
  ring_.turn();
  send(ends.b, "kept");
  ring_.start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{2, 0, 0}, Completed{1, -ECANCELED, 0}));
  EXPECT_EQ(receive(ends.a), "kept");
}

TEST_P(ContractUring, AllOfOneSocketAreCancelled) {
  const Ends ends = pair(SOCK_STREAM);
  const Ends others = pair(SOCK_STREAM);
  const int same = duplicate(ends.a);
  char bytes[3][8];
  ring_.start(1, [&](auto* entry) { io_uring_prep_recv(entry, ends.a, bytes[0], 8, 0); });
  ring_.start(2, [&](auto* entry) { io_uring_prep_recv(entry, others.a, bytes[1], 8, 0); });
  ring_.start(3, [&](auto* entry) { io_uring_prep_recv(entry, same, bytes[2], 8, 0); });
  EXPECT_THAT(ring_.turn(), IsEmpty());
  ring_.start(4, [&](auto* entry) {
    io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL);
    entry->fd = ends.a;
  });
  EXPECT_THAT(ring_.turn(), UnorderedElementsAre(Completed{4, 2, 0}, Completed{1, -ECANCELED, 0},
                                                 Completed{3, -ECANCELED, 0}));
  ring_.start(5, [](auto* entry) {
    io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
  });
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{5, 1, 0}, Completed{2, -ECANCELED, 0}));
}

EDDY_ON_EVERY_KERNEL_WITH_URING(ContractUring);

}  // namespace
}  // namespace eddy::test
