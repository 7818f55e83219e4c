// A stream in coroutines: what each await gives, and what is read when nobody awaits.
#include "support/async_test.h"

namespace eddy::test {
namespace {

Task<> echo(AsyncStream stream) {
  while (auto bytes = co_await stream.receive()) {
    if (!co_await stream.send(std::move(*bytes))) break;
  }
}

class AsyncStreamTest : public AsyncTest {
 protected:
  // Accepts for ever, with a child for each.
  template <typename Handler>
  Address serve_each(Handler handler) {
    listener_.emplace(reactor());
    EXPECT_TRUE(listener_->listen("127.0.0.1:0"));
    scope().spawn([this, handler]() -> Task<> {
      for (;;) {
        auto accepted = co_await listener_->accept();
        if (!accepted) break;
        scope().spawn(handler(std::move(*accepted)));
      }
    });
    return listener_->local_address().value_or(Address());
  }
  void TearDown() override {
    if (listener_) listener_->close();
    run_until([&] { return scope().size() == 0; }, 0s);
    destroy_scope();
    listener_.reset();
    AsyncTest::TearDown();
  }

  std::optional<AsyncListener> listener_;
};

TEST_P(AsyncStreamTest, EchoesToManyPeers) {
  const Address address = serve_each(&echo);
  std::vector<Peer> peers;
  for (int i = 0; i < 20; ++i) peers.push_back(Peer::connect_to(address));
  std::vector<PatternExchange> exchanges;
  for (Peer& one : peers) exchanges.emplace_back(one, 3'000'000);
  EXPECT_TRUE(run_until([&] {
    bool all = true;
    for (PatternExchange& exchange : exchanges) all = exchange.step() && all;
    return all;
  }));
  for (PatternExchange& exchange : exchanges) EXPECT_TRUE(exchange.complete());
  EXPECT_EQ(scope().size(), 21U);
  for (Peer& one : peers) one.shutdown_write();
  EXPECT_TRUE(run_until([&] { return scope().size() == 1; }));  // who accepts is left
  for (Peer& one : peers) EXPECT_TRUE(run_until([&] { return one.has_ended(); }));
}

TEST_P(AsyncStreamTest, ConnectsAndIsAnswered) {
  const Address address = serve_each(&echo);
  std::string answer;
  std::error_code end;
  scope().spawn([&]() -> Task<> {
    AsyncConnector connector(reactor());
    auto connected = co_await connector.connect(address);
    if (!connected) co_return ADD_FAILURE();
    static_cast<void>(co_await connected->send("question"));
    connected->shutdown_write();
    for (;;) {
      auto bytes = co_await connected->receive();
      if (!bytes) {
        end = code_of(bytes);
        break;
      }
      answer += bytes->view();
    }
    EXPECT_TRUE(co_await connected->close());
    EXPECT_EQ(code_of(co_await connected->receive()), Errc::kClosed);
    EXPECT_EQ(code_of(co_await connected->send("late")), Errc::kClosed);
  });
  EXPECT_TRUE(run_until([&] { return scope().size() == 1; }));
  EXPECT_EQ(answer, "question");
  EXPECT_EQ(end, Errc::kEndOfInput);
}

TEST_P(AsyncStreamTest, AConnectThatFailsSaysWhyAndWhereto) {
  const Address nobody = address_of(bound_socket().get());
  std::optional<Error> refused;
  std::error_code nonsense;
  scope().spawn([&]() -> Task<> {
    AsyncConnector connector(reactor());
    auto connected = co_await connector.connect(nobody);
    if (!connected) refused = connected.error();
    nonsense = code_of(co_await connector.connect("nowhere"));
  });
  EXPECT_TRUE(run_scope());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code(), std::errc::connection_refused);
  EXPECT_EQ(refused->subject(), nobody.to_string());
  EXPECT_EQ(nonsense, Errc::kBadAddress);
}

TEST_P(AsyncStreamTest, ReceivesExactlyHoweverTheBytesCome) {
  std::vector<std::string> got;
  std::error_code end;
  size_t left = 0;
  scope().spawn([&, stream = connected()]() mutable -> Task<> {
    for (const size_t size : {3U, 0U, 5U, 1U, 100'000U, 4U}) {
      auto bytes = co_await stream.receive_exactly(size);
      if (!bytes) {
        end = code_of(bytes);
        break;
      }
      EXPECT_EQ(bytes->size(), size);
      got.push_back(bytes->str());
    }
    left = stream.buffered_bytes();
    auto rest = co_await stream.receive();
    if (rest) got.push_back(rest->str());
    EXPECT_EQ(code_of(co_await stream.receive()), Errc::kEndOfInput);
  });
  const std::string message = pattern(100'012);
  size_t sent = 0;
  // Byte by byte at first, then in pieces.
  EXPECT_TRUE(run_until([&] {
    const size_t most = sent < 20 ? 1 : 7'777;
    sent += peer.send(std::string_view(message).substr(sent, most));
    return sent == message.size();
  }));
  peer.shutdown_write();
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(end, Errc::kEndOfInput);
  EXPECT_EQ(left, 3U);
  std::string joined;
  for (const std::string& piece : got) joined += piece;
  EXPECT_EQ(got.size(), 6U);
  EXPECT_TRUE(joined == message);
}

TEST_P(AsyncStreamTest, ReceivesUntilADelimiterHoweverItIsCut) {
  const std::string text = "one\r\n\r\ntwo\r\r\n\r\n\r\n\r\nlonger than the rest";
  for (size_t cut = 1; cut < text.size(); ++cut) {
    std::vector<std::string> got;
    scope().spawn([&, stream = connected()]() mutable -> Task<> {
      for (;;) {
        auto head = co_await stream.receive_until("\r\n\r\n", 5);
        if (!head) {
          EXPECT_EQ(code_of(head), Errc::kOverLimit);
          break;
        }
        got.push_back(head->str());
      }
      auto rest = co_await stream.receive();  // nothing of it is lost
      while (rest && rest->size() < 20) {
        auto more = co_await stream.receive();
        rest = Slice::copy_of(rest->str() + more->str());
      }
      got.push_back(rest->str());
    });
    peer.send(std::string_view(text).substr(0, cut));
    run_turns(3);
    peer.send(std::string_view(text).substr(cut));
    ASSERT_TRUE(run_scope());
    EXPECT_EQ(got, (std::vector<std::string>{"one", "two\r", "", "longer than the rest"})) << cut;
  }
}

TEST_P(AsyncStreamTest, WhatLiesInOneSliceIsNotCopied) {
  std::vector<const char*> places;
  std::vector<Slice> lines;
  scope().spawn([&, stream = connected()]() mutable -> Task<> {
    for (int i = 0; i < 3; ++i) {
      auto line = co_await stream.receive_until("\n", 100);
      if (line) lines.push_back(std::move(*line));
    }
  });
  peer.send("first\nsecond\nthird\n");
  EXPECT_TRUE(run_scope());
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1].data(), lines[0].data() + 6);
  EXPECT_EQ(lines[2].data(), lines[1].data() + 7);
  EXPECT_EQ(counters().relocated_bytes, 0U);
}

TEST_P(AsyncStreamTest, WhatIsLeftWhenItTurnsToSomethingElseLeavesTheRing) {
  std::string second;
  scope().spawn([&, stream = connected()]() mutable -> Task<> {
    static_cast<void>(co_await stream.receive_until("\n", 100));
    static_cast<void>(co_await sleep_for(10ms));
    auto line = co_await stream.receive_until("\n", 100);
    if (line) second = line->str();
  });
  peer.send("first\nsecond\n");
  EXPECT_TRUE(run_until([&] { return counters().relocated_bytes == 7; }));
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(second, "second");
}

TEST_P(AsyncStreamTest, WhatNobodyAwaitsIsNotRead) {
  bool go_on = false;
  std::string received;
  const std::string message = pattern(16 << 20);
  scope().spawn([&, stream = connected()]() mutable -> Task<> {
    while (!go_on) static_cast<void>(co_await sleep_for(1ms));
    while (received.size() < message.size()) {
      auto bytes = co_await stream.receive();
      if (!bytes) break;
      received += bytes->view();
    }
  });
  size_t sent = 0;
  for (int i = 0; i < 100; ++i) {
    sent += peer.send(std::string_view(message).substr(sent));
    run_turns(2);
  }
  EXPECT_LE(counters().bytes_received, 3U << 20);
  EXPECT_LT(sent, message.size());
  go_on = true;
  EXPECT_TRUE(run_until([&] {
    sent += peer.send(std::string_view(message).substr(sent));
    return scope().size() == 0;
  }));
  EXPECT_TRUE(received == message);
}

TEST_P(AsyncStreamTest, ASendWaitsAboveTheHighWatermark) {
  limits.high_watermark_bytes = 100'000;
  limits.low_watermark_bytes = 10'000;
  int sends = 0;
  const Slice block = Slice::copy_of(pattern(60'000));
  std::error_code code;
  scope().spawn([&, stream = connected()]() mutable -> Task<> {
    for (; sends < 100; ++sends) {
      auto sent = co_await stream.send(block);
      code = code_of(sent);
      if (!sent) break;
      EXPECT_LE(stream.stream().queued_bytes(), 160'000U);
    }
  });
  run_turns();
  EXPECT_LT(sends, 100);  // the peer takes nothing
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return scope().size() == 0 && peer.received.size() == 6'000'000;
  }));
  EXPECT_EQ(sends, 100);
  EXPECT_FALSE(code);
}

TEST_P(AsyncStreamTest, SendersAndAReceiverMayWaitAtOnce) {
  limits.high_watermark_bytes = 1'000;
  limits.low_watermark_bytes = 100;
  int sent = 0;
  std::string received;
  AsyncStream stream = connected();
  for (int i = 0; i < 5; ++i) {
    scope().spawn([&]() -> Task<> {
      for (int count = 0; count < 4; ++count) {
        if (co_await stream.send(Slice::copy_of(std::string(1'000'000, 'x')))) ++sent;
      }
    });
  }
  scope().spawn([&]() -> Task<> {
    auto bytes = co_await stream.receive_exactly(7);  // while the queue is full
    if (bytes) received = bytes->str();
  });
  run_turns();
  EXPECT_EQ(sent, 0);
  peer.send("still r");
  EXPECT_TRUE(run_until([&] { return received == "still r"; }));
  EXPECT_EQ(sent, 0);
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return sent == 20;
  }));
  EXPECT_TRUE(run_scope());
  stream.reset();
}

