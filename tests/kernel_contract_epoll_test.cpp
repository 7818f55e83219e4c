// epoll, as Linux and its model have it.
#include <errno.h>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

class ContractEpoll : public KernelContract {
 protected:
  int add(int fd, uint32_t events) { return control(epoll_fd_, EPOLL_CTL_ADD, fd, events); }
  int modify(int fd, uint32_t events) { return control(epoll_fd_, EPOLL_CTL_MOD, fd, events); }
  int remove(int fd) { return control(epoll_fd_, EPOLL_CTL_DEL, fd, 0); }
  void send_and_arrive(const Ends& ends, std::string_view bytes) {
    EXPECT_EQ(send(ends.a, bytes), static_cast<ssize_t>(bytes.size()));
    await(ends.b, EPOLLIN);
  }

  const int epoll_fd_ = epoll();
};

TEST_P(ContractEpoll, NothingIsReadyUntilSomethingArrives) {
  const Ends ends = connected();
  EXPECT_EQ(add(ends.b, EPOLLIN), 0);
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
  EXPECT_EQ(wait(epoll_fd_, 1'000'000), EpollEvents{});
  send(ends.a, "x");
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{ends.b, EPOLLIN}}));
}

TEST_P(ContractEpoll, ATimeOutIsWaitedOut) {
  const int64_t before_ns = kernel.monotonic_ns();
  EXPECT_EQ(wait(epoll_fd_, 3'000'000), EpollEvents{});
  EXPECT_GE(kernel.monotonic_ns() - before_ns, 3'000'000);
}

TEST_P(ContractEpoll, LevelTriggeredIsToldAsLongAsItHolds) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN);
  send_and_arrive(ends, "abc");
  for (const char* byte : {"a", "b", "c"}) {
    EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN}}));
    EXPECT_EQ(receive(ends.b, 1), byte);
  }
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, EdgeTriggeredIsToldOnceForEachArrival) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN | EPOLLET);
  send_and_arrive(ends, "abc");
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
  EXPECT_EQ(receive(ends.b, 1), "a");
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
  // More arrives though what was there is not read.
  EXPECT_EQ(send(ends.a, "d"), 1);
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{ends.b, EPOLLIN}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, EdgeTriggeredTellsWhatIsReadyWhenItIsAdded) {
  const Ends ends = connected();
  send_and_arrive(ends, "x");
  add(ends.b, EPOLLIN | EPOLLOUT | EPOLLET);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN | EPOLLOUT}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, AnEdgeTellsEverythingThatHoldsThen) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN | EPOLLOUT | EPOLLET);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLOUT}}));
  send_and_arrive(ends, "x");
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN | EPOLLOUT}}));
}

TEST_P(ContractEpoll, AnEdgeThatIsGoneWhenItIsLookedForIsNotTold) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN | EPOLLET);
  send_and_arrive(ends, "x");
  EXPECT_EQ(receive(ends.b), "x");
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, ModifyingLooksAnew) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN | EPOLLET);
  send_and_arrive(ends, "x");
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN}}));
  EXPECT_EQ(modify(ends.b, EPOLLIN | EPOLLET), 0);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN}}));
  EXPECT_EQ(modify(ends.b, EPOLLOUT), 0);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLOUT}}));
  EXPECT_EQ(modify(ends.b, 0), 0);
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, OneShotIsToldOnceAndThenByModify) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN | EPOLLONESHOT);
  send_and_arrive(ends, "x");
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
  close(ends.a);
  await(ends.b, EPOLLRDHUP);
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
  EXPECT_EQ(modify(ends.b, EPOLLIN | EPOLLONESHOT), 0);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN}}));
}

TEST_P(ContractEpoll, HangUpsAndErrorsAreToldUnasked) {
  const Ends ends = connected();
  add(ends.b, 0);
  set_linger(ends.a, 0);
  close(ends.a);
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{ends.b, EPOLLERR | EPOLLHUP}}));
  EXPECT_EQ(error_of(ends.b), ECONNRESET);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLHUP}}));
}

TEST_P(ContractEpoll, AHalfCloseIsToldOnlyToWhoAsks) {
  const Ends ends = connected();
  const int other = epoll();
  add(ends.b, EPOLLRDHUP);
  control(other, EPOLL_CTL_ADD, ends.b, EPOLLIN);
  kernel.shutdown(ends.a, SHUT_WR);
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{ends.b, EPOLLRDHUP}}));
  EXPECT_EQ(wait(other, kLongNs), (EpollEvents{{ends.b, EPOLLIN}}));
}

