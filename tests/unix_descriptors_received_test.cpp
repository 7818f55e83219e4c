// Descriptors that come over Unix sockets. unix_descriptors_sent_test.cpp has the other direction.
#include <eddy/net/connector.h>
#include <eddy/net/splice.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "support/unix_descriptors.h"

namespace eddy::test {
namespace {

// sendmsg(2) by hand.
ssize_t send_with(int socket, std::string_view bytes, const std::vector<int>& descriptors) {
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: iovec's type
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_LEN(descriptors.size() * sizeof(int));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
  return plain_kernel().sendmsg(socket, &message, MSG_NOSIGNAL);
}

TEST_P(UnixDescriptors, ArriveBeforeTheirBytes) {
  serve(keeping());
  Pipe pipe = make_pipe();
  ASSERT_EQ(send_with(peer.fd(), "with it", {pipe.write_end.get()}), 7);
  pipe.write_end.reset();
  EXPECT_TRUE(run_until([&] { return journal.data == "with it"; }));
  EXPECT_EQ(journal.events, (Events{"open", "descriptors", "data"}));
  ASSERT_EQ(taken_.size(), 1U);
  EXPECT_FALSE(truncated_);
  EXPECT_EQ(machine().write(taken_[0].get(), "through it"), 10);
  EXPECT_EQ(read_from(pipe), "through it");
  taken_.clear();
  EXPECT_TRUE(has_ended(pipe));
}

// unix(7): a read does not go past the bytes that descriptors came with.
TEST_P(UnixDescriptors, ComeWithTheirBytesAndNotLater) {
  serve(keeping());
  stream.pause();
  run_turns(3);
  const Pipe pipe = make_pipe();
  peer.send("abcd");
  ASSERT_EQ(send_with(peer.fd(), "e", {pipe.write_end.get()}), 1);
  peer.send("fghi");
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.data == "abcdefghi"; }));
  EXPECT_EQ(taken_.size(), 1U);
  EXPECT_LE(came_at_, 4U);
}

