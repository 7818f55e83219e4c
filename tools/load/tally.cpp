#include "load/tally.h"

#include <limits>
#include <span>

namespace eddy::load {
namespace {

// Less than any value, so that a histogram that has none decides no maximum.
constexpr int64_t kNone = std::numeric_limits<int64_t>::min();
constexpr size_t kSumsBesideCounts = 2;  // overflow, sum
constexpr size_t kMaxima = 2;            // the maximum, the minimum with its sign turned

}  // namespace

void Tally::add(const Histogram& histogram) {
  const auto counts = histogram.counts();
  sums.insert(sums.end(), counts.begin(), counts.end());
  sums.push_back(histogram.overflowed());
  sums.push_back(histogram.sum());
  const bool is_empty = histogram.count() == 0;
  maxima.push_back(is_empty ? kNone : histogram.maximum());
  maxima.push_back(is_empty ? kNone : -histogram.minimum());
}

void TallyReader::take(uint64_t& count) {
  ok_ = ok_ && sum_ < tally_.sums.size();
  count = ok_ ? tally_.sums[sum_++] : 0;
}

void TallyReader::take(Histogram& histogram) {
  const size_t size = histogram.counts().size();
  ok_ = ok_ && tally_.sums.size() - sum_ >= size + kSumsBesideCounts &&
        tally_.maxima.size() - maximum_ >= kMaxima;
  if (!ok_) return;
  const std::span sums = std::span(tally_.sums).subspan(sum_, size + kSumsBesideCounts);
  const std::span maxima = std::span(tally_.maxima).subspan(maximum_, kMaxima);
  sum_ += sums.size();
  maximum_ += kMaxima;
  const int64_t minimum = maxima[1] == kNone ? kNone : -maxima[1];
  ok_ = histogram.merge(sums.first(size), sums[size], sums[size + 1], minimum, maxima[0]);
}

}  // namespace eddy::load
