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
  const Ends ends = pipe();  // a reads, b writes
};

TEST_P(ContractPipe, BytesFlowOneWay) {
  EXPECT_EQ(readiness(ends.a), 0U);
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLOUT});
  EXPECT_EQ(read(ends.a), "EAGAIN");
  EXPECT_EQ(write(ends.b, "abc"), 3);
  EXPECT_EQ(write(ends.b, "de"), 2);
  EXPECT_EQ(readiness(ends.a), uint32_t{EPOLLIN});
  EXPECT_EQ(read(ends.a, 2), "ab");
  EXPECT_EQ(read(ends.a), "cde");
  EXPECT_EQ(readiness(ends.a), 0U);
}

TEST_P(ContractPipe, TheWrongEndIsABadDescriptor) {
  EXPECT_EQ(read(ends.b), "EBADF");
  EXPECT_EQ(write(ends.a, "x"), -EBADF);
}

TEST_P(ContractPipe, NothingOfNothing) {
  EXPECT_EQ(write(ends.b, ""), 0);
  EXPECT_EQ(read(ends.a, 0), "end");
  EXPECT_EQ(readiness(ends.a), 0U);
}

TEST_P(ContractPipe, StatusFlagsTellTheDirection) {
  EXPECT_EQ(kernel.get_status_flags(ends.a), O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(kernel.get_status_flags(ends.b), O_WRONLY | O_NONBLOCK);
}

TEST_P(ContractPipe, TheWritersEndIsSeenBehindTheBytes) {
  write(ends.b, "abc");
  close(ends.b);
  EXPECT_EQ(readiness(ends.a), uint32_t{EPOLLIN | EPOLLHUP});
  EXPECT_EQ(read(ends.a), "abc");
  EXPECT_EQ(readiness(ends.a), uint32_t{EPOLLHUP});
  EXPECT_EQ(read(ends.a), "end");
}

TEST_P(ContractPipe, TheReadersEndIsABrokenPipe) {
  close(ends.a);
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLOUT | EPOLLERR});
  EXPECT_EQ(write(ends.b, "x"), -EPIPE);
  EXPECT_EQ(write(ends.b, ""), 0);
}

TEST_P(ContractPipe, AFullPipeHoldsSixteenPages) {
  EXPECT_EQ(fill(ends.b), kCapacity);
  EXPECT_EQ(readiness(ends.b), 0U);
  EXPECT_EQ(write(ends.b, "x"), -EAGAIN);
}

TEST_P(ContractPipe, AFullPipeIsWritableWhenAPageIsFree) {
  fill(ends.b);
  EXPECT_EQ(read(ends.a, kPage - 1).size(), kPage - 1);
  EXPECT_EQ(readiness(ends.b), 0U);
  EXPECT_EQ(write(ends.b, "x"), -EAGAIN);
  EXPECT_EQ(read(ends.a, 1).size(), 1U);
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLOUT});
  EXPECT_EQ(fill(ends.b), kPage);
}

TEST_P(ContractPipe, AFullPipeWithAReaderGoneIsAnError) {
  fill(ends.b);
  close(ends.a);
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLERR});
}

TEST_P(ContractPipe, SmallWritesSharePages) {
  const std::string third(kPage / 3, 't');
  for (int i = 0; i < 3; ++i) EXPECT_EQ(write(ends.b, third), static_cast<ssize_t>(third.size()));
  EXPECT_EQ(fill(ends.b), kCapacity - kPage);
  // There is room for one byte more in the first page, but it is not the last.
  EXPECT_EQ(write(ends.b, "x"), -EAGAIN);
}

TEST_P(ContractPipe, WhatIsAtomicGoesWholeOrNotAtAll) {
  const std::string most(kPage - 1, 'm');
  for (int i = 0; i < 16; ++i) EXPECT_EQ(write(ends.b, most), static_cast<ssize_t>(most.size()));
  EXPECT_EQ(write(ends.b, "ab"), -EAGAIN);
  EXPECT_EQ(write(ends.b, "a"), 1);
  EXPECT_EQ(drain(ends.a), kCapacity - 15);
}

TEST_P(ContractPipe, ALargeWriteIsShort) {
  EXPECT_EQ(write(ends.b, std::string(kCapacity + 10, 'l')), ssize_t{kCapacity});
  EXPECT_EQ(read(ends.a, 3 * kPage).size(), 3 * kPage);
  EXPECT_EQ(write(ends.b, std::string(kCapacity, 'l')), ssize_t{3 * kPage});
}

TEST_P(ContractPipe, PiecesAreGatheredInOneWrite) {
  char one[] = "one";
  char two[] = "two";
  const iovec pieces[] = {{one, 3}, {nullptr, 0}, {two, 3}};
  EXPECT_EQ(kernel.writev(ends.b, pieces, 3), 6);
  EXPECT_EQ(read(ends.a), "onetwo");
}