TEST_P(AsyncStreamTest, AResetIsToldToWhoWaits) {
  std::error_code receiving;
  std::error_code sending;
  const Address address = serve_each([&](AsyncStream accepted) -> Task<> {
    AsyncStream stream = std::move(accepted);
    auto done = co_await scoped([&](Scope& children) -> Task<> {
      children.spawn([&]() -> Task<> { receiving = code_of(co_await stream.receive()); });
      auto sent = co_await stream.send(Slice::copy_of(pattern(16 << 20)));
      sending = code_of(sent);
    });
    EXPECT_TRUE(done);
  });
  peer = Peer::connect_to(address);
  ASSERT_TRUE(run_until([&] { return counters().bytes_sent != 0; }));
  peer.reset();
  EXPECT_TRUE(run_until([&] { return scope().size() == 1; }));
  EXPECT_EQ(receiving, std::errc::connection_reset);
  EXPECT_TRUE(sending == std::errc::connection_reset || sending == std::errc::broken_pipe);
}

// Nobody receives, so nothing but the send can tell.
TEST_P(AsyncStreamTest, AResetIsToldToWhoOnlySends) {
  std::error_code sending;
  const Address address = serve_each([&](AsyncStream accepted) -> Task<> {
    AsyncStream stream = std::move(accepted);
    while (!sending) sending = code_of(co_await stream.send(Slice::copy_of(pattern(4 << 20))));
    EXPECT_EQ(code_of(co_await stream.receive()), std::errc::connection_reset);
  });
  peer = Peer::connect_to(address);
  ASSERT_TRUE(run_until([&] { return counters().bytes_sent != 0; }));
  peer.reset();
  EXPECT_TRUE(run_until([&] { return scope().size() == 1; }));
  EXPECT_EQ(sending, std::errc::broken_pipe);
}

