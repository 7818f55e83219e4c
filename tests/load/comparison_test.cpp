#include "load/comparison.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

#include "load/random.h"

namespace eddy::load {
namespace {

using Verdict = Comparison::Verdict;

// Figures of runs that differ by chance: their logarithms nearly normal, 5 % apart.
std::vector<double> runs_of(size_t count, double figure, Random& random) {
  std::vector<double> figures;
  for (size_t i = 0; i < count; ++i) {
    double sum = -6;  // of twelve: variance 1
    for (int part = 0; part < 12; ++part) sum += random.uniform();
    figures.push_back(figure * std::exp(0.05 * sum));
  }
  return figures;
}

TEST(Comparison, CountsAllWaysToGiveOutTheNames) {
  // All of B's are above all of A's: of 70 ways one is as extreme on each side.
  const auto slower = compare(std::array{1.0, 1.1, 1.2, 1.3}, std::array{2.0, 2.1, 2.2, 2.3});
  EXPECT_EQ(slower.verdict, Verdict::kSlower);
  EXPECT_DOUBLE_EQ(slower.p_value, 2.0 / 70);
  EXPECT_NEAR(slower.ratio, std::pow(2.0 * 2.1 * 2.2 * 2.3 / (1.1 * 1.2 * 1.3), 0.25), 1e-9);
  // One of B's is below one of A's, and changed for it gives a difference that is greater.
  const auto mixed = compare(std::array{1.0, 1.1, 1.2, 2.05}, std::array{2.0, 2.1, 2.2, 2.3});
  EXPECT_DOUBLE_EQ(mixed.p_value, 4.0 / 70);
  EXPECT_EQ(mixed.verdict, Verdict::kNoDifference);
}

TEST(Comparison, ExchangedSetsGiveTheInverse) {
  Random random(1);
  const auto a = runs_of(6, 100, random);
  const auto b = runs_of(7, 130, random);
  const auto forward = compare(a, b);
  const auto backward = compare(b, a);
  EXPECT_EQ(forward.verdict, Verdict::kSlower);
  EXPECT_EQ(backward.verdict, Verdict::kFaster);
  EXPECT_DOUBLE_EQ(forward.p_value, backward.p_value);
  EXPECT_NEAR(forward.ratio * backward.ratio, 1, 1e-9);
  EXPECT_NEAR(forward.lower * backward.upper, 1, 1e-9);
}

TEST(Comparison, SaysThatTooFewRunsShowNothing) {
  EXPECT_EQ(compare({}, {}).verdict, Verdict::kTooFewRuns);
  EXPECT_EQ(compare(std::array{1.0}, {}).verdict, Verdict::kTooFewRuns);
  const auto two = compare(std::array{1.0, 1.1}, std::array{9.0, 9.1});
  EXPECT_EQ(two.verdict, Verdict::kTooFewRuns);
  EXPECT_DOUBLE_EQ(two.p_value, 1.0 / 3);
  EXPECT_GT(two.ratio, 8);
  EXPECT_EQ(compare(std::array{1.0, 1.1, 1.2}, std::array{9.0, 9.1, 9.2}).verdict,
            Verdict::kTooFewRuns);
  EXPECT_EQ(compare(std::array{1.0, 1.1, 1.2}, std::array{9.0, 9.1, 9.2, 9.3, 9.4}).verdict,
            Verdict::kSlower);
}

TEST(Comparison, EqualFiguresShowNoDifference) {
  const std::vector<double> figures(5, 3.0);
  const auto equal = compare(figures, figures);
  EXPECT_EQ(equal.verdict, Verdict::kNoDifference);
  EXPECT_EQ(equal.p_value, 1);
  EXPECT_DOUBLE_EQ(equal.ratio, 1);
  EXPECT_DOUBLE_EQ(equal.lower, 1);
  EXPECT_DOUBLE_EQ(equal.upper, 1);
}

// Of 400 comparisons, 5 % are 20, with a standard deviation of 4.4.
void expect_coverage(size_t of_a, size_t of_b) {
  Random random(of_a * 100 + of_b);
  int false_alarms = 0;
  int missed = 0;
  constexpr int kRepetitions = 400;
  for (int i = 0; i < kRepetitions; ++i) {
    const auto a = runs_of(of_a, 100, random);
    const auto same = compare(a, runs_of(of_b, 100, random));
    false_alarms += same.verdict != Verdict::kNoDifference ? 1 : 0;
    const auto slower = compare(a, runs_of(of_b, 110, random));
    missed += slower.lower > 1.1 || slower.upper < 1.1 ? 1 : 0;
  }
  EXPECT_LT(false_alarms, 40);
  EXPECT_LT(missed, 40);
  EXPECT_GT(missed, 2);  // no wider than it must be
}

TEST(Comparison, IntervalHasTheTrueRatioIn95Of100) {
  expect_coverage(5, 5);
  expect_coverage(4, 7);
}

TEST(Comparison, ManyRunsAreComparedByWaysAtRandom) {
  Random random(3);
  const auto a = runs_of(30, 100, random);
  const auto b = runs_of(20, 105, random);
  const auto once = compare(a, b, 7);
  const auto again = compare(a, b, 7);
  EXPECT_EQ(once.verdict, Verdict::kSlower);
  EXPECT_EQ(once.p_value, again.p_value);
  EXPECT_EQ(once.lower, again.lower);
  // The standard error of the difference is 0.05 √(1/30 + 1/20); Student's bound is 2.01 of it.
  const double width = 2.01 * 0.05 * std::sqrt(1.0 / 30 + 1.0 / 20);
  EXPECT_NEAR(std::log(once.upper / once.lower), 2 * width, width / 2);
  EXPECT_EQ(compare(a, runs_of(20, 100, random)).verdict, Verdict::kNoDifference);
}

}  // namespace
}  // namespace eddy::load
