// The timer wheel against a model: a sorted map. Random operations from a seed, from outside and
// from within callbacks, over deadlines from nanoseconds to weeks.
#include <eddy/core/timer_wheel.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace eddy {
namespace {

using std::chrono::nanoseconds;

struct Load {
  std::uint64_t seed;
  int steps;
  std::size_t timers;        // at most as many are armed
  std::int64_t granularity;  // deadlines are multiples of it, so that some are equal
};

class TimerWheelModelTest : public testing::TestWithParam<Load> {
 protected:
  struct Timer {
    TimerId id;
    std::int64_t deadline;
    std::uint64_t order;
    std::int64_t period;
    std::uint64_t missed = 0;
    bool referenced;
    bool armed = true;
  };
  using Key = std::pair<std::int64_t, std::uint64_t>;  // deadline and order
  using Name = std::uint64_t;

  static TimePoint time(std::int64_t ns) { return TimePoint{nanoseconds(ns)}; }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  // Each order of magnitude is as likely as another.
  std::int64_t some_span() {
    const std::int64_t span = static_cast<std::int64_t>(random_() >> (14 + below(50)));
    return span / GetParam().granularity * GetParam().granularity;
  }
  std::int64_t some_deadline() {
    const std::int64_t base = now_ / GetParam().granularity * GetParam().granularity;
    return below(10) == 0 ? base - some_span() % (base + 1) : base + some_span();
  }

  void start() {
    const Name name = ++last_name_;
    Timer timer{.deadline = some_deadline(),
                .order = ++order_,
                .period = below(4) == 0 ? some_span() + 1 : 0,
                .referenced = below(2) == 0};
    timer.id = wheel_.start(time(timer.deadline), [this, name] { on_fire(name); },
                            {.period = nanoseconds(timer.period), .referenced = timer.referenced});
    ASSERT_TRUE(timer.id);
    queue_[{timer.deadline, timer.order}] = name;
    timers_[name] = timer;
  }

  void forget(Name name) {
    const Timer& timer = timers_.at(name);
    queue_.erase({timer.deadline, timer.order});
    timers_.erase(name);
  }

  void restart(Timer& timer, Name name) {
    queue_.erase({timer.deadline, timer.order});
    timer.deadline = below(2) == 0 ? timer.deadline + some_span() : some_deadline();
    timer.order = ++order_;
    timer.armed = true;
    queue_[{timer.deadline, timer.order}] = name;
    EXPECT_TRUE(wheel_.restart(timer.id, time(timer.deadline)));
  }

  void operate() {
    if (timers_.empty() || below(GetParam().timers) >= timers_.size()) return start();
    auto found = timers_.lower_bound(below(last_name_));
    if (found == timers_.end()) found = timers_.begin();
    auto& [name, timer] = *found;
    switch (below(4)) {
      case 0:
        timer.referenced = below(2) == 0;
        EXPECT_TRUE(timer.referenced ? wheel_.ref(timer.id) : wheel_.unref(timer.id));
        break;
      case 1: {
        const TimerId id = timer.id;
        EXPECT_TRUE(wheel_.cancel(id));
        EXPECT_FALSE(wheel_.cancel(id));
        forget(name);
        break;
      }
      default: restart(timer, name);
    }
  }

  // What is due and has not been touched since this expire began.
  std::optional<Name> next_due() {
    while (next_due_ < due_.size()) {
      const auto& [key, name] = due_[next_due_];
      const auto timer = timers_.find(name);
      if (timer != timers_.end() && timer->second.order == key.second) return name;
      ++next_due_;
    }
    return std::nullopt;
  }

