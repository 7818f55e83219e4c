// What of a run is fixed before it begins.
#pragma once

#include <chrono>

#include "load/options.h"
#include "load/schedule.h"

namespace eddy::load {

// When requests are sent. A closed loop has no schedule, and nobody looks at this one.
Schedule schedule_of(const LoadOptions& options);

// The spans of time in which what was measured is added up: a second has a whole number of them,
// and a window 65 at the least; of which the last is not over when the window is.
std::chrono::nanoseconds slice_of(const LoadOptions& options);

// How long the window is in which the schedule has options.requests of them, which are given. Of a
// Poisson process, that is so for the first five million; a longer one is as long as it is on
// average.
std::chrono::nanoseconds window_of(const Schedule& schedule, const LoadOptions& options);

// What the worker of that index does, of options.threads: a part of the connections, of the
// requests, of the churn and of the schedule.
LoadOptions part_of(const LoadOptions& options, uint32_t index);

// What a rank does, of several (load/ranks.h), with all of its workers: a part of the same things.
// The schedule is the whole's, and so the window's end is.
LoadOptions rank_part_of(const LoadOptions& whole, uint32_t rank, uint32_t ranks);

}  // namespace eddy::load
