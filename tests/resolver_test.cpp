#include <eddy/core/faulty_kernel.h>
#include <eddy/net/resolver.h>
#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/gate.h"
#include "support/reactor_test.h"

namespace eddy::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Texts = std::vector<std::string>;

Texts texts_of(const std::vector<Address>& addresses) {
  Texts texts;
  for (const Address& address : addresses) texts.push_back(address.to_string());
  return texts;
}

class ResolverTest : public ReactorTest {
 public:
  Kernel& kernel() override { return *faulty_; }
  FaultPlan& plan() {
    reactor();
    return faulty_->plan();
  }
  Resolver& resolver(const ResolverOptions& options = {}) {
    if (!resolver_) resolver_.emplace(reactor(), options);
    return *resolver_;
  }
  void destroy_resolver() { resolver_.reset(); }

  // The answer to one question, in words: the addresses and the canonical name, or what failed.
  Texts ask(std::string_view host, std::string_view service = "7000",
            const ResolveHints& hints = {}) {
    std::optional<Texts> answer;
    const auto id =
        resolver().resolve(host, service, hints, [&](const Result<ResolvedName>& found) {
          if (!found) {
            code = found.error().code();
            answer = {found.error().message()};
            return;
          }
          answer = texts_of(found->addresses);
          if (!found->canonical_name.empty()) answer->push_back(found->canonical_name);
        });
    if (!id) return {"refused: " + id.error().message()};
    EXPECT_FALSE(answer) << "inside the call";
    EXPECT_TRUE(run_until([&] { return answer.has_value(); }));
    return answer.value_or(Texts());
  }

  void advance(std::chrono::nanoseconds time) { faulty_->advance(time); }

  // Every look-up waits at the gate, and then fails like this: no name server is asked by tests.
  void hold(int result) {
    plan().decide(SystemCall::kGetaddrinfo, [gate = gate, result](const FaultPlan::Seen&) {
      gate->pass();
      return std::optional<int64_t>(result);
    });
  }
  Resolver::OnResolved count() {
    return [this](const Result<ResolvedName>& found) {
      ++answered;
      if (!found) code = found.error().code();
    };
  }
  bool is_idle() {
    const WorkPoolStats threads = resolver().stats().threads;
    return threads.queued + threads.running == 0;
  }

  void TearDown() override {
    gate->open();
    if (resolver_) {
      EXPECT_TRUE(run_until([&] { return is_idle(); }));
    }
    destroy_resolver();
    ReactorTest::TearDown();
  }

  const std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  int answered = 0;
  std::error_code code;  // of the last failure

 private:
  // A look-up may outlive its resolver, and needs its kernel, with the hooks of its plan.
  FaultyKernel* const faulty_ =
      kernels_.emplace_back(std::make_unique<FaultyKernel>(plain_kernel())).get();
  static inline std::vector<std::unique_ptr<FaultyKernel>> kernels_;
  std::optional<Resolver> resolver_;
};

// --- Questions and their answers

TEST_P(ResolverTest, ANumericAddressNeedsNoThread) {
  EXPECT_THAT(ask("127.0.0.1"), ElementsAre("127.0.0.1:7000"));
  EXPECT_THAT(ask("::1", "0"), ElementsAre("[::1]:0"));
  EXPECT_THAT(ask("10.0.0.1", "", {.flags = AI_CANONNAME}), ElementsAre("10.0.0.1:0", "10.0.0.1"));
  EXPECT_EQ(resolver().stats().asked, 0U);
}

TEST_P(ResolverTest, AName) {
  EXPECT_THAT(ask("localhost", "7000", {.family = AF_INET}), ElementsAre("127.0.0.1:7000"));
  EXPECT_EQ(resolver().stats().asked, 1U);
  EXPECT_EQ(resolver().stats().waiting, 0U);
}

TEST_P(ResolverTest, TheCanonicalName) {
  EXPECT_THAT(ask("localhost", "", {.family = AF_INET, .flags = AI_CANONNAME}),
              ElementsAre("127.0.0.1:0", "localhost"));
}

