// TCP, as Linux and its model have it: making connections, names and options.
// kernel_contract_stream_test.cpp has what happens on a connection.
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <string.h>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

class ContractTcp : public KernelContract {};

// --- Connecting

TEST_P(ContractTcp, ConnectIsInProgressUntilTheSocketIsWritable) {
  const int listening = listener();
  const int client = tcp();
  EXPECT_EQ(connect(client, name_of(listening)), -EINPROGRESS);
  EXPECT_EQ(await(client, EPOLLOUT), uint32_t{EPOLLOUT});
  EXPECT_EQ(error_of(client), 0);
}

TEST_P(ContractTcp, ConnectSaysOnceThatItHasSucceeded) {
  const int listening = listener();
  const int client = tcp();
  EXPECT_EQ(connect(client, name_of(listening)), -EINPROGRESS);
  await(client, EPOLLOUT);
  EXPECT_EQ(connect(client, name_of(listening)), 0);
  EXPECT_EQ(connect(client, name_of(listening)), -EISCONN);
}

TEST_P(ContractTcp, ConnectionRefusedIsTheSocketsErrorOnce) {
  const int listening = listener();
  const sockaddr_in nobody = name_of(listening);
  close(listening);
  const int client = tcp();
  EXPECT_EQ(connect(client, nobody), -EINPROGRESS);
  EXPECT_EQ(await(client, EPOLLERR), kHungUp | EPOLLOUT | EPOLLERR);
  EXPECT_EQ(error_of(client), ECONNREFUSED);
  EXPECT_EQ(error_of(client), 0);
  EXPECT_EQ(readiness(client), kHungUp | EPOLLOUT);
}

TEST_P(ContractTcp, ConnectionRefusedIsToldByReceiving) {
  const int listening = listener();
  const sockaddr_in nobody = name_of(listening);
  close(listening);
  const int client = tcp();
  EXPECT_EQ(connect(client, nobody), -EINPROGRESS);
  await(client, EPOLLERR);
  EXPECT_EQ(receive(client), "ECONNREFUSED");
  EXPECT_EQ(receive(client), "end");
  EXPECT_EQ(send(client, "x"), -EPIPE);
}

TEST_P(ContractTcp, ConnectionRefusedIsToldByTheNextConnect) {
  const int listening = listener();
  const sockaddr_in nobody = name_of(listening);
  close(listening);
  const int client = tcp();
  EXPECT_EQ(connect(client, nobody), -EINPROGRESS);
  await(client, EPOLLERR);
  EXPECT_EQ(connect(client, nobody), -ECONNREFUSED);
  EXPECT_EQ(connect(client, nobody), -EINPROGRESS);
}

TEST_P(ContractTcp, ConnectAfterAFailureThatWasToldIsAborted) {
  const int listening = listener();
  const sockaddr_in nobody = name_of(listening);
  close(listening);
  const int client = tcp();
  EXPECT_EQ(connect(client, nobody), -EINPROGRESS);
  await(client, EPOLLERR);
  EXPECT_EQ(error_of(client), ECONNREFUSED);
  EXPECT_EQ(connect(client, nobody), -ECONNABORTED);
}

TEST_P(ContractTcp, AddressesOfAnotherFamilyOrTooShortAreRefused) {
  const int client = tcp();
  sockaddr_in6 six = {};
  six.sin6_family = AF_INET6;
  six.sin6_addr = in6addr_loopback;
  const auto* address = reinterpret_cast<const sockaddr*>(&six);
  EXPECT_EQ(kernel.connect(client, address, sizeof six), -EAFNOSUPPORT);
  EXPECT_EQ(kernel.bind(client, address, sizeof six), -EAFNOSUPPORT);
  EXPECT_EQ(kernel.connect(client, address, 1), -EINVAL);
  EXPECT_EQ(kernel.bind(client, address, 4), -EINVAL);
}

TEST_P(ContractTcp, AnUnconnectedSocketIsHungUp) {
  const int client = tcp();
  EXPECT_EQ(readiness(client), uint32_t{EPOLLOUT | EPOLLHUP});
  EXPECT_EQ(receive(client), "ENOTCONN");
  EXPECT_EQ(send(client, "x"), -EPIPE);
  EXPECT_EQ(kernel.shutdown(client, SHUT_RDWR), -ENOTCONN);
}

