// Names, work that blocks, and datagrams, awaited.
#include <eddy/net/async_answer.h>
#include <eddy/net/async_datagram.h>

#include "support/async_test.h"

namespace eddy::test {
namespace {

class AsyncAnswer : public AsyncTest {};
class AsyncDatagramTest : public AsyncTest {};

TEST_P(AsyncAnswer, OfAResolver) {
  Resolver resolver(reactor());
  std::vector<Address> found;
  std::error_code refused;
  std::string host;
  scope().spawn([&]() -> Task<> {
    auto one = co_await resolve(resolver, "127.0.0.1", "7000");
    if (one) found = one->addresses;
    refused = code_of(co_await resolve(resolver, "", "7000"));
    auto name = co_await name_of(resolver, *Address::parse("127.0.0.1:7000"),
                                 NI_NUMERICHOST | NI_NUMERICSERV);
    if (name) host = name->host + " " + name->service;
  });
  EXPECT_TRUE(run_scope());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].to_string(), "127.0.0.1:7000");
  EXPECT_EQ(refused, Errc::kBadAddress);
  EXPECT_EQ(host, "127.0.0.1 7000");
}

TEST_P(AsyncAnswer, OfWorkThatBlocks) {
  WorkPool pool(reactor());
  int answer = 0;
  bool done = false;
  std::error_code cancelled;
  scope().spawn([&]() -> Task<> {
    auto result = co_await run_in(pool, [] { return 6 * 7; });
    if (result) answer = *result;
    done = (co_await run_in(pool, [] {})).has_value();
    scope().cancel();
    cancelled = code_of(co_await run_in(pool, [] { return 1; }));
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(answer, 42);
  EXPECT_TRUE(done);
  EXPECT_EQ(cancelled, kCanceled);
}

TEST_P(AsyncAnswer, ConnectsToTheFirstThatAnswers) {
  AsyncListener listener(reactor());
  ASSERT_TRUE(listener.listen("127.0.0.1:0"));
  const std::vector<Address> addresses = {address_of(bound_socket().get()),
                                          *listener.local_address()};
  std::string got;
  scope().spawn([&]() -> Task<> {
    AsyncConnector connector(reactor());
    auto stream = co_await connector.connect(addresses);
    if (!stream) co_return;
    static_cast<void>(co_await stream->send("hello"));
    EXPECT_TRUE(co_await stream->close());
  });
  scope().spawn([&]() -> Task<> {
    auto accepted = co_await listener.accept();
    if (!accepted) co_return;
    auto bytes = co_await accepted->receive_exactly(5);
    if (bytes) got = bytes->str();
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(got, "hello");
}

// One that refuses, and one that does not answer: by the connect's own deadline, or the await's.
TEST_P(AsyncAnswer, AConnectToSeveralTellsOfEachAttempt) {
  const Descriptor full = bound_socket();
  plain_kernel().listen(full.get(), 0);
  const std::vector<Address> addresses = {address_of(bound_socket().get()), address_of(full.get())};
  const Peer filler = Peer::connect_to(addresses.back());
  const std::string refused = "connect " + addresses[0].to_string() + ": Connection refused";
  const std::string subject = "connect " + addresses[0].to_string() + " and 1 more";
  const auto outcome = [](Result<AsyncStream> result) {
    return result ? "connected" : result.error().message();
  };
  std::string by_attempt, by_await, alone;
  scope().spawn([&]() -> Task<> {
    AsyncConnector hasty(reactor(), {}, {.timeout = 30ms});
    by_attempt = outcome(co_await hasty.connect(addresses));
    AsyncConnector patient(reactor());
    by_await = outcome(co_await within(30ms, patient.connect(addresses)));
    alone = outcome(co_await within(30ms, patient.connect(addresses[1])));
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(by_attempt, subject + ": deadline passed (" + refused + "; connect " +
                            addresses[1].to_string() + ": deadline passed)");
  EXPECT_EQ(by_await, subject + ": deadline passed (" + refused + "; 1 had not answered yet)");
  EXPECT_EQ(alone, "connect " + addresses[1].to_string() + ": deadline passed");
}

TEST_P(AsyncDatagramTest, ThereAndBack) {
  auto server = AsyncDatagram::bind(reactor(), "127.0.0.1:0");
  ASSERT_TRUE(server);
  const auto here = server->socket().local_address();
  ASSERT_TRUE(here);
  auto client = AsyncDatagram::connect(reactor(), here->to_string());
  ASSERT_TRUE(client);
  int echoed = 0;
  std::error_code end;
  scope().spawn([&]() -> Task<> {
    for (;;) {
      auto got = co_await server->receive();
      if (!got) {
        end = code_of(got);
        break;
      }
      EXPECT_TRUE(co_await server->send_to(std::move(got->bytes), got->info.source));
    }
  });
  scope().spawn([&]() -> Task<> {
    for (; echoed < 200; ++echoed) {
      const std::string text = "datagram " + std::to_string(echoed);
      EXPECT_TRUE(co_await client->send(Slice::copy_of(text)));
      auto answer = co_await client->receive();
      if (!answer || answer->bytes.view() != text) break;
    }
    EXPECT_EQ(code_of(co_await within(5ms, client->receive())), Errc::kTimedOut);
    server->close();
    client->close();
    EXPECT_EQ(code_of(co_await client->receive()), Errc::kClosed);
    EXPECT_EQ(code_of(co_await client->send(Slice::copy_of("x"))), Errc::kClosed);
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(echoed, 200);
  EXPECT_EQ(end, Errc::kClosed);
}

// Some are kept, the rest waits in the kernel, and none is lost that this has room for.
TEST_P(AsyncDatagramTest, WhatNobodyAwaitsIsKept) {
  auto server = AsyncDatagram::bind(reactor(), "127.0.0.1:0");
  ASSERT_TRUE(server);
  auto client = AsyncDatagram::connect(reactor(), server->socket().local_address()->to_string());
  ASSERT_TRUE(client);
  int received = 0;
  for (int i = 0; i < 150; ++i) {
    Datagram plain = client->socket();
    EXPECT_TRUE(plain.send("datagram"));
  }
  run_turns();
  scope().spawn([&]() -> Task<> {
    while (received < 150) {
      auto got = co_await server->receive();
      if (!got) break;
      ++received;
    }
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(received, 150);
}

EDDY_ON_EVERY_CONFIGURATION(AsyncAnswer);
EDDY_ON_EVERY_CONFIGURATION(AsyncDatagramTest);

}  // namespace
}  // namespace eddy::test
