// One look-up that answers several questions: equal ones at once, and, by the cache, later ones.
#include <eddy/net/resolver.h>
#include <netdb.h>

#include <string>
#include <system_error>
#include <vector>

#include "support/resolver_test.h"

namespace eddy::test {
namespace {

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

}  // namespace
}  // namespace eddy::test
