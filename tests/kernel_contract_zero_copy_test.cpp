// Sending in place, and the notifications that the kernel has let go (MSG_ZEROCOPY): on loopback,
// where it copies after all, and tells when the bytes are acknowledged.
#include <errno.h>
#include <gmock/gmock.h>
#include <linux/errqueue.h>
#include <linux/tcp.h>
#include <string.h>

#include <set>
#include <string>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ContractZeroCopy : public KernelContract {
 protected:
  Ends in_place_pair() {
    const Ends ends = connected();
    EXPECT_EQ(get(ends.a, SOL_SOCKET, SO_ZEROCOPY), 0);
    EXPECT_EQ(set(ends.a, SOL_SOCKET, SO_ZEROCOPY, 1), 0);
    return ends;
  }
  ssize_t send_in_place(int fd, std::string_view bytes) { return send(fd, bytes, MSG_ZEROCOPY); }

  // Of the error queue's next message: the numbers that it tells of, or none.
  std::set<uint32_t> next_notification(int fd) {
    alignas(cmsghdr) char control[128];
    msghdr message = {};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t result = kernel.recvmsg(fd, &message, MSG_ERRQUEUE);
    if (result == -EAGAIN) return {};
    EXPECT_EQ(result, 0);
    EXPECT_NE(message.msg_flags & MSG_ERRQUEUE, 0);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr) return {};
    EXPECT_EQ(header->cmsg_level, IPPROTO_IP);
    EXPECT_EQ(header->cmsg_type, IP_RECVERR);
    sock_extended_err error;
    memcpy(&error, CMSG_DATA(header), sizeof error);
    EXPECT_EQ(error.ee_errno, 0U);
    EXPECT_EQ(error.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
    was_copied_ = (error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0;
    std::set<uint32_t> numbers;
    for (uint32_t number = error.ee_info; number != error.ee_data + 1; ++number) {
      numbers.insert(number);
    }
    return numbers;
  }
  // All that are told of until so many are.
  std::set<uint32_t> await_notifications(int fd, size_t count) {
    std::set<uint32_t> numbers;
    while (numbers.size() < count && (await(fd, EPOLLERR) & EPOLLERR) != 0) {
      numbers.merge(next_notification(fd));
    }
    return numbers;
  }

  bool was_copied_ = false;
};

TEST_P(ContractZeroCopy, ANotificationIsAnErrorThatIsNone) {
  const Ends ends = in_place_pair();
  EXPECT_EQ(send_in_place(ends.a, "eddy"), 4);
  EXPECT_EQ(await(ends.b, EPOLLIN) & EPOLLIN, EPOLLIN);
  EXPECT_EQ(receive(ends.b), "eddy");
  EXPECT_EQ(await(ends.a, EPOLLERR), EPOLLERR | EPOLLOUT);
  EXPECT_EQ(error_of(ends.a), 0);
  EXPECT_EQ(receive(ends.a), "EAGAIN");
  EXPECT_THAT(next_notification(ends.a), ElementsAre(0));
  EXPECT_TRUE(was_copied_);
  EXPECT_EQ(readiness(ends.a), EPOLLOUT);
  EXPECT_THAT(next_notification(ends.a), IsEmpty());
}

TEST_P(ContractZeroCopy, AnEdgeTellsOfEach) {
  const Ends ends = in_place_pair();
  const int epoll_fd = epoll();
  EXPECT_EQ(control(epoll_fd, EPOLL_CTL_ADD, ends.a, EPOLLET), 0);
  EXPECT_THAT(poll(epoll_fd), IsEmpty());
  for (const uint32_t number : {0, 1}) {
    EXPECT_EQ(send_in_place(ends.a, "eddy"), 4);
    EXPECT_THAT(wait(epoll_fd, kLongNs), ElementsAre(std::pair(ends.a, EPOLLERR)));
    EXPECT_THAT(next_notification(ends.a), ElementsAre(number));
    EXPECT_THAT(poll(epoll_fd), IsEmpty());
  }
}

