#include "load/quantile_interval.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>

#include "load/batch_variance.h"

namespace eddy::load {
namespace {

constexpr double kNormal = 1.959964;  // passed by 2.5 %
constexpr double kShift = 1.5;        // effective samples
constexpr double kWider = 4;          // times as much beyond

// How many samples of each batch lie beyond a cut.
struct Beyond {
  std::array<double, Batches::kMost> counts{};
  double sum = 0;

  void add(size_t batch, uint64_t count) {
    counts[batch] += static_cast<double>(count);
    sum += static_cast<double>(count);
  }
};

// By how much the variance of the number of samples beyond `value` exceeds that of independent
// ones. A layout cannot cut within a count, so the cut is beside the one that `value` is in.
double inflation(int64_t value, double fraction, std::span<const Histogram> batches) {
  const HistogramLayout& layout = batches.front().layout();
  const size_t index = layout.index_of(std::clamp<int64_t>(value, 0, layout.greatest()));
  const int64_t lowest = layout.lowest_at(index);
  Beyond with;  // what shares the count
  Beyond without;
  double all = 0;
  for (size_t i = 0; i < batches.size(); ++i) {
    all += static_cast<double>(batches[i].count());
    batches[i].for_each([&](const Histogram::Bucket& bucket) {
      if (bucket.lowest >= lowest) with.add(i, bucket.count);
      if (bucket.lowest > lowest) without.add(i, bucket.count);
    });
  }
  const auto distance = [&](const Beyond& cut) { return std::abs(cut.sum - fraction * all); };
  Beyond& cut = distance(with) < distance(without) ? with : without;
  if (cut.sum <= 0 || cut.sum >= all) return 1;
  const double share = cut.sum / all;
  for (size_t i = 0; i < batches.size(); ++i) {
    cut.counts[i] -= share * static_cast<double>(batches[i].count());
  }
  const double variance = variance_of_sum(std::span(cut.counts).first(batches.size()));
  return std::max(variance / (cut.sum * (1 - share)), 1.0);
}

// … at a lower percentile, beyond which more lies: its bursts are more, and their count is surer.
double wider_inflation(const Histogram& whole, double p, std::span<const Histogram> batches) {
  const double fraction = kWider * (1 - p);
  if (fraction >= 0.5) return 1;
  return inflation(whole.percentile(100 * (1 - fraction)), fraction, batches);
}

}  // namespace

QuantileInterval quantile_interval(const Histogram& whole, const Batches& batches, double percent,
                                   uint64_t lower_bounds) {
  QuantileInterval result;
  const double p = percent / 100;
  const auto samples = static_cast<double>(whole.count());
  // As Histogram::percentile counts.
  const double rank = std::ceil(std::nextafter(percent, 0.0) * samples / 100);
  if (samples - rank < static_cast<double>(QuantileInterval::kLeastBeyond)) return result;
  result.verdict = QuantileInterval::Verdict::kTooShort;
  result.value = whole.percentile(percent);
  if (batches.complete().size() < kLeastBatches) return result;

  const double inflated = inflation(result.value, 1 - p, batches.complete());
  const double surely = std::max(inflated, wider_inflation(whole, p, batches.complete()));
  result.effective = samples / surely * std::min(p, 1 - p);
  if (result.effective < QuantileInterval::kLeastEffective) return result;
  result.verdict = QuantileInterval::Verdict::kKnown;

  const double independent = samples / inflated;
  const double freedom = std::min(static_cast<double>(batches.complete().size() - 1),
                                  independent * std::min(p, 1 - p));
  const double width = error_bound(kNormal, freedom) * std::sqrt(p * (1 - p) / independent);
  const double middle = 1 - p - kShift / independent;
  // Samples beyond the upper end.
  const double beyond = (middle - width) * samples - static_cast<double>(lower_bounds);
  result.upper = whole.percentile(100 * (1 - std::max(beyond, 0.0) / samples));
  result.open = beyond < 1 || (whole.overflowed() > 0 && result.upper == whole.layout().greatest());
  const int64_t lower = whole.percentile(100 * (1 - std::min(middle + width, 1.0)));
  result.lower = whole.layout().lowest_equivalent(lower);
  return result;
}

}  // namespace eddy::load
