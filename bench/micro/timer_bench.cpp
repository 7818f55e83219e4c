// The timer wheel: one million timers, ten thousand due at once, idle time-outs; beside libuv's
// timers.
//
// Times are CPU time of this thread, so that other programs on the machine weigh less. Where libuv
// is compared, both do the same work in turn within each iteration, and `ratio` is eddy's time by
// libuv's (the mean over the iterations:
// --benchmark_repetitions gives the median of it).
#include <time.h>
#include <uv.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>
#include <eddy/core/timer_wheel.h>

namespace eddy {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr TimePoint kStart{std::chrono::hours(1)};

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

template <typename Work>
double seconds_of(Work work) {
  const double from = cpu_seconds();
  work();
  return cpu_seconds() - from;
}

// What is done to a set of timers: their time-outs, and the order in which they are cancelled.
struct Plan {
  std::vector<std::uint32_t> timeouts_ms;
  std::vector<std::uint32_t> cancel_order;
};

Plan plan_in_order(std::size_t count) {
  Plan plan{std::vector<std::uint32_t>(count, 60'000), std::vector<std::uint32_t>(count)};
  std::iota(plan.cancel_order.begin(), plan.cancel_order.end(), 0U);
  return plan;
}

Plan plan_at_random(std::size_t count) {
  std::mt19937_64 random(1);
  Plan plan = plan_in_order(count);
  for (std::uint32_t& timeout_ms : plan.timeouts_ms) timeout_ms = 1 + random() % 3'600'000;
  std::shuffle(plan.cancel_order.begin(), plan.cancel_order.end(), random);
  return plan;
}

struct Seconds {
  double start = 0;
  double cancel = 0;
};

class EddyTimers {
 public:
  explicit EddyTimers(std::size_t count) : ids_(count) { wheel_.reserve(count); }

  Seconds run(const Plan& plan) {
    Seconds seconds;
    seconds.start = seconds_of([&] {
      for (std::size_t i = 0; i < ids_.size(); ++i) {
        const nanoseconds timeout = milliseconds(plan.timeouts_ms[i]);
        ids_[i] = wheel_.start(kStart + timeout, [this] { ++fired_; });
      }
    });
    seconds.cancel = seconds_of([&] {
      for (const std::uint32_t i : plan.cancel_order) wheel_.cancel(ids_[i]);
    });
    return seconds;
  }

 private:
  TimerWheel wheel_{kStart};
  std::vector<TimerId> ids_;
  std::size_t fired_ = 0;
};

class UvTimers {
 public:
  explicit UvTimers(std::size_t count) : timers_(count) {
    uv_loop_init(&loop_);
    for (uv_timer_t& timer : timers_) uv_timer_init(&loop_, &timer);
  }
  ~UvTimers() {
    for (uv_timer_t& timer : timers_) uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }
  UvTimers(const UvTimers&) = delete;
  UvTimers& operator=(const UvTimers&) = delete;

  Seconds run(const Plan& plan) {
    Seconds seconds;
    seconds.start = seconds_of([&] {
      for (std::size_t i = 0; i < timers_.size(); ++i) {
        uv_timer_start(&timers_[i], [](uv_timer_t*) {}, plan.timeouts_ms[i], 0);
      }
    });
    seconds.cancel = seconds_of([&] {
      for (const std::uint32_t i : plan.cancel_order) uv_timer_stop(&timers_[i]);
    });
    return seconds;
  }

 private:
  uv_loop_t loop_;
  std::vector<uv_timer_t> timers_;
};

void against_libuv(benchmark::State& state, Plan (*make_plan)(std::size_t)) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Plan plan = make_plan(count);
  EddyTimers eddy(count);
  UvTimers uv(count);
  eddy.run(plan);  // both in memory that has been touched
  uv.run(plan);
  Seconds ours;
  Seconds theirs;
  for (auto _ : state) {
    const Seconds eddy_round = eddy.run(plan);
    const Seconds uv_round = uv.run(plan);
    state.SetIterationTime(eddy_round.start + eddy_round.cancel);
    ours.start += eddy_round.start;
    ours.cancel += eddy_round.cancel;
    theirs.start += uv_round.start;
    theirs.cancel += uv_round.cancel;
  }
  const double operations = static_cast<double>(count) * static_cast<double>(state.iterations());
  state.counters["start_ns"] = ours.start * 1e9 / operations;
  state.counters["cancel_ns"] = ours.cancel * 1e9 / operations;
  state.counters["uv_start_ns"] = theirs.start * 1e9 / operations;
  state.counters["uv_cancel_ns"] = theirs.cancel * 1e9 / operations;
  state.counters["ratio"] = (ours.start + ours.cancel) / (theirs.start + theirs.cancel);
}
BENCHMARK_CAPTURE(against_libuv, in_order, plan_in_order)
    ->Arg(1'000)
    ->Arg(1'000'000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(against_libuv, at_random, plan_at_random)
    ->Arg(1'000)
    ->Arg(1'000'000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

// One million timers in a wheel that has not reserved: with the growth and the page faults of new
// memory.
void start_growing(benchmark::State& state) {
  constexpr std::size_t kCount = 1'000'000;
  double seconds = 0;
  for (auto _ : state) {
    TimerWheel wheel(kStart);
    const double round = seconds_of([&] {
      for (std::size_t i = 0; i < kCount; ++i) wheel.start(kStart + milliseconds(60'000), [] {});
    });
    state.SetIterationTime(round);
    seconds += round;
  }
  state.counters["start_ns"] =
      seconds * 1e9 / (static_cast<double>(kCount) * static_cast<double>(state.iterations()));
}
BENCHMARK(start_growing)->UseManualTime()->Unit(benchmark::kMillisecond);

// One expire that fires this many; spread_ns 0: all have one deadline, else they are spread over it
// at random.
void due_at_once(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto spread_ns = static_cast<std::uint64_t>(state.range(1));
  std::mt19937_64 random(1);
  TimePoint now = kStart;
  TimerWheel wheel(now);
  wheel.reserve(count);
  std::size_t fired = 0;
  for (auto _ : state) {
    now += std::chrono::seconds(1);
    for (std::size_t i = 0; i < count; ++i) {
      wheel.start(now - nanoseconds(spread_ns == 0 ? 0 : random() % spread_ns), [&] { ++fired; });
    }
    state.SetIterationTime(seconds_of([&] { wheel.expire(now); }));
  }
  if (fired != count * state.iterations()) state.SkipWithError("not all fired");
}
BENCHMARK(due_at_once)
    ->ArgNames({"timers", "spread_ns"})
    ->Args({10'000, 0})
    ->Args({10'000, 1'000'000})
    ->Args({10'000, 1'000'000'000})
    ->Args({1'000'000, 0})
    ->Args({1'000'000, 1'000'000'000})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

// What a server with idle time-outs does each turn: one message on some connection, the look at the
// next deadline, and the expiry that finds nothing.
void idle_timeout_turn(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  std::mt19937_64 random(1);
  TimePoint now = kStart;
  TimerWheel wheel(now);
  std::vector<TimerId> ids(count);
  for (TimerId& id : ids) id = wheel.start(now + std::chrono::minutes(1), [] {});
  std::vector<std::uint32_t> messages(4096);
  for (std::uint32_t& connection : messages) connection = random() % count;
  std::size_t turn = 0;
  for (auto _ : state) {
    now += std::chrono::microseconds(10);
    wheel.restart(ids[messages[turn++ % messages.size()]], now + std::chrono::minutes(1));
    benchmark::DoNotOptimize(wheel.next_deadline());
    wheel.expire(now);
  }
}
BENCHMARK(idle_timeout_turn)->ArgName("connections")->Arg(1)->Arg(16)->Arg(1'000)->Arg(100'000);

// A request's time-out that never comes: started, and cancelled by the answer, first in, first out,
// 1,000 under way.
void request_timeout_turn(benchmark::State& state) {
  TimePoint now = kStart;
  TimerWheel wheel(now);
  std::vector<TimerId> ids(1'000);
  std::size_t turn = 0;
  for (auto _ : state) {
    now += std::chrono::microseconds(10);
    TimerId& id = ids[turn++ % ids.size()];
    wheel.cancel(id);
    id = wheel.start(now + std::chrono::seconds(5), [] {});
    benchmark::DoNotOptimize(wheel.next_deadline());
    wheel.expire(now);
  }
}
BENCHMARK(request_timeout_turn);

// A load generator's pacing: a repeating timer that fires every 20 µs, each firing a turn.
void pace_turn(benchmark::State& state) {
  TimePoint now = kStart;
  TimerWheel wheel(now);
  std::size_t sent = 0;
  wheel.start(now, [&] { ++sent; }, {.period = std::chrono::microseconds(20)});
  for (auto _ : state) {
    now = *wheel.next_deadline();
    wheel.expire(now);
  }
  if (sent != static_cast<std::size_t>(state.iterations())) state.SkipWithError("a shot was lost");
}
BENCHMARK(pace_turn);

}  // namespace
}  // namespace eddy
