// Receiving and sending by io_uring, as Linux and its model do it.
#include <errno.h>
#include <gmock/gmock.h>
#include <string.h>

#include "support/uring_contract.h"

namespace eddy::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ContractUringTransfer : public KernelContract {
 protected:
  void start_multishot(uint64_t name, int fd) {
    ring_.start(name, [&](auto* entry) { prepare_multishot(entry, fd); });
  }

  TestedUring ring_{kernel, 16, 32};
};

// Of Unix sockets some kernels say whether there is more, and others do not know.
std::vector<Completed> without_hint(std::vector<Completed> completed) {
  for (Completed& one : completed) one.flags &= ~kNonEmpty;
  return completed;
}

// --- Receiving

TEST_P(ContractUringTransfer, AReceiveWaitsForBytes) {
  const Ends ends = pair(SOCK_STREAM);
  char bytes[8] = {};
  ring_.start(1, [&](auto* entry) { io_uring_prep_recv(entry, ends.a, bytes, sizeof bytes, 0); });
  EXPECT_THAT(ring_.turn(), IsEmpty());
  send(ends.b, "eddy");
  EXPECT_STREQ(bytes, "");  // task work runs within an enter only
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{1, 4, 0}));
  EXPECT_STREQ(bytes, "eddy");
}

TEST_P(ContractUringTransfer, AReceiveOutlivesItsDescriptor) {
  const Ends ends = pair(SOCK_STREAM);
  char bytes[8] = {};
  ring_.start(1, [&](auto* entry) { io_uring_prep_recv(entry, ends.a, bytes, sizeof bytes, 0); });
  ring_.turn();
  close(ends.a);
  send(ends.b, "late");
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{1, 4, 0}));
  EXPECT_STREQ(bytes, "late");
}

TEST_P(ContractUringTransfer, AReceiveOfAllGoesOn) {
  const Ends ends = pair(SOCK_STREAM);
  char bytes[9] = {};
  const auto prepare = [&](auto* entry) {
    io_uring_prep_recv(entry, ends.a, bytes, 8, MSG_WAITALL);
  };
  ring_.start(1, prepare);
  EXPECT_THAT(ring_.turn(), IsEmpty());
  send(ends.b, "abc");
  EXPECT_THAT(ring_.turn(), IsEmpty());
  send(ends.b, "defgh");
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{1, 8, 0}));
  EXPECT_STREQ(bytes, "abcdefgh");
  ring_.start(2, prepare);
  send(ends.b, "ij");
  EXPECT_THAT(ring_.turn(), IsEmpty());
  close(ends.b);
  EXPECT_THAT(without_hint(ring_.turn()), ElementsAre(Completed{2, 2, 0}));
}

TEST_P(ContractUringTransfer, MultishotIntoBuffersThatAreConsumedIncrementally) {
  TestedBuffers buffers(ring_.queue(), 4, 8, true);
  ASSERT_EQ(buffers.error(), 0);
  buffers.provide(3);
  const Ends ends = connected();
  start_multishot(1, ends.a);
  send(ends.b, "abc");
  EXPECT_THAT(ring_.await(1), ElementsAre(Completed{1, 3, in_buffer(3) | kMore | kPartOfBuffer}));
  send(ends.b, "defghij");  // fills the buffer, and finds no other
  EXPECT_THAT(ring_.await(2), ElementsAre(Completed{1, 5, in_buffer(3) | kMore | kNonEmpty},
                                          Completed{1, -ENOBUFS, 0}));
  EXPECT_EQ(buffers.view(24, 8), "abcdefgh");
  buffers.provide(1);
  start_multishot(2, ends.a);
  EXPECT_THAT(ring_.await(1), ElementsAre(Completed{2, 2, in_buffer(1) | kMore | kPartOfBuffer}));
  EXPECT_EQ(buffers.view(8, 2), "ij");
  close(ends.b);
  EXPECT_THAT(without_hint(ring_.await(1)), ElementsAre(Completed{2, 0, 0}));
}

