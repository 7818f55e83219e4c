#include "load/hdr_percentiles.h"

#include <eddy/core/histogram.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdint.h>

#include <random>
#include <sstream>
#include <string>

namespace eddy::load {
namespace {

// Exact, since each is a multiple of a power of two.
TEST(PercentileDistribution, HasThePercentilesOfTheHistogram) {
  Histogram histogram({.digits = 2});
  std::mt19937_64 random(3);
  for (int i = 0; i < 1'000'000; ++i) {
    histogram.record(static_cast<int64_t>(random() >> (24 + random() % 40)));
  }
  std::istringstream lines(percentile_distribution(histogram, 1));
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "       Value     Percentile TotalCount 1/(1-Percentile)");
  std::getline(lines, line);
  double level = 0;
  double step = 10;
  int compared = 0;
  while (std::getline(lines, line) && !line.starts_with('#')) {
    std::istringstream fields(line);
    double value = 0;
    double shown_level = 0;
    fields >> value >> shown_level;
    if (shown_level == 1) level = 100;
    EXPECT_NEAR(shown_level, level / 100, 1e-12);
    EXPECT_EQ(value, static_cast<double>(histogram.percentile(level))) << level;
    level += step;
    if (++compared % 5 == 0) step /= 2;
  }
  EXPECT_GT(compared, 60);
}

TEST(PercentileDistribution, OfAnEmptyHistogramIsAHeadAndAFoot) {
  EXPECT_EQ(percentile_distribution(Histogram()),
            "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
            "#[Mean    =        0.000, StdDeviation   =        0.000]\n"
            "#[Max     =        0.000, Total count    =            0]\n"
            "#[Buckets =           32, SubBuckets     =         2048]\n");
}

// Where a double can no longer tell the percentile from 100 %.
TEST(PercentileDistribution, OfMoreValuesThanADoubleCanTellEnds) {
  Histogram histogram;
  histogram.record(1, (uint64_t{1} << 62) - 3);
  histogram.record(2);
  histogram.record(3);
  const std::string text = percentile_distribution(histogram, 1);
  EXPECT_LT(text.size(), 30'000);
  EXPECT_THAT(text, testing::HasSubstr("       3.000 1.000000000000 4611686018427387903\n"));
}

}  // namespace
}  // namespace eddy::load
