#include "queue.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace eddy::load {

Queue::Queue(Service service, double utilisation, uint64_t seed)
    : service_(service), utilisation_(utilisation), random_(seed) {
  const double forgotten = 20 / ((1 - utilisation) * (1 - utilisation));
  for (double i = 0; i < forgotten; ++i) next();
}

int64_t Queue::next(double slower) {
  const double service = service_ == Service::kConstant ? 1 : random_.exponential();
  const double response = wait_ + service * slower;
  wait_ = std::max(response - random_.exponential() / utilisation_, 0.0);
  return std::llround(response * kServiceTime);
}

double fraction_of_waits(double utilisation, double wait) {
  const auto k = static_cast<size_t>(wait) + 1;
  std::vector<double> more(k + 1);  // more[j]: more than j arrivals during a service
  double term = std::exp(-utilisation);
  const double none = term;
  for (size_t j = 0; j <= k; ++j) {
    term *= utilisation / static_cast<double>(j + 1);
    double rest = term;
    double sum = 0;
    for (size_t i = j + 1; rest > sum * 1e-17; ++i) {
      sum += rest;
      rest *= utilisation / static_cast<double>(i + 1);
    }
    more[j] = sum;
  }
  std::vector<double> in_system{1 - utilisation};
  std::vector<double> queued;  // the fraction of time with at most so many in the queue
  double sum = in_system[0];
  for (size_t n = 0; n < k; ++n) {
    double flow = in_system[0] * more[n];
    for (size_t i = 1; i <= n; ++i) flow += in_system[i] * more[n + 1 - i];
    in_system.push_back(flow / none);
    queued.push_back(sum += in_system.back());
  }
  const double left = utilisation * (static_cast<double>(k) - wait);
  double weight = std::exp(-left);
  double fraction = 0;
  for (size_t j = 0; j < k; ++j) {
    fraction += queued[k - 1 - j] * weight;
    weight *= left / static_cast<double>(j + 1);
  }
  return fraction;
}

double true_quantile(Service service, double utilisation, double percent) {
  const double p = percent / 100;
  // Exponential, with mean 1 / (service rate - arrival rate).
  if (service == Service::kExponential) {
    return -std::log(1 - p) / (1 - utilisation) * kServiceTime;
  }
  double least = 0;
  double most = 1000;
  while (most - least > 1e-9) {
    const double middle = (least + most) / 2;
    (fraction_of_waits(utilisation, middle) < p ? least : most) = middle;
  }
  return (least + 1) * kServiceTime;
}

}  // namespace eddy::load
