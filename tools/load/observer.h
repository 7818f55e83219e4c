// Who follows a run while it goes on: the line on a terminal, the metrics that others ask for.
//
// Ownership: an observer outlives the run. Threads: those of the run's own reactor, which is not a
// worker's, so that what an observer does makes no request late.
#pragma once

#include <chrono>
#include <cstdint>

#include "load/record.h"

namespace eddy::load {

// How a run stands.
struct Moment {
  enum class Phase : uint8_t { kConnecting, kWarmup, kMeasuring, kDraining, kOver };

  Phase phase = Phase::kConnecting;
  std::chrono::nanoseconds elapsed{};  // since the load began, its warm-up included
  std::chrono::nanoseconds left{};     // until the window's end; negative: nobody knows
  uint64_t open_connections = 0;
  uint64_t in_flight = 0;
  uint64_t completed = 0;  // answers since the load began, its warm-up included
  uint64_t troubles = 0;   // of connections
};

class Observer {
 public:
  Observer() = default;
  virtual ~Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  // What was measured from `start` on, counted from the window's beginning: about a second.
  virtual void add(std::chrono::nanoseconds start, std::chrono::nanoseconds length,
                   const Record& second) = 0;
  // Each second, from the first connect on, and once more when it is over: with Phase::kOver.
  virtual void show(const Moment& moment) = 0;
};

}  // namespace eddy::load
