// What happens on a TCP connection, as Linux and its model have it.
#include <errno.h>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

class ContractStream : public KernelContract {
 protected:
  // The other end is gone for good, and this one knows.
  void send_into_the_void(int fd) {
    EXPECT_EQ(send(fd, "x"), 1);
    await(fd, EPOLLERR);
  }
};

TEST_P(ContractStream, BytesArriveInOrderBothWays) {
  const Ends ends = connected();
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLOUT});
  EXPECT_EQ(send(ends.a, "one "), 4);
  EXPECT_EQ(send(ends.a, "two"), 3);
  EXPECT_EQ(await(ends.b, EPOLLIN), uint32_t{EPOLLIN | EPOLLOUT});
  EXPECT_EQ(receive(ends.b, 7, MSG_WAITALL), "one two");
  EXPECT_EQ(receive(ends.b), "EAGAIN");
  EXPECT_EQ(send(ends.b, "three"), 5);
  await(ends.a, EPOLLIN);
  EXPECT_EQ(receive(ends.a, 2), "th");
  EXPECT_EQ(receive(ends.a, 100), "ree");
}

TEST_P(ContractStream, PeekingLeavesTheBytes) {
  const Ends ends = connected();
  send(ends.a, "abc");
  await(ends.b, EPOLLIN);
  EXPECT_EQ(receive(ends.b, 2, MSG_PEEK), "ab");
  EXPECT_EQ(receive(ends.b, 9, MSG_PEEK), "abc");
  EXPECT_EQ(receive(ends.b), "abc");
}

TEST_P(ContractStream, NoRoomTakesNothing) {
  const Ends ends = connected();
  EXPECT_EQ(send(ends.a, ""), 0);
  EXPECT_EQ(receive(ends.b, 0), "EAGAIN");
  EXPECT_EQ(send(ends.a, "abc"), 3);
  await(ends.b, EPOLLIN);
  EXPECT_EQ(receive(ends.b, 0), "end");
  EXPECT_EQ(receive(ends.b), "abc");
}

TEST_P(ContractStream, MessagesAreGatheredAndScattered) {
  const Ends ends = connected();
  char one[] = "one";
  char two[] = "two";
  iovec out[] = {{one, 3}, {nullptr, 0}, {two, 3}};
  msghdr message = {};
  message.msg_iov = out;
  message.msg_iovlen = 3;
  EXPECT_EQ(kernel.sendmsg(ends.a, &message, MSG_NOSIGNAL), 6);
  await(ends.b, EPOLLIN);
  char head[2];
  char rest[9];
  iovec in[] = {{head, 2}, {rest, 9}};
  message.msg_iov = in;
  message.msg_iovlen = 2;
  sockaddr_in source;
  message.msg_name = &source;
  message.msg_namelen = sizeof source;
  message.msg_flags = -1;
  EXPECT_EQ(kernel.recvmsg(ends.b, &message, 0), 6);
  EXPECT_EQ(std::string(head, 2) + std::string(rest, 4), "onetwo");
  EXPECT_EQ(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
  EXPECT_EQ(message.msg_namelen, 0U);  // a stream's bytes have no name
}

TEST_P(ContractStream, ReadAndWritevServeSocketsToo) {
  const Ends ends = connected();
  EXPECT_EQ(write(ends.a, "abc"), 3);
  await(ends.b, EPOLLIN);
  EXPECT_EQ(read(ends.b), "abc");
  EXPECT_EQ(read(ends.b), "EAGAIN");
  kernel.shutdown(ends.a, SHUT_WR);
  EXPECT_EQ(write(ends.a, "abc"), -EPIPE);
}

// --- Ends

TEST_P(ContractStream, AHalfCloseIsAnEndOfInputAndTheOtherWayGoesOn) {
  const Ends ends = connected();
  send(ends.a, "last");
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_WR), 0);
  EXPECT_EQ(await(ends.b, EPOLLRDHUP), kReadEnd | EPOLLOUT);
  EXPECT_EQ(receive(ends.b), "last");
  EXPECT_EQ(receive(ends.b), "end");
  EXPECT_EQ(receive(ends.b), "end");
  EXPECT_EQ(readiness(ends.b), kReadEnd | EPOLLOUT);
  EXPECT_EQ(readiness(ends.a), uint32_t{EPOLLOUT});
  EXPECT_EQ(send(ends.b, "answer"), 6);
  await(ends.a, EPOLLIN);
  EXPECT_EQ(receive(ends.a), "answer");
}

TEST_P(ContractStream, NothingIsSentAfterOnesOwnHalfClose) {
  const Ends ends = connected();
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_WR), 0);
  EXPECT_EQ(send(ends.a, "x"), -EPIPE);
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_WR), 0);
  EXPECT_EQ(error_of(ends.a), 0);
}

