// What happened in each second of the window, in a memory that does not grow with the run.
//
// What it is: the figures of a second at a time, in order. When there are kMost of them, each two
// neighbours become one, and so it goes on: the spans of a run that is shorter than kMost seconds
// are seconds, those of a longer one twice, four times, … as long, and it has kMost / 2 of them or
// more. Percentiles of a span are taken from what was measured in it, whatever its length: to 3
// digits where it is a second, to 2 where seconds were joined, since what they are joined from is
// kept to 2.
//
// Memory: some 4 KiB a span, 2 MiB together; 20 MiB if times fill their whole range.
//
// Threads: one.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "load/parcel.h"
#include "load/percentiles.h"
#include "load/record.h"

namespace eddy::load {

// Times in nanoseconds; none where too few samples lie beyond the percentile.
struct TimelineSpan {
  std::chrono::nanoseconds start{};  // counted from the window's beginning
  std::chrono::nanoseconds length{};
  // Those that ended in it; `scheduled` are those of which that was counted.
  Requests requests;
  uint64_t completed = 0;
  uint64_t bytes_received = 0;
  std::array<std::optional<int64_t>, kPercentiles.size()> response{};
  int64_t response_maximum = 0;
  std::optional<int64_t> service_p99;
  std::optional<int64_t> lag_p99;
  std::optional<int64_t> lateness_p99;  // the client's own
};

class Timeline {
 public:
  static constexpr size_t kMost = 512;  // even

  // The next second, or what is left of one at the end.
  void add(std::chrono::nanoseconds start, std::chrono::nanoseconds length, const Record& second);

  // Adds what was measured in the same seconds elsewhere: span by span, percentiles to 2 digits.
  // Seconds that only one of the two has are as they were. Nothing more is added after it.
  void merge(Timeline other);

  const std::vector<TimelineSpan>& spans() const { return spans_; }

  void write(ParcelWriter& parcel) const;
  // Into one that is empty. False if that is no timeline.
  bool read(ParcelReader& parcel);

 private:
  // Histograms of 2 digits, encoded: response, service, lag, lateness.
  using Times = std::array<std::string, 4>;

  void join(size_t to, size_t from);
  void add_times(size_t to, const Times& more);
  void join_neighbours();

  std::vector<TimelineSpan> spans_;
  std::vector<Times> times_;  // of each span
  uint64_t seconds_per_span_ = 1;
  uint64_t seconds_ = 0;  // in the last span
};

}  // namespace eddy::load
