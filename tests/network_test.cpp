// A network that misbehaves underneath connections, and is real: the cable is pulled, an address
// goes away, connections are killed from outside, packets become smaller. On Linux alone, where
// there are namespaces; the simulation has partitions, clogs and resets of its own.
#include <eddy/net/connector.h>
#include <linux/tcp.h>  // not netinet/tcp.h, whose tcp_info is older
#include <netinet/in.h>

#include "support/stream_test.h"
#include "support/two_hosts.h"

namespace eddy::test {
namespace {

constexpr auto kServer = TwoHosts::kServer;
constexpr auto kClient = TwoHosts::kClient;

class NetworkOnLinux : public StreamTest {
 protected:
  void SetUp() override {
    hosts_.emplace();
    if (!hosts_->why_not().empty()) GTEST_SKIP() << hosts_->why_not();
  }
  void TearDown() override {
    if (stream.is_open()) stream.reset();
    hosts_.reset();  // its sockets keep the network, to be closed in it
    StreamTest::TearDown();
  }

  static std::string server_address() { return std::string(TwoHosts::kServerHost) + ":7000"; }

  // An echo server on its host.
  void serve_there() {
    const TwoHosts::Inside inside(*hosts_, kServer);
    StreamOptions options = echo_options();
    options.on_close = [this](Stream&, std::error_code reason) { served_.note_close(reason); };
    server.emplace(reactor(), std::move(options));
    const auto listening = server->listen(server_address());
    ASSERT_TRUE(listening) << listening.error().message();
  }
  // A client of it, from the other host.
  void connect_there(StreamOptions options, const ConnectOptions& connect_options = {}) {
    const TwoHosts::Inside inside(*hosts_, kClient);
    Connector connector(reactor(), std::move(options), connect_options);
    const auto made = connector.connect(server_address());
    ASSERT_TRUE(made) << made.error().message();
    stream = *made;
  }
  void join_hosts(StreamOptions options) {
    serve_there();
    connect_there(std::move(options));
    ASSERT_TRUE(run_until([&] { return server->connections() == 1 && !journal.events.empty(); }));
  }

  bool echoes(std::string_view bytes) {
    journal.data.clear();
    stream.send(bytes);
    return run_until([&] { return journal.data == bytes; });
  }

  std::optional<TwoHosts> hosts_;
  Journal served_;  // of the server's streams
};

TEST_P(NetworkOnLinux, ACableThatIsPulledAndPutBackLosesNothing) {
  join_hosts(journal.options());
  ASSERT_TRUE(echoes("before"));
  ASSERT_TRUE(hosts_->set_link(kClient, false));
  journal.data.clear();
  const std::string bytes = pattern(100'000);
  stream.send(bytes);
  EXPECT_FALSE(run_until([&] { return !journal.data.empty() || journal.closed(); }, 300ms));
  ASSERT_TRUE(hosts_->set_link(kClient, true));
  EXPECT_TRUE(run_until([&] { return journal.data == bytes; }));
  EXPECT_FALSE(journal.closed());
}

// The kernel has nothing but the program's memory, and its stream is closed.
TEST_P(NetworkOnLinux, ZeroCopyBytesAreHeldForACableThatIsPutBack) {
  reactor_options.zero_copy_bytes = 1;
  join_hosts(journal.options());
  server->for_each([&](Stream& accepted) { accepted.pause(); });
  ASSERT_TRUE(hosts_->set_link(kClient, false));
  const std::string bytes = pattern(50'000);
  SliceOwner owner{.references = 0, .release = [](SliceOwner*) {}};
  stream.send(Slice(&owner, bytes.data(), bytes.size()),
              [&](std::error_code code) { journal.note(code ? "failed" : "done"); });
  ASSERT_TRUE(run_until([&] { return journal.count("done") == 1; }));
  stream.close();
  ASSERT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_FALSE(run_until([&] { return owner.references == 0; }, 300ms));
  ASSERT_TRUE(hosts_->set_link(kClient, true));
  EXPECT_TRUE(run_until([&] { return owner.references == 0; }));
  EXPECT_EQ(counters().zero_copy_sends, 1U);
  EXPECT_FALSE(served_.closed());
  server->for_each([&](Stream& accepted) { accepted.resume(); });
  EXPECT_TRUE(run_until([&] { return served_.closed(); }));
}

TEST_P(NetworkOnLinux, ACableThatStaysOutEndsWithTheDeadlineOfTheStream) {
  StreamOptions options = journal.options();
  options.stall_timeout = 200ms;
  options.idle_timeout = 200ms;
  join_hosts(std::move(options));
  ASSERT_TRUE(hosts_->set_link(kClient, false));
  stream.send("nobody hears this");
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, Errc::kTimedOut);
}

TEST_P(NetworkOnLinux, ACableThatStaysOutEndsWithTheKernelsOwnTimeOut) {
  join_hosts(journal.options());
  const int patience_ms = 300;
  ASSERT_EQ(plain_kernel().setsockopt(stream.descriptor(), IPPROTO_TCP, TCP_USER_TIMEOUT,
                                      &patience_ms, sizeof patience_ms),
            0);
  ASSERT_TRUE(hosts_->set_link(kServer, false));
  stream.send("nobody hears this");
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, std::errc::timed_out);
}

TEST_P(NetworkOnLinux, ConnectingWithTheCableOutFails) {
  serve_there();
  ASSERT_TRUE(hosts_->set_link(kClient, false));
  connect_there(journal.options(), {.timeout = 300ms});
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"close"}));
  EXPECT_EQ(journal.code, std::errc::network_unreachable);  // its route went with the link
}