TEST_P(ContractEpoll, AHalfCloseIsAnEdge) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN | EPOLLRDHUP | EPOLLET);
  send_and_arrive(ends, "x");
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN}}));
  kernel.shutdown(ends.a, SHUT_WR);
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{ends.b, kReadEnd}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, RoomComesBackAsAnEdge) {
  const Ends ends = connected();
  add(ends.a, EPOLLOUT | EPOLLET);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.a, EPOLLOUT}}));
  const size_t sent = fill(ends.a);
  size_t received = 0;
  while (received < sent) {
    await(ends.b, EPOLLIN);
    received += drain(ends.b);
  }
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{ends.a, EPOLLOUT}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, ASuccessfulConnectIsAnEdge) {
  const int listening = listener();
  const int client = tcp();
  EXPECT_EQ(connect(client, name_of(listening)), -EINPROGRESS);
  add(client, EPOLLIN | EPOLLOUT | EPOLLET);
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{client, EPOLLOUT}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, AnIdleSocketThatIsAddedBeforeConnectHangsUpUntilThen) {
  const int listening = listener();
  const int client = tcp();
  add(client, EPOLLOUT | EPOLLET);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{client, EPOLLOUT | EPOLLHUP}}));
  EXPECT_EQ(connect(client, name_of(listening)), -EINPROGRESS);
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{client, EPOLLOUT}}));
}

TEST_P(ContractEpoll, AListenerIsAnEdgeForEachConnection) {
  const int listening = listener();
  add(listening, EPOLLIN | EPOLLET);
  connect(tcp(), name_of(listening));
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{listening, EPOLLIN}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
  connect(tcp(), name_of(listening));
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{listening, EPOLLIN}}));
}

TEST_P(ContractEpoll, ShuttingOneselfIsAnEdge) {
  for (const int how : {SHUT_RD, SHUT_WR, SHUT_RDWR}) {
    const Ends ends = connected();
    add(ends.a, EPOLLOUT | EPOLLET);
    EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.a, EPOLLOUT}}));
    EXPECT_EQ(kernel.shutdown(ends.a, how), 0);
    const uint32_t hung_up = how == SHUT_RDWR ? uint32_t{EPOLLHUP} : 0;
    EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{ends.a, EPOLLOUT | hung_up}})) << how;
    remove(ends.a);
  }
}

TEST_P(ContractEpoll, AResetIsAnEdgeForEverything) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLOUT}}));
  set_linger(ends.a, 0);
  close(ends.a);
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{ends.b, kHungUp | EPOLLOUT | EPOLLERR}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
  EXPECT_EQ(receive(ends.b), "ECONNRESET");
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, ARefusalIsAnEdge) {
  const int listening = listener();
  const sockaddr_in nobody = name_of(listening);
  close(listening);
  const int client = tcp();
  connect(client, nobody);
  add(client, EPOLLOUT | EPOLLET);
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{client, EPOLLOUT | EPOLLERR | EPOLLHUP}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, ReadingIsNoEdgeForAWriterWithRoom) {
  const Ends ends = connected();
  add(ends.a, EPOLLIN | EPOLLOUT | EPOLLET);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.a, EPOLLOUT}}));
  send_and_arrive(ends, "x");
  EXPECT_EQ(receive(ends.b), "x");
  EXPECT_EQ(wait(epoll_fd_, 10'000'000), EpollEvents{});
}

TEST_P(ContractEpoll, UrgentDataIsAnEdge) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN | EPOLLPRI | EPOLLET);
  EXPECT_EQ(send(ends.a, "!", MSG_OOB), 1);
  await(ends.b, EPOLLPRI);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLPRI}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, ALocalPeersEndIsAnEdge) {
  const Ends ends = pair(SOCK_STREAM);
  add(ends.b, EPOLLIN | EPOLLRDHUP | EPOLLET);
  kernel.shutdown(ends.a, SHUT_WR);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, kReadEnd}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
  close(ends.a);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, kHungUp}}));
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

// --- The list

TEST_P(ContractEpoll, WhatIsRemovedIsNotTold) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN);
  send_and_arrive(ends, "x");
  EXPECT_EQ(remove(ends.b), 0);
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
  EXPECT_EQ(remove(ends.b), -ENOENT);
  EXPECT_EQ(modify(ends.b, EPOLLIN), -ENOENT);
  EXPECT_EQ(add(ends.b, EPOLLIN), 0);
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN}}));
}

TEST_P(ContractEpoll, MistakesAreRefused) {
  const int fd = tcp();
  EXPECT_EQ(add(fd, EPOLLIN), 0);
  EXPECT_EQ(add(fd, EPOLLIN), -EEXIST);
  EXPECT_EQ(add(epoll_fd_, EPOLLIN), -EINVAL);
  EXPECT_EQ(add(-1, EPOLLIN), -EBADF);
  EXPECT_EQ(control(fd, EPOLL_CTL_ADD, fd, EPOLLIN), -EINVAL);
  EXPECT_EQ(control(fd, EPOLL_CTL_ADD, pipe().a, EPOLLIN), -EINVAL);
  EXPECT_EQ(control(-1, EPOLL_CTL_ADD, fd, EPOLLIN), -EBADF);
  EXPECT_EQ(control(epoll_fd_, 99, fd, EPOLLIN), -EINVAL);
  epoll_event event;
  EXPECT_EQ(kernel.epoll_wait(epoll_fd_, &event, 0, 0), -EINVAL);
  EXPECT_EQ(kernel.epoll_wait(fd, &event, 1, 0), -EINVAL);
  EXPECT_EQ(kernel.epoll_wait(-1, &event, 1, 0), -EBADF);
}