TEST_P(ContractStream, BothHalvesClosedIsAHangUp) {
  const Ends ends = connected();
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_WR), 0);
  await(ends.b, EPOLLRDHUP);
  EXPECT_EQ(kernel.shutdown(ends.b, SHUT_WR), 0);
  EXPECT_EQ(await(ends.a, EPOLLHUP), kHungUp | EPOLLOUT);
  EXPECT_EQ(await(ends.b, EPOLLHUP), kHungUp | EPOLLOUT);
  EXPECT_EQ(receive(ends.a), "end");
}

TEST_P(ContractStream, ShuttingForReadingIsAnEndHereAndUnseenThere) {
  const Ends ends = connected();
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_RD), 0);
  EXPECT_EQ(readiness(ends.a), kReadEnd | EPOLLOUT);
  EXPECT_EQ(receive(ends.a), "end");
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLOUT});
  EXPECT_EQ(send(ends.b, "still"), 5);
  EXPECT_EQ(send(ends.a, "open"), 4);
  await(ends.b, EPOLLIN);
  EXPECT_EQ(receive(ends.b), "open");
}

TEST_P(ContractStream, ShuttingBothWaysIsAHangUpHereAtOnce) {
  const Ends ends = connected();
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_RDWR), 0);
  EXPECT_EQ(readiness(ends.a), kHungUp | EPOLLOUT);
  EXPECT_EQ(receive(ends.a), "end");
  EXPECT_EQ(send(ends.a, "x"), -EPIPE);
  EXPECT_EQ(await(ends.b, EPOLLRDHUP), kReadEnd | EPOLLOUT);
}

TEST_P(ContractStream, AnUnknownHowIsRefused) {
  EXPECT_EQ(kernel.shutdown(connected().a, 3), -EINVAL);
}

TEST_P(ContractStream, ACloseIsAnEndOfInput) {
  const Ends ends = connected();
  send(ends.a, "bye");
  close(ends.a);
  EXPECT_EQ(await(ends.b, EPOLLRDHUP), kReadEnd | EPOLLOUT);
  EXPECT_EQ(receive(ends.b), "bye");
  EXPECT_EQ(receive(ends.b), "end");
  EXPECT_EQ(error_of(ends.b), 0);
}

TEST_P(ContractStream, WhatIsQueuedArrivesAfterTheClose) {
  const Ends ends = connected();
  const size_t sent = fill(ends.a);
  close(ends.a);
  size_t received = 0;
  std::string room(65536, '\0');
  for (ssize_t count = 1; count != 0;) {
    await(ends.b, EPOLLIN);
    count = kernel.recv(ends.b, room.data(), room.size(), 0);
    ASSERT_GE(count, 0);
    received += static_cast<size_t>(count);
  }
  EXPECT_EQ(received, sent);
}

TEST_P(ContractStream, WritingToAClosedPeerIsABrokenPipeTheSecondTime) {
  const Ends ends = connected();
  close(ends.a);
  await(ends.b, EPOLLRDHUP);
  send_into_the_void(ends.b);
  EXPECT_EQ(readiness(ends.b), kHungUp | EPOLLOUT | EPOLLERR);
  EXPECT_EQ(receive(ends.b), "end");
  EXPECT_EQ(send(ends.b, "y"), -EPIPE);
  EXPECT_EQ(error_of(ends.b), 0);
  EXPECT_EQ(receive(ends.b), "end");
}

// --- Resets

TEST_P(ContractStream, CloseWithUnreadInputIsAReset) {
  const Ends ends = connected();
  send(ends.a, "unread");
  await(ends.b, EPOLLIN);
  close(ends.b);
  EXPECT_EQ(await(ends.a, EPOLLERR), kHungUp | EPOLLOUT | EPOLLERR);
  EXPECT_EQ(receive(ends.a), "ECONNRESET");
  EXPECT_EQ(receive(ends.a), "end");
  EXPECT_EQ(send(ends.a, "x"), -EPIPE);
}

TEST_P(ContractStream, WhatArrivedBeforeAResetCanBeRead) {
  const Ends ends = connected();
  send(ends.a, "unread");
  await(ends.b, EPOLLIN);
  send(ends.b, "last words");
  await(ends.a, EPOLLIN);
  close(ends.b);
  await(ends.a, EPOLLERR);
  EXPECT_EQ(receive(ends.a, 4), "last");
  EXPECT_EQ(receive(ends.a), " words");
  EXPECT_EQ(receive(ends.a), "ECONNRESET");
  EXPECT_EQ(receive(ends.a), "end");
}

TEST_P(ContractStream, LingeringForZeroSecondsIsAReset) {
  const Ends ends = connected();
  set_linger(ends.a, 0);
  close(ends.a);
  EXPECT_EQ(await(ends.b, EPOLLERR), kHungUp | EPOLLOUT | EPOLLERR);
  EXPECT_EQ(error_of(ends.b), ECONNRESET);
  EXPECT_EQ(readiness(ends.b), kHungUp | EPOLLOUT);
  EXPECT_EQ(receive(ends.b), "end");
}

