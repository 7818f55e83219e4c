#include "load/hdr_merge.h"

#include <stddef.h>

#include <algorithm>
#include <utility>

#include "load/hdr_codec.h"

namespace eddy::load {
namespace {

struct Sum {
  Sum(MergedHistogram first, std::string place)
      : merged(std::move(first)), first_place(std::move(place)) {}
  MergedHistogram merged;
  std::string first_place;   // of its first interval: "a.hlog:6"
  std::vector<size_t> logs;  // those that have the tag, by their numbers
};

std::string tagged(const std::string& tag) {
  return tag.empty() ? "without a tag" : "with the tag '" + tag + "'";
}

std::expected<void, std::string> add(std::vector<Sum>& sums, HdrLogReader::Record record,
                                     const std::string& place, size_t log) {
  LogInterval& interval = record.interval;
  const Histogram& histogram = record.histogram;
  const LogTime end = interval.start + interval.length;
  const auto found = std::ranges::find(
      sums, interval.tag, [](const Sum& sum) -> const std::string& { return sum.merged.tag; });
  if (found == sums.end()) {
    sums.emplace_back(
        MergedHistogram{interval.tag, std::move(record.histogram), interval.start, end, 1}, place);
    sums.back().logs.push_back(log);
    return {};
  }
  MergedHistogram& merged = found->merged;
  if (histogram.count() > kMostValues - merged.histogram.count()) {
    return std::unexpected(place + ": more than 2^63 values " + tagged(interval.tag));
  }
  if (!merged.histogram.merge(histogram)) {
    return std::unexpected(place + ": another layout (" + layout_text(histogram.layout()) +
                           ") than at " + found->first_place + " (" +
                           layout_text(merged.histogram.layout()) + ")");
  }
  merged.start = std::min(merged.start, interval.start);
  merged.end = std::max(merged.end, end);
  ++merged.intervals;
  if (found->logs.back() != log) found->logs.push_back(log);
  return {};
}

std::expected<void, std::string> add_log(std::vector<Sum>& sums, const std::string& path,
                                         size_t number) {
  auto log = HdrLogReader::open(path);
  if (!log) return std::unexpected(log.error());
  while (true) {
    auto record = log->next();
    if (!record) return std::unexpected(record.error());
    if (!*record) return {};
    if (auto added = add(sums, std::move(**record), log->place(), number); !added) return added;
  }
}

}  // namespace

std::expected<MergedLogs, std::string> merge_logs(std::span<const std::string> paths) {
  std::vector<Sum> sums;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (std::ranges::count(paths.first(i), paths[i]) > 0) {
      return std::unexpected(paths[i] + ": it is there twice");
    }
    if (const auto added = add_log(sums, paths[i], i); !added) {
      return std::unexpected(added.error());
    }
  }
  MergedLogs merged;
  for (Sum& sum : sums) {
    for (size_t i = 0; i < paths.size(); ++i) {
      if (std::ranges::binary_search(sum.logs, i)) continue;
      merged.differences.push_back(paths[i] + " has nothing " + tagged(sum.merged.tag));
    }
    merged.histograms.push_back(std::move(sum.merged));
  }
  return merged;
}

}  // namespace eddy::load
