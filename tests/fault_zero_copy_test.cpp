// Zero-copy sends: the bytes are kept until the kernel has let go of them, however late it says so.
#include "support/fault_test.h"

namespace eddy::test {
namespace {

class FaultZeroCopy : public FaultTest {
 protected:
  static constexpr unsigned kTurns = 60;  // more than run_turns makes

  FaultZeroCopy() { reactor_options.zero_copy_bytes = 1; }
  // One send whose notification comes late.
  void send_with_a_late_notification() {
    serve_one(journal.options());
    // The first completion of a send is its result, the second its notification; on epoll that is
    // in the error queue, which nothing else reads.
    plan().delay(UringOperation::kSend, kTurns, {.after = 1});
    plan().fail(SystemCall::kRecvmsg, EAGAIN, {.times = kTurns});
    stream.send(Slice(&owner_, bytes_.data(), bytes_.size()),
                [this](std::error_code code) { journal.note(code ? "failed" : "done"); });
  }
  bool is_held() const { return owner_.references != 0; }

 private:
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
  EXPECT_EQ(is_epoll() ? fired().failed_calls / kTurns : fired().delayed_completions, 1U);
  EXPECT_EQ(counters().zero_copy_sends, 1U);
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
  plan().fail(SystemCall::kRecvmsg, EAGAIN, kEverySecondTime);
  shorten_sending(5'000, {.every = 4, .times = kAlways});
  expect_echo(2 << 20);
}

// Memory that may be locked, or that notifications may take, has an end: RLIMIT_MEMLOCK,
// net.core.optmem_max.
TEST_P(FaultZeroCopy, OneThatIsRefusedIsAnOrdinarySend) {
  plan().fail(SystemCall::kSend, ENOBUFS);
  plan().fail(UringOperation::kSend, ENOMEM);
  expect_echo(64 * 1024);
  EXPECT_EQ(fired().failed_calls + fired().failed_operations, 1U);
}

TEST_P(FaultZeroCopy, ASocketThatCannotSendsAsUsual) {
  serve_one(echo_options());
  plan().fail(SystemCall::kSetsockopt, EOPNOTSUPP, kEveryTime);
  plan().fail(UringOperation::kSend, EOPNOTSUPP);
  PatternExchange transfer(peer, 64 * 1024);
  EXPECT_TRUE(run_until([&] { return transfer.step(); }));
  EXPECT_TRUE(transfer.complete());
  EXPECT_EQ(counters().zero_copy_sends, is_epoll() ? 0U : 1U);  // tried, or refused before that
}

// Without a descriptor to keep, nobody will ever tell.
TEST_P(FaultZeroCopy, BytesOfWhichNobodyTellsAreHeldForGood) {
  send_with_a_late_notification();
  ASSERT_TRUE(run_until([&] { return journal.count("done") == 1; }));
  plan().fail(SystemCall::kConnect, ENOBUFS, kEveryTime);
  stream.reset();
  ASSERT_TRUE(run_until([&] { return journal.closed(); }));
  run_turns();
  EXPECT_TRUE(is_held());
}
EDDY_ON_EVERY_CONFIGURATION(FaultZeroCopy);

}  // namespace
}  // namespace eddy::test