TEST_P(NetworkOnLinux, ConnectingToAHostThatIsAwayTimesOut) {
  serve_there();
  ASSERT_TRUE(hosts_->run(kServer, "ip address flush dev wire"));
  connect_there(journal.options(), {.timeout = 300ms});
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, Errc::kTimedOut);
}

TEST_P(NetworkOnLinux, AnAddressThatIsRemovedAndComesBackLosesNothing) {
  join_hosts(journal.options());
  ASSERT_TRUE(hosts_->run(kServer, "ip address flush dev wire"));
  const std::string bytes = pattern(50'000);
  stream.send(bytes);
  EXPECT_FALSE(run_until([&] { return !journal.data.empty() || journal.closed(); }, 300ms));
  ASSERT_TRUE(hosts_->run(kServer,
                          std::string("ip address add ") + TwoHosts::kServerHost + "/24 dev wire"));
  EXPECT_TRUE(run_until([&] { return journal.data == bytes; }));
  EXPECT_FALSE(journal.closed());
}

TEST_P(NetworkOnLinux, AnAddressThatStaysAwayEndsWithTheDeadlineOfTheStream) {
  StreamOptions options = journal.options();
  options.stall_timeout = 200ms;
  options.idle_timeout = 200ms;
  join_hosts(std::move(options));
  ASSERT_TRUE(hosts_->run(kClient, "ip address flush dev wire"));
  stream.send("from nowhere");
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, Errc::kTimedOut);
}

// ss(8) with -K: the kernel ends the connection of the one side, and sends a reset to the other. It
// prints those that it has ended.
TEST_P(NetworkOnLinux, AConnectionThatIsKilledFromOutside) {
  join_hosts(journal.options());
  if (!hosts_->run(kServer, "ss -K -t -n state established | grep 7000")) {
    GTEST_SKIP() << "ss -K cannot be had here (CONFIG_INET_DIAG_DESTROY)";
  }
  EXPECT_TRUE(run_until([&] { return journal.closed() && served_.closed(); }));
  EXPECT_EQ(journal.code, std::errc::connection_reset);
  EXPECT_EQ(served_.code, std::errc::connection_aborted);
  EXPECT_EQ(server->connections(), 0U);
}

TEST_P(NetworkOnLinux, PacketsThatBecomeSmallerInTheMiddle) {
  join_hosts(journal.options());
  const std::string bytes = pattern(2'000'000);
  ASSERT_TRUE(echoes(bytes));
  ASSERT_TRUE(hosts_->run(kServer, "ip link set wire mtu 600"));
  ASSERT_TRUE(hosts_->run(kClient, "ip link set wire mtu 600"));
  EXPECT_TRUE(echoes(bytes));
}

EDDY_ON_EVERY_REAL_CONFIGURATION(NetworkOnLinux);

}  // namespace
}  // namespace eddy::test
