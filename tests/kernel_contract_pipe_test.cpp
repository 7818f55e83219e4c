// Pipes and eventfd, as Linux and its model have them.
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kCapacity = 16 * kPage;

class ContractPipe : public KernelContract {
 protected:
  const Ends ends_ = pipe();  // a reads, b writes
};

TEST_P(ContractPipe, BytesFlowOneWay) {
  EXPECT_EQ(readiness(ends_.a), 0U);
  EXPECT_EQ(readiness(ends_.b), uint32_t{EPOLLOUT});
  EXPECT_EQ(read(ends_.a), "EAGAIN");
  EXPECT_EQ(write(ends_.b, "abc"), 3);
  EXPECT_EQ(write(ends_.b, "de"), 2);
  EXPECT_EQ(readiness(ends_.a), uint32_t{EPOLLIN});
  EXPECT_EQ(read(ends_.a, 2), "ab");
  EXPECT_EQ(read(ends_.a), "cde");
  EXPECT_EQ(readiness(ends_.a), 0U);
}

TEST_P(ContractPipe, TheWrongEndIsABadDescriptor) {
  EXPECT_EQ(read(ends_.b), "EBADF");
  EXPECT_EQ(write(ends_.a, "x"), -EBADF);
}

TEST_P(ContractPipe, NothingOfNothing) {
  EXPECT_EQ(write(ends_.b, ""), 0);
  EXPECT_EQ(read(ends_.a, 0), "end");
  EXPECT_EQ(readiness(ends_.a), 0U);
}