TEST_P(ContractZeroCopy, NumbersCountWhatWasSentSo) {
  const Ends ends = in_place_pair();
  EXPECT_EQ(send_in_place(ends.a, "a"), 1);
  EXPECT_EQ(send(ends.a, "b"), 1);          // takes none
  EXPECT_EQ(send_in_place(ends.a, ""), 0);  // nor this
  EXPECT_EQ(send_in_place(ends.a, "c"), 1);
  EXPECT_EQ(send_in_place(ends.a, "d"), 1);
  EXPECT_THAT(await_notifications(ends.a, 3), ElementsAre(0, 1, 2));
  EXPECT_EQ(await(ends.b, EPOLLIN) & EPOLLIN, EPOLLIN);
}

TEST_P(ContractZeroCopy, APartIsASendAndARefusalIsNone) {
  const Ends ends = in_place_pair();
  const std::string large(8 << 20, 'x');
  uint32_t sends = 0;
  ssize_t sent = 0;
  while ((sent = send_in_place(ends.a, large)) > 0) {
    EXPECT_LT(sent, 8 << 20);
    ++sends;
  }
  EXPECT_EQ(sent, -EAGAIN);
  EXPECT_EQ(send_in_place(ends.a, large), -EAGAIN);
  std::set<uint32_t> told;
  while (told.size() < sends && (await(ends.b, EPOLLIN) & EPOLLIN) != 0) {
    drain(ends.b);
    told.merge(next_notification(ends.a));
    if (told.size() + 1 == sends) told.merge(await_notifications(ends.a, 1));
  }
  EXPECT_EQ(told.size(), sends);
  EXPECT_EQ(*told.rbegin(), sends - 1);
  EXPECT_THAT(next_notification(ends.a), IsEmpty());
}

TEST_P(ContractZeroCopy, WithoutTheOptionItIsAnOrdinarySend) {
  const Ends ends = connected();
  EXPECT_EQ(send_in_place(ends.a, "eddy"), 4);
  EXPECT_EQ(await(ends.b, EPOLLIN) & EPOLLIN, EPOLLIN);
  EXPECT_EQ(receive(ends.b), "eddy");
  EXPECT_THAT(next_notification(ends.a), IsEmpty());
}

TEST_P(ContractZeroCopy, WhatIsShutDownIsStillNotified) {
  const Ends ends = in_place_pair();
  const std::string large(8 << 20, 'x');
  EXPECT_GT(send_in_place(ends.a, large), 0);
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_RDWR), 0);
  EXPECT_EQ(next_notification(ends.a).size(), 0U);
  while (receive(ends.b, 1 << 20) != "end") EXPECT_NE(await(ends.b, EPOLLIN), 0U);
  EXPECT_THAT(await_notifications(ends.a, 1), ElementsAre(0));
}

TEST_P(ContractZeroCopy, DisconnectingIsAResetAndLetsGo) {
  const Ends ends = in_place_pair();
  const std::string large(8 << 20, 'x');
  EXPECT_GT(send_in_place(ends.a, large), 0);
  sockaddr nobody = {};
  nobody.sa_family = AF_UNSPEC;
  EXPECT_EQ(kernel.connect(ends.a, &nobody, sizeof nobody), 0);
  EXPECT_THAT(await_notifications(ends.a, 1), ElementsAre(0));
  EXPECT_EQ(await(ends.b, EPOLLERR) & EPOLLERR, EPOLLERR);
  std::string read;
  while ((read = receive(ends.b, 1 << 20)).front() == 'x') {
  }
  EXPECT_EQ(read, "ECONNRESET");
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_WR), -ENOTCONN);
  EXPECT_EQ(kernel.connect(ends.a, &nobody, sizeof nobody), 0);  // once more does no harm
}

EDDY_ON_EVERY_KERNEL(ContractZeroCopy);

}  // namespace
}  // namespace eddy::test
