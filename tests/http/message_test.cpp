// Messages that are right: what comes out of them, however they are cut into pieces.
#include <eddy/net/http/message_parser.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "transcript.h"

namespace eddy::http::test {
namespace {

using Event = MessageParser::Event;

constexpr MessageParser::Options kRequests = {.type = MessageParser::Type::kRequest};
constexpr MessageParser::Options kResponses = {.type = MessageParser::Type::kResponse};
constexpr MessageParser::Options kBare = {
    .type = MessageParser::Type::kResponse, .keep_headers = false, .want_body = false};

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::string_view kOkText = "[200 OK Content-Length=2] body(ok) message(keep-alive) ";

// The whole at once, byte by byte, and in two pieces cut at each place.
void expect_transcript(const MessageParser::Options& options, std::string_view bytes,
                       std::string_view expected, bool expect_no_body = false) {
  for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{3}, size_t{7}}) {
    EXPECT_EQ(transcript_of(options, bytes, piece, expect_no_body), expected) << bytes;
  }
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Transcript transcript(options);
    transcript.parser().expect_no_body(expect_no_body);
    transcript.feed(bytes.substr(0, cut));
    transcript.feed(bytes.substr(cut));
    transcript.finish();
    ASSERT_EQ(transcript.text(), expected) << "cut at " << cut << ": " << bytes;
  }
}

std::string repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(HttpMessage, Request) {
  expect_transcript(kRequests,
                    "GET /search?q=a%20b&lang=en HTTP/1.1\r\n"
                    "Host: www.example.org\r\n"
                    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101\r\n"
                    "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
                    "Cookie: a=1; b=\"2\"\r\n"
                    "X-Empty:\r\n"
                    "X-Blank: \t\r\n"
                    "X-Padded: \t in the middle\t\t \r\n"
                    "\r\n",
                    "[GET /search?q=a%20b&lang=en Host=www.example.org"
                    " User-Agent=Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101"
                    " Accept=text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
                    " Cookie=a=1; b=\"2\" X-Empty= X-Blank= X-Padded=in the middle]"
                    " message(keep-alive) ");
}

TEST(HttpMessage, RequestWithABody) {
  expect_transcript(kRequests,
                    "POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nx=1&y=2\r\n\r\n",
                    "[POST /form Host=a Content-Length=11] body(x=1&y=2\r\n\r\n)"
                    " message(keep-alive) ");
}

TEST(HttpMessage, TargetsInTheirFourForms) {
  // RFC 9112, section 3.2.
  for (const char* line : {"GET /a", "GET http://example.org:80/a?b", "OPTIONS *"}) {
    expect_transcript(kRequests, std::string(line) + " HTTP/1.1\r\n\r\n",
                      "[" + std::string(line) + "] message(keep-alive) ");
  }
  expect_transcript(kRequests, "CONNECT example.org:443 HTTP/1.1\r\n\r\n",
                    "[CONNECT example.org:443] message(keep-alive) left: ");
}

TEST(HttpMessage, Response) {
  expect_transcript(kResponses,
                    "HTTP/1.1 404 Not Found\r\nServer: nginx/1.22.1\r\n"
                    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/html\r\n"
                    "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n<br/>",
                    "[404 Not Found Server=nginx/1.22.1 Date=Sun, 06 Nov 1994 08:49:37 GMT"
                    " Content-Type=text/html Content-Length=5 Connection=keep-alive]"
                    " body(<br/>) message(keep-alive) ");
}

TEST(HttpMessage, AReasonMayBeMissing) {
  expect_transcript(kResponses, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
                    "[200  Content-Length=0] message(keep-alive) ");
}

TEST(HttpMessage, SixteenPipelined) {
  expect_transcript(kResponses, repeated(kOk, 16), repeated(kOkText, 16));
  expect_transcript(kRequests, repeated("GET /a HTTP/1.1\r\nHost: b\r\n\r\n", 16),
                    repeated("[GET /a Host=b] message(keep-alive) ", 16));
  expect_transcript(kBare, repeated(kOk, 16), repeated("message(keep-alive) ", 16));
}

TEST(HttpMessage, EmptyLinesBeforeAMessageAreSkipped) {
  // RFC 9112, section 2.2.
  expect_transcript(kRequests, "\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
                    "[GET /] message(keep-alive) [GET /] message(keep-alive) ");
}

