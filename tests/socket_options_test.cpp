// Options of sockets: each is set, and read back, with its type; and what the kernel refuses.
#include <eddy/net/connector.h>
#include <eddy/net/tcp_info.h>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class SocketOptionsTest : public StreamTest {
 protected:
  template <typename Socket, typename T>
  void expect_kept(const Socket& socket, const SocketOption<T>& option,
                   const std::type_identity_t<T>& value) {
    SCOPED_TRACE(option.label);
    const auto set = set_option(socket, option, value);
    ASSERT_TRUE(set) << set.error().message();
    const auto got = get_option(socket, option);
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(*got, value);
  }
  // … by who may.
  template <typename Socket, typename T>
  void expect_kept_or_refused(const Socket& socket, const SocketOption<T>& option,
                              const std::type_identity_t<T>& value) {
    const auto set = set_option(socket, option, value);
    if (set) return expect_kept(socket, option, value);
    EXPECT_EQ(set.error().code(), std::errc::operation_not_permitted) << set.error().message();
    EXPECT_NE(set.error().message().find(option.label), std::string::npos);
  }
};

TEST_P(SocketOptionsTest, OfAConnection) {
  serve_one(journal.options());
  expect_kept(stream, options::kNoDelay, false);
  expect_kept(stream, options::kNoDelay, true);
  expect_kept(stream, options::kKeepAlive, true);
  expect_kept(stream, options::kKeepAliveIdle, 30s);
  expect_kept(stream, options::kKeepAliveInterval, 5s);
  expect_kept(stream, options::kKeepAliveCount, 3);
  expect_kept(stream, options::kUserTimeout, 1500ms);
  expect_kept(stream, options::kCork, true);
  expect_kept(stream, options::kCork, false);
  expect_kept(stream, options::kQuickAck, true);
  expect_kept(stream, options::kNotSentLowWatermark, 16'384);
  expect_kept(stream, options::kCongestion, "reno");
  expect_kept(stream, options::kPriority, 3);
  expect_kept(stream, options::kTypeOfService, 0x10);
  expect_kept(stream, options::kTimeToLive, 7);
  expect_kept_or_refused(stream, options::kMark, 0x1234U);
  expect_kept_or_refused(stream, options::kBusyPoll, std::chrono::microseconds(50));
  expect_kept(stream, options::kLinger, 3s);
  expect_kept(stream, options::kLinger, std::nullopt);
}

// SO_LINGER of 0: the end is a reset, also of a plain close.
TEST_P(SocketOptionsTest, LingerOfNothingIsAReset) {
  serve_one(journal.options());
  expect_kept(stream, options::kLinger, 0s);
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed() && peer.has_failed(); }));
  EXPECT_EQ(peer.error, ECONNRESET);
}

