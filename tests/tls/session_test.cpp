// What two sides that agree make of it: handshakes, data, ends, resumption.
#include <eddy/net/tls/error.h>

#include <array>

#include "../support/allocations.h"
#include "pair.h"

namespace eddy::tls::test {
namespace {

using Version = Context::Version;

std::string pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

// All of it, as a caller with a slow peer does.
void send_all(Side& from, Side& to, std::string_view text) {
  while (!text.empty()) {
    const auto taken = from.session.send(text);
    ASSERT_TRUE(taken) << taken.error().message();
    ASSERT_GT(*taken, 0U);
    ASSERT_LE(from.session.output().size(), Session::kOutputBytes + Session::kRecordBytes + 256);
    text.remove_prefix(*taken);
    to.take(from.flush());
  }
}

class TlsSession : public testing::TestWithParam<Version> {
 protected:
  TlsSession() {
    client_options_.highest = GetParam();
    server_options_.lowest = GetParam();
  }
  Pair pair() { return {made(client_options_), made(server_options_)}; }
  Context::Options client_options_ = client_options();
  Context::Options server_options_ = server_options();
};

TEST_P(TlsSession, BothSidesKnowWhatWasNegotiated) {
  client_options_.alpn = {"h2", "http/1.1"};
  server_options_.alpn = {"http/1.1"};
  Pair both = pair();
  EXPECT_FALSE(both.client.session.is_established());
  both.run();
  ASSERT_TRUE(both.stands()) << both.client.cause() << both.server.cause();
  for (const Side* side : {&both.client, &both.server}) {
    EXPECT_EQ(side->session.protocol(), GetParam() == Version::kTls13 ? "TLSv1.3" : "TLSv1.2");
    EXPECT_EQ(side->session.alpn(), "http/1.1");
    EXPECT_EQ(side->session.cipher(), both.client.session.cipher());
    EXPECT_FALSE(side->session.was_resumed());
    EXPECT_EQ(side->handshakes, 1);
  }
  EXPECT_EQ(both.server.session.server_name(), "localhost");
  EXPECT_EQ(both.client.session.peer_subject(), "CN=server");
  EXPECT_EQ(both.server.session.peer_subject(), "");
}

TEST_P(TlsSession, HowTheBytesAreCutMakesNoDifference) {
  for (const size_t piece : {size_t{1}, size_t{5}, size_t{1000}}) {
    Pair both = pair();
    both.run(piece);
    ASSERT_TRUE(both.stands()) << both.client.cause() << both.server.cause();
    EXPECT_TRUE(both.client.session.send("question"));
    EXPECT_TRUE(both.server.session.send("an"));
    EXPECT_TRUE(both.server.session.send("swer"));
    both.run(piece);
    EXPECT_EQ(both.server.received, "question");
    EXPECT_EQ(both.client.received, "answer");
  }
}

TEST_P(TlsSession, MuchData) {
  const std::string text = pattern(1'000'003);
  Pair both = pair();
  both.run();
  send_all(both.client, both.server, text);
  send_all(both.server, both.client, text);
  EXPECT_EQ(both.server.received, text);
  EXPECT_EQ(both.client.received, text);
  EXPECT_EQ(both.client.pieces, (text.size() + Session::kRecordBytes - 1) / Session::kRecordBytes);
}

TEST_P(TlsSession, ARecordComesInAsManyPiecesAsTheRoomWants) {
  Pair both = pair();
  both.run();
  const std::string text = pattern(1000);
  ASSERT_EQ(both.client.session.send(text), text.size());
  const std::string record = both.client.flush();
  std::string_view bytes = record;
  std::array<char, 300> room{};
  std::string received;
  size_t pieces = 0;
  for (;; ++pieces) {
    const auto event = both.server.session.next(bytes, room);
    ASSERT_TRUE(event);
    if (*event == Session::Event::kNeedMore) break;
    received += both.server.session.plaintext();
  }
  EXPECT_EQ(received, text);
  EXPECT_EQ(pieces, 4U);
}

TEST_P(TlsSession, PlaintextIsTakenFromTheHandshakeOn) {
  Pair both = pair();
  EXPECT_EQ(both.client.session.send("early"), 0U);
  both.run();
  EXPECT_EQ(both.client.session.send("now"), 3U);
  EXPECT_EQ(both.client.session.send(""), 0U);
  both.run();
  EXPECT_EQ(both.server.received, "now");
}

TEST_P(TlsSession, EachSideEndsItsOwn) {
  Pair both = pair();
  both.run();
  ASSERT_TRUE(both.client.session.send("last words"));
  both.client.session.shutdown();
  both.client.session.shutdown();
  EXPECT_EQ(both.client.session.send("more").error().code(), eddy::Errc::kClosed);
  both.server.take(both.client.flush() + "no TLS");
  EXPECT_EQ(both.server.received, "last words");
  EXPECT_TRUE(both.server.has_ended);
  EXPECT_EQ(both.server.behind, "no TLS");
  EXPECT_TRUE(both.server.session.finish());
  // The other way goes on.
  send_all(both.server, both.client, "answer");
  EXPECT_EQ(both.client.received, "answer");
  both.server.session.shutdown();
  both.run();
  EXPECT_TRUE(both.client.has_ended);
  EXPECT_TRUE(both.client.session.finish());
}

TEST_P(TlsSession, AnEndWithoutCloseNotifyIsTold) {
  Pair both = pair();
  EXPECT_EQ(both.server.session.finish().error().code(), Errc::kTruncated);
  Pair other = pair();
  other.run();
  ASSERT_TRUE(other.server.session.send("half an answer"));
  const std::string record = other.server.flush();
  other.client.take(record.substr(0, record.size() - 1));
  const auto whole = other.client.session.finish();
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().message(),
            "TLS receive with localhost: the input ended without close_notify");
  // … and stays so.
  EXPECT_EQ(other.client.session.send("x").error().code(), Errc::kTruncated);
  std::string_view none;
  EXPECT_EQ(other.client.session.next(none, other.client.room).error().code(), Errc::kTruncated);
}

TEST_P(TlsSession, IsResumed) {
  const Context client = made(client_options_);
  const Context server = made(server_options_);
  Pair first(client, server);
  first.run();
  for (int i = 0; i < 5; ++i) {  // each brings a ticket for the next, or serves again
    Pair next(client, server);
    next.run();
    ASSERT_TRUE(next.stands());
    EXPECT_TRUE(next.client.session.was_resumed()) << i;
    EXPECT_TRUE(next.server.session.was_resumed()) << i;
    EXPECT_EQ(next.client.session.peer_subject(), "CN=server");
    send_all(next.client, next.server, "question");
    EXPECT_EQ(next.server.received, "question");
  }
  // Not for another name, nor by another client.
  Pair other(client, server, "127.0.0.1");
  other.run();
  EXPECT_TRUE(other.stands());
  EXPECT_FALSE(other.client.session.was_resumed());
  Pair stranger(made(client_options_), server);
  stranger.run();
  EXPECT_FALSE(stranger.client.session.was_resumed());
}

TEST_P(TlsSession, IsNotResumedUnlessBothWantIt) {
  for (const bool client_wants : {false, true}) {
    client_options_.resume = client_wants;
    server_options_.resume = !client_wants;
    const Context client = made(client_options_);
    const Context server = made(server_options_);
    for (int i = 0; i < 3; ++i) {
      Pair both(client, server);
      both.run();
      ASSERT_TRUE(both.stands());
      EXPECT_FALSE(both.client.session.was_resumed());
    }
  }
}

TEST_P(TlsSession, OfAnotherServerIsNotResumedAndYetServed) {
  const Context client = made(client_options_);
  Pair first(client, made(server_options_));
  first.run();
  Pair second(client, made(server_options_));  // its tickets have another key
  second.run();
  EXPECT_TRUE(second.stands());
  EXPECT_FALSE(second.client.session.was_resumed());
}

TEST_P(TlsSession, AClientShowsItsCertificateWhereItIsAskedTo) {
  const Authority::Files files = authority().issue({.common_name = "client", .names = ""});
  client_options_.certificate_file = files.certificate;
  client_options_.key_file = files.key;
  server_options_.verify = true;
  server_options_.ca_file = authority().file();
  const Context client = made(client_options_);
  const Context server = made(server_options_);
  for (const bool resumed : {false, true}) {
    Pair both(client, server);
    both.run();
    ASSERT_TRUE(both.stands()) << both.client.cause() << both.server.cause();
    EXPECT_EQ(both.server.session.was_resumed(), resumed);
    EXPECT_EQ(both.server.session.peer_subject(), "CN=client");
  }
}

TEST_P(TlsSession, MayBeMovedAtAnyTime) {
  Pair both = pair();
  for (int i = 0; i < 4; ++i) {
    Session elsewhere = std::move(both.client.session);
    both.client.session = std::move(elsewhere);
    both.server.take(both.client.flush());
    Session away = std::move(both.server.session);
    both.server.session = std::move(away);
    both.client.take(both.server.flush());
  }
  EXPECT_TRUE(both.stands());
}

TEST_P(TlsSession, InTheSteadyStateNothingIsAllocated) {
  Pair both = pair();
  both.run();
  const std::string text = pattern(3000);
  both.client.received.reserve(1'000'000);
  const auto exchange = [&] {
    ASSERT_EQ(both.server.session.send(text), text.size());
    std::string_view bytes = both.server.session.output();
    while (*both.client.session.next(bytes, both.client.room) != Session::Event::kNeedMore) {
    }
    both.server.session.clear_output();
  };
  exchange();
  const size_t before = eddy::test::allocations().count;
  for (int i = 0; i < 100; ++i) exchange();
  EXPECT_EQ(eddy::test::allocations().count, before);
}

INSTANTIATE_TEST_SUITE_P(Tls, TlsSession, testing::Values(Version::kTls12, Version::kTls13),
                         [](const auto& version) {
                           return version.param == Version::kTls12 ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace eddy::tls::test