  void on_fire(Name name) {
    ASSERT_EQ(next_due(), name);
    ++next_due_;
    ++fired_;
    Timer& timer = timers_.at(name);
    queue_.erase({timer.deadline, timer.order});
    if (timer.period > 0) {
      const std::int64_t missed = (now_ - timer.deadline) / timer.period;
      timer.missed += static_cast<std::uint64_t>(missed);
      timer.deadline += (missed + 1) * timer.period;
      timer.order = ++order_;
      queue_[{timer.deadline, timer.order}] = name;
      EXPECT_EQ(wheel_.missed_periods(timer.id), timer.missed);
    } else {
      timer.armed = false;
    }
    for (std::uint64_t i = below(3); i > 0; --i) operate();
    const auto self = timers_.find(name);
    if (self == timers_.end()) return;
    if (!self->second.armed) {
      if (below(4) == 0) {
        restart(self->second, name);
      } else {
        timers_.erase(self);
      }
    }
  }

  void expire(std::int64_t now) {
    now_ = now;
    due_.assign(queue_.begin(), queue_.upper_bound(Key{now, UINT64_MAX}));
    next_due_ = 0;
    fired_ = 0;
    const std::size_t count = wheel_.expire(time(now));
    EXPECT_EQ(count, fired_);
    EXPECT_EQ(next_due(), std::nullopt);
  }

  void check_counts() {
    std::size_t referenced = 0;
    for (const auto& [name, timer] : timers_) {
      referenced += timer.referenced ? 1 : 0;
      EXPECT_EQ(wheel_.deadline(timer.id), time(timer.deadline));
    }
    EXPECT_EQ(wheel_.size(), queue_.size());
    EXPECT_EQ(wheel_.referenced(), referenced);
  }

  // The wheel's next deadline is never too late, and exact for few timers. For many, one wake-up
  // makes it exact.
  void check_next_deadline() {
    if (queue_.empty()) {
      EXPECT_EQ(wheel_.next_deadline(), std::nullopt);
      return;
    }
    const TimePoint earliest = time(queue_.begin()->first.first);
    const TimePoint next = *wheel_.next_deadline();
    if (next == earliest) return;
    EXPECT_LT(next, earliest);
    EXPECT_GT(queue_.size(), 32U);
    ++inexact_;
    EXPECT_EQ(wheel_.expire(next), 0U);
    if (time(now_) < next) now_ = next.time_since_epoch().count();
    EXPECT_EQ(wheel_.next_deadline(), earliest);
  }

  std::mt19937_64 random_{GetParam().seed};
  std::int64_t now_ = std::int64_t{1} << 50;
  TimerWheel wheel_{time(now_)};
  std::map<Name, Timer> timers_;
  std::map<Key, Name> queue_;
  std::vector<std::pair<Key, Name>> due_;
  std::size_t next_due_ = 0;
  std::size_t fired_ = 0;
  std::size_t inexact_ = 0;
  Name last_name_ = 0;
  std::uint64_t order_ = 0;
};

TEST_P(TimerWheelModelTest, DoesWhatASortedMapDoes) {
  std::size_t fired = 0;
  for (int step = 0; step < GetParam().steps && !HasFailure(); ++step) {
    operate();
    switch (below(8)) {
      case 0:
        expire(now_ + some_span() % (std::int64_t{1} << 44));
        fired += fired_;
        break;
      case 1:
        if (!queue_.empty()) expire(std::max(now_, queue_.begin()->first.first));
        fired += fired_;
        break;
      case 2:
        if (!queue_.empty()) expire(std::max(now_, queue_.begin()->first.first - 1));
        break;
      case 3: check_next_deadline(); break;
      default: break;
    }
    if (step % 100 == 0) check_counts();
  }
  EXPECT_GT(fired, 1000U);
}

INSTANTIATE_TEST_SUITE_P(Loads, TimerWheelModelTest,
                         testing::Values(Load{1, 50'000, 4, 1}, Load{2, 50'000, 30, 1},
                                         Load{3, 50'000, 30, 1'000'000}, Load{4, 8'000, 500, 1},
                                         Load{5, 8'000, 500, 1'000'000},
                                         Load{6, 1'500, 5'000, 1'000}));

}  // namespace
}  // namespace eddy
