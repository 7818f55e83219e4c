// Descriptors and what they refer to, as Linux and its model have it.
#include <errno.h>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

class ContractDescriptor : public KernelContract {};

TEST_P(ContractDescriptor, ADuplicateKeepsTheConnectionOpen) {
  const Ends ends = connected();
  const int same = duplicate(ends.a);
  close(ends.a);
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLOUT});
  EXPECT_EQ(send(same, "still"), 5);
  await(ends.b, EPOLLIN);
  EXPECT_EQ(receive(ends.b), "still");
  close(same);
  EXPECT_EQ(await(ends.b, EPOLLRDHUP), kReadEnd | EPOLLOUT);
}

TEST_P(ContractDescriptor, ShutdownIsSeenThroughADuplicate) {
  const Ends ends = connected();
  const int same = duplicate(ends.a);
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_WR), 0);
  EXPECT_EQ(send(same, "x"), -EPIPE);
  EXPECT_EQ(kernel.set_status_flags(same, 0), 0);
  EXPECT_EQ(kernel.get_status_flags(ends.a), kernel.get_status_flags(same));
}

TEST_P(ContractDescriptor, WhatIsNotOpenIsABadDescriptor) {
  const int closed = tcp();
  close(closed);
  for (const int fd : {closed, -1}) {
    EXPECT_EQ(kernel.close(fd), -EBADF);
    EXPECT_EQ(send(fd, "x"), -EBADF);
    EXPECT_EQ(receive(fd), "EBADF");
    EXPECT_EQ(read(fd), "EBADF");
    EXPECT_EQ(write(fd, "x"), -EBADF);
    EXPECT_EQ(kernel.listen(fd, 1), -EBADF);
    EXPECT_EQ(kernel.accept4(fd, nullptr, nullptr, 0), -EBADF);
    EXPECT_EQ(kernel.shutdown(fd, SHUT_RD), -EBADF);
    EXPECT_EQ(connect(fd, inet("127.0.0.1", 1)), -EBADF);
    EXPECT_EQ(get(fd, SOL_SOCKET, SO_TYPE), -EBADF);
    EXPECT_EQ(kernel.descriptor_kind(fd), -EBADF);
  }
}

TEST_P(ContractDescriptor, WhatIsNotASocketSaysSo) {
  const int fd = keep(kernel.eventfd());
  EXPECT_EQ(send(fd, "x"), -ENOTSOCK);
  EXPECT_EQ(receive(fd), "ENOTSOCK");
  EXPECT_EQ(kernel.listen(fd, 1), -ENOTSOCK);
  EXPECT_EQ(kernel.accept4(fd, nullptr, nullptr, 0), -ENOTSOCK);
  EXPECT_EQ(kernel.shutdown(fd, SHUT_RD), -ENOTSOCK);
  EXPECT_EQ(connect(fd, inet("127.0.0.1", 1)), -ENOTSOCK);
  EXPECT_EQ(bind(fd, inet("127.0.0.1", 0)), -ENOTSOCK);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_TYPE), -ENOTSOCK);
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_KEEPALIVE, 1), -ENOTSOCK);
}

TEST_P(ContractDescriptor, DescriptorsAreTheLowestFreeNumbers) {
  const int first = tcp();
  const int second = tcp();
  const int third = tcp();
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  close(second);
  close(first);
  EXPECT_EQ(tcp(), first);
  EXPECT_EQ(keep(kernel.eventfd()), second);
}

TEST_P(ContractDescriptor, DescriptorsTellTheirKind) {
  const auto kind = [&](int fd) { return static_cast<DescriptorKind>(kernel.descriptor_kind(fd)); };
  EXPECT_EQ(kind(tcp()), DescriptorKind::kSocket);
  EXPECT_EQ(kind(udp()), DescriptorKind::kSocket);
  EXPECT_EQ(kind(pair(SOCK_STREAM).a), DescriptorKind::kSocket);
  EXPECT_EQ(kind(pipe().a), DescriptorKind::kPipe);
  EXPECT_EQ(kind(keep(kernel.eventfd())), DescriptorKind::kOther);
  EXPECT_EQ(kind(epoll()), DescriptorKind::kOther);
}

TEST_P(ContractDescriptor, UnknownKindsOfSocketAreRefused) {
  EXPECT_EQ(kernel.socket(9999, SOCK_STREAM, 0), -EAFNOSUPPORT);
  EXPECT_EQ(kernel.socket(AF_INET, 99, 0), -EINVAL);
  EXPECT_EQ(kernel.socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
  EXPECT_EQ(kernel.socket(AF_UNIX, SOCK_RDM, 0), -ESOCKTNOSUPPORT);
  int descriptors[2];
  EXPECT_EQ(kernel.socketpair(AF_INET, SOCK_STREAM, 0, descriptors), -EOPNOTSUPP);
}

TEST_P(ContractDescriptor, WhatIsNotOpenIsNotDuplicated) {
  EXPECT_EQ(kernel.duplicate(-1), -EBADF);
  EXPECT_EQ(kernel.set_close_on_exec(-1, true), -EBADF);
  EXPECT_EQ(kernel.set_close_on_exec(tcp(), true), 0);
}

TEST_P(ContractDescriptor, AThreadMayBePutOnEachOfItsCpusAndNoOther) {
  unsigned long before[16] = {};
  const int bytes = kernel.get_affinity(before, sizeof before);
  ASSERT_GE(bytes, static_cast<int>(sizeof before[0]));
  ASSERT_NE(before[0], 0U);
  const unsigned long lowest[16] = {before[0] & (~before[0] + 1)};
  EXPECT_EQ(kernel.set_affinity(lowest, sizeof lowest), 0);
  unsigned long now[16] = {};
  EXPECT_EQ(kernel.get_affinity(now, sizeof now), bytes);
  EXPECT_EQ(now[0], lowest[0]);
  const unsigned long none[16] = {};
  EXPECT_EQ(kernel.set_affinity(none, sizeof none), -EINVAL);
  EXPECT_EQ(kernel.get_affinity(now, 1), -EINVAL);
  EXPECT_EQ(kernel.set_affinity(before, sizeof before), 0);
}

// getrandom(2): up to 256 bytes come whole.
TEST_P(ContractDescriptor, ChanceComesWhole) {
  std::string first(256, '\0');
  std::string second = first;
  EXPECT_EQ(kernel.getrandom(first.data(), first.size()), 256);
  EXPECT_EQ(kernel.getrandom(second.data(), second.size()), 256);
  EXPECT_NE(first, second);
  EXPECT_EQ(kernel.getrandom(first.data(), 0), 0);
}

EDDY_ON_EVERY_KERNEL(ContractDescriptor);

}  // namespace
}  // namespace eddy::test
