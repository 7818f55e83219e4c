// What a connection costs in memory, and an echo in allocations and copies: nothing, in the steady
// state.
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fstream>

#include "support/allocations.h"
#include "support/stream_test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EDDY_SANITIZED 1
#else
#define EDDY_SANITIZED 0
#endif

namespace eddy::test {
namespace {

class Memory : public StreamTest {
 protected:
  // One echo of each peer, at the cost of no allocation of the test's own.
  bool echo_of_all(std::vector<Peer>& peers, const std::string& message) {
    for (Peer& one : peers) {
      if (one.send(message) != message.size()) return false;
    }
    for (Peer& one : peers) {
      for (size_t left = message.size(); left > 0;) {
        if (!reactor().run_once(0ns)) return false;
        char room[16 * 1024];
        const ssize_t count = ::recv(one.fd(), room, sizeof room, MSG_DONTWAIT);
        if (count > 0) left -= static_cast<size_t>(count);
        if (count == 0) return false;
      }
    }
    return true;
  }

  void expect_nothing_per_echo(size_t message_bytes) {
    const Address address = serve(echo_options());
    std::vector<Peer> peers;
    for (int i = 0; i < 16; ++i) peers.push_back(Peer::connect_to(address));
    const std::string message = pattern(message_bytes);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(echo_of_all(peers, message));  // pools have grown

    const Counters before = counters();
    const size_t allocations_before = allocations().count;
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(echo_of_all(peers, message));
    EXPECT_EQ(allocations().count - allocations_before, 0U);
    const Counters after = counters();
    EXPECT_EQ(after.bytes_sent - before.bytes_sent, 200 * 16 * message_bytes);
    EXPECT_EQ(after.copied_bytes - before.copied_bytes, 0U);
    EXPECT_EQ(after.relocated_bytes - before.relocated_bytes, 0U);
  }

  static size_t resident_bytes() {
    size_t size = 0;
    size_t resident = 0;
    std::ifstream("/proc/self/statm") >> size >> resident;
    return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  }
};

TEST_P(Memory, AnEchoOfSixtyFourBytesAllocatesAndCopiesNothing) { expect_nothing_per_echo(64); }
TEST_P(Memory, AnEchoOfSixteenKibibytesAllocatesAndCopiesNothing) {
  expect_nothing_per_echo(16 * 1024);
}

TEST_P(Memory, TimersPostsAndDeferredWorkAllocateNothingForLong) {
  int fired = 0;
  const auto round = [&] {
    for (int i = 0; i < 100; ++i) {
      reactor().start_timer(0ns, [&] { ++fired; });
      reactor().defer([&] { ++fired; });
    }
    run_turns(2);
  };
  for (int i = 0; i < 10; ++i) round();
  const size_t before = allocations().count;
  for (int i = 0; i < 10; ++i) round();
  EXPECT_EQ(allocations().count - before, 0U);
  EXPECT_EQ(fired, 20 * 200);
}

TEST_P(Memory, HeapOfAnIdleConnection) {
  constexpr size_t kConnections = 1'000;
  const Address address = serve(echo_options());
  std::vector<Peer> peers;
  peers.reserve(kConnections + 1);
  peers.push_back(Peer::connect_to(address));
  ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
  const size_t before = allocations().live_bytes;
  for (size_t i = 0; i < kConnections; ++i) peers.push_back(Peer::connect_to(address));
  ASSERT_TRUE(run_until([&] { return server->connections() == kConnections + 1; }));
  run_turns();
  const size_t each = (allocations().live_bytes - before) / kConnections;
  printf("heap of an idle connection: %zu bytes\n", each);
  EXPECT_LE(each, 320U);
}

// The clients are another process, which has the kernel's other half of each connection.
class IdleClients {
 public:
  IdleClients(const Address& address, size_t count) {
    EXPECT_EQ(pipe(until_), 0);
    child_ = fork();
    if (child_ != 0) {
      close(until_[0]);
      return;
    }
    close(until_[1]);
    for (size_t i = 0; i < count; ++i) {
      const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
      if (fd < 0 || ::connect(fd, address.data(), address.size()) != 0) _exit(1);
    }
    char byte = 0;
    static_cast<void>(!::read(until_[0], &byte, 1));  // until the parent closes it
    _exit(0);
  }
  ~IdleClients() {
    close(until_[1]);
    int status = -1;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  IdleClients(const IdleClients&) = delete;
  IdleClients& operator=(const IdleClients&) = delete;

 private:
  int until_[2];
  pid_t child_ = -1;
};

TEST_P(Memory, ResidentMemoryOfNineThousandIdleConnections) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const size_t connections = std::min<size_t>(9'000, limit.rlim_cur - 100);
  const Address address = serve(echo_options());
  peer = Peer::connect_to(address);
  peer.send("x");
  ASSERT_TRUE(run_until([&] { return peer.has_received("x"); }));
  const size_t before = resident_bytes();
  {
    const IdleClients clients(address, connections);
    ASSERT_TRUE(run_until([&] { return server->connections() == connections + 1; }, 60s));
    run_turns();
    const size_t growth = resident_bytes() - before;
    printf("%zu idle connections: %zu KiB\n", connections, growth / 1024);
    constexpr size_t kMost = EDDY_SANITIZED ? 64 << 20 : 8 << 20;  // with the sanitizers' own
    EXPECT_LE(growth, kMost);
  }
  EXPECT_TRUE(run_until([&] { return server->connections() == 1; }, 60s));
}

// Of the process: what a simulated kernel allocates would count too.
EDDY_ON_EVERY_REAL_CONFIGURATION(Memory);

}  // namespace
}  // namespace eddy::test
