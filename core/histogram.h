// A histogram of latencies, with HdrHistogram's layout of counts.
//
// What it is: counts of values from 0 to a highest one, with a fixed number of significant decimal
// digits: what `percentile` tells of a value differs from it by less than 1 part in 10^digits.
// Recording takes a few instructions and never allocates; minimum, maximum, count and sum are
// exact.
//
// Layout: that of HdrHistogram (hdrhistogram.org), so that its file formats can be written from
// `layout()` and `counts()`, and histograms of one layout are merged exactly by adding their
// counts.
//
// Memory: 8 bytes a count, in one piece: 264 KiB for 3 digits up to an hour of nanoseconds, 30 KiB
// for 2 digits up to a minute. Reading, merging and resetting touch only what lies between the
// least and the greatest value, so pages into which no value falls need not become resident.
//
// Threads: none; one thread records and reads. A histogram can be moved, not copied: `merge` into
// an empty one of the same layout is the copy.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>

namespace eddy {

// What a histogram can tell apart. What is out of its bounds here is brought into them.
struct HistogramOptions {
  std::int64_t lowest = 1;                   // values below need not be told apart; 1 to 2^40
  std::int64_t highest = 3'600'000'000'000;  // trackable; at least twice the lowest
  int digits = 3;                            // significant decimal digits, 1 to 5

  bool operator==(const HistogramOptions&) const = default;
};

// Where values are counted. The first `sub_bucket_count` counts are of values one unit apart (a
// unit is the greatest power of two up to `lowest`); after that, each half as many counts span
// twice as much: bucket n has its values 2^n units apart, and its lower half is what bucket n - 1
// covers.
class HistogramLayout {
 public:
  explicit HistogramLayout(const HistogramOptions& options) noexcept;

  const HistogramOptions& options() const noexcept { return options_; }

  // HdrHistogram's unitMagnitude, subBucketCount, bucketCount and countsArrayLength.
  int unit_magnitude() const noexcept { return unit_magnitude_; }
  std::int64_t sub_bucket_count() const noexcept { return std::int64_t{2} << half_magnitude_; }
  int bucket_count() const noexcept { return bucket_count_; }
  std::size_t size() const noexcept {
    return (static_cast<std::size_t>(bucket_count_) + 1) << half_magnitude_;
  }

  // The greatest value that has a count of its own; not less than options().highest.
  std::int64_t greatest() const noexcept { return greatest_; }

  // The index of a value's count. 0 <= value <= greatest().
  std::size_t index_of(std::int64_t value) const noexcept {
    const auto bits = static_cast<std::uint64_t>(value);
    const int bucket = static_cast<int>(std::bit_width(bits | sub_bucket_mask_)) - mask_width_;
    const std::uint64_t sub_bucket = bits >> (bucket + unit_magnitude_);
    return (static_cast<std::size_t>(bucket) << half_magnitude_) + sub_bucket;
  }

  // The values that share a count.
  std::int64_t lowest_at(std::size_t index) const noexcept;
  std::int64_t highest_at(std::size_t index) const noexcept;
  std::int64_t lowest_equivalent(std::int64_t value) const noexcept {
    return lowest_at(index_of(value));
  }
  std::int64_t highest_equivalent(std::int64_t value) const noexcept {
    return highest_at(index_of(value));
  }

  // n, if 2^n counts of the other one are one count here (but for its first sub_bucket_count / 2
  // ones, of which fewer are); -1 if it has fewer digits, or differs in more than its digits.
  int coarser_by(const HistogramLayout& other) const noexcept;

  bool operator==(const HistogramLayout& other) const noexcept {
    return options_ == other.options_;
  }

 private:
  int bucket_at(std::size_t index) const noexcept {
    return std::max(static_cast<int>(index >> half_magnitude_) - 1, 0);
  }

