// How often the interval of a percentile has the true one in it, counted over many runs of a queue
// whose percentiles are known.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "queue.h"

namespace eddy::load {

inline constexpr std::array kPercents{50.0, 99.0, 99.9};

struct Coverage {
  size_t runs = 0;
  size_t known = 0;    // runs that told an interval
  size_t beneath = 0;  // of these: intervals that lie beneath the truth
  size_t above = 0;
  double width = 0;  // mean, as a part of the truth

  double covered() const {
    return 1 - static_cast<double>(beneath + above) / static_cast<double>(known);
  }
};

using Coverages = std::array<Coverage, kPercents.size()>;

// Runs of so many requests each, one after the other in the life of one queue.
Coverages count_coverage(Service service, double utilisation, size_t requests, size_t runs,
                         uint64_t seed, size_t spans = 640);

}  // namespace eddy::load
