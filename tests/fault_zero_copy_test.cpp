// Zero-copy sends: the bytes are kept until the kernel has let go of them, however late it says so.
#include "support/fault_test.h"

namespace eddy::test {
namespace {

class FaultZeroCopy : public FaultTest {
 protected:
  FaultZeroCopy() { reactor_options.zero_copy_bytes = 1; }
  // One send whose notification comes late.
  void send_with_a_late_notification() {
    serve_one(journal.options());
    // The first completion of a send is its result, the second its notification.
    plan().delay(UringOperation::kSend, kEnters, {.after = 1});
    stream.send(Slice(&owner_, bytes_.data(), bytes_.size()),
                [this](std::error_code code) { journal.note(code ? "failed" : "done"); });
  }
  bool is_held() const { return owner_.references != 0; }

 private:
  static constexpr unsigned kEnters = 60;         // more than run_turns makes
  const std::string bytes_ = pattern(64 * 1024);  // go in one send
  SliceOwner owner_{.references = 0, .release = [](SliceOwner*) {}};
};

TEST_P(FaultZeroCopy, BytesStayUntilTheNotification) {
  send_with_a_late_notification();
  ASSERT_TRUE(run_until([&] { return journal.count("done") == 1; }));
  EXPECT_EQ(stream.queued_bytes(), 0U);
  EXPECT_TRUE(is_held());
  run_turns();
  EXPECT_TRUE(is_held());
  EXPECT_TRUE(run_until([&] { return !is_held(); }));
  EXPECT_EQ(fired().delayed_completions, 1U);
  peer.receive();
  EXPECT_TRUE(is_pattern(peer.received, 0));
}

// on_close does not wait for it, which may hang on a dead peer; the bytes do.
TEST_P(FaultZeroCopy, TheEndOfTheStreamDoesNotWaitForIt) {
  send_with_a_late_notification();
  ASSERT_TRUE(run_until([&] { return journal.count("done") == 1; }));
  stream.reset();
  ASSERT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_TRUE(is_held());
  EXPECT_TRUE(run_until([&] { return !is_held(); }));
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
