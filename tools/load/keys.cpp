#include "load/keys.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace eddy::load {
namespace {

// (exp(x) - 1) / x and log(1 + x) / x, where x may be 0.
double expm1_ratio(double x) { return std::abs(x) > 1e-8 ? std::expm1(x) / x : 1 + x / 2; }
double log1p_ratio(double x) { return std::abs(x) > 1e-8 ? std::log1p(x) / x : 1 - x / 2; }

}  // namespace

Keys::Keys(uint64_t keys, double skew, uint64_t seed)
    : keys_(keys), skew_(skew), is_even_(skew == 0), random_(seed) {
  if (skew == 0) return;
  from_ = integral(1.5) - 1;
  to_ = integral(static_cast<double>(keys) + 0.5);
  always_ = 2 - inverse(integral(2.5) - std::pow(2, -skew));
}

Keys Keys::in_turn(uint64_t first, uint64_t step) {
  Keys keys(1, 0, 0);
  keys.is_even_ = false;
  keys.in_turn_ = first;
  keys.step_ = step;
  return keys;
}

// With a = 1 - skew: (x^a - 1) / a, which is log x for a = 0.
double Keys::integral(double x) const {
  const double log_x = std::log(x);
  return expm1_ratio((1 - skew_) * log_x) * log_x;
}

double Keys::inverse(double y) const {
  const double shifted = std::max(y * (1 - skew_), -1.0);
  return std::exp(log1p_ratio(shifted) * y);
}

uint64_t Keys::next_otherwise() {
  if (step_ > 0) return std::exchange(in_turn_, in_turn_ + step_);
  for (;;) {
    const double u = to_ + random_.uniform() * (from_ - to_);
    const double x = inverse(u);
    const double rank = std::clamp(std::floor(x + 0.5), 1.0, static_cast<double>(keys_));
    if (rank - x <= always_ || u >= integral(rank + 0.5) - std::pow(rank, -skew_)) {
      return static_cast<uint64_t>(rank) - 1;
    }
  }
}

}  // namespace eddy::load
