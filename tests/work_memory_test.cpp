// Work on other threads where memory runs out: each allocation of the loop's thread fails in its
// turn, until a run in which none is left. What was accepted is answered, once, if only by an
// error; what was not is an error at the call.
#include <eddy/core/reactor.h>
#include <eddy/core/work_pool.h>
#include <eddy/net/process.h>
#include <eddy/net/resolver.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "support/allocations.h"
#include "support/reactor_test.h"

namespace eddy::test {
namespace {

class WorkMemory : public ReactorTest {
 public:
  // The play is armed while it runs, and so is the loop until nothing is left to be done.
  void fail_each(const std::function<void()>& play) {
    size_t failures = 0;
    for (bool failed = true; failed; failures += failed ? 1 : 0) {
      accepted = answered = 0;
      fail_allocation(failures);
      arm_allocation_failure(true);
      play();
      const int status = reactor().run();
      arm_allocation_failure(false);
      failed = allocation_has_failed();
      EXPECT_EQ(status, 0);
      EXPECT_EQ(answered, accepted) << "where allocation " << failures << " failed";
    }
    EXPECT_GT(failures, 0U);
    EXPECT_GT(accepted, 0) << "without a failure";
  }

  int accepted = 0;
  int answered = 0;
};

TEST_P(WorkMemory, OfAPool) {
  reactor().run();
  std::optional<WorkPool> pool;
  fail_each([&] {
    pool.emplace(reactor());
    for (int i = 0; i < 3; ++i) {
      if (pool->run([] { return 1; }, [&](int one) { answered += one; })) ++accepted;
    }
  });
}

TEST_P(WorkMemory, OfAResolver) {
  reactor().run();
  std::optional<Resolver> resolver;
  fail_each([&] {
    resolver.emplace(reactor(), ResolverOptions{.cache_entries = 1});
    for (const char* name : {"127.0.0.1", "localhost", "localhost", "::1"}) {
      const auto id = resolver->resolve(name, "7000", {.timeout = 3600s},
                                        [&](const Result<ResolvedName>&) { ++answered; });
      if (id) ++accepted;
    }
  });
}

TEST_P(WorkMemory, OfAChildProcess) {
  reactor().run();
  fail_each([&] {
    arm_allocation_failure(false);  // what the test makes
    ProcessOptions options{.command = {"true"},
                           .input = ChildEnd::pipe({}),
                           .output = ChildEnd::pipe({}),
                           .on_exit = [&](const ExitStatus&) { ++answered; }};
    arm_allocation_failure(true);
    if (Process::start(reactor(), std::move(options))) ++accepted;
  });
}

// A simulated kernel would fail as well: its memory is of the same thread.
EDDY_ON_EVERY_REAL_CONFIGURATION(WorkMemory);

}  // namespace
}  // namespace eddy::test
