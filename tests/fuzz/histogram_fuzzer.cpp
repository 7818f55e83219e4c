// The histogram's arithmetic, against a sorted list of the same values.
#include <eddy/core/histogram.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "fuzz.h"

namespace {

using eddy::Histogram;
using eddy::HistogramLayout;

void check_layout(const HistogramLayout& layout, int64_t value) {
  const size_t index = layout.index_of(value);
  FUZZ_CHECK(index < layout.size());
  const int64_t lowest = layout.lowest_at(index);
  const int64_t highest = layout.highest_at(index);
  FUZZ_CHECK(lowest <= value && value <= highest);
  FUZZ_CHECK(layout.index_of(lowest) == index && layout.index_of(highest) == index);
  // Apart by less than 1 part in 10^digits, or by less than a unit.
  const double allowed =
      std::max(static_cast<double>(value) * std::pow(10, -layout.options().digits),
               static_cast<double>(layout.options().lowest));
  FUZZ_CHECK(static_cast<double>(highest - lowest) < allowed);
}

// So many of the values are in the counts up to this value's, or in those below.
void check_percentile(const Histogram& histogram, const std::vector<int64_t>& sorted,
                      double percent) {
  const int64_t result = histogram.percentile(percent);
  const HistogramLayout& layout = histogram.layout();
  const int64_t lowest = layout.lowest_equivalent(result);
  const int64_t highest = layout.highest_equivalent(result);
  const auto up_to = std::ranges::upper_bound(sorted, highest) - sorted.begin();
  const auto below = std::ranges::lower_bound(sorted, lowest) - sorted.begin();
  const double wanted = std::clamp(percent, 0.0, 100.0) / 100 * static_cast<double>(sorted.size());
  constexpr double kRounding = 1e-6;
  FUZZ_CHECK(static_cast<double>(up_to) >= wanted - kRounding);
  FUZZ_CHECK(below == 0 || static_cast<double>(below) < wanted + kRounding);
}

void check_whole(const Histogram& histogram, const std::vector<int64_t>& recorded) {
  uint64_t sum = 0;
  std::vector<int64_t> counted;  // as they are counted: within the bounds
  for (const int64_t value : recorded) {
    sum += static_cast<uint64_t>(std::max<int64_t>(value, 0));
    counted.push_back(std::clamp<int64_t>(value, 0, histogram.layout().greatest()));
  }
  std::ranges::sort(counted);
  FUZZ_CHECK(histogram.count() == recorded.size());
  FUZZ_CHECK(histogram.sum() == sum);
  uint64_t visited = 0;
  histogram.for_each([&](const Histogram::Bucket& bucket) {
    const auto from = std::ranges::lower_bound(counted, bucket.lowest);
    const auto to = std::ranges::upper_bound(counted, bucket.highest);
    FUZZ_CHECK(static_cast<uint64_t>(to - from) == bucket.count);
    visited += bucket.count;
  });
  FUZZ_CHECK(visited == recorded.size());
  if (counted.empty()) {
    FUZZ_CHECK(histogram.percentile(50) == 0 && histogram.maximum() == 0);
    return;
  }
  FUZZ_CHECK(histogram.minimum() == std::max<int64_t>(std::ranges::min(recorded), 0));
  FUZZ_CHECK(histogram.maximum() == std::max<int64_t>(std::ranges::max(recorded), 0));
  for (const double percent : {0.001, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    check_percentile(histogram, counted, percent);
  }
}

int64_t draw_value(FuzzedDataProvider& input) {
  const auto value = input.ConsumeIntegral<int64_t>();
  return value >> input.ConsumeIntegralInRange(0, 63);  // small ones as likely as large
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const eddy::HistogramOptions options = {.lowest = draw_value(input),
                                          .highest = draw_value(input),
                                          .digits = input.ConsumeIntegralInRange(-1, 3)};
  const double percent = input.ConsumeBool() ? input.ConsumeFloatingPoint<double>() : NAN;
  Histogram whole(options);
  Histogram parts[2] = {Histogram(options), Histogram(options)};
  std::vector<int64_t> recorded;
  while (input.remaining_bytes() > 0 && recorded.size() < 64) {
    const int64_t value = draw_value(input);
    whole.record(value);
    parts[recorded.size() % 2].record(value);
    recorded.push_back(value);
    check_layout(whole.layout(), std::clamp<int64_t>(value, 0, whole.layout().greatest()));
  }
  check_whole(whole, recorded);
  FUZZ_CHECK(parts[0].merge(parts[1]));
  check_whole(parts[0], recorded);
  FUZZ_CHECK(parts[0].percentile(percent) == whole.percentile(percent));
  parts[0].reset();
  check_whole(parts[0], {});
  return 0;
}