TEST_P(ContractTcp, ABlockingConnectReturnsWhenItIsDecided) {
  const int listening = listener();
  const sockaddr_in name = name_of(listening);
  const int client = keep(kernel.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(client, name), 0);
  EXPECT_EQ(connect(client, name), -EISCONN);
  close(listening);
  const int late = keep(kernel.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(late, name), -ECONNREFUSED);
}

// --- Listening

TEST_P(ContractTcp, AListenerIsReadableWhenSomebodyWaits) {
  const int listening = listener();
  EXPECT_EQ(readiness(listening), 0U);
  EXPECT_EQ(kernel.accept4(listening, nullptr, nullptr, 0), -EAGAIN);
  const int client = tcp();
  connect(client, name_of(listening));
  EXPECT_EQ(await(listening, EPOLLIN), uint32_t{EPOLLIN});
  accept(listening);
  EXPECT_EQ(readiness(listening), 0U);
}

TEST_P(ContractTcp, WhatIsNotAListenerDoesNotAccept) {
  EXPECT_EQ(kernel.accept4(tcp(), nullptr, nullptr, 0), -EINVAL);
  const Ends ends = connected();
  EXPECT_EQ(kernel.accept4(ends.a, nullptr, nullptr, 0), -EINVAL);
  EXPECT_EQ(kernel.listen(ends.a, 1), -EINVAL);
}

TEST_P(ContractTcp, AListenerNeitherConnectsNorCarriesBytes) {
  const int listening = listener();
  EXPECT_EQ(connect(listening, name_of(listening)), -EISCONN);
  EXPECT_EQ(receive(listening), "ENOTCONN");
  EXPECT_EQ(send(listening, "x"), -EPIPE);
  EXPECT_EQ(get(listening, SOL_SOCKET, SO_ACCEPTCONN), 1);
  EXPECT_EQ(get(tcp(), SOL_SOCKET, SO_ACCEPTCONN), 0);
}

TEST_P(ContractTcp, ListeningWithoutBindTakesAPort) {
  const int listening = tcp();
  EXPECT_EQ(kernel.listen(listening, 1), 0);
  const sockaddr_in name = name_of(listening);
  EXPECT_NE(name.sin_port, 0);
  EXPECT_EQ(name.sin_addr.s_addr, INADDR_ANY);
}

TEST_P(ContractTcp, BytesMayComeBeforeTheAccept) {
  const int listening = listener();
  const int client = tcp();
  connect(client, name_of(listening));
  await(client, EPOLLOUT);
  EXPECT_EQ(send(client, "early"), 5);
  close(client);
  const int server = accept(listening);
  await(server, EPOLLRDHUP);
  EXPECT_EQ(receive(server), "early");
  EXPECT_EQ(receive(server), "end");
}

TEST_P(ContractTcp, ConnectionsBeyondTheBacklogWait) {
  const int listening = listener(1);
  const int first = tcp();
  const int second = tcp();
  const int third = tcp();
  for (const int client : {first, second, third}) {
    EXPECT_EQ(connect(client, name_of(listening)), -EINPROGRESS);
    if (client != third) {
      EXPECT_EQ(await(client, EPOLLOUT), uint32_t{EPOLLOUT});
    }
  }
  EXPECT_EQ(readiness(third), 0U);
  EXPECT_EQ(connect(third, name_of(listening)), -EALREADY);
  EXPECT_EQ(receive(third), "EAGAIN");
  EXPECT_EQ(send(third, "x"), -EAGAIN);
  accept(listening);
  EXPECT_EQ(await(third, EPOLLOUT), uint32_t{EPOLLOUT});
}

TEST_P(ContractTcp, ClosingTheListenerResetsWhoWaits) {
  const int listening = listener();
  const int client = tcp();
  connect(client, name_of(listening));
  await(client, EPOLLOUT);
  close(listening);
  EXPECT_EQ(await(client, EPOLLERR), kHungUp | EPOLLOUT | EPOLLERR);
  EXPECT_EQ(error_of(client), ECONNRESET);
}

TEST_P(ContractTcp, ShuttingAListenerEndsItsListening) {
  const int listening = listener();
  const sockaddr_in name = name_of(listening);
  EXPECT_EQ(kernel.shutdown(listening, SHUT_RD), 0);
  EXPECT_EQ(kernel.accept4(listening, nullptr, nullptr, 0), -EINVAL);
  const int client = tcp();
  connect(client, name);
  await(client, EPOLLERR);
  EXPECT_EQ(error_of(client), ECONNREFUSED);
}

// --- Names

