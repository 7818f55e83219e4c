// Commands of Redis clients: bulk strings and inline, however they are cut, and what is refused.
#include <eddy/net/resp/command_parser.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "support/resp_transcript.h"

namespace eddy::test {
namespace {

using resp::CommandParser;
using resp::Errc;
using Event = resp::CommandParser::Event;

std::string read(std::string_view stream) {
  return transcript_of_all_cuts<CommandParser>({}, stream);
}

TEST(RespCommand, BulkStrings) {
  EXPECT_EQ(read("*1\r\n$4\r\nPING\r\n"), "<PING>\n");
  EXPECT_EQ(read("*2\r\n$3\r\nGET\r\n$0\r\n\r\n"), "<GET><>\n");
  EXPECT_EQ(read("*3\r\n$3\r\nSET\r\n$4\r\n\r\n*1\r\n$3\r\na\nb\r\n*1\r\n$4\r\nQUIT\r\n"),
            "<SET><\r\n*1><a\nb>\n<QUIT>\n");
}

TEST(RespCommand, WhatIsNoneIsSkipped) {
  EXPECT_EQ(read("\r\n\n*0\r\n*-1\r\n  \t \r\n*1\r\n$4\r\nPING\r\n\r\n"), "<PING>\n");
}

TEST(RespCommand, Inline) {
  EXPECT_EQ(read("PING\r\n"), "<PING>\n");
  EXPECT_EQ(read("PING\n"), "<PING>\n");
  EXPECT_EQ(read(" SET  key\tvalue \r\nGET key\r\n"), "<SET><key><value>\n<GET><key>\n");
  EXPECT_EQ(read("SET k \"a b\" 'c d'\r\n"), "<SET><k><a b><c d>\n");
  EXPECT_EQ(read("SET \"\" ''\r\n"), "<SET><><>\n");
  EXPECT_EQ(read("\"\"\r\n"), "<>\n");
  EXPECT_EQ(read(R"(S "\n\r\t\b\a\\\"\q\x41\xfF\xg1\x4")"
                 "\r\n"),
            "<S><\n\r\t\b\a\\\"qA\xffxg1x4>\n");
  EXPECT_EQ(read(R"(S 'it\'s \n "' a'b'"c" )"
                 "\r\n"),
            "error: RESP command byte 0: invalid inline command (Its quotes do not match)\n");
  EXPECT_EQ(read(R"(S 'it\'s \n "' ab'c d')"
                 "\r\n"),
            "<S><it's \\n \"><abc d>\n");
  EXPECT_EQ(read("a\vb\f \v c\rd \"e\"\vf\r\n"), "<a\vb\f><c><d><e><f>\n");
  EXPECT_EQ(read("$5 :1\r\n"), "<$5><:1>\n");
}

// What clients send: redis-cli's first words, a pipeline, and one who types.
constexpr std::string_view kSession =
    "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"
    "*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n"
    "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$64\r\n"
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
    "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n"
    "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000002\r\n"
    "set greeting \"hello world\"\r\n\r\nget greeting\r\n"
    "*1\r\n$4\r\nQUIT\r\n";

TEST(RespCommand, ASessionHoweverItIsCut) {
  const std::string text = read(kSession);
  EXPECT_EQ(std::ranges::count(text, '\n'), 8) << text;
  EXPECT_TRUE(text.ends_with("<set><greeting><hello world>\n<get><greeting>\n<QUIT>\n")) << text;
}

bool lies_in(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

TEST(RespCommand, ArgumentsLieInTheBytesGivenWhereTheCommandIsWhole) {
  const std::string ping = "*1\r\n$4\r\nPING\r\n";
  CommandParser parser({});
  const std::string first = ping + ping.substr(0, 9);
  std::string_view bytes = first;
  ASSERT_EQ(parser.next(bytes).value(), Event::kCommand);
  EXPECT_TRUE(lies_in(parser.arguments()[0], first));
  ASSERT_EQ(parser.next(bytes).value(), Event::kNeedMore);

  const std::string second = ping.substr(9) + ping;
  bytes = second;
  ASSERT_EQ(parser.next(bytes).value(), Event::kCommand);
  EXPECT_EQ(parser.arguments()[0], "PING");
  EXPECT_FALSE(lies_in(parser.arguments()[0], second));
  ASSERT_EQ(parser.next(bytes).value(), Event::kCommand);
  EXPECT_TRUE(lies_in(parser.arguments()[0], second));
}

struct Refusal {
  std::string_view stream;
  Errc code;
  std::string_view place;
};

void expect_refusals(const CommandParser::Options& options, const std::vector<Refusal>& refusals) {
  for (const Refusal& one : refusals) {
    CommandParser parser(options);
    std::string_view bytes = one.stream;
    auto event = parser.next(bytes);
    while (event && *event == Event::kCommand) event = parser.next(bytes);
    ASSERT_FALSE(event) << one.stream;
    EXPECT_EQ(event.error().code(), one.code) << one.stream << ": " << event.error().message();
    EXPECT_EQ(event.error().subject(), one.place) << one.stream;
    // For good, and wherever it is cut.
    std::string_view right = "PING\r\n";
    EXPECT_FALSE(parser.next(right));
    const std::string text = transcript_of_all_cuts<CommandParser>(options, one.stream);
    EXPECT_EQ(text.substr(text.rfind("error: ")), "error: " + event.error().message() + "\n");
    EXPECT_FALSE(text.starts_with("cut") || text.starts_with("byte")) << text;
  }
}

TEST(RespCommand, Garbage) {
  expect_refusals({}, {
                          {"*a\r\n", Errc::kBadLength, "byte 0"},
                          {"*\r\n", Errc::kBadLength, "byte 0"},
                          {"*+1\r\n", Errc::kBadLength, "byte 0"},
                          {"*01\r\n", Errc::kBadLength, "byte 0"},
                          {"*1\n", Errc::kBadLineEnd, "byte 2"},
                          {"*\n", Errc::kBadLineEnd, "byte 1"},
                          {"*2000000\r\n", Errc::kTooManyElements, "byte 0"},
                          {"*99999999999999999999\r\n", Errc::kBadLength, "byte 0"},
                          {"*1\r\n:", Errc::kBadType, "byte 4"},
                          {"*1\r\n\r\n", Errc::kBadType, "byte 4"},
                          {"*1\r\n$-1\r\n", Errc::kBadLength, "byte 4"},
                          {"*1\r\n$1\n", Errc::kBadLineEnd, "byte 6"},
                          {"*1\r\n$999999999999\r\n", Errc::kBulkTooLong, "byte 4"},
                          {"*1\r\n$4\r\nPINGxx", Errc::kBadLineEnd, "byte 12"},
                          {"PING\r\n*1\r\n$1\r\na\rb", Errc::kBadLineEnd, "byte 15"},
                          {"a \"b\r\n", Errc::kBadInline, "byte 0"},
                          {"a 'b\\'\r\n", Errc::kBadInline, "byte 0"},
                          {"a \"b\"c\r\n", Errc::kBadInline, "byte 0"},
                          {"\"\\\r\n", Errc::kBadInline, "byte 0"},
                          {std::string_view("a\0b\r\n", 5), Errc::kBadInline, "byte 0"},
                      });
}

TEST(RespCommand, Limits) {
  const std::string no_end(35, 'x');
  const std::string behind = "PING\r\n" + std::string(40, 'x') + "\r\n";
  const std::string of_length = "*1\r\n$" + std::string(34, '1');
  expect_refusals({.max_line_bytes = 32}, {{no_end, Errc::kLineTooLong, "byte 35"},
                                           {behind, Errc::kLineTooLong, "byte 41"},
                                           {of_length, Errc::kLineTooLong, "byte 39"}});
  expect_refusals({.max_arguments = 1}, {{"*2\r\n", Errc::kTooManyElements, "byte 0"}});
  expect_refusals({.max_bulk_bytes = 3}, {{"*1\r\n$4\r\n", Errc::kBulkTooLong, "byte 4"}});
  expect_refusals({.max_command_bytes = 12},
                  {{"*2\r\n$1\r\na\r\n$1\r\n", Errc::kMessageTooLong, "byte 15"},
                   {"*1\r\n$3\r\nabc\r\n*1\r\n$5\r\n", Errc::kMessageTooLong, "byte 21"}});
}

TEST(RespCommand, TheEndAmidACommand) {
  for (const std::string_view stream : {"P", "PING\r", "*1\r\n", "*1\r\n$1\r\na\r"}) {
    CommandParser parser({});
    std::string_view bytes = stream;
    ASSERT_EQ(parser.next(bytes).value(), Event::kNeedMore) << stream;
    const auto ok = parser.finish();
    ASSERT_FALSE(ok) << stream;
    EXPECT_EQ(ok.error().code(), Errc::kUnexpectedEnd);
    EXPECT_EQ(ok.error().subject(), "byte " + std::to_string(stream.size()));
    parser.reset();
    EXPECT_TRUE(parser.finish());
    bytes = "PING\r\n";
    EXPECT_EQ(parser.next(bytes).value(), Event::kCommand) << stream;
    EXPECT_TRUE(parser.finish());
  }
}

}  // namespace
}  // namespace eddy::test
