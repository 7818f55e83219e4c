// The requests that a schedule had, and that nobody sent: a rate that cannot be made leaves
// billions of them, and all are to be counted at once when the run is over.
#pragma once

#include <chrono>

#include "load/mix.h"
#include "load/record.h"
#include "load/schedule.h"

namespace eddy::load {

// Adds to the record what the arrivals still have between `from` and `to`, as requests that waited
// until `now`; goes past it. All times count from the run's start.
//
// The first million are gone through one by one. Of the others, where arrivals are at constant
// distances, count and times are exact to the histograms' resolution. Of a Poisson process there
// are as many as there would be on average; and each kind has its share of them on average.
void add_unsent(Record& record, Arrivals& arrivals, const Mix& mix, std::chrono::nanoseconds from,
                std::chrono::nanoseconds to, std::chrono::nanoseconds now);

}  // namespace eddy::load
