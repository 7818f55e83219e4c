// What the suites of the contract are run on: every backend, and io_uring also as older kernels
// have it.
//
// A suite that ends with EDDY_ON_EVERY_CONFIGURATION(Suite) has each of its tests once for each of
// the configurations that this kernel and the environment's EDDY_BACKEND allow: Suite.Test/Epoll,
// Suite.Test/Uring, …
#pragma once

#include <eddy/core/linux_kernel.h>
#include <eddy/core/reactor.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <ostream>
#include <string>
#include <vector>

namespace eddy::test {

struct Configuration {
  std::string name;
  ReactorOptions options;
};

inline void PrintTo(const Configuration& configuration,
                    std::ostream* out) {  // NOLINT: GoogleTest's name
  *out << configuration.name;
}

// Empty when the configuration would not be what its name says.
inline std::vector<Configuration> if_offered(std::string name, const ReactorOptions& options) {
  const auto choice = choose_backend(linux_kernel(), options);
  const bool offered = choice && choice->kind == options.backend;
  if (!offered) {
    fprintf(stderr, "not tested here: %s (%s)\n", name.c_str(),
            choice ? choice->reason.c_str() : choice.error().message().c_str());
    return {};
  }
  return {{std::move(name), options}};
}

inline std::vector<Configuration> find_configurations() {
  std::vector<Configuration> found;
  const auto add = [&](const char* name, const ReactorOptions& options) {
    for (Configuration& offered : if_offered(name, options)) found.push_back(std::move(offered));
  };
  add("Epoll", {.backend = BackendKind::kEpoll});
  add("Uring", {.backend = BackendKind::kUring});
  add("UringSingleShot", {.backend = BackendKind::kUring, .avoid_receive_limit = true});
  add("UringFixedBuffers", {.backend = BackendKind::kUring, .avoid_incremental_buffers = true});
  return found;
}

// Looked for once, and the result told on stderr: stdout belongs to GoogleTest's lists.
inline const std::vector<Configuration>& offered_configurations() {
  static const std::vector<Configuration> offered = find_configurations();
  return offered;
}

}  // namespace eddy::test

#define EDDY_ON_EVERY_CONFIGURATION(suite)                                                     \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::ValuesIn(::eddy::test::offered_configurations()), \
                           [](const auto& test) { return test.param.name; })
