// The percentile distribution as text: a .hgrm file.
#pragma once

#include <eddy/core/histogram.h>
#include <stdint.h>

#include <string>

namespace eddy::load {

// What HdrHistogram's outputPercentileDistribution prints, to the byte, and what the plotters of
// such files read: value, percentile, count up to it and 1/(1-percentile), at five steps in each
// half of the distance that is left to 100 %, and a footer. Values are divided by `unit`:
// nanoseconds are shown in milliseconds, unless told otherwise.
//
// As the reference's, mean and standard deviation are those of the counts' middles, and the maximum
// is the highest value of the last count: so the text is the same whether the histogram was
// recorded or read from a log.
std::string percentile_distribution(const Histogram& histogram, int64_t unit = 1'000'000);

}  // namespace eddy::load
