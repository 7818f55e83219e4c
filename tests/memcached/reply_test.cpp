// Replies of memcached: every kind, however it is cut, and what is refused.
#include <eddy/net/memcached/reply_parser.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "../support/memcached_transcript.h"

namespace eddy::test {
namespace {

using memcached::Errc;
using memcached::ReplyParser;
using Event = ReplyParser::Event;

std::string read_kept(std::string_view stream) {
  return transcript_of_all_cuts<ReplyParser>({.keep_values = true}, stream);
}
std::string read_bare(std::string_view stream) {
  return transcript_of_all_cuts<ReplyParser>({}, stream);
}

TEST(MemcachedReply, EveryKind) {
  struct Case {
    std::string_view stream;
    std::string_view text;
  };
  for (const Case& one : std::vector<Case>{
           {"END\r\n", "END of 0\n"},
           {"STORED\r\nNOT_STORED\r\nEXISTS\r\n", "STORED\nNOT_STORED\nEXISTS\n"},
           {"NOT_FOUND\r\nDELETED\r\nTOUCHED\r\nOK\r\n", "NOT_FOUND\nDELETED\nTOUCHED\nOK\n"},
           {"0\r\n18446744073709551615\r\n", "0\n18446744073709551615\n"},
           {"VERSION 1.6.18\r\n", "VERSION 1.6.18\n"},
           {"ERROR\r\n", "ERROR error\n"},
           {"ERROR Too many open connections\r\n", "ERROR Too many open connections error\n"},
           {"CLIENT_ERROR bad data chunk\r\n", "CLIENT_ERROR bad data chunk error\n"},
           {"SERVER_ERROR out of memory\r\n", "SERVER_ERROR out of memory error\n"},
       }) {
    EXPECT_EQ(read_kept(one.stream), one.text);
    EXPECT_EQ(read_bare(one.stream), one.text);
  }
}

TEST(MemcachedReply, Values) {
  const std::string_view stream =
      "VALUE a 0 5\r\nhello\r\nVALUE b 4294967295 0 7\r\n\r\nEND\r\n"
      "VALUE c 1 12\r\nEND\r\nEND\r\n\r\n\r\nEND\r\nSTORED\r\n";
  EXPECT_EQ(read_kept(stream),
            "a=hello 0; b= 4294967295 cas 7; END of 2\nc=END\r\nEND\r\n\r\n 1; END of 1\nSTORED\n");
  EXPECT_EQ(read_bare(stream), "END of 2\nEND of 1\nSTORED\n");
}

// What memcached says where it has no memory for the rest.
TEST(MemcachedReply, AnErrorAmidValuesEndsThem) {
  const std::string_view stream =
      "VALUE a 0 1\r\nx\r\nSERVER_ERROR out of memory writing get response\r\nEND\r\n";
  EXPECT_EQ(read_kept(stream),
            "a=x 0; SERVER_ERROR out of memory writing get response error\nEND of 0\n");
}

struct Refusal {
  std::string_view stream;
  Errc code;
  const char* place;
};

void expect_refusals(const ReplyParser::Options& options, const std::vector<Refusal>& refusals) {
  for (const Refusal& one : refusals) {
    ReplyParser parser(options);
    std::string_view bytes = one.stream;
    auto event = parser.next(bytes);
    while (event && *event == Event::kReply) event = parser.next(bytes);
    ASSERT_FALSE(event) << one.stream;
    EXPECT_EQ(event.error().code(), one.code) << one.stream;
    EXPECT_EQ(event.error().subject(), one.place) << one.stream;
    EXPECT_FALSE(parser.next(bytes)) << one.stream;
    EXPECT_FALSE(parser.finish()) << one.stream;
    const std::string text = transcript_of_all_cuts<ReplyParser>(options, one.stream);
    EXPECT_EQ(text.find("cut at"), std::string::npos) << text;
    parser.reset();
    bytes = "STORED\r\n";
    EXPECT_EQ(parser.next(bytes).value(), Event::kReply) << one.stream;
  }
}

TEST(MemcachedReply, Garbage) {
  expect_refusals({.keep_values = true},
                  {
                      {"x", Errc::kBadReply, "byte 0"},
                      {"\r\n", Errc::kBadReply, "byte 0"},
                      {"+OK\r\n", Errc::kBadReply, "byte 0"},
                      {"HTTP/1.1 400 Bad Request\r\n", Errc::kBadReply, "byte 0"},
                      {"STORED\r\nstored\r\n", Errc::kBadReply, "byte 8"},
                      {"STORED \r\n", Errc::kBadReply, "byte 0"},
                      {"STORE\r\n", Errc::kBadReply, "byte 0"},
                      {"ERRORS\r\n", Errc::kBadReply, "byte 0"},
                      {"STAT pid 1\r\nEND\r\n", Errc::kBadReply, "byte 0"},
                      {"1x\r\n", Errc::kBadReply, "byte 0"},
                      {"18446744073709551616\r\n", Errc::kBadReply, "byte 0"},
                      {"END\n", Errc::kBadLineEnd, "byte 3"},
                      {"VALUE\r\n", Errc::kBadReply, "byte 0"},
                      {"VALUE  0 1\r\n", Errc::kBadReply, "byte 0"},
                      {"VALUE a\tb 0 1\r\n", Errc::kBadReply, "byte 0"},
                      {"VALUE a x 1\r\n", Errc::kBadReply, "byte 0"},
                      {"VALUE a 4294967296 1\r\n", Errc::kBadReply, "byte 0"},
                      {"VALUE a 0\r\n", Errc::kBadLength, "byte 0"},
                      {"VALUE a 0 -1\r\n", Errc::kBadLength, "byte 0"},
                      {"VALUE a 0 1 x\r\n", Errc::kBadReply, "byte 0"},
                      {"VALUE a 0 1 2 3\r\n", Errc::kBadReply, "byte 0"},
                      {"VALUE a 0 99999999999\r\n", Errc::kValueTooLong, "byte 0"},
                      {"VALUE a 0 1\r\nxy\r\n", Errc::kBadLineEnd, "byte 14"},
                      {"VALUE a 0 1\r\nx\ry", Errc::kBadLineEnd, "byte 15"},
                      {"VALUE a 0 1\r\nx\r\nSTORED\r\n", Errc::kBadReply, "byte 16"},
                  });
}

TEST(MemcachedReply, Limits) {
  const std::string right = "SERVER_ERROR " + std::string(19, 'x') + "\r\n";
  const std::string one_more = "SERVER_ERROR " + std::string(20, 'x') + "\r\n";
  const std::string no_end = "SERVER_ERROR " + std::string(21, 'x');
  const std::string behind = right + one_more;
  expect_refusals({.max_line_bytes = 32}, {{one_more, Errc::kLineTooLong, "byte 34"},
                                           {no_end, Errc::kLineTooLong, "byte 34"},
                                           {behind, Errc::kLineTooLong, "byte 68"}});
  const std::string key(251, 'k');
  const std::string long_key = "VALUE " + key + " 0 1\r\n";
  expect_refusals({}, {{long_key, Errc::kBadReply, "byte 0"}});
  expect_refusals({.max_value_bytes = 3}, {{"VALUE a 0 4\r\n", Errc::kValueTooLong, "byte 0"}});
  expect_refusals({.max_values = 1},
                  {{"VALUE a 0 0\r\n\r\nVALUE b 0 0\r\n", Errc::kTooManyValues, "byte 15"}});
  expect_refusals({.keep_values = true, .max_kept_bytes = 4},
                  {{"VALUE a 0 2\r\nxy\r\nVALUE b 0 1\r\n", Errc::kReplyTooLong, "byte 17"}});
}

TEST(MemcachedReply, TheEndAmidAReply) {
  for (const std::string_view stream :
       {"S", "STORED\r", "1", "VALUE a 0 1", "VALUE a 0 1\r\n", "VALUE a 0 1\r\nx\r\n"}) {
    ReplyParser parser({});
    std::string_view bytes = stream;
    ASSERT_EQ(parser.next(bytes).value(), Event::kNeedMore) << stream;
    const auto ok = parser.finish();
    ASSERT_FALSE(ok) << stream;
    EXPECT_EQ(ok.error().code(), Errc::kUnexpectedEnd);
    EXPECT_EQ(ok.error().subject(), "byte " + std::to_string(stream.size()));
  }
  EXPECT_TRUE(ReplyParser({}).finish());
}

TEST(MemcachedReply, ErrorsAreToldInWords) {
  ReplyParser parser({});
  std::string_view bytes = "STORED\r\nVALUE a 0 x\r\n";
  ASSERT_EQ(parser.next(bytes).value(), Event::kReply);
  const auto event = parser.next(bytes);
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message(), "memcached reply byte 8: invalid length");
  EXPECT_EQ(make_error_code(Errc::kBadReply).category().name(), std::string_view("memcached"));
}

}  // namespace
}  // namespace eddy::test
