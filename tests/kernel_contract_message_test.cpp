// Unix datagrams, and descriptors that travel through Unix sockets, as Linux and its model have
// them.
#include <errno.h>
#include <string.h>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

class ContractMessage : public KernelContract {
 protected:
  int datagram() { return socket(AF_UNIX, SOCK_DGRAM); }

  ssize_t send_to(int fd, const LocalName& to, std::string_view bytes) {
    LocalName name = to;
    iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: as msghdr has it
    msghdr message = {};
    message.msg_name = &name.address;
    message.msg_namelen = name.length;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    return kernel.sendmsg(fd, &message, MSG_NOSIGNAL);
  }

  // Takes a message: the name that it came from.
  std::string source_of(int fd) {
    char room[16];
    iovec piece = {room, sizeof room};
    sockaddr_un source = {};
    msghdr message = {};
    message.msg_name = &source;
    message.msg_namelen = sizeof source;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    EXPECT_GT(kernel.recvmsg(fd, &message, 0), 0);
    EXPECT_EQ(message.msg_namelen == 0, source.sun_path[0] == '\0');
    return source.sun_path;
  }

  // The descriptors go with the bytes.
  ssize_t pass(int fd, std::string_view bytes, const std::vector<int>& descriptors) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
    const size_t size = descriptors.size() * sizeof(int);
    iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: as msghdr has it
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), descriptors.data(), size);
    return kernel.sendmsg(fd, &message, MSG_NOSIGNAL);
  }

  struct Taken {
    ssize_t result;
    int flags;
    std::vector<int> descriptors;
  };
  // With room for so many descriptors.
  Taken take(int fd, size_t bytes, size_t room, int flags = 0) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
    std::vector<char> data(bytes);
    iovec piece = {data.data(), data.size()};
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = room != 0 ? control : nullptr;
    // Not CMSG_SPACE, whose padding has room for one more.
    message.msg_controllen = room != 0 ? CMSG_LEN(room * sizeof(int)) : 0;
    Taken taken = {kernel.recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC), message.msg_flags, {}};
    taken.flags = message.msg_flags & ~MSG_CMSG_CLOEXEC;
    const cmsghdr* header = message.msg_control != nullptr ? CMSG_FIRSTHDR(&message) : nullptr;
    if (header == nullptr) return taken;
    taken.descriptors.resize((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(taken.descriptors.data(), CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    for (const int taken_fd : taken.descriptors) keep(taken_fd);
    return taken;
  }
};

// --- Datagrams

TEST_P(ContractMessage, DatagramsStayApart) {
  const Ends ends = pair(SOCK_DGRAM);
  EXPECT_EQ(readiness(ends.a), uint32_t{EPOLLOUT});
  send(ends.a, "one");
  send(ends.a, "");
  send(ends.a, "three");
  EXPECT_EQ(receive(ends.b, 100, MSG_PEEK), "one");
  EXPECT_EQ(receive(ends.b), "one");
  EXPECT_EQ(receive(ends.b), "end");  // an empty one is none to recv(2)'s result
  EXPECT_EQ(receive(ends.b, 2), "th");
  EXPECT_EQ(receive(ends.b), "EAGAIN");
}

TEST_P(ContractMessage, TruncationIsTold) {
  const Ends ends = pair(SOCK_DGRAM);
  for (int i = 0; i < 3; ++i) send(ends.a, "12345");
  Taken taken = take(ends.b, 5, 0);
  EXPECT_EQ(taken.flags, 0);
  taken = take(ends.b, 3, 0);
  EXPECT_EQ(taken.result, 3);
  EXPECT_EQ(taken.flags, MSG_TRUNC);
  taken = take(ends.b, 3, 0, MSG_TRUNC);
  EXPECT_EQ(taken.result, 5);
  EXPECT_EQ(taken.flags, MSG_TRUNC);
}

TEST_P(ContractMessage, DatagramsTellTheirSource) {
  const std::string to = path();
  const std::string from = path();
  const int receiver = datagram();
  EXPECT_EQ(bind(receiver, local(to)), 0);
  const int sender = datagram();
  EXPECT_EQ(send(sender, "x"), -ENOTCONN);
  EXPECT_EQ(send_to(sender, local(to), "nameless"), 8);
  EXPECT_EQ(source_of(receiver), "");
  // The name is that of the moment at which it is asked for.
  EXPECT_EQ(send_to(sender, local(to), "named"), 5);
  EXPECT_EQ(bind(sender, local(from)), 0);
  EXPECT_EQ(source_of(receiver), from);
}

TEST_P(ContractMessage, DatagramsToNobodyAreRefused) {
  const std::string name = path();
  const int sender = datagram();
  EXPECT_EQ(send_to(sender, local(name), "x"), -ENOENT);
  const int receiver = datagram();
  EXPECT_EQ(bind(receiver, local(name)), 0);
  EXPECT_EQ(connect(sender, local(name)), 0);
  EXPECT_EQ(send(sender, "x"), 1);
  close(receiver);
  EXPECT_EQ(send(sender, "x"), -ECONNREFUSED);
  EXPECT_EQ(send(sender, "x"), -ENOTCONN);
  EXPECT_EQ(send_to(sender, local(name), "x"), -ECONNREFUSED);
}

TEST_P(ContractMessage, AClosedPeerOfAPairRefusesOnce) {
  const Ends ends = pair(SOCK_DGRAM);
  send(ends.a, "last");
  close(ends.a);
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLIN | EPOLLOUT});
  EXPECT_EQ(receive(ends.b), "last");
  EXPECT_EQ(receive(ends.b), "EAGAIN");
  EXPECT_EQ(send(ends.b, "x"), -ECONNREFUSED);
  EXPECT_EQ(send(ends.b, "x"), -ENOTCONN);
}

