// The fixture of every suite of the contract: a reactor of the configuration under test, and the
// check that it leaves nothing behind.
#pragma once

#include <eddy/core/reactor.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>

#include "configurations.h"
#include "descriptors.h"
#include "machine.h"

namespace eddy::test {

using namespace std::chrono_literals;  // NOLINT: for tests

// Reached only by a failure.
inline constexpr std::chrono::seconds kDeadline{20};

class ReactorTest : public testing::TestWithParam<Configuration> {
 private:
  Machine machine_{GetParam().simulated};  // before all else, and gone after it

 protected:
  // What the reactor runs on.
  virtual Kernel& kernel() { return plain_kernel(); }
  // Options of the reactor, to be changed before its first use.
  ReactorOptions reactor_options = GetParam().options;

  Reactor& reactor() {
    if (!reactor_) {
      reactor_.emplace(kernel(), reactor_options);
      EXPECT_FALSE(reactor_->error()) << reactor_->error()->message();
      idle_slots_ = reactor_->stats().slots;
    }
    return *reactor_;
  }
  void destroy_reactor() { reactor_.reset(); }

  // Of the machine: a test that has its reactor's clock jump does not jump itself.
  static TimePoint now() { return machine().now(); }

  bool is_epoll() { return reactor().backend().kind == BackendKind::kEpoll; }
  Counters counters() { return reactor().stats().counters; }

  // Turns until the condition holds; false when it does not come to hold. Between turns the
  // condition may drive peers, so no turn waits for long, and none does while something happens.
  bool run_until(const std::function<bool()>& condition,
                 std::chrono::nanoseconds within = kDeadline) {
    const TimePoint deadline = now() + within;
    for (int quiet_turns = 0; !condition();) {
      if (now() > deadline) return false;
      const auto events = reactor().run_once(quiet_turns > 2 ? 1ms : 0ms);
      if (!events) return false;
      quiet_turns = *events == 0 ? quiet_turns + 1 : 0;
    }
    return true;
  }

  // Takes in what the kernel has ready: enough for anything that has arrived already to be told.
  void run_turns(int count = 20) {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(reactor().run_once(0ns));
  }

  // Turns that only events begin. A loop that spins makes thousands.
  uint64_t turns_during(std::chrono::milliseconds time) {
    const uint64_t before = counters().turns;
    const TimePoint began = now();
    for (auto passed = 0ns; passed < time; passed = now() - began) {
      EXPECT_TRUE(reactor().run_once(time - passed));
    }
    return counters().turns - before;
  }

  // Signals and the like may wake a loop now and then.
  void expect_no_spin() { EXPECT_LT(turns_during(50ms), 200U); }

  // What the test made is gone; what is left closes now.
  void expect_baseline() {
    EXPECT_TRUE(run_until([&] { return reactor().stats().slots == idle_slots_; }))
        << "slots: " << reactor().stats().slots << ", idle: " << idle_slots_;
    // The kernel may still read what a zero-copy send gave it.
    EXPECT_TRUE(run_until([&] { return reactor().stats().pinned_bytes == 0; }))
        << "pinned bytes: " << reactor().stats().pinned_bytes;
    const ReactorStats stats = reactor().stats();
    EXPECT_LE(stats.timers, 2U);  // the reactor's own, which tend the ring
    EXPECT_EQ(reactor().timers().referenced(), 0U);
    EXPECT_EQ(reactor().operations().in_flight(), idle_slots_);
  }

  void TearDown() override {
    if (reactor_ && !reactor_->error()) expect_baseline();
    reactor_.reset();
    EXPECT_EQ(machine().open_descriptors(), descriptors_at_start_);
    EXPECT_EQ(machine().violation(), "");
  }

 private:
  const size_t descriptors_at_start_ = machine().open_descriptors();
  std::optional<Reactor> reactor_;
  size_t idle_slots_ = 0;
};

}  // namespace eddy::test
