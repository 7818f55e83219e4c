// The fixture of suites about faults: the reactor runs on a kernel that fails as the test says.
#pragma once

#include <eddy/core/faulty_kernel.h>
#include <errno.h>

#include "stream_test.h"

namespace eddy::test {

inline constexpr FaultTimes kEveryTime = {.times = kAlways};
inline constexpr FaultTimes kEverySecondTime = {.every = 2, .times = kAlways};

class FaultTest : public StreamTest {
 protected:
  Kernel& kernel() override { return faulty_; }
  FaultyKernel& faulty() { return faulty_; }
  // Rules for a reactor that stands: its set-up, which tries io_uring out, is not touched. Those
  // for the set-up go to faulty().plan(), before anything else.
  FaultPlan& plan() {
    reactor();
    return faulty_.plan();
  }
  const FaultCounts& fired() { return faulty_.plan().fired(); }

  // Whichever way the backend accepts.
  void fail_accepting(int error, FaultTimes times) {
    plan().fail(SystemCall::kAccept4, error, times);
    plan().fail(UringOperation::kAccept, error, times);
  }
  void fail_connecting(int error, FaultTimes times) {
    plan().fail(SystemCall::kConnect, error, times);
    plan().fail(UringOperation::kConnect, error, times);
  }
  // Whichever way it receives and sends on sockets.
  void shorten_receiving(size_t most, FaultTimes times) {
    plan().shorten(SystemCall::kRecv, most, times);
    plan().shorten(UringOperation::kReceive, most, times);
  }
  void shorten_sending(size_t most, FaultTimes times) {
    plan().shorten(SystemCall::kSend, most, times);
    plan().shorten(SystemCall::kSendmsg, most, times);
    plan().shorten(UringOperation::kSend, most, times);
  }

  // `size` bytes to an echo server and back.
  void expect_echo(uint64_t size) {
    serve_one(echo_options());
    PatternExchange transfer(peer, size);
    EXPECT_TRUE(run_until([&] { return transfer.step(); }));
    EXPECT_TRUE(transfer.complete()) << transfer.arrived << " of " << size;
  }

  // The test is over: what is left closes as it would without faults.
  void TearDown() override {
    faulty_.plan().clear();
    StreamTest::TearDown();
  }

 private:
  FaultyKernel faulty_{plain_kernel()};
};

// Those of the configurations that use io_uring: perhaps none.
inline std::vector<Configuration> offered_uring_configurations() {
  std::vector<Configuration> found = offered_configurations();
  std::erase_if(found, [](const auto& c) { return c.options.backend != BackendKind::kUring; });
  return found;
}

}  // namespace eddy::test

#define EDDY_ON_EVERY_URING(suite)                      \
  GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(suite); \
  EDDY_ON_CONFIGURATIONS(suite, ::eddy::test::offered_uring_configurations())
