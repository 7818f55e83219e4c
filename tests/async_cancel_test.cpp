// The end of waiting before its time: by a cancellation, by a deadline, by the frame's own end.
#include "support/async_test.h"

namespace eddy::test {
namespace {

class AsyncCancel : public AsyncTest {
 protected:
  // A listener whose backlog nobody empties, for a connect that stands and hears nothing.
  Address silent_address() {
    socket_ = bound_socket();
    EXPECT_EQ(plain_kernel().listen(socket_.get(), 16), 0);
    return address_of(socket_.get());
  }
  void TearDown() override {
    socket_.reset();
    AsyncTest::TearDown();
  }

 private:
  Descriptor socket_;
};

TEST_P(AsyncCancel, EndsEveryKindOfAwait) {
  limits.high_watermark_bytes = 1'000;
  AsyncStream sending = connected();
  const Peer full = std::move(peer);
  AsyncStream receiving = connected();
  AsyncListener listener(reactor());
  ASSERT_TRUE(listener.listen("127.0.0.1:0"));
  std::vector<std::error_code> codes;
  scope().spawn([&]() -> Task<> { codes.push_back(code_of(co_await sleep_for(1h))); });
  scope().spawn([&]() -> Task<> { codes.push_back(code_of(co_await receiving.receive())); });
  scope().spawn([&]() -> Task<> { codes.push_back(code_of(co_await listener.accept())); });
  scope().spawn([&]() -> Task<> {
    const Slice much = Slice::copy_of(std::string(16 << 20, 'x'));
    codes.push_back(code_of(co_await sending.send(much)));
  });
  scope().spawn([&]() -> Task<> {
    codes.push_back(code_of(co_await scoped([](Scope& children) -> Task<Result<void>> {
      children.spawn([]() -> Task<Result<void>> { co_return co_await sleep_for(1h); });
      co_return co_await within(2h, sleep_for(3h));
    })));
  });
  run_turns();
  EXPECT_TRUE(codes.empty());
  scope().cancel();
  EXPECT_TRUE(codes.empty());  // nothing from inside the call
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(codes, std::vector<std::error_code>(5, kCanceled));
  EXPECT_EQ(reactor().timers().referenced(), 0U);
  sending.reset();
}

TEST_P(AsyncCancel, AConnectLeavesNothingBehind) {
  const Address address = silent_address();
  std::error_code code;
  scope().spawn([&]() -> Task<> {
    AsyncConnector connector(reactor());
    scope().cancel();
    code = code_of(co_await connector.connect(address));
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(code, kCanceled);
  destroy_scope();
  scope().spawn([&]() -> Task<> {
    AsyncConnector connector(reactor());
    code = code_of(co_await within(0ns, connector.connect(address)));
  });
  EXPECT_TRUE(run_scope());
  EXPECT_TRUE(!code || code == Errc::kTimedOut);  // whichever came first
}

TEST_P(AsyncCancel, AwaitsThatComeLaterEndAtOnce) {
  int ended = 0;
  AsyncStream stream = connected();
  peer.send("arrived");
  scope().spawn([&]() -> Task<> {
    scope().cancel();
    ended += code_of(co_await stream.receive()) == kCanceled ? 1 : 0;
    ended += code_of(co_await stream.send("x")) == kCanceled ? 1 : 0;
    ended += code_of(co_await sleep_for(0ns)) == kCanceled ? 1 : 0;
    ended += code_of(co_await within(1h, stream.receive())) == kCanceled ? 1 : 0;
    // What needs no waiting is done.
    Stream plain = stream.stream();
    EXPECT_TRUE(plain.send("last words"));
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(ended, 4);
  EXPECT_TRUE(run_until([&] { return peer.has_received("last words"); }));
}

TEST_P(AsyncCancel, ADeadlineEndsAnAwait) {
  TimePoint began;
  TimePoint ended;
  std::error_code code;
  scope().spawn([&, stream = connected()]() mutable -> Task<> {
    began = now();
    code = code_of(co_await within(20ms, stream.receive()));
    ended = now();
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(code, Errc::kTimedOut);
  EXPECT_GE(ended - began, 20ms);
  EXPECT_EQ(reactor().timers().referenced(), 0U);
}

TEST_P(AsyncCancel, WhatComesInTimeStays) {
  std::string received;
  scope().spawn([&, stream = connected()]() mutable -> Task<> {
    auto bytes = co_await within(1h, stream.receive());
    if (bytes) received = bytes->str();
    EXPECT_EQ(reactor().timers().referenced(), 0U);
  });
  peer.send("in time");
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(received, "in time");
}

TEST_P(AsyncCancel, WhatHadArrivedOfAMessageIsReceivedNext) {
  std::string received;
  scope().spawn([&, stream = connected()]() mutable -> Task<> {
    EXPECT_EQ(code_of(co_await within(10ms, stream.receive_exactly(10))), Errc::kTimedOut);
    EXPECT_EQ(stream.buffered_bytes(), 4U);
    peer.send("567\n8");
    EXPECT_EQ(code_of(co_await within(10ms, stream.receive_until("\r", 99))), Errc::kTimedOut);
    auto line = co_await stream.receive_until("\n", 99);
    if (line) received = line->str();
  });
  peer.send("1234");
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(received, "1234567");
}

TEST_P(AsyncCancel, ADeadlineOfAWholeScope) {
  int ended = 0;
  std::error_code code;
  scope().spawn([&]() -> Task<> {
    auto done = co_await within(20ms, scoped([&](Scope& children) -> Task<> {
                                  for (int i = 0; i < 3; ++i) {
                                    children.spawn([&]() -> Task<> {
                                      auto slept = co_await sleep_for(1h);
                                      EXPECT_EQ(code_of(slept), Errc::kTimedOut);
                                      ++ended;
                                    });
                                  }
                                  co_return;
                                }));
    code = code_of(done);
    EXPECT_TRUE(co_await sleep_for(1ms));  // it was the inner scope's alone
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(ended, 3);
  EXPECT_EQ(code, Errc::kTimedOut);
}

TEST_P(AsyncCancel, TheNearerOfTwoDeadlines) {
  std::error_code inner;
  std::error_code outer;
  scope().spawn([&]() -> Task<> {
    inner = code_of(co_await within(1h, within(10ms, sleep_for(2h))));
    outer = code_of(co_await within(10ms, within(1h, sleep_for(2h))));
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(inner, Errc::kTimedOut);
  EXPECT_EQ(outer, Errc::kTimedOut);
}

TEST_P(AsyncCancel, ADeadlineOfATask) {
  std::string got;
  AsyncStream stream = connected();
  const auto handshake = [](AsyncStream& with) -> Task<std::string> {
    std::string lines;
    while (auto line = co_await with.receive_until("\n", 99)) lines += line->str();
    co_return lines;
  };
  scope().spawn([&]() -> Task<> { got = co_await within(50ms, handshake(stream)); });
  peer.send("one\ntwo\nthr");
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(got, "onetwo");
}

// Frames that end where they stand let go of what they await.
TEST_P(AsyncCancel, TheEndOfAFrameEndsItsAwaits) {
  AsyncStream stream = connected();
  AsyncListener listener(reactor());
  ASSERT_TRUE(listener.listen("127.0.0.1:0"));
  scope().spawn([&]() -> Task<> { static_cast<void>(co_await within(1h, stream.receive())); });
  scope().spawn([&]() -> Task<> { static_cast<void>(co_await listener.accept()); });
  scope().spawn([&]() -> Task<> { static_cast<void>(co_await sleep_for(1h)); });
  run_turns();
  destroy_scope();
  EXPECT_EQ(reactor().timers().referenced(), 0U);
  peer.send("for the next");
  Peer client = Peer::connect_to(*listener.local_address());
  run_turns();
  std::string received;
  bool accepted = false;
  scope().spawn([&]() -> Task<> {
    auto bytes = co_await stream.receive();
    if (bytes) received = bytes->str();
    accepted = (co_await listener.accept()).has_value();
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(received, "for the next");
  EXPECT_TRUE(accepted);
}

EDDY_ON_EVERY_CONFIGURATION(AsyncCancel);

}  // namespace
}  // namespace eddy::test
