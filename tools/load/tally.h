// What several processes have counted, as arrays that MPI adds up: an array of numbers whose sums
// are wanted, and one of numbers of which the greatest is. A histogram is its counts in the first,
// and its extremes in the second; histograms of a layout have as many numbers, whatever they have
// counted, so the sum of the arrays is exactly the histogram of all.
#pragma once

#include <eddy/core/histogram.h>
#include <stddef.h>
#include <stdint.h>

#include <vector>

namespace eddy::load {

struct Tally {
  std::vector<uint64_t> sums;
  std::vector<int64_t> maxima;

  void add(uint64_t count) { sums.push_back(count); }
  void add(const Histogram& histogram);
};

// Takes out in the order in which things were added. The tally outlives it.
class TallyReader {
 public:
  explicit TallyReader(const Tally& tally) : tally_(tally) {}

  // 0, and an empty one, if the tally has no more.
  void take(uint64_t& count);
  // The histogram is empty and has the layout of the one that was added.
  void take(Histogram& histogram);

  // Nothing was missing or contradicted itself.
  bool ok() const { return ok_; }

 private:
  const Tally& tally_;
  size_t sum_ = 0;
  size_t maximum_ = 0;
  bool ok_ = true;
};

}  // namespace eddy::load
