// Interrupted, spurious and short: what the kernel may always answer, and nobody shall notice.
#include <sys/socket.h>

#include <array>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

class FaultStream : public FaultTest {};

TEST_P(FaultStream, InterruptedCallsAreMadeAgain) {
  for (const SystemCall call :
       {SystemCall::kRecv, SystemCall::kSend, SystemCall::kSendmsg, SystemCall::kAccept4,
        SystemCall::kEpollWait, SystemCall::kUringEnter}) {
    plan().fail(call, EINTR, kEverySecondTime);
  }
  for (const UringOperation operation :
       {UringOperation::kAccept, UringOperation::kReceive, UringOperation::kSend}) {
    plan().fail(operation, EINTR, kEverySecondTime);
  }
  expect_echo(300'000);
  EXPECT_GT(fired().failed_calls, 0U);
}

TEST_P(FaultStream, SpuriousReadinessIsSilent) {
  serve_one(journal.options());
  plan().spurious_readiness(kEveryTime);
  plan().fail(UringOperation::kReceive, EAGAIN, {.times = 20});
  plan().end_multishot(UringOperation::kReceive, kEveryTime);
  run_turns();
  EXPECT_EQ(journal.events, Events{"open"});
  peer.send("bytes");
  EXPECT_TRUE(run_until([&] { return journal.data == "bytes"; }));
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open", "data"}));
}

// Ready, and yet not when it is tried.
TEST_P(FaultStream, WouldBlockAfterReadinessLosesNothing) {
  for (const SystemCall call : {SystemCall::kRecv, SystemCall::kSend, SystemCall::kSendmsg}) {
    plan().fail(call, EAGAIN, kEverySecondTime);
  }
  plan().fail(UringOperation::kReceive, EAGAIN, kEverySecondTime);
  plan().fail(UringOperation::kSend, EAGAIN, kEverySecondTime);
  expect_echo(300'000);
}

constexpr size_t kMessageBytes = 48;

TEST_P(FaultStream, ShortReadsAtEveryOffset) {
  serve_one(journal.options());
  uint64_t received = 0;
  for (size_t offset = 1; offset < kMessageBytes; ++offset) {
    // The offset is that of the first piece; io_uring may have its receive under way already.
    shorten_receiving(offset, {});
    plan().end_multishot(UringOperation::kReceive, {});
    peer.send(pattern(kMessageBytes, received));
    received += kMessageBytes;
    EXPECT_TRUE(run_until([&] { return journal.data.size() == received; })) << offset;
  }
  EXPECT_TRUE(is_pattern(journal.data, 0));
}

TEST_P(FaultStream, ShortWritesAtEveryOffset) {
  serve_one(journal.options());
  uint64_t sent = 0;
  for (size_t offset = 1; offset < kMessageBytes; ++offset) {
    shorten_sending(offset, {});
    // In three pieces, and in one.
    const std::string bytes = pattern(kMessageBytes, sent);
    if (offset % 2 == 0) {
      stream.send(Slice::copy_of(bytes));
    } else {
      for (size_t i = 0; i < 3; ++i) stream.send(Slice::copy_of(bytes.substr(i * 16, 16)));
    }
    sent += kMessageBytes;
    EXPECT_TRUE(run_until([&] {
      peer.receive();
      return peer.received.size() == sent;
    })) << offset;
  }
  EXPECT_TRUE(is_pattern(peer.received, 0));
  const uint64_t shortened = fired().shortened_calls + fired().shortened_operations;
  EXPECT_GE(shortened, kMessageBytes - 2);
  EXPECT_EQ(stream.queued_bytes(), 0U);
}

TEST_P(FaultStream, EverythingByteByByte) {
  shorten_receiving(1, kEveryTime);
  shorten_sending(1, kEveryTime);
  expect_echo(2'000);
}

TEST_P(FaultStream, EverythingInSmallPieces) {
  shorten_receiving(1000, kEveryTime);
  shorten_sending(777, kEveryTime);
  expect_echo(1'000'000);
}

TEST_P(FaultStream, AMarkedSendIsDoneWhenItsLastByteIsTaken) {
  serve_one(journal.options());
  shorten_sending(1, {.times = 4});
  size_t queued_when_done = SIZE_MAX;
  stream.send(Slice::of_static("01234"), [&](std::error_code code) {
    EXPECT_FALSE(code);
    queued_when_done = stream.queued_bytes();
  });
  EXPECT_TRUE(run_until([&] { return queued_when_done != SIZE_MAX; }));
  EXPECT_EQ(queued_when_done, 0U);
  EXPECT_TRUE(run_until([&] { return peer.has_received("01234"); }));
}

// All that is sent before the half-close leaves before it.
TEST_P(FaultStream, HalfCloseAfterShortWrites) {
  serve_one(journal.options());
  shorten_sending(3, kEveryTime);
  const std::string bytes = pattern(1000);
  stream.send(bytes);
  stream.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_EQ(peer.received, bytes);
  peer.close();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
}

TEST_P(FaultStream, ClosedInMidWriteItClosesOnce) {
  serve_one(journal.options());
  shorten_sending(3, kEveryTime);
  const std::string bytes = pattern(1000);
  stream.send(bytes);
  run_turns(2);
  stream.close();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_EQ(peer.received, bytes);
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_FALSE(journal.code);
}

TEST_P(FaultStream, ReceivingFailsOnceAndForAll) {
  serve_one(journal.options());
  plan().fail(SystemCall::kRecv, EHOSTUNREACH);
  plan().fail(UringOperation::kReceive, EHOSTUNREACH);
  plan().end_multishot(UringOperation::kReceive, {});
  peer.send("x");
  peer.send("y");
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.count("close"), 1U);
  EXPECT_EQ(journal.code, std::errc::host_unreachable);
}

TEST_P(FaultStream, SendingFailsOnceAndForAll) {
  serve_one(journal.options());
  plan().fail(SystemCall::kSend, EHOSTUNREACH);
  plan().fail(UringOperation::kSend, EHOSTUNREACH);
  stream.send("x");
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"open", "close"}));
  EXPECT_EQ(journal.code, std::errc::host_unreachable);
}
EDDY_ON_EVERY_CONFIGURATION(FaultStream);

