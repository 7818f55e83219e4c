// A stream that is found to need a segment while it waits for its turn anyway: whatever happens to
// it then, once.
#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamParked : public StreamTest {
 protected:
  // The ring is empty; `stream` is readable and about to go on, and its new event comes in one
  // batch with that of a watch, whose callback is `meanwhile`.
  void park_in_mid_batch(InlineFunction<void()> meanwhile) {
    reactor_options.buffers = {4096, 1, 1};
    StreamOptions options = journal.options();
    options.on_data = [this](Stream& from, Slice bytes) {
      if (from == stream) {
        journal.note_data(bytes.view());
      } else {
        kept_.push_back(std::move(bytes));
      }
    };
    serve_one(std::move(options));
    keeper_ = Peer::connect_to(server->local_address().value_or(Address()));
    stream.pause();
    run_turns();
    peer.send("early ");
    run_turns();
    ASSERT_TRUE(run_until([&] {
      keeper_.send(pattern(1024));
      return counters().parked > 0;
    }));
    stream.resume();
    peer.send("late");
    plain_kernel().write_eventfd(signal_.get());
    auto watched = reactor().watch(signal_.get(), Interest::kReadable, [&](Interest) {
      watch_.close();
      meanwhile();
    });
    ASSERT_TRUE(watched);
    watch_ = *watched;
    run_turns();
    EXPECT_FALSE(watch_.is_open());
  }
  // Segments come back, again and again, since the keeper's stream wants them as well.
  void expect_rest() {
    EXPECT_TRUE(run_until([&] {
      kept_.clear();
      return journal.data == "early late";
    }));
  }
  void TearDown() override {
    kept_.clear();
    keeper_.close();
    signal_.reset();
    StreamTest::TearDown();
  }

  std::vector<Slice> kept_;
  Peer keeper_;
  Descriptor signal_{plain_kernel().eventfd()};
  Watch watch_;
};

TEST_P(StreamParked, GoesOnWhenASegmentComesBack) {
  park_in_mid_batch([] {});
  expect_rest();
}

TEST_P(StreamParked, ClosedInTheSameBatch) {
  park_in_mid_batch([&] { stream.reset(); });
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(StreamParked, PausedInTheSameBatchAndResumedLater) {
  park_in_mid_batch([&] { stream.pause(); });
  run_turns();
  stream.resume();
  run_turns();
  expect_rest();
}
EDDY_ON_EVERY_CONFIGURATION(StreamParked);

}  // namespace
}  // namespace eddy::test
