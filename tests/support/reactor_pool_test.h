// The fixture of suites about reactors in several threads: a pool of them, on the kernel and with
// the options of the configuration under test.
#pragma once

#include <eddy/net/reactor_pool.h>

#include <atomic>
#include <optional>

#include "stream_test.h"

namespace eddy::test {

class ReactorPoolTest : public StreamTest {
 protected:
  static constexpr unsigned kReactors = 3;

  ReactorPool& pool() {
    if (!pool_) {
      pool_.emplace(kernel(),
                    ReactorPoolOptions{.reactors = kReactors, .reactor = reactor_options});
    }
    return *pool_;
  }
  // A condition that the pool's threads make true.
  bool await(const std::atomic<unsigned>& count, unsigned wanted) {
    return run_until([&] { return count.load() == wanted; });
  }
  void TearDown() override {
    pool_.reset();
    StreamTest::TearDown();
  }

 private:
  std::optional<ReactorPool> pool_;
};

}  // namespace eddy::test
