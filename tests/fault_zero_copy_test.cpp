// Zero-copy sends: the bytes are kept until the kernel has let go of them, however late it says so.
#include "support/allocations.h"
#include "support/fault_test.h"

namespace eddy::test {
namespace {

class FaultZeroCopy : public FaultTest {
 protected:
  FaultZeroCopy() { reactor_options.zero_copy_bytes = 1; }
  // One send, of bytes of its own, whose notification comes late; what it held before.
  size_t send_with_a_late_notification() {
    serve_one(journal.options());
    // The first completion of a send is its result, the second its notification.
    plan().delay(UringOperation::kSend, kEnters, {.after = 1});
    const size_t before = allocations().live_bytes;
    stream.send(Slice::copy_of(pattern(kSize)),
                [this](std::error_code code) { journal.note(code ? "failed" : "done"); });
    return before;
  }
  // Freed or not: what the send held is most of what lives.
  static bool holds(size_t before) { return allocations().live_bytes >= before + kSize / 2; }

  static constexpr unsigned kEnters = 60;     // more than run_turns makes
  static constexpr size_t kSize = 64 * 1024;  // goes in one send
};

TEST_P(FaultZeroCopy, BytesStayUntilTheNotification) {
  const size_t before = send_with_a_late_notification();
  ASSERT_TRUE(run_until([&] { return journal.count("done") == 1; }));
  EXPECT_EQ(stream.queued_bytes(), 0U);
  EXPECT_TRUE(holds(before));
  run_turns();
  EXPECT_TRUE(holds(before));
  EXPECT_TRUE(run_until([&] { return !holds(before); }));
  EXPECT_EQ(fired().delayed_completions, 1U);
  peer.receive();
  EXPECT_TRUE(is_pattern(peer.received, 0));
}

// on_close does not wait for it, which may hang on a dead peer; the bytes do.
TEST_P(FaultZeroCopy, TheEndOfTheStreamDoesNotWaitForIt) {
  const size_t before = send_with_a_late_notification();
  ASSERT_TRUE(run_until([&] { return journal.count("done") == 1; }));
  stream.reset();
  ASSERT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_TRUE(holds(before));
  EXPECT_TRUE(run_until([&] { return !holds(before); }));
}

TEST_P(FaultZeroCopy, AnEchoWhoseNotificationsComeInAnyOrder) {
  reactor_options.buffers = {.segment_bytes = 65536, .initial_segments = 1, .max_segments = 4};
  plan().delay(UringOperation::kSend, 5, {.every = 3, .times = kAlways});
  shorten_sending(5'000, {.every = 4, .times = kAlways});
  expect_echo(2 << 20);
}
EDDY_ON_EVERY_URING(FaultZeroCopy);

}  // namespace
}  // namespace eddy::test