TEST_P(AsyncStreamTest, AfterTheEndOfInputSendingGoesOn) {
  scope().spawn([&, stream = connected()]() mutable -> Task<> {
    EXPECT_EQ(code_of(co_await stream.receive()), Errc::kEndOfInput);
    EXPECT_EQ(code_of(co_await stream.receive()), Errc::kEndOfInput);
    EXPECT_TRUE(co_await stream.send("answer"));
    stream.shutdown_write();
    EXPECT_EQ(code_of(co_await stream.send("more")), std::errc::broken_pipe);
  });
  peer.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_EQ(peer.received, "answer");
  EXPECT_TRUE(run_scope());
}

TEST_P(AsyncStreamTest, CloseSendsWhatIsQueuedAndTellsWhenItIsDone) {
  const std::string message = pattern(5'000'000);
  std::optional<std::error_code> closed;
  scope().spawn([&, stream = connected()]() mutable -> Task<> {
    Stream plain = stream.stream();
    plain.send(Slice::copy_of(message));
    closed = code_of(co_await stream.close());
  });
  run_turns();
  EXPECT_FALSE(closed);
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_TRUE(peer.received == message);
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(closed, std::error_code());
}

TEST_P(AsyncStreamTest, AnotherCoroutinesCloseEndsAReceive) {
  AsyncStream stream = connected();
  std::error_code code;
  scope().spawn([&]() -> Task<> { code = code_of(co_await stream.receive()); });
  run_turns();
  scope().spawn([&]() -> Task<> {
    EXPECT_TRUE(co_await stream.close());
    EXPECT_EQ(code, Errc::kClosed);
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(code, Errc::kClosed);
}

TEST_P(AsyncStreamTest, ConnectionsThatNobodyAcceptsWait) {
  listener_.emplace(reactor());
  ASSERT_TRUE(listener_->listen("127.0.0.1:0"));
  std::vector<Peer> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(Peer::connect_to(*listener_->local_address()));
  run_turns();
  EXPECT_LE(counters().accepted, 1U);
  std::vector<AsyncStream> accepted;
  scope().spawn([&]() -> Task<> {
    while (accepted.size() < 5) {
      auto one = co_await listener_->accept();
      if (!one) break;
      accepted.push_back(std::move(*one));
      static_cast<void>(co_await sleep_for(1ms));
    }
    EXPECT_EQ(code_of(co_await listener_->accept()), Errc::kClosed);
  });
  EXPECT_TRUE(run_until([&] { return accepted.size() == 5; }));
  listener_->close();
  EXPECT_TRUE(run_scope());
  accepted.clear();
}

EDDY_ON_EVERY_CONFIGURATION(AsyncStreamTest);

}  // namespace
}  // namespace eddy::test
