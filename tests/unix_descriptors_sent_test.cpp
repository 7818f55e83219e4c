// Descriptors that are sent over Unix sockets. unix_descriptors_received_test.cpp has the other
// direction.
#include <eddy/net/connector.h>
#include <eddy/net/splice.h>
#include <string.h>

#include "support/unix_descriptors.h"

namespace eddy::test {
namespace {

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

}  // namespace
}  // namespace eddy::test
