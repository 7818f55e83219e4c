// The types of time in eddy.
//
// What it is: points of the monotonic clock in nanoseconds (CLOCK_MONOTONIC, clock_gettime(2)). The
// clock cannot be read from here, on purpose: it belongs to the kernel seam and may be simulated,
// so time is always an argument.
#pragma once

#include <chrono>
#include <cstdint>

namespace eddy {

// The tag of the clock: a time_point of it cannot be mixed up with one of another clock.
struct MonotonicClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<MonotonicClock, duration>;
  static constexpr bool is_steady = true;
};

using TimePoint = MonotonicClock::time_point;

// `from` and so long after it; no earlier than `from`, and at the end of time where that would be
// beyond it.
inline TimePoint after(TimePoint from, std::chrono::nanoseconds delay) {
  if (delay <= std::chrono::nanoseconds::zero()) return from;
  const bool overflows = delay > TimePoint::max() - from;
  return overflows ? TimePoint::max() : from + delay;
}

}  // namespace eddy
