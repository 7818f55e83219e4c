// An urgent byte (MSG_OOB) is a byte like the others, in its place, and makes nothing spin.
#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamUrgent : public StreamTest {};

TEST_P(StreamUrgent, AmongOtherBytes) {
  serve_one(journal.options());
  peer.send("abc");
  peer.send("!", MSG_OOB);
  peer.send("def");
  EXPECT_TRUE(run_until([&] { return journal.data.size() == 7; }));
  EXPECT_EQ(journal.data, "abc!def");
  expect_no_spin();
}

TEST_P(StreamUrgent, Alone) {
  serve_one(journal.options());
  peer.send("!", MSG_OOB);
  EXPECT_TRUE(run_until([&] { return journal.data == "!"; }));
  expect_no_spin();
  peer.send("on");
  EXPECT_TRUE(run_until([&] { return journal.data == "!on"; }));
}

TEST_P(StreamUrgent, DuringAPause) {
  serve_one(journal.options());
  stream.pause();
  peer.send("abc");
  peer.send("!", MSG_OOB);
  run_turns();
  expect_no_spin();
  EXPECT_EQ(journal.data, "");
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.data == "abc!"; }));
}

TEST_P(StreamUrgent, ManyOfThemInAnEcho) {
  serve_one(echo_options());
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    peer.send("<");
    peer.send("!", MSG_OOB);
    expected += "<!";
  }
  EXPECT_TRUE(run_until([&] { return peer.has_received(expected); }));
}

TEST_P(StreamUrgent, ThenTheEnd) {
  serve_one(journal.options());
  peer.send("!", MSG_OOB);
  peer.shutdown_write();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  EXPECT_EQ(journal.data, "!");
}

EDDY_ON_EVERY_CONFIGURATION(StreamUrgent);

}  // namespace
}  // namespace eddy::test
