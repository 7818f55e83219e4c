// The two directions of a connection end one by one.
#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamHalfClose : public StreamTest {};

// What `printf x | nc` does: the peer says that it is done, and waits for the answer.
TEST_P(StreamHalfClose, WithoutOnEndTheStreamClosesOnceItsQueueIsEmpty) {
  StreamOptions options = echo_options();
  options.on_close = [this](Stream&, std::error_code reason) { journal.note_close(reason); };
  serve_one(std::move(options));
  const std::string message = pattern(300'000);
  size_t sent = 0;
  ASSERT_TRUE(run_until([&] {
    sent += peer.send(std::string_view(message).substr(sent));
    return sent == message.size();
  }));
  peer.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended() && journal.closed(); }));
  EXPECT_TRUE(peer.received == message);
  EXPECT_FALSE(journal.code) << journal.code.message();
  EXPECT_EQ(server->connections(), 0U);
}

TEST_P(StreamHalfClose, WhatWasSentBeforeTheEndComesBeforeIt) {
  serve_one(journal.options());
  peer.send("last words");
  peer.shutdown_write();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  EXPECT_EQ(journal.data, "last words");
  EXPECT_EQ(journal.events, (Events{"open", "data", "end"}));
}

TEST_P(StreamHalfClose, AfterThePeersEndWritingGoesOn) {
  StreamOptions options = journal.options();
  options.on_end = [this](Stream& ended) {
    journal.note("end");
    ended.send(pattern(1'000'000));
    ended.close();
  };
  serve_one(std::move(options));
  peer.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended() && journal.closed(); }));
  EXPECT_TRUE(peer.received == pattern(1'000'000));
  EXPECT_EQ(journal.events, (Events{"open", "end", "close"}));
  EXPECT_FALSE(journal.code);
}

TEST_P(StreamHalfClose, WritingMayGoOnForLongAfterThePeersEnd) {
  serve_one(journal.options());
  peer.shutdown_write();
  ASSERT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  expect_no_spin();  // the end is told once, and nothing spins
  EXPECT_EQ(journal.count("end"), 1U);
  ASSERT_TRUE(stream.is_open());
  EXPECT_TRUE(stream.send("still here"));
  EXPECT_TRUE(run_until([&] { return peer.has_received("still here"); }));
  stream.close();
  EXPECT_TRUE(run_until([&] { return peer.has_ended() && journal.closed(); }));
}

TEST_P(StreamHalfClose, ShutdownWriteSendsWhatIsQueuedAndGoesOnReading) {
  serve_one(journal.options());
  const std::string message = pattern(2'000'000);
  stream.send(Slice::copy_of(message));
  stream.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_TRUE(peer.received == message);
  peer.send("answer");
  EXPECT_TRUE(run_until([&] { return journal.data == "answer"; }));
  peer.shutdown_write();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  EXPECT_TRUE(stream.is_open());
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_FALSE(journal.code);
}

TEST_P(StreamHalfClose, NothingIsSentAfterOnesOwnShutdown) {
  serve_one(journal.options());
  EXPECT_TRUE(stream.send("a"));
  stream.shutdown_write();
  EXPECT_FALSE(stream.send("b"));
  EXPECT_FALSE(stream.send(Slice::of_static("c")));
  bool told = false;
  EXPECT_FALSE(stream.send(Slice::of_static("d"), [&](std::error_code) { told = true; }));
  stream.reserve(1)[0] = 'e';
  EXPECT_FALSE(stream.commit(1));
  stream.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_EQ(peer.received, "a");
  EXPECT_FALSE(told);
  EXPECT_TRUE(stream.is_open());
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(StreamHalfClose, NothingIsSentAfterClose) {
  serve_one(journal.options());
  EXPECT_TRUE(stream.send("a"));
  stream.close();
  EXPECT_FALSE(stream.is_open());
  EXPECT_FALSE(stream.send("b"));
  stream.reserve(1)[0] = 'c';
  EXPECT_FALSE(stream.commit(1));
  stream.close();
  stream.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended() && journal.closed(); }));
  EXPECT_EQ(peer.received, "a");
  EXPECT_EQ(journal.events, (Events{"open", "close"}));
}

TEST_P(StreamHalfClose, CloseSendsWhatIsQueued) {
  serve_one(journal.options());
  const std::string message = pattern(3'000'000);
  stream.send(Slice::copy_of(message));
  stream.close();
  EXPECT_TRUE(run_until([&] { return peer.has_ended() && journal.closed(); }));
  EXPECT_TRUE(peer.received == message);
  EXPECT_FALSE(journal.code);
}

// Its end would otherwise be told to nobody.
TEST_P(StreamHalfClose, AfterCloseWhatThePeerSendsIsDropped) {
  serve_one(journal.options());
  stream.close();
  peer.send("too late");
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"open", "close"}));
}

TEST_P(StreamHalfClose, BothSidesAtOnce) {
  serve_one(journal.options());
  stream.send("bye");
  stream.shutdown_write();
  peer.send("bye");
  peer.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended() && journal.count("end") == 1; }));
  EXPECT_EQ(peer.received, "bye");
  EXPECT_EQ(journal.data, "bye");
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"open", "data", "end", "close"}));
}

EDDY_ON_EVERY_CONFIGURATION(StreamHalfClose);

}  // namespace
}  // namespace eddy::test
