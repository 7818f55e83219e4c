#include "load/hdr_percentiles.h"

#include <stdarg.h>
#include <stdio.h>

#include <cmath>
#include <limits>

#include "load/hdr_codec.h"

namespace eddy::load {
namespace {

// What printf rounds to as many decimals as the reference does: half up. A decimal that ends in 5
// may have no binary form but one just below, so one step up first, where a step is too small to
// be seen itself.
double half_up(double number) {
  const double above = std::nextafter(number, std::numeric_limits<double>::infinity());
  return above - number < 1e-9 ? above : number;
}

constexpr int kSteps = 5;  // in each half of the distance that is left to 100 %

double mean_of_middles(const Histogram& histogram) {
  if (histogram.count() == 0) return 0;
  double sum = 0;
  histogram.for_each([&](const Histogram::Bucket& bucket) {
    sum += static_cast<double>(middle_of(bucket)) * static_cast<double>(bucket.count);
  });
  return sum / static_cast<double>(histogram.count());
}

double deviation_of_middles(const Histogram& histogram, double mean) {
  if (histogram.count() == 0) return 0;
  double sum = 0;
  histogram.for_each([&](const Histogram::Bucket& bucket) {
    const double distance = static_cast<double>(middle_of(bucket)) - mean;
    sum += distance * distance * static_cast<double>(bucket.count);
  });
  return std::sqrt(sum / static_cast<double>(histogram.count()));
}

[[gnu::format(printf, 2, 3)]] void print(std::string& text, const char* format, ...) {
  char line[256];
  va_list values;
  va_start(values, format);
  vsnprintf(line, sizeof(line), format, values);
  va_end(values);
  text += line;
}

}  // namespace

std::string percentile_distribution(const Histogram& histogram, int64_t unit) {
  const int digits = histogram.layout().options().digits;
  const auto total = static_cast<double>(histogram.count());
  const auto in_units = [unit](double value) { return half_up(value / static_cast<double>(unit)); };
  std::string text;
  print(text, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
  uint64_t counted = 0;
  double highest = 0;
  double level = 0;  // the percentile that is looked for next
  double step = 50.0 / kSteps;
  int steps_left = kSteps;
  histogram.for_each([&](const Histogram::Bucket& bucket) {
    counted += bucket.count;
    highest = static_cast<double>(bucket.highest);
    const double reached = 100 * static_cast<double>(counted) / total;
    // The last count has one line, and then that of 100 %.
    for (bool is_last = false; !is_last && level <= reached && level < 100;) {
      print(text, "%12.*f %2.12f %10llu %14.2f\n", digits, in_units(highest), half_up(level / 100),
            static_cast<unsigned long long>(counted), half_up(1 / (1 - level / 100)));
      is_last = counted == histogram.count();
      level = level + step > level ? level + step : 100;
      if (--steps_left > 0) continue;
      step /= 2;
      steps_left = kSteps;
    }
  });
  if (counted > 0) {
    print(text, "%12.*f %2.12f %10llu\n", digits, in_units(highest), 1.0,
          static_cast<unsigned long long>(counted));
  }
  const double mean = mean_of_middles(histogram);
  print(text, "#[Mean    = %12.*f, StdDeviation   = %12.*f]\n", digits, in_units(mean), digits,
        in_units(deviation_of_middles(histogram, mean)));
  print(text, "#[Max     = %12.*f, Total count    = %12llu]\n", digits, in_units(highest),
        static_cast<unsigned long long>(counted));
  print(text, "#[Buckets = %12d, SubBuckets     = %12lld]\n", histogram.layout().bucket_count(),
        static_cast<long long>(histogram.layout().sub_bucket_count()));
  return text;
}

}  // namespace eddy::load
