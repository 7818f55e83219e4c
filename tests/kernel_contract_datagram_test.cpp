// UDP, as Linux and its model have it.
#include <errno.h>
#include <string.h>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

class ContractDatagram : public KernelContract {
 protected:
  struct Taken {
    ssize_t result;
    int flags;
    sockaddr_in source;
    socklen_t source_length;
  };
  Taken take(int fd, size_t room, int flags = 0) {
    std::vector<char> data(room);
    iovec piece = {data.data(), room};
    Taken taken = {};
    msghdr message = {};
    message.msg_name = &taken.source;
    message.msg_namelen = sizeof taken.source;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    taken.result = kernel.recvmsg(fd, &message, flags);
    taken.flags = message.msg_flags;
    taken.source_length = message.msg_namelen;
    return taken;
  }
  // A port that nobody has.
  sockaddr_in nobody() {
    const int fd = bound_udp();
    const sockaddr_in name = name_of(fd);
    close(fd);
    return name;
  }
  // Two sockets that are connected to each other.
  Ends connected_pair() {
    const Ends ends = {bound_udp(), bound_udp()};
    EXPECT_EQ(connect(ends.a, name_of(ends.b)), 0);
    EXPECT_EQ(connect(ends.b, name_of(ends.a)), 0);
    return ends;
  }
};

