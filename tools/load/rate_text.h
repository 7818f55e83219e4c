// A rate as it is written: steady, in steps, or on ramps.
//
//   10k                      steady
//   1k:30s,5k:30s,1k         steps; the last one stays
//   0..10k:1m,10k            a ramp, and then steady
#pragma once

#include <eddy/core/error.h>

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "load/rate_profile.h"

namespace eddy::load {

// Refused, with the part that is wrong: what is no rate or time, a length that is missing before
// the last part, a ramp without a length, no rate above 0.
Result<std::vector<RateSegment>> parse_rates(std::string_view text);

// How long they take; nothing if the last one stays.
std::optional<std::chrono::nanoseconds> length_of(const std::vector<RateSegment>& segments);

}  // namespace eddy::load