TEST_P(ContractUringTransfer, ASingleReceiveTakesABuffer) {
  TestedBuffers buffers(ring_.queue(), 4, 8, false);
  ASSERT_EQ(buffers.error(), 0);
  const Ends ends = pair(SOCK_STREAM);
  const auto prepare = [&](auto* entry) {
    io_uring_prep_recv(entry, ends.a, nullptr, 2, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
  };
  ring_.start(1, prepare);  // none is there, so it does not even wait
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{1, -ENOBUFS, 0}));
  buffers.provide(0);
  buffers.provide(1);
  ring_.start(2, prepare);
  EXPECT_THAT(ring_.turn(), IsEmpty());
  send(ends.b, "abc");
  EXPECT_THAT(without_hint(ring_.turn()), ElementsAre(Completed{2, 2, in_buffer(0)}));
  ring_.start(3, prepare);
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{3, 1, in_buffer(1)}));
  EXPECT_EQ(buffers.view(0, 2), "ab");
  EXPECT_EQ(buffers.view(8, 1), "c");
}

TEST_P(ContractUringTransfer, BufferRingsAreRegisteredOnce) {
  TestedBuffers first(ring_.queue(), 4, 8, false);
  EXPECT_EQ(first.error(), 0);
  TestedBuffers second(ring_.queue(), 4, 8, false);
  EXPECT_EQ(second.error(), -EEXIST);
  uring::BufferRingRegistration asked = {};
  EXPECT_EQ(ring_.queue().register_with(IORING_UNREGISTER_PBUF_RING, &asked, 1), 0);
  EXPECT_EQ(ring_.queue().register_with(IORING_UNREGISTER_PBUF_RING, &asked, 1), -ENOENT);
  TestedBuffers odd(ring_.queue(), 3, 8, false);
  EXPECT_EQ(odd.error(), -EINVAL);
}

TEST_P(ContractUringTransfer, ALimitedReceiveEnds) {
  TestedBuffers buffers(ring_.queue(), 4, 8, true);
  buffers.provide(0);
  const Ends ends = pair(SOCK_STREAM);
  uring::set_receive_limit(ring_.start(1, [&](auto* entry) { prepare_multishot(entry, ends.a); }),
                           3);
  send(ends.b, "ab");
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{1, 2, in_buffer(0) | kMore | kPartOfBuffer}));
  send(ends.b, "cdef");  // the last one may go beyond the limit
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{1, 4, in_buffer(0) | kPartOfBuffer}));
  EXPECT_EQ(buffers.view(0, 6), "abcdef");
}

TEST_P(ContractUringTransfer, AnOverflowEndsAMultishotReceive) {
  TestedUring small(kernel, 2, 2);
  TestedBuffers buffers(small.queue(), 4, 8, true);
  buffers.provide(0);
  const Ends ends = pair(SOCK_STREAM);
  small.start(1, [&](auto* entry) { prepare_multishot(entry, ends.a); });
  EXPECT_THAT(small.turn(), IsEmpty());
  small.start(2, [](auto* entry) { io_uring_prep_nop(entry); });
  small.start(3, [](auto* entry) { io_uring_prep_nop(entry); });
  send(ends.b, "x");
  EXPECT_GE(small.queue().enter(0), 0);
  EXPECT_TRUE(small.queue().overflowed());
  EXPECT_EQ(small.take().size(), 2u);
  EXPECT_THAT(small.turn(), ElementsAre(Completed{1, 1, in_buffer(0) | kPartOfBuffer}));
}

