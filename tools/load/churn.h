// Which connections end on purpose, when and how: all drawn from one seed, so that a run's plan can
// be had again.
#pragma once

#include <eddy/core/time.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>

#include "load/traffic.h"

namespace eddy::load {

class Churn {
 public:
  Churn(double per_second, uint64_t seed) : per_second_(per_second), random_(seed) {}

  // Independent moments: their distances are exponentially distributed.
  std::chrono::nanoseconds gap() {
    const double unit = static_cast<double>((random_() >> 11) + 1) * 0x1p-53;  // in (0, 1]
    return std::chrono::nanoseconds(std::llround(-std::log(unit) * 1e9 / per_second_));
  }
  size_t seat(size_t seats) { return random_() % seats; }
  Kill how() { return static_cast<Kill>(random_() % 3); }

 private:
  double per_second_;
  std::mt19937_64 random_;
};

}  // namespace eddy::load
