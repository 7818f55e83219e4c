// What the suites of the contract are run on: every backend, io_uring also as older kernels have
// it, and each of them on Linux and in a simulated world.
//
// A suite that ends with EDDY_ON_EVERY_CONFIGURATION(Suite) has each of its tests once for each of
// the configurations that this kernel and the environment's EDDY_BACKEND allow: Suite.Test/Epoll,
// Suite.Test/Uring, …, Suite.Test/SimEpoll, … A suite about what no simulation has (processes,
// threads, limits, devices) ends with EDDY_ON_EVERY_REAL_CONFIGURATION(Suite), and tells why; one
// that makes a world of its own, for what only a simulation can show, with
// EDDY_ON_EVERY_SIMULATED_CONFIGURATION(Suite).
#pragma once

#include <eddy/core/reactor.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <ostream>
#include <string>
#include <vector>

#include "machine.h"

namespace eddy::test {

struct Configuration {
  std::string name;
  ReactorOptions options;
  bool simulated = false;
};

inline void PrintTo(const Configuration& configuration,
                    std::ostream* out) {  // NOLINT: GoogleTest's name
  *out << configuration.name;
}

inline bool is_offered(const Configuration& wanted) {
  const Machine machine(wanted.simulated);
  const auto choice = choose_backend(machine.kernel(), wanted.options);
  // Else it would not be what its name says.
  const bool offered = choice && choice->kind == wanted.options.backend;
  if (!offered) {
    fprintf(stderr, "not tested here: %s (%s)\n", wanted.name.c_str(),
            choice ? choice->reason.c_str() : choice.error().message().c_str());
  }
  return offered;
}

inline std::vector<Configuration> find_configurations() {
  std::vector<Configuration> found;
  for (const bool simulated : {false, true}) {
    const auto add = [&](const char* name, const ReactorOptions& options) {
      const Configuration wanted{(simulated ? "Sim" : "") + std::string(name), options, simulated};
      if (is_offered(wanted)) found.push_back(wanted);
    };
    add("Epoll", {.backend = BackendKind::kEpoll});
    add("Uring", {.backend = BackendKind::kUring});
    add("UringSingleShot", {.backend = BackendKind::kUring, .avoid_receive_limit = true});
    add("UringFixedBuffers", {.backend = BackendKind::kUring, .avoid_incremental_buffers = true});
  }
  return found;
}

// Looked for once, and the result told on stderr: stdout belongs to GoogleTest's lists.
inline const std::vector<Configuration>& offered_configurations() {
  static const std::vector<Configuration> offered = find_configurations();
  return offered;
}

inline std::vector<Configuration> configurations_that_are(bool simulated) {
  std::vector<Configuration> found = offered_configurations();
  std::erase_if(found, [&](const auto& each) { return each.simulated != simulated; });
  return found;
}
inline std::vector<Configuration> real_configurations() { return configurations_that_are(false); }
inline std::vector<Configuration> simulated_configurations() {
  return configurations_that_are(true);
}

// For suites that choose their backends themselves.
inline std::vector<Configuration> every_machine() {
  return {{"Linux", {}, false}, {"Simulated", {}, true}};
}

}  // namespace eddy::test

#define EDDY_ON_CONFIGURATIONS(suite, configurations)                  \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::ValuesIn(configurations), \
                           [](const auto& test) { return test.param.name; })
#define EDDY_ON_EVERY_CONFIGURATION(suite) \
  EDDY_ON_CONFIGURATIONS(suite, ::eddy::test::offered_configurations())
#define EDDY_ON_EVERY_REAL_CONFIGURATION(suite) \
  EDDY_ON_CONFIGURATIONS(suite, ::eddy::test::real_configurations())
#define EDDY_ON_EVERY_SIMULATED_CONFIGURATION(suite) \
  EDDY_ON_CONFIGURATIONS(suite, ::eddy::test::simulated_configurations())
#define EDDY_ON_EVERY_MACHINE(suite) EDDY_ON_CONFIGURATIONS(suite, ::eddy::test::every_machine())
