// Replies of Redis servers: every type, however it is cut, and what is refused.
#include <eddy/net/resp/reply_parser.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "support/resp_transcript.h"

namespace eddy::test {
namespace {

using resp::Errc;
using resp::ReplyParser;
using resp::Type;
using Event = resp::ReplyParser::Event;

std::string read_kept(std::string_view stream) {
  return transcript_of_all_cuts<ReplyParser>({.keep_values = true}, stream);
}
std::string read_bare(std::string_view stream) {
  return transcript_of_all_cuts<ReplyParser>({}, stream);
}

struct Case {
  std::string_view stream;
  std::string_view kept;
  std::string_view bare;
};

TEST(RespReply, EveryType) {
  const std::vector<Case> cases = {
      {"+OK\r\n", "+OK = 0 [+OK]\n", "+ = 0\n"},
      {"+\r\n", "+ = 0 [+]\n", "+ = 0\n"},
      {"-ERR no\r\n", "-ERR no = 0 error [-ERR no]\n", "-ERR no = 0 error\n"},
      {":0\r\n", ":0 = 0 [:0]\n", ": = 0\n"},
      {":-9223372036854775808\r\n",
       ":-9223372036854775808 = -9223372036854775808 [:-9223372036854775808 "
       "#-9223372036854775808]\n",
       ": = -9223372036854775808\n"},
      {":+7\r\n", ":+7 = 7 [:+7 #7]\n", ": = 7\n"},
      {"$5\r\nhello\r\n", "$hello = 0 [$hello]\n", "$ = 0\n"},
      {"$4\r\n\r\n\r\n\r\n", "$\r\n\r\n = 0 [$\r\n\r\n]\n", "$ = 0\n"},
      {"$0\r\n\r\n", "$ = 0 [$]\n", "$ = 0\n"},
      {"$-1\r\n", "$ = 0 null [$null]\n", "$ = 0 null\n"},
      {"*-1\r\n", "* = 0 null [*null]\n", "* = 0 null\n"},
      {"*0\r\n", "* = 0 [*]\n", "* = 0\n"},
      {"*2\r\n$1\r\na\r\n:3\r\n", "* = 2 [* #2] [$a] [:3 #3]\n", "* = 2\n"},
      {"_\r\n", "_ = 0 null [_null]\n", "_ = 0 null\n"},
      {"#t\r\n", "#t = 1 [#t #1]\n", "# = 1\n"},
      {"#f\r\n", "#f = 0 [#f]\n", "# = 0\n"},
      {",-1.5e2\r\n", ",-1.5e2 = 0 [,-1.5e2 #-150.000000]\n", ", = 0\n"},
      {",+2\r\n", ",+2 = 0 [,+2 #2.000000]\n", ", = 0\n"},
      {",-inf\r\n", ",-inf = 0 [,-inf #-inf]\n", ", = 0\n"},
      {",nan\r\n", ",nan = 0 [,nan#nan]\n", ", = 0\n"},
      {"(-349289032840923850932485\r\n",
       "(-349289032840923850932485 = 0 [(-349289032840923850932485]\n", "( = 0\n"},
      {"!7\r\nERR a\r\n\r\n", "!ERR a\r\n = 0 error [!ERR a\r\n]\n", "!ERR a\r\n = 0 error\n"},
      {"=6\r\ntxt:hi\r\n", "=txt:hi = 0 [=txt:hi]\n", "= = 0\n"},
      {"%1\r\n+a\r\n:1\r\n", "% = 2 [% #2] [+a] [:1 #1]\n", "% = 2\n"},
      {"%0\r\n", "% = 0 [%]\n", "% = 0\n"},
      {"~2\r\n:1\r\n:2\r\n", "~ = 2 [~ #2] [:1 #1] [:2 #2]\n", "~ = 2\n"},
      {">2\r\n+message\r\n+x\r\n", "> = 2 [> #2] [+message] [+x]\n", "> = 2\n"},
      {"|1\r\n+ttl\r\n:9\r\n$1\r\nv\r\n", "$v = 0 [| #2] [+ttl] [:9 #9] [$v]\n", "$ = 0\n"},
      {"|0\r\n:1\r\n", ":1 = 1 [|] [:1 #1]\n", ": = 1\n"},
      // An attribute of an element, which is no element, and one within an attribute.
      {"*2\r\n|1\r\n+a\r\n|1\r\n+b\r\n+c\r\n+d\r\n:1\r\n:2\r\n",
       "* = 2 [* #2] [| #2] [+a] [| #2] [+b] [+c] [+d] [:1 #1] [:2 #2]\n", "* = 2\n"},
      {"*2\r\n*1\r\n*1\r\n*0\r\n%1\r\n+k\r\n~1\r\n_\r\n",
       "* = 2 [* #2] [* #1] [* #1] [*] [% #2] [+k] [~ #1] [_null]\n", "* = 2\n"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(read_kept(one.stream), one.kept) << one.stream;
    EXPECT_EQ(read_bare(one.stream), one.bare) << one.stream;
  }
}

// What redis-server 7 says to HELLO 3, CLIENT TRACKING, a transaction, and to one who subscribes.
constexpr std::string_view kSession =
    "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n"
    "$2\r\nid\r\n:3\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
    "$7\r\nmodules\r\n*0\r\n"
    "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n"
    "*2\r\n:1\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    ">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n"
    "*2\r\n*2\r\n$1\r\na\r\n,1.5\r\n*2\r\n$1\r\nb\r\n,2\r\n"
    "=29\r\ntxt:# Server\r\nredis_version:7\r\n"
    ">3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n"
    "$-1\r\n_\r\n-ERR unknown command 'foo', with args beginning with: \r\n";

TEST(RespReply, ASessionHoweverItIsCut) {
  const std::string text = read_kept(kSession);
  EXPECT_EQ(std::ranges::count(text, '\n'), 15) << text;  // two within INFO's text
  EXPECT_TRUE(
      text.ends_with("-ERR unknown command 'foo', with args beginning with:  = 0 error "
                     "[-ERR unknown command 'foo', with args beginning with: ]\n"))
      << text;
  EXPECT_EQ(std::ranges::count(read_bare(kSession), '\n'), 13);
}

TEST(RespReply, NodesAreInDocumentOrder) {
  ReplyParser parser({.keep_values = true});
  std::string_view bytes = "%1\r\n+scores\r\n*2\r\n,0.5\r\n(12\r\n";
  ASSERT_EQ(parser.next(bytes).value(), Event::kReply);
  const auto nodes = parser.nodes();
  ASSERT_EQ(nodes.size(), 5U);
  EXPECT_EQ(nodes[0].type, Type::kMap);
  EXPECT_EQ(parser.value_of(nodes[1]), "scores");
  EXPECT_EQ(nodes[2].integer, 2);
  EXPECT_EQ(nodes[3].number, 0.5);
  EXPECT_EQ(parser.value_of(nodes[4]), "12");
}

TEST(RespReply, APushComesBesideTheReplies) {
  ReplyParser parser({});
  std::string_view bytes = ">1\r\n+x\r\n:5\r\n";
  ASSERT_EQ(parser.next(bytes).value(), Event::kReply);
  EXPECT_TRUE(parser.is_push());
  ASSERT_EQ(parser.next(bytes).value(), Event::kReply);
  EXPECT_FALSE(parser.is_push());
  EXPECT_EQ(parser.integer(), 5);
  EXPECT_EQ(parser.next(bytes).value(), Event::kNeedMore);
}

TEST(RespReply, AnErrorsTextIsBounded) {
  const std::string text(1000, 'e');
  for (const std::string& stream : {"-" + text + "\r\n", "!1000\r\n" + text + "\r\n"}) {
    ReplyParser parser({});
    std::string_view bytes = stream;
    ASSERT_EQ(parser.next(bytes).value(), Event::kReply);
    EXPECT_EQ(parser.value(), text.substr(0, ReplyParser::kMaxErrorBytes));
  }
}

struct Refusal {
  std::string_view stream;
  Errc code;
  std::string_view place;
};

void expect_refusals(const ReplyParser::Options& options, const std::vector<Refusal>& refusals) {
  for (const Refusal& one : refusals) {
    ReplyParser parser(options);
    std::string_view bytes = one.stream;
    auto event = parser.next(bytes);
    while (event && *event == Event::kReply) event = parser.next(bytes);
    ASSERT_FALSE(event) << one.stream;
    EXPECT_EQ(event.error().code(), one.code) << one.stream << ": " << event.error().message();
    EXPECT_EQ(event.error().subject(), one.place) << one.stream;
    // For good, and wherever it is cut.
    std::string_view right = "+OK\r\n";
    EXPECT_FALSE(parser.next(right));
    const std::string text = transcript_of_all_cuts<ReplyParser>(options, one.stream);
    EXPECT_EQ(text.substr(text.rfind("error: ")), "error: " + event.error().message() + "\n");
    EXPECT_FALSE(text.starts_with("cut") || text.starts_with("byte")) << text;
  }
}

TEST(RespReply, Garbage) {
  expect_refusals({}, {
                          {"x", Errc::kBadType, "byte 0"},
                          {"\r\n", Errc::kBadType, "byte 0"},
                          {"HTTP/1.1 400 Bad Request\r\n", Errc::kBadType, "byte 0"},
                          {"+OK\r\n\n", Errc::kBadType, "byte 5"},
                          {std::string_view("+OK\r\n\0", 6), Errc::kBadType, "byte 5"},
                          {"+OK\n", Errc::kBadLineEnd, "byte 3"},
                          {"+\n", Errc::kBadLineEnd, "byte 1"},
                          {":\r\n", Errc::kBadNumber, "byte 0"},
                          {":-\r\n", Errc::kBadNumber, "byte 0"},
                          {":+-1\r\n", Errc::kBadNumber, "byte 0"},
                          {": 1\r\n", Errc::kBadNumber, "byte 0"},
                          {":1 \r\n", Errc::kBadNumber, "byte 0"},
                          {":01\r\n", Errc::kBadNumber, "byte 0"},
                          {":1.5\r\n", Errc::kBadNumber, "byte 0"},
                          {":9223372036854775808\r\n", Errc::kBadNumber, "byte 0"},
                          {"$\r\n", Errc::kBadLength, "byte 0"},
                          {"$-2\r\n", Errc::kBadLength, "byte 0"},
                          {"$+1\r\n", Errc::kBadLength, "byte 0"},
                          {"$01\r\n", Errc::kBadLength, "byte 0"},
                          {"$1a\r\n", Errc::kBadLength, "byte 0"},
                          {"$99999999999999999999\r\n", Errc::kBadLength, "byte 0"},
                          {"$999999999999\r\n", Errc::kBulkTooLong, "byte 0"},
                          {"$1\r\nabc", Errc::kBadLineEnd, "byte 5"},
                          {"$1\r\na\rb", Errc::kBadLineEnd, "byte 6"},
                          {"$0\r\nab", Errc::kBadLineEnd, "byte 4"},
                          {"!-1\r\n", Errc::kBadLength, "byte 0"},
                          {"=3\r\ntxt\r\n", Errc::kBadLength, "byte 0"},
                          {"*-2\r\n", Errc::kBadLength, "byte 0"},
                          {"%-1\r\n", Errc::kBadLength, "byte 0"},
                          {"*\r\n", Errc::kBadLength, "byte 0"},
                          {"*999999999999999999\r\n", Errc::kTooManyElements, "byte 0"},
                          {"%999999999999999999\r\n", Errc::kTooManyElements, "byte 0"},
                          {"*2\r\n:1\r\n?", Errc::kBadType, "byte 8"},
                          {"*1\r\n>0\r\n", Errc::kBadType, "byte 4"},
                          {"|1\r\n>0\r\n", Errc::kBadType, "byte 4"},
                          {"_x\r\n", Errc::kBadNumber, "byte 0"},
                          {"#x\r\n", Errc::kBadNumber, "byte 0"},
                          {",\r\n", Errc::kBadNumber, "byte 0"},
                          {",1e\r\n", Errc::kBadNumber, "byte 0"},
                          {",--1\r\n", Errc::kBadNumber, "byte 0"},
                          {",infinity\r\n", Errc::kBadNumber, "byte 0"},
                          {"(\r\n", Errc::kBadNumber, "byte 0"},
                          {"(1.0\r\n", Errc::kBadNumber, "byte 0"},
                          {"$?\r\n;4\r\nabcd\r\n;0\r\n", Errc::kStreamed, "byte 0"},
                          {"*?\r\n:1\r\n.\r\n", Errc::kStreamed, "byte 0"},
                          {"%?\r\n", Errc::kStreamed, "byte 0"},
                          {";1\r\n", Errc::kStreamed, "byte 0"},
                          {".\r\n", Errc::kStreamed, "byte 0"},
                      });
}

TEST(RespReply, Limits) {
  const std::string right = "+" + std::string(32, 'x') + "\r\n";
  const std::string no_end = "+" + std::string(34, 'x');
  const std::string one_more = "+" + std::string(33, 'x') + "\r\n";
  const std::string behind = right + one_more;
  const std::string without_cr = "+" + std::string(33, 'x') + "\n";
  const std::string right_bulk = right + "$3\r\nabc\r\n";
  expect_refusals({.max_line_bytes = 32}, {{no_end, Errc::kLineTooLong, "byte 35"},
                                           {one_more, Errc::kLineTooLong, "byte 35"},
                                           {behind, Errc::kLineTooLong, "byte 70"},
                                           {without_cr, Errc::kBadLineEnd, "byte 34"}});
  EXPECT_EQ(transcript_of_all_cuts<ReplyParser>({.max_line_bytes = 0}, right_bulk),
            "+ = 0\n$ = 0\n");
  expect_refusals({.max_bulk_bytes = 3}, {{"$3\r\nabc\r\n$4\r\n", Errc::kBulkTooLong, "byte 9"},
                                          {"!4\r\n", Errc::kBulkTooLong, "byte 0"}});
  expect_refusals({.max_elements = 3},
                  {{"*2\r\n:1\r\n:2\r\n*4\r\n", Errc::kTooManyElements, "byte 12"},
                   {"%2\r\n", Errc::kTooManyElements, "byte 0"},
                   {"*2\r\n*1\r\n:1\r\n:2\r\n", Errc::kTooManyElements, "byte 12"},
                   {"|0\r\n|0\r\n|0\r\n|0\r\n", Errc::kTooManyElements, "byte 12"}});
  expect_refusals({.max_depth = 2},
                  {{"*1\r\n*1\r\n*1\r\n", Errc::kTooDeep, "byte 8"},
                   {"*1\r\n*1\r\n*0\r\n|1\r\n|1\r\n|1\r\n", Errc::kTooDeep, "byte 20"}});
  expect_refusals({.keep_values = true, .max_kept_bytes = 4},
                  {{"*2\r\n$3\r\nabc\r\n$2\r\n", Errc::kMessageTooLong, "byte 13"},
                   {"*2\r\n+abc\r\n+de\r\n", Errc::kMessageTooLong, "byte 10"}});
  EXPECT_EQ(transcript_of_all_cuts<ReplyParser>({.max_bulk_bytes = 3, .max_kept_bytes = 0},
                                                "*2\r\n$3\r\nabc\r\n$3\r\ndef\r\n"),
            "* = 2\n");
}

TEST(RespReply, TheEndAmidAReply) {
  for (const std::string_view stream : {"+", "+OK", "+OK\r", "$3\r\n", "$3\r\nabc\r", "*1\r\n",
                                        "*2\r\n:1\r\n", "|1\r\n+a\r\n+b\r\n", "|0\r\n"}) {
    ReplyParser parser({});
    std::string_view bytes = stream;
    ASSERT_EQ(parser.next(bytes).value(), Event::kNeedMore) << stream;
    const auto ok = parser.finish();
    ASSERT_FALSE(ok) << stream;
    EXPECT_EQ(ok.error().code(), Errc::kUnexpectedEnd);
    EXPECT_EQ(ok.error().subject(), "byte " + std::to_string(stream.size()));
    parser.reset();
    EXPECT_TRUE(parser.finish());
    bytes = "+OK\r\n";
    EXPECT_EQ(parser.next(bytes).value(), Event::kReply) << stream;
    EXPECT_TRUE(parser.finish());
  }
}

TEST(RespReply, ErrorsAreToldInWords) {
  ReplyParser parser({});
  std::string_view bytes = "+OK\r\n$?\r\n";
  ASSERT_EQ(parser.next(bytes).value(), Event::kReply);
  const auto event = parser.next(bytes);
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message(), "RESP reply byte 5: streamed values are not supported");
  EXPECT_EQ(make_error_code(Errc::kTooDeep).category().name(), std::string_view("resp"));
}

}  // namespace
}  // namespace eddy::test