TEST_P(ContractStream, AResetIsToldToASenderOnce) {
  const Ends ends = connected();
  set_linger(ends.a, 0);
  close(ends.a);
  await(ends.b, EPOLLERR);
  EXPECT_EQ(send(ends.b, "x"), -ECONNRESET);
  EXPECT_EQ(send(ends.b, "x"), -EPIPE);
}

TEST_P(ContractStream, AResetSocketHasNoPeer) {
  const Ends ends = connected();
  const uint16_t port = name_of(ends.b).sin_port;
  set_linger(ends.a, 0);
  close(ends.a);
  await(ends.b, EPOLLERR);
  sockaddr_in name;
  socklen_t length = sizeof name;
  EXPECT_EQ(kernel.getpeername(ends.b, reinterpret_cast<sockaddr*>(&name), &length), -ENOTCONN);
  EXPECT_EQ(kernel.shutdown(ends.b, SHUT_WR), -ENOTCONN);
  EXPECT_EQ(name_of(ends.b).sin_port, port);
}

TEST_P(ContractStream, AResetWhileBytesWaitDropsThem) {
  const Ends ends = connected();
  fill(ends.a);
  close(ends.b);
  EXPECT_EQ(await(ends.a, EPOLLERR), kHungUp | EPOLLOUT | EPOLLERR);
  EXPECT_EQ(send(ends.a, "x"), -ECONNRESET);
  EXPECT_EQ(send(ends.a, "x"), -EPIPE);
}

TEST_P(ContractStream, BytesForAShutReaderAreTaken) {
  const Ends ends = connected();
  EXPECT_EQ(kernel.shutdown(ends.a, SHUT_RD), 0);
  EXPECT_EQ(send(ends.b, "unheard"), 7);
  EXPECT_EQ(send(ends.a, "open"), 4);
  await(ends.b, EPOLLIN);
  EXPECT_EQ(receive(ends.b), "open");
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLOUT});
}

TEST_P(ContractStream, ACloseAfterBytesThatArriveLateIsAReset) {
  const Ends ends = connected();
  close(ends.a);
  await(ends.b, EPOLLRDHUP);
  EXPECT_EQ(receive(ends.b), "end");
  EXPECT_EQ(send(ends.b, "late"), 4);
  EXPECT_EQ(await(ends.b, EPOLLERR), kHungUp | EPOLLOUT | EPOLLERR);
  EXPECT_EQ(error_of(ends.b), EPIPE);
}

// --- Windows

TEST_P(ContractStream, AFullConnectionIsNotWritableUntilItIsRead) {
  const Ends ends = connected();
  const size_t sent = fill(ends.a);
  EXPECT_GT(sent, 65536U);
  EXPECT_EQ(readiness(ends.a), 0U);
  size_t received = 0;
  while (received < sent) {
    await(ends.b, EPOLLIN);
    received += drain(ends.b);
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(await(ends.a, EPOLLOUT), uint32_t{EPOLLOUT});
}

TEST_P(ContractStream, ASendBeyondTheRoomIsShort) {
  const Ends ends = connected();
  const std::string large(64 << 20, 'l');
  const ssize_t sent = send(ends.a, large);
  EXPECT_GT(sent, 0);
  EXPECT_LT(sent, static_cast<ssize_t>(large.size()));
}

// --- The urgent byte

TEST_P(ContractStream, TheUrgentByteIsReadApart) {
  const Ends ends = connected();
  EXPECT_EQ(receive(ends.b, 1, MSG_OOB), "EINVAL");
  EXPECT_EQ(send(ends.a, "ab!", MSG_OOB), 3);
  EXPECT_EQ(await(ends.b, EPOLLPRI | EPOLLIN), uint32_t{EPOLLIN | EPOLLOUT | EPOLLPRI});
  EXPECT_EQ(receive(ends.b, 1, MSG_OOB), "!");
  EXPECT_EQ(readiness(ends.b), uint32_t{EPOLLIN | EPOLLOUT});
  EXPECT_EQ(receive(ends.b), "ab");
  EXPECT_EQ(receive(ends.b), "EAGAIN");
}

TEST_P(ContractStream, AReadStopsAtTheUrgentByteAndTheNextStepsOverIt) {
  const Ends ends = connected();
  send(ends.a, "ab!", MSG_OOB);
  send(ends.a, "cd");
  await(ends.b, EPOLLPRI | EPOLLIN);
  EXPECT_EQ(receive(ends.b), "ab");
  EXPECT_EQ(receive(ends.b), "cd");
}

EDDY_ON_EVERY_KERNEL(ContractStream);

}  // namespace
}  // namespace eddy::test
