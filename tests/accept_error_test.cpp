// Listeners that cannot listen, and listeners that cannot accept.
#include <eddy/net/connector.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

// Lets this process open `more` descriptors, until it is destroyed.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(size_t more) {
    if (machine().is_simulated()) {
      constexpr size_t kStandard = 3;  // 0, 1 and 2 are always taken
      machine().host().set_descriptor_limit(
          static_cast<int>(kStandard + machine().open_descriptors() + more));
      return;
    }
    getrlimit(RLIMIT_NOFILE, &before_);
    // The first numbers that are free are what the limit must leave.
    int lowest_free = dup(0);
    rlim_t limit = 0;
    for (size_t free = 0; free < more; ++lowest_free) {
      if (fcntl(lowest_free, F_GETFD) < 0 || limit == 0) ++free;
      limit = static_cast<rlim_t>(lowest_free) + 1;
    }
    close(static_cast<int>(limit - more));
    rlimit now = before_;
    now.rlim_cur = limit;
    setrlimit(RLIMIT_NOFILE, &now);
  }
  ~DescriptorLimit() {
    if (machine().is_simulated()) {
      machine().host().set_descriptor_limit(Machine::kDescriptors);
    } else {
      setrlimit(RLIMIT_NOFILE, &before_);
    }
  }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_ = {};
};

class AcceptError : public StreamTest {
 protected:
  void expect_refused(Result<void> result, std::error_code code, std::string_view subject) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), code) << result.error().message();
    EXPECT_NE(result.error().message().find(subject), std::string::npos)
        << result.error().message();
  }
};
// Processes and their privileges.
class AcceptErrorOnLinux : public AcceptError {};

// Out of descriptors: those who are connected are served on, nothing spins, and the rest is taken
// once there is room.
TEST_P(AcceptError, OutOfDescriptors) {
  const Address address = serve(echo_options(), {}, {.retry_after = 30ms});
  // Peers first: they take numbers of this process too. And the limit before the first turn: what
  // an accept of io_uring may open is settled when it is started.
  peer = Peer::connect_to(address);
  std::vector<Peer> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(Peer::connect_to(address));
  {
    const DescriptorLimit limit(3);
    ASSERT_TRUE(run_until([&] { return counters().accept_pauses > 0; }));
    EXPECT_LE(server->connections(), 3U);
    peer.send("x");
    EXPECT_TRUE(run_until([&] { return peer.has_received("x"); }));
    const uint64_t pauses = counters().accept_pauses;
    EXPECT_LT(turns_during(100ms), 200U);
    EXPECT_GE(counters().accept_pauses, pauses + 1);  // it tries again …
    EXPECT_LE(counters().accept_pauses, pauses + 6);  // … now and then
    EXPECT_EQ(counters().accept_failures, 0U);
  }
  EXPECT_TRUE(run_until([&] { return server->connections() == 6; }));
  for (Peer& late : waiting) late.send("x");
  EXPECT_TRUE(run_until([&] {
    return std::ranges::all_of(waiting, [](Peer& late) { return late.has_received("x"); });
  }));
}

TEST_P(AcceptError, AListenerMayGoWhileItWaitsForDescriptors) {
  const Address address = serve(echo_options(), {}, {.retry_after = 10s});
  std::vector<Peer> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(Peer::connect_to(address));
  const DescriptorLimit limit(1);
  ASSERT_TRUE(run_until([&] { return counters().accept_pauses > 0; }));
  server.reset();
  expect_baseline();
}

TEST_P(AcceptError, TextThatIsNoAddress) {
  Listener listener(reactor(), [](int) {});
  for (const char* text :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "localhost:1", "::1:1"}) {
    expect_refused(listener.listen(text), Errc::kBadAddress, text);
    EXPECT_FALSE(listener.is_listening());
  }
}

TEST_P(AcceptError, APortInUse) {
  const Address address = serve(echo_options());
  Listener second(reactor(), [](int) {});
  expect_refused(second.listen(address), errno_code(EADDRINUSE), address.to_string());
  EXPECT_FALSE(second.is_listening());
  EXPECT_FALSE(second.local_address());
}

TEST_P(AcceptError, AnAddressOfAnotherMachine) {
  Listener listener(reactor(), [](int) {});
  expect_refused(listener.listen("203.0.113.1:80"), errno_code(EADDRNOTAVAIL), "203.0.113.1:80");
}

