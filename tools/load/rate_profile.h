// How many arrivals a second are wanted, over the time of a run.
//
// What it is: segments, each of a length, whose rate stays or goes evenly from one value to
// another. The integral of the rate is how many arrivals there should have been by a time; its
// inverse places them: constant spacing is one at each whole number of the integral, and a Poisson
// process of rate 1 becomes one of the profile's rate (Çinlar, "Introduction to Stochastic
// Processes", 1975: time change).
//
// Threads: a profile does not change; any thread may read it. A Place belongs to one.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include <eddy/core/error.h>

namespace eddy::load {

struct RateSegment {
  // As long as times can be told: a segment that does not end.
  static constexpr std::chrono::nanoseconds kEndless = std::chrono::hours(24) * 365 * 100;

  std::chrono::nanoseconds length = kEndless;
  double from = 0;  // arrivals a second; 0 is a pause
  double to = 0;    // the same as `from` for a steady rate
};

class RateProfile {
 public:
  // Refused: no segment, a length that is not positive, a rate that is negative, above 1e9 or no
  // number, all of them 0, more than kEndless altogether.
  static Result<RateProfile> make(const std::vector<RateSegment>& segments);

  // Arrivals from the start to the end, and its end.
  double arrivals() const { return segments_.back().before + segments_.back().area; }
  std::chrono::nanoseconds length() const { return length_; }

  // Where the last question was answered: the next one is about the same or later arrivals.
  struct Place {
    size_t segment = 0;
  };

  // When the integral reaches `arrivals`, rounded to the nanosecond. 0 <= arrivals < arrivals().
  std::chrono::nanoseconds time_of(double arrivals, Place& place) const;

 private:
  struct Segment {
    double before;        // arrivals until it begins
    double area;          // arrivals in it
    double from;          // a second
    double acceleration;  // of the rate, a second a second
    std::chrono::nanoseconds start;
    std::chrono::nanoseconds length;
  };

  RateProfile() = default;

  std::vector<Segment> segments_;  // without those of no arrivals
  std::chrono::nanoseconds length_{0};
};

}  // namespace eddy::load
