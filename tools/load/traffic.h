// The requests of one reactor: when each is due, and what becomes of it.
//
// What it is: what all traffic has in common, whatever carries it: the schedule, the window, the
// accounts. There is a fixed number of seats, on each of which `depth` requests can be under way at
// once; who derives from this class knows what a seat is, sends and receives.
//
// Without a schedule, each answer is followed by the next request. With one, a request is sent when
// its moment has come, on the seat that has been free for the longest; if none is, as soon as one
// becomes free. What was waited for belongs to its response time, which counts from the moment that
// the schedule has it, and to its lag. The schedule is not asked any faster or slower for it.
//
// Times are this process's clock, read when an answer's bytes are handed over and when a request is
// handed to its stream or socket: what the client itself delays is in them, and is told as
// `lateness`.
//
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/reactor.h>
#include <stddef.h>
#include <stdint.h>

#include <algorithm>
#include <functional>
#include <string>

#include "load/options.h"
#include "load/record.h"
#include "load/schedule.h"
#include "load/seat_queue.h"
#include "load/troubles.h"

namespace eddy::load {

// How a connection is ended on purpose.
enum class Kill : uint8_t { kReset, kClose, kHalfClose };

// What --churn did.
struct Churned {
  uint64_t reset = 0;
  uint64_t closed = 0;
  uint64_t half_closed = 0;  // the end of input was sent, and what was on its way was waited for

  Churned& operator+=(const Churned& other) {
    reset += other.reset;
    closed += other.closed;
    half_closed += other.half_closed;
    return *this;
  }
};

class Traffic {
 public:
  struct Events {
    // Each seat has been filled, or could not be, for the first time.
    std::function<void()> settled;
    // After `wind_down`, or when as many requests as were asked for have been made, be it none:
    // nothing is in flight any more, and nothing is due.
    std::function<void()> drained;
  };
  // The window: requests whose moment lies in it are what is measured.
  struct Course {
    TimePoint start;
    TimePoint window_begin;
    TimePoint window_end;
  };
  Traffic(Reactor& reactor, const LoadOptions& options, const Schedule& schedule, Events events);
  virtual ~Traffic() = default;
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  // --- The course of a run, in this order
  virtual void open() = 0;
  // The first requests. The schedule counts from course.start.
  void begin(const Course& course);
  // The window ends here at the latest. What the schedule has in it and could not be sent yet goes
  // on to be sent; there are no other new requests, and without those no new connections.
  void wind_down();
  // What is still in flight is unanswered; the connections end.
  void close();

  // Gives up what is overdue, and fills the seats of those that met trouble. Called now and then.
  virtual void tend() = 0;
  // False if there is nothing in the seat of that number that could be ended.
  virtual bool kill(size_t number, Kill how) = 0;

  // --- Looking
  virtual size_t open_connections() const = 0;
  // After `close`: the last connection has ended. Not before that may the traffic go.
  virtual bool is_closed() const = 0;
  uint64_t connected() const { return connected_; }
  uint64_t in_flight() const { return in_flight_; }
  uint64_t completed() const { return completed_; }  // answers since the beginning
  const Troubles& troubles() const { return troubles_; }
  const Churned& churned() const { return churned_; }
  // What has been measured and not been taken away by `reset`.
  Record& record() {
    record_.settle();
    return record_;
  }
  // An answer has come, right or wrong.
  bool is_heard() const { return is_heard_; }
  // None has, and there was trouble several times for each seat.
  bool is_hopeless() const;

 protected:
  const LoadOptions& options() const { return options_; }

  // --- What a kind of traffic does
  // `begin`, `close`: each seat that can sends its first requests, and each ends.
  virtual void begin_all() = 0;
  virtual void close_all(TimePoint now) = 0;
  // With a schedule: calls `send_due_on`.
  virtual void send_due() = 0;

