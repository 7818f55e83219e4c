#include "load/comparison.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "load/random.h"

namespace eddy::load {
namespace {

constexpr double kMostWays = 20'000;
constexpr double kSignificance = 0.05;

// In how many ways so many of the runs can be B's.
double ways_to_choose(size_t of_b, size_t runs) {
  double ways = 1;
  for (size_t i = 1; i <= of_b; ++i) {
    ways *= static_cast<double>(runs - of_b + i) / static_cast<double>(i);
  }
  return std::round(ways);
}

// The logarithms of all figures, first A's, then B's.
class Runs {
 public:
  Runs(std::span<const double> a, std::span<const double> b)
      : a_(static_cast<double>(a.size())), b_(static_cast<double>(b.size())), first_b_(a.size()) {
    for (const double figure : a) logarithms_.push_back(std::log(figure));
    for (const double figure : b) logarithms_.push_back(std::log(figure));
    total_ = std::accumulate(logarithms_.begin(), logarithms_.end(), 0.0);
    std::vector<size_t> of_b(b.size());
    std::iota(of_b.begin(), of_b.end(), first_b_);
    difference_ = difference(of_b).first;
  }

  size_t size() const { return logarithms_.size(); }
  double difference() const { return difference_; }

  // Adds, for runs that are taken to be B's, the d from which on, taken from all that are B's in
  // fact, the way's difference is at least the actual one's. The actual way has none.
  void add_bound(std::span<const size_t> taken, std::vector<double>& bounds) const {
    const auto [difference, part] = this->difference(taken);
    if (part >= 1) return;
    const double bound = (difference_ - difference) / (1 - part);
    bounds.push_back(std::abs(bound) < 1e-12 ? 0 : bound);  // figures that are equal
  }

 private:
  // The difference of the means if these are B's runs, and how much of d is in it.
  std::pair<double, double> difference(std::span<const size_t> taken) const {
    double sum = 0;
    double right = 0;  // of those taken
    for (const size_t run : taken) {
      sum += logarithms_[run];
      right += run >= first_b_ ? 1 : 0;
    }
    return {sum / b_ - (total_ - sum) / a_, right / b_ - (b_ - right) / a_};
  }

  double a_;  // runs
  double b_;
  size_t first_b_;
  std::vector<double> logarithms_;
  double total_ = 0;
  double difference_ = 0;
};

// Makes the next larger set of so many numbers below `end` of one, in increasing order.
bool next_set(std::vector<size_t>& numbers, size_t end) {
  for (size_t i = numbers.size(); i-- > 0; --end) {
    if (numbers[i] + 1 == end) continue;
    std::iota(numbers.begin() + static_cast<ptrdiff_t>(i), numbers.end(), numbers[i] + 1);
    return true;
  }
  return false;
}

std::vector<double> bounds_of_all(const Runs& runs, size_t of_b) {
  std::vector<double> bounds;
  std::vector<size_t> taken(of_b);
  std::iota(taken.begin(), taken.end(), 0);
  do {
    runs.add_bound(taken, bounds);
  } while (next_set(taken, runs.size()));
  return bounds;
}

std::vector<double> bounds_at_random(const Runs& runs, size_t of_b, uint64_t seed) {
  Random random(seed);
  std::vector<double> bounds;
  std::vector<size_t> order(runs.size());
  std::iota(order.begin(), order.end(), 0);
  while (static_cast<double>(bounds.size()) + 1 < kMostWays) {
    for (size_t i = 0; i < of_b; ++i)
      std::swap(order[i], order[i + random.below(order.size() - i)]);
    runs.add_bound(std::span(order).first(of_b), bounds);
  }
  return bounds;
}

// So many of the ways, the actual one among them, may be as extreme on one side.
size_t most_extreme(double ways) { return static_cast<size_t>(kSignificance / 2 * ways); }

}  // namespace

bool can_differ(size_t runs_of_a, size_t runs_of_b) {
  return most_extreme(ways_to_choose(runs_of_b, runs_of_a + runs_of_b)) > 0;
}

Comparison compare(std::span<const double> a, std::span<const double> b, uint64_t seed) {
  Comparison result;
  if (a.empty() || b.empty()) return result;
  const Runs runs(a, b);
  result.ratio = std::exp(runs.difference());

  const bool all = ways_to_choose(b.size(), runs.size()) <= kMostWays;
  std::vector<double> bounds =
      all ? bounds_of_all(runs, b.size()) : bounds_at_random(runs, b.size(), seed);
  std::ranges::sort(bounds);
  const auto ways = static_cast<double>(bounds.size() + 1);
  const auto not_above = std::ranges::upper_bound(bounds, 0.0) - bounds.begin();
  const auto not_below = bounds.end() - std::ranges::lower_bound(bounds, 0.0);
  const auto extreme = static_cast<double>(std::min(not_above, not_below) + 1);
  result.p_value = std::min(2 * extreme / ways, 1.0);

  const size_t most = most_extreme(ways);
  if (most == 0) return result;
  result.lower = std::exp(bounds[most - 1]);
  result.upper = std::exp(bounds[bounds.size() - most]);
  result.verdict = result.lower > 1   ? Comparison::Verdict::kSlower
                   : result.upper < 1 ? Comparison::Verdict::kFaster
                                      : Comparison::Verdict::kNoDifference;
  return result;
}

}  // namespace eddy::load
