#include "load/worker.h"

#include <utility>

#include "cpu_time.h"
#include "load/datagram_traffic.h"
#include "load/echo_engine.h"
#include "load/http_engine.h"
#include "load/https_engine.h"
#include "load/memcached_engine.h"
#include "load/redis_engine.h"
#include "load/script_engine.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;

constexpr auto kTendEvery = 100ms;

std::unique_ptr<Traffic> make_traffic(Reactor& reactor, const LoadOptions& options,
                                      const Schedule& schedule, Traffic::Events events) {
  switch (options.protocol) {
    case Protocol::kHttp:
      if (options.tls.context) {
        return std::make_unique<HttpsEngine>(reactor, options, schedule, std::move(events));
      }
      return std::make_unique<HttpEngine>(reactor, options, schedule, std::move(events));
    case Protocol::kRedis:
      return std::make_unique<RedisEngine>(reactor, options, schedule, std::move(events));
    case Protocol::kMemcached:
      return std::make_unique<MemcachedEngine>(reactor, options, schedule, std::move(events));
    case Protocol::kScript:
      return std::make_unique<ScriptEngine>(reactor, options, schedule, std::move(events));
    case Protocol::kDatagram:
      return std::make_unique<DatagramTraffic>(reactor, options, schedule, std::move(events));
    case Protocol::kEcho: break;
  }
  return std::make_unique<EchoEngine>(reactor, options, schedule, std::move(events));
}

}  // namespace

Status& Status::operator+=(const Status& other) {
  open_connections += other.open_connections;
  connected += other.connected;
  in_flight += other.in_flight;
  completed += other.completed;
  troubles += other.troubles;
  is_hopeless = is_hopeless && other.is_hopeless;
  return *this;
}

Worker::Worker(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
               std::chrono::nanoseconds slice, SpareRecords& spare, SharedStatus& status,
               Events events)
    : reactor_(reactor),
      options_(options),
      slice_(slice),
      spare_(spare),
      status_(status),
      events_(std::move(events)),
      traffic_(make_traffic(reactor, options, schedule,
                            {.settled =
                                 [this] {
                                   publish();
                                   events_.settled();
                                 },
                             .drained = [this] { drained(); }})),
      churn_(options.churn_per_second, options.seed) {}

void Worker::open() {
  tend_timer_ = reactor_.start_timer(kTendEvery, [this] { tend(); }, {.period = kTendEvery});
  traffic_->open();
}

void Worker::enter(Phase phase, TimePoint until, void (Worker::*next)()) {
  phase_ = phase;
  reactor_.cancel_timer(phase_timer_);
  phase_timer_ = reactor_.start_timer_at(until, [this, next] { (this->*next)(); });
}

void Worker::begin(const Traffic::Course& course) {
  if (phase_ != Phase::kConnecting) return;
  course_ = course;
  if (course.start <= reactor_.now()) return start_load();
  enter(Phase::kWarmup, course.start, &Worker::start_load);
}

void Worker::start_load() {
  if (options_.churn_per_second > 0) {
    next_kill_ = reactor_.now();
    churn();
  }
  if (course_.window_begin <= reactor_.now()) {
    begin_window();
  } else {
    enter(Phase::kWarmup, course_.window_begin, &Worker::begin_window);
  }
  traffic_->begin(course_);
}

void Worker::begin_window() {
  events_.measured(take_record(), 0);
  from_ = to_ = reactor_.now();
  cpu_from_ns_ = tools::thread_cpu_ns();
  slice_timer_ =
      reactor_.start_timer_at(after(from_, slice_), [this] { end_slice(); }, {.period = slice_});
  enter(Phase::kMeasuring, course_.window_end, &Worker::end_window);
}

void Worker::end_slice() {
  // Several, if this thread did not get its turn for so long.
  const auto ended = static_cast<uint64_t>((reactor_.now() - from_) / slice_);
  if (ended == slices_) return;
  slices_ = ended;
  events_.measured(take_record(), slices_);
}

void Worker::end_window() {
  to_ = reactor_.now();
  cpu_to_ns_ = tools::thread_cpu_ns();
  reactor_.cancel_timer(slice_timer_);
  reactor_.cancel_timer(churn_timer_);
  enter(Phase::kDraining, after(to_, options_.timeout), &Worker::finish);
  publish();
  events_.measured(take_record(), kRest);
  traffic_->wind_down();
}

void Worker::drained() {
  // All requests that were asked for have been answered before the time was over.
  if (phase_ == Phase::kMeasuring) return end_window();
  finish();
}

void Worker::interrupt() {
  if (phase_ == Phase::kMeasuring) return end_window();
  if (phase_ != Phase::kDraining) finish();
}

void Worker::finish() {
  if (phase_ == Phase::kOver) return;
  if (phase_ == Phase::kMeasuring) end_window();
  if (phase_ == Phase::kOver) return;  // nothing was in flight
  phase_ = Phase::kOver;
  for (const TimerId timer : {phase_timer_, slice_timer_, tend_timer_, churn_timer_}) {
    reactor_.cancel_timer(timer);
  }
  traffic_->close();
  publish();
  events_.ended({.troubles = traffic_->troubles(),
                 .churned = traffic_->churned(),
                 .connected = traffic_->connected(),
                 .answered = traffic_->completed(),
                 .from = from_,
                 .to = to_,
                 .cpu_ns = cpu_to_ns_ - cpu_from_ns_},
                take_record());
}

std::unique_ptr<Record> Worker::take_record() {
  std::unique_ptr<Record> record = spare_.take();
  std::swap(*record, traffic_->record());
  return record;
}

void Worker::tend() {
  traffic_->tend();
  publish();
}

void Worker::churn() {
  const TimePoint now = reactor_.now();
  for (; next_kill_ <= now; next_kill_ += churn_.gap()) {
    traffic_->kill(churn_.seat(options_.connections), churn_.how());
  }
  churn_timer_ = reactor_.start_timer_at(next_kill_, [this] { churn(); });
}

void Worker::publish() {
  // One that has ended unheard, since no request was its own, leaves that to the others.
  const bool is_hopeless =
      traffic_->is_hopeless() || (phase_ == Phase::kOver && !traffic_->is_heard());
  status_.set({.open_connections = traffic_->open_connections(),
               .connected = traffic_->connected(),
               .in_flight = traffic_->in_flight(),
               .completed = traffic_->completed(),
               .troubles = count_of(traffic_->troubles()),
               .is_hopeless = is_hopeless});
}

}  // namespace eddy::load
