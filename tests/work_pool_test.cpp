#include <eddy/core/faulty_kernel.h>
#include <eddy/core/work_pool.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/gate.h"
#include "support/reactor_test.h"

// TSan ends a child of fork(2) that makes threads, unless it is told not to.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }  // NOLINT: its name

namespace eddy::test {
namespace {

class WorkPoolTest : public ReactorTest {
 public:
  Kernel& kernel() override { return faulty_; }
  FaultyKernel& faulty() { return faulty_; }

  WorkPool& pool(const WorkPoolOptions& options = {}) {
    if (!pool_) pool_.emplace(reactor(), options);
    return *pool_;
  }
  void destroy_pool() { pool_.reset(); }
  bool run_until_idle() {
    return run_until([&] { return pool().stats().queued + pool().stats().running == 0; });
  }

  void TearDown() override {
    gate->open();
    destroy_pool();
    ReactorTest::TearDown();
  }

  // Work may outlive the test that it was given in.
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();

 private:
  FaultyKernel faulty_{plain_kernel()};
  std::optional<WorkPool> pool_;
};

TEST_P(WorkPoolTest, WorkIsDoneElsewhereAndAnsweredOnTheLoop) {
  const uint64_t loops_thread = kernel().thread_id();
  uint64_t works_thread = loops_thread;
  int answered = 0;
  const auto id = pool().run([&] { return kernel().thread_id(); },
                             [&](uint64_t thread) {
                               EXPECT_EQ(kernel().thread_id(), loops_thread);
                               works_thread = thread;
                               ++answered;
                             });
  ASSERT_TRUE(id) << id.error().message();
  EXPECT_EQ(answered, 0);
  EXPECT_TRUE(run_until([&] { return answered != 0; }));
  EXPECT_NE(works_thread, loops_thread);
  EXPECT_EQ(pool().stats().answered, 1U);
  EXPECT_FALSE(pool().cancel(*id));
  run_turns();
  EXPECT_EQ(answered, 1);
}

TEST_P(WorkPoolTest, WhatIsOnlyMovedAndWhatIsNothing) {
  std::unique_ptr<int> answer;
  bool done = false;
  auto question = std::make_unique<int>(6);
  EXPECT_TRUE(
      pool().run([question = std::move(question)] { return std::make_unique<int>(*question * 7); },
                 [&, token = std::make_unique<int>(1)](std::unique_ptr<int> product) {
                   answer = std::move(product);
                 }));
  EXPECT_TRUE(pool().run([] {}, [&] { done = true; }));
  EXPECT_TRUE(run_until([&] { return answer != nullptr && done; }));
  EXPECT_EQ(*answer, 42);
}

TEST_P(WorkPoolTest, NoMoreThanItsThreadsWorkAtOnce) {
  constexpr size_t kPieces = 12;
  pool({.threads = 3});
  size_t answered = 0;
  for (size_t i = 0; i < kPieces; ++i) {
    EXPECT_TRUE(pool().run([gate = gate] { return gate->pass(); },
                           [&](bool passed) { answered += passed; }));
  }
  EXPECT_TRUE(run_until([&] { return pool().stats().running == 3; }));
  run_turns();
  EXPECT_EQ(pool().stats().running, 3U);
  EXPECT_EQ(pool().stats().queued, kPieces - 3);
  gate->open();
  EXPECT_TRUE(run_until([&] {
    EXPECT_LE(pool().stats().running, 3U);
    return answered == kPieces;
  }));
}

TEST_P(WorkPoolTest, OneThreadWorksInTheOrderOfAsking) {
  constexpr int kPieces = 200;
  pool({.threads = 1});
  std::vector<int> worked, answered;
  for (int i = 0; i < kPieces; ++i) {
    EXPECT_TRUE(pool().run([&, i] { return worked.emplace_back(i); },
                           [&](int number) { answered.push_back(number); }));
  }
  EXPECT_TRUE(run_until([&] { return answered.size() == kPieces; }));
  EXPECT_EQ(worked, answered);
  EXPECT_TRUE(std::ranges::is_sorted(answered));
}

TEST_P(WorkPoolTest, AFullQueueRefusesAtOnce) {
  pool({.threads = 1, .queue = 2});
  int answered = 0;
  const auto give = [&] {
    return pool().run([gate = gate] { return gate->pass(); },
                      [&](bool passed) { answered += passed ? 1 : 0; });
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(give());
  const auto refused = give();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kOverLimit);
  EXPECT_EQ(pool().stats().refused, 1U);
  gate->open();
  EXPECT_TRUE(run_until([&] { return answered == 3; }));
  EXPECT_TRUE(give());
  EXPECT_TRUE(run_until([&] { return answered == 4; }));
}

TEST_P(WorkPoolTest, CancelledInTheQueueItIsDropped) {
  pool({.threads = 1});
  const auto token = std::make_shared<int>(0);
  std::atomic<bool> worked = false;
  EXPECT_TRUE(pool().run([gate = gate] { gate->pass(); }, [] {}));
  const auto id = pool().run([&, token] { worked = true; }, [token] { ADD_FAILURE(); });
  ASSERT_TRUE(id);
  EXPECT_TRUE(pool().cancel(*id));
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_FALSE(pool().cancel(*id));
  gate->open();
  EXPECT_TRUE(run_until_idle());
  run_turns();
  EXPECT_FALSE(worked);
  EXPECT_EQ(pool().stats().cancelled, 1U);
}

TEST_P(WorkPoolTest, CancelledWhileItRunsItIsNotAnswered) {
  const auto in_work = std::make_shared<int>(0);
  const auto in_done = std::make_shared<int>(0);
  const auto id = pool().run([in_work, gate = gate] { return gate->pass(); },
                             [in_done](bool) { ADD_FAILURE(); });
  ASSERT_TRUE(id);
  EXPECT_TRUE(run_until([&] { return pool().stats().running == 1; }));
  EXPECT_TRUE(pool().cancel(*id));
  EXPECT_FALSE(pool().cancel(*id));
  EXPECT_EQ(in_done.use_count(), 1);
  EXPECT_EQ(in_work.use_count(), 2);
  gate->open();
  EXPECT_TRUE(run_until([&] { return in_work.use_count() == 1; }));
  run_turns();
}

TEST_P(WorkPoolTest, AnAnswerThatIsThereMayBeCancelledByAnother) {
  pool({.threads = 1});
  std::vector<WorkId> ids;
  int answered = 0;
  for (int i = 0; i < 2; ++i) {
    const auto id = pool().run([] {},
                               [&] {
                                 ++answered;
                                 EXPECT_TRUE(pool().cancel(ids[1]));
                               });
    ASSERT_TRUE(id);
    ids.push_back(*id);
  }
  if (!machine().is_simulated()) {
    // Both are done before the loop looks.
    while (pool().stats().queued + pool().stats().running != 0) std::this_thread::yield();
  }
  EXPECT_TRUE(run_until([&] { return answered != 0; }));
  run_turns();
  EXPECT_EQ(answered, 1);
}

TEST_P(WorkPoolTest, RunReturnsWhenTheLastAnswerHasCome) {
  int answered = 0;
  EXPECT_TRUE(pool().run([] {},
                         [&] {
                           ++answered;
                           EXPECT_TRUE(
                               pool().run([] { machine().block(2ms); }, [&] { ++answered; }));
                         }));
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(answered, 2);
}

TEST_P(WorkPoolTest, WhatIsCancelledKeepsNoLoopRunning) {
  const auto id = pool().run([gate = gate] { gate->pass(); }, [] { ADD_FAILURE(); });
  ASSERT_TRUE(id);
  reactor().start_timer(1ms, [&] { EXPECT_TRUE(pool().cancel(*id)); });
  const TimePoint began = now();
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_LT(now() - began, machine().is_simulated() ? 1s : 10s);  // the gate is shut for longer
}

TEST_P(WorkPoolTest, DestroyedWithWorkInEveryState) {
  const auto token = std::make_shared<int>(0);
  pool({.threads = 2});
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(pool().run([token, gate = gate] { return gate->pass(); },
                           [token](bool) { ADD_FAILURE(); }));
  }
  EXPECT_TRUE(run_until([&] { return pool().stats().running == 2; }));
  destroy_pool();
  EXPECT_EQ(token.use_count(), 3);  // the two that run have theirs
  EXPECT_EQ(reactor().run(), 0);
  gate->open();
  EXPECT_TRUE(run_until([&] { return token.use_count() == 1; }));
}

TEST_P(WorkPoolTest, DestroyedByAnAnswer) {
  pool({.threads = 1});
  int answered = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(pool().run([] {},
                           [&] {
                             ++answered;
                             destroy_pool();
                           }));
  }
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(answered, 1);
}

