// The arrivals of an open-loop run: when each request is meant to be sent, and of which kind it is.
//
// What it is: a `Schedule` is fixed before the run by its seed and depends on nothing that happens
// in it. `Arrivals` goes through it without an allocation, in some nanoseconds an arrival. The same
// seed gives the same schedule with every compiler and on every machine of IEEE 754.
//
// Shares: `arrivals(index, of)` is the part of one of several workers, of all processes together.
// Each arrival is in exactly one share. Of arrivals with constant spacing, and of replayed ones,
// a share is every of-th from the index-th on, so each share is evenly spaced, too, and out of
// step with the others by one part. Of a Poisson process it is what chance gives to it, which is a
// Poisson process again; each share then draws the whole's gaps, and costs that.
//
// Threads: a Schedule does not change; any thread may read it. Arrivals belong to one, and the
// Schedule outlives them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/core/error.h>

#include "load/mix.h"
#include "load/random.h"
#include "load/rate_profile.h"

namespace eddy::load {

struct Arrival {
  std::chrono::nanoseconds at;  // from the run's start
  uint32_t kind;                // index in the mix

  bool operator==(const Arrival&) const = default;
};

class Arrivals;

class Schedule {
 public:
  // The k-th arrival, from 0, where the profile's integral reaches k: at k / rate for a steady one.
  static Schedule constant(RateProfile profile, Mix mix = {}, uint64_t seed = 0) {
    return {Spacing::kConstant, std::move(profile), std::move(mix), seed};
  }
  // A Poisson process of the profile's rate: independent exponential gaps where it is steady.
  static Schedule poisson(RateProfile profile, Mix mix = {}, uint64_t seed = 0) {
    return {Spacing::kPoisson, std::move(profile), std::move(mix), seed};
  }
  // Arrivals as recorded: a line is a time in seconds from the run's start, and possibly a kind,
  // else the mix gives it. Empty lines, and what follows a '#', are passed over. Refused, with the
  // line's number after `name`: what is no time, one before its predecessor's, a kind that the mix
  // does not have; and a text without any arrival.
  static Result<Schedule> replay(std::string_view text, std::string_view name, Mix mix = {},
                                 uint64_t seed = 0);

  // Each arrival follows from the one before it, by chance.
  bool is_random() const { return spacing_ == Spacing::kPoisson; }

  // From the beginning. index < of.
  Arrivals arrivals(uint32_t index = 0, uint32_t of = 1) const;

 private:
  friend class Arrivals;
  enum class Spacing { kConstant, kPoisson, kRecorded };
  enum Sequence : uint64_t { kGaps, kKinds, kShares };  // of random numbers

  Schedule(Spacing spacing, RateProfile profile, Mix mix, uint64_t seed);

  uint32_t kind_of(uint64_t number) const {
    return mix_.kinds() == 1 ? 0 : mix_.kind_of(Random::at(kinds_seed_, number));
  }

  Spacing spacing_;
  RateProfile profile_;  // of kRecorded: not looked at
  Mix mix_;
  uint64_t gaps_seed_;
  uint64_t kinds_seed_;
  uint64_t shares_seed_;
  std::vector<Arrival> recorded_;
};

// Where somebody is in a schedule. A copy goes on by itself.
class Arrivals {
 public:
  // No arrival is left.
  bool ended() const { return ended_; }

  // The one that comes next. Not once ended.
  const Arrival& next() const { return next_; }

  // Goes past it. Not once ended.
  void take();

  // How many are left before a time. Goes through them.
  uint64_t count_before(std::chrono::nanoseconds end) const;

  // --- By arithmetic, however many there are. Constant and recorded arrivals are where they are; a
  // Poisson process goes on from here as it does on average, at the distances of its profile.
  // When the one is that has so many before it from here on; nothing if there is none.
  std::optional<std::chrono::nanoseconds> time_of(uint64_t ahead) const;
  struct Passed {
    uint64_t count = 0;
    std::chrono::nanoseconds last{};  // of them
  };
  // Goes past all that are before a time.
  Passed skip_before(std::chrono::nanoseconds end);

 private:
  friend class Schedule;
  Arrivals(const Schedule& schedule, uint32_t index, uint32_t of);

  void find();  // an arrival of this share, from number_ on
  void find_in_profile();
  bool is_before(uint64_t ahead, std::chrono::nanoseconds end) const;

  const Schedule* schedule_;
  uint32_t index_;
  uint32_t of_;
  uint64_t number_;      // of the next arrival in the whole schedule
  double position_ = 0;  // of the next arrival on the profile's integral
  Random gaps_;
  RateProfile::Place place_;
  Arrival next_{};
  bool ended_ = false;
};

}  // namespace eddy::load