TEST_P(ContractMessage, AConnectedDatagramSocketHearsOnlyItsPeer) {
  const Ends ends = pair(SOCK_DGRAM);
  const LocalName name = local(path());
  EXPECT_EQ(bind(ends.a, name), 0);
  const int stranger = datagram();
  EXPECT_EQ(send_to(stranger, name, "x"), -EPERM);
  EXPECT_EQ(connect(stranger, name), -EPERM);
}

TEST_P(ContractMessage, ADatagramSocketForgetsItsPeer) {
  const LocalName name = local(path());
  const int receiver = datagram();
  EXPECT_EQ(bind(receiver, name), 0);
  const int sender = datagram();
  EXPECT_EQ(connect(sender, name), 0);
  EXPECT_EQ(send(sender, "x"), 1);
  sockaddr nobody = {};
  nobody.sa_family = AF_UNSPEC;
  EXPECT_EQ(kernel.connect(sender, &nobody, sizeof nobody), 0);
  EXPECT_EQ(send(sender, "x"), -ENOTCONN);
}

TEST_P(ContractMessage, AFullReceiverHoldsItsPeerBack) {
  const LocalName name = local(path());
  const int receiver = datagram();
  EXPECT_EQ(bind(receiver, name), 0);
  const int sender = datagram();
  EXPECT_EQ(connect(sender, name), 0);
  const int epoll_fd = epoll();
  control(epoll_fd, EPOLL_CTL_ADD, sender, EPOLLOUT | EPOLLET);
  EXPECT_EQ(poll(epoll_fd), (EpollEvents{{sender, EPOLLOUT}}));
  int sent = 0;
  while (send(sender, "x") == 1) ++sent;
  EXPECT_EQ(send(sender, "x"), -EAGAIN);
  EXPECT_EQ(readiness(sender), 0U);
  while (receive(receiver) == "x") --sent;
  EXPECT_EQ(sent, 0);
  EXPECT_EQ(poll(epoll_fd), (EpollEvents{{sender, EPOLLOUT}}));
  EXPECT_EQ(send(sender, "x"), 1);
}

TEST_P(ContractMessage, AnOverlongDatagramIsRefused) {
  const Ends ends = pair(SOCK_DGRAM);
  EXPECT_EQ(set(ends.a, SOL_SOCKET, SO_SNDBUF, 4096), 0);
  EXPECT_EQ(send(ends.a, std::string(8192, 'x')), -EMSGSIZE);
  EXPECT_EQ(send(ends.a, std::string(4096, 'x')), 4096);
}

TEST_P(ContractMessage, AShutDatagramSocket) {
  const Ends ends = pair(SOCK_DGRAM);
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_RD), 0);
  EXPECT_EQ(send(ends.b, "x"), -EPIPE);
  EXPECT_EQ(readiness(ends.a), kReadEnd | EPOLLOUT);
  EXPECT_EQ(receive(ends.a), "EAGAIN");
  EXPECT_EQ(kernel.shutdown(ends.b, SHUT_WR), 0);
  EXPECT_EQ(send(ends.b, "x"), -EPIPE);
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLOUT});
}

TEST_P(ContractMessage, DatagramSocketsDoNotListen) {
  EXPECT_EQ(kernel.listen(datagram(), 1), -EOPNOTSUPP);
  EXPECT_EQ(kernel.accept4(datagram(), nullptr, nullptr, 0), -EOPNOTSUPP);
}

TEST_P(ContractMessage, AResetSeqpacketTellsItFirst) {
  const Ends ends = pair(SOCK_SEQPACKET);
  send(ends.b, "unread");
  send(ends.a, "last words");
  close(ends.a);
  EXPECT_EQ(readiness(ends.b), kHungUp | EPOLLOUT | EPOLLERR);
  EXPECT_EQ(receive(ends.b), "ECONNRESET");
  EXPECT_EQ(receive(ends.b), "last words");
  EXPECT_EQ(receive(ends.b), "end");
}

