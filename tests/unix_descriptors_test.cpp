// Descriptors that go over Unix sockets, in both directions, and who is at the other end.
#include <eddy/net/connector.h>
#include <eddy/net/splice.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include <fstream>

#include "support/fault_test.h"
#include "support/unix_names.h"

namespace eddy::test {
namespace {

struct Pipe {
  Descriptor read_end, write_end;
};
Pipe make_pipe() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(machine().pipe(fds, O_CLOEXEC | O_NONBLOCK), 0);
  return {Descriptor(fds[0]), Descriptor(fds[1])};
}
// Nobody has the writing end any more.
bool has_ended(const Pipe& pipe) {
  char byte = 0;
  return plain_kernel().read(pipe.read_end.get(), &byte, 1) == 0;
}
std::string read_from(const Pipe& pipe) {
  char bytes[64];
  const ssize_t count = plain_kernel().read(pipe.read_end.get(), bytes, sizeof bytes);
  return {bytes, static_cast<size_t>(std::max<ssize_t>(count, 0))};
}

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

// recvmsg(2) by hand: what has arrived, and at which bytes descriptors came.
struct Arrivals {
  struct Arrival {
    size_t begins;  // the bytes of the call that brought them: from here …
    size_t ends;    // … to there
    std::vector<Descriptor> descriptors;
  };
  void receive(int socket) {
    for (;;) {
      alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
      std::string room(65536, '\0');
      iovec piece = {room.data(), room.size()};
      msghdr message = {};
      message.msg_iov = &piece;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t count = plain_kernel().recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
      if (count <= 0) return;
      const size_t before = bytes.size();
      bytes.append(room, 0, static_cast<size_t>(count));
      const cmsghdr* header = CMSG_FIRSTHDR(&message);
      if (header == nullptr) continue;
      const size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      Arrival& arrival = all.emplace_back(before, bytes.size());
      for (size_t i = 0; i < number; ++i) {
        int fd = -1;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        arrival.descriptors.emplace_back(fd);
      }
    }
  }
  std::string bytes;
  std::vector<Arrival> all;
};

class UnixDescriptors : public FaultTest {
 protected:
  // A server, and a connection to it: `peer` is the other side, `stream` the server's.
  void serve(StreamOptions options, size_t most = 8) {
    options.max_descriptors = most;
    const Address address = names_.at_path("server" + std::to_string(++servers_));
    server.emplace(reactor(), std::move(options));
    const auto listening = server->listen(address);
    ASSERT_TRUE(listening) << listening.error().message();
    peer = Peer::connect_to(address);
    ASSERT_TRUE(peer.is_open());
    ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
    server->for_each([&](Stream& accepted) { stream = accepted; });
  }
  // Keeps what comes.
  StreamOptions keeping() {
    StreamOptions options = journal.options();
    options.on_descriptors = [this](Stream&, ReceivedDescriptors& descriptors) {
      journal.note("descriptors");
      truncated_ = truncated_ || descriptors.truncated();
      came_at_ = journal.data.size();
      for (size_t i = 0; i < descriptors.size(); ++i) taken_.emplace_back(descriptors.take(i));
    };
    return options;
  }
  // A second connection: `other_peer_` is the other side of `other_`.
  void connect_other() {
    int ends[2] = {-1, -1};
    ASSERT_EQ(plain_kernel().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    other_peer_ = Peer(ends[0]);
    const auto adopted = adopt(reactor(), ends[1], StreamOptions{.on_end = [](Stream&) {}});
    ASSERT_TRUE(adopted) << adopted.error().message();
    other_ = *adopted;
  }
  void TearDown() override {
    if (other_.is_open()) other_.reset();
    other_peer_.close();
    taken_.clear();
    FaultTest::TearDown();
  }

  Stream other_;
  Peer other_peer_;
  UnixNames names_;
  int servers_ = 0;
  std::vector<Descriptor> taken_;
  bool truncated_ = false;
  size_t came_at_ = 0;
};
class UnixDescriptorsOnLinux : public UnixDescriptors {};

// --- Received

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

// --- Sent

TEST_P(UnixDescriptors, AreSentAndThenClosedHere) {
  serve(journal.options());
  Pipe pipe = make_pipe();
  const int given[] = {pipe.write_end.release()};
  EXPECT_TRUE(stream.send_descriptors(Slice::copy_of("take it"), given));
  Arrivals arrivals;
  EXPECT_TRUE(run_until([&] {
    arrivals.receive(peer.fd());
    return arrivals.bytes == "take it";
  }));
  ASSERT_EQ(arrivals.all.size(), 1U);
  ASSERT_EQ(arrivals.all[0].descriptors.size(), 1U);
  EXPECT_EQ(machine().write(arrivals.all[0].descriptors[0].get(), "through it"), 10);
  EXPECT_EQ(read_from(pipe), "through it");
  arrivals.all.clear();
  EXPECT_TRUE(has_ended(pipe));
}

// However the bytes before, between and behind them are cut.
TEST_P(UnixDescriptors, KeepTheirPlaceAmongTheBytes) {
  constexpr size_t kBefore = 300'000;
  plan().shorten(SystemCall::kSendmsg, 10'000, {.every = 3, .times = kAlways});
  plan().fail(SystemCall::kSendmsg, EAGAIN, {.every = 5, .times = kAlways});
  serve(journal.options());
  Pipe pipes[3] = {make_pipe(), make_pipe(), make_pipe()};
  std::string expected;
  std::vector<size_t> places;
  for (Pipe& pipe : pipes) {
    const std::string before = pattern(kBefore, expected.size());
    EXPECT_TRUE(stream.send(Slice::copy_of(before)));
    expected += before;
    places.push_back(expected.size());
    const int given[] = {pipe.write_end.release()};
    EXPECT_TRUE(stream.send_descriptors(Slice::copy_of(pattern(2, expected.size())), given));
    expected += pattern(2, expected.size());
  }
  stream.shutdown_write();
  Arrivals arrivals;
  EXPECT_TRUE(run_until([&] {
    arrivals.receive(peer.fd());
    return arrivals.bytes.size() >= expected.size();
  }));
  EXPECT_TRUE(arrivals.bytes == expected);
  ASSERT_EQ(arrivals.all.size(), places.size());
  for (size_t i = 0; i < places.size(); ++i) {
    EXPECT_EQ(arrivals.all[i].descriptors.size(), 1U);
    EXPECT_LE(arrivals.all[i].begins, places[i]);
    EXPECT_GT(arrivals.all[i].ends, places[i]);
  }
  arrivals.all.clear();
  for (const Pipe& pipe : pipes) EXPECT_TRUE(has_ended(pipe));
}

TEST_P(UnixDescriptors, KeepTheirPlaceBehindASplice) {
  serve(journal.options());
  connect_other();
  ASSERT_TRUE(splice(other_, stream, {.mode = SpliceMode::kSlices}));
  Pipe pipe = make_pipe();
  const int given[] = {pipe.write_end.release()};
  EXPECT_TRUE(stream.send_descriptors(Slice::copy_of("behind"), given));
  other_peer_.send("spliced");
  Arrivals arrivals;
  const auto has_arrived = [&](std::string_view bytes) {
    return run_until([&] {
      arrivals.receive(peer.fd());
      return arrivals.bytes == bytes;
    });
  };
  EXPECT_TRUE(has_arrived("spliced"));
  EXPECT_TRUE(arrivals.all.empty());
  other_peer_.shutdown_write();
  EXPECT_TRUE(has_arrived("splicedbehind"));
  ASSERT_EQ(arrivals.all.size(), 1U);
  EXPECT_GT(arrivals.all[0].ends, 7U);
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

TEST_P(UnixDescriptors, ThatCannotBeSentAnyMoreAreClosed) {
  serve(journal.options());
  EXPECT_TRUE(stream.send(Slice::copy_of(pattern(4 << 20))));  // more than the socket takes
  Pipe pipe = make_pipe();
  const int given[] = {pipe.write_end.release()};
  EXPECT_TRUE(stream.send_descriptors(Slice::copy_of("x"), given));
  run_turns();
  EXPECT_FALSE(has_ended(pipe));
  peer.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_TRUE(has_ended(pipe));
}

TEST_P(UnixDescriptors, WhereTheyCannotBePassedTheyAreClosedAtOnce) {
  serve(journal.options(), 0);
  Pipe pipe = make_pipe();
  const int first[] = {pipe.write_end.release()};
  EXPECT_FALSE(stream.send_descriptors(Slice::copy_of("x"), first));
  EXPECT_TRUE(has_ended(pipe));
  server.reset();

  StreamOptions options = journal.options();
  options.max_descriptors = 8;
  serve_one(std::move(options));  // over TCP
  pipe = make_pipe();
  const int second[] = {pipe.write_end.release()};
  EXPECT_FALSE(stream.send_descriptors(Slice::copy_of("x"), second));
  EXPECT_TRUE(has_ended(pipe));
  EXPECT_TRUE(stream.is_open());
}

TEST_P(UnixDescriptors, NoBytesOrTooManyDescriptorsAreRefused) {
  serve(journal.options());
  Pipe pipe = make_pipe();
  const int given[] = {pipe.write_end.release()};
  EXPECT_FALSE(stream.send_descriptors(Slice(), given));
  EXPECT_TRUE(has_ended(pipe));
  std::vector<int> many;
  for (size_t i = 0; i <= kMostDescriptors; ++i) {
    many.push_back(machine().duplicate(pipe.read_end.get()));
  }
  const size_t open = machine().open_descriptors();
  EXPECT_FALSE(stream.send_descriptors(Slice::copy_of("x"), many));
  EXPECT_EQ(machine().open_descriptors(), open - many.size());
}

TEST_P(UnixDescriptors, GoThereAndBack) {
  const Address address = names_.at_path("both");
  StreamOptions echoing = {.on_data = [](Stream& s, Slice bytes) { s.send(std::move(bytes)); },
                           .on_descriptors =
                               [](Stream& s, ReceivedDescriptors& came) {
                                 const int given[] = {came.take(0)};
                                 s.send_descriptors(Slice::copy_of("<"), given);
                               }};
  echoing.max_descriptors = 1;
  server.emplace(reactor(), std::move(echoing));
  ASSERT_TRUE(server->listen(address));
  StreamOptions options = keeping();
  options.max_descriptors = 1;
  Connector connector(reactor(), std::move(options));
  auto client = connector.connect(address);
  ASSERT_TRUE(client);
  Pipe pipe = make_pipe();
  const int given[] = {pipe.write_end.release()};
  EXPECT_TRUE(client->send_descriptors(Slice::copy_of(">"), given));  // before it stands
  EXPECT_TRUE(run_until([&] { return journal.data == "<>"; }));
  ASSERT_EQ(taken_.size(), 1U);
  EXPECT_EQ(machine().write(taken_[0].get(), "round"), 5);
  EXPECT_EQ(read_from(pipe), "round");
  client->close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(UnixDescriptors, AStreamThatPassesThemIsAStreamLikeOthers) {
  StreamOptions options = echo_options();
  options.high_watermark_bytes = 100'000;
  options.low_watermark_bytes = 10'000;
  serve(std::move(options));
  PatternExchange transfer(peer, 5 << 20);
  EXPECT_TRUE(run_until([&] { return transfer.step(); }));
  EXPECT_TRUE(transfer.complete()) << transfer.arrived;
  peer.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
}

TEST_P(UnixDescriptorsOnLinux, AreCloseOnExec) {
  serve(keeping());
  const Pipe pipe = make_pipe();
  ASSERT_EQ(send_with(peer.fd(), "x", {pipe.write_end.get()}), 1);
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  ASSERT_EQ(taken_.size(), 1U);
  EXPECT_EQ(fcntl(taken_[0].get(), F_GETFD), FD_CLOEXEC);
}

// --- Who is at the other end

TEST_P(UnixDescriptors, ThePeersProcessIsKnown) {
  serve(journal.options());
  const auto known = stream.peer_credentials();
  ASSERT_TRUE(known) << known.error().message();
  EXPECT_EQ(known->process, plain_kernel().process_id());
  EXPECT_EQ(known->user, machine().is_simulated() ? 0 : geteuid());
  EXPECT_EQ(known->group, machine().is_simulated() ? 0 : getegid());
  stream.reset();
  const auto closed = stream.peer_credentials();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code(), Errc::kClosed);
  server.reset();
  serve_one(journal.options());  // over TCP
  const auto unknown = stream.peer_credentials();
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), Errc::kUnsupported);
}

TEST_P(UnixDescriptors, ADescriptorMeansThatProcessAndNoOther) {
  serve(journal.options());
  const auto process = stream.peer_process();
  if (!process) {  // the simulated kernel, and Linux before 6.5
    EXPECT_EQ(process.error().code(), Errc::kUnsupported) << process.error().message();
    return;
  }
  const Descriptor descriptor(*process);
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(descriptor.get()));
  const std::string text(std::istreambuf_iterator<char>(info), {});
  EXPECT_NE(text.find("Pid:\t" + std::to_string(getpid()) + "\n"), std::string::npos) << text;
}

EDDY_ON_EVERY_CONFIGURATION(UnixDescriptors);
EDDY_ON_EVERY_REAL_CONFIGURATION(UnixDescriptorsOnLinux);

}  // namespace
}  // namespace eddy::test
