// What accept(2) can tell, and what a listener makes of it.
#include "support/fault_test.h"

namespace eddy::test {
namespace {

class FaultAccept : public FaultTest {
 protected:
  // Connections that the failing listener accepts.
  void listen_and_fail(int error, FaultTimes times) {
    fail_accepting(error, times);
    address_ = serve(echo_options(), {}, {.retry_after = 20ms});
    peer = Peer::connect_to(address_);
  }
  bool echoes(Peer& client) {
    client.received.clear();
    client.send("x");
    return run_until([&] { return client.has_received("x"); });
  }
  Address address_;
};

class FaultAcceptLoses : public FaultAccept {
 protected:
  void expect_counted_and_passed_over(int error) {
    listen_and_fail(error, {.times = 5});
    EXPECT_TRUE(run_until([&] { return counters().accepted == 1; }));
    EXPECT_TRUE(echoes(peer));
    EXPECT_EQ(counters().accept_failures, 5U);
    EXPECT_EQ(counters().accept_pauses, 0U);
  }
};

TEST_P(FaultAcceptLoses, Econnaborted) { expect_counted_and_passed_over(ECONNABORTED); }
TEST_P(FaultAcceptLoses, Eproto) { expect_counted_and_passed_over(EPROTO); }
TEST_P(FaultAcceptLoses, Eperm) { expect_counted_and_passed_over(EPERM); }
TEST_P(FaultAcceptLoses, Enetdown) { expect_counted_and_passed_over(ENETDOWN); }
TEST_P(FaultAcceptLoses, Ehostunreach) { expect_counted_and_passed_over(EHOSTUNREACH); }
EDDY_ON_EVERY_CONFIGURATION(FaultAcceptLoses);

class FaultAcceptPauses : public FaultAccept {
 protected:
  // A connection that stands is served on, nothing spins, and the listener takes the one that
  // waited in the end.
  void expect_pauses(int error) {
    Server standing(reactor(), echo_options());
    ASSERT_TRUE(standing.listen("127.0.0.1:0"));
    Peer served = Peer::connect_to(*standing.local_address());
    ASSERT_TRUE(echoes(served));

    listen_and_fail(error, {.times = 3});
    EXPECT_TRUE(run_until([&] { return counters().accept_pauses == 1; }));
    EXPECT_TRUE(echoes(served));
    // Each pause: its timer, the new try, the failure.
    EXPECT_LE(turns_during(200ms), 30U);
    EXPECT_EQ(counters().accept_pauses, 3U);
    EXPECT_TRUE(echoes(peer));
    EXPECT_EQ(counters().accept_failures, 0U);
  }
};

TEST_P(FaultAcceptPauses, Emfile) { expect_pauses(EMFILE); }
TEST_P(FaultAcceptPauses, Enfile) { expect_pauses(ENFILE); }
TEST_P(FaultAcceptPauses, Enobufs) { expect_pauses(ENOBUFS); }
TEST_P(FaultAcceptPauses, Enomem) { expect_pauses(ENOMEM); }
EDDY_ON_EVERY_CONFIGURATION(FaultAcceptPauses);

TEST_P(FaultAccept, InterruptedAcceptsAgain) {
  listen_and_fail(EINTR, {.times = 3});
  EXPECT_TRUE(echoes(peer));
  EXPECT_EQ(counters().accept_failures, 0U);
}

TEST_P(FaultAccept, SpuriousReadinessIsSilent) {
  listen_and_fail(EAGAIN, {.times = 3});
  EXPECT_TRUE(echoes(peer));
  EXPECT_EQ(counters().accept_failures, 0U);
}

TEST_P(FaultAccept, ClosedWhilePausedTriesNoMore) {
  listen_and_fail(EMFILE, kEveryTime);
  EXPECT_TRUE(run_until([&] { return counters().accept_pauses == 1; }));
  server->close();
  EXPECT_TRUE(run_until([&] { return peer.has_ended() || peer.has_failed(); }));
  EXPECT_LE(turns_during(60ms), 30U);
  EXPECT_EQ(counters().accept_pauses, 1U);
}

TEST_P(FaultAccept, ABrokenListenerIsClosedAndTold) {
  std::error_code told;
  Listener listener(
      reactor(), [](int fd) { plain_kernel().close(fd); },
      [&](const Error& error) { told = error.code(); });
  fail_accepting(EINVAL, {});
  ASSERT_TRUE(listener.listen("127.0.0.1:0"));
  const auto address = listener.local_address();
  peer = Peer::connect_to(*address);
  EXPECT_TRUE(run_until([&] { return bool{told}; }));
  EXPECT_EQ(told, std::errc::invalid_argument);
  EXPECT_FALSE(listener.is_listening());
}

// The reactor has no memory for one more descriptor: that connection is lost, not the loop, and not
// its descriptor.
TEST_P(FaultAccept, NoPlaceInEpollLosesOneConnection) {
  const Address address = serve(echo_options());
  for (const int error : {ENOSPC, ENOMEM}) {
    plan().fail(SystemCall::kEpollCtl, error);
    Peer first = Peer::connect_to(address);
    Peer second = Peer::connect_to(address);
    EXPECT_TRUE(echoes(second));
    if (is_epoll()) {
      EXPECT_TRUE(run_until([&] { return first.has_ended() || first.has_failed(); }));
    } else {
      EXPECT_TRUE(echoes(first));
    }
  }
  EXPECT_EQ(counters().accept_failures, is_epoll() ? 2U : 0U);
}
EDDY_ON_EVERY_CONFIGURATION(FaultAccept);

// The cancellation came too late: the connection that was accepted meanwhile is served by a server
// that takes no more, and closed by one that is gone.
class FaultAcceptWins : public FaultTest {
 protected:
  void accept_and_cancel(bool cancel_completes_first, const std::function<void()>& cancel) {
    plan().delay(UringOperation::kAccept, cancel_completes_first ? 6 : 3, kEveryTime);
    plan().delay(UringOperation::kCancel, cancel_completes_first ? 1 : 6, kEveryTime);
    const Address address = serve(echo_options());
    run_turns(2);
    peer = Peer::connect_to(address);
    run_turns(1);
    EXPECT_EQ(fired().delayed_completions, 1U);  // the kernel has accepted, and nobody knows yet
    cancel();
  }
  void expect_winner_served(bool cancel_completes_first) {
    accept_and_cancel(cancel_completes_first, [&] { server->close(); });
    peer.send("x");
    EXPECT_TRUE(run_until([&] { return peer.has_received("x"); }));
    EXPECT_EQ(counters().accepted, 1U);
  }
  void expect_winner_closed(bool cancel_completes_first) {
    accept_and_cancel(cancel_completes_first, [&] { server.reset(); });
    EXPECT_TRUE(run_until([&] { return peer.has_ended() || peer.has_failed(); }));
    EXPECT_EQ(counters().accepted, 0U);
  }
};

TEST_P(FaultAcceptWins, CancelCompletesFirst) { expect_winner_served(true); }
TEST_P(FaultAcceptWins, CancelCompletesLast) { expect_winner_served(false); }
TEST_P(FaultAcceptWins, CancelCompletesFirstAndNobodyIsThere) { expect_winner_closed(true); }
TEST_P(FaultAcceptWins, CancelCompletesLastAndNobodyIsThere) { expect_winner_closed(false); }

// A pause that came too late for one: it is kept until the listener goes on, or closed with it.
class FaultAcceptWinsPause : public FaultAcceptWins {
 protected:
  void pause_too_late() {
    plan().delay(UringOperation::kAccept, 4, kEveryTime);
    plan().lose_cancel(kEveryTime);
    ASSERT_TRUE(listener_.listen("127.0.0.1:0"));
    run_turns(2);
    peer = Peer::connect_to(listener_.local_address().value_or(Address()));
    run_turns(1);
    EXPECT_EQ(fired().delayed_completions, 1U);
    listener_.pause();
    run_turns();
    EXPECT_TRUE(accepted_.empty());
    EXPECT_GT(fired().lost_cancels, 0U);
  }
  void TearDown() override {
    accepted_.clear();
    listener_.close();
    FaultAcceptWins::TearDown();
  }

  std::vector<Descriptor> accepted_;
  Listener listener_{reactor(), [this](int fd) { accepted_.emplace_back(fd); }};
};

TEST_P(FaultAcceptWinsPause, ThatEnds) {
  pause_too_late();
  const Peer late = Peer::connect_to(listener_.local_address().value_or(Address()));
  run_turns();
  EXPECT_TRUE(accepted_.empty());
  listener_.resume();
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 2; }));
}

TEST_P(FaultAcceptWinsPause, ThatEndsWithTheListener) {
  pause_too_late();
  listener_.close();
  EXPECT_TRUE(run_until([&] { return peer.has_ended() || peer.has_failed(); }));
  EXPECT_TRUE(accepted_.empty());
}
EDDY_ON_EVERY_URING(FaultAcceptWinsPause);
EDDY_ON_EVERY_URING(FaultAcceptWins);

}  // namespace
}  // namespace eddy::test
