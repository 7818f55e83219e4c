// Stream::send_file: parts of files in order among other sends, and what goes wrong with them.
#include <fcntl.h>

#include "support/fault_test.h"
#include "support/test_file.h"

namespace eddy::test {
namespace {

class StreamFile : public FaultTest {
 protected:
  static constexpr size_t kLarge = 6 << 20;

  // The peer has received so much of the pattern, and nothing else.
  bool takes_pattern(size_t size) {
    return run_until([&] {
             peer.receive();
             return peer.received.size() >= size || peer.ended || peer.error != 0;
           }) &&
           peer.received.size() == size && is_pattern(peer.received, 0);
  }
  void send_large() { ASSERT_TRUE(stream.send_file({.descriptor = large_.fd()}, note_done())); }
  std::move_only_function<void(std::error_code)> note_done() {
    return [this](std::error_code code) {
      ++done_;
      done_code_ = code;
    };
  }

  void TearDown() override {
    large_.close();
    FaultTest::TearDown();
  }

  TestFile large_{pattern(kLarge)};
  int done_ = 0;
  std::error_code done_code_;
};

TEST_P(StreamFile, GoesInOrderAmongOtherSends) {
  const TestFile file("0123456789");
  serve_one(journal.options());
  stream.send("a");
  EXPECT_TRUE(stream.send_file({.descriptor = file.fd(), .offset = 2, .length = 3}));
  stream.send("b");
  stream.send("c");
  EXPECT_TRUE(stream.send_file({.descriptor = file.fd(), .offset = 8}));
  EXPECT_TRUE(stream.send_file({.descriptor = file.fd(), .length = 0}));
  EXPECT_TRUE(stream.send_file({.descriptor = file.fd(), .length = 1}));
  stream.send("d");
  EXPECT_EQ(stream.queued_bytes(), 10U);
  EXPECT_TRUE(run_until([&] { return peer.has_received("a234bc890d"); })) << peer.received;
  EXPECT_EQ(stream.queued_bytes(), 0U);
}

TEST_P(StreamFile, ALargeOneNeverEntersUserSpace) {
  serve_one(journal.options(), 4096);
  const uint64_t before = counters().bytes_sent;
  send_large();
  EXPECT_TRUE(takes_pattern(kLarge));
  EXPECT_EQ(counters().spliced_bytes, kLarge);
  EXPECT_EQ(counters().bytes_sent - before, kLarge);
  EXPECT_EQ(counters().copied_bytes, 0U);
  EXPECT_TRUE(run_until([&] { return done_ == 1; }));
  EXPECT_FALSE(done_code_);
}

TEST_P(StreamFile, EachDoneComesWhenItsBytesAreTaken) {
  const TestFile file("0123456789");
  std::string order;
  serve_one(journal.options());
  stream.send(Slice::of_static("a"), [&](std::error_code) { order += "a"; });
  EXPECT_TRUE(stream.send_file({.descriptor = file.fd()}, [&](std::error_code) { order += "f"; }));
  stream.send(Slice::of_static("b"), [&](std::error_code) { order += "b"; });
  EXPECT_TRUE(run_until([&] { return order.size() == 3; }));
  EXPECT_EQ(order, "afb");
}

TEST_P(StreamFile, CountsInTheWatermarksAndNotInTheHardLimit) {
  StreamOptions options = journal.options();
  options.hard_limit_bytes = 1 << 20;
  serve_one(std::move(options), 4096);
  send_large();
  EXPECT_EQ(stream.queued_bytes(), kLarge);
  peer.send("not read meanwhile");
  run_turns();
  EXPECT_EQ(journal.count("data"), 0U);
  EXPECT_TRUE(takes_pattern(kLarge));
  EXPECT_TRUE(run_until([&] { return journal.data == "not read meanwhile"; }));
  EXPECT_EQ(journal.count("drain"), 1U);
}

TEST_P(StreamFile, CloseAndShutdownComeAfterIt) {
  serve_one(journal.options(), 4096);
  send_large();
  stream.shutdown_write();
  stream.close();
  EXPECT_TRUE(takes_pattern(kLarge));
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_FALSE(journal.code);
}

TEST_P(StreamFile, ThatHasShrunkEndsTheStream) {
  serve_one(journal.options(), 4096);
  send_large();
  large_.shrink(kLarge / 2);
  EXPECT_TRUE(run_until([&] { return peer.has_failed() || peer.ended; }));
  EXPECT_FALSE(peer.ended);  // who was promised more must not take this for all
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, make_error_code(Errc::kTruncated));
  EXPECT_EQ(done_code_, make_error_code(Errc::kTruncated));
}

TEST_P(StreamFile, ThatCannotBeReadEndsTheStream) {
  serve_one(journal.options());
  plan().fail(SystemCall::kSendfile, EIO);
  send_large();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, std::errc::io_error);
  EXPECT_EQ(done_, 1);
}

