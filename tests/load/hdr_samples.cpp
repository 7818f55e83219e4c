// hdr_samples DIRECTORY: logs of intervals, and what HdrHistogram's own tools should say of them,
// for hdr_reference_test. For each log a NAME.hlog, and for each of its tags (none is "all") a
// NAME.TAG.hgrm, with the percentile distribution in milliseconds, and a NAME.TAG.intervals, with
// the percentiles of each interval and of all until then, in nanoseconds, as HistogramLogProcessor
// -outputValueUnitRatio 1 writes them.
#include <eddy/core/error.h>
#include <eddy/core/histogram.h>
#include <stdint.h>
#include <stdio.h>

#include <chrono>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "load/hdr_log.h"
#include "load/hdr_percentiles.h"

namespace {

using eddy::Histogram;
using eddy::load::HdrLogWriter;
using eddy::load::LogTime;
using std::chrono::seconds;

constexpr LogTime kStart{seconds(1'700'000'000)};
constexpr int64_t kMinute = 60'000'000'000;

struct Sample {
  const char* name;
  eddy::HistogramOptions options = {};
  int intervals = 3;
  int values = 1000;            // an interval
  uint64_t times = 1;           // that each is recorded
  int64_t most = 60 * kMinute;  // of the values, which are of all magnitudes below
  std::vector<std::string> tags = {std::string()};  // each has its own intervals
};

const std::vector<Sample> kSamples = {
    {.name = "digits_1", .options = {.digits = 1}},
    {.name = "digits_2", .options = {.highest = kMinute, .digits = 2}, .most = kMinute},
    {.name = "digits_3", .intervals = 40, .values = 5000},
    {.name = "digits_4", .options = {.digits = 4}},
    {.name = "digits_5", .options = {.digits = 5}, .values = 20'000},
    {.name = "coarse", .options = {.lowest = 1000}},
    {.name = "empty", .values = 0},
    {.name = "one_value", .intervals = 1, .values = 1},
    {.name = "up_to_2_to_the_40",
     .options = {.highest = int64_t{1} << 40},
     .most = int64_t{1} << 40},
    {.name = "millions", .values = 100'000, .times = 12'345'678},
    {.name = "overflow", .options = {.highest = 1'000'000}, .most = 100'000'000},
    {.name = "tags", .intervals = 5, .tags = {"", "response", "service", "lag"}},
};

int64_t draw(std::mt19937_64& random, int64_t most) {
  return static_cast<int64_t>((random() >> (1 + random() % 63)) %
                              (static_cast<uint64_t>(most) + 1));
}

// One line of HistogramLogProcessor's interval log.
void print_interval(FILE* file, int end, const Histogram& interval, const Histogram& all) {
  const auto at = [](const Histogram& histogram, double percent) {
    return static_cast<double>(histogram.percentile(percent));
  };
  const auto count = [](const Histogram& histogram) {
    return static_cast<unsigned long long>(histogram.count());
  };
  fprintf(file, "%4.3f: I:%llu ( %7.3f %7.3f %7.3f ) T:%llu (", static_cast<double>(end),
          count(interval), at(interval, 50), at(interval, 90), at(interval, 100), count(all));
  for (const double percent : {50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    fprintf(file, " %7.3f", at(all, percent));
  }
  fprintf(file, " )\n");
}

// The histogram of all intervals of a tag, and the file about them one by one.
class Expected {
 public:
  Expected(const Sample& sample, std::string path)
      : path_(std::move(path)),
        all_(sample.options),
        intervals_(fopen((path_ + ".intervals").c_str(), "w")) {}
  void add(int end, const Histogram& interval) {
    (void)all_.merge(interval);
    print_interval(intervals_, end, interval, all_);
  }
  void finish() {
    fclose(intervals_);
    FILE* file = fopen((path_ + ".hgrm").c_str(), "w");
    fputs(eddy::load::percentile_distribution(all_).c_str(), file);
    fclose(file);
  }

 private:
  std::string path_;
  Histogram all_;
  FILE* intervals_;
};

eddy::Result<void> write(const Sample& sample, const std::string& directory) {
  const std::string path = directory + "/" + sample.name;
  auto log = HdrLogWriter::create(path + ".hlog", kStart, "hdr_samples");
  if (!log) return std::unexpected(log.error());
  std::map<std::string, Expected> expected;
  for (const std::string& tag : sample.tags) {
    expected.try_emplace(tag, sample, path + "." + (tag.empty() ? "all" : tag));
  }
  std::mt19937_64 random(static_cast<uint64_t>(sample.options.digits));
  for (int i = 0; i < sample.intervals; ++i) {
    for (const std::string& tag : sample.tags) {
      Histogram interval(sample.options);
      for (int j = 0; j < sample.values; ++j) {
        interval.record(draw(random, sample.most), sample.times);
      }
      expected.at(tag).add(i + 1, interval);
      const auto appended =
          log->append({.start = kStart + seconds(i), .length = seconds(1), .tag = tag}, interval);
      if (!appended) return appended;
    }
  }
  for (auto& [tag, file] : expected) file.finish();
  return log->close();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  for (const Sample& sample : kSamples) {
    if (const auto written = write(sample, arguments[1]); !written) return report(written.error());
  }
  return 0;
}