// Without privileges, which a child can give up; the port is one that needs them, unless the system
// says otherwise.
TEST_P(AcceptErrorOnLinux, NoPermission) {
  int first_free_port = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_free_port;
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(2);
    Reactor unprivileged(reactor_options);
    Listener listener(unprivileged, [](int) {});
    const auto result = listener.listen("127.0.0.1:1");
    const bool refused = !result && result.error().code() == std::errc::permission_denied;
    _exit(refused == (first_free_port > 1) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_P(AcceptError, AConnectedSocket) {
  serve_one(echo_options());
  Listener listener(reactor(), [](int) {});
  expect_refused(listener.listen_on(peer.fd()), errno_code(EISCONN), "connected");
  peer.send("x");  // it is whole, and still the user's
  EXPECT_TRUE(run_until([&] { return peer.has_received("x"); }));
}

TEST_P(AcceptError, WhatIsNoSocket) {
  Listener listener(reactor(), [](int) {});
  expect_refused(listener.listen_on(999'999), errno_code(EBADF), "999999");
  const Descriptor file(plain_kernel().eventfd());
  expect_refused(listener.listen_on(file.get()), errno_code(ENOTSOCK), "fd");
  const Descriptor datagrams(plain_kernel().socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  expect_refused(listener.listen_on(datagrams.get()), errno_code(EOPNOTSUPP), "fd");
}

TEST_P(AcceptError, ListeningTwice) {
  const Address address = serve(echo_options());
  expect_refused(server->listen("127.0.0.1:0"), Errc::kListening,
                 "listen 127.0.0.1:0: already listening (on " + address.to_string());
  const Descriptor other(plain_kernel().socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Listener listener(reactor(), [](int) {});
  ASSERT_TRUE(listener.listen("127.0.0.1:0"));
  expect_refused(listener.listen_on(other.get()), Errc::kListening,
                 listener.local_address()->to_string());
  EXPECT_EQ(*server->local_address(), address);
  peer = Peer::connect_to(address);
  peer.send("x");
  EXPECT_TRUE(run_until([&] { return peer.has_received("x"); }));
}

TEST_P(AcceptError, TheAddressOfWhatDoesNotListen) {
  const Server idle(reactor(), echo_options());
  const auto address = idle.local_address();
  ASSERT_FALSE(address);
  EXPECT_EQ(address.error().code(), Errc::kClosed);
  EXPECT_EQ(address.error().message(),
            "local_address: closed (nothing listens here: call listen first)");
}

// Shut down by somebody else: accepting ends for good, and the user is told.
TEST_P(AcceptError, ASocketThatIsBroken) {
  std::optional<Error> error;
  Listener listener(reactor(), [](int) {}, [&](const Error& reason) { error = reason; });
  const int fd = plain_kernel().socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const Descriptor duplicate(machine().duplicate(fd));
  ASSERT_TRUE(listener.listen_on(fd));
  run_turns(3);
  plain_kernel().shutdown(duplicate.get(), SHUT_RDWR);
  EXPECT_TRUE(run_until([&] { return error.has_value(); }));
  EXPECT_EQ(error->code(), std::errc::invalid_argument) << error->message();
  EXPECT_FALSE(listener.is_listening());
}

// Clients beyond the backlog wait, or give up; the server sees nothing wrong, and serves those who
// waited once it goes on.
TEST_P(AcceptError, AFullBacklogIsTheClientsMatter) {
  StreamOptions options = echo_options();
  Journal patient;
  const Address address = serve(std::move(options), {.max_connections = 1}, {.backlog = 1});
  peer = Peer::connect_to(address);
  peer.send("x");
  ASSERT_TRUE(run_until([&] { return peer.has_received("x"); }));
  std::vector<Peer> fillers;
  for (int i = 0; i < 2; ++i) fillers.push_back(Peer::connect_to(address));  // the backlog, and one
  Connector hasty(reactor(), journal.options(), {.timeout = 100ms});
  Connector waiting(reactor(), patient.options());
  ASSERT_TRUE(hasty.connect(address));
  auto waiter = waiting.connect(address);
  ASSERT_TRUE(waiter);
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, Errc::kTimedOut);
  EXPECT_TRUE(patient.events.empty());
  EXPECT_EQ(counters().accepted, 1U);
  EXPECT_EQ(counters().accept_failures + counters().accept_pauses, 0U);
  peer.close();
  fillers.clear();
  EXPECT_TRUE(run_until([&] { return patient.count("open") == 1; }));
  waiter->close();
  EXPECT_TRUE(run_until([&] { return patient.closed() && server->connections() == 0; }));
}

EDDY_ON_EVERY_CONFIGURATION(AcceptError);
EDDY_ON_EVERY_REAL_CONFIGURATION(AcceptErrorOnLinux);

}  // namespace
}  // namespace eddy::test
