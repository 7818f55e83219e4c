// Unix sockets, as Linux and its model have them: streams, names and what all kinds share.
// kernel_contract_message_test.cpp has datagrams and the passing of descriptors.
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

class ContractLocal : public KernelContract {
 protected:
  int stream() { return socket(AF_UNIX, SOCK_STREAM); }
  int listener_at(const LocalName& name, int backlog = 16) {
    const int fd = stream();
    EXPECT_EQ(bind(fd, name), 0);
    EXPECT_EQ(kernel.listen(fd, backlog), 0);
    return fd;
  }
  // A name in the abstract namespace that no other process has.
  std::string abstract(std::string_view name) {
    return std::string(1, '\0') + std::to_string(kernel.process_id()) + std::string(name);
  }
  ucred credentials(int fd) {
    ucred value = {};
    socklen_t length = sizeof value;
    EXPECT_EQ(kernel.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &value, &length), 0);
    EXPECT_EQ(length, sizeof value);
    return value;
  }
};

// --- Streams

TEST_P(ContractLocal, AStreamCarriesBytesBothWays) {
  const Ends ends = pair(SOCK_STREAM);
  EXPECT_EQ(readiness(ends.a), uint32_t{EPOLLOUT});
  EXPECT_EQ(send(ends.a, "one "), 4);
  EXPECT_EQ(send(ends.a, "two"), 3);
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLIN | EPOLLOUT});
  EXPECT_EQ(receive(ends.b, 2, MSG_PEEK), "on");
  EXPECT_EQ(receive(ends.b, 100, MSG_PEEK), "one two");
  EXPECT_EQ(receive(ends.b, 2), "on");
  EXPECT_EQ(receive(ends.b), "e two");
  EXPECT_EQ(receive(ends.b), "EAGAIN");
  EXPECT_EQ(write(ends.b, "back"), 4);
  EXPECT_EQ(read(ends.a), "back");
  EXPECT_EQ(send(ends.a, ""), 0);
  EXPECT_EQ(receive(ends.b), "EAGAIN");
}

TEST_P(ContractLocal, ACloseIsAnEndAndABrokenPipe) {
  const Ends ends = pair(SOCK_STREAM);
  send(ends.a, "bye");
  close(ends.a);
  EXPECT_EQ(readiness(ends.b), kHungUp | EPOLLOUT);
  EXPECT_EQ(receive(ends.b), "bye");
  EXPECT_EQ(receive(ends.b), "end");
  EXPECT_EQ(send(ends.b, "x"), -EPIPE);
  EXPECT_EQ(error_of(ends.b), 0);
}

TEST_P(ContractLocal, ACloseWithUnreadInputIsAReset) {
  const Ends ends = pair(SOCK_STREAM);
  send(ends.b, "unread");
  send(ends.a, "last words");
  close(ends.a);
  EXPECT_EQ(readiness(ends.b), kHungUp | EPOLLOUT | EPOLLERR);
  EXPECT_EQ(receive(ends.b), "last words");
  EXPECT_EQ(receive(ends.b), "ECONNRESET");
  EXPECT_EQ(receive(ends.b), "end");
  EXPECT_EQ(readiness(ends.b), kHungUp | EPOLLOUT);
}

TEST_P(ContractLocal, AResetIsTheSocketsErrorOnce) {
  const Ends ends = pair(SOCK_STREAM);
  send(ends.b, "unread");
  close(ends.a);
  EXPECT_EQ(error_of(ends.b), ECONNRESET);
  EXPECT_EQ(error_of(ends.b), 0);
  EXPECT_EQ(receive(ends.b), "end");
}

TEST_P(ContractLocal, AHalfCloseIsSeenOnBothSides) {
  const Ends ends = pair(SOCK_STREAM);
  send(ends.a, "last");
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_WR), 0);
  EXPECT_EQ(readiness(ends.a), uint32_t{EPOLLOUT});
  EXPECT_EQ(readiness(ends.b), kReadEnd | EPOLLOUT);
  EXPECT_EQ(receive(ends.b), "last");
  EXPECT_EQ(receive(ends.b), "end");
  EXPECT_EQ(send(ends.a, "x"), -EPIPE);
  EXPECT_EQ(send(ends.b, "answer"), 6);
  EXPECT_EQ(receive(ends.a), "answer");
}