// … also to who connected.
TEST_P(UnixDescriptors, WhatComesBehindThemIsReadAsWell) {
  const Address address = names_.at_path("listener");
  const Descriptor listening(
      plain_kernel().socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  ASSERT_EQ(plain_kernel().bind(listening.get(), address.data(), address.size()), 0);
  ASSERT_EQ(plain_kernel().listen(listening.get(), 1), 0);
  for (const size_t most : {0, 8}) {
    journal.data.clear();
    StreamOptions options = journal.options();
    options.max_descriptors = most;
    Connector connector(reactor(), std::move(options));
    auto client = connector.connect(address);
    ASSERT_TRUE(client);
    run_turns(3);
    peer = Peer(plain_kernel().accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(peer.is_open());
    const Pipe pipe = make_pipe();
    peer.send("abcd");
    ASSERT_EQ(send_with(peer.fd(), "e", {pipe.write_end.get()}), 1);
    peer.send("fghi");
    EXPECT_TRUE(run_until([&] { return journal.data == "abcdefghi"; })) << journal.data;
    client->reset();
    run_turns();
  }
}

TEST_P(UnixDescriptors, ThoseThatAreNotTakenAreClosed) {
  StreamOptions options = journal.options();
  options.on_descriptors = [&](Stream&, ReceivedDescriptors& descriptors) {
    ASSERT_EQ(descriptors.size(), 3U);
    EXPECT_GE(descriptors[1], 0);
    taken_.emplace_back(descriptors.take(1));
    EXPECT_EQ(descriptors[1], -1);
    EXPECT_EQ(descriptors.take(1), -1);
  };
  serve(std::move(options));
  Pipe pipes[3] = {make_pipe(), make_pipe(), make_pipe()};
  ASSERT_EQ(
      send_with(peer.fd(), "x",
                {pipes[0].write_end.get(), pipes[1].write_end.get(), pipes[2].write_end.get()}),
      1);
  for (Pipe& pipe : pipes) pipe.write_end.reset();
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  EXPECT_TRUE(has_ended(pipes[0]));
  EXPECT_FALSE(has_ended(pipes[1]));
  EXPECT_TRUE(has_ended(pipes[2]));
}

TEST_P(UnixDescriptors, WithoutACallbackTheyAreClosedToo) {
  serve(journal.options());
  Pipe pipe = make_pipe();
  ASSERT_EQ(send_with(peer.fd(), "x", {pipe.write_end.get()}), 1);
  pipe.write_end.reset();
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  EXPECT_TRUE(has_ended(pipe));
}

TEST_P(UnixDescriptors, AStreamThatDidNotAskGetsTheBytesAlone) {
  serve(keeping(), 0);
  Pipe pipe = make_pipe();
  ASSERT_EQ(send_with(peer.fd(), "x", {pipe.write_end.get()}), 1);
  pipe.write_end.reset();
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  EXPECT_EQ(journal.events, (Events{"open", "data"}));
  EXPECT_TRUE(has_ended(pipe));
}

TEST_P(UnixDescriptors, MoreThanAskedForIsTold) {
  for (const size_t most : {1, 2, 3}) {
    taken_.clear();
    truncated_ = false;
    serve(keeping(), most);
    Pipe pipe = make_pipe();
    ASSERT_EQ(send_with(peer.fd(), "x", std::vector<int>(5, pipe.write_end.get())), 1);
    pipe.write_end.reset();
    journal.data.clear();
    EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
    EXPECT_EQ(taken_.size(), most);
    EXPECT_TRUE(truncated_);
    taken_.clear();
    EXPECT_TRUE(has_ended(pipe));
    server.reset();
  }
}

TEST_P(UnixDescriptors, AsManyAsThereCanBe) {
  serve(keeping(), 10'000);
  Pipe pipe = make_pipe();
  const std::vector<int> many(kMostDescriptors, pipe.write_end.get());
  ASSERT_EQ(send_with(peer.fd(), "x", many), 1);
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  EXPECT_EQ(taken_.size(), many.size());
  EXPECT_FALSE(truncated_);
}

TEST_P(UnixDescriptors, WhereNoneCanBeOpenedThatIsTold) {
  serve(keeping());
  const Pipe pipe = make_pipe();
  run_turns(3);
  ASSERT_EQ(send_with(peer.fd(), "x", {pipe.write_end.get()}), 1);
  rlimit before = {};
  if (machine().is_simulated()) {
    machine().host().set_descriptor_limit(static_cast<int>(3 + machine().open_descriptors()));
  } else {
    getrlimit(RLIMIT_NOFILE, &before);
    const Descriptor lowest(dup(0));
    const rlimit now = {.rlim_cur = static_cast<rlim_t>(lowest.get()), .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &now);
  }
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  if (machine().is_simulated()) {
    machine().host().set_descriptor_limit(Machine::kDescriptors);
  } else {
    setrlimit(RLIMIT_NOFILE, &before);
  }
  EXPECT_TRUE(taken_.empty());
  EXPECT_TRUE(truncated_);
}

TEST_P(UnixDescriptors, WaitWhileTheStreamIsPausedOrOnHold) {
  for (const bool pauses : {true, false}) {
    journal.events.clear();
    journal.data.clear();
    taken_.clear();
    serve(keeping());
    pauses ? stream.pause() : stream.hold();
    run_turns(3);
    Pipe pipe = make_pipe();
    ASSERT_EQ(send_with(peer.fd(), "x", {pipe.write_end.get()}), 1);
    pipe.write_end.reset();
    run_turns();
    EXPECT_EQ(journal.events, (Events{"open"}));
    stream.resume();
    EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
    EXPECT_EQ(taken_.size(), 1U);
    server.reset();
  }
}

TEST_P(UnixDescriptors, ArriveWhateverItsCallsMeet) {
  plan().fail(SystemCall::kRecvmsg, EAGAIN, {.every = 3, .times = kAlways});
  plan().fail(SystemCall::kRecvmsg, EINTR, {.every = 4, .times = kAlways});
  serve(keeping());
  Pipe pipe = make_pipe();
  constexpr size_t kMessages = 50;
  for (size_t i = 0; i < kMessages; ++i) {
    ASSERT_EQ(send_with(peer.fd(), "x", {pipe.write_end.get()}), 1);
    if (i % 7 == 0) run_turns(2);
  }
  pipe.write_end.reset();
  EXPECT_TRUE(run_until([&] { return journal.data.size() == kMessages; }));
  EXPECT_EQ(taken_.size(), kMessages);
  taken_.clear();
  EXPECT_TRUE(has_ended(pipe));
}

TEST_P(UnixDescriptors, AreClosedWithTheStreamThatDidNotReadThem) {
  serve(keeping());
  stream.pause();
  run_turns(3);
  Pipe pipe = make_pipe();
  ASSERT_EQ(send_with(peer.fd(), "x", {pipe.write_end.get()}), 1);
  pipe.write_end.reset();
  EXPECT_FALSE(has_ended(pipe));
  stream.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_TRUE(run_until([&] { return has_ended(pipe); }));
}

TEST_P(UnixDescriptors, TheirCallbackMayEndOrPauseTheStream) {
  StreamOptions options = journal.options();
  options.on_descriptors = [&](Stream& s, ReceivedDescriptors&) { s.pause(); };
  serve(std::move(options));
  const Pipe pipe = make_pipe();
  ASSERT_EQ(send_with(peer.fd(), "held", {pipe.write_end.get()}), 4);
  EXPECT_TRUE(run_until([&] { return stream.is_paused(); }));
  run_turns();
  EXPECT_EQ(journal.data, "");
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.data == "held"; }));
  server.reset();

  StreamOptions ending = journal.options();
  ending.on_descriptors = [&](Stream& s, ReceivedDescriptors&) { s.reset(); };
  serve(std::move(ending));
  journal.data.clear();
  ASSERT_EQ(send_with(peer.fd(), "dropped", {pipe.write_end.get()}), 7);
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.data, "");
}

