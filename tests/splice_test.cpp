// splice and relay: what one stream receives goes to another, whichever way it takes.
#include <eddy/net/connector.h>
#include <eddy/net/splice.h>

#include <algorithm>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

constexpr SpliceMode kModes[] = {SpliceMode::kAuto, SpliceMode::kPipe, SpliceMode::kSlices};

class Splices : public FaultTest {
 public:
  static constexpr size_t kLarge = 6 << 20;

  // Two connections: `left` is the peer of a, `right` that of b.
  void connect_both(StreamOptions options = {.on_data = {}, .on_end = [](Stream&) {}},
                    int receive_buffer_bytes = 0) {
    if (!options.on_close) {
      options.on_close = [this](Stream&, std::error_code code) { closes.push_back(code); };
    }
    const Address address = serve(std::move(options));
    left = Peer::connect_to(address, receive_buffer_bytes);
    ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
    server->for_each([&](Stream& accepted) { a = accepted; });
    right = Peer::connect_to(address, receive_buffer_bytes);
    ASSERT_TRUE(run_until([&] { return server->connections() == 2; }));
    server->for_each([&](Stream& accepted) {
      if (accepted != a) b = accepted;
    });
  }
  void relay_both(SpliceMode mode = SpliceMode::kAuto, int receive_buffer_bytes = 0) {
    connect_both({.on_end = [](Stream&) {}}, receive_buffer_bytes);
    const auto relayed = relay(a, b, {.mode = mode});
    ASSERT_TRUE(relayed) << relayed.error().message();
  }
  // Sends the pattern into one end while the other end takes it.
  bool passes(Peer& from, Peer& to, size_t size, size_t piece = 65536) {
    size_t sent = 0;
    to.received.clear();
    const bool arrived = run_until([&] {
      const size_t part = std::min(size - sent, piece);
      if (part != 0) sent += from.send(pattern(part, sent));
      to.receive();
      return to.received.size() >= size || to.ended || to.error != 0;
    });
    return arrived && to.received.size() == size && is_pattern(to.received, 0);
  }
  // As much as goes in while nobody takes it.
  size_t fill(Peer& from) {
    size_t sent = 0;
    for (int idle = 0; idle < 50;) {
      const size_t part = from.send(pattern(65536, sent));
      sent += part;
      idle = part == 0 ? idle + 1 : 0;
      run_turns(2);
    }
    return sent;
  }
  bool closed(size_t count = 2) {
    return run_until([&] { return closes.size() == count; });
  }

  void TearDown() override {
    server.reset();
    left.close();
    right.close();
    FaultTest::TearDown();
  }

  Stream a, b;
  Peer left, right;
  std::vector<std::error_code> closes;
};

