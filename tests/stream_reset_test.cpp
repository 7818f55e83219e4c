// Connections that end badly: whoever does it, the other learns of it once.
#include <signal.h>
#include <sys/wait.h>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamReset : public StreamTest {
 protected:
  static bool sigpipe_is_deadly() {
    struct sigaction action = {};
    sigaction(SIGPIPE, nullptr, &action);
    return action.sa_handler == SIG_DFL;
  }
};
// Processes.
class StreamResetOnLinux : public StreamReset {};

TEST_P(StreamReset, ThePeerSeesAReset) {
  serve_one(journal.options());
  stream.reset();
  EXPECT_FALSE(stream.is_open());
  EXPECT_FALSE(journal.closed());
  EXPECT_TRUE(run_until([&] { return journal.closed() && peer.has_failed(); }));
  EXPECT_EQ(peer.error, ECONNRESET);
  EXPECT_FALSE(journal.code);
}

TEST_P(StreamReset, DropsWhatIsQueued) {
  serve_one(journal.options());
  stream.send(Slice::copy_of(pattern(32 << 20)));
  run_turns();
  EXPECT_GT(stream.queued_bytes(), 0U);
  std::error_code done;
  stream.send(Slice::of_static("x"), [&](std::error_code code) { done = code; });
  stream.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed() && peer.has_failed(); }));
  EXPECT_EQ(peer.error, ECONNRESET);
  EXPECT_LT(peer.received.size(), size_t{32} << 20);
  EXPECT_EQ(done, Errc::kClosed);
}

TEST_P(StreamReset, AfterCloseItDoesNotWaitForTheQueue) {
  serve_one(journal.options());
  stream.send(Slice::copy_of(pattern(32 << 20)));
  stream.close();
  run_turns();
  ASSERT_FALSE(journal.closed());
  stream.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed() && peer.has_failed(); }));
  EXPECT_EQ(peer.error, ECONNRESET);
}

TEST_P(StreamReset, WhatArrivedBeforeThePeersResetIsDelivered) {
  serve_one(journal.options());
  peer.send("last words");
  peer.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.events, (Events{"open", "data", "close"}));
  EXPECT_EQ(journal.data, "last words");
  EXPECT_EQ(journal.code, std::errc::connection_reset);
}

// The error that the send meets must not hide what still lies in the socket.
TEST_P(StreamReset, AlsoWhenASendMeetsTheResetFirst) {
  serve_one(journal.options());
  stream.send(Slice::copy_of(pattern(32 << 20)));
  run_turns();
  ASSERT_GT(stream.queued_bytes(), 0U);
  // Above the high watermark the stream does not read, so these bytes stay in the socket.
  peer.send("last words");
  run_turns();
  peer.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.data, "last words");
  EXPECT_EQ(journal.count("close"), 1U);
  EXPECT_TRUE(journal.code == std::errc::connection_reset || journal.code == std::errc::broken_pipe)
      << journal.code.message();
}

TEST_P(StreamReset, AnswersToAPeerThatIsGoneDoNotHideWhatItSent) {
  StreamOptions options = journal.options();
  options.on_data = [this](Stream& to, Slice bytes) {
    journal.note_data(bytes.view());
    to.send("an answer that nobody reads");
  };
  serve_one(std::move(options));
  peer.send("1");
  ASSERT_TRUE(run_until([&] { return journal.data == "1"; }));
  run_turns();
  // It leaves with an answer unread, which resets the connection, right after a last request of
  // several segments.
  const std::string request = pattern(300'000);
  size_t sent = 0;
  ASSERT_TRUE(run_until([&] {
    sent += peer.send(std::string_view(request).substr(sent));
    return sent == request.size();
  }));
  peer.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.count("close"), 1U);
  EXPECT_TRUE("1" + request.substr(0, journal.data.size() - 1) == journal.data);
}

TEST_P(StreamReset, SendingToAPeerThatIsGoneIsAnErrorAndNoSignal) {
  ASSERT_TRUE(sigpipe_is_deadly());
  serve_one(journal.options());
  peer.close();
  // The first send is answered by a reset, the second meets it.
  EXPECT_TRUE(run_until([&] { return journal.closed() || (stream.send("x"), false); }));
  EXPECT_TRUE(journal.code == std::errc::connection_reset || journal.code == std::errc::broken_pipe)
      << journal.code.message();
  EXPECT_EQ(journal.count("close"), 1U);
}

TEST_P(StreamReset, ManyPiecesToAPeerThatIsGoneAreAnErrorAndNoSignal) {
  ASSERT_TRUE(sigpipe_is_deadly());
  serve_one(journal.options());
  peer.reset();
  for (int i = 0; i < 10; ++i) stream.send(Slice::copy_of("piece"));
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_TRUE(journal.code == std::errc::connection_reset || journal.code == std::errc::broken_pipe)
      << journal.code.message();
}

TEST_P(StreamResetOnLinux, APeerThatIsKilled) {
  const Address address = serve(journal.options());
  const pid_t child = fork();
  if (child == 0) {
    Peer client = Peer::connect_to(address);
    client.send("x");
    pause();
    _exit(0);
  }
  EXPECT_TRUE(run_until([&] { return journal.data == "x"; }));
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(run_until([&] { return journal.count("end") + journal.count("close") > 0; }));
  server->for_each([](Stream& left) { left.close(); });
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

// A connection that is gone before it was accepted.
TEST_P(StreamReset, APeerThatResetsBeforeItIsAccepted) {
  const Address address = serve(journal.options());
  for (int i = 0; i < 20; ++i) Peer::connect_to(address).reset();
  Peer survivor = Peer::connect_to(address);
  survivor.send("alive");
  EXPECT_TRUE(run_until([&] { return journal.data == "alive"; }));
  EXPECT_TRUE(run_until([&] { return server->connections() == 1; }));
  EXPECT_EQ(journal.count("open"), journal.count("close") + 1);
}

EDDY_ON_EVERY_CONFIGURATION(StreamReset);
EDDY_ON_EVERY_REAL_CONFIGURATION(StreamResetOnLinux);

}  // namespace
}  // namespace eddy::test
