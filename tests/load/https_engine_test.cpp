// Runs against a small HTTPS server: handshakes, resumption, certificates, and how TLS may end.
#include <eddy/net/http/message_parser.h>
#include <eddy/net/tls/session.h>

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "../tls/certificates.h"
#include "load/http_request.h"
#include "load_test.h"

namespace eddy::load {
namespace {

using tls::Session;
using tls::test::Authority;

constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

Authority& authority() {
  static Authority own("Test authority");
  return own;
}
const Authority::Files& server_files() {
  static const Authority::Files files = authority().issue({});
  return files;
}

class HttpsLoad : public LoadTest {
 protected:
  HttpsLoad() {
    options_.protocol = Protocol::kHttp;
    options_.http.request = *wire_format({}, *http::Url::parse("https://localhost/"));
    // A simulated handshake takes no time, and a millisecond of this machine's.
    if (GetParam().simulated) options_.duration = 1ms;
  }
  void use(TlsRequest request) {
    if (request.ca_file.empty()) request.ca_file = authority().file();
    auto made = make_tls(request, *http::Url::parse("https://localhost/"));
    ASSERT_TRUE(made) << made.error().message();
    options_.tls = std::move(*made);
  }

  struct Connection {
    std::optional<Session> session;
    http::MessageParser parser{
        http::MessageParser::Options{.type = http::MessageParser::Type::kRequest}};
  };
  static void flush(Stream& client) {
    Session& session = *client.state<Connection>().session;
    client.send(session.output());
    session.clear_output();
  }
  static void answer(Stream& client, std::string_view text) {
    Session& session = *client.state<Connection>().session;
    EXPECT_EQ(*session.send(text), text.size());
    flush(client);
  }
  // `answered` is called for each request that has come whole.
  StreamOptions serving(std::function<void(Stream&)> answered) {
    if (!context_) {
      context_ = *tls::Context::make({.role = tls::Context::Role::kServer,
                                      .certificate_file = server_files().certificate,
                                      .key_file = server_files().key,
                                      .alpn = {"http/1.1"}});
    }
    return {.on_open =
                [this](Stream& client) {
                  client.state<Connection>().session = *Session::make(*context_);
                },
            .on_data = [this, answered](
                           Stream& client,
                           const Slice& slice) { receive(client, slice.view(), answered); },
            .on_end =
                [this](Stream& client) {
                  truncated_ += client.state<Connection>().session->finish() ? 0 : 1;
                  client.close();
                },
            .state = state_of<Connection>()};
  }
  void receive(Stream& client, std::string_view bytes,
               const std::function<void(Stream&)>& answered) {
    Connection& own = client.state<Connection>();
    while (client.is_open()) {
      const auto event = own.session->next(bytes, room_);
      if (!event) {
        refusal_ = event.error().code().message();
        flush(client);
        return client.close();
      }
      if (*event == Session::Event::kNeedMore || *event == Session::Event::kEnd) break;
      if (*event == Session::Event::kHandshake) {
        resumed_ += own.session->was_resumed() ? 1 : 0;
        name_ = own.session->server_name();
        who_ = own.session->peer_subject();
      }
      if (*event == Session::Event::kPlaintext) count(client, answered);
    }
    if (client.is_open()) flush(client);
  }
  void count(Stream& client, const std::function<void(Stream&)>& answered) {
    Connection& own = client.state<Connection>();
    std::string_view bytes = own.session->plaintext();
    while (client.is_open()) {
      const auto event = own.parser.next(bytes);
      ASSERT_TRUE(event) << event.error().message();
      if (*event == http::MessageParser::Event::kNeedMore) return;
      if (*event == http::MessageParser::Event::kMessage) answered(client);
    }
  }
  StreamOptions greeting() {
    return serving([](Stream& client) { answer(client, kHello); });
  }
  void expect_all_answered(const LoadReport& report) {
    EXPECT_GT(requests_of(report).answered, 0U);
    EXPECT_EQ(requests_of(report).answered, requests_of(report).scheduled);
    EXPECT_TRUE(report.troubles.empty()) << report.troubles.begin()->first.second;
  }
  void expect_refused(const LoadReport& report, std::string_view words) {
    const Verdict verdict = judge(report, options_);
    EXPECT_EQ(verdict.status, kTlsFailed);
    EXPECT_NE(verdict.reason.find(words), std::string::npos) << verdict.reason;
    EXPECT_TRUE(verdict.reason.starts_with("TLS with " + options_.tls.server_name));
    EXPECT_EQ(report.connected, 0U);
  }

