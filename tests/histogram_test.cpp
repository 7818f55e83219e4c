#include <eddy/core/histogram.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eddy {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr std::int64_t kMinute = 60'000'000'000;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

// Values of all magnitudes, from a seed. SplitMix64, since the reference below was fed with it.
class Values {
 public:
  explicit Values(const HistogramOptions& options)
      : state_(static_cast<std::uint64_t>(options.highest) +
               static_cast<std::uint64_t>(options.digits)),
        bound_(static_cast<std::uint64_t>(options.highest) + 1) {}
  std::int64_t next() {
    const std::uint64_t value = step();
    return static_cast<std::int64_t>((value >> (1 + (step() & 62))) % bound_);
  }

 private:
  std::uint64_t step() {
    state_ += 0x9E3779B97F4A7C15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
  std::uint64_t bound_;
};

class HistogramOf : public testing::TestWithParam<HistogramOptions> {};
INSTANTIATE_TEST_SUITE_P(
    Options, HistogramOf,
    testing::Values(HistogramOptions{}, HistogramOptions{.highest = kMinute, .digits = 2},
                    HistogramOptions{.highest = 2, .digits = 1},
                    HistogramOptions{.lowest = 1000, .highest = kHour},
                    HistogramOptions{.lowest = 7, .highest = 1'000'000, .digits = 1},
                    HistogramOptions{.highest = 1'000'000, .digits = 5},
                    HistogramOptions{.highest = kMost, .digits = 1},
                    HistogramOptions{.lowest = std::int64_t{1} << 40, .highest = kMost}));

TEST_P(HistogramOf, EveryValueHasOneCount) {
  const HistogramLayout layout(GetParam());
  std::int64_t next = 0;
  for (std::size_t index = 0; index < layout.size(); ++index) {
    ASSERT_EQ(layout.lowest_at(index), next);
    ASSERT_GE(layout.highest_at(index), next);
    ASSERT_EQ(layout.index_of(next), index);
    ASSERT_EQ(layout.index_of(layout.highest_at(index)), index);
    if (index + 1 < layout.size()) next = layout.highest_at(index) + 1;
  }
  EXPECT_EQ(layout.highest_at(layout.size() - 1), layout.greatest());
  EXPECT_GE(layout.greatest(), layout.options().highest);
}

TEST_P(HistogramOf, ValuesThatShareACountAgreeInTheDigitsAskedFor) {
  const HistogramLayout layout(GetParam());
  const double error = std::pow(10.0, -layout.options().digits);
  for (std::size_t index = 0; index < layout.size(); ++index) {
    const auto lowest = static_cast<double>(layout.lowest_at(index));
    const auto difference = static_cast<double>(layout.highest_at(index) - layout.lowest_at(index));
    ASSERT_LE(difference,
              std::max(lowest * error, static_cast<double>(layout.options().lowest - 1)));
  }
}

TEST_P(HistogramOf, PercentilesAreThoseOfTheSortedValues) {
  Histogram histogram(GetParam());
  Values values(GetParam());
  std::vector<std::int64_t> sorted;
  for (int i = 0; i < 10'000; ++i) {
    sorted.push_back(values.next());
    histogram.record(sorted.back());
  }
  std::ranges::sort(sorted);
  const HistogramLayout& layout = histogram.layout();
  EXPECT_EQ(histogram.percentile(0), layout.lowest_equivalent(sorted.front()));
  for (std::size_t rank = 1; rank <= sorted.size(); rank += 101) {
    const double percent = static_cast<double>(rank) / 100;  // of 10,000
    ASSERT_EQ(histogram.percentile(percent), layout.highest_equivalent(sorted[rank - 1]));
    ASSERT_EQ(histogram.percentile(percent - 0.001), layout.highest_equivalent(sorted[rank - 1]));
  }
}

// The counts' number of HdrHistogram's own classes for these options.
TEST(HistogramLayout, IsThatOfHdrHistogram) {
  const HistogramLayout hour_of_us({.highest = 3'600'000'000});
  EXPECT_EQ(hour_of_us.sub_bucket_count(), 2048);
  EXPECT_EQ(hour_of_us.bucket_count(), 22);
  EXPECT_EQ(hour_of_us.size(), 23'552);
  const HistogramLayout coarse({.lowest = 1000, .highest = kHour, .digits = 2});
  EXPECT_EQ(coarse.unit_magnitude(), 9);
  EXPECT_EQ(coarse.sub_bucket_count(), 256);
  EXPECT_EQ(coarse.bucket_count(), 26);
  EXPECT_EQ(coarse.size(), 27 * 128);
}

TEST(HistogramLayout, BringsOptionsIntoTheirBounds) {
  const HistogramLayout layout({.lowest = -5, .highest = 0, .digits = 0});
  EXPECT_EQ(layout.options(), (HistogramOptions{.lowest = 1, .highest = 2, .digits = 1}));
  EXPECT_EQ(HistogramLayout({.lowest = kMost, .highest = kMost, .digits = 99}).options(),
            (HistogramOptions{.lowest = std::int64_t{1} << 40, .highest = kMost, .digits = 5}));
}

// What HdrHistogram 2.1.11 for Java says of the same 101,013 values.
struct Reference {
  HistogramOptions options;
  std::array<std::int64_t, 13> percentiles;
};
constexpr std::array kPercents{0.0,  1.0,  10.0, 25.0,  50.0,   75.0, 90.0,
                               95.0, 99.0, 99.9, 99.99, 99.999, 100.0};
const Reference kReferences[] = {
    {{.highest = 3'600'000'000},
     {0, 0, 29, 25'327, 295'698'431, 1'797'259'263, 2'860'515'327, 3'227'516'927, 3'527'409'663,
      3'592'421'375, 3'600'809'983, 3'600'809'983, 3'600'809'983}},
    {{},
     {0, 0, 28, 24'287, 1'622'147'071, 1'122'060'206'079, 2'544'768'122'879, 3'081'639'034'879,
      3'496'103'378'943, 3'590'592'659'455, 3'599'182'594'047, 3'601'330'077'695,
      3'601'330'077'695}},
    {{.highest = kMinute, .digits = 2},
     {0, 0, 29, 25'471, 1'266'679'807, 26'440'892'415, 46'439'333'887, 53'150'220'287,
      58'787'364'863, 59'861'106'687, 60'129'542'143, 60'129'542'143, 60'129'542'143}},
    {{.lowest = 1000},
     {0, 511, 511, 24'575, 1'622'147'071, 1'122'060'206'079, 2'544'768'122'879, 3'081'639'034'879,
      3'496'103'378'943, 3'590'592'659'455, 3'599'182'594'047, 3'601'330'077'695,
      3'601'330'077'695}},
    {{.lowest = 7, .highest = 1'000'000, .digits = 1},
     {0, 3, 31, 17'407, 294'911, 655'359, 884'735, 950'271, 1'015'807, 1'015'807, 1'015'807,
      1'015'807, 1'015'807}},
};

TEST(Histogram, GivesThePercentilesOfHdrHistogram) {
  for (const Reference& reference : kReferences) {
    Histogram histogram(reference.options);
    Values values(reference.options);
    for (int i = 0; i < 101'013; ++i) histogram.record(values.next());
    std::array<std::int64_t, kPercents.size()> percentiles{};
    std::ranges::transform(kPercents, percentiles.begin(),
                           [&](double percent) { return histogram.percentile(percent); });
    EXPECT_EQ(percentiles, reference.percentiles);
  }
}

TEST(Histogram, EmptyOneIsAllZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.minimum(), 0);
  EXPECT_EQ(histogram.maximum(), 0);
  EXPECT_EQ(histogram.mean(), 0);
  EXPECT_EQ(histogram.percentile(50), 0);
  histogram.for_each([](const Histogram::Bucket&) { ADD_FAILURE(); });
}

TEST(Histogram, KeepsMinimumMaximumCountAndSumExactly) {
  Histogram histogram({.digits = 1});
  histogram.record(1'234'567);
  histogram.record(7'654'321, 3);
  EXPECT_EQ(histogram.minimum(), 1'234'567);
  EXPECT_EQ(histogram.maximum(), 7'654'321);
  EXPECT_EQ(histogram.count(), 4);
  EXPECT_EQ(histogram.sum(), 1'234'567 + 3 * 7'654'321);
  EXPECT_EQ(histogram.mean(), (1'234'567 + 3 * 7'654'321) / 4.0);
}

TEST(Histogram, KnowsTheMeanOfASumThatIsTooGreat) {
  Histogram histogram;
  histogram.record(1'000'000'000, 40'000'000'000);
  histogram.record(3'000'000'000, 40'000'000'000);
  EXPECT_NEAR(histogram.mean(), 2e9, 1e6);
}

TEST(Histogram, PercentsOutOfRangeAreTheEnds) {
  Histogram histogram;
  histogram.record(10);
  histogram.record(20);
  EXPECT_EQ(histogram.percentile(-1), 10);
  EXPECT_EQ(histogram.percentile(1000), 20);
  EXPECT_EQ(histogram.percentile(50), 10);
  EXPECT_EQ(histogram.percentile(50.0001), 20);
}

TEST(Histogram, ValueBeyondTheGreatestIsCountedAndKnownAsOverflow) {
  Histogram histogram({.highest = 1'000'000});
  const std::int64_t greatest = histogram.layout().greatest();
  histogram.record(greatest);
  EXPECT_EQ(histogram.overflowed(), 0);
  histogram.record(greatest + 1);
  histogram.record(kHour, 2);
  EXPECT_EQ(histogram.overflowed(), 3);
  EXPECT_EQ(histogram.count(), 4);
  EXPECT_EQ(histogram.counts().back(), 4);
  EXPECT_EQ(histogram.maximum(), kHour);
  EXPECT_EQ(histogram.sum(), static_cast<std::uint64_t>(2 * greatest + 1 + 2 * kHour));
  EXPECT_EQ(histogram.percentile(100), greatest);
}

TEST(Histogram, OnlyOverflowIsStillReadable) {
  Histogram histogram({.highest = 1'000'000});
  histogram.record(kHour);
  EXPECT_EQ(histogram.minimum(), kHour);
  EXPECT_EQ(histogram.percentile(1), histogram.layout().greatest());
  histogram.reset();
  EXPECT_THAT(histogram.counts(), Each(0));
}

TEST(Histogram, NegativeValueCountsAsZero) {
  Histogram histogram;
  histogram.record(-1);
  histogram.record(std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(histogram.counts().front(), 2);
  EXPECT_EQ(histogram.minimum(), 0);
  EXPECT_EQ(histogram.maximum(), 0);
  EXPECT_EQ(histogram.sum(), 0);
  EXPECT_EQ(histogram.overflowed(), 0);
}

TEST(Histogram, MergedOnesAreAsIfOneHadRecordedAll) {
  const HistogramOptions options{.highest = 1'000'000'000};
  std::array<Histogram, 3> parts{Histogram(options), Histogram(options), Histogram(options)};
  Histogram whole(options);
  Values values({.highest = 3'000'000'000});
  for (std::size_t i = 0; i < 20'000; ++i) {
    const std::int64_t value = values.next();
    whole.record(value);
    parts[i % 2].record(value);  // the third stays empty
  }
  Histogram merged(options);
  for (const Histogram& part : parts) EXPECT_TRUE(merged.merge(part));
  EXPECT_THAT(merged.counts(), testing::ElementsAreArray(whole.counts()));
  EXPECT_EQ(merged.count(), whole.count());
  EXPECT_GT(merged.overflowed(), 0);
  EXPECT_EQ(merged.overflowed(), whole.overflowed());
  EXPECT_EQ(merged.sum(), whole.sum());
  EXPECT_EQ(merged.minimum(), whole.minimum());
  EXPECT_EQ(merged.maximum(), whole.maximum());
}

TEST(Histogram, OfOnesWithMoreDigitsItIsAsIfOneHadRecordedAll) {
  for (const auto& [digits, more] : {std::pair(1, 2), {1, 3}, {2, 3}, {2, 5}, {3, 3}}) {
    for (const std::int64_t lowest : {1, 1000}) {
      const HistogramOptions options{.lowest = lowest, .highest = 1'000'000'000, .digits = digits};
      Histogram whole(options);
      Histogram merged(options);
      Values values({.highest = 3'000'000'000});
      for (int part = 0; part < 2; ++part) {
        Histogram finer({.lowest = lowest, .highest = options.highest, .digits = more});
        EXPECT_TRUE(merged.merge_finer(finer));
        for (std::size_t i = 0; i < 10'000; ++i) {
          const std::int64_t value = values.next();
          whole.record(value);
          finer.record(value);
        }
        EXPECT_TRUE(merged.merge_finer(finer));
      }
      EXPECT_TRUE(std::ranges::equal(merged.counts(), whole.counts())) << digits << " of " << more;
      EXPECT_EQ(merged.count(), 20'000);
      EXPECT_GT(merged.overflowed(), 0);
      EXPECT_EQ(merged.overflowed(), whole.overflowed());
      EXPECT_EQ(merged.sum(), whole.sum());
      EXPECT_EQ(merged.minimum(), whole.minimum());
      EXPECT_EQ(merged.maximum(), whole.maximum());
    }
  }
}

TEST(Histogram, OnlyOnesThatAreAsFineAreMergedAsFinerOnes) {
  Histogram histogram;
  for (const HistogramOptions& options :
       {HistogramOptions{.digits = 2}, HistogramOptions{.lowest = 1000, .digits = 4},
        HistogramOptions{.highest = kMinute, .digits = 4}}) {
    Histogram other(options);
    other.record(5);
    EXPECT_FALSE(histogram.merge_finer(other));
  }
  EXPECT_EQ(histogram.count(), 0);
}

TEST(Histogram, OneThatIsKnownByItsNumbersIsMergedAlike) {
  const HistogramOptions options{.highest = 1'000'000'000};
  Histogram first(options);
  Histogram second(options);
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{70}, kMinute}) first.record(value);
  second.record(5'000'000);
  for (const bool into_empty : {true, false}) {
    Histogram expected(options);
    Histogram merged(options);
    if (!into_empty) {
      ASSERT_TRUE(expected.merge(second));
      ASSERT_TRUE(merged.merge(second));
    }
    ASSERT_TRUE(expected.merge(first));
    EXPECT_TRUE(merged.merge(first.counts(), first.overflowed(), first.sum(), first.minimum(),
                             first.maximum()));
    EXPECT_THAT(merged.counts(), testing::ElementsAreArray(expected.counts()));
    EXPECT_EQ(merged.count(), expected.count());
    EXPECT_EQ(merged.overflowed(), 1);
    EXPECT_EQ(merged.sum(), expected.sum());
    EXPECT_EQ(merged.minimum(), expected.minimum());
    EXPECT_EQ(merged.maximum(), kMinute);
  }
}

TEST(Histogram, NumbersThatContradictEachOtherAreNotMerged) {
  Histogram histogram;
  Histogram other;
  other.record(100);
  other.record(100'000);
  const auto merge = [&](std::span<const std::uint64_t> counts, std::int64_t minimum,
                         std::int64_t maximum) {
    return histogram.merge(counts, 0, other.sum(), minimum, maximum);
  };
  EXPECT_FALSE(merge(other.counts().first(10), 100, 100'000));
  EXPECT_FALSE(merge(other.counts(), 101, 100'000));
  EXPECT_FALSE(merge(other.counts(), 100, 99'000));
  EXPECT_FALSE(merge(other.counts(), 100, kMost));
  EXPECT_FALSE(merge(other.counts(), -1, 100'000));
  EXPECT_FALSE(merge(other.counts(), 100'000, 100));
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_TRUE(merge(Histogram().counts(), 7, 3));  // none
  EXPECT_EQ(histogram.sum(), 0);
  EXPECT_TRUE(merge(other.counts(), 100, 100'000));
  EXPECT_EQ(histogram.count(), 2);
}

TEST(Histogram, OtherLayoutsAreNotMerged) {
  Histogram histogram;
  Histogram other({.digits = 2});
  other.record(5);
  EXPECT_FALSE(histogram.merge(other));
  EXPECT_EQ(histogram.count(), 0);
}

TEST(Histogram, ResetOneIsAsNew) {
  Histogram histogram;
  for (const std::int64_t value : {std::int64_t{3}, kMinute, kHour * 10}) histogram.record(value);
  histogram.reset();
  EXPECT_THAT(histogram.counts(), Each(0));
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.overflowed(), 0);
  EXPECT_EQ(histogram.sum(), 0);
  histogram.record(9);
  EXPECT_EQ(histogram.minimum(), 9);
  EXPECT_EQ(histogram.maximum(), 9);
  EXPECT_EQ(histogram.percentile(99), 9);
}

TEST(Histogram, VisitsTheCountsThatAreNotZeroUpwards) {
  Histogram histogram;
  histogram.record(5000);
  histogram.record(5);
  histogram.record(5001);
  std::vector<std::array<std::int64_t, 3>> buckets;
  histogram.for_each([&](const Histogram::Bucket& bucket) {
    buckets.push_back({bucket.lowest, bucket.highest, static_cast<std::int64_t>(bucket.count)});
  });
  EXPECT_THAT(buckets, ElementsAre(ElementsAre(5, 5, 1), ElementsAre(5000, 5003, 2)));
}

TEST(Histogram, MovesWithItsCounts) {
  Histogram histogram;
  histogram.record(7);
  const Histogram moved = std::move(histogram);
  EXPECT_EQ(moved.count(), 1);
  EXPECT_EQ(moved.counts()[7], 1);
}

}  // namespace
}  // namespace eddy
