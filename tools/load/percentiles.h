// What is told of a histogram of times: its percentiles, as far as samples bear them out.
#pragma once

#include <eddy/core/histogram.h>
#include <stdint.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace eddy::load {

inline constexpr std::array kPercentiles = {50.0, 90.0, 99.0, 99.9};

std::string percentile_name(double percentile);  // "p99.9"

// As Histogram::percentile; but the highest value of its bucket would pass the maximum, which is
// exact.
int64_t value_at(const Histogram& histogram, double percent);
// Enough samples lie beyond that percentile for it to be told.
bool is_known(const Histogram& times, double percent);
// The value there, if it is known.
std::optional<int64_t> known_at(const Histogram& times, double percent);

// Latency by percentile, as HdrHistogram steps through it: five steps in each half of the distance
// that is left to 100 %, as far as percentiles are known.
struct CurvePoint {
  double percentile;
  int64_t value;
};
std::vector<CurvePoint> percentile_curve(const Histogram& times);

}  // namespace eddy::load