// --- Descriptors

TEST_P(ContractMessage, ADescriptorTravelsWithItsBytes) {
  const Ends carrier = pair(SOCK_STREAM);
  const Ends cargo = pair(SOCK_STREAM);
  EXPECT_EQ(pass(carrier.a, "take it", {cargo.a}), 7);
  close(cargo.a);
  EXPECT_EQ(readiness(cargo.b), uint32_t{EPOLLOUT});  // on its way, it is open
  const Taken taken = take(carrier.b, 100, 1);
  EXPECT_EQ(taken.result, 7);
  EXPECT_EQ(taken.flags, 0);
  ASSERT_EQ(taken.descriptors.size(), 1U);
  send(cargo.b, "hello");
  EXPECT_EQ(receive(taken.descriptors[0]), "hello");
}

TEST_P(ContractMessage, SeveralDescriptorsTravelTogether) {
  const Ends carrier = pair(SOCK_DGRAM);
  const Ends cargo = pipe();
  EXPECT_EQ(pass(carrier.a, "x", {cargo.a, cargo.b}), 1);
  const Taken taken = take(carrier.b, 1, 2);
  ASSERT_EQ(taken.descriptors.size(), 2U);
  EXPECT_EQ(write(taken.descriptors[1], "through"), 7);
  EXPECT_EQ(read(cargo.a), "through");
}

TEST_P(ContractMessage, DescriptorsWithoutRoomAreClosedAndThatIsTold) {
  const Ends carrier = pair(SOCK_STREAM);
  const Ends one = pair(SOCK_STREAM);
  const Ends other = pair(SOCK_STREAM);
  EXPECT_EQ(pass(carrier.a, "x", {one.a, other.a}), 1);
  close(one.a);
  close(other.a);
  const Taken taken = take(carrier.b, 1, 1);
  EXPECT_EQ(taken.flags, MSG_CTRUNC);
  ASSERT_EQ(taken.descriptors.size(), 1U);
  EXPECT_EQ(readiness(one.b), uint32_t{EPOLLOUT});
  EXPECT_EQ(readiness(other.b), kHungUp | EPOLLOUT);
}

TEST_P(ContractMessage, DescriptorsThatNobodyAsksForAreClosed) {
  const Ends carrier = pair(SOCK_STREAM);
  const Ends cargo = pair(SOCK_STREAM);
  EXPECT_EQ(pass(carrier.a, "x", {cargo.a}), 1);
  close(cargo.a);
  const Taken taken = take(carrier.b, 1, 0);
  EXPECT_EQ(taken.result, 1);
  EXPECT_EQ(taken.flags, MSG_CTRUNC);
  EXPECT_EQ(readiness(cargo.b), kHungUp | EPOLLOUT);
}

TEST_P(ContractMessage, DescriptorsAreClosedWhenTheirReceiverIs) {
  const Ends carrier = pair(SOCK_STREAM);
  const Ends cargo = pair(SOCK_STREAM);
  EXPECT_EQ(pass(carrier.a, "x", {cargo.a}), 1);
  close(cargo.a);
  close(carrier.b);
  EXPECT_EQ(await(cargo.b, EPOLLHUP), kHungUp | EPOLLOUT);
}

TEST_P(ContractMessage, AStreamsReadEndsBehindTheBytesThatDescriptorsCameWith) {
  const Ends carrier = pair(SOCK_STREAM);
  const int cargo = keep(kernel.eventfd());
  send(carrier.a, "before ");
  pass(carrier.a, "with", {cargo});
  send(carrier.a, " after");
  Taken taken = take(carrier.b, 100, 1);
  EXPECT_EQ(taken.result, 11);
  EXPECT_EQ(taken.descriptors.size(), 1U);
  EXPECT_EQ(receive(carrier.b), " after");
}

TEST_P(ContractMessage, PeekingGivesDuplicates) {
  const Ends carrier = pair(SOCK_DGRAM);
  const int counter = keep(kernel.eventfd());
  pass(carrier.a, "x", {counter});
  const Taken peeked = take(carrier.b, 1, 1, MSG_PEEK);
  const Taken taken = take(carrier.b, 1, 1);
  ASSERT_EQ(peeked.descriptors.size(), 1U);
  ASSERT_EQ(taken.descriptors.size(), 1U);
  kernel.write_eventfd(peeked.descriptors[0]);
  EXPECT_EQ(kernel.read_eventfd(taken.descriptors[0]), 1);
}

TEST_P(ContractMessage, WhatIsNotOpenCannotTravel) {
  const Ends carrier = pair(SOCK_STREAM);
  EXPECT_EQ(pass(carrier.a, "x", {-1}), -EBADF);
  EXPECT_EQ(receive(carrier.b), "EAGAIN");
}

EDDY_ON_EVERY_KERNEL(ContractMessage);

}  // namespace
}  // namespace eddy::test
