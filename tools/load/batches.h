// The batches of a run: histograms of equal spans of its time.
//
// What it is: latencies that follow each other are alike (a queue that is long stays so for a
// while), so a million of them may tell no more than a thousand independent ones. Sums over long
// spans are nearly independent, and how they differ shows how sure a figure of the whole is: the
// method of batch means. Spans are added as the run goes; when there are kMost batches, each two
// neighbours become one, so any run has kMost / 2 or more, and a short one as many as its spans.
//
// Memory: kMost histograms, of which only what is recorded in becomes resident: 36 KiB each at the
// most with 2 digits, 4.5 MiB together. It does not grow with the run.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <eddy/core/histogram.h>

namespace eddy::load {

class Batches {
 public:
  static constexpr size_t kMost = 128;  // a power of 2
  // Two digits suffice: they decide which samples lie beyond a percentile, not what it is.
  static constexpr HistogramOptions kOptions = {.digits = 2};

  explicit Batches(const HistogramOptions& options = kOptions);
  // Of histograms that were batches elsewhere, at most kMost - 1 of one layout.
  static Batches of(std::vector<Histogram> complete);

  void record(int64_t value, uint64_t times = 1) { batches_[complete_].record(value, times); }

  // Ends a span of time. All are of the same length, and together at least 64 should be expected.
  void end_span();

  // Records all that these histograms have, of at least as many digits, and ends the span.
  void add(std::span<const Histogram> span);

  // The batches, all of equally many spans, in the order of time. What was recorded since the last
  // one was complete is not among them.
  std::span<const Histogram> complete() const { return std::span(batches_).first(complete_); }

  // How many spans are a batch: a power of 2.
  uint64_t spans_per_batch() const { return spans_per_batch_; }
  // The batches as they would be with so many spans each: spans_per_batch() times a power of 2.
  std::vector<Histogram> joined(uint64_t spans_per_batch) const;

 private:
  void join_neighbours();

  HistogramOptions options_;
  std::vector<Histogram> batches_;  // one more than the complete ones, or empty ones after that
  size_t complete_ = 0;
  uint64_t spans_per_batch_ = 1;
  uint64_t spans_ = 0;  // in the batch that is not complete
};

}  // namespace eddy::load