  HistogramOptions options_;
  int unit_magnitude_;
  int half_magnitude_;  // log2 of half of sub_bucket_count
  int mask_width_;      // bits of the values of bucket 0
  int bucket_count_;
  std::uint64_t sub_bucket_mask_;
  std::int64_t greatest_;
};

class Histogram {
 public:
  struct Bucket {
    std::int64_t lowest;
    std::int64_t highest;
    std::uint64_t count;
  };

  explicit Histogram(const HistogramOptions& options = {});

  // Counts a value. One beyond layout().greatest() falls into the last count, in `overflowed()`,
  // and as it is into maximum and sum. A negative value counts as 0.
  void record(std::int64_t value) noexcept { record(value, 1); }
  void record(std::int64_t value, std::uint64_t times) noexcept {
    std::int64_t counted = value;
    if (static_cast<std::uint64_t>(value) > static_cast<std::uint64_t>(layout_.greatest()))
        [[unlikely]] {
      value = std::max<std::int64_t>(value, 0);
      counted = std::min(value, layout_.greatest());
      overflowed_ += value > counted ? times : 0;
    }
    counts_[layout_.index_of(counted)] += times;
    count_ += times;
    sum_ += static_cast<std::uint64_t>(value) * times;
    minimum_ = std::min(minimum_, value);
    maximum_ = std::max(maximum_, value);
  }

  // Adds what the other one has counted. False, and nothing is done, if its layout is another.
  [[nodiscard]] bool merge(const Histogram& other) noexcept;

  // The same, of one that may have more digits: as if its values had been recorded here. False, and
  // nothing is done, if it has fewer, or differs in more than its digits.
  [[nodiscard]] bool merge_finer(const Histogram& other) noexcept;

  // As `merge`, of a histogram that is known by its numbers alone: it was added up by others (by
  // MPI, say), or read from somewhere. All counts 0: nothing is added, whatever the rest says.
  // False, and nothing is done, if there are not as many counts as the layout has, or if minimum
  // and maximum (as `minimum()` and `maximum()` tell them) are not among what was counted.
  [[nodiscard]] bool merge(std::span<const std::uint64_t> counts, std::uint64_t overflowed,
                           std::uint64_t sum, std::int64_t minimum, std::int64_t maximum) noexcept;

  void reset() noexcept;

  std::uint64_t count() const noexcept { return count_; }
  std::uint64_t overflowed() const noexcept { return overflowed_; }
  std::uint64_t sum() const noexcept { return sum_; }  // modulo 2^64
  // 0 if empty. Where the sum is beyond 2^64, to the digits of the layout.
  double mean() const noexcept;
  std::int64_t minimum() const noexcept { return count_ == 0 ? 0 : minimum_; }
  std::int64_t maximum() const noexcept { return maximum_; }  // 0 if empty

  // The value that `percent` of the values do not exceed, as HdrHistogram's getValueAtPercentile:
  // the highest value that shares a count with it (for 0 %, the lowest that shares one with the
  // minimum). 0 if empty.
  std::int64_t percentile(double percent) const noexcept;

  // Calls visit(Bucket) for each count that is not 0, upwards.
  template <typename Visit>
  void for_each(Visit visit) const {
    const Touched touched = this->touched();
    for (std::size_t index = touched.first; index < touched.end; ++index) {
      if (counts_[index] == 0) continue;
      visit(Bucket{layout_.lowest_at(index), layout_.highest_at(index), counts_[index]});
    }
  }

  const HistogramLayout& layout() const noexcept { return layout_; }
  std::span<const std::uint64_t> counts() const noexcept { return {counts_.get(), layout_.size()}; }

 private:
  struct Free {
    void operator()(std::uint64_t* memory) const noexcept { std::free(memory); }
  };
  // Outside of these counts all are 0, in pages that may never have been touched.
  struct Touched {
    std::size_t first;
    std::size_t end;
  };
  Touched touched() const noexcept;
  void add_totals(const Histogram& other) noexcept;

  HistogramLayout layout_;
  std::unique_ptr<std::uint64_t[], Free> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t overflowed_ = 0;
  std::uint64_t sum_ = 0;
  std::int64_t minimum_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t maximum_ = 0;
};

}  // namespace eddy