TEST_P(ContractUringTransfer, MultishotDatagramsBringTheirNames) {
  TestedBuffers buffers(ring_.queue(), 4, 128, false);
  buffers.provide(0);
  const int ours = bound_udp();
  const int theirs = bound_udp();
  msghdr header = {};
  header.msg_namelen = sizeof(sockaddr_in);
  ring_.start(1, [&](auto* entry) {
    io_uring_prep_recvmsg_multishot(entry, ours, &header, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
  });
  char hello[] = "hello";
  iovec piece = {hello, 5};
  sockaddr_in to = name_of(ours);
  msghdr message = {};
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  ring_.start(2, [&](auto* entry) { io_uring_prep_sendmsg(entry, theirs, &message, 0); });
  const int size = sizeof(io_uring_recvmsg_out) + sizeof(sockaddr_in) + 5;
  // A datagram socket does not tell whether there is more, so a buffer is wanted at once.
  EXPECT_THAT(ring_.await(3),
              ElementsAre(Completed{2, 5, 0}, Completed{1, size, in_buffer(0) | kMore},
                          Completed{1, -ENOBUFS, 0}));
  io_uring_recvmsg_out* out = io_uring_recvmsg_validate(buffers.at(0), size, &header);
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(out->payloadlen, 5u);
  EXPECT_EQ(memcmp(io_uring_recvmsg_payload(out, &header), "hello", 5), 0);
  EXPECT_EQ(static_cast<sockaddr_in*>(io_uring_recvmsg_name(out))->sin_port,
            name_of(theirs).sin_port);
}

// An empty datagram is told like another, and ends the operation (Linux 6.18).
TEST_P(ContractUringTransfer, AMultishotRecvmsgEndsWithAnEmptyDatagram) {
  TestedBuffers buffers(ring_.queue(), 4, 256, false);
  ASSERT_EQ(buffers.error(), 0);
  for (uint16_t id = 0; id < 4; ++id) buffers.provide(id);
  const int ours = bound_udp();
  msghdr header = {};
  ring_.start(1, [&](auto* entry) {
    io_uring_prep_recvmsg_multishot(entry, ours, &header, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
  });
  ring_.turn();
  const int theirs = udp();
  send_to(theirs, name_of(ours), "one");
  constexpr int kBefore = sizeof(io_uring_recvmsg_out);
  EXPECT_THAT(without_hint(ring_.await(1)),
              ElementsAre(Completed{1, kBefore + 3, in_buffer(0) | kMore}));
  send_to(theirs, name_of(ours), "");
  EXPECT_THAT(without_hint(ring_.await(1)), ElementsAre(Completed{1, kBefore, in_buffer(1)}));
}

// The length in its header is a limit to the first alone; a short buffer is to all, and with
// MSG_TRUNC the real length is told.
TEST_P(ContractUringTransfer, AMultishotRecvmsgFillsItsBuffers) {
  TestedBuffers buffers(ring_.queue(), 4, 256, false);
  ASSERT_EQ(buffers.error(), 0);
  for (uint16_t id = 0; id < 4; ++id) buffers.provide(id);
  const int ours = bound_udp();
  constexpr int kBefore = sizeof(io_uring_recvmsg_out);
  iovec piece = {nullptr, kBefore + 2};
  msghdr header = {};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  ring_.start(1, [&](auto* entry) {
    io_uring_prep_recvmsg_multishot(entry, ours, &header, MSG_TRUNC);
    entry->flags |= IOSQE_BUFFER_SELECT;
  });
  ring_.turn();
  const int theirs = udp();
  const int sizes[] = {kBefore + 2, kBefore + 5, 256};
  const size_t sent[] = {5, 5, 1000};
  for (unsigned i = 0; i < 3; ++i) {
    send_to(theirs, name_of(ours), std::string(sent[i], 'x'));
    EXPECT_THAT(without_hint(ring_.await(1)),
                ElementsAre(Completed{1, sizes[i], in_buffer(i) | kMore}));
    io_uring_recvmsg_out out;
    memcpy(&out, buffers.at(size_t{i} * 256), sizeof out);
    EXPECT_EQ(out.payloadlen, sent[i]);
    EXPECT_EQ((out.flags & MSG_TRUNC) != 0, i != 1);
  }
}

// --- Sending

TEST_P(ContractUringTransfer, ASendThatSucceedsMaySayNothing) {
  const Ends ends = pair(SOCK_STREAM);
  const auto try_send = [&](uint64_t name, std::string_view bytes) {
    ring_.start(name, [&](auto* entry) {
      io_uring_prep_send(entry, ends.a, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_WAITALL);
      entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    });
    return ring_.turn();
  };
  EXPECT_THAT(try_send(1, "eddy"), IsEmpty());
  EXPECT_EQ(receive(ends.b), "eddy");
  const std::string large(4 << 20, 'x');
  const auto part = try_send(2, large);
  ASSERT_EQ(part.size(), 1u);
  EXPECT_GT(part[0].result, 0);
  EXPECT_LT(part[0].result, 4 << 20);
  fill(ends.a);
  EXPECT_THAT(try_send(3, large), ElementsAre(Completed{3, -EAGAIN, 0}));
  close(ends.b);
  EXPECT_THAT(try_send(4, "x"), ElementsAre(Completed{4, -EPIPE, 0}));
}

TEST_P(ContractUringTransfer, ASendOfAllGoesOnUntilAllIsSent) {
  const Ends ends = connected();
  std::string first(4 << 20, 'a');
  std::string second(4 << 20, 'b');
  iovec pieces[] = {{first.data(), first.size()}, {second.data(), second.size()}};
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  ring_.start(1, [&](auto* entry) { io_uring_prep_sendmsg(entry, ends.a, &message, MSG_WAITALL); });
  EXPECT_THAT(ring_.turn(), IsEmpty());
  message = {};  // copied while it was submitted
  pieces[0] = pieces[1] = {};
  std::string received;
  std::vector<Completed> completed;
  while (received.size() < first.size() + second.size()) {
    if ((await(ends.b, EPOLLIN) & EPOLLIN) == 0) break;
    received += receive(ends.b);
    for (const Completed& one : ring_.turn()) completed.push_back(one);
  }
  EXPECT_THAT(completed, ElementsAre(Completed{1, 8 << 20, 0}));
  EXPECT_TRUE(received == first + second);
}

TEST_P(ContractUringTransfer, ACancelledSendTellsItsPart) {
  const Ends ends = pair(SOCK_STREAM);
  const std::string large(4 << 20, 'x');
  ring_.start(1, [&](auto* entry) {
    io_uring_prep_send(entry, ends.a, large.data(), large.size(), MSG_WAITALL);
  });
  EXPECT_THAT(ring_.turn(), IsEmpty());
  ring_.start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  const auto completed = ring_.turn();
  ASSERT_EQ(completed.size(), 2u);
  EXPECT_EQ(completed[0], (Completed{2, 0, 0}));
  EXPECT_EQ(static_cast<size_t>(completed[1].result), drain(ends.b));
}

TEST_P(ContractUringTransfer, AZeroCopySendNotifies) {
  const Ends ends = connected();
  ring_.start(1, [&](auto* entry) {
    io_uring_prep_send(entry, ends.a, "eddy", 4, MSG_WAITALL);
    entry->opcode = uring::kOperationSendZeroCopy;
  });
  EXPECT_THAT(ring_.await(2),
              ElementsAre(Completed{1, 4, kMore}, Completed{1, 0, uring::kCompletionNotification}));
  ring_.start(2, [&](auto* entry) {
    io_uring_prep_send(entry, ends.a, "eddy", 4, MSG_WAITALL);
    entry->opcode = uring::kOperationSendZeroCopy;
    entry->flags = IOSQE_CQE_SKIP_SUCCESS;  // it would hide what must be told
  });
  EXPECT_THAT(ring_.turn(), ElementsAre(Completed{2, -EINVAL, 0}));
}

TEST_P(ContractUringTransfer, ALocalSocketSendsNothingInPlace) {
  const Ends ends = pair(SOCK_STREAM);
  ring_.start(1, [&](auto* entry) {
    io_uring_prep_send(entry, ends.a, "eddy", 4, 0);
    entry->opcode = uring::kOperationSendZeroCopy;
  });
  EXPECT_THAT(ring_.await(2), ElementsAre(Completed{1, -EOPNOTSUPP, kMore},
                                          Completed{1, 0, uring::kCompletionNotification}));
}

EDDY_ON_EVERY_KERNEL_WITH_URING(ContractUringTransfer);

}  // namespace
}  // namespace eddy::test
