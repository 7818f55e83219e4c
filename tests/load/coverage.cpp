#include "coverage.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include <eddy/core/histogram.h>

#include "load/batches.h"
#include "load/quantile_interval.h"

namespace eddy::load {

Coverages count_coverage(Service service, double utilisation, size_t requests, size_t runs,
                         uint64_t seed, size_t spans) {
  Queue queue(service, utilisation, seed);
  Coverages coverages;
  std::array<double, kPercents.size()> truths;
  for (size_t i = 0; i < kPercents.size(); ++i) {
    truths[i] = true_quantile(service, utilisation, kPercents[i]);
  }
  for (size_t run = 0; run < runs; ++run) {
    Histogram whole;
    Batches batches;
    for (size_t i = 0; i < spans; ++i) {
      const size_t end = requests * (i + 1) / spans;
      for (size_t sent = requests * i / spans; sent < end; ++sent) {
        const int64_t response = queue.next();
        whole.record(response);
        batches.record(response);
      }
      batches.end_span();
    }
    for (size_t i = 0; i < kPercents.size(); ++i) {
      Coverage& coverage = coverages[i];
      const QuantileInterval interval = quantile_interval(whole, batches, kPercents[i]);
      ++coverage.runs;
      if (interval.verdict != QuantileInterval::Verdict::kKnown) continue;
      ++coverage.known;
      coverage.beneath += static_cast<double>(interval.upper) < truths[i] && !interval.open ? 1 : 0;
      coverage.above += static_cast<double>(interval.lower) > truths[i] ? 1 : 0;
      coverage.width += static_cast<double>(interval.upper - interval.lower) / truths[i];
    }
  }
  return coverages;
}

}  // namespace eddy::load
