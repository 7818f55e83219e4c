#include "load/rate_profile.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <system_error>

namespace eddy::load {
namespace {

using std::chrono::nanoseconds;

constexpr double kNanoseconds = 1e9;  // in a second
constexpr double kGreatestRate = 1e9;

bool is_rate(double rate) { return rate >= 0 && rate <= kGreatestRate; }  // false for NaN

std::unexpected<Error> refused(std::string subject, std::string why) {
  return std::unexpected(Error(std::make_error_code(std::errc::invalid_argument), "rate profile",
                               std::move(subject), std::move(why)));
}

}  // namespace

Result<RateProfile> RateProfile::make(const std::vector<RateSegment>& segments) {
  RateProfile profile;
  double before = 0;
  for (size_t i = 0; i < segments.size(); ++i) {
    const RateSegment& given = segments[i];
    const std::string name = "segment " + std::to_string(i + 1);
    if (given.length <= nanoseconds(0)) return refused(name, "it must last some time");
    if (!is_rate(given.from) || !is_rate(given.to)) {
      return refused(name, "a rate is from 0 to 1e9 arrivals a second");
    }
    if (given.length > RateSegment::kEndless - profile.length_) {
      return refused(name, "it would end in more than 100 years");
    }
    const double seconds = static_cast<double>(given.length.count()) / kNanoseconds;
    const double area = (given.from + given.to) / 2 * seconds;
    if (area > 0) {
      profile.segments_.push_back({before, area, given.from, (given.to - given.from) / seconds,
                                   profile.length_, given.length});
    }
    before += area;
    profile.length_ += given.length;
  }
  if (profile.segments_.empty()) return refused({}, "there is no rate above 0 in it");
  return profile;
}

nanoseconds RateProfile::time_of(double arrivals, Place& place) const {
  while (place.segment + 1 < segments_.size() && arrivals >= segments_[place.segment + 1].before) {
    ++place.segment;
  }
  const Segment& segment = segments_[place.segment];
  const double wanted = arrivals - segment.before;
  double elapsed = 0;  // nanoseconds
  if (segment.acceleration == 0) {
    elapsed = wanted * kNanoseconds / segment.from;
  } else if (wanted > 0) {
    // from * t + acceleration * t^2 / 2 = wanted, in the form that loses no digits where either
    // term is small. A ramp down to 0 may be rounded to just below 0 at its end.
    const double square = segment.from * segment.from + 2 * segment.acceleration * wanted;
    elapsed = 2 * wanted / (segment.from + std::sqrt(std::max(square, 0.0))) * kNanoseconds;
  }
  elapsed = std::min(elapsed, static_cast<double>(segment.length.count()));
  return segment.start + nanoseconds(std::llround(elapsed));
}

}  // namespace eddy::load