TEST_P(ContractLocal, ShuttingForReadingBreaksThePeersPipe) {
  const Ends ends = pair(SOCK_STREAM);
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_RD), 0);
  EXPECT_EQ(readiness(ends.a), kReadEnd | EPOLLOUT);
  EXPECT_EQ(receive(ends.a), "end");
  EXPECT_EQ(send(ends.b, "x"), -EPIPE);
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_RDWR), 0);
  EXPECT_EQ(readiness(ends.b), kHungUp | EPOLLOUT);
  EXPECT_EQ(kernel.shutdown(ends.a, 3), -EINVAL);
}

TEST_P(ContractLocal, AFullStreamIsWritableWhenMostOfItIsRead) {
  const Ends ends = pair(SOCK_STREAM);
  const size_t sent = fill(ends.a);
  EXPECT_GT(sent, 32768U);
  EXPECT_EQ(readiness(ends.a), 0U);
  EXPECT_EQ(read(ends.b, 4096).size(), 4096U);
  // There is room, but not enough to wake anybody for.
  EXPECT_EQ(readiness(ends.a), 0U);
  EXPECT_EQ(write(ends.a, "x"), 1);
  EXPECT_EQ(drain(ends.b), sent - 4096 + 1);
  EXPECT_EQ(readiness(ends.a), uint32_t{EPOLLOUT});
}

TEST_P(ContractLocal, ReadingIsAnEdgeForTheWriter) {
  const Ends ends = pair(SOCK_STREAM);
  const int epoll_fd = epoll();
  control(epoll_fd, EPOLL_CTL_ADD, ends.a, EPOLLOUT | EPOLLET);
  EXPECT_EQ(poll(epoll_fd), (EpollEvents{{ends.a, EPOLLOUT}}));
  send(ends.a, "x");
  EXPECT_EQ(poll(epoll_fd), EpollEvents{});
  receive(ends.b);
  EXPECT_EQ(poll(epoll_fd), (EpollEvents{{ends.a, EPOLLOUT}}));
  fill(ends.a);
  drain(ends.b);
  EXPECT_EQ(poll(epoll_fd), (EpollEvents{{ends.a, EPOLLOUT}}));
}

TEST_P(ContractLocal, ASmallSendBufferHoldsLess) {
  const Ends ends = pair(SOCK_STREAM);
  const size_t usual = fill(ends.b);
  EXPECT_EQ(set(ends.a, SOL_SOCKET, SO_SNDBUF, 8192), 0);
  EXPECT_EQ(get(ends.a, SOL_SOCKET, SO_SNDBUF), 16384);
  const size_t sent = fill(ends.a);
  EXPECT_GT(sent, 4096U);
  EXPECT_LT(sent, usual / 4);
}

// --- Without a connection

TEST_P(ContractLocal, AnUnconnectedStreamIsHungUp) {
  const int fd = stream();
  EXPECT_EQ(readiness(fd), uint32_t{EPOLLOUT | EPOLLHUP});
  EXPECT_EQ(receive(fd), "EINVAL");
  EXPECT_EQ(send(fd, "x"), -ENOTCONN);
  EXPECT_EQ(local_peer_of(fd), "ENOTCONN");
  EXPECT_EQ(local_name_of(fd), "");
  EXPECT_EQ(kernel.shutdown(fd, SHUT_RDWR), 0);
  EXPECT_EQ(kernel.accept4(fd, nullptr, nullptr, 0), -EINVAL);
  EXPECT_EQ(kernel.listen(fd, 1), -EINVAL);
}

TEST_P(ContractLocal, ConnectingNowhereIsRefused) {
  const std::string name = path();
  EXPECT_EQ(connect(stream(), local(name)), -ENOENT);
  EXPECT_EQ(connect(stream(), local(abstract("nobody"))), -ECONNREFUSED);
  const int listening = listener_at(local(name));
  close(listening);
  EXPECT_EQ(connect(stream(), local(name)), -ECONNREFUSED);
  EXPECT_EQ(bind(stream(), local(name)), -EADDRINUSE);
  EXPECT_EQ(kernel.unlink(name.c_str()), 0);
  EXPECT_EQ(bind(stream(), local(name)), 0);
}