// A pipe is read and written by hand on both backends.
class FaultPipe : public FaultTest {
 protected:
  // Bytes through two pipes and a stream over each.
  void expect_copied(size_t size) {
    int in[2];
    int out[2];
    ASSERT_EQ(machine().pipe(in, O_CLOEXEC | O_NONBLOCK), 0);
    ASSERT_EQ(machine().pipe(out, O_CLOEXEC | O_NONBLOCK), 0);
    Descriptor source(in[1]);
    const Descriptor sink(out[0]);
    auto writer = adopt(reactor(), out[1], StreamOptions{});
    ASSERT_TRUE(writer);
    StreamOptions options;
    options.on_data = [&](Stream&, Slice bytes) { writer->send(std::move(bytes)); };
    options.on_end = [&](Stream& self) {
      writer->close();
      self.close();
    };
    ASSERT_TRUE(adopt(reactor(), in[0], std::move(options)));

    const std::string bytes = pattern(size);
    std::string copied;
    size_t written = 0;
    bool ended = false;
    EXPECT_TRUE(run_until([&] {
      const ssize_t taken = machine().write(source.get(), std::string_view(bytes).substr(written));
      written += taken > 0 ? static_cast<size_t>(taken) : 0;
      if (written == size) source.reset();
      std::array<char, 65536> room;
      const ssize_t count = plain_kernel().read(sink.get(), room.data(), room.size());
      if (count > 0) copied.append(room.data(), static_cast<size_t>(count));
      ended = ended || count == 0;
      return ended;
    }));
    EXPECT_TRUE(copied == bytes) << copied.size();
  }
};

TEST_P(FaultPipe, Interrupted) {
  plan().fail(SystemCall::kRead, EINTR, kEverySecondTime);
  plan().fail(SystemCall::kWritev, EINTR, kEverySecondTime);
  plan().fail(UringOperation::kPoll, EINTR, kEverySecondTime);
  expect_copied(200'000);
}

TEST_P(FaultPipe, SpuriouslyReady) {
  plan().spurious_readiness(kEveryTime);
  plan().fail(SystemCall::kRead, EAGAIN, kEverySecondTime);
  plan().fail(SystemCall::kWritev, EAGAIN, kEverySecondTime);
  expect_copied(200'000);
}

TEST_P(FaultPipe, InSmallPieces) {
  plan().shorten(SystemCall::kRead, 999, kEveryTime);
  plan().shorten(SystemCall::kWritev, 700, kEveryTime);
  expect_copied(200'000);
}
// Noticed without a write, and called what a write would call it.
TEST_P(FaultPipe, WhoseReaderGoesIsBroken) {
  int ends[2];
  ASSERT_EQ(machine().pipe(ends, O_CLOEXEC | O_NONBLOCK), 0);
  Descriptor reader(ends[0]);
  ASSERT_TRUE(adopt(reactor(), ends[1], journal.options()));
  run_turns(3);
  EXPECT_EQ(journal.events, Events{"open"});
  reader.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"open", "close"}));
  EXPECT_EQ(journal.code, std::errc::broken_pipe);
}
EDDY_ON_EVERY_CONFIGURATION(FaultPipe);

}  // namespace
}  // namespace eddy::test
