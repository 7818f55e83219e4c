#include "load/hdr_log.h"

#include <eddy/core/histogram.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "load/hdr_percentiles.h"
#include "log_file.h"

namespace eddy::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr LogTime kStart{milliseconds(1'700'000'000'250)};

Histogram of_values(std::initializer_list<int64_t> values) {
  Histogram histogram;
  for (const int64_t value : values) histogram.record(value);
  return histogram;
}

// All that a log says until its end; what is wrong as it is told.
std::vector<std::string> told(const LogFile& file) {
  std::vector<std::string> lines;
  auto log = HdrLogReader::open(file.path());
  EXPECT_TRUE(log);
  while (true) {
    const auto record = log->next();
    if (record && !*record) return lines;
    if (!record) {
      EXPECT_THAT(record.error(), StartsWith(file.path() + ":"));
      lines.push_back(record.error().substr(file.path().size() + 1));
      continue;
    }
    const LogInterval& interval = (*record)->interval;
    lines.push_back(interval.tag + "@" + std::to_string(interval.start.time_since_epoch().count()) +
                    "+" + std::to_string(interval.length.count()) + ":" +
                    std::to_string((*record)->histogram.count()));
  }
}

TEST(HdrLog, IsWrittenAsItsReadersExpect) {
  const LogFile file;
  auto log = HdrLogWriter::create(file.path(), kStart, "eddy\n0.1");
  ASSERT_TRUE(log);
  ASSERT_TRUE(log->append({.start = kStart, .length = seconds(1)}, of_values({})));
  ASSERT_TRUE(log->append(
      {.start = kStart + milliseconds(1000), .length = milliseconds(1499), .tag = "lag"},
      of_values({1'234'567})));
  ASSERT_TRUE(log->close());
  const std::string text = file.read();
  EXPECT_THAT(text, StartsWith("#[Logged with eddy?0.1]\n"
                               "#[Histogram log format version 1.3]\n"
                               "#[StartTime: 1700000000.250 (seconds since epoch), "
                               "Tue Nov 14 22:13:20 UTC 2023]\n"
                               "#[BaseTime: 1700000000.250 (seconds since epoch)]\n"
                               "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                               "\"Interval_Compressed_Histogram\"\n"
                               "0.000,1.000,0.000,HISTFAAAA"));
  EXPECT_THAT(text, HasSubstr("\nTag=lag,1.000,1.499,1.235,HISTFAAAA"));
  EXPECT_THAT(told(file), ElementsAre("@1700000000250+1000:0", "lag@1700000001250+1499:1"));
}

TEST(HdrLog, GrowsWithEachInterval) {
  const LogFile file;
  auto log = HdrLogWriter::create(file.path(), kStart, "test");
  ASSERT_TRUE(log);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(told(file).size(), i);
    ASSERT_TRUE(log->append({.start = kStart + seconds(i), .length = seconds(1)}, of_values({5})));
  }
}

// Made by HistogramLogWriter of HdrHistogram 2.1.11 for Java, and by its HistogramLogProcessor from
// that.
TEST(HdrLog, OfTheReferenceIsRead) {
  auto log = HdrLogReader::open(REFERENCE "/intervals.hlog");
  ASSERT_TRUE(log);
  std::map<std::string, Histogram> sums;
  for (auto record = log->next();; record = log->next()) {
    ASSERT_TRUE(record) << record.error();
    if (!*record) break;
    const LogInterval& interval = (*record)->interval;
    EXPECT_EQ((interval.start - kStart) % milliseconds(1000), milliseconds(0));
    EXPECT_EQ(interval.length, milliseconds(interval.start < kStart + seconds(3) ? 1000 : 750));
    const auto [sum, is_new] =
        sums.try_emplace(interval.tag, (*record)->histogram.layout().options());
    EXPECT_TRUE(sum->second.merge((*record)->histogram));
  }
  EXPECT_EQ(sums.size(), 3);
  for (const auto& [tag, sum] : sums) {
    const LogFile expected(std::string(REFERENCE "/") + (tag.empty() ? "all" : tag) + ".hgrm");
    EXPECT_EQ(percentile_distribution(sum), expected.read()) << tag;
  }
}

std::string base64_of_an_interval() {
  const LogFile file;
  auto log = HdrLogWriter::create(file.path(), kStart, "test");
  EXPECT_TRUE(log->append({.start = kStart}, of_values({1, 2})));
  const std::string text = file.read();
  return text.substr(text.rfind(',') + 1);
}

TEST(HdrLog, TimesAreThoseOfTheReferencesReader) {
  const std::string histogram = base64_of_an_interval();
  LogFile file;
  file.write("0.5,1,9," + histogram + "1.5,1,9," + histogram);
  EXPECT_THAT(told(file), ElementsAre("@500+1000:2", "@1500+1000:2")) << "no start: as they stand";
  file.write("#[StartTime: 100.000 (seconds since epoch), now]\n0.5,1,9," + histogram);
  EXPECT_THAT(told(file), ElementsAre("@100500+1000:2")) << "earlier than the start: from there";
  file.write("#[StartTime: 100.000 (seconds since epoch), now]\n100.5,1,9," + histogram);
  EXPECT_THAT(told(file), ElementsAre("@100500+1000:2")) << "later than the start: as they stand";
  file.write("#[StartTime: 100 (seconds since epoch)]\n#[BaseTime: 90]\n7,1,9," + histogram);
  EXPECT_THAT(told(file), ElementsAre("@97000+1000:2"));
}

