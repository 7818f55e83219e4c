// Queues whose response times are known: arrivals by a Poisson process, one server, a mean service
// time of one millisecond, which is exponentially distributed (M/M/1) or always the same (M/D/1).
#pragma once

#include <cstdint>

#include "load/random.h"

namespace eddy::load {

// Where every instruction is watched, fewer runs do.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

enum class Service { kExponential, kConstant };

inline constexpr double kServiceTime = 1e6;  // nanoseconds

// The response times of one request after the other, by Lindley's recursion ("The theory of queues
// with a single server", 1952). Begins long before the first one that it gives.
class Queue {
 public:
  Queue(Service service, double utilisation, uint64_t seed);

  // `slower` times as long a service as it should have.
  int64_t next(double slower = 1);

 private:
  Service service_;
  double utilisation_;
  Random random_;
  double wait_ = 0;
};

// The fraction of M/D/1's requests that wait at most `wait` service times, by the sum of positive
// terms of Franx ("A simple solution for the M/D/c waiting time distribution", 2001): over how many
// are in the system, which is solved from the balance of flows across each of its states.
double fraction_of_waits(double utilisation, double wait);

// The response time, in nanoseconds, that `percent` of the requests do not exceed.
double true_quantile(Service service, double utilisation, double percent);

}  // namespace eddy::load