TEST_P(ResolverTest, AServiceByItsName) {
  EXPECT_THAT(ask("127.0.0.1", "http"), ElementsAre("127.0.0.1:80"));
  EXPECT_THAT(ask("127.0.0.1", "http", {.socket_type = SOCK_DGRAM}),
              ElementsAre(HasSubstr(gai_strerror(EAI_SERVICE))));
  EXPECT_THAT(ask("127.0.0.1", "domain", {.socket_type = 0}), ElementsAre("127.0.0.1:53"));
}

TEST_P(ResolverTest, ThisMachine) {
  EXPECT_THAT(ask("*", "7000", {.flags = AI_PASSIVE}), ElementsAre("0.0.0.0:7000", "[::]:7000"));
  EXPECT_THAT(ask("*", "7000", {.flags = 0}), ElementsAre("[::1]:7000", "127.0.0.1:7000"));
}

TEST_P(ResolverTest, HintsAreGetaddrinfos) {
  EXPECT_THAT(ask("127.0.0.1", "7000", {.family = AF_INET6, .flags = AI_V4MAPPED}),
              ElementsAre("[::ffff:127.0.0.1]:7000"));
  EXPECT_THAT(ask("localhost", "7000", {.flags = AI_NUMERICHOST}),
              ElementsAre(HasSubstr(gai_strerror(EAI_NONAME))));
  EXPECT_THAT(ask("127.0.0.1", "http", {.flags = AI_NUMERICSERV}),
              ElementsAre(HasSubstr(gai_strerror(EAI_NONAME))));
  EXPECT_THAT(ask("127.0.0.1", "7000", {.flags = 1 << 20}),
              ElementsAre(HasSubstr(gai_strerror(EAI_BADFLAGS))));
  EXPECT_THAT(
      ask("127.0.0.1", "", {.socket_type = SOCK_STREAM, .protocol = IPPROTO_UDP, .flags = 1 << 20}),
      ElementsAre(HasSubstr(gai_strerror(EAI_BADFLAGS))));
}

TEST_P(ResolverTest, TheNameOfAnAddress) {
  std::optional<HostName> name;
  const auto numeric = Address::parse("127.0.0.1:80");
  ASSERT_TRUE(numeric);
  EXPECT_TRUE(resolver().name_of(
      *numeric,
      [&](Result<HostName> found) {
        ASSERT_TRUE(found) << found.error().message();
        name = *std::move(found);
      },
      NI_NUMERICHOST));
  EXPECT_FALSE(name);
  EXPECT_EQ(reactor().run(), 0);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->host, "127.0.0.1");
  EXPECT_EQ(name->service, "http");
}

TEST_P(ResolverTest, AnAddressWithoutAName) {
  plan().fail(SystemCall::kGetnameinfo, EAI_NONAME);
  const auto address = Address::parse("127.0.0.1:80");
  ASSERT_TRUE(address);
  EXPECT_TRUE(resolver().name_of(
      *address,
      [&](const Result<HostName>& found) {
        ASSERT_FALSE(found);
        code = found.error().code();
        EXPECT_THAT(found.error().message(), HasSubstr("getnameinfo 127.0.0.1:80"));
      },
      NI_NAMEREQD));
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(code, std::error_code(EAI_NONAME, name_category()));
}

// --- What is refused

TEST_P(ResolverTest, EmptyAndOverlongNamesAreRefusedAtOnce) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  ASSERT_EQ(longest.size(), 253U);
  plan().fail(SystemCall::kGetaddrinfo, EAI_NONAME, {.times = kAlways});
  for (const std::string& good : {longest, longest + ".", label + ".test"}) {
    EXPECT_THAT(ask(good), ElementsAre(HasSubstr(gai_strerror(EAI_NONAME))));
  }
  const uint64_t asked = resolver().stats().asked;
  for (const std::string& bad :
       {std::string(), longest + "b", "a" + label + ".test", std::string("a..test"),
        std::string(".test"), std::string("loc\0alhost", 10)}) {
    const auto id = resolver().resolve(bad, "7000", count());
    ASSERT_FALSE(id) << bad;
    EXPECT_EQ(id.error().code(), Errc::kBadAddress) << bad;
    EXPECT_FALSE(id.error().message().contains('\0'));
  }
  run_turns();
  EXPECT_EQ(answered, 0);
  EXPECT_EQ(resolver().stats().asked, asked);
}