TEST_P(ContractEpoll, AClosedFileIsGone) {
  const Ends ends = connected();
  tcp();  // fills the gap that the listener left
  add(ends.b, EPOLLIN);
  send_and_arrive(ends, "x");
  close(ends.b);
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
  const int reused = tcp();
  EXPECT_EQ(reused, ends.b);
  EXPECT_EQ(modify(reused, EPOLLIN), -ENOENT);
  EXPECT_EQ(add(reused, EPOLLIN), 0);
}

TEST_P(ContractEpoll, ADuplicateKeepsTheEntryOfAClosedDescriptor) {
  const Ends ends = connected();
  add(ends.b, EPOLLIN);
  const int same = duplicate(ends.b);
  close(ends.b);
  send(ends.a, "x");
  EXPECT_EQ(wait(epoll_fd_, kLongNs), (EpollEvents{{ends.b, EPOLLIN}}));
  EXPECT_EQ(remove(ends.b), -EBADF);
  EXPECT_EQ(remove(same), -ENOENT);
  close(same);
  EXPECT_EQ(poll(epoll_fd_), EpollEvents{});
}

TEST_P(ContractEpoll, DuplicatesAreEntriesOfTheirOwn) {
  const Ends ends = connected();
  const int same = duplicate(ends.b);
  EXPECT_EQ(add(ends.b, EPOLLIN), 0);
  EXPECT_EQ(add(same, EPOLLIN), 0);
  send_and_arrive(ends, "x");
  EXPECT_EQ(poll(epoll_fd_).size(), 2U);
}

TEST_P(ContractEpoll, TwoInstancesAreBothTold) {
  const Ends ends = connected();
  const int other = epoll();
  add(ends.b, EPOLLIN | EPOLLET);
  control(other, EPOLL_CTL_ADD, ends.b, EPOLLIN | EPOLLET);
  send_and_arrive(ends, "x");
  EXPECT_EQ(poll(epoll_fd_), (EpollEvents{{ends.b, EPOLLIN}}));
  EXPECT_EQ(poll(other), (EpollEvents{{ends.b, EPOLLIN}}));
}

TEST_P(ContractEpoll, WhatDoesNotFitIsToldNextAndNobodyStarves) {
  std::vector<int> counters;
  for (int i = 0; i < 3; ++i) {
    counters.push_back(keep(kernel.eventfd()));
    add(counters.back(), EPOLLIN);
    kernel.write_eventfd(counters.back());
  }
  EpollEvents told;
  for (int i = 0; i < 6; ++i) {
    for (const auto& event : wait(epoll_fd_, 0, 1)) told.push_back(event);
  }
  ASSERT_EQ(told.size(), 6U);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(told[i], (std::pair<int, uint32_t>{counters[i % 3], EPOLLIN})) << i;
  }
}

TEST_P(ContractEpoll, TheOrderIsThatOfArrival) {
  std::vector<int> counters;
  for (int i = 0; i < 3; ++i) {
    counters.push_back(keep(kernel.eventfd()));
    add(counters.back(), EPOLLIN | EPOLLET);
  }
  for (const int i : {2, 0, 1}) kernel.write_eventfd(counters[static_cast<size_t>(i)]);
  EXPECT_EQ(poll(epoll_fd_),
            (EpollEvents{{counters[2], EPOLLIN}, {counters[0], EPOLLIN}, {counters[1], EPOLLIN}}));
}

TEST_P(ContractEpoll, AnInstanceIsReadableWhenItHasEvents) {
  const int counter = keep(kernel.eventfd());
  add(counter, EPOLLIN);
  EXPECT_EQ(readiness(epoll_fd_), 0U);
  const int outer = epoll();
  EXPECT_EQ(control(outer, EPOLL_CTL_ADD, epoll_fd_, EPOLLIN), 0);
  EXPECT_EQ(poll(outer), EpollEvents{});
  kernel.write_eventfd(counter);
  EXPECT_EQ(poll(outer), (EpollEvents{{epoll_fd_, EPOLLIN}}));
  EXPECT_EQ(kernel.read_eventfd(counter), 1);
  EXPECT_EQ(poll(outer), EpollEvents{});
}

EDDY_ON_EVERY_KERNEL(ContractEpoll);

}  // namespace
}  // namespace eddy::test
