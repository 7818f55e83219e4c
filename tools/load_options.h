// What `eddy load` was asked to do.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/net/address.h>
#include <stdint.h>

#include <chrono>
#include <string>

namespace eddy::tools {

struct LoadOptions {
  std::string target;  // as it was written: "tcp://127.0.0.1:7000"
  Address address;
  uint32_t connections = 0;
  uint32_t depth = 0;  // requests in flight on each
  uint64_t size = 0;   // bytes of a request, and of its answer
  std::chrono::nanoseconds warmup{};
  std::chrono::nanoseconds duration{};
  std::chrono::nanoseconds timeout{};  // of a connect, and of an answer
  uint64_t churn_per_second = 0;       // connections ended on purpose and opened again
  uint64_t seed = 0;
  int server_pid = 0;  // 0: not known
  bool json = false;
  ReactorOptions reactor;
};

}  // namespace eddy::tools
