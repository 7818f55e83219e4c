#include <eddy/core/timer_wheel.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

bool memory_is_out = false;

}  // namespace

// The wheel's blocks are the only aligned allocations here.
void* operator new(std::size_t size, std::align_val_t alignment) {
  if (memory_is_out) throw std::bad_alloc();
  return std::aligned_alloc(static_cast<std::size_t>(alignment), size);
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace eddy {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr TimePoint kStart{hours(1000)};

class TimerWheelTest : public testing::Test {
 protected:
  // A callback that notes that it ran.
  TimerCallback note(int name) {
    return [this, name] { fired_.push_back(name); };
  }
  // Timers named from 0, each a step after the one before.
  std::vector<TimerId> start_many(std::size_t count, TimePoint first, nanoseconds step) {
    std::vector<TimerId> ids(count);
    for (std::size_t i = 0; i < count; ++i) {
      ids[i] = wheel_.start(first + step * i, note(static_cast<int>(i)));
    }
    return ids;
  }
  // What fires at `now`, in order.
  std::vector<int> fired_at(TimePoint now) {
    fired_.clear();
    const std::size_t count = wheel_.expire(now);
    EXPECT_EQ(count, fired_.size());
    return fired_;
  }
  // Sleeps as a loop does, until a timer fires: how often it woke up.
  int wake_ups_until_one_fires() {
    for (int wake_ups = 1;; ++wake_ups) {
      if (wheel_.expire(*wheel_.next_deadline()) > 0) return wake_ups;
    }
  }

  TimerWheel wheel_{kStart};
  std::vector<int> fired_;
};

TEST_F(TimerWheelTest, FiresAtItsDeadlineAndNotANanosecondBefore) {
  for (std::int64_t timeout_ns = 1; timeout_ns < hours(100'000) / nanoseconds(1); timeout_ns *= 7) {
    TimerWheel wheel(kStart);
    int fired = 0;
    const TimePoint deadline = kStart + nanoseconds(timeout_ns);
    wheel.start(deadline, [&fired] { ++fired; });
    EXPECT_EQ(wheel.next_deadline(), deadline);
    EXPECT_EQ(wheel.expire(deadline - nanoseconds(1)), 0);
    EXPECT_EQ(wheel.next_deadline(), deadline);
    EXPECT_EQ(fired, 0);
    EXPECT_EQ(wheel.expire(deadline), 1);
    EXPECT_EQ(fired, 1);
    EXPECT_EQ(wheel.next_deadline(), std::nullopt);
  }
}

TEST_F(TimerWheelTest, FiresInTheOrderOfDeadlinesAndThenOfStarts) {
  for (int i = 0; i < 40; ++i) wheel_.start(kStart + seconds(2), note(100 + i));
  wheel_.start(kStart + nanoseconds(2'000'000'001), note(3));
  wheel_.start(kStart + seconds(1), note(1));
  wheel_.start(kStart + nanoseconds(1'000'000'001), note(2));
  std::vector<int> expected{1, 2};
  for (int i = 0; i < 40; ++i) expected.push_back(100 + i);
  expected.push_back(3);
  EXPECT_EQ(fired_at(kStart + seconds(60)), expected);
}

TEST_F(TimerWheelTest, RestartedTimerComesAfterThoseOfTheSameDeadline) {
  const TimePoint deadline = kStart + seconds(1);
  const TimerId first = wheel_.start(deadline, note(1));
  wheel_.start(deadline, note(2));
  EXPECT_TRUE(wheel_.restart(first, deadline));
  EXPECT_THAT(fired_at(deadline), ElementsAre(2, 1));
}

TEST_F(TimerWheelTest, OverdueTimersFireAtOnceAndInOrder) {
  wheel_.start(kStart, note(2));
  wheel_.start(kStart - seconds(5), note(1));
  wheel_.start(TimePoint::min(), note(0));
  EXPECT_THAT(fired_at(kStart), ElementsAre(0, 1, 2));
}

TEST_F(TimerWheelTest, TimeThatGoesBackFiresNothingEarly) {
  wheel_.start(kStart + seconds(1), note(1));
  EXPECT_THAT(fired_at(kStart + seconds(2)), ElementsAre(1));
  wheel_.start(kStart + nanoseconds(1'500'000'000), note(2));
  EXPECT_THAT(fired_at(kStart + seconds(1)), IsEmpty());
  EXPECT_EQ(wheel_.next_deadline(), kStart + nanoseconds(1'500'000'000));
  EXPECT_THAT(fired_at(kStart + nanoseconds(1'500'000'000)), ElementsAre(2));
}

TEST_F(TimerWheelTest, TheFarthestDeadlineIsKept) {
  const TimerId never = wheel_.start(TimePoint::max(), note(1));
  EXPECT_EQ(wheel_.next_deadline(), TimePoint::max());
  EXPECT_THAT(fired_at(TimePoint::max() - nanoseconds(1)), IsEmpty());
  EXPECT_EQ(wheel_.deadline(never), TimePoint::max());
  EXPECT_THAT(fired_at(TimePoint::max()), ElementsAre(1));
}

TEST_F(TimerWheelTest, CancelledTimerNeverFires) {
  const TimerId id = wheel_.start(kStart + seconds(1), note(1));
  wheel_.start(kStart + seconds(1), note(2));
  EXPECT_TRUE(wheel_.cancel(id));
  EXPECT_FALSE(wheel_.cancel(id));
  EXPECT_THAT(fired_at(kStart + seconds(1)), ElementsAre(2));
}

TEST_F(TimerWheelTest, CancelledByACallbackOfTheSameExpireNeverFires) {
  std::vector<TimerId> ids(3);
  wheel_.start(kStart, [&] {
    for (const TimerId id : ids) EXPECT_TRUE(wheel_.cancel(id));
    note(1)();
  });
  ids[0] = wheel_.start(kStart, note(2));
  wheel_.start(kStart, note(3));
  ids[1] = wheel_.start(kStart, note(4));
  ids[2] = wheel_.start(kStart + seconds(9), note(5));
  EXPECT_THAT(fired_at(kStart), ElementsAre(1, 3));
  EXPECT_EQ(wheel_.size(), 0);
}

TEST_F(TimerWheelTest, StartedByACallbackFiresInTheNextExpire) {
  std::function<void()> again = [&] {
    fired_.push_back(1);
    wheel_.start(kStart - seconds(1), [&] { again(); });
    EXPECT_LE(*wheel_.next_deadline(), kStart);
  };
  wheel_.start(kStart, [&] { again(); });
  wheel_.start(kStart, note(2));
  EXPECT_THAT(fired_at(kStart), ElementsAre(1, 2));
  EXPECT_THAT(fired_at(kStart), ElementsAre(1));
  EXPECT_THAT(fired_at(kStart), ElementsAre(1));
}

TEST_F(TimerWheelTest, RestartedByACallbackFiresInALaterExpire) {
  TimerId later;
  TimerId again;
  TimerId earlier;
  wheel_.start(kStart, [&] {
    wheel_.restart(later, kStart + seconds(2));
    wheel_.restart(again, kStart + seconds(1));
    wheel_.restart(earlier, kStart - seconds(1));
  });
  later = wheel_.start(kStart + milliseconds(1), note(1));
  again = wheel_.start(kStart + milliseconds(1), note(2));
  earlier = wheel_.start(kStart + milliseconds(1), note(3));
  EXPECT_EQ(wheel_.expire(kStart + seconds(1)), 1);
  EXPECT_THAT(fired_at(kStart + seconds(1)), ElementsAre(3, 2));
  EXPECT_EQ(wheel_.next_deadline(), kStart + seconds(2));
  EXPECT_THAT(fired_at(kStart + seconds(2)), ElementsAre(1));
}

TEST_F(TimerWheelTest, OneShotIsArmedAgainByItsOwnCallback) {
  TimerId id;
  id = wheel_.start(kStart, [&] {
    fired_.push_back(1);
    EXPECT_EQ(wheel_.deadline(id), std::nullopt);
    if (fired_.size() == 3) return;
    EXPECT_TRUE(wheel_.restart(id, kStart + seconds(fired_.size())));
  });
  EXPECT_EQ(wheel_.expire(kStart), 1);
  EXPECT_EQ(wheel_.next_deadline(), kStart + seconds(1));
  EXPECT_EQ(wheel_.expire(kStart + seconds(1)), 1);
  EXPECT_EQ(wheel_.expire(kStart + seconds(2)), 1);
  EXPECT_EQ(wheel_.size(), 0);
  EXPECT_FALSE(wheel_.restart(id, kStart + seconds(3)));
}

TEST_F(TimerWheelTest, CancelsItselfInItsOwnCallback) {
  for (const nanoseconds period : {nanoseconds(0), nanoseconds(1)}) {
    auto captured = std::make_shared<int>(0);
    TimerId id;
    id = wheel_.start(kStart,
                      [&, captured] {
                        EXPECT_TRUE(wheel_.cancel(id));
                        EXPECT_FALSE(wheel_.cancel(id));
                        // Its place may have a new timer at once; what it captured lives on until
                        // it returns.
                        wheel_.start(kStart + seconds(1), note(1));
                        ++*captured;
                      },
                      {.period = period});
    EXPECT_EQ(wheel_.expire(kStart), 1);
    EXPECT_EQ(*captured, 1);
    EXPECT_EQ(captured.use_count(), 1);
  }
  EXPECT_THAT(fired_at(kStart + seconds(2)), ElementsAre(1, 1));
}

TEST_F(TimerWheelTest, StaleIdIsHarmlessWhenItsPlaceIsTaken) {
  const TimerId old = wheel_.start(kStart + seconds(1), note(1));
  wheel_.cancel(old);
  const TimerId young = wheel_.start(kStart + seconds(1), note(2));
  ASSERT_EQ(old.index, young.index);
  EXPECT_FALSE(wheel_.cancel(old));
  EXPECT_FALSE(wheel_.restart(old, kStart));
  EXPECT_FALSE(wheel_.unref(old));
  EXPECT_EQ(wheel_.deadline(old), std::nullopt);
  EXPECT_FALSE(wheel_.cancel(TimerId{}));
  EXPECT_FALSE(wheel_.cancel({.index = 1'000'000, .generation = 1}));
  EXPECT_THAT(fired_at(kStart + seconds(1)), ElementsAre(2));
  EXPECT_FALSE(wheel_.cancel(young));
}

TEST_F(TimerWheelTest, RepeatingTimerKeepsItsPhaseOverAStallWithoutABurst) {
  const TimerId id = wheel_.start(kStart + milliseconds(3), note(1), {.period = milliseconds(10)});
  EXPECT_THAT(fired_at(kStart + milliseconds(4)), ElementsAre(1));
  EXPECT_EQ(wheel_.next_deadline(), kStart + milliseconds(13));
  EXPECT_EQ(wheel_.missed_periods(id), 0);
  EXPECT_THAT(fired_at(kStart + milliseconds(13 + 999)), ElementsAre(1));
  EXPECT_EQ(wheel_.missed_periods(id), 99);
  EXPECT_EQ(wheel_.next_deadline(), kStart + milliseconds(13 + 1000));
  EXPECT_THAT(fired_at(kStart + milliseconds(13 + 1000)), ElementsAre(1));
  EXPECT_EQ(wheel_.missed_periods(id), 99);
}

TEST_F(TimerWheelTest, RepeatingTimerTakesANewPhaseFromRestart) {
  TimerId id;
  id = wheel_.start(kStart,
                    [&] {
                      if (fired_.empty()) wheel_.restart(id, kStart + seconds(5));
                      fired_.push_back(1);
                    },
                    {.period = seconds(2)});
  EXPECT_EQ(wheel_.expire(kStart), 1);
  EXPECT_EQ(wheel_.next_deadline(), kStart + seconds(5));
  EXPECT_EQ(wheel_.expire(kStart + seconds(5)), 1);
  EXPECT_EQ(wheel_.next_deadline(), kStart + seconds(7));
}

TEST_F(TimerWheelTest, APeriodBeyondTheEndOfTimeDoesNotWrap) {
  wheel_.start(kStart, note(1), {.period = nanoseconds::max()});
  EXPECT_THAT(fired_at(kStart), ElementsAre(1));
  EXPECT_EQ(wheel_.next_deadline(), TimePoint::max());
}

TEST_F(TimerWheelTest, CapturesAreDestroyedWithTheirTimerAndMayUseTheWheel) {
  struct Cancels {
    TimerWheel* wheel;
    TimerId id;
    Cancels(TimerWheel& its_wheel, TimerId its_id) : wheel(&its_wheel), id(its_id) {}
    ~Cancels() { wheel->cancel(id); }
    Cancels(const Cancels&) = delete;
    Cancels& operator=(const Cancels&) = delete;
  };
  std::vector<int> fired;
  {
    TimerWheel wheel(kStart);
    const auto start_pair = [&](TimePoint deadline, int name) {
      const TimerId other =
          wheel.start(kStart + seconds(9), [&fired, name] { fired.push_back(-name); });
      return wheel.start(deadline, [&fired, name, both = std::make_unique<Cancels>(wheel, other)] {
        fired.push_back(name);
      });
    };
    start_pair(kStart, 1);
    const TimerId second = start_pair(kStart + seconds(1), 2);
    start_pair(kStart + seconds(1), 3);
    EXPECT_EQ(wheel.expire(kStart), 1);
    EXPECT_EQ(wheel.size(), 4);
    EXPECT_TRUE(wheel.cancel(second));
    EXPECT_EQ(wheel.size(), 2);
  }
  EXPECT_THAT(fired, ElementsAre(1));
}

TEST_F(TimerWheelTest, CountsArmedAndReferencedTimers) {
  const TimerId one = wheel_.start(kStart + seconds(1), note(1));
  const TimerId two = wheel_.start(kStart + seconds(2), note(2), {.referenced = false});
  EXPECT_EQ(wheel_.size(), 2);
  EXPECT_EQ(wheel_.referenced(), 1);
  EXPECT_TRUE(wheel_.ref(two));
  EXPECT_TRUE(wheel_.ref(two));
  EXPECT_EQ(wheel_.referenced(), 2);
  EXPECT_TRUE(wheel_.unref(one));
  EXPECT_EQ(wheel_.referenced(), 1);
  wheel_.expire(kStart + seconds(1));
  EXPECT_EQ(wheel_.size(), 1);
  EXPECT_EQ(wheel_.referenced(), 1);
  wheel_.cancel(two);
  EXPECT_EQ(wheel_.referenced(), 0);
}

TEST_F(TimerWheelTest, OneShotDoesNotCountInItsOwnCallback) {
  TimerId id;
  id = wheel_.start(kStart, [&] {
    EXPECT_EQ(wheel_.size(), 0);
    EXPECT_EQ(wheel_.referenced(), 0);
    EXPECT_TRUE(wheel_.unref(id));
    wheel_.restart(id, kStart + seconds(1));
    EXPECT_EQ(wheel_.size(), 1);
    EXPECT_EQ(wheel_.referenced(), 0);
  });
  EXPECT_EQ(wheel_.expire(kStart), 1);
}

TEST_F(TimerWheelTest, ALongSleepIsOneSleep) {
  start_many(1000, kStart + hours(24), seconds(1));
  EXPECT_EQ(wake_ups_until_one_fires(), 1);
  EXPECT_EQ(wake_ups_until_one_fires(), 1);
}

TEST_F(TimerWheelTest, CancelledEarliestOfACrowdCostsOneWakeUpAtMost) {
  const std::vector<TimerId> ids = start_many(1000, kStart + hours(24), microseconds(1));
  for (int i = 0; i < 500; ++i) {
    wheel_.cancel(ids[static_cast<std::size_t>(i)]);
    EXPECT_LE(*wheel_.next_deadline(), kStart + hours(24) + microseconds(i + 1));
  }
  EXPECT_LE(wake_ups_until_one_fires(), 2);
  EXPECT_THAT(fired_, ElementsAre(500));
  EXPECT_EQ(wheel_.next_deadline(), kStart + hours(24) + microseconds(501));
}

TEST_F(TimerWheelTest, IdleTimeoutsThatAreMovedAtEveryMessageFireOnceIdle) {
  constexpr int kConnections = 20;
  constexpr seconds kTimeout(60);
  const std::vector<TimerId> ids = start_many(kConnections, kStart + kTimeout, nanoseconds(0));
  TimePoint now = kStart;
  for (int i = 0; i < 100'000; ++i) {
    now += microseconds(3001);
    const auto connection = static_cast<std::size_t>(i % kConnections);
    EXPECT_TRUE(wheel_.restart(ids[connection], now + kTimeout));
    const TimePoint oldest = now - microseconds(3001) * (kConnections - 1);
    const TimePoint earliest = i < kConnections - 1 ? kStart : oldest;
    EXPECT_EQ(wheel_.next_deadline(), earliest + kTimeout);
    ASSERT_EQ(wheel_.expire(now), 0);
  }
  for (int i = 0; i < kConnections; ++i) {
    EXPECT_EQ(wake_ups_until_one_fires(), 1);
    EXPECT_EQ(fired_.back(), i);
  }
  EXPECT_EQ(wheel_.size(), 0);
}

TEST_F(TimerWheelTest, ReservedPlacesAreUsedAgain) {
  EXPECT_TRUE(wheel_.reserve(1000));
  const std::size_t capacity = wheel_.capacity();
  EXPECT_GE(capacity, 1000);
  for (int round = 0; round < 3; ++round) {
    const std::vector<TimerId> ids = start_many(1000, kStart, seconds(1));
    for (std::size_t i = 0; i < 1000; i += 2) wheel_.cancel(ids[i * 7 % 1000]);
    for (std::size_t i = 1; i < 1000; i += 2) wheel_.cancel(ids[i * 7 % 1000]);
  }
  EXPECT_EQ(wheel_.size(), 0);
  EXPECT_EQ(wheel_.capacity(), capacity);
}

TEST_F(TimerWheelTest, WithoutMemoryStartGivesNoTimerAndTheOthersGoOn) {
  wheel_.start(kStart, note(1));
  start_many(wheel_.capacity() - 1, kStart + seconds(1), nanoseconds(0));
  const std::size_t size = wheel_.size();
  memory_is_out = true;
  const TimerId none = wheel_.start(kStart, note(2));
  const bool reserved = wheel_.reserve(size + 1);
  memory_is_out = false;
  EXPECT_FALSE(none);
  EXPECT_FALSE(reserved);
  EXPECT_EQ(wheel_.size(), size);
  EXPECT_THAT(fired_at(kStart), ElementsAre(1));
  EXPECT_TRUE(wheel_.start(kStart, note(3)));
  EXPECT_THAT(fired_at(kStart), ElementsAre(3));
}

#ifndef NDEBUG
TEST_F(TimerWheelTest, ACallbackThatBreaksARuleIsTold) {
  auto owned = std::make_unique<TimerWheel>(kStart);
  owned->start(kStart, [&] { owned->expire(kStart + seconds(1)); });
  EXPECT_DEATH(owned->expire(kStart), "expire was called by the callback");
  auto doomed = std::make_unique<TimerWheel>(kStart);
  doomed->start(kStart, [&] { doomed.reset(); });
  EXPECT_DEATH(doomed->expire(kStart), "destroyed by the callback");
}
#endif

}  // namespace
}  // namespace eddy
