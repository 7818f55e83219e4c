// Options of a reactor at their edges and beyond: they are brought into range, and the reactor
// works.
#include <fcntl.h>

#include <limits>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class ReactorLimits : public StreamTest {
 protected:
  // Everybody who takes segments wants some at once: sockets that are received from, copies that
  // are sent, and a pipe that is read.
  void expect_everybody_served() {
    constexpr uint64_t kBytes = 100'000;
    serve_one({.on_data = [](Stream& from, Slice bytes) { from.send(bytes.view()); }});
    int fds[2] = {-1, -1};
    ASSERT_EQ(machine().pipe(fds, O_CLOEXEC | O_NONBLOCK), 0);
    Descriptor write_end(fds[1]);
    uint64_t piped = 0;
    const auto adopted =
        adopt(reactor(), fds[0], {.on_data = [&](Stream&, Slice bytes) { piped += bytes.size(); }});
    ASSERT_TRUE(adopted);
    const std::string piece = pattern(4000);
    PatternExchange transfer(peer, kBytes);
    EXPECT_TRUE(run_until([&] {
      if (piped < kBytes) {
        const iovec bytes = {const_cast<char*>(piece.data()), piece.size()};
        plain_kernel().writev(write_end.get(), &bytes, 1);
      }
      return transfer.step() && piped >= kBytes;
    })) << transfer.arrived
        << " echoed, " << piped << " piped";
    EXPECT_TRUE(transfer.complete());
  }
};

TEST_P(ReactorLimits, OneSegment) {
  reactor_options.buffers = {4096, 1, 1};
  expect_everybody_served();
}
TEST_P(ReactorLimits, TwoSegments) {
  reactor_options.buffers = {65536, 2, 2};
  expect_everybody_served();
}
TEST_P(ReactorLimits, AllSegmentsForTheKernelAtFirst) {
  reactor_options.buffers = {65536, 4, 4};
  expect_everybody_served();
}
TEST_P(ReactorLimits, NothingAtAll) {
  reactor_options.buffers = {0, 0, 0};
  reactor_options.receive_quota_bytes = 0;
  reactor_options.min_wait = -1us;
  reactor_options.spin = -1us;
  reactor_options.timer_slack = -1ns;
  expect_everybody_served();
}

TEST_P(ReactorLimits, AsMuchAsThereIs) {
  reactor_options.buffers.segment_bytes = 4096;  // the address range is finite
  reactor_options.buffers.initial_segments = std::numeric_limits<unsigned>::max();
  reactor_options.buffers.max_segments = std::numeric_limits<unsigned>::max();
  reactor_options.receive_quota_bytes = std::numeric_limits<uint32_t>::max();
  expect_everybody_served();
}

TEST_P(ReactorLimits, AnEndlessSpinEndsWithAnEvent) {
  reactor_options.spin = std::chrono::microseconds::max();
  bool fired = false;
  reactor().start_timer(1ms, [&] { fired = true; });
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_TRUE(fired);
}

TEST_P(ReactorLimits, AListenerThatMayAcceptNoneATurnAcceptsOne) {
  const Address address = serve(journal.options(), {}, {.accepts_per_turn = 0});
  peer = Peer::connect_to(address);
  EXPECT_TRUE(run_until([&] { return server->connections() == 1; }));
}
EDDY_ON_EVERY_CONFIGURATION(ReactorLimits);

}  // namespace
}  // namespace eddy::test
