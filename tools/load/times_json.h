// Times as JSON: what all results of the harness have in common.
#pragma once

#include <eddy/core/histogram.h>

#include <nlohmann/json_fwd.hpp>

namespace eddy::load {

// In microseconds; null is a percentile beyond which too few samples lie.
nlohmann::ordered_json json_of(const Histogram& times);
double us(int64_t nanoseconds);

}  // namespace eddy::load
