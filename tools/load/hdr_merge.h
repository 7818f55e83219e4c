// Logs of several runs, or of several machines in one run, added up.
#pragma once

#include <eddy/core/histogram.h>
#include <stdint.h>

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "load/hdr_log.h"

namespace eddy::load {

// All intervals of one tag.
struct MergedHistogram {
  std::string tag;
  Histogram histogram;
  LogTime start;  // of the earliest interval
  LogTime end;    // of the latest one
  uint64_t intervals = 0;
};

struct MergedLogs {
  std::vector<MergedHistogram> histograms;  // in the order in which their tags were met
  // What the logs do not have in common, a line each: "b.hlog has nothing with the tag 'lag'".
  std::vector<std::string> differences;
};

// Adds the histograms of these logs, tag by tag; counts are added, so nothing is lost. A log that
// cannot be read, a line in it that is wrong, or a histogram whose layout is not that of the others
// with its tag, ends it with one line that says where: half a sum is worth less than none.
// Memory: a histogram for each tag, and one more.
std::expected<MergedLogs, std::string> merge_logs(std::span<const std::string> paths);

}  // namespace eddy::load