TEST_P(ContractTcp, NamesOfBothEndsAgree) {
  const int listening = listener();
  const sockaddr_in name = name_of(listening);
  const int client = tcp();
  connect(client, name);
  await(listening, EPOLLIN);
  sockaddr_in told = {};
  socklen_t length = sizeof told;
  const int server =
      keep(kernel.accept4(listening, reinterpret_cast<sockaddr*>(&told), &length, kNonBlocking));
  EXPECT_EQ(length, sizeof told);
  EXPECT_EQ(told.sin_port, name_of(client).sin_port);
  EXPECT_EQ(told.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
  EXPECT_EQ(peer_of(server).sin_port, told.sin_port);
  EXPECT_EQ(peer_of(client).sin_port, name.sin_port);
  EXPECT_EQ(name_of(server).sin_port, name.sin_port);
}

TEST_P(ContractTcp, ASocketWithoutANameHasPortZero) {
  const int client = tcp();
  EXPECT_EQ(name_of(client).sin_port, 0);
  EXPECT_EQ(name_of(client).sin_addr.s_addr, INADDR_ANY);
  sockaddr_in peer;
  socklen_t length = sizeof peer;
  EXPECT_EQ(kernel.getpeername(client, reinterpret_cast<sockaddr*>(&peer), &length), -ENOTCONN);
}

TEST_P(ContractTcp, AShortRoomForANameGetsAPartAndTheWholeLength) {
  const int listening = listener();
  sockaddr_in name;
  memset(&name, 0xee, sizeof name);
  socklen_t length = 4;
  EXPECT_EQ(kernel.getsockname(listening, reinterpret_cast<sockaddr*>(&name), &length), 0);
  EXPECT_EQ(length, sizeof name);
  EXPECT_EQ(name.sin_port, name_of(listening).sin_port);
  EXPECT_EQ(name.sin_addr.s_addr, 0xeeeeeeee);
}

TEST_P(ContractTcp, ASocketIsBoundOnce) {
  const int fd = tcp();
  EXPECT_EQ(bind(fd, inet("127.0.0.1", 0)), 0);
  EXPECT_EQ(bind(fd, inet("127.0.0.1", 0)), -EINVAL);
}

TEST_P(ContractTcp, APortInUseIsRefused) {
  const sockaddr_in name = name_of(listener());
  const int other = tcp();
  EXPECT_EQ(bind(other, name), -EADDRINUSE);
  EXPECT_EQ(set(other, SOL_SOCKET, SO_REUSEADDR, 1), 0);
  EXPECT_EQ(bind(other, name), -EADDRINUSE);
  const int any = tcp();
  EXPECT_EQ(bind(any, inet("0.0.0.0", ntohs(name.sin_port))), -EADDRINUSE);
}

TEST_P(ContractTcp, ReusePortSharesAPortAmongThoseWhoAskForIt) {
  const int first = tcp();
  const int second = tcp();
  for (const int fd : {first, second}) EXPECT_EQ(set(fd, SOL_SOCKET, SO_REUSEPORT, 1), 0);
  EXPECT_EQ(bind(first, inet("127.0.0.1", 0)), 0);
  EXPECT_EQ(bind(second, name_of(first)), 0);
  EXPECT_EQ(kernel.listen(first, 1), 0);
  EXPECT_EQ(kernel.listen(second, 1), 0);
  EXPECT_EQ(bind(tcp(), name_of(first)), -EADDRINUSE);
}

TEST_P(ContractTcp, AForeignAddressIsNotAvailable) {
  EXPECT_EQ(bind(tcp(), inet("203.0.113.7", 0)), -EADDRNOTAVAIL);
}

TEST_P(ContractTcp, AListenerOfBothFamiliesSeesMappedAddresses) {
  const int listening = socket(AF_INET6, SOCK_STREAM);
  EXPECT_EQ(set(listening, IPPROTO_IPV6, IPV6_V6ONLY, 0), 0);
  sockaddr_in6 name = {};
  name.sin6_family = AF_INET6;
  socklen_t length = sizeof name;
  EXPECT_EQ(kernel.bind(listening, reinterpret_cast<sockaddr*>(&name), length), 0);
  EXPECT_EQ(kernel.listen(listening, 1), 0);
  EXPECT_EQ(kernel.getsockname(listening, reinterpret_cast<sockaddr*>(&name), &length), 0);
  EXPECT_EQ(length, sizeof name);
  const int client = tcp();
  connect(client, inet("127.0.0.1", ntohs(name.sin6_port)));
  const int server = accept(listening);
  sockaddr_in6 peer = {};
  EXPECT_EQ(kernel.getpeername(server, reinterpret_cast<sockaddr*>(&peer), &length), 0);
  EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr));
  EXPECT_EQ(peer.sin6_port, name_of(client).sin_port);
}

