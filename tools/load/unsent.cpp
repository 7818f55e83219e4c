#include "load/unsent.h"

#include <algorithm>

#include "load/random.h"

namespace eddy::load {
namespace {

using std::chrono::nanoseconds;

constexpr uint64_t kMostWalked = 1'000'000;  // some 30 ms
// Beyond what histograms tell apart.
constexpr int64_t kResolution = 1024;

bool has_before(const Arrivals& arrivals, nanoseconds end) {
  return !arrivals.ended() && arrivals.next().at < end;
}

void pass(Arrivals& arrivals, nanoseconds end) {
  for (uint64_t i = 0; i < kMostWalked && has_before(arrivals, end); ++i) arrivals.take();
  arrivals.skip_before(end);
}

// The least time that a histogram does not tell from that one.
nanoseconds alike(const HistogramLayout& layout, nanoseconds time) {
  const int64_t count = time.count();
  return nanoseconds(count > layout.greatest() ? count - count / kResolution
                                               : layout.lowest_equivalent(count));
}

}  // namespace

void add_unsent(Record& record, Arrivals& arrivals, const Mix& mix, nanoseconds from,
                nanoseconds to, nanoseconds now) {
  pass(arrivals, std::min(from, to));
  uint64_t count = 0;
  for (; count < kMostWalked && has_before(arrivals, to); ++count, arrivals.take()) {
    record.add_unsent(now - arrivals.next().at, arrivals.next().kind, 1);
  }
  while (has_before(arrivals, to)) {
    const nanoseconds least = alike(record.lag.layout(), now - arrivals.next().at);
    const auto passed = arrivals.skip_before(std::min(to, now - least + nanoseconds(1)));
    // What each kind's share is rounded by differs from time to time, and so adds up to nothing.
    Random rounding(count);
    const double up = rounding.uniform();
    uint64_t lower_kinds = 0;
    for (uint32_t kind = 0; kind < mix.kinds(); ++kind) {
      const uint64_t kinds = mix.share_up_to(kind, passed.count, up);
      record.add_unsent(now - passed.last, kind, kinds - lower_kinds);
      lower_kinds = kinds;
    }
    count += passed.count;
  }
}

}  // namespace eddy::load