TEST_P(StreamFile, IsClosedAfterwardsIfAsked) {
  serve_one(journal.options());
  const size_t before = machine().open_descriptors();
  TestFile file("sent"), dropped("dropped");
  ASSERT_TRUE(stream.send_file({.descriptor = file.release(), .close_after = true}));
  EXPECT_TRUE(run_until([&] { return peer.has_received("sent"); }));
  ASSERT_TRUE(stream.send_file({.descriptor = dropped.release(), .close_after = true}));
  stream.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(machine().open_descriptors(), before - 1);  // the stream's own
}

TEST_P(StreamFile, WhatCannotBeSentIsRefused) {
  const TestFile file("0123456789");
  const auto refused = [&](const FileRange& range) {
    const auto sent = stream.send_file(range);
    return sent ? std::error_code() : sent.error().code();
  };
  serve_one(journal.options());
  EXPECT_EQ(refused({.descriptor = file.fd(), .offset = 11}), make_error_code(Errc::kTruncated));
  EXPECT_EQ(refused({.descriptor = file.fd(), .offset = 8, .length = 3}),
            make_error_code(Errc::kTruncated));
  EXPECT_EQ(refused({.descriptor = file.fd(), .offset = -1}), std::errc::invalid_argument);
  EXPECT_EQ(refused({.descriptor = peer.fd(), .length = 1}), make_error_code(Errc::kTruncated));
  EXPECT_EQ(refused({.descriptor = -1}), std::errc::bad_file_descriptor);
  EXPECT_EQ(stream.queued_bytes(), 0U);
  stream.shutdown_write();
  EXPECT_EQ(refused({.descriptor = file.fd()}), make_error_code(Errc::kClosed));
}

TEST_P(StreamFile, WhereSendfileRefusesItIsCopied) {
  serve_one(journal.options(), 4096);
  plan().fail(SystemCall::kSendfile, EINVAL, kEveryTime);
  send_large();
  stream.send("end");
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return peer.received.size() == kLarge + 3;
  }));
  EXPECT_TRUE(is_pattern(std::string_view(peer.received).substr(0, kLarge), 0));
  EXPECT_TRUE(peer.received.ends_with("end"));
  EXPECT_GE(counters().copied_bytes, kLarge);
  EXPECT_EQ(counters().spliced_bytes, 0U);
  EXPECT_TRUE(run_until([&] { return done_ == 1; }));
}

TEST_P(StreamFile, ShortAndInterruptedCallsGoOn) {
  serve_one(journal.options());
  plan().shorten(SystemCall::kSendfile, 50'000, kEverySecondTime);
  plan().fail(SystemCall::kSendfile, EINTR, {.every = 3, .times = kAlways});
  plan().fail(SystemCall::kSendfile, EAGAIN, {.every = 5, .times = kAlways});
  send_large();
  EXPECT_TRUE(takes_pattern(kLarge));
}

TEST_P(StreamFile, ThePeersResetEndsIt) {
  serve_one(journal.options(), 4096);
  send_large();
  EXPECT_TRUE(run_until([&] {
    peer.receive(10'000);
    return !peer.received.empty();
  }));
  peer.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_TRUE(journal.code);
  EXPECT_TRUE(done_code_);
  EXPECT_EQ(done_, 1);
}

TEST_P(StreamFile, APeerThatDoesNotReadIsLate) {
  StreamOptions options = journal.options();
  options.stall_timeout = 100ms;
  serve_one(std::move(options), 4096);
  send_large();
  expect_no_spin();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, make_error_code(Errc::kTimedOut));
}

TEST_P(StreamFile, OverAUnixSocketAndAPipe) {
  int pair[2];
  ASSERT_EQ(plain_kernel().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  peer = Peer(pair[1]);
  stream = *adopt(reactor(), pair[0], journal.options());
  send_large();
  EXPECT_TRUE(takes_pattern(kLarge));
  stream.close();

  int ends[2];
  ASSERT_EQ(machine().pipe(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const Descriptor reader(ends[0]);
  Stream writer = *adopt(reactor(), ends[1], journal.options());
  ASSERT_TRUE(writer.send_file({.descriptor = large_.fd()}));
  writer.close();
  std::string received, room(65536, '\0');
  EXPECT_TRUE(run_until([&] {
    const ssize_t count = plain_kernel().read(reader.get(), room.data(), room.size());
    if (count > 0) received.append(room, 0, static_cast<size_t>(count));
    return count == 0;
  }));
  EXPECT_EQ(received.size(), kLarge);
  EXPECT_TRUE(is_pattern(received, 0));
}

EDDY_ON_EVERY_CONFIGURATION(StreamFile);

}  // namespace
}  // namespace eddy::test
