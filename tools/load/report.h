// What a run found out, and how it is told.
#pragma once

#include <stdint.h>

#include <array>
#include <string>
#include <vector>

#include "load/batches.h"
#include "load/options.h"
#include "load/percentiles.h"
#include "load/quantile_interval.h"
#include "load/rank_row.h"
#include "load/record.h"
#include "load/stationarity.h"
#include "load/timeline.h"
#include "load/traffic.h"
#include "load/troubles.h"
#include "load/verdict.h"

namespace eddy::load {

inline constexpr size_t kJudged = 2;  // p99: a run has to be long enough for it

// Of one thread.
struct WorkerReport {
  uint32_t connections = 0;
  double seconds = 0;
  uint64_t cpu_ns = 0;  // in its window
  Histogram lateness;

  double busy_percent() const {
    return seconds > 0 ? static_cast<double>(cpu_ns) / (seconds * 1e7) : 0;
  }
};

struct LoadReport {
  Record record;  // of the window: after the warm-up, until the last request was to be sent
  Troubles troubles;
  Churned churned;
  uint64_t connected = 0;  // connections that stood, in all
  uint64_t answered = 0;   // requests, in all: warm-up and all
  bool is_heard = false;   // a byte has come, at any time
  bool interrupted = false;
  std::array<QuantileInterval, kPercentiles.size()> intervals{};  // of the response times
  // … at other percentiles that objectives are about.
  std::vector<std::pair<double, QuantileInterval>> further_intervals;
  Stationarity stationarity;           // of the response times
  std::vector<TimelineSpan> timeline;  // of the window
  std::vector<WorkerReport> workers;   // of all ranks
  std::vector<RankRow> ranks;          // if there are several

  // --- What happened in the window, whenever the requests were sent.
  double seconds = 0;
  uint64_t completed = 0;  // answers that came
  uint64_t bytes_received = 0;
  uint64_t client_cpu_ns = 0;
  uint64_t server_cpu_ns = 0;  // 0 if its process is not known

  // Not all answers of a short window come within it, and wrong ones tell something, too.
  bool has_figures() const {
    return completed > 0 || record.requests.answered > 0 || record.requests.wrong > 0;
  }
  // Of kPercentiles, and those of the options' objectives.
  QuantileInterval interval_of(double percent) const;
};

// The part of the requests that were not answered as they should; not those that --churn ended.
double error_share(const Requests& requests);

// Fills in what the batches tell: intervals and stationarity of the response times.
void tell_certainty(LoadReport& report, const Batches& batches, const LoadOptions& options);

// Of the window, and of all that was answered in it.
double per_second(uint64_t count, const LoadReport& report);
double us_per_request(uint64_t cpu_ns, const LoadReport& report);
double percent_of_core(uint64_t cpu_ns, const LoadReport& report);
const char* name_of(Pacing pacing);  // "poisson"

void print_text(const LoadReport& report, const LoadOptions& options, const std::string& backend,
                const Verdict& verdict);

}  // namespace eddy::load
