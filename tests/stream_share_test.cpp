// No stream has more than its share of a turn, however fast its peer takes what is sent.
#include <fcntl.h>

#include <algorithm>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamShare : public StreamTest {
 protected:
  // Sends a byte, and at its end the next one, for as long as it is let.
  void send_on() {
    if (!goes_on_) return;
    ++sent_;
    stream.send(Slice::of_static("x"), [this](std::error_code code) {
      if (!code) send_on();
    });
  }
  // All of it fits into the kernel's buffers.
  void expect_shares() {
    constexpr size_t kMany = 2000;
    constexpr size_t kShare = 64;  // of sends in one turn
    send_on();
    size_t most = 0;
    EXPECT_TRUE(run_until([&] {
      most = std::max(most, sent_ - std::exchange(before_, sent_));
      return sent_ > kMany;
    }));
    EXPECT_LE(most, kShare);
    goes_on_ = false;
    EXPECT_TRUE(run_until([&] { return stream.queued_bytes() == 0; }));
    stream.close();
    EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  }

 private:
  bool goes_on_ = true;
  size_t sent_ = 0;
  size_t before_ = 0;
};

TEST_P(StreamShare, OfASocket) {
  serve_one(journal.options());
  expect_shares();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_EQ(peer.received.find_first_not_of('x'), std::string::npos);
}

TEST_P(StreamShare, OfAPipe) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(machine().pipe(fds, O_CLOEXEC | O_NONBLOCK), 0);
  const Descriptor read_end(fds[0]);
  stream = *adopt(reactor(), fds[1], journal.options());
  expect_shares();
}

// What fills the socket more than its share does goes on without an event, and whole.
TEST_P(StreamShare, MuchInTheQueueGoesOnInLaterTurns) {
  serve_one(journal.options());
  const std::string bytes = pattern(8 << 20);
  EXPECT_TRUE(stream.send(Slice::copy_of(bytes)));
  stream.close();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_TRUE(peer.received == bytes);
}
EDDY_ON_EVERY_CONFIGURATION(StreamShare);

}  // namespace
}  // namespace eddy::test
