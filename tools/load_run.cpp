#include "load_run.h"

#include <algorithm>

#include "cpu_time.h"
#include "format.h"

namespace eddy::tools {
namespace {

using namespace std::chrono_literals;

constexpr auto kTendEvery = 100ms;
constexpr auto kProgressEvery = 1s;

double seconds_of(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

// The highest value of its bucket would otherwise pass the maximum, which is exact.
int64_t percentile_of(const Histogram& latency, double percent) {
  return std::min(latency.percentile(percent), latency.maximum());
}

}  // namespace

LoadRun::LoadRun(Reactor& reactor, const LoadOptions& options)
    : reactor_(reactor),
      options_(options),
      load_(reactor, options, {.settled = [this] { settled(); }, .drained = [this] { finish(); }}),
      churn_(options.churn_per_second, options.seed) {}

void LoadRun::start() {
  begun_ = reactor_.now();
  tend_timer_ = reactor_.start_timer(kTendEvery, [this] { tend(); }, {.period = kTendEvery});
  if (progress_.is_shown()) {
    progress_timer_ = reactor_.start_timer(kProgressEvery, [this] { show_progress(); },
                                           {.period = kProgressEvery});
  }
  load_.open();
}

void LoadRun::enter(Phase phase, std::chrono::nanoseconds length, void (LoadRun::*next)()) {
  phase_ = phase;
  reactor_.cancel_timer(phase_timer_);
  phase_timer_ = reactor_.start_timer(length, [this, next] { (this->*next)(); });
}

void LoadRun::settled() {
  if (load_.connected() == 0) return finish();
  load_.begin();
  if (options_.churn_per_second > 0) {
    next_kill_ = reactor_.now();
    churn();
  }
  begun_ = reactor_.now();
  if (options_.warmup == 0ns) return begin_window();
  enter(Phase::kWarmup, options_.warmup, &LoadRun::begin_window);
}

void LoadRun::begin_window() {
  from_ = mark();
  load_.measure_from(from_.at);
  enter(Phase::kMeasuring, options_.duration, &LoadRun::end_window);
}

void LoadRun::end_window() {
  to_ = mark();
  reactor_.cancel_timer(churn_timer_);
  enter(Phase::kDraining, options_.timeout, &LoadRun::finish);
  load_.wind_down();
  // There is no sense in waiting longer for a server that has never answered.
  if (load_.requests().answered == 0) finish();
}

void LoadRun::finish() {
  if (phase_ == Phase::kOver) return;
  if (phase_ == Phase::kMeasuring) to_ = mark();
  phase_ = Phase::kOver;
  for (const TimerId timer : {phase_timer_, tend_timer_, progress_timer_, churn_timer_}) {
    reactor_.cancel_timer(timer);
  }
  progress_.clear();
  load_.close();
}

void LoadRun::interrupt() {
  interrupted_ = true;
  if (phase_ == Phase::kMeasuring) return end_window();
  finish();
}

void LoadRun::tend() {
  load_.tend();
  if (load_.hopeless()) finish();
}

void LoadRun::churn() {
  const TimePoint now = reactor_.now();
  for (; next_kill_ <= now; next_kill_ += churn_.gap()) {
    load_.kill(churn_.seat(options_.connections), churn_.how());
  }
  churn_timer_ = reactor_.start_timer_at(next_kill_, [this] { churn(); });
}

LoadRun::Mark LoadRun::mark() const {
  const auto server =
      options_.server_pid == 0 ? 0 : process_cpu_ns(options_.server_pid).value_or(0);
  return {.at = reactor_.now(),
          .answered = load_.requests().answered,
          .bytes = load_.bytes_received(),
          .client_cpu_ns = own_cpu_ns(),
          .server_cpu_ns = server};
}

LoadReport LoadRun::report() const {
  LoadReport report = {.requests = load_.requests(),
                       .troubles = load_.troubles(),
                       .churned = load_.churned(),
                       .connected = load_.connected(),
                       .interrupted = interrupted_,
                       .seconds = seconds_of(to_.at - from_.at),
                       .window_answered = to_.answered - from_.answered,
                       .window_bytes = to_.bytes - from_.bytes,
                       .client_cpu_ns = to_.client_cpu_ns - from_.client_cpu_ns};
  // A server that is gone at the end has no clock that could be read.
  if (to_.server_cpu_ns > from_.server_cpu_ns) {
    report.server_cpu_ns = to_.server_cpu_ns - from_.server_cpu_ns;
  }
  const Histogram& latency = load_.latency();
  report.samples = latency.count();
  report.mean_ns = latency.mean();
  report.max_ns = static_cast<uint64_t>(latency.maximum());
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    report.percentiles_ns[i] = static_cast<uint64_t>(percentile_of(latency, kPercentiles[i]));
  }
  return report;
}

// --- The live line

void LoadRun::show_progress() {
  progress_.show(progress_line());
  shown_ = mark();
}

std::string LoadRun::progress_line() {
  if (phase_ == Phase::kConnecting) {
    return "  connecting: " + grouped(load_.open_connections()) + " of " +
           grouped(options_.connections);
  }
  if (phase_ == Phase::kDraining) return "  waiting for " + grouped(load_.in_flight()) + " answers";
  const TimePoint now = reactor_.now();
  const TimePoint since = std::max(shown_.at, begun_);
  const double rate = static_cast<double>(load_.requests().answered - shown_.answered) /
                      std::max(seconds_of(now - since), 1e-3);
  std::string line = phase_ == Phase::kWarmup ? "  warm-up " : "  ";
  line += fixed(seconds_of(now - begun_), 0) + " s of " +
          fixed(seconds_of(options_.warmup + options_.duration), 0) + "   " +
          grouped(static_cast<uint64_t>(rate)) + " requests/s";
  const Histogram& latency = load_.latency();
  if (latency.count() > 0) {
    line += "   p50 " + duration_text(static_cast<double>(percentile_of(latency, 50))) + "   p99 " +
            duration_text(static_cast<double>(percentile_of(latency, 99)));
  }
  uint64_t troubles = 0;
  for (const auto& [cause, times] : load_.troubles()) troubles += times;
  if (troubles > 0) line += "   troubles " + grouped(troubles);
  return line;
}

}  // namespace eddy::tools