TEST_P(ContractPipe, EachWriteIsAnEdge) {
  const int epoll_fd = epoll();
  control(epoll_fd, EPOLL_CTL_ADD, ends.a, EPOLLIN | EPOLLET);
  for (int i = 0; i < 2; ++i) {
    write(ends.b, "x");
    EXPECT_EQ(poll(epoll_fd), (Events{{ends.a, EPOLLIN}}));
    EXPECT_EQ(poll(epoll_fd), Events{});
  }
  close(ends.b);
  EXPECT_EQ(poll(epoll_fd), (Events{{ends.a, EPOLLIN | EPOLLHUP}}));
}

TEST_P(ContractPipe, RoomIsAnEdgeOnlyAfterAFullPipe) {
  const int epoll_fd = epoll();
  control(epoll_fd, EPOLL_CTL_ADD, ends.b, EPOLLOUT | EPOLLET);
  EXPECT_EQ(poll(epoll_fd), (Events{{ends.b, EPOLLOUT}}));
  write(ends.b, "x");
  read(ends.a);
  EXPECT_EQ(poll(epoll_fd), Events{});
  fill(ends.b);
  read(ends.a, kPage);
  EXPECT_EQ(poll(epoll_fd), (Events{{ends.b, EPOLLOUT}}));
  close(ends.a);
  EXPECT_EQ(poll(epoll_fd), (Events{{ends.b, EPOLLOUT | EPOLLERR}}));
}

TEST_P(ContractPipe, ADuplicateOfTheWriterKeepsItOpen) {
  const int same = duplicate(ends.b);
  close(ends.b);
  EXPECT_EQ(readiness(ends.a), 0U);
  close(same);
  EXPECT_EQ(readiness(ends.a), uint32_t{EPOLLHUP});
}

EDDY_ON_EVERY_KERNEL(ContractPipe);

class ContractEventfd : public KernelContract {
 protected:
  ssize_t add(uint64_t value) {
    return write(fd, {reinterpret_cast<const char*>(&value), sizeof value});
  }
  const int fd = keep(kernel.eventfd());
};

TEST_P(ContractEventfd, CountsWritesAndGivesThemAtOnce) {
  EXPECT_EQ(readiness(fd), uint32_t{EPOLLOUT});
  EXPECT_EQ(kernel.read_eventfd(fd), -EAGAIN);
  EXPECT_EQ(kernel.write_eventfd(fd), 0);
  EXPECT_EQ(kernel.write_eventfd(fd), 0);
  EXPECT_EQ(readiness(fd), uint32_t{EPOLLIN | EPOLLOUT});
  EXPECT_EQ(kernel.read_eventfd(fd), 2);
  EXPECT_EQ(kernel.read_eventfd(fd), -EAGAIN);
  EXPECT_EQ(kernel.write_eventfd(-1), -EBADF);
}

TEST_P(ContractEventfd, IsReadAndWrittenAsEightBytes) {
  EXPECT_EQ(add(40), 8);
  EXPECT_EQ(add(2), 8);
  EXPECT_EQ(read(fd, 7), "EINVAL");
  const std::string count = read(fd, 64);
  ASSERT_EQ(count.size(), 8U);
  uint64_t value = 0;
  memcpy(&value, count.data(), sizeof value);
  EXPECT_EQ(value, 42U);
  EXPECT_EQ(write(fd, "short"), -EINVAL);
}

TEST_P(ContractEventfd, HasAMost) {
  EXPECT_EQ(add(UINT64_MAX), -EINVAL);
  EXPECT_EQ(add(UINT64_MAX - 1), 8);
  EXPECT_EQ(readiness(fd), uint32_t{EPOLLIN});
  EXPECT_EQ(add(1), -EAGAIN);
  EXPECT_EQ(add(0), 8);
  EXPECT_EQ(kernel.read_eventfd(fd), static_cast<int64_t>(UINT64_MAX - 1));
  EXPECT_EQ(readiness(fd), uint32_t{EPOLLOUT});
}

TEST_P(ContractEventfd, EachWriteIsAnEdge) {
  const int epoll_fd = epoll();
  control(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET);
  for (int i = 0; i < 2; ++i) {
    kernel.write_eventfd(fd);
    EXPECT_EQ(poll(epoll_fd), (Events{{fd, EPOLLIN}}));
    EXPECT_EQ(poll(epoll_fd), Events{});
  }
}

EDDY_ON_EVERY_KERNEL(ContractEventfd);

}  // namespace
}  // namespace eddy::test