TEST_P(Splices, PassOnWhatComesInOrder) {
  for (const SpliceMode mode : kModes) {
    connect_both();
    int done = 0;
    ASSERT_TRUE(splice(a, b, {.mode = mode}, [&](std::error_code code) {
      EXPECT_FALSE(code);
      ++done;
    }));
    EXPECT_TRUE(passes(left, right, kLarge));
    EXPECT_TRUE(passes(left, right, 5'000, 10));
    EXPECT_EQ(done, 0);
    left.shutdown_write();
    EXPECT_TRUE(run_until([&] { return done == 1; }));
    // Both are as before.
    a.send("to the left");
    b.send("to the right");
    right.received.clear();
    EXPECT_TRUE(run_until([&] { return left.has_received("to the left"); }));
    EXPECT_TRUE(run_until([&] { return right.has_received("to the right"); }));
    EXPECT_FALSE(right.has_ended());
    server->close();
    server.reset();
  }
}

TEST_P(Splices, LargeMessagesStayInTheKernelAndSmallOnesAreSlices) {
  relay_both();
  EXPECT_TRUE(passes(left, right, 6'400, 64));
  EXPECT_EQ(counters().spliced_bytes, 0U);
  EXPECT_TRUE(passes(left, right, kLarge));
  EXPECT_GT(counters().spliced_bytes, kLarge / 2);
  EXPECT_EQ(counters().copied_bytes, 0U);
}

TEST_P(Splices, GoFromOneWayToTheOtherInOrder) {
  relay_both(SpliceMode::kAuto, 4096);
  size_t sent = 0;
  // Large and small in turn, while the peer takes little, and so the queues are full.
  for (int round = 0; round < 6; ++round) {
    const size_t piece = round % 2 == 0 ? 65536 : 500;
    for (int idle = 0; idle < 30;) {
      const size_t part = left.send(pattern(piece, sent));
      sent += part;
      idle = part == 0 || piece == 500 ? idle + 1 : 0;
      run_turns(2);
    }
    right.receive(300'000);
    run_turns();
  }
  EXPECT_TRUE(run_until([&] {
    right.receive();
    return right.received.size() >= sent;
  }));
  EXPECT_EQ(right.received.size(), sent);
  EXPECT_TRUE(is_pattern(right.received, 0));
}

TEST_P(Splices, WhatWasSentBeforeGoesFirstAndWhatIsSentAfterwardsLast) {
  for (const SpliceMode mode : kModes) {
    connect_both();
    b.send("first ");
    ASSERT_TRUE(splice(a, b, {.mode = mode}));
    b.send(" last");
    left.send("between");
    EXPECT_TRUE(run_until([&] { return right.has_received("first between"); }));
    left.shutdown_write();
    EXPECT_TRUE(run_until([&] { return right.has_received("first between last"); }));
    server.reset();
  }
}

TEST_P(Splices, WhatHadArrivedGoesFirst) {
  for (const SpliceMode mode : kModes) {
    connect_both();
    a.pause();
    left.send("arrived ");
    run_turns();
    ASSERT_TRUE(splice(a, b, {.mode = mode}));
    run_turns();
    EXPECT_FALSE(right.has_received("arrived "));
    a.resume();
    EXPECT_TRUE(run_until([&] { return right.has_received("arrived "); }));
    left.send("later");
    EXPECT_TRUE(run_until([&] { return right.has_received("arrived later"); }));
    server.reset();
  }
}

TEST_P(Splices, APausedStreamPassesNothingOn) {
  relay_both(SpliceMode::kPipe);
  EXPECT_TRUE(passes(left, right, 100));
  a.pause();
  run_turns();  // what is under way may still pass
  left.send("waits");
  run_turns();
  right.receive();
  EXPECT_EQ(right.received.size(), 100U);
  a.resume();
  EXPECT_TRUE(run_until([&] {
    right.receive();
    return right.received.size() == 105;
  }));
}

TEST_P(Splices, APeerThatDoesNotReadHoldsTheOtherUp) {
  for (const SpliceMode mode : kModes) {
    relay_both(mode, 4096);
    const size_t sent = fill(left);
    EXPECT_LE(b.queued_bytes(), size_t{4} << 20);
    expect_no_spin();
    right.received.clear();
    EXPECT_TRUE(run_until([&] {
      right.receive();
      return right.received.size() >= sent;
    }));
    EXPECT_EQ(right.received.size(), sent);
    EXPECT_TRUE(is_pattern(right.received, 0));
    EXPECT_TRUE(passes(left, right, 1 << 20));
    server.reset();
  }
}

TEST_P(Splices, AnEndPassesThroughAndBothEndsClose) {
  for (const SpliceMode mode : kModes) {
    closes.clear();
    relay_both(mode);
    left.send("question");
    left.shutdown_write();
    EXPECT_TRUE(run_until([&] { return right.has_ended(); }));
    EXPECT_EQ(right.received, "question");
    EXPECT_TRUE(passes(right, left, 1 << 20));
    right.shutdown_write();
    EXPECT_TRUE(run_until([&] { return left.has_ended(); }));
    EXPECT_TRUE(closed());
    for (const std::error_code code : closes) EXPECT_FALSE(code);
    server.reset();
  }
}

TEST_P(Splices, AResetPassesThrough) {
  for (const SpliceMode mode : kModes) {
    closes.clear();
    relay_both(mode);
    EXPECT_TRUE(passes(left, right, 1'000));
    left.reset();
    EXPECT_TRUE(run_until([&] { return right.has_failed(); }));
    EXPECT_EQ(right.error, ECONNRESET);
    EXPECT_TRUE(closed());
    server.reset();
  }
}

TEST_P(Splices, WhoHasGoneWithBytesOnTheirWay) {
  for (const SpliceMode mode : kModes) {
    closes.clear();
    relay_both(mode, 4096);
    EXPECT_GT(fill(left), 0U);
    right.reset();
    EXPECT_TRUE(run_until([&] {
      left.send("?");
      return left.has_failed() || left.send_error != 0;
    }));
    EXPECT_TRUE(closed());
    server.reset();
  }
}

TEST_P(Splices, ATargetThatFailsGivesTheSourceBack) {
  std::string data;
  connect_both(
      {.on_data = [&](Stream&, Slice bytes) { data += bytes.view(); }, .on_end = [](Stream&) {}});
  std::error_code code;
  ASSERT_TRUE(splice(a, b, {.mode = SpliceMode::kPipe}, [&](std::error_code why) { code = why; }));
  b.reset();
  EXPECT_TRUE(run_until([&] { return bool(code); }));
  EXPECT_EQ(code, make_error_code(Errc::kClosed));
  left.send("hello");
  EXPECT_TRUE(run_until([&] { return data == "hello"; }));
}

TEST_P(Splices, ClosingEitherSendsWhatIsOnItsWay) {
  for (const bool source : {true, false}) {
    for (const SpliceMode mode : kModes) {
      closes.clear();
      relay_both(mode);
      EXPECT_TRUE(passes(left, right, 1'000));
      source ? a.close() : b.close();
      EXPECT_TRUE(run_until([&] { return right.has_ended(); }));
      EXPECT_TRUE(run_until([&] { return left.has_ended(); }));
      EXPECT_TRUE(closed());
      for (const std::error_code reason : closes) EXPECT_FALSE(reason);
      server.reset();
    }
  }
}

TEST_P(Splices, NothingForTooLong) {
  connect_both({.on_end = [](Stream&) {}, .idle_timeout = 100ms});
  ASSERT_TRUE(relay(a, b, {.mode = SpliceMode::kPipe}));
  EXPECT_TRUE(closed());
  EXPECT_EQ(closes.front(), make_error_code(Errc::kTimedOut));
  EXPECT_TRUE(run_until([&] { return left.has_failed() || left.ended; }));
}

TEST_P(Splices, WhatPassesIsNotIdle) {
  connect_both({.on_end = [](Stream&) {}, .idle_timeout = 1s});
  ASSERT_TRUE(splice(a, b, {.mode = SpliceMode::kPipe}));
  for (size_t count = 1; count <= 5; ++count) {
    left.send("x");
    turns_during(300ms);
    right.receive();
    EXPECT_EQ(right.received.size(), count);
  }
  EXPECT_TRUE(closes.empty());
}

TEST_P(Splices, MistakesAreRefused) {
  const auto code_of = [](const Result<void>& result) {
    return result ? std::error_code() : result.error().code();
  };
  connect_both();
  EXPECT_EQ(code_of(splice(a, a)), std::errc::invalid_argument);
  EXPECT_TRUE(splice(a, b));
  EXPECT_EQ(code_of(splice(a, b)), std::errc::device_or_resource_busy);
  b.close();
  EXPECT_EQ(code_of(splice(b, a)), make_error_code(Errc::kClosed));
  EXPECT_EQ(code_of(relay(a, b)), make_error_code(Errc::kClosed));
  EXPECT_TRUE(closed(1));
}

TEST_P(Splices, ShortAndInterruptedCallsGoOn) {
  relay_both(SpliceMode::kPipe);
  plan().shorten(SystemCall::kSpliceToPipe, 30'000, kEverySecondTime);
  plan().shorten(SystemCall::kSpliceFromPipe, 7'000, {.every = 3, .times = kAlways});
  for (const SystemCall call : {SystemCall::kSpliceToPipe, SystemCall::kSpliceFromPipe}) {
    plan().fail(call, EINTR, {.every = 4, .times = kAlways});
    plan().fail(call, EAGAIN, {.every = 7, .times = kAlways});
  }
  EXPECT_TRUE(passes(left, right, 2 << 20));
  EXPECT_TRUE(passes(right, left, 2 << 20));
}

TEST_P(Splices, WithoutAPipeItIsSlices) {
  plan().fail(SystemCall::kPipe, EMFILE, kEveryTime);
  relay_both(SpliceMode::kPipe);
  EXPECT_TRUE(passes(left, right, kLarge));
  EXPECT_EQ(counters().spliced_bytes, 0U);
}

TEST_P(Splices, WithASmallPipe) {
  plan().fail(SystemCall::kSetPipeSize, EPERM, kEveryTime);
  relay_both(SpliceMode::kPipe);
  EXPECT_TRUE(passes(left, right, kLarge));
  EXPECT_GE(counters().spliced_bytes, kLarge);
}

TEST_P(Splices, WhatCannotBeSplicedIsCopied) {
  relay_both(SpliceMode::kPipe);
  plan().fail(SystemCall::kSpliceToPipe, EINVAL);
  plan().fail(SystemCall::kSpliceFromPipe, EINVAL, {.after = 2});
  EXPECT_TRUE(passes(left, right, kLarge));
  EXPECT_TRUE(passes(right, left, kLarge));
}

TEST_P(Splices, AFailureOfTheTargetIsTold) {
  connect_both();
  std::error_code code;
  ASSERT_TRUE(splice(a, b, {.mode = SpliceMode::kPipe}, [&](std::error_code why) { code = why; }));
  plan().fail(SystemCall::kSpliceFromPipe, EHOSTUNREACH);
  left.send("lost");
  EXPECT_TRUE(run_until([&] { return bool(code); }));
  EXPECT_EQ(code, std::errc::host_unreachable);
  EXPECT_TRUE(closed(1));
}

TEST_P(Splices, WhatIsSentBehindOneIsDoneWhenItsTurnHasCome) {
  for (const SpliceMode mode : kModes) {
    connect_both();
    std::vector<std::string> done;
    const auto note = [&](const char* what) {
      return [&done, what](std::error_code) { done.emplace_back(what); };
    };
    EXPECT_TRUE(b.send(Slice::copy_of("before"), note("before")));
    ASSERT_TRUE(splice(a, b, {.mode = mode}, note("splice")));
    EXPECT_TRUE(b.send(Slice::copy_of("behind"), note("behind")));
    EXPECT_TRUE(run_until([&] { return right.has_received("before"); }));
    EXPECT_TRUE(passes(left, right, 1'000));
    EXPECT_EQ(done, std::vector<std::string>{"before"});
    left.shutdown_write();
    EXPECT_TRUE(run_until([&] { return done.size() == 3; }));
    EXPECT_EQ(done, (std::vector<std::string>{"before", "splice", "behind"}));
    server.reset();
  }
}

TEST_P(Splices, DoneMaySendOnATargetThatHasFailed) {
  connect_both();
  std::error_code code;
  bool sent = true;
  b.pause();
  ASSERT_TRUE(splice(a, b, {}, [&](std::error_code why) {
    code = why;
    sent = b.send("and now?");
  }));
  right.reset();
  EXPECT_TRUE(run_until([&] {
    left.send("lost");
    return bool(code);
  }));
  EXPECT_FALSE(sent);
}

// What comes before the connection stands waits for it, and comes first.
TEST_P(Splices, ARelayMayBeginWhileItConnects) {
  for (const SpliceMode mode : kModes) {
    closes.clear();
    const Address behind = serve(echo_options());
    std::optional<Server> front;
    Connector connector(
        reactor(), {.on_close = [&](Stream&, std::error_code code) { closes.push_back(code); }});
    front.emplace(
        reactor(),
        StreamOptions{.on_open =
                          [&](Stream& opened) {
                            auto connecting = connector.connect(behind);
                            ASSERT_TRUE(connecting);
                            EXPECT_TRUE(relay(opened, *connecting, {.mode = mode}));
                          },
                      .on_close = [&](Stream&, std::error_code code) { closes.push_back(code); }});
    ASSERT_TRUE(front->listen("127.0.0.1:0"));
    left = Peer::connect_to(*front->local_address());
    left.send("early");
    EXPECT_TRUE(run_until([&] { return left.has_received("early"); }));
    EXPECT_TRUE(passes(left, left, 300'000));
    left.shutdown_write();
    EXPECT_TRUE(run_until([&] { return left.has_ended(); }));
    EXPECT_TRUE(closed());
    for (const std::error_code reason : closes) EXPECT_FALSE(reason);
    server.reset();
  }
}

TEST_P(Splices, ARelayThatIsRefusedLeavesBothAsTheyWere) {
  std::string data;
  connect_both(
      {.on_data = [&](Stream&, Slice bytes) { data += bytes.view(); }, .on_end = [](Stream&) {}});
  ASSERT_TRUE(splice(b, a));
  const auto refused = relay(a, b);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), std::errc::device_or_resource_busy);
  left.send("mine");
  EXPECT_TRUE(run_until([&] { return data == "mine"; }));
}

EDDY_ON_EVERY_CONFIGURATION(Splices);

}  // namespace
}  // namespace eddy::test