TEST(HdrLog, CommentsLegendsEmptyLinesAndReturnsArePassedOver) {
  const std::string histogram = base64_of_an_interval();
  LogFile file;
  file.write("#\n# 1,2,3\n\"Timestamp\",\"x\"\r\n\n\r\nTag=a,0,1e0,2.5," +
             histogram.substr(0, histogram.size() - 1) + "\r\n0,0,0," +
             histogram.substr(0, histogram.size() - 1));
  EXPECT_THAT(told(file), ElementsAre("a@0+1000:2", "@0+0:2")) << "the last line has no end";
  file.write("");
  EXPECT_THAT(told(file), ElementsAre());
}

TEST(HdrLog, WhatIsWrongIsToldWithItsLine) {
  const std::string histogram = base64_of_an_interval();
  LogFile file;
  file.write(
      "# comment\n"
      "x,1,1," +
      histogram + "0,-1,1," + histogram + "0,1,one," + histogram + "0,1e999,1," + histogram +
      "1e13,1,1," + histogram +
      "0,1,1\n"
      "0,1,1,HISTFAAAA\n"
      "0,1,1,AAAA\n"
      "Tag=a b,0,1,1," +
      histogram + "0,1,1," + histogram + std::string(50, '\x1b') +
      "\n"
      "0,1,1," +
      histogram.substr(0, histogram.size() / 8 * 4) + "\n");
  EXPECT_THAT(
      told(file),
      ElementsAre("2: the start is not in seconds: 'x'", "3: the length is not in seconds: '-1'",
                  "4: the greatest value is no number: 'one'",
                  "5: the length is not in seconds: '1e999'",
                  "6: the start is not in seconds: '1e13'", "7: the histogram is not in base64: ''",
                  "8: the histogram is not in base64: 'HISTFAAAA'",
                  "9: the histogram ends within its header",
                  "10: the tag has a blank or a control character", "@0+1000:2",
                  "12: the start is not in seconds: '" + std::string(40, '?') + "…'",
                  "13: the histogram ends within its counts"));
}

TEST(HdrLog, LinesWithoutAnEndTakeNoMoreMemoryThanHistogramsDo) {
  LogFile file;
  const std::string interval = "\n0,1,1," + base64_of_an_interval();
  ASSERT_EQ(truncate(file.path().c_str(), 130 << 20), 0);
  file.append(interval);
  EXPECT_THAT(told(file), ElementsAre("1: the line is longer than any histogram"));
}

TEST(HdrLog, FilesThatCannotBeReadAreTold) {
  const auto log = HdrLogReader::open("/no/such.hlog");
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error(), "open /no/such.hlog: No such file or directory");
  auto directory = HdrLogReader::open("/");
  ASSERT_TRUE(directory);
  const auto record = directory->next();
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error(), "read /: Is a directory");
  EXPECT_EQ(directory->next(), std::nullopt) << "and that is its end";
}

TEST(HdrLog, TagsThatWouldBreakALineAreRefused) {
  EXPECT_TRUE(is_log_tag("GET_/x=y"));
  const LogFile file;
  auto log = HdrLogWriter::create(file.path(), kStart, "test");
  for (const char* tag : {"a,b", "a b", "a\nb", "a\tb"}) {
    EXPECT_FALSE(is_log_tag(tag));
    const auto appended = log->append({.start = kStart, .tag = tag}, of_values({1}));
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().code(), std::errc::invalid_argument);
  }
  EXPECT_TRUE(log->append({.start = kStart, .tag = "a"}, of_values({1})))
      << "no failure of the log";
  EXPECT_EQ(told(file).size(), 1);
}

TEST(HdrLog, PathsThatCannotBeWrittenAreTold) {
  const auto nowhere = HdrLogWriter::create("/no/such/dir.hlog", kStart, "test");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().message(), "open /no/such/dir.hlog: No such file or directory");
  const auto full = HdrLogWriter::create("/dev/full", kStart, "test");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().message(), "write /dev/full: No space left on device");
}

// A file that may not grow further takes a part of a line, as a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(size_t bytes) {
    signal_ = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, signal_);
  }

 private:
  sighandler_t signal_;
  rlimit before_ = {};
};

TEST(HdrLog, OnAFullDiskEndsWithTheLastWholeInterval) {
  const LogFile file;
  auto log = HdrLogWriter::create(file.path(), kStart, "test");
  ASSERT_TRUE(log->append({.start = kStart, .length = seconds(1)}, of_values({1, 2, 3})));
  const std::string whole = file.read();
  const std::string message =
      "write " + file.path() + ": File too large (what was logged before is kept)";
  {
    const FileSizeLimit limit(whole.size() + 20);
    const auto appended = log->append({.start = kStart}, of_values({4}));
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().message(), message);
  }
  EXPECT_EQ(file.read(), whole);
  const auto later = log->append({.start = kStart}, of_values({5}));
  ASSERT_FALSE(later) << "though there would be room again";
  EXPECT_EQ(later.error().message(), message);
  EXPECT_EQ(log->close().error().message(), message);
  EXPECT_THAT(told(file), ElementsAre("@1700000000250+1000:3"));
}

TEST(HdrLog, MayBeMovedAndIsNotWrittenOnceClosed) {
  const LogFile file;
  auto log = HdrLogWriter::create(file.path(), kStart, "test");
  HdrLogWriter moved = std::move(*log);
  *log = std::move(moved);
  EXPECT_TRUE(log->append({.start = kStart}, of_values({1})));
  EXPECT_TRUE(log->close());
  EXPECT_FALSE(log->append({.start = kStart}, of_values({1})));
  EXPECT_EQ(told(file).size(), 1);
}

}  // namespace
}  // namespace eddy::load
