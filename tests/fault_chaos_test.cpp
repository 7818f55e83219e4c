// All faults at once, from a seed: an echo server whose clients send, read slowly, half-close, go
// away and reset at random. What comes back is what was sent, in order; each connection closes
// once; nothing is left behind.
#include <poll.h>

#include <algorithm>
#include <memory>
#include <random>
#include <stop_token>
#include <thread>
#include <vector>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

constexpr FaultRates kRates = {.interrupt = 0.05,
                               .would_block = 0.05,
                               .shorten = 0.2,
                               .spurious_readiness = 0.02,
                               .lost_connection = 0.1,
                               .no_resources = 0.05,
                               .fail_operation = 0.1,
                               .end_multishot = 0.1,
                               .delay = 0.1,
                               .longest_delay = 5,
                               .reorder = 0.2,
                               .lose_cancel = 0.3};
constexpr int kClients = 20;

// One connection, from the other side.
class Client {
 public:
  enum class Fate { kReadsAll, kHalfCloses, kGoesAway, kResets };

  Client(const Address& address, std::mt19937_64& random)
      : random_(random),
        fate_(static_cast<Fate>(random() % 4)),
        size_(1 + random() % (1 << random() % 19)),
        peer_(Peer::connect_to(address)) {}

  // True when its part is over.
  bool step() {
    if (!peer_.is_open()) return true;
    const size_t most = 1 + random_() % 50'000;
    if (sent_ < size_ && random_() % 4 != 0) {
      sent_ += peer_.send(pattern(std::min<size_t>(most, size_ - sent_), sent_));
      if (sent_ == size_ && fate_ == Fate::kHalfCloses) peer_.shutdown_write();
    }
    if (random_() % 4 != 0) receive(most);
    const bool leaves = random_() % 64 == 0;
    if (fate_ == Fate::kResets && leaves) peer_.reset();
    if (fate_ == Fate::kGoesAway && leaves) peer_.close();
    if (arrived_ == size_ && (fate_ != Fate::kHalfCloses || peer_.ended)) peer_.close();
    return !peer_.is_open();
  }

 private:
  void receive(size_t most) {
    peer_.receive(most);
    ASSERT_TRUE(is_pattern(peer_.received, arrived_));
    arrived_ += peer_.received.size();
    ASSERT_LE(arrived_, sent_);
    peer_.received.clear();
    ASSERT_EQ(peer_.error, 0);
    ASSERT_TRUE(!peer_.ended || arrived_ == size_) << "the server closed early";
  }

  std::mt19937_64& random_;
  const Fate fate_;
  const size_t size_;
  size_t sent_ = 0;
  size_t arrived_ = 0;
  Peer peer_;
};

class FaultChaos : public FaultTest {
 protected:
  StreamOptions chaos_echo() {
    StreamOptions options;
    options.on_open = [this](Stream&) { ++opened_; };
    options.on_data = [this](Stream& client, Slice bytes) {
      client.send(std::move(bytes));
      // Held back at times, as an application does it.
      if (random_() % 16 != 0) return;
      client.pause();
      reactor().start_timer(1us * (random_() % 100), [client]() mutable {
        if (client.is_open()) client.resume();
      });
    };
    options.on_end = [](Stream& client) { client.close(); };
    options.on_close = [this](Stream&, std::error_code) { ++closed_; };
    options.high_watermark_bytes = 64 * 1024;
    options.low_watermark_bytes = 16 * 1024;
    return options;
  }

  void run_seed(uint64_t seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_.seed(seed);
    // Of all sizes, the smallest too.
    reactor_options.buffers = {.segment_bytes = size_t{4096} << random_() % 3,
                               .initial_segments = 1 + static_cast<unsigned>(random_() % 4),
                               .max_segments = 1 + static_cast<unsigned>(random_() % 8)};
    if (random_() % 2 == 0) {
      const unsigned entries = 1U << random_() % 4;
      faulty().plan().clamp_rings(entries, entries << random_() % 4);
    }
    const Address address = serve(chaos_echo(), {.max_connections = random_() % 3 == 0 ? 5U : 0U},
                                  {.retry_after = 1ms});
    plan().chaos(seed, kRates);
    opened_ = closed_ = 0;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.push_back(std::make_unique<Client>(address, random_));
    }
    EXPECT_TRUE(run_until([&] {
      const auto over = std::ranges::count_if(clients, [](auto& client) { return client->step(); });
      return HasFatalFailure() || over == kClients;
    }));
    clients.clear();
    server->close();  // some may be in the backlog still
    EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
    EXPECT_EQ(opened_, closed_);
    server.reset();
    EXPECT_TRUE(run_until([&] { return reactor().timers().referenced() == 0; }));
    expect_baseline();
    // What backends hold at rest: the cursor's and output's segment, and those that io_uring may
    // fill.
    EXPECT_LE(reactor().stats().segments_in_use, reactor_options.buffers.initial_segments + 2);
    destroy_reactor();
    faulty().plan().clear();
    faulty().plan().clamp_rings(0, 0);
  }

  std::mt19937_64 random_;
  int opened_ = 0;
  int closed_ = 0;
};
// Clients in another thread.
class FaultChaosOnLinux : public FaultChaos {};

