// Signals as callbacks of the loop.
#include <signal.h>

#include "support/reactor_test.h"

namespace eddy::test {
namespace {

class WatchSignal : public ReactorTest {
 protected:
  static void (*disposition())(int) {
    struct sigaction action = {};
    sigaction(SIGUSR1, nullptr, &action);
    return action.sa_handler;
  }
  Result<Watch> count_signals() {
    return reactor().on_signal(SIGUSR1, [this](int64_t times) {
      ++calls_;
      arrivals_ += times;
    });
  }
  int calls_ = 0;
  int64_t arrivals_ = 0;
};
// The process's dispositions.
class WatchSignalOnLinux : public WatchSignal {};

TEST_P(WatchSignal, IsCounted) {
  ASSERT_EQ(disposition(), SIG_DFL);  // deadly, so the test ends here if it does not work
  auto watch = count_signals();
  ASSERT_TRUE(watch);
  for (int i = 0; i < 3; ++i) machine().raise(SIGUSR1);
  EXPECT_EQ(calls_, 0);
  EXPECT_TRUE(run_until([&] { return arrivals_ == 3; }));
  EXPECT_EQ(calls_, 1);
  machine().raise(SIGUSR1);
  EXPECT_TRUE(run_until([&] { return arrivals_ == 4; }));
  watch->close();
}

TEST_P(WatchSignal, EndsASleep) {
  auto watch = count_signals();
  ASSERT_TRUE(watch);
  reactor().before_sleep([] { machine().raise(SIGUSR1); });
  EXPECT_EQ(reactor().run_once(10s).value_or(0), 1U);
  EXPECT_EQ(arrivals_, 1);
  watch->close();
}

TEST_P(WatchSignalOnLinux, TheDispositionIsRestored) {
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  struct sigaction before = {};
  sigaction(SIGUSR1, &ignore, &before);
  auto watch = count_signals();
  ASSERT_TRUE(watch);
  EXPECT_NE(disposition(), SIG_IGN);
  watch->close();
  run_turns(3);
  EXPECT_EQ(disposition(), SIG_IGN);
  ASSERT_TRUE(count_signals());  // closed by the reactor's end
  EXPECT_NE(disposition(), SIG_IGN);
  destroy_reactor();
  EXPECT_EQ(disposition(), SIG_IGN);
  sigaction(SIGUSR1, &before, nullptr);
}

TEST_P(WatchSignal, SeveralListenersHearIt) {
  Reactor other(kernel(), reactor_options);
  int64_t others = 0;
  ASSERT_TRUE(other.on_signal(SIGUSR1, [&](int64_t times) { others += times; }));
  auto watch = count_signals();
  ASSERT_TRUE(watch);
  machine().raise(SIGUSR1);
  EXPECT_TRUE(run_until([&] {
    EXPECT_TRUE(other.run_once(0ns));
    return arrivals_ == 1 && others == 1;
  }));
  watch->close();
}

TEST_P(WatchSignalOnLinux, TheDispositionStaysForWhoeverIsLeft) {
  Reactor other(kernel(), reactor_options);
  ASSERT_TRUE(other.on_signal(SIGUSR1, [](int64_t) {}));
  auto watch = count_signals();
  ASSERT_TRUE(watch);
  watch->close();
  run_turns(3);
  EXPECT_NE(disposition(), SIG_DFL);
}

TEST_P(WatchSignal, ASignalThatCannotBeCaughtIsRefused) {
  for (const int number : {SIGKILL, 0, 1000}) {
    const auto refused = reactor().on_signal(number, [](int64_t) {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), std::errc::invalid_argument);
    EXPECT_NE(refused.error().message().find(std::to_string(number)), std::string::npos);
  }
}

EDDY_ON_EVERY_CONFIGURATION(WatchSignal);
TEST_P(WatchSignal, WhatNoLoopCanWatchIsRefused) {
  for (const int number : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    const auto refused = reactor().on_signal(number, [](int64_t) {});
    ASSERT_FALSE(refused) << number;
    EXPECT_EQ(refused.error().code(), std::errc::invalid_argument);
    EXPECT_FALSE(refused.error().advice().empty());
  }
}

EDDY_ON_EVERY_REAL_CONFIGURATION(WatchSignalOnLinux);

}  // namespace
}  // namespace eddy::test
