// The keys that requests to a store ask for are distributed as they should be.
#include "load/keys.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace eddy::load {
namespace {

constexpr uint64_t kDraws = 200'000;

std::vector<uint64_t> count(uint64_t keys, double skew) {
  Keys drawn(keys, skew, 5);
  std::vector<uint64_t> counts(keys);
  for (uint64_t i = 0; i < kDraws; ++i) ++counts.at(drawn.next());
  return counts;
}

// Pearson's statistic, and what it does not pass in 999 of 1000 samples (Wilson and Hilferty,
// 1931).
double chi_square(const std::vector<uint64_t>& counts, const std::vector<double>& expected) {
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double off = static_cast<double>(counts[i]) - expected[i];
    sum += off * off / expected[i];
  }
  return sum;
}
double chi_square_bound(size_t kinds) {
  const auto freedom = static_cast<double>(kinds - 1);
  const double part = 2 / (9 * freedom);
  return freedom * std::pow(1 - part + 3.09 * std::sqrt(part), 3);
}

std::vector<double> zipf(uint64_t keys, double skew) {
  std::vector<double> expected;
  double total = 0;
  for (uint64_t rank = 1; rank <= keys; ++rank) {
    expected.push_back(std::pow(static_cast<double>(rank), -skew));
    total += expected.back();
  }
  for (double& each : expected) each *= static_cast<double>(kDraws) / total;
  return expected;
}

TEST(Keys, AreAllAlikeWithoutSkew) {
  const std::vector<uint64_t> counts = count(500, 0);
  EXPECT_LT(chi_square(counts, zipf(500, 0)), chi_square_bound(500));
}

TEST(Keys, FollowZipfsLaw) {
  for (const double skew : {0.3, 0.99, 1.0, 1.5, 3.0}) {
    const uint64_t keys = skew > 1 ? 8 : 300;  // as many as are drawn often enough to compare
    const std::vector<uint64_t> counts = count(keys, skew);
    EXPECT_LT(chi_square(counts, zipf(keys, skew)), chi_square_bound(keys)) << skew;
  }
}

TEST(Keys, OneKeyIsAlwaysTheSame) {
  for (const double skew : {0.0, 0.99, 2.0}) {
    Keys keys(1, skew, 3);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(keys.next(), 0U);
  }
}

TEST(Keys, TheSameSeedGivesTheSameKeys) {
  for (const double skew : {0.0, 0.99}) {
    Keys one(1'000'000, skew, 9);
    Keys other(1'000'000, skew, 9);
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(one.next(), other.next());
  }
}

}  // namespace
}  // namespace eddy::load