// --- Options

TEST_P(ContractTcp, OptionsThatASocketWasMadeWith) {
  const int fd = tcp();
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_DOMAIN), AF_INET);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_TYPE, SOCK_DGRAM), -ENOPROTOOPT);
}

TEST_P(ContractTcp, UnknownOptionsAndShortValuesAreRefused) {
  const int fd = tcp();
  EXPECT_EQ(set(fd, SOL_SOCKET, 9999, 1), -ENOPROTOOPT);
  EXPECT_EQ(get(fd, SOL_SOCKET, 9999), -ENOPROTOOPT);
  EXPECT_EQ(set(fd, IPPROTO_TCP, 9999, 1), -ENOPROTOOPT);
  EXPECT_EQ(set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1), -ENOPROTOOPT);
  const int value = 1;
  EXPECT_EQ(kernel.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 2), -EINVAL);
  EXPECT_EQ(kernel.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, 2), -EINVAL);
  EXPECT_EQ(kernel.setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value), -EINVAL);
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 0), -EINVAL);
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_KEEPCNT, 128), -EINVAL);
}

TEST_P(ContractTcp, OptionsComeBackAsTheyWereSet) {
  const int fd = tcp();
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_NODELAY, 7), 0);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30), 0);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 5000);
}

TEST_P(ContractTcp, BufferSizesAreDoubledAndHaveALeast) {
  const int fd = tcp();
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_RCVBUF, 10'000), 0);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_RCVBUF), 20'000);
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_SNDBUF, 10'000), 0);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_SNDBUF), 20'000);
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_RCVBUF, 1), 0);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_RCVBUF), 2304);
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_SNDBUF, 1), 0);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_SNDBUF), 4608);
}

TEST_P(ContractTcp, LingerComesBackWhole) {
  const int fd = tcp();
  linger value = {.l_onoff = 7, .l_linger = 7};
  socklen_t length = sizeof value;
  EXPECT_EQ(kernel.getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &length), 0);
  EXPECT_EQ(value.l_onoff, 0);
  set_linger(fd, 12);
  EXPECT_EQ(kernel.getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &length), 0);
  EXPECT_EQ(length, sizeof value);
  EXPECT_EQ(value.l_onoff, 1);
  EXPECT_EQ(value.l_linger, 12);
}

TEST_P(ContractTcp, AShortRoomForAnOptionGetsAPart) {
  char byte = 0;
  socklen_t length = 1;
  EXPECT_EQ(kernel.getsockopt(tcp(), SOL_SOCKET, SO_TYPE, &byte, &length), 0);
  EXPECT_EQ(length, 1U);
  EXPECT_EQ(byte, SOCK_STREAM);
}

TEST_P(ContractTcp, AcceptedSocketsInheritTheListenersOptions) {
  const int listening = listener();
  EXPECT_EQ(set(listening, IPPROTO_TCP, TCP_NODELAY, 1), 0);
  EXPECT_EQ(set(listening, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
  const int client = tcp();
  connect(client, name_of(listening));
  const int server = accept(listening);
  EXPECT_EQ(get(server, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(get(server, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(get(server, SOL_SOCKET, SO_ACCEPTCONN), 0);
}

TEST_P(ContractTcp, StatusFlagsAreThoseItWasMadeWithAndCanBeChanged) {
  const int listening = listener();
  EXPECT_EQ(kernel.get_status_flags(listening), O_RDWR | O_NONBLOCK);
  const int client = tcp();
  connect(client, name_of(listening));
  await(listening, EPOLLIN);
  // Not inherited: accept4(2).
  const int server = keep(kernel.accept4(listening, nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(kernel.get_status_flags(server), O_RDWR);
  EXPECT_EQ(kernel.set_status_flags(server, O_RDWR | O_NONBLOCK), 0);
  EXPECT_EQ(kernel.get_status_flags(server), O_RDWR | O_NONBLOCK);
  EXPECT_EQ(kernel.get_status_flags(-1), -EBADF);
}

EDDY_ON_EVERY_KERNEL(ContractTcp);

}  // namespace
}  // namespace eddy::test
