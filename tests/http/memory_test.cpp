// What a parser and a writer take of memory: nothing, in the steady state.
#include <eddy/core/error.h>
#include <eddy/net/http/message_parser.h>
#include <eddy/net/http/message_writer.h>
#include <errno.h>
#include <gtest/gtest.h>

#include <string>

#include "../support/allocations.h"

namespace eddy::http::test {
namespace {

using eddy::test::allocations;

constexpr std::string_view kRequest =
    "POST /a/longer/target/than/fits/into/a/string HTTP/1.1\r\nHost: www.example.org\r\n"
    "Accept: */*\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: value\r\n\r\n";

int messages_in(MessageParser& parser, std::string_view bytes) {
  int messages = 0;
  for (;;) {
    const auto event = parser.next(bytes);
    if (!event || *event == MessageParser::Event::kNeedMore) return messages;
    messages += *event == MessageParser::Event::kMessage ? 1 : 0;
  }
}

TEST(HttpMemory, AParserThatHasSeenTheLongestHeadAllocatesNothing) {
  MessageParser parser({.type = MessageParser::Type::kRequest});
  ASSERT_EQ(messages_in(parser, kRequest), 1);
  const size_t before = allocations().count;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(messages_in(parser, kRequest), 1);
  parser.reset();
  EXPECT_EQ(messages_in(parser, kRequest), 1);
  EXPECT_EQ(allocations().count, before);
}

TEST(HttpMemory, AParserThatKeepsNoHeadersNeverAllocates) {
  const size_t before = allocations().count;
  MessageParser parser(
      {.type = MessageParser::Type::kResponse, .keep_headers = false, .want_body = false});
  EXPECT_EQ(messages_in(parser, "HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 2\r\n\r\nok"), 1);
  EXPECT_EQ(allocations().count, before);
}

TEST(HttpMemory, AParserIsSmall) { EXPECT_LE(sizeof(MessageParser), 320U); }

TEST(HttpMemory, WantOfMemoryIsAnError) {
  for (size_t n = 0;; ++n) {
    eddy::test::fail_allocation(n);
    MessageParser parser({.type = MessageParser::Type::kRequest});
    std::string_view bytes = kRequest;
    eddy::test::arm_allocation_failure(true);
    auto event = parser.next(bytes);
    eddy::test::arm_allocation_failure(false);
    if (!eddy::test::allocation_has_failed()) {
      EXPECT_EQ(event, MessageParser::Event::kHead);
      EXPECT_GT(n, 2U);
      return;
    }
    ASSERT_FALSE(event);
    EXPECT_EQ(event.error().code(), errno_code(ENOMEM));
    EXPECT_EQ(parser.next(bytes).error().code(), errno_code(ENOMEM));
  }
}

TEST(HttpMemory, AWriterReusesTheString) {
  const Header headers[] = {{"Server", "eddy"}, {"Content-Type", "text/plain"}};
  std::string out;
  size_t before = 0;
  for (int i = 0; i < 100; ++i) {
    out.clear();
    ASSERT_TRUE(write_response(out, {.headers = headers, .body = "hello"}));
    if (i == 0) before = allocations().count;
  }
  EXPECT_EQ(allocations().count, before);
}

}  // namespace
}  // namespace eddy::http::test