TEST_P(ResolverTest, AServiceThatIsNoneIsRefusedAtOnce) {
  for (const std::string& bad : {std::string("65536"), std::string("99999999999999999999"),
                                 std::string("ht\0tp", 5), std::string(2000, 'x')}) {
    const auto id = resolver().resolve("127.0.0.1", bad, count());
    ASSERT_FALSE(id) << bad;
    EXPECT_EQ(id.error().code(), Errc::kBadAddress) << bad;
  }
  EXPECT_THAT(ask("127.0.0.1", "65535"), ElementsAre("127.0.0.1:65535"));
}

// --- What fails

TEST_P(ResolverTest, EachFailureHasGaiStrerrorsWords) {
  for (const int failure :
       {EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_NODATA, EAI_NONAME, EAI_FAMILY, EAI_SERVICE,
        EAI_SOCKTYPE, EAI_BADFLAGS, EAI_ADDRFAMILY, EAI_IDN_ENCODE}) {
    plan().fail(SystemCall::kGetaddrinfo, failure);
    EXPECT_THAT(ask("name.test"),
                ElementsAre(HasSubstr(std::string("getaddrinfo name.test:7000: ") +
                                      gai_strerror(failure))));
    EXPECT_EQ(code, std::error_code(failure, name_category()));
    EXPECT_EQ(code.message(), gai_strerror(failure));
    EXPECT_EQ(code == std::errc::resource_unavailable_try_again, failure == EAI_AGAIN);
    plan().clear();
  }
}

TEST_P(ResolverTest, AnAnswerWithoutAnAddressIsAFailure) {
  plan().decide(SystemCall::kGetaddrinfo, [](const FaultPlan::Seen&) { return 0; });
  EXPECT_THAT(ask("name.test"), ElementsAre(HasSubstr(gai_strerror(EAI_NODATA))));
}

TEST_P(ResolverTest, AFailureOfTheSystemIsItsErrno) {
  plan().fail(SystemCall::kGetaddrinfo, EAI_SYSTEM);
  EXPECT_THAT(ask("name.test"), ElementsAre(HasSubstr("open files")));
  EXPECT_EQ(code, std::errc::too_many_files_open);
}

TEST_P(ResolverTest, WithoutAThreadItIsAnError) {
  resolver();
  plan().fail(SystemCall::kRunElsewhere, EAGAIN);
  EXPECT_THAT(ask("localhost"), ElementsAre(HasSubstr("refused: getaddrinfo localhost:7000")));
  EXPECT_EQ(resolver().stats().waiting, 0U);
}

// --- Slow ones

TEST_P(ResolverTest, TheLoopGoesOnWhileANameIsLookedUp) {
  hold(EAI_AGAIN);
  EXPECT_TRUE(resolver().resolve("slow.test", "7000", count()));
  int ticks = 0;
  reactor().start_timer(1ms, [&] { ++ticks; }, {.period = 1ms});
  EXPECT_TRUE(run_until([&] { return ticks == 20; }));
  EXPECT_EQ(answered, 0);
  gate->open();
  EXPECT_TRUE(run_until([&] { return answered == 1; }));
  EXPECT_EQ(code, std::errc::resource_unavailable_try_again);
  EXPECT_FALSE(machine().is_simulated() && ticks < 900) << ticks;
  destroy_reactor();
}

