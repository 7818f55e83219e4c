// What is written, and what is refused: a message that is taken for two is none that we send.
#include <eddy/net/http/message_writer.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "transcript.h"

namespace eddy::http::test {
namespace {

using std::string_view_literals::operator""sv;

TEST(HttpWriter, Request) {
  const Header headers[] = {{"Host", "example.org"}, {"Accept", "*/*"}};
  std::string out;
  ASSERT_TRUE(write_request(out, {.target = "/a?b", .headers = headers}));
  EXPECT_EQ(out, "GET /a?b HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n");
  out.clear();
  ASSERT_TRUE(write_request(out, {.method = "POST", .body = "x=1"}));
  EXPECT_EQ(out, "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nx=1");
  out.clear();
  ASSERT_TRUE(write_request(out, {.method = "POST", .body = ""}));
  EXPECT_EQ(out, "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
}

TEST(HttpWriter, RequestOfAUrl) {
  const auto url = Url::parse("http://[::1]:8080?q");
  ASSERT_TRUE(url);
  std::string out;
  ASSERT_TRUE(write_request(out, *url));
  EXPECT_EQ(out, "GET /?q HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
  const Header host[] = {{"host", "other"}};
  out.clear();
  ASSERT_TRUE(write_request(out, *url, {.method = "HEAD", .headers = host}));
  EXPECT_EQ(out, "HEAD /?q HTTP/1.1\r\nhost: other\r\n\r\n");
}

TEST(HttpWriter, Response) {
  const Header headers[] = {{"Server", "eddy"}};
  std::string out;
  ASSERT_TRUE(write_response(out, {.headers = headers, .body = "hello"}));
  ASSERT_TRUE(write_response(out, {.status = 304, .reason = ""}));
  EXPECT_EQ(out,
            "HTTP/1.1 200 OK\r\nServer: eddy\r\nContent-Length: 5\r\n\r\nhello"
            "HTTP/1.1 304 \r\n\r\n");
}

TEST(HttpWriter, ChunksAreReadBack) {
  const Header trailers[] = {{"Digest", "x"}};
  std::string out;
  ASSERT_TRUE(write_response(out, {.is_chunked = true}));
  write_chunk(out, std::string(26, 'a'));
  write_chunk(out, "");
  write_chunk(out, "b");
  ASSERT_TRUE(write_last_chunk(out, trailers));
  EXPECT_TRUE(out.contains("\r\n1a\r\naaa"));
  EXPECT_EQ(transcript_of({.type = MessageParser::Type::kResponse}, out),
            "[200 OK Transfer-Encoding=chunked] body(" + std::string(26, 'a') +
                "b) message(keep-alive Digest=x) ");
}

struct Refusal {
  std::string_view text;
  Errc code;
};

void expect_refused(const Result<void>& written, const std::string& out, Errc code) {
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), code);
  EXPECT_FALSE(written.error().message().contains('\n')) << written.error().message();
  EXPECT_EQ(out, "before");
}

TEST(HttpWriter, WhatWouldBreakTheStartLineIsRefused) {
  std::string out = "before";
  for (const std::string_view method : {""sv, "GE T"sv, "GET\r\n"sv, "G\0T"sv, "G\xc3\xa9T"sv}) {
    expect_refused(write_request(out, {.method = method}), out, Errc::kInvalidMethod);
  }
  for (const std::string_view target :
       {""sv, "/a b"sv, "/\r\nX: y"sv, "/\n"sv, "/\0"sv, "/\t"sv, "/\xc3\xa9"sv, "/\x7f"sv}) {
    expect_refused(write_request(out, {.target = target}), out, Errc::kInvalidUrl);
  }
  for (const unsigned status : {0U, 99U, 1000U}) {
    expect_refused(write_response(out, {.status = status}), out, Errc::kInvalidStatus);
  }
  for (const std::string_view reason : {"O\r\nK"sv, "\n"sv, "\0"sv}) {
    expect_refused(write_response(out, {.reason = reason}), out, Errc::kInvalidStatus);
  }
}

TEST(HttpWriter, WhatWouldBreakAHeaderIsRefused) {
  std::string out = "before";
  std::vector<Header> wrong;
  for (const std::string_view name : {""sv, "a b"sv, "a:"sv, "a\r\n"sv, "a\0"sv, "\xc3\xa9"sv}) {
    wrong.push_back({name, "value"});
  }
  for (const std::string_view value :
       {"a\r\nX: y"sv, "a\n"sv, "\r"sv, "a\0b"sv, "\x7f"sv, "\x1b"sv}) {
    wrong.push_back({"X", value});
  }
  const auto url = Url::parse("http://a");
  ASSERT_TRUE(url);
  for (const Header& header : wrong) {
    const std::span<const Header> headers(&header, 1);
    constexpr Errc kCode = Errc::kInvalidHeaderToken;
    expect_refused(write_request(out, {.headers = headers}), out, kCode);
    expect_refused(write_request(out, *url, {.headers = headers}), out, kCode);
    expect_refused(write_response(out, {.headers = headers}), out, kCode);
    expect_refused(write_last_chunk(out, headers), out, kCode);
  }
  const Header fine[] = {{"X", "tab\t, \xc3\xa9 and \"quotes\""}, {"!#$%&'*+-.^_`|~9", ""}};
  EXPECT_TRUE(write_request(out, {.headers = fine}));
}

TEST(HttpWriter, ALengthIsToldOnce) {
  std::string out = "before";
  constexpr Errc kCode = Errc::kUnexpectedContentLength;
  expect_refused(write_request(out, {.body = "x", .is_chunked = true}), out, kCode);
  for (const char* name : {"content-length", "Transfer-Encoding"}) {
    const Header header[] = {{name, "1"}};
    expect_refused(write_request(out, {.headers = header, .body = "x"}), out, kCode);
    expect_refused(write_response(out, {.headers = header, .is_chunked = true}), out, kCode);
  }
  const Header both[] = {{"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}};
  expect_refused(write_response(out, {.headers = both}), out, kCode);
  for (const unsigned status : {100U, 204U, 304U}) {
    expect_refused(write_response(out, {.status = status, .body = ""}), out, kCode);
    expect_refused(write_response(out, {.status = status, .is_chunked = true}), out, kCode);
  }
  const Header length[] = {{"Content-Length", "7"}};  // of a response to HEAD
  EXPECT_TRUE(write_response(out, {.headers = length}));
}

}  // namespace
}  // namespace eddy::http::test
