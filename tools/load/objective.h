// What is asked of a server: "p99.9<5ms", "max<1s", "errors<0.1%", "rate>10k", and whether a run
// shows it.
//
//   p50 … p99.999   a percentile of the response times   TIME: 300us, 5ms, 1s
//   mean, max       of the response times                TIME
//   errors          of the requests, those that were not answered as they should   0.1%, 0.001
//   rate            answers a second                      RATE: 100, 10k
//
// with one of < <= > >= between them. What --churn ended is no error.
//
// Threads: any.
#pragma once

#include <eddy/core/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "load/quantile_interval.h"

namespace eddy::load {

struct LoadReport;

struct Objective {
  enum class Figure : uint8_t { kPercentile, kMean, kMaximum, kErrors, kRate };
  enum class Relation : uint8_t { kBelow, kAtMost, kAbove, kAtLeast };

  std::string text;  // as it was written
  Figure figure = Figure::kPercentile;
  double percent = 0;  // of kPercentile
  Relation relation = Relation::kBelow;
  double limit = 0;  // nanoseconds; of kErrors a fraction; of kRate a second

  bool is_time() const { return figure != Figure::kErrors && figure != Figure::kRate; }
  bool holds_at(double found) const;
};

// Blanks are passed over. What cannot be read is told with what it should look like.
Result<Objective> parse_objective(std::string_view text);

// What a run has to say of an objective.
struct Judgement {
  Objective objective;
  bool known = false;                        // false: the run is too short to tell the figure
  bool holds = false;                        // at the figure that was found
  bool sure = false;                         // … and in all of its interval, where there is one
  double figure = 0;                         // in the unit of the limit
  std::optional<QuantileInterval> interval;  // of a percentile, where the run tells one

  // "p99 was 12.1 ms (95 % interval 11.0 ms to 13.4 ms), 21 % above 10.0 ms".
  std::string to_string() const;
};

Judgement judge_objective(const Objective& objective, const LoadReport& report);

}  // namespace eddy::load
