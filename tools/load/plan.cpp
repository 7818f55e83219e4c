#include "load/plan.h"

#include <algorithm>
#include <utility>

#include "load/batches.h"
#include "load/random.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;

// As few as batches want, beside the last one, which is not over when the window is: each is added
// up while requests may become due on the same core.
constexpr int64_t kSlices = Batches::kMost / 2 + 1;
constexpr std::chrono::nanoseconds kLongestSlice = 250ms;
constexpr std::chrono::nanoseconds kShortestSlice = 1ms;
// A closed loop that ends by the number of its requests may be short.
constexpr std::chrono::nanoseconds kSliceOfUnknown = 10ms;
// Arrivals of a Poisson process, before a run: a tenth of a second.
constexpr uint64_t kMostDrawn = 5'000'000;
// Of the sequences that are drawn from a run's seed: where those of its workers begin.
constexpr uint64_t kWorkerSeeds = 1000;

// As alike as can be.
template <typename Count>
Count part_of(Count whole, uint32_t index, uint32_t of) {
  return static_cast<Count>(whole / of + (index < whole % of ? 1 : 0));
}

LoadOptions part_of(const LoadOptions& options, uint32_t index, uint32_t of) {
  LoadOptions part = options;
  part.connections = part_of(options.connections, index, of);
  if (options.requests) part.requests = part_of(*options.requests, index, of);
  part.churn_per_second = options.churn_per_second * part.connections / options.connections;
  part.connect_rate = options.connect_rate * part.connections / options.connections;
  part.share = {options.share.index * of + index, options.share.of * of};
  return part;
}

}  // namespace

Schedule schedule_of(const LoadOptions& options) {
  if (options.replay) return *options.replay;
  std::vector<RateSegment> segments = options.segments;
  if (segments.empty()) {
    const double rate = is_open_loop(options) ? options.rate : 1;
    segments.push_back({.from = rate, .to = rate});
  }
  RateProfile profile = *RateProfile::make(segments);
  return options.pacing == Pacing::kPoisson
             ? Schedule::poisson(std::move(profile), options.mix, options.seed)
             : Schedule::constant(std::move(profile), options.mix, options.seed);
}

std::chrono::nanoseconds slice_of(const LoadOptions& options) {
  const auto wanted = options.slice > 0ns ? options.slice
                      : options.requests
                          ? kSliceOfUnknown
                          : std::clamp(options.duration / kSlices, kShortestSlice, kLongestSlice);
  const int64_t in_a_second = (1s + wanted - 1ns) / wanted;
  return std::chrono::nanoseconds(1s) / in_a_second;
}

std::chrono::nanoseconds window_of(const Schedule& schedule, const LoadOptions& options) {
  Arrivals arrivals = schedule.arrivals();
  const auto is_before = [&arrivals](std::chrono::nanoseconds end) {
    return !arrivals.ended() && arrivals.next().at < end;
  };
  const uint64_t drawn = schedule.is_random() ? kMostDrawn : 0;
  for (uint64_t i = 0; i < drawn && is_before(options.warmup); ++i) arrivals.take();
  arrivals.skip_before(options.warmup);
  uint64_t before = *options.requests - 1;  // the last one
  for (uint64_t i = 0; i < drawn && before > 0 && !arrivals.ended(); ++i, --before) arrivals.take();
  const auto last = arrivals.time_of(before);
  return last ? std::min(*last - options.warmup + 1ns, options.duration) : options.duration;
}

LoadOptions part_of(const LoadOptions& options, uint32_t index) {
  LoadOptions part = part_of(options, index, options.threads);
  if (part.share.index > 0) {
    part.seed = Random::seed_of(options.seed, kWorkerSeeds + part.share.index);
  }
  return part;
}

LoadOptions rank_part_of(const LoadOptions& whole, uint32_t rank, uint32_t ranks) {
  LoadOptions part = part_of(whole, rank, ranks);
  if (is_open_loop(whole)) part.requests = whole.requests;
  part.fail_if.clear();  // thresholds are for the whole
  part.slo.reset();
  if (rank > 0) part.server_pids.clear();  // those processes may be on another machine
  return part;
}

}  // namespace eddy::load
