// Datagrams in batches, and what comes with them: control messages, errors with their details, and
// what was dropped, as Linux and its model have them.
#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>

#include <algorithm>
#include <array>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

class ContractBatch : public KernelContract {
 protected:
  // Of recvmmsg and sendmmsg.
  struct Batch {
    Batch(size_t count, size_t room) : rooms(count, std::string(room, '\0')) {
      for (size_t i = 0; i < count; ++i) {
        pieces[i] = {rooms[i].data(), room};
        headers[i].msg_hdr.msg_iov = &pieces[i];
        headers[i].msg_hdr.msg_iovlen = 1;
        headers[i].msg_hdr.msg_name = &names[i];
        headers[i].msg_hdr.msg_namelen = sizeof names[i];
      }
    }
    void put(size_t i, const std::string& bytes) {
      rooms[i] = bytes;
      pieces[i] = {rooms[i].data(), bytes.size()};
      headers[i].msg_hdr.msg_name = nullptr;
      headers[i].msg_hdr.msg_namelen = 0;
    }
    std::string bytes(size_t i) const {
      return rooms[i].substr(0, std::min<size_t>(headers[i].msg_len, rooms[i].size()));
    }
    std::vector<std::string> rooms;
    iovec pieces[4] = {};
    sockaddr_in names[4] = {};
    mmsghdr headers[4] = {};
  };
  // A port that nobody has.
  sockaddr_in nobody() {
    const int fd = bound_udp();
    const sockaddr_in name = name_of(fd);
    close(fd);
    return name;
  }
  Ends connected_pair() {
    const Ends ends = {bound_udp(), bound_udp()};
    EXPECT_EQ(connect(ends.a, name_of(ends.b)), 0);
    EXPECT_EQ(connect(ends.b, name_of(ends.a)), 0);
    return ends;
  }
};

// --- Batches

TEST_P(ContractBatch, ABatchIsReceivedWithOneCall) {
  const int receiver = bound_udp();
  for (const char* bytes : {"one", "", "three"}) send_to(udp(), name_of(receiver), bytes);
  Batch batch(4, 4);
  await(receiver, EPOLLIN);
  EXPECT_EQ(kernel.recvmmsg(receiver, batch.headers, 4, MSG_TRUNC), 3);
  EXPECT_EQ(batch.bytes(0), "one");
  EXPECT_EQ(batch.headers[1].msg_len, 0U);
  EXPECT_EQ(batch.headers[2].msg_len, 5U);  // its own length
  EXPECT_EQ(batch.bytes(2), "thre");
  EXPECT_EQ(batch.headers[2].msg_hdr.msg_flags & MSG_TRUNC, MSG_TRUNC);
  EXPECT_EQ(kernel.recvmmsg(receiver, batch.headers, 4, 0), -EAGAIN);
}

TEST_P(ContractBatch, ABatchIsSentWithOneCall) {
  const Ends ends = connected_pair();
  Batch batch(3, 8);
  for (size_t i = 0; i < 3; ++i) batch.put(i, std::string(i, 'x'));
  EXPECT_EQ(kernel.sendmmsg(ends.a, batch.headers, 3, MSG_NOSIGNAL), 3);
  for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(batch.headers[i].msg_len, i);
  await(ends.b, EPOLLIN);
  Batch back(3, 8);
  EXPECT_EQ(kernel.recvmmsg(ends.b, back.headers, 3, MSG_DONTWAIT), 3);
  EXPECT_EQ(back.bytes(2), "xx");
}

