// What is adopted and read in parts, though more is there: lines of a terminal, bytes that
// descriptors came with, messages of a pipe. Nothing of it stays behind.
#include <fcntl.h>
#include <pty.h>
#include <string.h>

#include <array>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamParts : public StreamTest {
 protected:
  void adopt_it(Descriptor descriptor) {
    const auto adopted = adopt(reactor(), descriptor.get(), journal.options());
    ASSERT_TRUE(adopted) << adopted.error().message();
    descriptor.release();
    stream = *adopted;
    run_turns(3);
  }
  void expect_data(std::string_view bytes) {
    EXPECT_TRUE(run_until([&] { return journal.data == bytes; })) << journal.data;
    stream.reset();
    EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  }
};
// Terminals, and pipes of messages.
class StreamPartsOnLinux : public StreamParts {};

// A read of a Unix socket does not go beyond the bytes that a descriptor came with (unix(7)).
TEST_P(StreamParts, ByTheDescriptorsThatCameAlong) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(plain_kernel().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const Descriptor other(fds[1]);
  adopt_it(Descriptor(fds[0]));
  for (const char* text : {"one", "two", "three"}) {
    const int passed = other.get();
    iovec piece = {const_cast<char*>(text), strlen(text)};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof passed)> control = {};
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
    ASSERT_GT(plain_kernel().sendmsg(other.get(), &message, 0), 0);
  }
  expect_data("onetwothree");
}

TEST_P(StreamParts, SocketsOfMessagesAreRefused) {
  for (const int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
    int fds[2] = {-1, -1};
    ASSERT_EQ(plain_kernel().socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
    const Descriptor one(fds[0]);
    const Descriptor other(fds[1]);
    const auto refused = adopt(reactor(), one.get(), journal.options());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::kUnsupported);
    EXPECT_NE(refused.error().advice().find("socket of messages"), std::string::npos);
    EXPECT_GE(plain_kernel().get_status_flags(one.get()), 0);  // it is still the user's
  }
}

// epoll can do no other; io_uring does the same.
TEST_P(StreamParts, ADescriptorIsInAReactorOnceAtATime) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(plain_kernel().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const Descriptor other(fds[1]);
  adopt_it(Descriptor(fds[0]));
  const auto exists = [](const auto& result) {
    return !result && result.error().code() == std::errc::file_exists;
  };
  const auto watch = [&](int fd) {
    return reactor().watch(fd, Interest::kReadable, [](Interest) {});
  };
  EXPECT_TRUE(exists(adopt(reactor(), fds[0], journal.options())));
  EXPECT_TRUE(exists(watch(fds[0])));
  auto watched = watch(other.get());
  ASSERT_TRUE(watched);
  EXPECT_TRUE(exists(adopt(reactor(), other.get(), journal.options())));
  watched->close();
  watched = watch(other.get());  // closed, it may be watched anew
  ASSERT_TRUE(watched);
  watched->close();

  Descriptor listening = bound_socket();
  Listener listener(reactor(), [](int) {});
  Listener second(reactor(), [](int) {});
  ASSERT_TRUE(listener.listen_on(listening.get()));
  EXPECT_TRUE(exists(second.listen_on(listening.get())));
  EXPECT_TRUE(exists(watch(listening.get())));
  listening.release();
  stream.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(StreamPartsOnLinux, LineByLine) {
  int controller = -1;
  int terminal = -1;
  ASSERT_EQ(openpty(&controller, &terminal, nullptr, nullptr, nullptr), 0);
  const Descriptor side(controller);
  adopt_it(Descriptor(terminal));
  ASSERT_EQ(::write(side.get(), "one\ntwo\nthree\n", 14), 14);
  expect_data("one\ntwo\nthree\n");
}

TEST_P(StreamPartsOnLinux, MessageByMessageOfAPipe) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC | O_DIRECT), 0);
  const Descriptor write_end(fds[1]);
  adopt_it(Descriptor(fds[0]));
  for (const char* text : {"one", "two", "three"}) {
    ASSERT_GT(::write(write_end.get(), text, strlen(text)), 0);
  }
  expect_data("onetwothree");
}

EDDY_ON_EVERY_CONFIGURATION(StreamParts);
EDDY_ON_EVERY_REAL_CONFIGURATION(StreamPartsOnLinux);

}  // namespace
}  // namespace eddy::test
