// Coroutines over a simulated network, with cancellations, deadlines, resets and frames that end,
// at points that a seed chooses. Every byte that comes is the right one, and nothing is left
// behind.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "support/async_test.h"

namespace eddy::test {
namespace {

constexpr uint64_t kSeeds = 25;
constexpr int kClients = 6;
constexpr int kSteps = 150;

class Storm {
 public:
  Storm(uint64_t seed, BackendKind backend)
      : world_(seed), server_(here_, {.backend = backend}), client_(there_, {.backend = backend}) {
    world_.link(here_, there_, {.latency = 1ms, .jitter = 3ms});
    world_.link(there_, here_, {.latency = 1ms, .jitter = 3ms});
  }

  void run() {
    ASSERT_TRUE(listener_.listen("10.0.0.1:7000"));
    server_scope_.spawn(serve());
    for (int i = 0; i < kClients; ++i) scopes_.push_back(std::make_unique<Scope>(client_));
    for (int step = 0; step < kSteps; ++step) {
      disturb();
      world_.run_for(microseconds(20'000));
    }
    world_.heal();
    for (auto& scope : scopes_) scope->cancel();
    const bool clients_ended = world_.run_until([&] {
      size_t left = 0;
      for (auto& scope : scopes_) left += scope->size();
      return left == 0;
    });
    EXPECT_TRUE(clients_ended) << world_.describe();
    listener_.close();
    EXPECT_TRUE(world_.run_until([&] { return server_scope_.size() == 0; })) << world_.describe();
    EXPECT_TRUE(world_.run_until([&] { return client_.stats().slots <= 1U + kClients; }))
        << client_.stats().slots;
    EXPECT_EQ(client_.timers().referenced(), 0U);
    EXPECT_EQ(server_.timers().referenced(), 0U);
    EXPECT_EQ(world_.violation(), "");
  }
  uint64_t answers() const { return answers_; }
  uint64_t cut_short() const { return cut_short_; }

 private:
  uint64_t draw(uint64_t bound) { return world_.draw(bound); }
  std::chrono::microseconds microseconds(uint64_t most) {
    return std::chrono::microseconds(draw(most));
  }

  Task<> serve() {
    while (auto accepted = co_await listener_.accept()) {
      server_scope_.spawn(echo(std::move(*accepted)));
    }
  }
  // In pieces of any kind, with a deadline now and then.
  Task<> echo(AsyncStream peer) {
    for (;;) {
      Result<Slice> bytes = Slice();
      switch (draw(3)) {
        case 0: bytes = co_await within(microseconds(100'000), peer.receive()); break;
        case 1: bytes = co_await within(microseconds(50'000), peer.receive_exactly(100)); break;
        default: bytes = co_await peer.receive(); break;
      }
      if (!bytes && bytes.error().code() == Errc::kTimedOut) continue;
      if (!bytes) break;
      if (draw(20) == 0) static_cast<void>(co_await sleep_for(microseconds(10'000)));
      if (!co_await peer.send(std::move(*bytes))) break;
    }
  }

  Task<> ask() {
    auto connected = co_await within(microseconds(30'000), connector_.connect("10.0.0.1:7000"));
    if (!connected) {
      ++cut_short_;
      co_return;
    }
    AsyncStream peer = std::move(*connected);
    auto done = co_await scoped([&](Scope& children) -> Task<Result<void>> {
      children.spawn(check(peer));
      for (uint64_t sent = 0; sent < 400'000;) {
        const size_t size = 1 + draw(20'000);
        auto taken =
            co_await within(microseconds(50'000), peer.send(Slice::copy_of(pattern(size, sent))));
        if (!taken && code_of(taken) != Errc::kTimedOut) co_return taken;
        sent += size;  // one that has timed out is queued all the same
      }
      co_return {};
    });
    if (!done) ++cut_short_;
  }
  Task<Result<void>> check(AsyncStream& peer) {
    for (uint64_t arrived = 0; arrived < 300'000;) {
      const size_t size = 1 + draw(5'000);
      auto bytes = co_await within(microseconds(40'000), peer.receive_exactly(size));
      if (code_of(bytes) == Errc::kTimedOut) continue;  // what had arrived of it comes again
      if (!bytes) co_return std::unexpected(bytes.error());
      EXPECT_TRUE(is_pattern(bytes->view(), arrived));
      arrived += size;
      ++answers_;
    }
    co_return {};
  }

  void disturb() {
    std::unique_ptr<Scope>& scope = scopes_[draw(kClients)];
    switch (draw(8)) {
      case 0: scope->cancel(); break;
      case 1: scope.reset(); break;
      case 2: world_.clog(here_, there_, microseconds(30'000)); break;
      case 3: world_.partition(here_, there_); break;
      case 4: world_.heal(); break;
      default: break;
    }
    if (scope != nullptr && scope->size() != 0) return;
    if (scope == nullptr || scope->is_cancelled()) scope = std::make_unique<Scope>(client_);
    scope->spawn(ask());
  }

  sim::World world_;
  sim::Host here_ = world_.host("10.0.0.1");
  sim::Host there_ = world_.host("10.0.0.2");
  Reactor server_;
  Reactor client_;
  AsyncListener listener_{server_, {.high_watermark_bytes = 30'000, .low_watermark_bytes = 5'000}};
  AsyncConnector connector_{client_,
                            {.high_watermark_bytes = 30'000, .low_watermark_bytes = 5'000}};
  Scope server_scope_{server_};
  std::vector<std::unique_ptr<Scope>> scopes_;
  uint64_t answers_ = 0;
  uint64_t cut_short_ = 0;
};

class AsyncStress : public testing::TestWithParam<BackendKind> {};

TEST_P(AsyncStress, AtPointsThatASeedChooses) {
  uint64_t answers = 0;
  uint64_t cut_short = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Storm storm(seed, GetParam());
    storm.run();
    answers += storm.answers();
    cut_short += storm.cut_short();
    if (HasFailure()) break;
  }
  EXPECT_GT(answers, 100 * kSeeds);
  EXPECT_GT(cut_short, 10 * kSeeds);
}

// Both reactors and what runs on them end in the middle of it.
TEST_P(AsyncStress, TheEndOfEverythingAtAnyTime) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    sim::World world(seed);
    const sim::Host host = world.host("10.0.0.1");
    std::vector<std::string> received;
    {
      auto reactor = std::make_unique<Reactor>(host, ReactorOptions{.backend = GetParam()});
      AsyncListener listener(*reactor);
      ASSERT_TRUE(listener.listen("127.0.0.1:7000"));
      Scope scope(*reactor);
      scope.spawn([&]() -> Task<> {
        while (auto accepted = co_await listener.accept()) {
          scope.spawn([stream = std::move(*accepted)]() mutable -> Task<> {
            while (auto bytes = co_await within(1ms, stream.receive())) {
              if (!co_await stream.send(std::move(*bytes))) break;
            }
          });
        }
      });
      AsyncConnector connector(*reactor);
      for (int i = 0; i < 5; ++i) {
        scope.spawn([&]() -> Task<> {
          for (;;) {
            auto stream = co_await connector.connect("127.0.0.1:7000");
            if (!stream) break;
            for (int round = 0; round < 3; ++round) {
              if (!co_await stream->send("message")) break;
              auto bytes = co_await within(2ms, stream->receive_exactly(7));
              if (!bytes) break;
              received.push_back(bytes->str());
            }
            static_cast<void>(co_await stream->close());
            if (!co_await sleep_for(100us)) break;
          }
        });
      }
      world.run_for(std::chrono::microseconds(world.draw(3'000)));
      if (world.draw(2) == 0) reactor.reset();  // before its scope
    }
    for (const std::string& each : received) ASSERT_EQ(each, "message");
    EXPECT_EQ(host.open_descriptors(), 0) << "seed " << seed;
    EXPECT_EQ(world.violation(), "");
  }
}

// A world for each seed, in virtual time.
INSTANTIATE_TEST_SUITE_P(, AsyncStress, testing::Values(BackendKind::kEpoll, BackendKind::kUring),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace eddy::test