TEST_P(ContractLocal, ASocketThatDoesNotListenRefuses) {
  const LocalName name = local(path());
  EXPECT_EQ(bind(stream(), name), 0);
  EXPECT_EQ(connect(stream(), name), -ECONNREFUSED);
}

TEST_P(ContractLocal, KindsDoNotMix) {
  const LocalName name = local(path());
  listener_at(name);
  EXPECT_EQ(connect(socket(AF_UNIX, SOCK_DGRAM), name), -EPROTOTYPE);
  EXPECT_EQ(connect(socket(AF_UNIX, SOCK_SEQPACKET), name), -EPROTOTYPE);
  EXPECT_EQ(connect(stream(), inet("127.0.0.1", 1)), -EINVAL);
}

// --- Connections

TEST_P(ContractLocal, AConnectionIsMadeAtOnce) {
  const std::string name = path();
  const int listening = listener_at(local(name));
  EXPECT_EQ(readiness(listening), 0U);
  EXPECT_EQ(kernel.accept4(listening, nullptr, nullptr, 0), -EAGAIN);
  const int client = stream();
  EXPECT_EQ(connect(client, local(name)), 0);
  EXPECT_EQ(connect(client, local(name)), -EISCONN);
  EXPECT_EQ(send(client, "early"), 5);
  EXPECT_EQ(readiness(client), uint32_t{EPOLLOUT});
  EXPECT_EQ(readiness(listening), uint32_t{EPOLLIN});
  const int server = accept(listening);
  EXPECT_EQ(receive(server), "early");
  EXPECT_EQ(local_peer_of(client), name);
  EXPECT_EQ(local_name_of(server), name);
  EXPECT_EQ(local_peer_of(server), "");
  EXPECT_EQ(local_name_of(client), "");
}

TEST_P(ContractLocal, AcceptTellsTheClientsNameIfItHasOne) {
  const LocalName name = local(path());
  const int listening = listener_at(name);
  const std::string mine = path();
  const int named = stream();
  EXPECT_EQ(bind(named, local(mine)), 0);
  connect(named, name);
  connect(stream(), name);
  sockaddr_un told = {};
  socklen_t length = sizeof told;
  auto* address = reinterpret_cast<sockaddr*>(&told);
  keep(kernel.accept4(listening, address, &length, kNonBlocking));
  EXPECT_EQ(std::string(told.sun_path), mine);
  length = sizeof told;
  keep(kernel.accept4(listening, address, &length, kNonBlocking));
  EXPECT_EQ(length, sizeof told.sun_family);
}

TEST_P(ContractLocal, AFullBacklogIsTriedAgain) {
  const LocalName name = local(path());
  const int listening = listener_at(name, 1);
  EXPECT_EQ(connect(stream(), name), 0);
  EXPECT_EQ(connect(stream(), name), 0);
  const int third = stream();
  EXPECT_EQ(connect(third, name), -EAGAIN);
  accept(listening);
  EXPECT_EQ(connect(third, name), 0);
}

TEST_P(ContractLocal, ClosingTheListenerResetsWhoWaits) {
  const LocalName name = local(path());
  const int listening = listener_at(name);
  const int client = stream();
  EXPECT_EQ(connect(client, name), 0);
  close(listening);
  EXPECT_EQ(readiness(client), kHungUp | EPOLLOUT | EPOLLERR);
  EXPECT_EQ(receive(client), "ECONNRESET");
  EXPECT_EQ(receive(client), "end");
}

TEST_P(ContractLocal, AListenerCarriesNothing) {
  const LocalName name = local(path());
  const int listening = listener_at(name);
  EXPECT_EQ(receive(listening), "EINVAL");
  EXPECT_EQ(send(listening, "x"), -ENOTCONN);
  EXPECT_EQ(connect(listening, name), -EINVAL);
  EXPECT_EQ(get(listening, SOL_SOCKET, SO_ACCEPTCONN), 1);
}