TEST_P(UnixDescriptors, ASpliceDoesNotLoseThem) {
  for (const SpliceMode mode : {SpliceMode::kPipe, SpliceMode::kAuto}) {
    taken_.clear();
    serve(keeping());
    connect_other();
    ASSERT_TRUE(splice(stream, other_, {.mode = mode}));
    const Pipe pipe = make_pipe();
    const std::string large = pattern(32 * 1024);
    for (int count = 1; count <= 10; ++count) {
      ASSERT_EQ(send_with(peer.fd(), large, {pipe.write_end.get()}), large.size());
      EXPECT_TRUE(run_until([&] {
        other_peer_.receive();
        return other_peer_.received.size() >= large.size();
      }));
      EXPECT_TRUE(other_peer_.received == large);
      other_peer_.received.clear();
    }
    EXPECT_EQ(taken_.size(), 10U);
    server.reset();
    other_.reset();
  }
}

class UnixDescriptorsOnLinux : public UnixDescriptors {};

TEST_P(UnixDescriptorsOnLinux, AreCloseOnExec) {
  serve(keeping());
  const Pipe pipe = make_pipe();
  ASSERT_EQ(send_with(peer.fd(), "x", {pipe.write_end.get()}), 1);
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  ASSERT_EQ(taken_.size(), 1U);
  EXPECT_EQ(fcntl(taken_[0].get(), F_GETFD), FD_CLOEXEC);
}

// Those of the other sources too.
EDDY_ON_EVERY_CONFIGURATION(UnixDescriptors);
EDDY_ON_EVERY_REAL_CONFIGURATION(UnixDescriptorsOnLinux);

}  // namespace
}  // namespace eddy::test
