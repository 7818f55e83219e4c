#include "load/percentiles.h"

#include <stdio.h>

#include <algorithm>

#include "load/quantile_interval.h"

namespace eddy::load {

std::string percentile_name(double percentile) {
  char text[32];
  return {text, static_cast<size_t>(snprintf(text, sizeof text, "p%g", percentile))};
}

int64_t value_at(const Histogram& histogram, double percent) {
  return std::min(histogram.percentile(percent), histogram.maximum());
}

bool is_known(const Histogram& times, double percent) {
  return static_cast<double>(times.count()) * (1 - percent / 100) >= QuantileInterval::kLeastBeyond;
}

std::optional<int64_t> known_at(const Histogram& times, double percent) {
  return is_known(times, percent) ? std::optional(value_at(times, percent)) : std::nullopt;
}

std::vector<CurvePoint> percentile_curve(const Histogram& times) {
  constexpr int kSteps = 5;
  std::vector<CurvePoint> curve;
  double percentile = 0;
  for (double step = 50.0 / kSteps; is_known(times, percentile); step /= 2) {
    for (int i = 0; i < kSteps && is_known(times, percentile); ++i, percentile += step) {
      curve.push_back({percentile, value_at(times, percentile)});
    }
  }
  return curve;
}

}  // namespace eddy::load
