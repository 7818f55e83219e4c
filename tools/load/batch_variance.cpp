#include "load/batch_variance.h"

#include <algorithm>

namespace eddy::load {

double variance_of_sum(std::span<const double> residuals) {
  constexpr double kMostCorrelated = 0.6;
  double squares = 0;
  double steps = 0;  // squared
  for (size_t i = 0; i < residuals.size(); ++i) {
    squares += residuals[i] * residuals[i];
    if (i == 0) continue;
    const double step = residuals[i] - residuals[i - 1];
    steps += step * step;
  }
  if (squares == 0) return 0;
  const double correlation = std::clamp(1 - steps / (2 * squares), 0.0, kMostCorrelated);
  const auto batches = static_cast<double>(residuals.size());
  return batches / (batches - 1) * squares * (1 + correlation) / (1 - correlation);
}

double error_bound(double z, double freedom) {
  const double n = freedom;
  const double z2 = z * z;
  return z * (1 + (z2 + 1) / (4 * n) + (5 * z2 * z2 + 16 * z2 + 3) / (96 * n * n) +
              (3 * z2 * z2 * z2 + 19 * z2 * z2 + 17 * z2 - 15) / (384 * n * n * n));
}

}  // namespace eddy::load