TEST_P(ContractBatch, ABatchThatFailsInTheMiddleIsSentSoFar) {
  const Ends ends = connected_pair();
  Batch batch(3, 70'000);
  batch.put(0, "short");
  batch.put(1, std::string(70'000, 'x'));
  batch.put(2, "short as well");
  EXPECT_EQ(kernel.sendmmsg(ends.a, batch.headers, 3, MSG_NOSIGNAL), 1);
  EXPECT_EQ(kernel.sendmmsg(ends.a, batch.headers + 1, 2, MSG_NOSIGNAL), -EMSGSIZE);
  EXPECT_EQ(kernel.sendmmsg(ends.a, batch.headers + 2, 1, MSG_NOSIGNAL), 1);
}

TEST_P(ContractBatch, ABatchOfNothing) {
  const Ends ends = connected_pair();
  EXPECT_EQ(kernel.sendmmsg(ends.a, nullptr, 0, 0), 0);
  EXPECT_EQ(kernel.recvmmsg(ends.a, nullptr, 0, 0), 0);
  EXPECT_EQ(kernel.recvmmsg(-1, nullptr, 0, 0), -EBADF);
  EXPECT_EQ(kernel.sendmmsg(pipe().b, nullptr, 0, 0), -ENOTSOCK);
}

TEST_P(ContractBatch, AnErrorBehindAPartOfABatchIsToldByTheNextCall) {
  const int fd = bound_udp();
  send_to(udp(), name_of(fd), "before");
  await(fd, EPOLLIN);
  EXPECT_EQ(connect(fd, nobody()), 0);
  EXPECT_EQ(send(fd, "x"), 1);
  await(fd, EPOLLERR);
  Batch batch(2, 8);
  EXPECT_EQ(kernel.recvmmsg(fd, batch.headers, 2, 0), -ECONNREFUSED);
  EXPECT_EQ(kernel.recvmmsg(fd, batch.headers, 2, 0), 1);
}

// --- Control messages

TEST_P(ContractBatch, WhatAReceiverAskedForComesWithTheDatagram) {
  const int receiver = bound_udp();
  for (const int name : {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS}) {
    EXPECT_EQ(set(receiver, IPPROTO_IP, name, 1), 0);
  }
  const int sender = udp();
  EXPECT_EQ(set(sender, IPPROTO_IP, IP_TTL, 9), 0);
  EXPECT_EQ(set(sender, IPPROTO_IP, IP_TOS, 4), 0);
  send_to(sender, name_of(receiver), "x");
  await(receiver, EPOLLIN);
  Batch batch(1, 8);
  alignas(cmsghdr) char control[256];
  batch.headers[0].msg_hdr.msg_control = control;
  batch.headers[0].msg_hdr.msg_controllen = sizeof control;
  ASSERT_EQ(kernel.recvmmsg(receiver, batch.headers, 1, 0), 1);
  msghdr& header = batch.headers[0].msg_hdr;
  EXPECT_EQ(header.msg_flags, 0);
  int seen = 0;
  for (cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
    EXPECT_EQ(each->cmsg_level, IPPROTO_IP);
    ++seen;
    if (each->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      memcpy(&info, CMSG_DATA(each), sizeof info);
      EXPECT_EQ(info.ipi_ifindex, 1);
      EXPECT_EQ(info.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
      EXPECT_EQ(info.ipi_spec_dst.s_addr, htonl(INADDR_LOOPBACK));
    }
    int number = 0;
    memcpy(&number, CMSG_DATA(each), std::min(sizeof number, each->cmsg_len - CMSG_LEN(0)));
    if (each->cmsg_type == IP_TTL) {
      EXPECT_EQ(number, 9);
    }
    if (each->cmsg_type == IP_TOS) {
      EXPECT_EQ(number, 4);
    }
  }
  EXPECT_EQ(seen, 3);
}

TEST_P(ContractBatch, ControlMessagesThatFindNoRoomAreCut) {
  const int receiver = bound_udp();
  EXPECT_EQ(set(receiver, IPPROTO_IP, IP_RECVTTL, 1), 0);
  send_to(udp(), name_of(receiver), "x");
  await(receiver, EPOLLIN);
  Batch batch(1, 8);
  EXPECT_EQ(kernel.recvmmsg(receiver, batch.headers, 1, 0), 1);
  EXPECT_EQ(batch.headers[0].msg_hdr.msg_flags, MSG_CTRUNC);
}

TEST_P(ContractBatch, WhatWasDroppedIsCounted) {
  const int receiver = bound_udp();
  EXPECT_EQ(set(receiver, SOL_SOCKET, SO_RCVBUF, 8192), 0);
  const int sender = udp();
  for (int i = 0; i < 100; ++i) send_to(sender, name_of(receiver), std::string(1000, 'x'));
  await(receiver, EPOLLIN);
  unsigned received = 0;
  while (receive(receiver).size() == 1000) ++received;
  std::array<uint32_t, SK_MEMINFO_VARS> memory = {};
  socklen_t length = sizeof memory;
  EXPECT_EQ(kernel.getsockopt(receiver, SOL_SOCKET, SO_MEMINFO, memory.data(), &length), 0);
  EXPECT_EQ(memory[SK_MEMINFO_DROPS], 100 - received);
}

TEST_P(ContractBatch, AnErrorIsKeptWithItsDetails) {
  const int fd = bound_udp();
  EXPECT_EQ(set(fd, IPPROTO_IP, IP_RECVERR, 1), 0);
  const sockaddr_in there = nobody();
  EXPECT_EQ(send_to(fd, there, "void"), 4);
  EXPECT_EQ(await(fd, EPOLLERR), uint32_t{EPOLLERR | EPOLLOUT});
  EXPECT_EQ(receive(fd), "ECONNREFUSED");
  EXPECT_EQ(await(fd, EPOLLERR), uint32_t{EPOLLERR | EPOLLOUT});
  Batch batch(1, 8);
  alignas(cmsghdr) char control[256];
  msghdr& header = batch.headers[0].msg_hdr;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  EXPECT_EQ(kernel.recvmsg(fd, &header, MSG_ERRQUEUE), 4);
  EXPECT_EQ(header.msg_flags, MSG_ERRQUEUE);
  EXPECT_EQ(batch.names[0].sin_port, there.sin_port);
  const cmsghdr* first = CMSG_FIRSTHDR(&header);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->cmsg_level, IPPROTO_IP);
  EXPECT_EQ(first->cmsg_type, IP_RECVERR);
  EXPECT_EQ(kernel.recvmsg(fd, &header, MSG_ERRQUEUE), -EAGAIN);
  EXPECT_EQ(readiness(fd), uint32_t{EPOLLOUT});
}

EDDY_ON_EVERY_KERNEL(ContractBatch);

}  // namespace
}  // namespace eddy::test