TEST_P(ContractDatagram, DatagramsStayApartAndTellTheirSource) {
  const int receiver = bound_udp();
  const int sender = bound_udp();
  EXPECT_EQ(readiness(receiver), uint32_t{EPOLLOUT});
  EXPECT_EQ(receive(receiver), "EAGAIN");
  EXPECT_EQ(send_to(sender, name_of(receiver), "one"), 3);
  EXPECT_EQ(send_to(sender, name_of(receiver), "two!"), 4);
  EXPECT_EQ(await(receiver, EPOLLIN), uint32_t{EPOLLIN | EPOLLOUT});
  const Taken taken = take(receiver, 100);
  EXPECT_EQ(taken.result, 3);
  EXPECT_EQ(taken.flags, 0);
  EXPECT_EQ(taken.source_length, sizeof taken.source);
  EXPECT_EQ(taken.source.sin_port, name_of(sender).sin_port);
  EXPECT_EQ(taken.source.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
  await(receiver, EPOLLIN);
  EXPECT_EQ(receive(receiver), "two!");
  EXPECT_EQ(readiness(receiver), uint32_t{EPOLLOUT});
}

TEST_P(ContractDatagram, AnEmptyDatagramIsNoEnd) {
  const int receiver = bound_udp();
  EXPECT_EQ(send_to(udp(), name_of(receiver), ""), 0);
  EXPECT_EQ(await(receiver, EPOLLIN), uint32_t{EPOLLIN | EPOLLOUT});
  const Taken taken = take(receiver, 100);
  EXPECT_EQ(taken.result, 0);
  EXPECT_EQ(taken.source_length, sizeof taken.source);
  EXPECT_EQ(receive(receiver), "EAGAIN");
}

TEST_P(ContractDatagram, TruncationIsTold) {
  const int receiver = bound_udp();
  const int sender = udp();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(send_to(sender, name_of(receiver), "12345"), 5);
  await(receiver, EPOLLIN);
  EXPECT_EQ(take(receiver, 5).flags, 0);
  await(receiver, EPOLLIN);
  Taken taken = take(receiver, 3);
  EXPECT_EQ(taken.result, 3);
  EXPECT_EQ(taken.flags, MSG_TRUNC);
  await(receiver, EPOLLIN);
  taken = take(receiver, 3, MSG_TRUNC);
  EXPECT_EQ(taken.result, 5);
  EXPECT_EQ(taken.flags, MSG_TRUNC);
  EXPECT_EQ(receive(receiver), "EAGAIN");
}

TEST_P(ContractDatagram, PeekingLeavesTheDatagram) {
  const int receiver = bound_udp();
  send_to(udp(), name_of(receiver), "12345");
  await(receiver, EPOLLIN);
  EXPECT_EQ(take(receiver, 1, MSG_PEEK | MSG_TRUNC).result, 5);
  EXPECT_EQ(receive(receiver), "12345");
}

TEST_P(ContractDatagram, TheFirstSendTakesAPort) {
  const int receiver = bound_udp();
  const int sender = udp();
  EXPECT_EQ(name_of(sender).sin_port, 0);
  send_to(sender, name_of(receiver), "x");
  EXPECT_NE(name_of(sender).sin_port, 0);
  EXPECT_EQ(name_of(sender).sin_addr.s_addr, INADDR_ANY);
  await(receiver, EPOLLIN);
  EXPECT_EQ(take(receiver, 1).source.sin_port, name_of(sender).sin_port);
}

TEST_P(ContractDatagram, ASendNeedsADestination) {
  const int fd = udp();
  EXPECT_EQ(send(fd, "x"), -EDESTADDRREQ);
  EXPECT_EQ(send_to(fd, inet("127.0.0.1", 0), "x"), -EINVAL);
  sockaddr_in other = inet("127.0.0.1", 9);
  other.sin_family = AF_UNIX;
  EXPECT_EQ(send_to(fd, other, "x"), -EAFNOSUPPORT);
  EXPECT_EQ(send(fd, "x", MSG_OOB), -EOPNOTSUPP);
}

TEST_P(ContractDatagram, TheLargestDatagram) {
  const int receiver = bound_udp();
  const int sender = udp();
  EXPECT_EQ(send_to(sender, name_of(receiver), std::string(65'508, 'l')), -EMSGSIZE);
  EXPECT_EQ(send_to(sender, name_of(receiver), std::string(65'507, 'l')), 65'507);
  await(receiver, EPOLLIN);
  EXPECT_EQ(receive(receiver).size(), 65'507U);
}

TEST_P(ContractDatagram, ADatagramIsGatheredFromPieces) {
  const Ends ends = connected_pair();
  char one[] = "one";
  char two[] = "two";
  const iovec pieces[] = {{one, 3}, {two, 3}};
  EXPECT_EQ(kernel.writev(ends.a, pieces, 2), 6);
  await(ends.b, EPOLLIN);
  EXPECT_EQ(read(ends.b), "onetwo");
}

// --- Names

TEST_P(ContractDatagram, ConnectChoosesTheLocalAddress) {
  const int receiver = bound_udp();
  const int sender = udp();
  EXPECT_EQ(connect(sender, name_of(receiver)), 0);
  EXPECT_EQ(name_of(sender).sin_addr.s_addr, htonl(INADDR_LOOPBACK));
  EXPECT_NE(name_of(sender).sin_port, 0);
  EXPECT_EQ(peer_of(sender).sin_port, name_of(receiver).sin_port);
  EXPECT_EQ(send(sender, "x"), 1);
  await(receiver, EPOLLIN);
  EXPECT_EQ(receive(receiver), "x");
}

TEST_P(ContractDatagram, AConnectedSocketHearsOnlyItsPeer) {
  const Ends ends = connected_pair();
  EXPECT_EQ(send_to(udp(), name_of(ends.b), "stranger"), 8);
  EXPECT_EQ(send(ends.a, "friend"), 6);
  await(ends.b, EPOLLIN);
  EXPECT_EQ(receive(ends.b), "friend");
  EXPECT_EQ(receive(ends.b), "EAGAIN");
}

TEST_P(ContractDatagram, AConnectedSocketMaySendElsewhere) {
  const Ends ends = connected_pair();
  const int other = bound_udp();
  EXPECT_EQ(send_to(ends.a, name_of(other), "x"), 1);
  await(other, EPOLLIN);
  EXPECT_EQ(receive(other), "x");
}

TEST_P(ContractDatagram, APeerCanBeChangedAndForgotten) {
  const int one = bound_udp();
  const int other = bound_udp();
  const int sender = udp();
  EXPECT_EQ(connect(sender, name_of(one)), 0);
  EXPECT_EQ(connect(sender, name_of(other)), 0);
  EXPECT_EQ(send(sender, "x"), 1);
  await(other, EPOLLIN);
  EXPECT_EQ(receive(other), "x");
  sockaddr nothing = {};
  nothing.sa_family = AF_UNSPEC;
  EXPECT_EQ(kernel.connect(sender, &nothing, sizeof nothing), 0);
  EXPECT_EQ(name_of(sender).sin_port, 0);
  EXPECT_EQ(name_of(sender).sin_addr.s_addr, INADDR_ANY);
  EXPECT_EQ(send(sender, "x"), -EDESTADDRREQ);
  EXPECT_NE(name_of(sender).sin_port, 0);
}

TEST_P(ContractDatagram, WhatBindHasChosenStaysWhenThePeerIsForgotten) {
  const sockaddr_in name = nobody();
  const int fd = udp();
  EXPECT_EQ(bind(fd, name), 0);
  EXPECT_EQ(connect(fd, name_of(bound_udp())), 0);
  sockaddr nothing = {};
  nothing.sa_family = AF_UNSPEC;
  EXPECT_EQ(kernel.connect(fd, &nothing, sizeof nothing), 0);
  EXPECT_EQ(name_of(fd).sin_port, name.sin_port);
  EXPECT_EQ(name_of(fd).sin_addr.s_addr, name.sin_addr.s_addr);
}

TEST_P(ContractDatagram, PortsAreTakenOnce) {
  const int first = bound_udp();
  EXPECT_EQ(bind(first, inet("127.0.0.1", 0)), -EINVAL);
  EXPECT_EQ(bind(udp(), name_of(first)), -EADDRINUSE);
  EXPECT_EQ(bind(udp(), inet("0.0.0.0", ntohs(name_of(first).sin_port))), -EADDRINUSE);
  EXPECT_EQ(bind(udp(), inet("203.0.113.7", 0)), -EADDRNOTAVAIL);
  const sockaddr_in name = name_of(first);
  close(first);
  EXPECT_EQ(bind(udp(), name), 0);
}

TEST_P(ContractDatagram, TcpAndUdpHavePortsOfTheirOwn) {
  const int stream = listener();
  EXPECT_EQ(bind(udp(), name_of(stream)), 0);
}

TEST_P(ContractDatagram, ReuseSharesAPortAmongThoseWhoAskForIt) {
  for (const int option : {SO_REUSEADDR, SO_REUSEPORT}) {
    const int first = udp();
    const int second = udp();
    for (const int fd : {first, second}) EXPECT_EQ(set(fd, SOL_SOCKET, option, 1), 0);
    EXPECT_EQ(bind(first, inet("127.0.0.1", 0)), 0);
    EXPECT_EQ(bind(second, name_of(first)), 0);
    EXPECT_EQ(bind(udp(), name_of(first)), -EADDRINUSE);
  }
}

TEST_P(ContractDatagram, OfTwoThatReuseAnAddressTheYoungerHears) {
  const int first = udp();
  const int second = udp();
  for (const int fd : {first, second}) EXPECT_EQ(set(fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
  EXPECT_EQ(bind(first, inet("127.0.0.1", 0)), 0);
  EXPECT_EQ(bind(second, name_of(first)), 0);
  send_to(udp(), name_of(first), "x");
  await(second, EPOLLIN);
  EXPECT_EQ(receive(second), "x");
  EXPECT_EQ(receive(first), "EAGAIN");
}

TEST_P(ContractDatagram, TheMostParticularSocketHears) {
  const int any = udp();
  const int exact = udp();
  const int to_peer = udp();
  for (const int fd : {any, exact, to_peer}) EXPECT_EQ(set(fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
  EXPECT_EQ(bind(exact, inet("127.0.0.1", 0)), 0);
  const sockaddr_in name = name_of(exact);
  EXPECT_EQ(bind(to_peer, name), 0);
  EXPECT_EQ(bind(any, inet("0.0.0.0", ntohs(name.sin_port))), 0);
  const int peer = bound_udp();
  EXPECT_EQ(connect(to_peer, name_of(peer)), 0);
  send_to(peer, name, "to the peer");
  await(to_peer, EPOLLIN);
  EXPECT_EQ(receive(to_peer), "to the peer");
  send_to(udp(), name, "to the address");
  await(exact, EPOLLIN);
  EXPECT_EQ(receive(exact), "to the address");
  EXPECT_EQ(receive(any), "EAGAIN");
}

// --- Errors

TEST_P(ContractDatagram, NobodyThereIsToldToAConnectedSocket) {
  const int sender = udp();
  EXPECT_EQ(connect(sender, nobody()), 0);
  char byte;
  const std::function<int(int)> told[] = {
      [&](int fd) { return -static_cast<int>(kernel.recv(fd, &byte, 1, 0)); },
      [&](int fd) { return -static_cast<int>(send(fd, "x")); },
      [&](int fd) { return error_of(fd); },
  };
  for (const auto& tell : told) {
    EXPECT_EQ(send(sender, "x"), 1);
    EXPECT_EQ(await(sender, EPOLLERR), uint32_t{EPOLLERR | EPOLLOUT});
    const int error = tell(sender);
    EXPECT_EQ(error, ECONNREFUSED);
    EXPECT_EQ(readiness(sender), uint32_t{EPOLLOUT});
  }
  EXPECT_EQ(receive(sender), "EAGAIN");
}

TEST_P(ContractDatagram, NobodyThereIsNotToldToOthers) {
  const int sender = bound_udp();
  EXPECT_EQ(send_to(sender, nobody(), "x"), 1);
  // Something that arrives later than the answer would.
  EXPECT_EQ(send_to(udp(), name_of(sender), "later"), 5);
  EXPECT_EQ(await(sender, EPOLLIN), uint32_t{EPOLLIN | EPOLLOUT});
  EXPECT_EQ(receive(sender), "later");
  EXPECT_EQ(error_of(sender), 0);
}

TEST_P(ContractDatagram, AnErrorComesBeforeWhatHasArrived) {
  const int sender = bound_udp();
  EXPECT_EQ(send_to(udp(), name_of(sender), "before"), 6);
  await(sender, EPOLLIN);
  EXPECT_EQ(connect(sender, nobody()), 0);
  EXPECT_EQ(send(sender, "x"), 1);
  EXPECT_EQ(await(sender, EPOLLERR), uint32_t{EPOLLIN | EPOLLOUT | EPOLLERR});
  EXPECT_EQ(receive(sender), "ECONNREFUSED");
  EXPECT_EQ(receive(sender), "before");
}

TEST_P(ContractDatagram, ABroadcastNeedsLeave) {
  const int fd = udp();
  EXPECT_EQ(send_to(fd, inet("255.255.255.255", 9), "x"), -EACCES);
  EXPECT_EQ(connect(fd, inet("255.255.255.255", 9)), -EACCES);
}

TEST_P(ContractDatagram, AFullReceiverLosesWhatComes) {
  const int receiver = bound_udp();
  EXPECT_EQ(set(receiver, SOL_SOCKET, SO_RCVBUF, 8192), 0);
  const int sender = udp();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(send_to(sender, name_of(receiver), std::string(1000, 'x')), 1000);
  }
  await(receiver, EPOLLIN);
  int received = 0;
  while (receive(receiver).size() == 1000) ++received;
  EXPECT_GT(received, 2);
  EXPECT_LT(received, 17);
  EXPECT_EQ(send_to(sender, name_of(receiver), "room again"), 10);
  await(receiver, EPOLLIN);
  EXPECT_EQ(receive(receiver), "room again");
}

TEST_P(ContractDatagram, EachArrivalIsAnEdge) {
  const Ends ends = connected_pair();
  const int epoll_fd = epoll();
  control(epoll_fd, EPOLL_CTL_ADD, ends.b, EPOLLIN | EPOLLET);
  for (int i = 0; i < 2; ++i) {
    send(ends.a, "x");
    EXPECT_EQ(wait(epoll_fd, kLongNs), (EpollEvents{{ends.b, EPOLLIN}}));
    EXPECT_EQ(poll(epoll_fd), EpollEvents{});
  }
}

// --- Shutting

TEST_P(ContractDatagram, AShutSocket) {
  const Ends ends = connected_pair();
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_WR), 0);
  EXPECT_EQ(send(ends.a, "x"), -EPIPE);
  EXPECT_EQ(readiness(ends.a), uint32_t{EPOLLOUT});
  EXPECT_EQ(kernel.shutdown(ends.b, SHUT_RDWR), 0);
  EXPECT_EQ(readiness(ends.b), kHungUp | EPOLLOUT);
  EXPECT_EQ(receive(ends.b), "EAGAIN");
}

TEST_P(ContractDatagram, AnUnconnectedSocketIsShutThoughItIsNotConnected) {
  const int fd = bound_udp();
  EXPECT_EQ(kernel.shutdown(fd, SHUT_RD), -ENOTCONN);
  EXPECT_EQ(readiness(fd), kReadEnd | EPOLLOUT);
  EXPECT_EQ(kernel.shutdown(fd, 3), -EINVAL);
}

// --- Options

TEST_P(ContractDatagram, OptionsThatASocketHas) {
  const int fd = udp();
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
  EXPECT_EQ(set(fd, IPPROTO_TCP, 1, 1), -ENOPROTOOPT);
  EXPECT_EQ(kernel.listen(fd, 1), -EOPNOTSUPP);
  EXPECT_EQ(kernel.accept4(fd, nullptr, nullptr, 0), -EOPNOTSUPP);
}

TEST_P(ContractDatagram, IPv6Works) {
  const int receiver = socket(AF_INET6, SOCK_DGRAM);
  sockaddr_in6 name = {};
  name.sin6_family = AF_INET6;
  name.sin6_addr = in6addr_loopback;
  socklen_t length = sizeof name;
  auto* address = reinterpret_cast<sockaddr*>(&name);
  EXPECT_EQ(kernel.bind(receiver, address, length), 0);
  EXPECT_EQ(kernel.getsockname(receiver, address, &length), 0);
  const int sender = socket(AF_INET6, SOCK_DGRAM);
  EXPECT_EQ(kernel.connect(sender, address, length), 0);
  EXPECT_EQ(send(sender, "six"), 3);
  await(receiver, EPOLLIN);
  EXPECT_EQ(receive(receiver), "six");
  EXPECT_EQ(kernel.connect(udp(), address, length), -EAFNOSUPPORT);
}

EDDY_ON_EVERY_KERNEL(ContractDatagram);

}  // namespace
}  // namespace eddy::test