  // --- When a request is sent
  bool is_measured(TimePoint intended) const {
    return intended >= course_.window_begin && intended < course_.window_end;
  }
  // What the schedule had until the window's end is sent later, too.
  bool takes_requests() const {
    return winding_down_ ? is_open_loop(options_) && is_overdue() : left_ > 0;
  }
  // All connections are made before the first request, whether there will be any on them or not.
  bool takes_connections() const { return begun_ ? takes_requests() : !closing_; }
  // How many of `count` requests may be sent.
  uint32_t allowed_now(uint32_t count) const {
    return takes_requests() ? static_cast<uint32_t>(std::min<uint64_t>(count, left_)) : 0;
  }
  // Without a schedule.
  uint32_t next_kind() { return options_.mix.kinds() == 1 ? 0 : options_.mix.kind_of(kinds_()); }
  // With one: this seat can take a request.
  void offer_seat(uint32_t number) {
    if (free_.empty()) free_since_ = now_;
    free_.push(number);
  }
  // Calls `send(seat, moment)` for each request whose moment has come, as long as there are free
  // seats. One that can take none lets it be; else it calls `take_due`.
  template <typename Send>
  void send_due_on(Send send) {
    while (takes_requests() && !free_.empty() && !arrivals_.ended()) {
      const TimePoint moment = course_.start + arrivals_.next().at;
      now_ = reactor_.now();
      if (moment > now_) return arm(moment);
      send(free_.pop(), moment);
    }
  }
  // The kind of the next request of the schedule, which is sent now.
  uint32_t take_due(TimePoint moment) {
    if (is_measured(moment)) {
      record_.lateness.record((now_ - std::max(moment, free_since_)).count());
    }
    const uint32_t kind = arrivals_.next().kind;
    arrivals_.take();
    return kind;
  }

  // --- What becomes of it: of each that was sent, one of the others, and for one that was waited
  // for in vain `count_waiting`, too.
  void count_sent(TimePoint intended) {
    ++in_flight_;
    if (!is_measured(intended)) return;
    ++record_.requests.scheduled;
    --left_;
  }
  // Just now; the first byte came at `first`.
  void count_answered(const Request& request, TimePoint first, AnswerClass what = kNoClass) {
    is_heard_ = true;
    --in_flight_;
    ++completed_;
    ++record_.completed;
    if (!is_measured(request.intended)) return;
    ++record_.requests.answered;
    ++record_.classes[what];
    record_.add_answered(request, first, now_);
  }
  void count_ended(const Request& request, uint64_t Requests::* how) {
    --in_flight_;
    if (is_measured(request.intended)) ++(record_.requests.*how);
  }
  // A wrong answer's, which is counted by `count_ended`.
  void count_class(const Request& request, AnswerClass what) {
    if (is_measured(request.intended)) ++record_.classes[what];
  }
  // A request that was never answered took at least as long as it was waited for.
  void count_waiting(const Request& request, TimePoint now) {
    if (is_measured(request.intended)) record_.add_waiting(request, now);
  }
  void add_trouble(Trouble trouble, const std::string& cause);
  bool is_winding_down() const { return winding_down_ && !closing_; }
  void tell_if_drained() {
    if (in_flight_ == 0 && !takes_requests()) events_.drained();
  }

  Reactor& reactor_;
  const LoadOptions& options_;
  const Events events_;
  TimePoint now_;  // read last
  bool begun_ = false;
  bool is_heard_ = false;
  bool closing_ = false;
  uint64_t connected_ = 0;
  Record record_;
  Churned churned_;

 private:
  bool is_overdue() const;
  void arm(TimePoint moment);

  Course course_{TimePoint::max(), TimePoint::max(), TimePoint::max()};
  Random kinds_;       // without a schedule
  Arrivals arrivals_;  // without a schedule: none
  TimerId arrival_timer_;
  TimePoint armed_for_;   // the moment of that timer
  SeatQueue free_;        // seats that can take a request, with a schedule
  TimePoint free_since_;  // there has been one
  bool winding_down_ = false;
  uint64_t in_flight_ = 0;
  uint64_t completed_ = 0;
  uint64_t trouble_count_ = 0;
  uint64_t left_;  // requests that may still be measured
  Troubles troubles_;
};

}  // namespace eddy::load
