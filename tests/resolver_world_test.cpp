// Names of a simulated world: several addresses, slow and failing servers.
#include <eddy/net/resolver.h>
#include <eddy/sim/world.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <utility>

#include "support/resolver_test.h"

namespace eddy::test {
namespace {

using testing::ElementsAre;

class ResolverInAWorld : public testing::Test {
 public:
  // "addresses" or the error's words, and how long it took.
  std::pair<Texts, std::chrono::nanoseconds> ask(const char* name, const ResolveHints& hints = {}) {
    Texts answer;
    const TimePoint began = world.now();
    EXPECT_TRUE(resolver.resolve(name, "7000", hints, [&](const Result<ResolvedName>& found) {
      answer = found ? texts_of(found->addresses) : Texts{found.error().code().message()};
      if (found && !found->canonical_name.empty()) answer.push_back(found->canonical_name);
    }));
    EXPECT_EQ(reactor.run(), 0);
    return {answer, world.now() - began};
  }

  sim::World world{7};
  sim::Host host = world.host("10.0.0.9");
  Reactor reactor{host};
  Resolver resolver{reactor};
};

TEST_F(ResolverInAWorld, AddressesInTheOrderOfTheWorld) {
  world.name("server.test", {"10.0.0.2", "fd00::2", "10.0.0.1"}, {.canonical = "a.server.test"});
  EXPECT_THAT(ask("server.test", {.flags = 0}).first,
              ElementsAre("10.0.0.2:7000", "[fd00::2]:7000", "10.0.0.1:7000"));
  EXPECT_THAT(ask("server.test", {.flags = AI_ADDRCONFIG | AI_CANONNAME}).first,
              ElementsAre("10.0.0.2:7000", "10.0.0.1:7000", "a.server.test"));
  EXPECT_THAT(ask("server.test", {.family = AF_INET6, .flags = AI_V4MAPPED | AI_ALL}).first,
              ElementsAre("[fd00::2]:7000", "[::ffff:10.0.0.2]:7000", "[::ffff:10.0.0.1]:7000"));
  EXPECT_THAT(ask("nowhere.test").first, ElementsAre(gai_strerror(EAI_NONAME)));
}

TEST_F(ResolverInAWorld, ASlowNameTakesVirtualTime) {
  world.name("slow.test", {"10.0.0.1"}, {.latency = 4s});
  const auto [answer, took] = ask("slow.test");
  EXPECT_THAT(answer, ElementsAre("10.0.0.1:7000"));
  EXPECT_GE(took, 4s);
  EXPECT_LT(took, 4100ms);
  const auto [given_up, patience] = ask("slow.test", {.timeout = 1s});
  EXPECT_THAT(given_up, ElementsAre("deadline passed"));
  EXPECT_GE(patience, 1s);
  EXPECT_LT(patience, 1100ms);
}

TEST_F(ResolverInAWorld, AServerThatFailsOrIsNotHeard) {
  world.name("broken.test", {}, {.failure = EAI_FAIL});
  EXPECT_THAT(ask("broken.test").first, ElementsAre(gai_strerror(EAI_FAIL)));
  world.name("server.test", {"10.0.0.1"});
  world.faults().set(sim::Fault::kDatagramLost, sim::Tape::kCertain);
  const auto [answer, took] = ask("server.test");
  EXPECT_THAT(answer, ElementsAre(gai_strerror(EAI_AGAIN)));
  EXPECT_GE(took, 10s);
}

TEST_F(ResolverInAWorld, TheSameSeedTakesTheSameTime) {
  world.name("server.test", {"10.0.0.1"});
  sim::World again(7);
  again.name("server.test", {"10.0.0.1"});
  const auto took = ask("server.test").second;
  const auto there = again.host("10.0.0.9");
  Reactor other(there);
  Resolver of_other(other);
  EXPECT_TRUE(of_other.resolve("server.test", "7000", [](const Result<ResolvedName>&) {}));
  const TimePoint began = again.now();
  EXPECT_EQ(other.run(), 0);
  EXPECT_EQ(again.now() - began, took);
}

}  // namespace
}  // namespace eddy::test