TEST_P(WorkPoolTest, TheReactorMayGoFirst) {
  const auto token = std::make_shared<int>(0);
  EXPECT_TRUE(
      pool().run([token, gate = gate] { return gate->pass(); }, [token](bool) { ADD_FAILURE(); }));
  EXPECT_TRUE(run_until([&] { return pool().stats().running == 1; }));
  destroy_reactor();
  EXPECT_EQ(token.use_count(), 2);
  EXPECT_EQ(pool().reactor(), nullptr);
  const auto late = pool().run([] {}, [] {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Errc::kClosed);
  gate->open();
  const TimePoint deadline = now() + kDeadline;
  while (token.use_count() != 1 && now() < deadline) machine().pass(1ms);
  EXPECT_EQ(token.use_count(), 1);
}

TEST_P(WorkPoolTest, WithoutAThreadItIsAnError) {
  pool();
  faulty().plan().fail(SystemCall::kRunElsewhere, EAGAIN, {.times = 1});
  const auto token = std::make_shared<int>(0);
  const auto refused = pool().run([token] {}, [] { ADD_FAILURE(); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), std::errc::resource_unavailable_try_again);
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(pool().stats().refused, 1U);
  bool done = false;
  EXPECT_TRUE(pool().run([] {}, [&] { done = true; }));
  EXPECT_TRUE(run_until([&] { return done; }));
}

TEST_P(WorkPoolTest, WithFewerThreadsThanItMayHaveItGoesOn) {
  pool({.threads = 4});
  faulty().plan().fail(SystemCall::kRunElsewhere, EAGAIN, {.after = 1, .times = kAlways});
  int answered = 0;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(pool().run([gate = gate] { return gate->pass(); }, [&](bool) { ++answered; }));
  }
  gate->open();
  EXPECT_TRUE(run_until([&] { return answered == 5; }));
}