// socket(7): the value is doubled, and what comes back is that.
TEST_P(SocketOptionsTest, BuffersAreDoubled) {
  serve_one(journal.options());
  for (const auto& option : {options::kSendBuffer, options::kReceiveBuffer}) {
    ASSERT_TRUE(set_option(stream, option, 32'768));
    EXPECT_EQ(get_option(stream, option).value_or(0), 65'536U);
  }
}

TEST_P(SocketOptionsTest, OfAListener) {
  serve(journal.options());
  expect_kept(*server, options::kDeferAccept, 7s);
  expect_kept(*server, options::kFastOpen, 16);
  expect_kept(*server, options::kReuseAddress, false);
  EXPECT_EQ(get_option(*server, options::kReusePort), false);
  server.reset();
  server.emplace(reactor(), journal.options());
  ASSERT_TRUE(server->listen("[::1]:0", {.reuse_port = true, .v6_only = true}));
  EXPECT_EQ(get_option(*server, options::kReusePort), true);
  EXPECT_EQ(get_option(*server, options::kV6Only), true);
  expect_kept(*server, options::kTrafficClass, 0x20);
}

TEST_P(SocketOptionsTest, ConnectionsInheritTheListeners) {
  serve_one(journal.options());
  EXPECT_EQ(get_option(stream, options::kNoDelay), true);
  server.reset();
  const Address address = serve(journal.options(), {},
                                {.settings = {{options::kKeepAlive, true},
                                              {options::kKeepAliveIdle, 20s},
                                              {options::kReceiveBuffer, 40'000}}});
  peer = Peer::connect_to(address);
  ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
  server->for_each([&](Stream& accepted) { stream = accepted; });
  EXPECT_EQ(get_option(stream, options::kKeepAlive), true);
  EXPECT_EQ(get_option(stream, options::kKeepAliveIdle), 20s);
  EXPECT_EQ(get_option(stream, options::kReceiveBuffer), 80'000U);
}

TEST_P(SocketOptionsTest, BeforeConnecting) {
  const Address address = serve(echo_options());
  Connector connector(reactor(), journal.options(),
                      {.settings = {{options::kSendBuffer, 50'000},
                                    {options::kSynCount, 2},
                                    {options::kCongestion, "reno"},
                                    {options::kBindToDevice, "lo"},
                                    {options::kReuseAddress, true}}});
  stream = *connector.connect(address);
  EXPECT_EQ(get_option(stream, options::kSendBuffer), 100'000U);
  EXPECT_EQ(get_option(stream, options::kSynCount), 2);
  EXPECT_EQ(get_option(stream, options::kCongestion), "reno");
  EXPECT_EQ(get_option(stream, options::kBindToDevice), "lo");
  stream.send("x");
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(SocketOptionsTest, OneThatIsRefusedMakesNoSocket) {
  const SocketSetting refused(options::kCongestion, "nonsense");
  Connector connector(reactor(), journal.options(), {.settings = {refused}});
  const auto connected = connector.connect("127.0.0.1:9");
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code(), std::errc::no_such_file_or_directory);
  const std::string said = connected.error().message();
  EXPECT_EQ(said.find("setsockopt TCP_CONGESTION fd "), 0U) << said;
  EXPECT_NE(said.find("tcp_available_congestion_control"), std::string::npos) << said;
  server.emplace(reactor(), journal.options());
  const auto listening = server->listen("127.0.0.1:0", {.settings = {refused}});
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code(), std::errc::no_such_file_or_directory);
}

TEST_P(SocketOptionsTest, WhatNoOptionCanBeIsRefused) {
  serve_one(journal.options());
  const auto refused = [&](const auto& option, const auto& value) {
    const auto set = set_option(stream, option, value);
    return set ? std::error_code() : set.error().code();
  };
  using std::errc;
  EXPECT_EQ(refused(options::kKeepAliveIdle, -1s), errc::invalid_argument);
  EXPECT_EQ(refused(options::kKeepAliveIdle, 0s), errc::invalid_argument);
  EXPECT_EQ(refused(options::kUserTimeout, std::chrono::hours(24 * 365)), errc::invalid_argument);
  EXPECT_EQ(refused(options::kSendBuffer, size_t{1} << 40), errc::invalid_argument);
  EXPECT_EQ(refused(options::kLinger, -1s), errc::invalid_argument);
  EXPECT_EQ(refused(options::kCongestion, "a name that is longer than any"),
            errc::invalid_argument);
  EXPECT_EQ(refused(options::kBindToDevice, std::string("a\0b", 3)), errc::invalid_argument);
  EXPECT_EQ(refused(options::kV6Only, true), errc::no_protocol_option);  // of an IPv4 socket
  stream.close();
  const auto closed = set_option(stream, options::kNoDelay, true);
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  Listener idle(reactor(), [](int) {});
  EXPECT_EQ(get_option(idle, options::kNoDelay).error().code(), Errc::kClosed);
}

TEST_P(SocketOptionsTest, WhatTheKernelKnowsOfAConnection) {
  serve_one(echo_options());
  peer.send("x");
  EXPECT_TRUE(run_until([&] { return peer.has_received("x"); }));
  const auto info = tcp_info_of(stream);
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->state, TcpState::kEstablished);
  EXPECT_EQ(info->data_segments_received, 1U);
  EXPECT_EQ(info->data_segments_sent, 1U);
  EXPECT_EQ(info->not_sent_bytes, 0U);
  const auto listening = tcp_info_of(*server);
  ASSERT_TRUE(listening);
  EXPECT_EQ(listening->state, TcpState::kListening);
  Listener idle(reactor(), [](int) {});
  EXPECT_EQ(tcp_info_of(idle).error().code(), Errc::kClosed);
}

// Linux measures.
class TcpInfoOnLinux : public StreamTest {};
TEST_P(TcpInfoOnLinux, HasTimesAndBytes) {
  serve_one(echo_options());
  const std::string bytes = pattern(10'000);
  peer.send(bytes);
  EXPECT_TRUE(run_until([&] { return peer.has_received(bytes); }));
  EXPECT_TRUE(run_until([&] { return tcp_info_of(stream)->unacknowledged == 0; }));
  const TcpInfo info = *tcp_info_of(stream);
  EXPECT_GT(info.round_trip, 0us);
  EXPECT_LT(info.round_trip, 5s);
  EXPECT_GE(info.retransmit_timeout, 200ms);
  EXPECT_EQ(info.received_bytes, bytes.size());
  EXPECT_EQ(info.sent_bytes, bytes.size());
  EXPECT_GT(info.send_segment_bytes, 500U);
  EXPECT_GT(info.congestion_window, 0U);
}
EDDY_ON_EVERY_REAL_CONFIGURATION(TcpInfoOnLinux);

// Where the kernel has it (net.mptcp.enabled), it is like any other connection.
TEST_P(SocketOptionsTest, MultipathTcp) {
  server.emplace(reactor(), echo_options());
  const auto listening = server->listen("127.0.0.1:0", {.multipath = true});
  if (!listening) {
    const std::error_code code = listening.error().code();
    EXPECT_TRUE(code == std::errc::protocol_not_supported ||
                code == std::errc::no_protocol_option || code == std::errc::invalid_argument)
        << listening.error().message();
    Connector connector(reactor(), {}, {.multipath = true});
    const auto connected = connector.connect("127.0.0.1:9");
    ASSERT_FALSE(connected);
    EXPECT_EQ(connected.error().code(), code);
    return;
  }
  Connector connector(reactor(), journal.options(), {.multipath = true});
  stream = *connector.connect(*server->local_address());
  const std::string bytes = pattern(1'000'000);
  stream.send(Slice::copy_of(bytes));
  EXPECT_TRUE(run_until([&] { return journal.data.size() == bytes.size(); }));
  EXPECT_TRUE(journal.data == bytes);
  int protocol = 0;
  socklen_t length = sizeof protocol;
  plain_kernel().getsockopt(stream.descriptor(), SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
  EXPECT_EQ(protocol, IPPROTO_MPTCP);
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

EDDY_ON_EVERY_CONFIGURATION(SocketOptionsTest);

}  // namespace
}  // namespace eddy::test
