// Questions about names and addresses: their answers, what is refused, what fails, and what becomes
// of those that wait. resolver_cache_test.cpp has answers that serve several questions.
#include <eddy/net/resolver.h>
#include <errno.h>
#include <gmock/gmock.h>
#include <netdb.h>

#include <memory>
#include <optional>
#include <string>

#include "support/resolver_test.h"

namespace eddy::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

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

// Those of resolver_cache_test.cpp too.
EDDY_ON_EVERY_CONFIGURATION(ResolverTest);

}  // namespace
}  // namespace eddy::test