TEST_P(ResolverTest, ADeadlinePassesThoughTheThreadStillWaits) {
  hold(EAI_AGAIN);
  const auto patient = resolver().resolve("slow.test", "7000", count());
  ASSERT_TRUE(patient);
  EXPECT_TRUE(run_until([&] { return resolver().stats().threads.running == 1; }));
  EXPECT_THAT(ask("slow.test", "7000", {.timeout = 5ms}),
              ElementsAre(HasSubstr("deadline passed")));
  EXPECT_EQ(code, Errc::kTimedOut);
  EXPECT_EQ(resolver().stats().timed_out, 1U);
  EXPECT_EQ(resolver().stats().threads.running, 1U);
  EXPECT_TRUE(resolver().cancel(*patient));
  EXPECT_EQ(reactor().run(), 0);  // nothing is awaited any more
}

TEST_P(ResolverTest, AnAnswerInTimeEndsTheDeadline) {
  EXPECT_THAT(ask("localhost", "7000", {.family = AF_INET, .timeout = 3600s}),
              ElementsAre("127.0.0.1:7000"));
  EXPECT_EQ(reactor().run(), 0);
}

TEST_P(ResolverTest, CancelledItIsNotAnswered) {
  hold(EAI_AGAIN);
  const auto token = std::make_shared<int>(0);
  const auto id = resolver().resolve("slow.test", "7000",
                                     [token](const Result<ResolvedName>&) { ADD_FAILURE(); });
  ASSERT_TRUE(id);
  EXPECT_TRUE(run_until([&] { return resolver().stats().threads.running == 1; }));
  EXPECT_TRUE(resolver().cancel(*id));
  EXPECT_FALSE(resolver().cancel(*id));
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(reactor().run(), 0);
  gate->open();
  EXPECT_TRUE(run_until([&] { return is_idle(); }));
  run_turns();
}

TEST_P(ResolverTest, WhatIsReadyMayBeCancelledToo) {
  const auto id = resolver().resolve("127.0.0.1", "7000", count());
  ASSERT_TRUE(id);
  EXPECT_TRUE(resolver().cancel(*id));
  run_turns();
  EXPECT_EQ(answered, 0);
}

TEST_P(ResolverTest, MoreThanMayWaitAreRefused) {
  hold(EAI_AGAIN);
  resolver({.threads = 1, .queue = 1});
  EXPECT_TRUE(resolver().resolve("one.test", "7000", count()));
  EXPECT_TRUE(resolver().resolve("two.test", "7000", count()));
  const auto refused = resolver().resolve("three.test", "7000", count());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kOverLimit);
  EXPECT_TRUE(resolver().resolve("one.test", "7000", count())) << "an equal one needs no room";
  gate->open();
  EXPECT_TRUE(run_until([&] { return answered == 3; }));
}

// --- Equal ones

TEST_P(ResolverTest, EqualQuestionsAreAskedOnce) {
  hold(EAI_AGAIN);
  std::vector<ResolveId> ids;
  for (int i = 0; i < 5; ++i) {
    const auto id = resolver().resolve("slow.test", "7000", count());
    ASSERT_TRUE(id);
    ids.push_back(*id);
  }
  EXPECT_TRUE(resolver().resolve("slow.test", "7001", count()));
  EXPECT_EQ(resolver().stats().asked, 2U);
  EXPECT_EQ(resolver().stats().joined, 4U);
  EXPECT_TRUE(resolver().cancel(ids[0]));  // the others go on waiting
  gate->open();
  EXPECT_TRUE(run_until([&] { return answered == 5; }));
  EXPECT_EQ(plan().calls(SystemCall::kGetaddrinfo), 2U);
}

TEST_P(ResolverTest, OneOfSeveralMayLoseItsPatience) {
  hold(EAI_AGAIN);
  std::vector<std::error_code> codes;
  const auto note = [&](const Result<ResolvedName>& found) {
    codes.push_back(found.error().code());
  };
  EXPECT_TRUE(resolver().resolve("slow.test", "7000", {.timeout = 5ms}, note));
  EXPECT_TRUE(resolver().resolve("slow.test", "7000", {.timeout = 3600s}, note));
  EXPECT_EQ(resolver().stats().joined, 1U);
  EXPECT_TRUE(run_until([&] { return codes.size() == 1; }));
  EXPECT_EQ(codes[0], Errc::kTimedOut);
  gate->open();
  EXPECT_TRUE(run_until([&] { return codes.size() == 2; }));
  EXPECT_EQ(codes[1], std::error_code(EAI_AGAIN, name_category()));
}

