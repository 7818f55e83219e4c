// Connections of messages over Unix sockets.
#include <eddy/net/seqpacket.h>

#include <algorithm>

#include "support/reactor_test.h"
#include "support/stream_test.h"
#include "support/unix_names.h"

namespace eddy::test {
namespace {

// The other side, made of plain system calls.
class MessagePeer {
 public:
  MessagePeer() = default;
  explicit MessagePeer(int fd) : socket_(fd) {}
  static MessagePeer connect_to(const Address& address) {
    Descriptor socket(
        plain_kernel().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (plain_kernel().connect(socket.get(), address.data(), address.size()) != 0) return {};
    return MessagePeer(socket.release());
  }
  bool is_open() const { return socket_.is_open(); }
  int fd() const { return socket_.get(); }
  ssize_t send(std::string_view bytes) {
    return plain_kernel().send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  bool receive() {
    std::string room(65536, '\0');
    const ssize_t count = plain_kernel().recv(fd(), room.data(), room.size(), 0);
    if (count == 0) ended = true;
    if (count < 0 && count != -EAGAIN) error = static_cast<int>(-count);
    if (count <= 0) return false;
    room.resize(static_cast<size_t>(count));
    received.push_back(std::move(room));
    return true;
  }
  void receive_all() {
    while (!ended && receive()) {
    }
  }
  void shutdown_write() { plain_kernel().shutdown(fd(), SHUT_WR); }
  void close() { socket_.reset(); }

  std::vector<std::string> received;
  bool ended = false;
  int error = 0;

 private:
  Descriptor socket_;
};

class UnixSeqpacket : public ReactorTest {
 protected:
  // What connections told, in order; messages as they are, in quotes.
  SeqpacketOptions telling() {
    return {.on_open = [this](Seqpacket&) { events_.emplace_back("open"); },
            .on_message =
                [this](Seqpacket&, Slice bytes, const SeqpacketInfo& info) {
                  events_.push_back("'" + std::string(bytes.view()) + "'");
                  infos_.push_back(info);
                },
            .on_end = [this](Seqpacket&) { events_.emplace_back("end"); },
            .on_drain = [this](Seqpacket&) { events_.emplace_back("drain"); },
            .on_close =
                [this](Seqpacket&, std::error_code code) {
                  events_.emplace_back("close");
                  code_ = code;
                }};
  }
  static SeqpacketOptions echoing() {
    return {.on_message = [](Seqpacket& peer, Slice bytes, const SeqpacketInfo&) {
      peer.send(std::move(bytes));
    }};
  }
  void serve(SeqpacketOptions options) {
    address_ = names_.at_path("server" + std::to_string(++servers_));
    server_.emplace(reactor(), std::move(options));
    const auto listening = server_->listen(address_);
    ASSERT_TRUE(listening) << listening.error().message();
  }
  void serve_one(SeqpacketOptions options) {
    serve(std::move(options));
    peer_ = MessagePeer::connect_to(address_);
    ASSERT_TRUE(peer_.is_open());
    ASSERT_TRUE(run_until([&] { return server_->connections() == 1; }));
    server_->for_each([&](Seqpacket& accepted) { connection_ = accepted; });
  }
  bool has_closed() const { return !events_.empty() && events_.back() == "close"; }
  void TearDown() override {
    server_.reset();
    peer_.close();
    ReactorTest::TearDown();
  }

  UnixNames names_;
  int servers_ = 0;
  Address address_;
  Events events_;
  std::vector<SeqpacketInfo> infos_;
  std::error_code code_;
  std::optional<SeqpacketServer> server_;
  MessagePeer peer_;
  Seqpacket connection_;
};

TEST_P(UnixSeqpacket, MessagesAreKeptApart) {
  serve_one(telling());
  EXPECT_EQ(server_->local_address().value_or(Address()), address_);
  for (const char* message : {"one", "two", "three"}) peer_.send(message);
  EXPECT_TRUE(run_until([&] { return events_.size() == 4; }));
  EXPECT_EQ(events_, (Events{"open", "'one'", "'two'", "'three'"}));
  EXPECT_EQ(infos_[2].length, 5U);
  EXPECT_FALSE(infos_[2].truncated);
  for (const char* message : {"a", "bc", "def"}) EXPECT_TRUE(connection_.send(message));
  EXPECT_TRUE(run_until([&] {
    peer_.receive_all();
    return peer_.received.size() == 3;
  }));
  EXPECT_EQ(peer_.received, (Events{"a", "bc", "def"}));
}

TEST_P(UnixSeqpacket, ThousandsGoThereAndBackInOrder) {
  serve_one(echoing());
  constexpr size_t kMessages = 3000;
  const auto message = [](size_t i) { return std::to_string(i) + pattern(i % 500, i); };
  size_t sent = 0;
  EXPECT_TRUE(run_until([&] {
    while (sent < kMessages && peer_.send(message(sent)) > 0) ++sent;
    peer_.receive_all();
    return peer_.received.size() == kMessages;
  }));
  for (size_t i = 0; i < peer_.received.size(); ++i) {
    ASSERT_TRUE(peer_.received[i] == message(i)) << i;
  }
}

TEST_P(UnixSeqpacket, BothEndsAreEddys) {
  serve(echoing());
  auto client = Seqpacket::connect(reactor(), address_.to_string(), telling());
  ASSERT_TRUE(client) << client.error().message();
  EXPECT_TRUE(client->send("early"));
  EXPECT_TRUE(events_.empty());  // nothing from inside the call
  EXPECT_TRUE(run_until([&] { return events_.size() == 2; }));
  EXPECT_EQ(client->peer_address().value_or(Address()), address_);
  EXPECT_EQ(client->peer_credentials()->process, plain_kernel().process_id());
  client->shutdown_write();
  EXPECT_FALSE(client->send("late"));
  EXPECT_TRUE(run_until([&] { return events_.back() == "end"; }));
  client->close();
  EXPECT_TRUE(run_until([&] { return has_closed() && server_->connections() == 0; }));
  EXPECT_FALSE(code_);
  EXPECT_EQ(events_, (Events{"open", "'early'", "end", "close"}));
}

TEST_P(UnixSeqpacket, AMessageThatIsTooLongIsToldSo) {
  SeqpacketOptions options = telling();
  options.max_message_bytes = 4;
  serve_one(std::move(options));
  peer_.send("longer than that");
  peer_.send("fits");
  EXPECT_TRUE(run_until([&] { return events_.size() == 3; }));
  EXPECT_EQ(events_, (Events{"open", "'long'", "'fits'"}));
  EXPECT_TRUE(infos_[0].truncated);
  EXPECT_EQ(infos_[0].length, 16U);
  EXPECT_FALSE(infos_[1].truncated);
}

// recvmsg(2) returns 0 for both.
TEST_P(UnixSeqpacket, AnEmptyMessageIsTakenForTheEnd) {
  serve_one(telling());
  EXPECT_FALSE(connection_.send(""));
  peer_.send("before");
  peer_.send("");
  EXPECT_TRUE(run_until([&] { return events_.size() == 3; }));
  EXPECT_EQ(events_, (Events{"open", "'before'", "end"}));
  EXPECT_TRUE(connection_.send("still"));
  EXPECT_TRUE(run_until([&] {
    peer_.receive_all();
    return peer_.received == Events{"still"};
  }));
}

TEST_P(UnixSeqpacket, TheEndComesBehindTheMessages) {
  serve_one(telling());
  connection_.pause();
  run_turns(3);
  peer_.send("one");
  peer_.send("two");
  peer_.shutdown_write();
  run_turns();
  EXPECT_EQ(events_, (Events{"open"}));
  connection_.resume();
  EXPECT_TRUE(run_until([&] { return events_.back() == "end"; }));
  EXPECT_EQ(events_, (Events{"open", "'one'", "'two'", "end"}));
  EXPECT_TRUE(connection_.send("answer"));
  connection_.close();
  EXPECT_TRUE(run_until([&] {
    peer_.receive_all();
    return peer_.ended && has_closed();
  }));
  EXPECT_EQ(peer_.received, (Events{"answer"}));
  EXPECT_FALSE(code_);
}

TEST_P(UnixSeqpacket, WithoutOnEndItClosesOnceEverythingIsSent) {
  serve_one(echoing());
  for (const char* message : {"one", "two"}) peer_.send(message);
  peer_.shutdown_write();
  EXPECT_TRUE(run_until([&] {
    peer_.receive_all();
    return peer_.ended;
  }));
  EXPECT_EQ(peer_.received, (Events{"one", "two"}));
  EXPECT_TRUE(run_until([&] { return server_->connections() == 0; }));
}

TEST_P(UnixSeqpacket, APeerThatClosesWithoutReadingIsAReset) {
  serve_one(telling());
  EXPECT_TRUE(connection_.send("never read"));
  run_turns();
  peer_.send("last words");
  peer_.close();
  EXPECT_TRUE(run_until([&] { return has_closed(); }));
  EXPECT_EQ(events_, (Events{"open", "'last words'", "close"}));
  EXPECT_EQ(code_, errno_code(ECONNRESET)) << code_.message();
}

TEST_P(UnixSeqpacket, AFullQueueRefusesAndTellsWhenThereIsRoom) {
  SeqpacketOptions options = telling();
  options.send_queue_messages = 8;
  serve_one(std::move(options));
  size_t taken = 0;
  for (bool room = true; room; run_turns(2)) {
    room = connection_.send(std::to_string(taken));
    taken += room ? 1 : 0;
    if (taken % 8 != 0) continue;
    run_turns(2);
  }
  EXPECT_EQ(std::count(events_.begin(), events_.end(), "drain"), 0);
  EXPECT_TRUE(run_until([&] {
    peer_.receive_all();
    return peer_.received.size() == taken;
  }));
  EXPECT_EQ(std::count(events_.begin(), events_.end(), "drain"), 1);
  for (size_t i = 0; i < taken; ++i) ASSERT_EQ(peer_.received[i], std::to_string(i));
}

TEST_P(UnixSeqpacket, AMessageThatCanNeverLeaveEndsIt) {
  serve_one(telling());
  EXPECT_TRUE(connection_.send(Slice::copy_of(pattern(3 << 20))));
  EXPECT_TRUE(run_until([&] { return has_closed(); }));
  EXPECT_EQ(code_, errno_code(EMSGSIZE)) << code_.message();
}

TEST_P(UnixSeqpacket, ClosingSendsWhatIsQueuedAndAResetDoesNot) {
  serve_one(telling());
  EXPECT_TRUE(connection_.send("queued"));
  connection_.close();
  EXPECT_FALSE(connection_.is_open());
  EXPECT_FALSE(connection_.send("late"));
  EXPECT_TRUE(run_until([&] {
    peer_.receive_all();
    return peer_.ended && has_closed();
  }));
  EXPECT_EQ(peer_.received, (Events{"queued"}));
  server_.reset();
  events_.clear();
  serve_one(telling());
  EXPECT_TRUE(connection_.send("dropped"));
  connection_.reset();
  EXPECT_TRUE(run_until([&] {
    peer_.receive_all();
    return peer_.ended && has_closed();
  }));
  EXPECT_TRUE(peer_.received.empty());
  EXPECT_FALSE(code_);
}

TEST_P(UnixSeqpacket, ItsCallbacksMayEndIt) {
  SeqpacketOptions options = telling();
  options.on_message = [](Seqpacket& peer, Slice, const SeqpacketInfo&) { peer.reset(); };
  serve_one(std::move(options));
  for (int i = 0; i < 10; ++i) peer_.send("again");
  EXPECT_TRUE(run_until([&] { return has_closed(); }));
  EXPECT_EQ(events_, (Events{"open", "close"}));
  server_.reset();
  events_.clear();

  SeqpacketOptions destroying = telling();
  destroying.on_message = [this](Seqpacket&, Slice, const SeqpacketInfo&) { server_.reset(); };
  serve_one(std::move(destroying));
  peer_.send("the last");
  EXPECT_TRUE(run_until([&] {
    peer_.receive_all();
    return peer_.ended || peer_.error != 0;
  }));
  EXPECT_EQ(events_, (Events{"open"}));
}

TEST_P(UnixSeqpacket, ConnectsThatFailSayWhy) {
  const auto nowhere = Seqpacket::connect(reactor(), names_.at_path("nothing"), telling());
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code(), errno_code(ENOENT)) << nowhere.error().message();
  const auto tcp = Seqpacket::connect(reactor(), "127.0.0.1:1", telling());
  ASSERT_FALSE(tcp);
  EXPECT_EQ(tcp.error().code(), Errc::kUnsupported);
  SeqpacketServer server(reactor(), telling());
  EXPECT_EQ(server.listen("127.0.0.1:0").error().code(), Errc::kUnsupported);
  // Kinds do not mix.
  Server streams(reactor(), echo_options());
  ASSERT_TRUE(streams.listen(names_.at_path("streams")));
  const auto stream = Seqpacket::connect(reactor(), names_.at_path("streams"), telling());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code(), errno_code(EPROTOTYPE)) << stream.error().message();
}

EDDY_ON_EVERY_CONFIGURATION(UnixSeqpacket);

}  // namespace
}  // namespace eddy::test
