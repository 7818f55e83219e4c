#include "load/timeline.h"

#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <bit>
#include <string_view>
#include <type_traits>
#include <utility>

#include "load/hdr_codec.h"

namespace eddy::load {
namespace {

constexpr HistogramOptions kCoarse = {.digits = 2};

std::string encoded(const Histogram& times) {
  Histogram coarse(kCoarse);
  times.for_each(
      [&](const Histogram::Bucket& bucket) { coarse.record(bucket.highest, bucket.count); });
  return encode_hdr(coarse);
}

// What this file has encoded.
void merge_into(Histogram& sum, const std::string& times) {
  const auto decoded = decode_hdr(times);
  if (!decoded || !sum.merge(*decoded)) abort();
}

void tell(TimelineSpan& span, const Histogram& response, const Histogram& service,
          const Histogram& lag, const Histogram& lateness) {
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    span.response[i] = known_at(response, kPercentiles[i]);
    if (span.response[i]) span.response[i] = std::min(*span.response[i], span.response_maximum);
  }
  span.service_p99 = known_at(service, 99);
  span.lag_p99 = known_at(lag, 99);
  span.lateness_p99 = known_at(lateness, 99);
}

void add_counts(TimelineSpan& sum, const TimelineSpan& part) {
  sum.requests += part.requests;
  sum.completed += part.completed;
  sum.bytes_received += part.bytes_received;
  sum.response_maximum = std::max(sum.response_maximum, part.response_maximum);
}

bool is_readable(const std::string& times) {
  const auto decoded = decode_hdr(times);
  return decoded && decoded->layout() == HistogramLayout(kCoarse);
}

}  // namespace

void Timeline::add(std::chrono::nanoseconds start, std::chrono::nanoseconds length,
                   const Record& second) {
  const bool continues = seconds_ > 0 && seconds_ < seconds_per_span_;
  if (!continues && spans_.size() == kMost) join_neighbours();
  const Histogram response = second.response();
  TimelineSpan span = {.start = start,
                       .length = length,
                       .requests = second.requests,
                       .completed = second.completed,
                       .bytes_received = second.bytes_received,
                       .response_maximum = response.maximum()};
  tell(span, response, second.service, second.lag, second.lateness);
  spans_.push_back(span);
  times_.push_back(
      {encoded(response), encoded(second.service), encoded(second.lag), encoded(second.lateness)});
  ++seconds_;
  if (continues) {
    join(spans_.size() - 2, spans_.size() - 1);
    spans_.pop_back();
    times_.pop_back();
  } else {
    seconds_ = 1;
  }
}

// The later one becomes a part of the earlier.
void Timeline::join(size_t to, size_t from) {
  TimelineSpan& sum = spans_[to];
  const TimelineSpan& part = spans_[from];
  sum.length = part.start + part.length - sum.start;
  add_counts(sum, part);
  add_times(to, times_[from]);
}

void Timeline::add_times(size_t to, const Times& more) {
  std::array<Histogram, 4> times = {Histogram(kCoarse), Histogram(kCoarse), Histogram(kCoarse),
                                    Histogram(kCoarse)};
  for (size_t i = 0; i < times.size(); ++i) {
    merge_into(times[i], times_[to][i]);
    merge_into(times[i], more[i]);
    times_[to][i] = encode_hdr(times[i]);
  }
  tell(spans_[to], times[0], times[1], times[2], times[3]);
}

// The last one has none if their number is odd.
void Timeline::join_neighbours() {
  const size_t spans = (spans_.size() + 1) / 2;
  for (size_t i = 0; i < spans; ++i) {
    if (2 * i + 1 < spans_.size()) join(2 * i, 2 * i + 1);
    if (i == 0) continue;
    spans_[i] = spans_[2 * i];
    times_[i] = std::move(times_[2 * i]);
  }
  spans_.resize(spans);
  times_.resize(spans);
  seconds_per_span_ *= 2;
}

void Timeline::merge(Timeline other) {
  while (seconds_per_span_ < other.seconds_per_span_) join_neighbours();
  while (other.seconds_per_span_ < seconds_per_span_) other.join_neighbours();
  for (size_t i = 0; i < other.spans_.size(); ++i) {
    if (i == spans_.size()) {
      spans_.push_back(other.spans_[i]);
      times_.push_back(std::move(other.times_[i]));
      continue;
    }
    spans_[i].length = std::max(spans_[i].length, other.spans_[i].length);
    add_counts(spans_[i], other.spans_[i]);
    add_times(i, other.times_[i]);
  }
}

void Timeline::write(ParcelWriter& parcel) const {
  static_assert(std::is_trivially_copyable_v<TimelineSpan>);
  parcel.add(seconds_per_span_);
  parcel.add(uint64_t{spans_.size()});
  for (size_t i = 0; i < spans_.size(); ++i) {
    parcel.add(std::string_view(reinterpret_cast<const char*>(&spans_[i]), sizeof(TimelineSpan)));
    for (const std::string& times : times_[i]) parcel.add(times);
  }
}

bool Timeline::read(ParcelReader& parcel) {
  uint64_t count = 0;
  parcel.take(seconds_per_span_);
  for (parcel.take(count); count > 0 && parcel.ok(); --count) {
    std::string span;
    parcel.take(span);
    if (span.size() != sizeof(TimelineSpan)) return false;
    memcpy(&spans_.emplace_back(), span.data(), span.size());
    for (std::string& times : times_.emplace_back()) {
      parcel.take(times);
      if (!is_readable(times)) return false;
    }
  }
  return parcel.ok() && std::has_single_bit(seconds_per_span_);
}

}  // namespace eddy::load