TEST_P(ContractLocal, SeqpacketKeepsMessagesApart) {
  const LocalName name = local(path());
  const int listening = socket(AF_UNIX, SOCK_SEQPACKET);
  EXPECT_EQ(bind(listening, name), 0);
  EXPECT_EQ(kernel.listen(listening, 1), 0);
  const int client = socket(AF_UNIX, SOCK_SEQPACKET);
  EXPECT_EQ(receive(client), "ENOTCONN");
  EXPECT_EQ(connect(client, name), 0);
  const int server = accept(listening);
  send(client, "one");
  send(client, "");
  send(client, "three");
  EXPECT_EQ(receive(server), "one");
  EXPECT_EQ(receive(server), "end");  // or an empty message: nobody can tell
  EXPECT_EQ(receive(server, 2), "th");
  EXPECT_EQ(receive(server), "EAGAIN");
  close(client);
  EXPECT_EQ(readiness(server), kHungUp | EPOLLOUT);
  EXPECT_EQ(receive(server), "end");
  EXPECT_EQ(send(server, "x"), -EPIPE);
}

// --- Names

TEST_P(ContractLocal, AnAbstractNameGoesWithItsSocket) {
  const std::string name = abstract("somebody");
  const int listening = listener_at(local(name));
  EXPECT_EQ(local_name_of(listening), name);
  EXPECT_EQ(bind(stream(), local(name)), -EADDRINUSE);
  EXPECT_EQ(connect(stream(), local(name)), 0);
  close(listening);
  EXPECT_EQ(connect(stream(), local(name)), -ECONNREFUSED);
  EXPECT_EQ(bind(stream(), local(name)), 0);
}

TEST_P(ContractLocal, AbstractNamesMayHaveAnyBytes) {
  const std::string shorter = abstract({"with\0in", 7});
  const std::string longer = shorter + '\0';
  const int listening = listener_at(local(shorter));
  EXPECT_EQ(connect(stream(), local(longer)), -ECONNREFUSED);
  EXPECT_EQ(connect(stream(), local(shorter)), 0);
  EXPECT_EQ(local_name_of(listening), shorter);
}

TEST_P(ContractLocal, BindingToNoNameFindsAnAbstractOne) {
  const int one = stream();
  const int other = stream();
  const sockaddr_un nothing = {.sun_family = AF_UNIX, .sun_path = {}};
  const auto* address = reinterpret_cast<const sockaddr*>(&nothing);
  EXPECT_EQ(kernel.bind(one, address, sizeof nothing.sun_family), 0);
  EXPECT_EQ(kernel.bind(other, address, sizeof nothing.sun_family), 0);
  const std::string name = local_name_of(one);
  EXPECT_EQ(name.size(), 6U);
  EXPECT_EQ(name[0], '\0');
  EXPECT_NE(name, local_name_of(other));
  EXPECT_EQ(kernel.bind(one, address, sizeof nothing.sun_family), 0);
  EXPECT_EQ(local_name_of(one), name);
}

TEST_P(ContractLocal, ASocketIsBoundOnce) {
  const int fd = stream();
  EXPECT_EQ(bind(fd, local(path())), 0);
  EXPECT_EQ(bind(fd, local(path())), -EINVAL);
}

TEST_P(ContractLocal, NamesThatAreTooLongOrOfAnotherFamilyAreRefused) {
  LocalName name = local(path());
  const auto* address = reinterpret_cast<const sockaddr*>(&name.address);
  EXPECT_EQ(kernel.bind(stream(), address, sizeof name.address + 1), -EINVAL);
  EXPECT_EQ(kernel.connect(stream(), address, offsetof(sockaddr_un, sun_path)), -EINVAL);
  EXPECT_EQ(bind(stream(), inet("127.0.0.1", 0)), -EINVAL);
}

TEST_P(ContractLocal, AnAbstractNameMayFillItsRoom) {
  std::string whole = abstract("");
  whole.resize(sizeof(sockaddr_un::sun_path), 'n');
  LocalName name;
  name.address.sun_family = AF_UNIX;
  memcpy(name.address.sun_path, whole.data(), whole.size());
  name.length = sizeof name.address;
  const int fd = stream();
  EXPECT_EQ(bind(fd, name), 0);
  EXPECT_EQ(local_name_of(fd), whole);
}

// --- The file at a path

