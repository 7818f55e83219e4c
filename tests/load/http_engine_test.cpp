// Runs against a small HTTP server: what counts as an answer, and what becomes of the connection.
#include <eddy/net/http/message_parser.h>

#include <array>
#include <functional>
#include <string>

#include "load/http_request.h"
#include "load_test.h"

namespace eddy::load {
namespace {

constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

class HttpLoad : public LoadTest {
 protected:
  HttpLoad() {
    options_.protocol = Protocol::kHttp;
    ask({});
  }
  void ask(const HttpRequest& request) {
    const auto url = http::Url::parse("http://127.0.0.1/a?b=c");
    const auto text = wire_format(request, *url);
    ASSERT_TRUE(text) << text.error().message();
    options_.http.request = *text;
    options_.http.is_head = request.method == "HEAD";
  }

  struct Session {
    http::MessageParser parser{
        http::MessageParser::Options{.type = http::MessageParser::Type::kRequest}};
  };
  // `answer` is called for each request that has come whole.
  StreamOptions serving(std::function<void(Stream&, const http::MessageParser&)> answer) {
    return {.on_data =
                [this, answer](Stream& client, const Slice& slice) {
                  auto& parser = client.state<Session>().parser;
                  std::string_view bytes = slice.view();
                  for (;;) {
                    const auto event = parser.next(bytes);
                    ASSERT_TRUE(event) << event.error().message();
                    if (*event == http::MessageParser::Event::kNeedMore) return;
                    if (*event != http::MessageParser::Event::kMessage) continue;
                    ++asked_;
                    answer(client, parser);
                  }
                },
            .state = state_of<Session>()};
  }
  StreamOptions answering(std::string_view bytes) {
    return serving([bytes](Stream& client, const http::MessageParser&) {
      if (client.is_open()) client.send(bytes);
    });
  }
  void expect_all_answered(const LoadReport& report) {
    EXPECT_GT(requests_of(report).answered, 0U);
    EXPECT_GT(requests_of(report).answered, 0U);
    EXPECT_EQ(requests_of(report).answered, requests_of(report).scheduled);
    EXPECT_TRUE(report.troubles.empty()) << report.troubles.begin()->first.second;
  }
  uint64_t asked_ = 0;
};

TEST_P(HttpLoad, RequestsArriveAsTheyWereAskedFor) {
  ask({.method = "POST", .headers = {"Accept: text/html", "X-Load:1"}, .body = "a=b"});
  const LoadReport report = run(serving([](Stream& client, const http::MessageParser& request) {
    EXPECT_EQ(request.method(), "POST");
    EXPECT_EQ(request.target(), "/a?b=c");
    EXPECT_EQ(request.header("host"), "127.0.0.1");
    EXPECT_EQ(request.header("accept"), "text/html");
    EXPECT_EQ(request.header("x-load"), "1");
    EXPECT_EQ(request.body_bytes(), 3U);
    client.send(kHello);
  }));
  expect_all_answered(report);
}

TEST_P(HttpLoad, PipelinedRequestsAreAnsweredInOrder) {
  options_.depth = 16;
  expect_all_answered(run(answering(kHello)));
}

TEST_P(HttpLoad, AnswersComeInAnyPieces) {
  const LoadReport report = run(serving([this](Stream& client, const http::MessageParser&) {
    client.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    reactor().start_timer(1ms, [client]() mutable {
      if (client.is_open()) client.send("2\r\nde\r\n0\r\n\r\n");
    });
  }));
  expect_all_answered(report);
  EXPECT_GE(report.record.service.minimum(), 1ms / 1ns);
  EXPECT_LT(report.record.first_byte.minimum(), report.record.service.minimum());
}

TEST_P(HttpLoad, AStatusOf400AndAboveIsAWrongAnswer) {
  const LoadReport report = run(answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_EQ(requests_of(report).answered, 0U);
  EXPECT_EQ(requests_of(report).wrong, requests_of(report).scheduled);
  EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), "status 503");
  EXPECT_EQ(report.connected, options_.connections);  // they go on
}

TEST_P(HttpLoad, AnswersAreCountedByTheirStatus) {
  constexpr std::array<std::string_view, 3> kAnswers = {
      kHello, "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"};
  std::array<uint64_t, 3> sent{};
  options_.requests = 300;
  options_.duration = 1h;
  const LoadReport report = run(serving([&](Stream& client, const http::MessageParser&) {
    // So that what is known by its bytes is counted, too.
    const uint64_t which = asked_ / 20 % 3;
    ++sent[which];
    client.send(kAnswers[which]);
  }));
  const auto& classes = report.record.classes;
  EXPECT_EQ(classes[2], sent[0]);
  EXPECT_EQ(classes[3], sent[1]);
  EXPECT_EQ(classes[5], sent[2]);
  EXPECT_EQ(requests_of(report).answered, sent[0] + sent[1]);
  EXPECT_EQ(requests_of(report).wrong, sent[2]);
  EXPECT_GT(sent[1], 0U);
}

TEST_P(HttpLoad, TheStatusThatIsExpectedIsAnAnswer) {
  options_.http.expected_status = 404;
  expect_all_answered(run(answering("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")));
}

TEST_P(HttpLoad, ABodyWithoutTheExpectedTextIsAWrongAnswer) {
  options_.http.expected_text = "llo";
  expect_all_answered(run(answering(kHello)));
  options_.http.expected_text = "moon";
  const LoadReport report = run(answering(kHello));
  EXPECT_EQ(requests_of(report).wrong, requests_of(report).scheduled);
}

TEST_P(HttpLoad, AWrongAnswerAmongRightOnesThatAreAlikeIsFound) {
  options_.depth = 16;
  options_.http.expected_text = "hello";
  uint64_t wrong = 0;
  const LoadReport report = run(serving([&](Stream& client, const http::MessageParser&) {
    const bool is_wrong = asked_ % 50 == 49;
    wrong += is_wrong ? 1 : 0;
    client.send(is_wrong ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhullo" : kHello);
  }));
  EXPECT_GT(wrong, 0U);
  EXPECT_EQ(count_of(report.troubles, Trouble::kWrong), wrong);
  EXPECT_EQ(requests_of(report).answered + requests_of(report).wrong,
            requests_of(report).scheduled);
}

TEST_P(HttpLoad, AConnectionThatTheServerClosesAfterAnAnswerIsReplaced) {
  for (const std::string_view answer :
       {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n\r\nuntil the end", "HTTP/1.0 200 OK\r\n\r\nuntil the end"}) {
    const LoadReport report = run(serving([answer](Stream& client, const http::MessageParser&) {
      if (!client.is_open()) return;
      client.send(answer);
      client.close();
    }));
    expect_all_answered(report);
    EXPECT_GE(report.connected, requests_of(report).answered);
  }
}

TEST_P(HttpLoad, AnIdleConnectionMayBeClosed) {
  pace(200);
  options_.duration = 200ms;
  options_.connections = 8;
  const LoadReport report = run(serving([this](Stream& client, const http::MessageParser&) {
    client.send(kHello);
    reactor().start_timer(5ms, [client]() mutable {
      if (client.is_open()) client.close();
    });
  }));
  // Where time is real, a request may meet the close on its way.
  EXPECT_LE(requests_of(report).lost, GetParam().simulated ? 0 : requests_of(report).answered);
  EXPECT_GT(report.connected, 8U);
}

TEST_P(HttpLoad, TheAnswerToHeadHasNoBody) {
  ask({.method = "HEAD"});
  expect_all_answered(run(answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")));
}

TEST_P(HttpLoad, WhatIsNoHttpEndsTheConnection) {
  const LoadReport report = run(answering("SSH-2.0-OpenSSH\r\n"));
  EXPECT_EQ(requests_of(report).answered, 0U);
  EXPECT_EQ(judge(report, options_).status, kWrongAnswer);
}

EDDY_ON_EVERY_CONFIGURATION(HttpLoad);

TEST(HttpRequest, WhatWouldBreakTheMessageIsRefused) {
  const auto url = *http::Url::parse("http://localhost:8080/");
  EXPECT_EQ(*wire_format({}, url), "GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
  EXPECT_FALSE(wire_format({.method = "GET /"}, url));
  EXPECT_FALSE(wire_format({.headers = {"no colon"}}, url));
  EXPECT_FALSE(wire_format({.headers = {"A: b\r\nC: d"}}, url));
  EXPECT_FALSE(wire_format({.headers = {"A b: c"}}, url));
  EXPECT_FALSE(wire_format({.body_file = "/nowhere/body"}, url));
}

}  // namespace
}  // namespace eddy::load
