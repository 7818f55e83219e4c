#include "load/hdr_merge.h"

#include <eddy/core/histogram.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdint.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "log_file.h"

namespace eddy::load {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr LogTime kStart{seconds(1'700'000'000)};

Histogram random_values(int count, uint64_t seed, const HistogramOptions& options = {}) {
  std::mt19937_64 random(seed);
  Histogram histogram(options);
  for (int i = 0; i < count; ++i) {
    histogram.record(static_cast<int64_t>(random() >> (22 + random() % 42)));
  }
  return histogram;
}

struct Entry {
  std::string tag;
  int64_t second;
  const Histogram* histogram;
};
void write_log(const LogFile& file, const std::vector<Entry>& entries) {
  auto log = HdrLogWriter::create(file.path(), kStart, "test");
  for (const Entry& entry : entries) {
    ASSERT_TRUE(log->append(
        {.start = kStart + seconds(entry.second), .length = seconds(1), .tag = entry.tag},
        *entry.histogram));
  }
}

TEST(HdrMerge, AddsTheCountsTagByTag) {
  const Histogram first = random_values(1000, 1);
  const Histogram second = random_values(2000, 2);
  const Histogram lag = random_values(10, 3);
  const LogFile a;
  const LogFile b;
  write_log(a, {{"", 5, &first}, {"lag", 5, &lag}, {"", 6, &second}});
  write_log(b, {{"lag", 7, &lag}, {"", 3, &first}});
  const auto merged = merge_logs(std::vector{a.path(), b.path()});
  ASSERT_TRUE(merged) << merged.error();
  EXPECT_THAT(merged->differences, IsEmpty());
  ASSERT_EQ(merged->histograms.size(), 2);
  const MergedHistogram& untagged = merged->histograms[0];
  EXPECT_EQ(untagged.tag, "");
  EXPECT_EQ(untagged.intervals, 3);
  EXPECT_EQ(untagged.start, kStart + seconds(3));
  EXPECT_EQ(untagged.end, kStart + seconds(7));
  Histogram sum;
  for (const Histogram* part : {&first, &second, &first}) ASSERT_TRUE(sum.merge(*part));
  EXPECT_TRUE(std::ranges::equal(untagged.histogram.counts(), sum.counts()));
  EXPECT_EQ(untagged.histogram.count(), 4000);
  EXPECT_EQ(merged->histograms[1].tag, "lag");
  EXPECT_EQ(merged->histograms[1].histogram.count(), 20);
}

TEST(HdrMerge, TellsWhichLogsLackATag) {
  const Histogram histogram = random_values(10, 1);
  const LogFile a;
  const LogFile b;
  const LogFile empty;
  write_log(a, {{"", 0, &histogram}, {"lag", 0, &histogram}});
  write_log(b, {{"", 0, &histogram}});
  write_log(empty, {});
  const auto merged = merge_logs(std::vector{a.path(), b.path(), empty.path()});
  ASSERT_TRUE(merged) << merged.error();
  EXPECT_THAT(merged->differences, ElementsAre(empty.path() + " has nothing without a tag",
                                               b.path() + " has nothing with the tag 'lag'",
                                               empty.path() + " has nothing with the tag 'lag'"));
  const auto nothing = merge_logs({});
  ASSERT_TRUE(nothing);
  EXPECT_THAT(nothing->histograms, IsEmpty());
}

TEST(HdrMerge, RefusesOtherLayoutsAndSaysWhere) {
  const Histogram fine = random_values(10, 1);
  const Histogram coarse = random_values(10, 1, {.highest = 60'000'000'000, .digits = 1});
  const LogFile a;
  const LogFile b;
  write_log(a, {{"", 0, &fine}, {"lag", 0, &coarse}});
  write_log(b, {{"lag", 0, &coarse}, {"", 0, &coarse}});
  const auto merged = merge_logs(std::vector{a.path(), b.path()});
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error(), b.path() + ":7: another layout (1 digit, 1 to 60000000000) than at " +
                                a.path() + ":6 (3 digits, 1 to 3600000000000)");
}

TEST(HdrMerge, EndsWithTheFirstThatIsWrong) {
  const LogFile a;
  const LogFile b;
  write_log(a, {});
  b.write("#\n\nx\n");
  EXPECT_EQ(merge_logs(std::vector{a.path(), b.path()}).error(),
            b.path() + ":3: the start is not in seconds: 'x'");
  EXPECT_EQ(merge_logs(std::vector{a.path(), a.path()}).error(), a.path() + ": it is there twice");
  EXPECT_EQ(merge_logs(std::vector{a.path(), std::string("/none")}).error(),
            "open /none: No such file or directory");
}

TEST(HdrMerge, RefusesMoreValuesThanALogCanTell) {
  Histogram many;
  many.record(1, uint64_t{1} << 62);
  const LogFile a;
  write_log(a, {{"", 0, &many}, {"", 1, &many}});
  EXPECT_EQ(merge_logs(std::vector{a.path()}).error(),
            a.path() + ":7: more than 2^63 values without a tag");
}

}  // namespace
}  // namespace eddy::load
