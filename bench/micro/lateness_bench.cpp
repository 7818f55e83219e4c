// How late a timer fires in an idle loop, beside a bare epoll_pwait2 with the same deadlines.
//
// Each iteration is one deadline of a millisecond. The three take turns in rounds; the counters are
// percentiles of the lateness in ns over all rounds, and `p99_ratio` is the median over rounds of
// the ratio to the bare call's p99.
#include <benchmark/benchmark.h>
#include <eddy/core/histogram.h>
#include <eddy/core/reactor.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace eddy {
namespace {

constexpr int64_t kDelayNs = 1'000'000;
constexpr int kRounds = 9;

int64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Histogram bare_lateness(int deadlines) {
  Histogram lateness;
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < deadlines; ++i) {
    const int64_t deadline = now_ns() + kDelayNs;
    const int64_t left = deadline - now_ns();
    const timespec timeout = {0, left};
    epoll_event event;
    syscall(SYS_epoll_pwait2, fd, &event, 1, &timeout, nullptr, 0);
    lateness.record(now_ns() - deadline);
  }
  close(fd);
  return lateness;
}

Histogram reactor_lateness(BackendKind backend, int deadlines) {
  Histogram lateness;
  Reactor reactor({.backend = backend, .timer_slack = std::chrono::nanoseconds(0)});
  for (int i = 0; i < deadlines; ++i) {
    const TimePoint deadline = reactor.now() + std::chrono::nanoseconds(kDelayNs);
    reactor.start_timer_at(deadline, [&] { lateness.record((reactor.now() - deadline).count()); });
    reactor.run();
  }
  return lateness;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// The thread's own slack for both, so that what differs is the loop.
void lateness(benchmark::State& state) {
  const auto backend = static_cast<BackendKind>(state.range(0));
  state.SetLabel(to_string(backend));
  for (auto _ : state) {
    const int deadlines = static_cast<int>(state.range(1));
    std::vector<double> ratios, ours, bare;
    for (int round = 0; round < kRounds; ++round) {
      const auto theirs = static_cast<double>(bare_lateness(deadlines).percentile(99));
      const auto mine = static_cast<double>(reactor_lateness(backend, deadlines).percentile(99));
      ratios.push_back(mine / theirs);
      ours.push_back(mine);
      bare.push_back(theirs);
    }
    state.counters["p99_ns"] = median(ours);
    state.counters["bare_p99_ns"] = median(bare);
    state.counters["p99_ratio"] = median(ratios);
  }
}
BENCHMARK(lateness)
    ->ArgNames({"backend", "deadlines"})
    ->Args({static_cast<int>(BackendKind::kEpoll), 100})
    ->Args({static_cast<int>(BackendKind::kAuto), 100})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace eddy