TEST_P(ContractLocal, APathIsAFileThatStaysUntilItIsUnlinked) {
  const std::string name = path();
  EXPECT_EQ(kernel.unlink(name.c_str()), -ENOENT);
  const int listening = listener_at(local(name));
  struct stat status = {};
  EXPECT_EQ(kernel.lstat(name.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  close(listening);
  EXPECT_EQ(kernel.lstat(name.c_str(), &status), 0);
  EXPECT_EQ(kernel.unlink(name.c_str()), 0);
  EXPECT_EQ(kernel.lstat(name.c_str(), &status), -ENOENT);
  EXPECT_EQ(kernel.unlink(name.c_str()), -ENOENT);
}

TEST_P(ContractLocal, AListenerWhosePathIsUnlinkedIsFoundByNobody) {
  const std::string name = path();
  const int former = listener_at(local(name));
  EXPECT_EQ(connect(stream(), local(name)), 0);
  struct stat before = {};
  EXPECT_EQ(kernel.lstat(name.c_str(), &before), 0);
  EXPECT_EQ(kernel.unlink(name.c_str()), 0);
  EXPECT_EQ(connect(stream(), local(name)), -ENOENT);
  const int latter = listener_at(local(name));
  struct stat after = {};
  EXPECT_EQ(kernel.lstat(name.c_str(), &after), 0);
  EXPECT_NE(before.st_ino, after.st_ino);
  const int client = stream();
  EXPECT_EQ(connect(client, local(name)), 0);
  accept(latter);
  accept(former);  // who had come before
  EXPECT_EQ(kernel.accept4(former, nullptr, nullptr, 0), -EAGAIN);
}

TEST_P(ContractLocal, AFileThatIsNoSocketIsInTheWayToo) {
  const std::string name = path();
  keep(kernel.open(name.c_str(), O_CREAT | O_RDWR, 0600));
  EXPECT_EQ(bind(stream(), local(name)), -EADDRINUSE);
  struct stat status = {};
  EXPECT_EQ(kernel.lstat(name.c_str(), &status), 0);
  EXPECT_TRUE(S_ISREG(status.st_mode));
}

TEST_P(ContractLocal, APathHasPermissions) {
  const std::string name = path();
  EXPECT_EQ(kernel.chmod(name.c_str(), 0600), -ENOENT);
  listener_at(local(name));
  struct stat status = {};
  for (const mode_t mode : {0600, 0666}) {
    EXPECT_EQ(kernel.chmod(name.c_str(), mode), 0);
    EXPECT_EQ(kernel.lstat(name.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFSOCK | mode);
  }
}

// --- Options

TEST_P(ContractLocal, OptionsThatASocketWasMadeWith) {
  EXPECT_EQ(get(stream(), SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  EXPECT_EQ(get(socket(AF_UNIX, SOCK_RAW), SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
  EXPECT_EQ(get(pair(SOCK_SEQPACKET).a, SOL_SOCKET, SO_TYPE), SOCK_SEQPACKET);
  EXPECT_EQ(get(stream(), SOL_SOCKET, SO_DOMAIN), AF_UNIX);
  EXPECT_EQ(get(stream(), SOL_SOCKET, SO_PROTOCOL), 0);
  EXPECT_EQ(set(stream(), IPPROTO_TCP, 1, 1), -EOPNOTSUPP);
  EXPECT_EQ(get(stream(), IPPROTO_TCP, 1), -EOPNOTSUPP);
}

TEST_P(ContractLocal, ThePeersProcessIsKnown) {
  const LocalName name = local(path());
  const int listening = listener_at(name);
  const int client = stream();
  EXPECT_EQ(credentials(client).pid, 0);
  EXPECT_EQ(credentials(client).uid, static_cast<uid_t>(-1));
  EXPECT_EQ(credentials(tcp()).uid, static_cast<uid_t>(-1));
  connect(client, name);
  const int server = accept(listening);
  for (const int fd : {client, server, pair(SOCK_STREAM).a, pair(SOCK_DGRAM).b}) {
    EXPECT_EQ(credentials(fd).pid, kernel.process_id());
  }
}

EDDY_ON_EVERY_KERNEL(ContractLocal);

}  // namespace
}  // namespace eddy::test
