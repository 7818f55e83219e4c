// One rank's own figures, beside those of all.
#pragma once

#include <stdint.h>

#include <chrono>
#include <optional>
#include <string>

#include "load/verdict.h"

namespace eddy::load {

struct RankRow {
  std::string host;
  double requests_per_second = 0;
  // Response times in nanoseconds; none where too few samples lie beyond the percentile.
  std::optional<int64_t> p50;
  std::optional<int64_t> p99;
  int64_t maximum = 0;
  double cpu_percent = 0;                        // of a core
  std::optional<int64_t> lateness_p99;           // the client's own
  std::chrono::nanoseconds clock_offset{};       // its clock less rank 0's
  std::chrono::nanoseconds start_uncertainty{};  // its start is out of step by no more than that
  Verdict verdict;
};

}  // namespace eddy::load
