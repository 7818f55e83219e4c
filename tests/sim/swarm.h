// Many seeds on several processes: how often each fault struck, how long the slowest took, and what
// failed first.
#pragma once

#include <stdint.h>

#include <array>
#include <string>
#include <vector>

#include "scenario.h"

namespace eddy::test {

struct SwarmOptions {
  uint64_t first = 1;
  uint64_t count = 100;
  std::vector<BackendKind> backends;
  unsigned jobs = 1;
  bool stop_at_first = false;  // each process stops at its first failure, or another's
  bool progress = false;       // a line that is written over
};

struct SwarmFailure {
  BackendKind backend;
  uint64_t seed;
  std::string what;
};

struct SwarmTally {
  uint64_t runs = 0;
  uint64_t operations = 0;
  uint64_t slowest_seed = 0;
  int64_t slowest_ns = 0;
  int64_t busy_ns = 0;  // of all processes together
  std::array<uint64_t, sim::kFaults> faults = {};
};

struct SwarmOutcome {
  std::vector<SwarmTally> tallies;  // by backend, as asked for
  std::vector<SwarmFailure> failures;
};

// Each fifth seed is a calm one, run on both backends with the same outcome; each fiftieth runs
// twice, with the same trace.
SwarmOutcome run_swarm(const SwarmOptions& options);
bool is_calm(uint64_t seed);

}  // namespace eddy::test
