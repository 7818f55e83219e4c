// Messages that are wrong, or that two readers could understand differently, by which requests are
// smuggled: each is refused, at the same place however it is cut into pieces.
#include <eddy/net/http/message_parser.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "transcript.h"

namespace eddy::http::test {
namespace {

using Event = MessageParser::Event;

constexpr MessageParser::Options kRequests = {.type = MessageParser::Type::kRequest};
constexpr MessageParser::Options kResponses = {.type = MessageParser::Type::kResponse};

struct Case {
  const char* section;  // of RFC 9112
  std::string bytes;
  Errc code;
};

// The code of the first error, and that it stays.
std::error_code error_of(const MessageParser::Options& options, std::string_view bytes) {
  MessageParser parser(options);
  for (;;) {
    const auto event = parser.next(bytes);
    if (!event) {
      std::string_view more = "GET / HTTP/1.1\r\n\r\n";
      const auto again = parser.next(more);
      EXPECT_FALSE(again);
      EXPECT_EQ(again.error().message(), event.error().message());
      EXPECT_FALSE(parser.finish());
      return event.error().code();
    }
    if (*event == Event::kNeedMore) break;
  }
  const auto event = parser.finish();
  return event ? std::error_code() : event.error().code();
}

void expect_refused(MessageParser::Options options, const Case& one) {
  SCOPED_TRACE(std::string(one.section) + ": " + one.bytes);
  const std::string whole = transcript_of(options, one.bytes);
  for (size_t piece = 1; piece < 5; ++piece) {
    EXPECT_EQ(transcript_of(options, one.bytes, piece), whole);
  }
  for (size_t cut = 0; cut <= one.bytes.size(); ++cut) {
    Transcript transcript(options);
    transcript.feed(std::string_view(one.bytes).substr(0, cut));
    transcript.feed(std::string_view(one.bytes).substr(cut));
    transcript.finish();
    ASSERT_EQ(transcript.text(), whole) << "cut at " << cut;
  }
  EXPECT_EQ(error_of(options, one.bytes), one.code) << whole;
  options.want_body = false;
  EXPECT_EQ(error_of(options, one.bytes), one.code) << "without a body";
}

std::string post(std::string_view headers) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(headers) + "\r\n\r\nhello";
}

std::string chunked(std::string_view body) {
  return "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body);
}

TEST(HttpRefusal, LengthsThatMayBeReadInTwoWays) {
  const Case cases[] = {
      // Content-Length beside Transfer-Encoding, in either order.
      {"6.3", post("Content-Length: 5\r\nTransfer-Encoding: chunked"),
       Errc::kUnexpectedContentLength},
      {"6.3", post("Transfer-Encoding: chunked\r\nContent-Length: 5"),
       Errc::kUnexpectedContentLength},
      // Several lengths, equal ones too.
      {"6.3", post("Content-Length: 5\r\nContent-Length: 6"), Errc::kUnexpectedContentLength},
      {"6.3", post("Content-Length: 5\r\nContent-Length: 5"), Errc::kUnexpectedContentLength},
      {"6.3", post("Content-Length: 5, 5"), Errc::kInvalidContentLength},
      // What is no number of digits (RFC 9110, section 8.6).
      {"6.3", post("Content-Length: +5"), Errc::kInvalidContentLength},
      {"6.3", post("Content-Length: -5"), Errc::kInvalidContentLength},
      {"6.3", post("Content-Length: 0x5"), Errc::kInvalidContentLength},
      {"6.3", post("Content-Length: 5a"), Errc::kInvalidContentLength},
      {"6.3", post("Content-Length: 5 5"), Errc::kInvalidContentLength},
      {"6.3", post("Content-Length:"), Errc::kInvalidContentLength},
      {"6.3", post("Content-Length: 18446744073709551616"), Errc::kInvalidContentLength},
      // A coding of which the last is not chunked, chunked twice, or none.
      {"6.1", post("Transfer-Encoding: gzip"), Errc::kInvalidTransferEncoding},
      {"6.1", post("Transfer-Encoding: xchunked"), Errc::kInvalidTransferEncoding},
      {"6.1", post("Transfer-Encoding: \"chunked\""), Errc::kInvalidTransferEncoding},
      {"6.1", post("Transfer-Encoding: chunked;q=1"), Errc::kInvalidTransferEncoding},
      {"6.1", post("Transfer-Encoding: chunked, gzip"), Errc::kInvalidTransferEncoding},
      {"6.1", post("Transfer-Encoding: chunked, chunked"), Errc::kInvalidTransferEncoding},
      {"6.1", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
       Errc::kInvalidTransferEncoding},
      {"6.1", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
       Errc::kInvalidTransferEncoding},
      {"6.1", post("Transfer-Encoding: "), Errc::kInvalidTransferEncoding},
      {"5.1",
       post("Transfer-Encoding: \x0b"
            "chunked"),
       Errc::kInvalidHeaderToken},
  };
  for (const Case& one : cases) expect_refused(kRequests, one);
  for (const char* both : {"Content-Length: 5\r\nTransfer-Encoding: chunked",
                           "Transfer-Encoding: chunked\r\nContent-Length: 5"}) {
    expect_refused(kResponses, {"6.3", std::string("HTTP/1.1 200 OK\r\n") + both + "\r\n\r\n",
                                Errc::kUnexpectedContentLength});
  }
}

TEST(HttpRefusal, LinesThatMayBeReadInTwoWays) {
  const Case cases[] = {
      // A bare line feed or carriage return.
      {"2.2", "GET / HTTP/1.1\nHost: a\r\n\r\n", Errc::kInvalidHeaderToken},
      {"2.2", "GET / HTTP/1.1\r\nHost: a\n\r\n", Errc::kInvalidHeaderToken},
      {"2.2", "GET / HTTP/1.1\r\nHost: a\r\n\n", Errc::kInvalidHeaderToken},
      {"2.2", "\nGET / HTTP/1.1\r\n\r\n", Errc::kInvalidHeaderToken},
      {"2.2", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", Errc::kLfExpected},
      {"2.2", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Errc::kLfExpected},
      {"2.2", "GET / HTTP/1.1\r\nHost: a\r\n\rX", Errc::kStrict},
      // White space before the first header, and a folded one.
      {"2.2", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Errc::kInvalidHeaderToken},
      {"5.2", "GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", Errc::kInvalidHeaderToken},
      {"5.2", "GET / HTTP/1.1\r\nX:\r\n\tb\r\n\r\n", Errc::kInvalidHeaderToken},
      {"5.2", "GET / HTTP/1.1\r\nX: a\r\n \r\n\r\n", Errc::kInvalidHeaderToken},
      {"5.2", "POST / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
       Errc::kInvalidHeaderToken},
      // White space between a name and its colon; names that are none.
      {"5.1", "GET / HTTP/1.1\r\nX : a\r\n\r\n", Errc::kInvalidHeaderToken},
      {"5.1", "GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\nhello", Errc::kInvalidHeaderToken},
      {"5.1", "GET / HTTP/1.1\r\nX Y: a\r\n\r\n", Errc::kInvalidHeaderToken},
      {"5.1", "GET / HTTP/1.1\r\n: a\r\n\r\n", Errc::kInvalidHeaderToken},
      {"5.1", "GET / HTTP/1.1\r\nX\r\n\r\n", Errc::kInvalidHeaderToken},
      {"5.1", "GET / HTTP/1.1\r\nX\x01: a\r\n\r\n", Errc::kInvalidHeaderToken},
      // Control characters in a value (RFC 9110, section 5.5).
      {"5.1", std::string("GET / HTTP/1.1\r\nX: a") + '\0' + "\r\n\r\n", Errc::kInvalidHeaderToken},
      {"5.1", "GET / HTTP/1.1\r\nX: a\x7f\r\n\r\n", Errc::kInvalidHeaderToken},
  };
  for (const Case& one : cases) expect_refused(kRequests, one);
  expect_refused(kResponses,
                 {"5.2", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", Errc::kInvalidHeaderToken});
  expect_refused(kResponses,
                 {"2.2", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", Errc::kInvalidHeaderToken});
}

TEST(HttpRefusal, ChunksThatMayBeReadInTwoWays) {
  const Case cases[] = {
      {"7.1", chunked("-1\r\n"), Errc::kInvalidChunkSize},
      {"7.1", chunked("0x5\r\nhello\r\n0\r\n\r\n"), Errc::kInvalidChunkSize},
      {"7.1", chunked(" 5\r\nhello\r\n0\r\n\r\n"), Errc::kInvalidChunkSize},
      {"7.1", chunked("\r\nhello\r\n"), Errc::kInvalidChunkSize},
      {"7.1", chunked("10000000000000000\r\n"), Errc::kInvalidChunkSize},
      {"7.1", chunked("5\r\nhelloX\r\n0\r\n\r\n"), Errc::kStrict},
      {"7.1", chunked("5\r\nhello\n0\r\n\r\n"), Errc::kStrict},
      {"7.1", chunked("5\r\nhello0\r\n\r\n"), Errc::kStrict},
      {"7.1.1", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), Errc::kStrict},
      {"7.1.1", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"), Errc::kInvalidHeaderToken},
      {"7.1.2", chunked("0\r\n\n"), Errc::kInvalidHeaderToken},
      {"7.1.2", chunked("0\r\nA: b\r\n c\r\n\r\n"), Errc::kInvalidHeaderToken},
      {"7.1.2", chunked("0\r\n\rX"), Errc::kStrict},
  };
  for (const Case& one : cases) expect_refused(kRequests, one);
}

TEST(HttpRefusal, StartLines) {
  const Case requests[] = {
      {"3", " GET / HTTP/1.1\r\n\r\n", Errc::kInvalidMethod},
      {"3.1", "get / HTTP/1.1\r\n\r\n", Errc::kInvalidMethod},
      {"3.1", "FROB / HTTP/1.1\r\n\r\n", Errc::kInvalidMethod},
      {"3", "GET\t/ HTTP/1.1\r\n\r\n", Errc::kInvalidMethod},
      {"3.2", "GET a HTTP/1.1\r\n\r\n", Errc::kInvalidUrl},
      {"3.2", "GET /\x01 HTTP/1.1\r\n\r\n", Errc::kInvalidUrl},
      {"3.2", "GET /\xc3\xa9 HTTP/1.1\r\n\r\n", Errc::kInvalidUrl},
      {"2.3", "GET /\r\n\r\n", Errc::kInvalidVersion},
      {"2.3", "GET / HTTP/0.9\r\n\r\n", Errc::kInvalidVersion},
      {"2.3", "GET / HTTP/1.2\r\n\r\n", Errc::kInvalidVersion},
      {"2.3", "GET / HTTP/2.0\r\n\r\n", Errc::kInvalidVersion},
      {"2.3", "GET / HTTP/1.1 \r\n\r\n", Errc::kInvalidVersion},
      {"2.3", "GET / http/1.1\r\n\r\n", Errc::kInvalidConstant},
      {"2.3", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Errc::kHttp2},
      {"3", "HTTP/1.1 200 OK\r\n\r\n", Errc::kInvalidMethod},
      {"3", std::string("\x16\x03\x01\x02", 4), Errc::kInvalidMethod},  // of TLS
  };
  for (const Case& one : requests) expect_refused(kRequests, one);
  const Case responses[] = {
      {"4", "garbage", Errc::kInvalidConstant},
      {"4", "GET / HTTP/1.1\r\n\r\n", Errc::kInvalidConstant},
      {"4", "HTTP/1.1 2x0 OK\r\n\r\n", Errc::kInvalidStatus},
      {"4", "HTTP/1.1 99 OK\r\n\r\n", Errc::kInvalidStatus},
      {"4", "HTTP/1.1 1000 OK\r\n\r\n", Errc::kInvalidStatus},
      {"2.3", "HTTP/2.0 200 OK\r\n\r\n", Errc::kInvalidVersion},
      {"2.3", "HTTP/1.2 200 OK\r\n\r\n", Errc::kInvalidVersion},
  };
  for (const Case& one : responses) expect_refused(kResponses, one);
}

TEST(HttpRefusal, AnInputThatEndsAmidAMessage) {
  // RFC 9112, section 8. What ends with the connection is not among them.
  const std::string messages[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
  };
  for (const std::string& message : messages) {
    for (size_t end = 1; end < message.size(); ++end) {
      EXPECT_EQ(error_of(kResponses, message.substr(0, end)), Errc::kInvalidEofState) << end;
    }
    EXPECT_EQ(error_of(kResponses, message), std::error_code());
  }
  EXPECT_EQ(error_of(kResponses, ""), std::error_code());
  EXPECT_EQ(error_of(kRequests, "\r\n"), std::error_code());
}

TEST(HttpRefusal, AnErrorTellsTheByte) {
  std::string_view bytes = "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\x01\r\n\r\n";
  MessageParser parser(kRequests);
  ASSERT_EQ(parser.next(bytes), Event::kHead);
  ASSERT_EQ(parser.next(bytes), Event::kMessage);
  const auto event = parser.next(bytes);
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message(),
            "HTTP request byte 41: invalid header token (Invalid header value char)");
  EXPECT_STREQ(event.error().code().category().name(), "http");
}

// A message of as many bytes of framing as the bound is taken, one with a byte more is not.
TEST(HttpRefusal, FramingIsBounded) {
  constexpr size_t kMax = 100;
  const auto filled = [](std::string_view front, std::string_view back, size_t size) {
    return std::string(front) + std::string(size - front.size() - back.size(), 'a') +
           std::string(back);
  };
  struct Framing {
    const char* name;
    std::string before;
    std::string front;
    std::string back;
    std::string behind;
  };
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const Framing framings[] = {
      {"a header", "", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: ", "\r\n\r\n", "ok"},
      {"a reason", "", "HTTP/1.1 200 ", "\r\nContent-Length: 2\r\n\r\n", "ok"},
      {"an extension", head, "1;", "\r\n", "x\r\n0\r\n\r\n"},
      {"an extension behind a chunk", head + "1\r\nx", "\r\n1;", "\r\n", "x\r\n0\r\n\r\n"},
      {"trailers", head + "1\r\nx", "\r\n0\r\nX: ", "\r\n\r\n", ""},
  };
  for (const bool keep_headers : {true, false}) {
    const MessageParser::Options options = {.type = MessageParser::Type::kResponse,
                                            .max_head_bytes = kMax,
                                            .keep_headers = keep_headers};
    for (const Framing& one : framings) {
      for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{7}}) {
        SCOPED_TRACE(std::string(one.name) + " in pieces of " + std::to_string(piece));
        const std::string fits = one.before + filled(one.front, one.back, kMax) + one.behind +
                                 one.before + filled(one.front, one.back, kMax) + one.behind;
        const std::string text = transcript_of(options, fits, piece);
        EXPECT_FALSE(text.contains("HTTP response")) << text;
        const std::string too_long =
            one.before + filled(one.front, one.back, kMax + 1) + one.behind;
        const std::string refused = transcript_of(options, too_long, piece);
        EXPECT_TRUE(refused.contains("head too long")) << refused;
      }
    }
  }
}

TEST(HttpRefusal, InterimResponsesThatAreSkippedAreBounded) {
  std::string bytes;
  while (bytes.size() < 2000) bytes += "HTTP/1.1 100 Continue\r\n\r\n";
  for (const bool keep_headers : {true, false}) {
    const MessageParser::Options options = {.type = MessageParser::Type::kResponse,
                                            .max_head_bytes = 1000,
                                            .keep_headers = keep_headers};
    EXPECT_EQ(error_of(options, bytes), Errc::kHeadTooLong);
    EXPECT_EQ(transcript_of(options, bytes, 1), transcript_of(options, bytes));
  }
}

TEST(HttpRefusal, ABodyIsNotBounded) {
  const MessageParser::Options options = {.type = MessageParser::Type::kResponse,
                                          .max_head_bytes = 64};
  const std::string body(1000, 'x');
  const std::string bytes = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + body +
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + body +
                            "\r\n0\r\n\r\n";
  EXPECT_EQ(transcript_of(options, bytes),
            "[200 OK Content-Length=1000] body(" + body + ") message(keep-alive) " +
                "[200 OK Transfer-Encoding=chunked] body(" + body + ") message(keep-alive) ");
}

TEST(HttpRefusal, GarbageEndsInAnErrorOrNeedsMore) {
  std::mt19937 random(1);
  const std::string seed = chunked("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n") + post("X: y");
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = seed;
    for (int k = 0; k < 3; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    const std::string whole = transcript_of(kRequests, bytes);
    EXPECT_EQ(transcript_of(kRequests, bytes, 1 + random() % 20), whole);
  }
}

}  // namespace
}  // namespace eddy::http::test
