#include "load/traffic.h"

#include <utility>

#include "load/unsent.h"

namespace eddy::load {

constexpr uint64_t kHopelessRounds = 3;

Traffic::Traffic(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
                 Events events)
    : reactor_(reactor),
      options_(options),
      events_(std::move(events)),
      record_(options.mix.kinds()),
      kinds_(options.seed),
      arrivals_(schedule.arrivals(options.share.index, options.share.of)),
      free_(options.connections),
      left_(is_open_loop(options) ? UINT64_MAX : options.requests.value_or(UINT64_MAX)) {}

void Traffic::begin(const Course& course) {
  begun_ = true;
  course_ = course;
  now_ = reactor_.now();  // so that the first requests belong to a window that begins at once
  begin_all();
  if (left_ == 0) events_.drained();
}

void Traffic::wind_down() {
  if (winding_down_) return;
  winding_down_ = true;
  reactor_.cancel_timer(arrival_timer_);
  // What was sent just now is in it.
  course_.window_end = std::min(course_.window_end, reactor_.now() + std::chrono::nanoseconds(1));
  if (is_open_loop(options_)) send_due();
  tell_if_drained();
}

void Traffic::close() {
  closing_ = true;
  wind_down();
  const TimePoint now = reactor_.now();
  if (begun_ && is_open_loop(options_)) {
    add_unsent(record_, arrivals_, options_.mix, course_.window_begin - course_.start,
               course_.window_end - course_.start, now - course_.start);
  }
  close_all(now);
}

void Traffic::add_trouble(Trouble trouble, const std::string& cause) {
  ++trouble_count_;
  ++troubles_[{trouble, cause}];
}

bool Traffic::is_hopeless() const {
  return !is_heard_ && trouble_count_ >= kHopelessRounds * options_.connections;
}

// With a schedule: the next request should have been sent in the window.
bool Traffic::is_overdue() const {
  return begun_ && !closing_ && !arrivals_.ended() &&
         course_.start + arrivals_.next().at < course_.window_end;
}

// One timer for all: for the next moment of the schedule, while there is a seat to send on. It
// wakes the thread before that moment, which may take it some 50 µs; the rest is polled.
void Traffic::arm(TimePoint moment) {
  const TimePoint early = moment - options_.spin;
  const TimePoint wake = early > now_ ? early : moment;
  if (armed_for_ == wake) return;
  reactor_.cancel_timer(arrival_timer_);
  armed_for_ = wake;
  arrival_timer_ = reactor_.start_timer_at(wake, [this] {
    armed_for_ = {};
    send_due();
  });
}

}  // namespace eddy::load