TEST_P(FaultChaos, EchoOverManySeeds) {
  constexpr uint64_t kSeeds = 40;
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) run_seed(seed);
  if (HasFailure()) return;
  // Every kind of fault has happened.
  if (GetParam().options.backend == BackendKind::kEpoll) {
    EXPECT_GT(fired().failed_calls, 0U);
    EXPECT_GT(fired().shortened_calls, 0U);
    EXPECT_GT(fired().spurious_events, 0U);
    return;
  }
  EXPECT_GT(fired().failed_operations, 0U);
  EXPECT_GT(fired().shortened_operations, 0U);
  EXPECT_GT(fired().ended_multishots, 0U);
  EXPECT_GT(fired().delayed_completions, 0U);
  EXPECT_GT(fired().reordered_completions, 0U);
  EXPECT_GT(fired().lost_cancels, 0U);
  EXPECT_GT(fired().held_by_overflow, 0U);
}
// Connections that half-close when they have sent all, and wait for the end of what comes back.
void drive_until_ended(const Address& address, uint64_t seed, const std::stop_token& stop) {
  constexpr int kConnections = 8;
  std::vector<std::unique_ptr<Peer>> peers;
  std::vector<PatternExchange> transfers;
  std::vector<uint64_t> sizes;
  for (int i = 0; i < kConnections; ++i) {
    const uint64_t size = 1 + (seed * 7919 + static_cast<uint64_t>(i) * 104'729) % 60'000;
    peers.push_back(std::make_unique<Peer>(Peer::connect_to(address)));
    transfers.emplace_back(*peers.back(), size);
    sizes.push_back(size);
  }
  const auto is_over = [](const auto& peer) { return peer->ended || peer->error != 0; };
  while (!stop.stop_requested() && !std::ranges::all_of(peers, is_over)) {
    std::vector<pollfd> waits;
    for (size_t i = 0; i < peers.size(); ++i) {
      transfers[i].step(5'000);
      const bool sends = transfers[i].sent < sizes[i];
      if (!sends) peers[i]->shutdown_write();
      const auto events = static_cast<short>(POLLIN | (sends ? POLLOUT : 0));
      if (!is_over(peers[i])) waits.push_back({peers[i]->fd(), events, 0});
    }
    if (!waits.empty()) ::poll(waits.data(), waits.size(), 1000);
  }
  for (const auto& transfer : transfers) EXPECT_TRUE(transfer.complete());
}

// The loop sleeps whenever it thinks that it may, with no timer to save it, and the clients wait
// for it.
TEST_P(FaultChaosOnLinux, NoSleepWithSomethingLeftToDo) {
  for (uint64_t seed = 1; seed <= 15 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    reactor_options.buffers = {.segment_bytes = 4096, .initial_segments = 3, .max_segments = 3};
    StreamOptions options = echo_options();
    options.on_end = [](Stream& client) { client.close(); };
    const Address address = serve(std::move(options));
    plan().chaos(seed, kRates);
    bool done = false;
    std::jthread clients([&, &loop = reactor()](const std::stop_token& stop) {
      drive_until_ended(address, seed, stop);
      loop.post([&] { done = true; });
    });
    while (!done && !HasFailure()) {
      const auto before = std::chrono::steady_clock::now();
      ASSERT_TRUE(reactor().run_once(kDeadline));
      EXPECT_LT(std::chrono::steady_clock::now() - before, kDeadline) << "nothing woke the loop";
    }
    clients.request_stop();
    clients.join();
    faulty().plan().clear();
    server.reset();
    expect_baseline();
    destroy_reactor();
  }
}
EDDY_ON_EVERY_CONFIGURATION(FaultChaos);
EDDY_ON_EVERY_REAL_CONFIGURATION(FaultChaosOnLinux);

}  // namespace
}  // namespace eddy::test
