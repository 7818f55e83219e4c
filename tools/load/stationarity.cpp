#include "load/stationarity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "load/batch_variance.h"

namespace eddy::load {
namespace {

constexpr double kNormal = 1.959964;  // passed by 2.5 % on either side
constexpr double kAlarm = 3.5;        // by 0.023 %
constexpr double kLeastEffective = 30;
constexpr double kRounding = 1e-12;  // of sums of squares

struct Half {
  double mean = 0;       // of the logarithms
  double variance = 0;   // of this mean
  double effective = 0;  // independent samples that would give it
};

Half half_of(std::span<const Histogram> batches) {
  std::vector<double> sums;
  double sum = 0;
  double squares = 0;
  double count = 0;
  for (const Histogram& batch : batches) {
    double of_batch = 0;
    batch.for_each([&](const Histogram::Bucket& bucket) {
      const double middle = (static_cast<double>(bucket.lowest) + bucket.highest) / 2;
      const double logarithm = std::log(std::max(middle, 1.0));
      of_batch += logarithm * static_cast<double>(bucket.count);
      squares += logarithm * logarithm * static_cast<double>(bucket.count);
    });
    sum += of_batch;
    count += static_cast<double>(batch.count());
    sums.push_back(of_batch);
  }
  if (count == 0) return {};
  Half half{.mean = sum / count};
  for (size_t i = 0; i < sums.size(); ++i) {
    sums[i] -= half.mean * static_cast<double>(batches[i].count());
  }
  // The sum's variance, were the samples independent; what may be rounding counts as some.
  const double independent = std::max(squares - sum * half.mean, kRounding * squares);
  const double variance = std::max(variance_of_sum(sums), independent);
  half.variance = variance / (count * count);
  half.effective = variance > 0 ? count * independent / variance : count;
  return half;
}

}  // namespace

Stationarity stationarity(const Batches& batches) {
  const std::span<const Histogram> all = batches.complete();
  const size_t size = all.size() / 2;
  if (size < kLeastBatches) return {};
  const Half first = half_of(all.first(size));
  const Half second = half_of(all.last(size));
  if (first.effective == 0 || second.effective == 0) return {};

  const double difference = second.mean - first.mean;
  const double error = std::sqrt(2 * std::min(first.variance, second.variance));
  const auto freedom = static_cast<double>(size - 1);
  const bool is_large = std::abs(difference) >= std::log(Stationarity::kLeastChange);
  Stationarity result;
  if (is_large && std::abs(difference) > error_bound(kAlarm, freedom) * error) {
    result.verdict = Stationarity::Verdict::kChanged;
  } else if (std::max(first.effective, second.effective) >= kLeastEffective) {
    result.verdict = Stationarity::Verdict::kSteady;
  }
  const double width =
      error_bound(kNormal, 2 * freedom) * std::sqrt(first.variance + second.variance);
  result.ratio = std::exp(difference);
  result.lower = std::exp(difference - width);
  result.upper = std::exp(difference + width);
  return result;
}

}  // namespace eddy::load
