// What coroutines cost in allocations: a frame each, and nothing for what they await.
#include "support/allocations.h"
#include "support/async_test.h"

namespace eddy::test {
namespace {

class AsyncMemory : public AsyncTest {
 protected:
  // A round trip at the cost of no allocation of the test's own.
  bool echo_of(std::string_view message) {
    if (peer.send(message) != message.size()) return false;
    for (size_t left = message.size(); left > 0;) {
      if (!reactor().run_once(0ns)) return false;
      char room[4096];
      const ssize_t count = plain_kernel().recv(peer.fd(), room, sizeof room, MSG_DONTWAIT);
      if (count > 0) left -= static_cast<size_t>(count);
      if (count == 0) return false;
    }
    return true;
  }
  // So many rounds, once pools have grown.
  size_t allocations_of(int rounds, std::string_view message) {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(echo_of(message));
    const size_t before = allocations().count;
    for (int i = 0; i < rounds; ++i) EXPECT_TRUE(echo_of(message));
    return allocations().count - before;
  }
};

TEST_P(AsyncMemory, AwaitsAllocateNothing) {
  scope().spawn([stream = connected()]() mutable -> Task<> {
    for (;;) {
      auto head = co_await within(1h, stream.receive_until("\n", 99));
      if (!head) break;
      auto body = co_await stream.receive_exactly(8);
      if (!body) break;
      auto rest = co_await within(1h, within(2h, stream.receive()));
      if (!rest) break;
      if (!co_await sleep_for(0ns)) break;
      if (!co_await stream.send(std::move(*head))) break;
      if (!co_await stream.send("\n")) break;
      if (!co_await stream.send(std::move(*body))) break;
      if (!co_await stream.send(std::move(*rest))) break;
    }
  });
  EXPECT_EQ(allocations_of(200, "head\nand body, and the rest"), 0U);
  EXPECT_EQ(counters().relocated_bytes, 0U);
}

TEST_P(AsyncMemory, ATaskIsOneAllocation) {
  scope().spawn([stream = connected()]() mutable -> Task<> {
    const auto once = [](AsyncStream& with) -> Task<bool> {
      auto bytes = co_await with.receive();
      if (!bytes) co_return false;
      co_return (co_await with.send(std::move(*bytes))).has_value();
    };
    while (co_await once(stream)) continue;
  });
  EXPECT_EQ(allocations_of(200, "message"), 200U);
}

TEST_P(AsyncMemory, AChildIsOneAllocation) {
  const auto once = [](AsyncStream& with) -> Task<> {
    auto bytes = co_await with.receive();
    if (bytes) static_cast<void>(co_await with.send(std::move(*bytes)));
  };
  AsyncStream stream = connected();
  const auto round = [&] {
    scope().spawn(once(stream));
    return echo_of("message");
  };
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(round());
  const size_t before = allocations().count;
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(round());
  EXPECT_EQ(allocations().count - before, 200U);
}

TEST_P(AsyncMemory, WithoutMemoryForItsFrameAChildIsRefused) {
  const auto child = [](std::string text) -> Task<> {
    ADD_FAILURE() << text;
    co_return;
  };
  scope();
  std::string text = "an argument that is longer than any small string";
  fail_allocation(0);
  arm_allocation_failure(true);
  const bool spawned = scope().spawn(child(std::move(text)));
  arm_allocation_failure(false);
  EXPECT_FALSE(spawned);
  EXPECT_EQ(scope().size(), 0U);
}

// Of the process: what a simulated kernel allocates would count too.
EDDY_ON_EVERY_REAL_CONFIGURATION(AsyncMemory);

}  // namespace
}  // namespace eddy::test