TEST_P(ContractPipe, StatusFlagsTellTheDirection) {
  EXPECT_EQ(kernel.get_status_flags(ends_.a), O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(kernel.get_status_flags(ends_.b), O_WRONLY | O_NONBLOCK);
}

TEST_P(ContractPipe, TheWritersEndIsSeenBehindTheBytes) {
  write(ends_.b, "abc");
  close(ends_.b);
  EXPECT_EQ(readiness(ends_.a), uint32_t{EPOLLIN | EPOLLHUP});
  EXPECT_EQ(read(ends_.a), "abc");
  EXPECT_EQ(readiness(ends_.a), uint32_t{EPOLLHUP});
  EXPECT_EQ(read(ends_.a), "end");
}

TEST_P(ContractPipe, TheReadersEndIsABrokenPipe) {
  close(ends_.a);
  EXPECT_EQ(readiness(ends_.b), uint32_t{EPOLLOUT | EPOLLERR});
  EXPECT_EQ(write(ends_.b, "x"), -EPIPE);
  EXPECT_EQ(write(ends_.b, ""), 0);
}

TEST_P(ContractPipe, AFullPipeHoldsSixteenPages) {
  EXPECT_EQ(fill(ends_.b), kCapacity);
  EXPECT_EQ(readiness(ends_.b), 0U);
  EXPECT_EQ(write(ends_.b, "x"), -EAGAIN);
}

TEST_P(ContractPipe, AFullPipeIsWritableWhenAPageIsFree) {
  fill(ends_.b);
  EXPECT_EQ(read(ends_.a, kPage - 1).size(), kPage - 1);
  EXPECT_EQ(readiness(ends_.b), 0U);
  EXPECT_EQ(write(ends_.b, "x"), -EAGAIN);
  EXPECT_EQ(read(ends_.a, 1).size(), 1U);
  EXPECT_EQ(readiness(ends_.b), uint32_t{EPOLLOUT});
  EXPECT_EQ(fill(ends_.b), kPage);
}

TEST_P(ContractPipe, AFullPipeWithAReaderGoneIsAnError) {
  fill(ends_.b);
  close(ends_.a);
  EXPECT_EQ(readiness(ends_.b), uint32_t{EPOLLERR});
}

TEST_P(ContractPipe, SmallWritesSharePages) {
  const std::string third(kPage / 3, 't');
  for (int i = 0; i < 3; ++i) EXPECT_EQ(write(ends_.b, third), static_cast<ssize_t>(third.size()));
  EXPECT_EQ(fill(ends_.b), kCapacity - kPage);
  // There is room for one byte more in the first page, but it is not the last.
  EXPECT_EQ(write(ends_.b, "x"), -EAGAIN);
}

TEST_P(ContractPipe, WhatIsAtomicGoesWholeOrNotAtAll) {
  const std::string most(kPage - 1, 'm');
  for (int i = 0; i < 16; ++i) EXPECT_EQ(write(ends_.b, most), static_cast<ssize_t>(most.size()));
  EXPECT_EQ(write(ends_.b, "ab"), -EAGAIN);
  EXPECT_EQ(write(ends_.b, "a"), 1);
  EXPECT_EQ(drain(ends_.a), kCapacity - 15);
}

TEST_P(ContractPipe, ALargeWriteIsShort) {
  EXPECT_EQ(write(ends_.b, std::string(kCapacity + 10, 'l')), ssize_t{kCapacity});
  EXPECT_EQ(read(ends_.a, 3 * kPage).size(), 3 * kPage);
  EXPECT_EQ(write(ends_.b, std::string(kCapacity, 'l')), ssize_t{3 * kPage});
}

TEST_P(ContractPipe, PiecesAreGatheredInOneWrite) {
  char one[] = "one";
  char two[] = "two";
  const iovec pieces[] = {{one, 3}, {nullptr, 0}, {two, 3}};
  EXPECT_EQ(kernel.writev(ends_.b, pieces, 3), 6);
  EXPECT_EQ(read(ends_.a), "onetwo");
}

TEST_P(ContractPipe, EachWriteIsAnEdge) {
  const int epoll_fd = epoll();
  control(epoll_fd, EPOLL_CTL_ADD, ends_.a, EPOLLIN | EPOLLET);
  for (int i = 0; i < 2; ++i) {
    write(ends_.b, "x");
    EXPECT_EQ(poll(epoll_fd), (EpollEvents{{ends_.a, EPOLLIN}}));
    EXPECT_EQ(poll(epoll_fd), EpollEvents{});
  }
  close(ends_.b);
  EXPECT_EQ(poll(epoll_fd), (EpollEvents{{ends_.a, EPOLLIN | EPOLLHUP}}));
}

TEST_P(ContractPipe, RoomIsAnEdgeOnlyAfterAFullPipe) {
  const int epoll_fd = epoll();
  control(epoll_fd, EPOLL_CTL_ADD, ends_.b, EPOLLOUT | EPOLLET);
  EXPECT_EQ(poll(epoll_fd), (EpollEvents{{ends_.b, EPOLLOUT}}));
  write(ends_.b, "x");
  read(ends_.a);
  EXPECT_EQ(poll(epoll_fd), EpollEvents{});
  fill(ends_.b);
  read(ends_.a, kPage);
  EXPECT_EQ(poll(epoll_fd), (EpollEvents{{ends_.b, EPOLLOUT}}));
  close(ends_.a);
  EXPECT_EQ(poll(epoll_fd), (EpollEvents{{ends_.b, EPOLLOUT | EPOLLERR}}));
}

TEST_P(ContractPipe, ADuplicateOfTheWriterKeepsItOpen) {
  const int same = duplicate(ends_.b);
  close(ends_.b);
  EXPECT_EQ(readiness(ends_.a), 0U);
  close(same);
  EXPECT_EQ(readiness(ends_.a), uint32_t{EPOLLHUP});
}

EDDY_ON_EVERY_KERNEL(ContractPipe);

class ContractEventfd : public KernelContract {
 protected:
  ssize_t add(uint64_t value) {
    return write(fd_, {reinterpret_cast<const char*>(&value), sizeof value});
  }
  const int fd_ = keep(kernel.eventfd());
};

TEST_P(ContractEventfd, CountsWritesAndGivesThemAtOnce) {
  EXPECT_EQ(readiness(fd_), uint32_t{EPOLLOUT});
  EXPECT_EQ(kernel.read_eventfd(fd_), -EAGAIN);
  EXPECT_EQ(kernel.write_eventfd(fd_), 0);
  EXPECT_EQ(kernel.write_eventfd(fd_), 0);
  EXPECT_EQ(readiness(fd_), uint32_t{EPOLLIN | EPOLLOUT});
  EXPECT_EQ(kernel.read_eventfd(fd_), 2);
  EXPECT_EQ(kernel.read_eventfd(fd_), -EAGAIN);
  EXPECT_EQ(kernel.write_eventfd(-1), -EBADF);
}

TEST_P(ContractEventfd, IsReadAndWrittenAsEightBytes) {
  EXPECT_EQ(add(40), 8);
  EXPECT_EQ(add(2), 8);
  EXPECT_EQ(read(fd_, 7), "EINVAL");
  const std::string count = read(fd_, 64);
  ASSERT_EQ(count.size(), 8U);
  uint64_t value = 0;
  memcpy(&value, count.data(), sizeof value);
  EXPECT_EQ(value, 42U);
  EXPECT_EQ(write(fd_, "short"), -EINVAL);
}

TEST_P(ContractEventfd, HasAMost) {
  EXPECT_EQ(add(UINT64_MAX), -EINVAL);
  EXPECT_EQ(add(UINT64_MAX - 1), 8);
  EXPECT_EQ(readiness(fd_), uint32_t{EPOLLIN});
  EXPECT_EQ(add(1), -EAGAIN);
  EXPECT_EQ(add(0), 8);
  EXPECT_EQ(kernel.read_eventfd(fd_), static_cast<int64_t>(UINT64_MAX - 1));
  EXPECT_EQ(readiness(fd_), uint32_t{EPOLLOUT});
}

TEST_P(ContractEventfd, EachWriteIsAnEdge) {
  const int epoll_fd = epoll();
  control(epoll_fd, EPOLL_CTL_ADD, fd_, EPOLLIN | EPOLLET);
  for (int i = 0; i < 2; ++i) {
    kernel.write_eventfd(fd_);
    EXPECT_EQ(poll(epoll_fd), (EpollEvents{{fd_, EPOLLIN}}));
    EXPECT_EQ(poll(epoll_fd), EpollEvents{});
  }
}

EDDY_ON_EVERY_KERNEL(ContractEventfd);

}  // namespace
}  // namespace eddy::test