TEST_P(WorkPoolTest, ManyAnswers) {
  constexpr int kPieces = 3'000;
  pool({.threads = 4, .queue = 64});
  int given = 0;
  int answered = 0;
  EXPECT_TRUE(run_until([&] {
    while (given < kPieces && pool().run([n = given] { return n; }, [&](int) { ++answered; })) {
      ++given;
    }
    return answered == kPieces;
  }));
  EXPECT_EQ(pool().stats().answered, static_cast<uint64_t>(kPieces));
}

EDDY_ON_EVERY_CONFIGURATION(WorkPoolTest);

// Signals, fork and the names of threads are Linux's alone.
class WorkPoolOnLinux : public WorkPoolTest {};

TEST_P(WorkPoolOnLinux, ItsThreadsHaveANameAndTakeNoSignal) {
  struct Seen {
    std::string name;
    bool takes_term = true;
  };
  Seen seen;
  EXPECT_TRUE(pool().run(
      [] {
        char name[16] = "";
        pthread_getname_np(pthread_self(), name, sizeof name);
        sigset_t blocked;
        pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
        return Seen{name, sigismember(&blocked, SIGTERM) == 0};
      },
      [&](Seen found) { seen = std::move(found); }));
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(seen.name, "eddy-work");
  EXPECT_FALSE(seen.takes_term);
}

// The first of two that run is let go of, and with it what it is answered to: meanwhile the second
// ends.
TEST_P(WorkPoolOnLinux, DestroyedWhileWorkEnds) {
  struct EndsTheOther {
    std::shared_ptr<Gate> gate;
    std::shared_ptr<std::atomic<bool>> other_has_ended;
    ~EndsTheOther() {
      gate->open();
      while (!*other_has_ended) std::this_thread::yield();
      for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
    }
  };
  for (int round = 0; round < 10; ++round) {
    auto its_gate = std::make_shared<Gate>();
    const auto ended = std::make_shared<std::atomic<bool>>(false);
    std::optional<WorkPool> passing(std::in_place, reactor(), WorkPoolOptions{.threads = 2});
    ASSERT_TRUE(passing->run([its_gate] { its_gate->pass(); },
                             [held = std::make_shared<EndsTheOther>(its_gate, ended)] { FAIL(); }));
    ASSERT_TRUE(passing->run(
        [its_gate, ended] {
          its_gate->pass();
          *ended = true;
        },
        [] { FAIL(); }));
    ASSERT_TRUE(run_until([&] { return passing->stats().running == 2; }));
    passing.reset();
    run_turns(1);
  }
}

TEST_P(WorkPoolOnLinux, AForkedChildMakesItsOwn) {
  EXPECT_TRUE(pool().run([] {}, [] {}));
  EXPECT_EQ(reactor().run(), 0);  // a thread idles now
  const pid_t child = fork();
  if (child == 0) {
    Reactor of_child(reactor_options);
    WorkPool pool_of_child(of_child);
    int answered = 0;
    const bool given = pool_of_child.run([] {}, [&] { ++answered; }).has_value();
    _exit(given && of_child.run() == 0 && answered == 1 ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

EDDY_ON_EVERY_REAL_CONFIGURATION(WorkPoolOnLinux);

}  // namespace
}  // namespace eddy::test
