// What requests came to, in numbers that add up: of one reactor or of many, of a second or of a
// run.
#pragma once

#include <eddy/core/histogram.h>
#include <eddy/core/time.h>
#include <stdint.h>

#include <array>
#include <vector>

#include "load/handshakes.h"

namespace eddy::load {

// A request that is under way.
struct Request {
  TimePoint intended;  // when the schedule has it; without a schedule, when its turn came
  TimePoint sent;      // when it was handed to its stream
  uint32_t kind = 0;   // in the mix
};

// What an answer says, beside that it is one: of HTTP the first digit of its status; of a store
// whether the key that was to be read is there.
using AnswerClass = uint8_t;
inline constexpr size_t kAnswerClasses = 10;
inline constexpr AnswerClass kNoClass = 0;
inline constexpr AnswerClass kKeyFound = 1;
inline constexpr AnswerClass kKeyMissed = 2;

// How the requests of the window ended, each in one way:
//   scheduled = answered + wrong + lost + abandoned + timed_out + unanswered + unsent
struct Requests {
  uint64_t scheduled = 0;
  uint64_t answered = 0;
  uint64_t wrong = 0;       // something was answered, and not what was asked for
  uint64_t lost = 0;        // with a connection that met trouble
  uint64_t abandoned = 0;   // with a connection that --churn ended
  uint64_t timed_out = 0;   // and, if it had one, so was its connection
  uint64_t unanswered = 0;  // when the run was over
  uint64_t unsent = 0;      // no connection was free for it until the run was over

  uint64_t sent() const { return scheduled - unsent; }
  uint64_t failed() const { return wrong + lost + timed_out; }
  // In the histograms with the time that was waited for them.
  uint64_t lower_bounds() const { return timed_out + unanswered + unsent; }
  uint64_t ended() const {
    return answered + wrong + lost + abandoned + timed_out + unanswered + unsent;
  }
  Requests& operator+=(const Requests& other);
};

// Adds up histograms of the one layout that all have here.
void merge_into(Histogram& sum, const Histogram& part);

// Times in nanoseconds. A request that was never answered is in `response` and `service` with the
// time that was waited for it, which is less than it would have taken.
struct Record {
  explicit Record(size_t kinds);
  Record(Record&&) = default;
  Record& operator=(Record&&) = default;

  // Its last byte came at `end`, the first at `first`. It is in the histograms after `settle`.
  void add_answered(const Request& request, TimePoint first, TimePoint end) {
    if (request.intended == request.sent && first == end) {
      at_once_[request.kind].record((end - request.sent).count());
    } else {
      add_delayed(request, first, end);
    }
  }
  // It was waited for until `end`.
  void add_waiting(const Request& request, TimePoint end);
  // So many had not even been sent, and waited so long.
  void add_unsent(std::chrono::nanoseconds waited, uint32_t kind, uint64_t times);
  // Brings all that was added into the histograms: before they are looked at.
  void settle();
  // `other` is settled.
  void merge(const Record& other);
  void reset();
  // Of all kinds.
  Histogram response() const;

  Requests requests;
  std::array<uint64_t, kAnswerClasses> classes{};  // of the answers to these, right or wrong
  uint64_t completed = 0;                          // answers that came in this time, whenever sent
  uint64_t bytes_received = 0;                     // … and bytes
  uint64_t strays = 0;                             // … and datagrams that came too late, or twice
  std::vector<Histogram> response_of;  // by kind: from the intended moment to the last byte
  Histogram service;                   // from when it was sent to the last byte
  Histogram lag;                       // from the intended moment to when it was sent
  Histogram first_byte;                // from when it was sent to the first byte
  Histogram lateness;                  // of the client: from when it could have been sent
  Histogram connect;                   // from the call to the connection
  Handshakes handshakes;               // where there are some

 private:
  void add_delayed(const Request& request, TimePoint first, TimePoint end);

  // By kind, of requests without lag whose answers came in one piece: one time is all their times.
  std::vector<Histogram> at_once_;
};

}  // namespace eddy::load
