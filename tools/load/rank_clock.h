// How one machine's clock stands to another's.
#pragma once

#include <eddy/core/time.h>

#include <algorithm>
#include <chrono>
#include <optional>

namespace eddy::load {

// The clocks' distance by exchanges: one machine asks at `asked`, the other's clock shows `theirs`,
// and the answer is there at `answered`. Theirs was read somewhere in between, so the middle is
// wrong by half the round trip at the most, however its two ways differ; of many exchanges the one
// with the least round trip is the surest (Cristian: "Probabilistic clock synchronization", 1989).
class RankClock {
 public:
  void add(TimePoint asked, TimePoint theirs, TimePoint answered) {
    const auto round_trip = answered - asked;
    if (measured_ && round_trip / 2 >= uncertainty_) return;
    measured_ = true;
    uncertainty_ = round_trip / 2;
    offset_ = theirs - (asked + uncertainty_);
  }

  // What has to be added to a time of one's own to have it on their clock.
  std::chrono::nanoseconds offset() const { return offset_; }
  // The offset is wrong by no more than that.
  std::chrono::nanoseconds uncertainty() const { return uncertainty_; }

 private:
  bool measured_ = false;
  std::chrono::nanoseconds offset_{};
  std::chrono::nanoseconds uncertainty_{};
};

}  // namespace eddy::load
