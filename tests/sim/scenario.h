// One seed's run: a world, a server, its clients, and whatever goes wrong; and whether the contract
// held all along.
#pragma once

#include <eddy/core/backend.h>
#include <eddy/sim/world.h>
#include <stdint.h>
#include <stdio.h>

#include <array>
#include <span>
#include <string>

namespace eddy::test {

struct ScenarioOptions {
  uint64_t seed = 0;
  std::span<const uint8_t> tape{};  // in place of the seed, if it is not empty
  BackendKind backend = BackendKind::kEpoll;
  // Only what breaks no connection: everybody gets everything, on either backend alike.
  bool calm = false;
  FILE* trace = nullptr;
};

struct ScenarioOutcome {
  std::string failure;  // empty: everything held
  uint64_t trace_hash = 0;
  std::string application_trace;  // calm: equal on both backends
  uint64_t operations = 0;        // system calls, operations of io_uring, turns
  std::array<uint64_t, sim::kFaults> faults = {};
};

ScenarioOutcome run_scenario(const ScenarioOptions& options);

}  // namespace eddy::test
