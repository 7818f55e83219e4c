// eddy load merge: logs of several machines, or of several runs, as one result.
#include <eddy/core/error.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "arguments.h"
#include "command.h"
#include "format.h"
#include "load/hdr_log.h"
#include "load/hdr_merge.h"
#include "load/hdr_percentiles.h"
#include "load/percentiles.h"
#include "load/same_file.h"
#include "load/times_json.h"
#include "load/verdict.h"
#include "standard_streams.h"

namespace eddy::tools {
namespace {

using load::LogTime;
using load::MergedHistogram;
using load::MergedLogs;

struct Options {
  std::vector<std::string> logs;
  std::string hlog;
  std::string hgrm;
  bool json = false;
};

std::string clock_text(LogTime time) {
  const time_t seconds = std::chrono::system_clock::to_time_t(time);
  tm parts = {};
  gmtime_r(&seconds, &parts);
  char text[64];
  return {text, strftime(text, sizeof text, "%F %T", &parts)};
}

LogTime start_of(const MergedLogs& merged) {
  return std::ranges::min_element(merged.histograms, {}, &MergedHistogram::start)->start;
}
LogTime end_of(const MergedLogs& merged) {
  return std::ranges::max_element(merged.histograms, {}, &MergedHistogram::end)->end;
}

// One interval a tag, in which all counts are.
Result<void> write_log(const std::string& path, const MergedLogs& merged) {
  auto log = load::HdrLogWriter::create(path, start_of(merged), "eddy load merge");
  if (!log) return std::unexpected(log.error());
  for (const MergedHistogram& each : merged.histograms) {
    const auto length = each.end - each.start;
    const auto written = log->append({each.start, length, each.tag}, each.histogram);
    if (!written) return written;
  }
  return log->close();
}

// Those of the response times, which have no tag; else of what there is.
Result<void> write_percentiles(const std::string& path, const MergedLogs& merged) {
  const auto untagged = std::ranges::find(merged.histograms, "", &MergedHistogram::tag);
  const auto& chosen = untagged != merged.histograms.end() ? *untagged : merged.histograms.front();
  FILE* const file = fopen(path.c_str(), "we");
  if (file == nullptr) return failure(-errno, "open", path);
  const std::string text = load::percentile_distribution(chosen.histogram);
  const bool kept = fwrite(text.data(), 1, text.size(), file) == text.size();
  if (fclose(file) != 0 || !kept) return failure(-errno, "write", path);
  return {};
}

void print_text(const Options& options, const MergedLogs& merged) {
  uint64_t intervals = 0;
  for (const MergedHistogram& each : merged.histograms) intervals += each.intervals;
  printf("%s, %s, from %s to %s UTC\n\n", counted(options.logs.size(), "log").c_str(),
         counted(intervals, "interval").c_str(), clock_text(start_of(merged)).c_str(),
         clock_text(end_of(merged)).c_str());
  constexpr size_t kTag = 12;
  constexpr size_t kWidth = 12;
  std::string line = right("tag", kTag) + right("samples", kWidth + 2);
  for (const double percentile : load::kPercentiles) {
    line += right(load::percentile_name(percentile), kWidth);
  }
  printf("%s%s%s\n", line.c_str(), right("max", kWidth).c_str(), right("mean", kWidth).c_str());
  for (const MergedHistogram& each : merged.histograms) {
    const Histogram& times = each.histogram;
    line = right(each.tag.empty() ? "(none)" : one_line(each.tag), kTag) +
           right(grouped(times.count()), kWidth + 2);
    for (const double percentile : load::kPercentiles) {
      const auto value = static_cast<double>(load::value_at(times, percentile));
      line += right(load::is_known(times, percentile) ? duration_text(value) : "-", kWidth);
    }
    line += right(duration_text(static_cast<double>(times.maximum())), kWidth);
    printf("%s%s\n", line.c_str(), right(duration_text(times.mean()), kWidth).c_str());
  }
  if (!merged.differences.empty()) printf("\n");
  for (const std::string& difference : merged.differences) {
    printf("not alike: %s\n", one_line(difference).c_str());
  }
}

void print_json(const Options& options, const MergedLogs& merged) {
  const auto seconds = [](LogTime time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
  };
  nlohmann::ordered_json object = {{"logs", options.logs}};
  for (const MergedHistogram& each : merged.histograms) {
    object["tags"].push_back({{"tag", each.tag},
                              {"intervals", each.intervals},
                              {"start", seconds(each.start)},
                              {"end", seconds(each.end)},
                              {"latency_us", load::json_of(each.histogram)}});
  }
  object["differences"] = merged.differences;
  puts(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

int refuse(const std::string& what) {
  print_error("eddy load merge", what);
  return kBadUsage;
}

int run_merge(const Options& options) {
  const load::NamedFile written[] = {{.name = "--hlog", .path = options.hlog},
                                     {.name = "--hgrm", .path = options.hgrm},
                                     {.name = "standard output", .path = "/dev/stdout"}};
  if (const std::string wrong = shared_file(written); !wrong.empty()) return refuse(wrong);
  const auto merged = load::merge_logs(options.logs);
  if (!merged) return refuse(merged.error());
  if (merged->histograms.empty()) return refuse("there is no interval in " + options.logs.front());
  if (options.json) {
    print_json(options, *merged);
  } else {
    print_text(options, *merged);
  }
  Result<void> kept = finish_output();
  if (kept && !options.hlog.empty()) kept = write_log(options.hlog, *merged);
  if (kept && !options.hgrm.empty()) kept = write_percentiles(options.hgrm, *merged);
  if (kept) return 0;
  print_error("eddy load merge", kept.error().message());
  return load::kNotWritten;
}

}  // namespace

Command make_load_merge(CLI::App& load) {
  auto options = std::make_shared<Options>();
  CLI::App* command = load.add_subcommand("merge", "Add logs up, and tell their percentiles");
  command->add_option("logs", options->logs, "HdrHistogram logs (.hlog), whoever wrote them")
      ->type_name("FILE")
      ->required();
  command->add_option("--hlog", options->hlog, "Write the sum as a log: an interval for each tag")
      ->type_name("FILE");
  command
      ->add_option("--hgrm", options->hgrm,
                   "Write the percentiles of what has no tag (the response times) as HdrHistogram "
                   "does")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "One JSON object on stdout; latencies in µs")
      ->disable_flag_override();
  command->footer(
      "Counts are added, tag by tag, so the percentiles are those of all requests together, which "
      "no average of percentiles is. What the logs do not have in common is told.\n\n"
      "Exit status: 0; 2 bad arguments, a log that cannot be read, histograms of different "
      "layouts; 9 a file or standard output could not be written.\n\n"
      "Examples:\n"
      "  eddy load merge client-1.hlog client-2.hlog\n"
      "  eddy load merge run-*.hlog --hgrm all.hgrm");
  return {command, [options] { return run_merge(*options); }};
}

}  // namespace eddy::tools