TEST(HttpMessage, ChunkedWithExtensionsAndTrailers) {
  // RFC 9112, section 7.1.
  expect_transcript(kResponses,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5\r\nhello\r\n1;name=value\r\n,\r\n0A;flag\r\n 6789\r\n789\r\n000\r\n"
                    "Digest: abc \r\nX-Last:\r\n\r\n" +
                        std::string(kOk),
                    "[200 OK Transfer-Encoding=chunked] body(hello, 6789\r\n789)"
                    " message(keep-alive Digest=abc X-Last=) " +
                        std::string(kOkText));
  expect_transcript(
      kRequests, "PUT /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      "[PUT /a Transfer-Encoding=gzip, chunked] body(abc) message(keep-alive) ");
}

TEST(HttpMessage, ALengthInATrailerMeansNothing) {
  // RFC 9110, section 6.5.1.
  const std::string request =
      "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 99\r\n\r\n";
  expect_transcript(kRequests, request + "GET /b HTTP/1.1\r\n\r\n",
                    "[POST /a Transfer-Encoding=chunked] message(keep-alive Content-Length=99)"
                    " [GET /b] message(keep-alive) ");
}

TEST(HttpMessage, ResponsesThatHaveNoBodyWhateverTheyTell) {
  // RFC 9112, section 6.3, item 1.
  for (const char* status : {"204 No Content", "304 Not Modified"}) {
    for (const char* framing : {"Content-Length: 10", "Transfer-Encoding: chunked", "X: y"}) {
      const std::string head = std::string("HTTP/1.1 ") + status + "\r\n" + framing + "\r\n\r\n";
      EXPECT_EQ(transcript_of(kBare, head + std::string(kOk)),
                "message(keep-alive) message(keep-alive) ");
      const std::string text = transcript_of(kResponses, head + std::string(kOk));
      EXPECT_TRUE(text.ends_with("message(keep-alive) " + std::string(kOkText))) << text;
    }
  }
}

TEST(HttpMessage, ResponsesToHead) {
  // RFC 9110, section 6.4.1.
  const std::string heads =
      "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "HTTP/1.1 200 OK\r\n\r\n";
  expect_transcript(kResponses, heads,
                    "[200 OK Content-Length=99] message(keep-alive)"
                    " [200 OK Transfer-Encoding=chunked] message(keep-alive)"
                    " [200 OK] message(keep-alive) ",
                    true);
  expect_transcript(kBare, heads, repeated("message(keep-alive) ", 3), true);
}

TEST(HttpMessage, WhetherABodyIsExpectedMayChangeBetweenMessages) {
  const std::string bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + std::string(kOk);
  MessageParser parser(kResponses);
  std::string_view rest = bytes;
  parser.expect_no_body(true);
  EXPECT_EQ(parser.next(rest), Event::kHead);
  EXPECT_EQ(parser.content_length(), 2);
  EXPECT_EQ(parser.next(rest), Event::kMessage);
  EXPECT_EQ(rest, kOk);
  parser.expect_no_body(false);
  EXPECT_EQ(parser.next(rest), Event::kHead);
  EXPECT_EQ(parser.next(rest), Event::kBody);
  EXPECT_EQ(parser.body(), "ok");
}

TEST(HttpMessage, InterimResponses) {
  // RFC 9110, section 15.2.
  const std::string bytes =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" +
      std::string(kOk);
  expect_transcript(kResponses, bytes, kOkText);
  expect_transcript(kBare, bytes, "message(keep-alive) ");
  MessageParser::Options with_interim = kResponses;
  with_interim.want_interim = true;
  expect_transcript(with_interim, bytes,
                    "[100 Continue] message(keep-alive) [103 Early Hints Link=</a>]"
                    " message(keep-alive) " +
                        std::string(kOkText));
}

TEST(HttpMessage, AnotherProtocolsBytesAreLeft) {
  expect_transcript(kResponses,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\n\r\n\x81\x05hello",
                    "[101 Switching Protocols Upgrade=websocket Connection=Upgrade]"
                    " message(keep-alive) left: \x81\x05hello");
  expect_transcript(kRequests,
                    "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81",
                    "[GET /chat Upgrade=websocket Connection=Upgrade]"
                    " message(keep-alive) left: \x81");
  expect_transcript(kRequests,
                    "POST / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
                    "Content-Length: 2\r\n\r\nabPRI",
                    "[POST / Upgrade=h2c Connection=Upgrade Content-Length=2] body(ab)"
                    " message(keep-alive) left: PRI");
  expect_transcript(kRequests, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\nany",
                    "[CONNECT a:80 Host=a] message(keep-alive) left: any");
}

TEST(HttpMessage, WhoDoesNotUpgradeGoesOn) {
  const std::string bytes =
      "GET /a HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
  MessageParser parser(kRequests);
  std::string_view rest = bytes;
  EXPECT_EQ(parser.next(rest), Event::kHead);
  EXPECT_EQ(parser.next(rest), Event::kMessage);
  EXPECT_TRUE(parser.is_upgrade());
  EXPECT_EQ(parser.next(rest), Event::kHead);
  EXPECT_EQ(parser.target(), "/b");
  EXPECT_EQ(parser.next(rest), Event::kMessage);
  EXPECT_FALSE(parser.is_upgrade());
}

TEST(HttpMessage, AnUpgradeOfHttp10IsIgnored) {
  // RFC 9110, section 7.8.
  expect_transcript(kRequests,
                    "GET / HTTP/1.0\r\nUpgrade: x\r\nConnection: keep-alive, Upgrade\r\n\r\n",
                    "[GET / Upgrade=x Connection=keep-alive, Upgrade] message(keep-alive) ");
}

TEST(HttpMessage, ABodyThatEndsWithTheConnection) {
  // RFC 9112, section 6.3, items 4 and 8.
  expect_transcript(kResponses, "HTTP/1.1 200 OK\r\n\r\nabc", "[200 OK] body(abc) message(close) ");
  expect_transcript(kResponses, "HTTP/1.1 200 OK\r\n\r\n", "[200 OK] message(close) ");
  expect_transcript(kResponses, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
                    "[200 OK Transfer-Encoding=gzip] body(abc) message(close) ");
  expect_transcript(kBare, "HTTP/1.0 200 OK\r\n\r\nabc", "message(close) ");
}

TEST(HttpMessage, WhetherTheConnectionPersists) {
  // RFC 9112, section 9.3; of Transfer-Encoding in HTTP/1.0, section 6.1.
  struct Case {
    const char* version;
    const char* header;
    bool keep_alive;
  };
  static constexpr Case kCases[] = {
      {"1.1", "Content-Length: 0", true},
      {"1.1", "Content-Length: 0\r\nConnection: close", false},
      {"1.1", "Content-Length: 0\r\nconnection: Keep-Alive , CLOSE", false},
      {"1.1", "Content-Length: 0\r\nConnection: closed", true},
      {"1.1", "Connection: keep-alive", false},
      {"1.0", "Content-Length: 0", false},
      {"1.0", "Content-Length: 0\r\nConnection: keep-alive", true},
      {"1.0", "Connection: keep-alive", false},
      {"1.0", "Transfer-Encoding: chunked\r\nConnection: keep-alive", false},
  };
  for (const Case& one : kCases) {
    std::string bytes =
        std::string("HTTP/") + one.version + " 200 OK\r\n" + one.header + "\r\n\r\n";
    if (bytes.contains("chunked")) bytes += "0\r\n\r\n";
    EXPECT_EQ(transcript_of(kBare, bytes),
              one.keep_alive ? "message(keep-alive) " : "message(close) ")
        << bytes;
  }
}

TEST(HttpMessage, BehindTheLastMessageOnlyEmptyLinesMayCome) {
  const std::string last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  expect_transcript(kBare, last + "\r\n", "message(close) ");
  expect_transcript(kBare, last + "x",
                    "message(close) HTTP response byte 58: closed connection"
                    " (Data after `Connection: close`)");
}

TEST(HttpMessage, WhatTheHeadTells) {
  const std::string bytes =
      "POST /a HTTP/1.0\r\nContent-Length: 3\r\nSet: 1\r\nset: 2\r\nX-Long-Name: v\r\n\r\nabc";
  MessageParser parser(kRequests);
  EXPECT_EQ(parser.method(), "");
  EXPECT_EQ(parser.target(), "");
  std::string_view rest = bytes;
  ASSERT_EQ(parser.next(rest), Event::kHead);
  EXPECT_EQ(parser.method(), "POST");
  EXPECT_EQ(parser.target(), "/a");
  EXPECT_EQ(parser.minor_version(), 0);
  EXPECT_EQ(parser.content_length(), 3);
  EXPECT_FALSE(parser.is_chunked());
  EXPECT_EQ(parser.header_count(), 4U);
  EXPECT_EQ(parser.header("SET"), "1");
  EXPECT_EQ(parser.header("x-long-name"), "v");
  EXPECT_EQ(parser.header("X-Long"), std::nullopt);
  EXPECT_EQ(parser.trailer("Set"), std::nullopt);
  EXPECT_EQ(parser.body_bytes(), 0U);
  ASSERT_EQ(parser.next(rest), Event::kBody);
  EXPECT_EQ(parser.body_bytes(), 3U);
  ASSERT_EQ(parser.next(rest), Event::kMessage);
  EXPECT_EQ(parser.header("Set"), "1");
  EXPECT_EQ(parser.next(rest), Event::kNeedMore);
  EXPECT_EQ(parser.header("Set"), std::nullopt);
}

TEST(HttpMessage, WhatIsNotWantedIsCounted) {
  const std::string bytes =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n" +
      std::string(kOk);
  MessageParser parser(kBare);
  std::string_view rest = bytes;
  ASSERT_EQ(parser.next(rest), Event::kMessage);
  EXPECT_EQ(parser.status(), 200U);
  EXPECT_EQ(parser.body_bytes(), 8U);
  EXPECT_TRUE(parser.is_chunked());
  EXPECT_EQ(parser.content_length(), std::nullopt);
  EXPECT_EQ(rest, kOk);
  ASSERT_EQ(parser.next(rest), Event::kMessage);
  EXPECT_EQ(parser.body_bytes(), 2U);
  EXPECT_FALSE(parser.is_chunked());
}

TEST(HttpMessage, ARequestsTargetIsKeptWithoutItsHeaders) {
  const MessageParser::Options options = {.keep_headers = false, .want_body = false};
  expect_transcript(options, "GET /a HTTP/1.1\r\nHost: b\r\n\r\n", "message(keep-alive) ");
  MessageParser parser(options);
  std::string_view bytes = "GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
  ASSERT_EQ(parser.next(bytes), Event::kMessage);
  EXPECT_EQ(parser.method(), "GET");
  EXPECT_EQ(parser.target(), "/a");
  EXPECT_EQ(parser.header_count(), 0U);
}

TEST(HttpMessage, AParserMayMoveAmidAMessage) {
  const std::string bytes = "GET /a-target HTTP/1.1\r\nX-Header: value\r\n\r\n";
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    std::vector<MessageParser> parsers;
    parsers.emplace_back(kRequests);
    std::string_view first = std::string_view(bytes).substr(0, cut);
    std::string_view second = std::string_view(bytes).substr(cut);
    auto event = parsers[0].next(first);
    ASSERT_TRUE(event);
    MessageParser moved(std::move(parsers[0]));
    parsers.clear();
    if (*event == Event::kNeedMore) {
      ASSERT_EQ(moved.next(second), Event::kHead);
    }
    EXPECT_EQ(moved.target(), "/a-target");
    EXPECT_EQ(moved.header("X-Header"), "value");
    ASSERT_EQ(moved.next(second), Event::kMessage);
  }
}

TEST(HttpMessage, ResetBeginsAnotherConnection) {
  MessageParser parser(kResponses);
  std::string_view bytes = "HTTP/1.1 200 OK\r\nContent-Le";
  EXPECT_EQ(parser.next(bytes), Event::kNeedMore);
  parser.reset();
  bytes = "garbage";
  EXPECT_FALSE(parser.next(bytes));
  parser.reset();
  bytes = kOk;
  EXPECT_EQ(parser.next(bytes), Event::kHead);
  EXPECT_EQ(parser.header_count(), 1U);
  EXPECT_EQ(parser.next(bytes), Event::kBody);
  EXPECT_EQ(parser.next(bytes), Event::kMessage);
  EXPECT_EQ(parser.finish(), Event::kNeedMore);
}

}  // namespace
}  // namespace eddy::http::test