// --- The cache

TEST_P(ResolverTest, WithoutACacheEachIsAskedAnew) {
  ask("localhost");
  ask("localhost");
  EXPECT_EQ(resolver().stats().asked, 2U);
}

TEST_P(ResolverTest, TheCacheAnswersForAsLongAsItMay) {
  resolver({.cache_entries = 4, .cache_life = 3600s});
  const Texts found = ask("localhost", "7000", {.family = AF_INET});
  EXPECT_EQ(ask("localhost", "7000", {.family = AF_INET}), found);
  EXPECT_EQ(resolver().stats().from_cache, 1U);
  EXPECT_EQ(resolver().stats().asked, 1U);
  advance(3601s);
  EXPECT_EQ(ask("localhost", "7000", {.family = AF_INET}), found);
  EXPECT_EQ(resolver().stats().asked, 2U);
  resolver().clear_cache();
  EXPECT_EQ(ask("localhost", "7000", {.family = AF_INET}), found);
  EXPECT_EQ(resolver().stats().asked, 3U);
}

TEST_P(ResolverTest, TheCacheHasABound) {
  resolver({.cache_entries = 2, .cache_life = 3600s});
  for (const char* port : {"1", "2", "3"}) ask("localhost", port);
  ask("localhost", "3");
  ask("localhost", "2");
  EXPECT_EQ(resolver().stats().from_cache, 2U);
  ask("localhost", "1");  // had made room
  EXPECT_EQ(resolver().stats().from_cache, 2U);
}

TEST_P(ResolverTest, FailuresAreCachedOnlyIfAskedFor) {
  for (const bool asked_for : {false, true}) {
    destroy_resolver();
    resolver({.cache_entries = 2, .cache_failures = asked_for});
    plan().fail(SystemCall::kGetaddrinfo, EAI_NONAME, {.times = kAlways});
    const Texts failure = ask("name.test");
    EXPECT_EQ(ask("name.test"), failure);
    EXPECT_EQ(resolver().stats().asked, asked_for ? 1U : 2U);
    plan().clear();
  }
}

// --- Lifetime

TEST_P(ResolverTest, DestroyedByACallback) {
  hold(EAI_AGAIN);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(resolver().resolve("slow.test", "7000", [&](const Result<ResolvedName>&) {
      ++answered;
      destroy_resolver();
    }));
  }
  gate->open();
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(answered, 1);
}

TEST_P(ResolverTest, DestroyedWithQuestionsInEveryState) {
  hold(EAI_AGAIN);
  resolver({.threads = 1});
  EXPECT_TRUE(resolver().resolve("one.test", "7000", {.timeout = 3600s}, count()));
  EXPECT_TRUE(resolver().resolve("two.test", "7000", {.timeout = 3600s}, count()));
  EXPECT_TRUE(resolver().resolve("127.0.0.1", "7000", count()));
  destroy_resolver();
  EXPECT_EQ(reactor().run(), 0);
  gate->open();
  run_turns();
  EXPECT_EQ(answered, 0);
}

TEST_P(ResolverTest, TheReactorMayGoFirst) {
  hold(EAI_AGAIN);
  EXPECT_TRUE(resolver().resolve("slow.test", "7000", {.timeout = 3600s}, count()));
  EXPECT_TRUE(resolver().resolve("127.0.0.1", "7000", count()));
  destroy_reactor();
  const auto late = resolver().resolve("slow.test", "7000", count());
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Errc::kClosed);
  destroy_resolver();
  EXPECT_EQ(answered, 0);
}

EDDY_ON_EVERY_CONFIGURATION(ResolverTest);

// --- Names of a simulated world: several addresses, slow and failing servers.

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
