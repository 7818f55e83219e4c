// The fixture of suites about server programs that begin and are replaced: the two processes are
// one here, and their names are a test's own.
#pragma once

#include <eddy/net/address.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "fault_test.h"

namespace eddy::test {

class ServiceTest : public FaultTest {
 protected:
  // Calls of a process that begins wait for the one that serves: in a thread of their own beside
  // its reactor, or, under the simulation, which drives it meanwhile, here.
  void while_it_serves(const std::function<void()>& work) {
    if (machine().is_simulated()) return work();
    std::atomic<bool> done = false;
    std::thread other([&] {
      work();
      done = true;
    });
    EXPECT_TRUE(run_until([&] { return done.load(); }));
    other.join();
  }
  // A name that no other test has.
  static Address control() {
    static int number = 0;
    return *Address::parse("unix:@eddy-service-test-" + std::to_string(getpid()) + "-" +
                           std::to_string(++number));
  }
};

}  // namespace eddy::test