  std::optional<tls::Context> context_;
  std::array<char, Session::kRecordBytes> room_{};
  uint64_t resumed_ = 0;
  uint64_t truncated_ = 0;
  std::string name_;
  std::string who_;
  std::string refusal_;
};

TEST_P(HttpsLoad, RequestsAreAnswered) {
  use({});
  const LoadReport report = run(greeting());
  expect_all_answered(report);
  const Handshakes& handshakes = report.record.handshakes;
  EXPECT_EQ(handshakes.times.count(), options_.connections);
  EXPECT_EQ(handshakes.resumed, 0U);
  ASSERT_EQ(handshakes.agreed.size(), 1U);
  EXPECT_EQ(handshakes.agreed.begin()->first, "TLSv1.3, TLS_AES_256_GCM_SHA384, http/1.1");
  EXPECT_EQ(handshakes.agreed.begin()->second, options_.connections);
  EXPECT_EQ(report.connected, options_.connections);
  EXPECT_EQ(name_, "localhost");
  EXPECT_EQ(truncated_, 0U);  // it says when it ends
}

TEST_P(HttpsLoad, PipelinedAndPaced) {
  use({});
  options_.depth = 16;
  expect_all_answered(run(greeting()));
  pace(2000);
  const LoadReport report = run(greeting());
  expect_all_answered(report);
}

TEST_P(HttpsLoad, AnAnswerOfManyRecordsComesInAnyPieces) {
  use({});
  const std::string body(50'000, 'x');
  const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + body;
  options_.http.expected_text = body;
  expect_all_answered(run(serving([&](Stream& client) {
    for (size_t at = 0; at < text.size(); at += 7000) {
      answer(client, std::string_view(text).substr(at, 7000));
    }
  })));
}

TEST_P(HttpsLoad, TheFirstByteComesBeforeTheLast) {
  use({});
  options_.duration = GetParam().simulated ? 20ms : 500ms;
  const LoadReport report = run(serving([this](Stream& client) {
    answer(client, kHello.substr(0, 20));
    reactor().start_timer(1ms, [client]() mutable {
      if (client.is_open()) answer(client, kHello.substr(20));
    });
  }));
  expect_all_answered(report);
  EXPECT_GE(report.record.service.minimum(), 1ms / 1ns);
  EXPECT_LT(report.record.first_byte.minimum(), report.record.service.minimum());
}

TEST_P(HttpsLoad, SessionsAreResumedWhereThatIsAskedFor) {
  options_.requests_per_connection = 10;
  for (const bool resume : {false, true}) {
    resumed_ = 0;
    use({.resume = resume});
    const LoadReport report = run(greeting());
    expect_all_answered(report);
    EXPECT_GT(report.record.handshakes.times.count(), 2 * options_.connections);
    // The first of each seat cannot be.
    EXPECT_EQ(report.record.handshakes.resumed,
              resume ? report.record.handshakes.times.count() - options_.connections : 0);
    EXPECT_EQ(resumed_, report.record.handshakes.resumed);
    EXPECT_EQ(truncated_, 0U);
  }
}

TEST_P(HttpsLoad, AnotherNameMayBeAskedFor) {
  use({.server_name = "127.0.0.1"});
  expect_all_answered(run(greeting()));
  EXPECT_EQ(name_, "");
  use({.server_name = "example.org", .is_insecure = true});
  expect_all_answered(run(greeting()));
  EXPECT_EQ(name_, "example.org");
}

TEST_P(HttpsLoad, AWrongCertificateEndsTheRun) {
  use({.server_name = "example.org"});
  expect_refused(run(greeting()), "hostname mismatch (the certificate of CN=server); --sni NAME");
  // The server learns why.
  EXPECT_NE(refusal_.find("alert bad certificate"), std::string::npos) << refusal_;
  const Authority other("Another");
  use({.ca_file = other.file()});
  expect_refused(run(greeting()), "unable to get local issuer certificate");
  EXPECT_NE(refusal_.find("alert unknown ca"), std::string::npos) << refusal_;
}

TEST_P(HttpsLoad, AClientsCertificate) {
  const Authority::Files files = authority().issue({.common_name = "client", .names = ""});
  context_ = *tls::Context::make({.role = tls::Context::Role::kServer,
                                  .verify = true,
                                  .ca_file = authority().file(),
                                  .certificate_file = server_files().certificate,
                                  .key_file = server_files().key});
  use({.certificate_file = files.certificate, .key_file = files.key});
  expect_all_answered(run(greeting()));
  EXPECT_EQ(who_, "CN=client");
  use({});
  const LoadReport report = run(greeting());
  EXPECT_EQ(judge(report, options_).status, kTlsFailed);
  EXPECT_NE(judge(report, options_).reason.find("certificate required"), std::string::npos);
  EXPECT_EQ(refusal_, "peer did not return a certificate");
}

TEST_P(HttpsLoad, WhatIsNoTlsIsTold) {
  use({});
  options_.duration = 50ms;
  expect_refused(run({.on_data =
                          [](Stream& client, const Slice&) {
                            client.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
                            client.close();
                          }}),
                 "wrong version number: what the peer speaks there is most likely not TLS");
  expect_refused(run({.on_data = [](Stream& client, const Slice&) { client.close(); }}),
                 "closed the connection amid the handshake");
}

TEST_P(HttpsLoad, AServerThatSaysNothingIsGivenUp) {
  use({});
  options_.timeout = 300ms;
  expect_refused(run({.on_data = [](Stream&, const Slice&) {}}), "no handshake in time");
}

TEST_P(HttpsLoad, AServerMayEndAfterAnAnswer) {
  use({});
  if (GetParam().simulated) options_.duration = 200us;
  // With its length, without one, and told by close_notify alone.
  for (const std::string_view text :
       {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n\r\nuntil the end"}) {
    for (const bool closes : {true, false}) {
      const LoadReport report = run(serving([&](Stream& client) {
        Session& session = *client.state<Connection>().session;
        ASSERT_TRUE(session.send(text));
        session.shutdown();
        flush(client);
        if (closes) client.close();
      }));
      expect_all_answered(report);
      EXPECT_GE(report.connected, requests_of(report).answered);
    }
  }
}

TEST_P(HttpsLoad, AnAnswerThatMayHaveBeenCutOffIsLost) {
  use({});
  if (GetParam().simulated) options_.duration = 200us;
  const LoadReport report = run(serving([](Stream& client) {
    answer(client, "HTTP/1.1 200 OK\r\n\r\nuntil the end?");
    client.close();
  }));
  EXPECT_EQ(requests_of(report).answered, 0U);
  EXPECT_EQ(main_cause(report.troubles, Trouble::kLost),
            "closed by the server, without TLS's close_notify");
}

TEST_P(HttpsLoad, ChurnIsSurvived) {
  use({.resume = true});
  options_.churn_per_second = 200;
  options_.duration = 200ms;
  pace(1000);
  const LoadReport report = run(greeting());
  EXPECT_GT(report.churned.reset + report.churned.closed + report.churned.half_closed, 0U);
  EXPECT_GT(requests_of(report).answered, 0U);
  EXPECT_TRUE(report.troubles.empty()) << report.troubles.begin()->first.second;
}

EDDY_ON_EVERY_CONFIGURATION(HttpsLoad);

TEST(TlsOptions, WhatDoesNotFitTogetherIsRefused) {
  const auto https = *http::Url::parse("https://localhost/");
  const auto http = *http::Url::parse("http://localhost/");
  EXPECT_TRUE(make_tls({}, http));
  EXPECT_FALSE(make_tls({}, http)->context);
  EXPECT_FALSE(make_tls({.is_insecure = true}, http));
  EXPECT_TRUE(make_tls({}, https)->context);
  EXPECT_EQ(make_tls({}, https)->server_name, "localhost");
  EXPECT_EQ(make_tls({.server_name = "a"}, https)->server_name, "a");
  EXPECT_FALSE(make_tls({.key_file = server_files().key}, https));
  EXPECT_FALSE(make_tls({.ca_file = "/nowhere"}, https));
}

}  // namespace
}  // namespace eddy::load
