// Commands of memcached's clients, parsed and written; and replies, written.
#include <eddy/net/memcached/command_parser.h>
#include <eddy/net/memcached/writer.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "../support/memcached_transcript.h"

namespace eddy::test {
namespace {

using namespace std::chrono_literals;
using memcached::CommandParser;
using memcached::Errc;
using memcached::ReplyParser;
using memcached::ReplyType;
using memcached::Writer;

std::string read(std::string_view stream) {
  return transcript_of_all_cuts<CommandParser>({}, stream);
}

TEST(MemcachedCommand, WordsAndValues) {
  EXPECT_EQ(read("get a b\r\ngets c\n"), "<get><a><b>\n<gets><c>\n");
  EXPECT_EQ(read("set k 1 60 5\r\nab\r\nc\r\ndelete k\r\n"),
            "<set><k><1><60><5> ab\r\nc\n<delete><k>\n");
  EXPECT_EQ(read("cas k 0 0 1 77 noreply\r\nx\r\n"),
            "<cas><k><0><0><1><77><noreply> x without a reply\n");
  EXPECT_EQ(read("add k 0 0 0\n\r\nincr k 5\r\n"), "<add><k><0><0><0>\n<incr><k><5>\n");
  EXPECT_EQ(read("  version  \r\nnoreply\r\n"), "<version>\n<noreply>\n");
  // For the server to answer with ERROR.
  EXPECT_EQ(read("\r\n \nfly me\r\n"), "\n\n<fly><me>\n");
}

TEST(MemcachedCommand, WhatIsRefused) {
  struct Refusal {
    std::string_view stream;
    Errc code;
    const char* place;
  };
  const std::string long_line = "get " + std::string(31, 'k');
  const std::string right = "get " + std::string(28, 'k') + "\r\n";
  EXPECT_EQ(transcript_of_all_cuts<CommandParser>({.max_line_bytes = 0}, right),
            "<get><" + right.substr(4, 28) + ">\n");
  for (const Refusal& one : std::vector<Refusal>{
           {"set k 0 0\r\n", Errc::kBadLength, "byte 0"},
           {"get k\r\nset k 0 0 x\r\n", Errc::kBadLength, "byte 7"},
           {"set k 0 0 -1\r\n", Errc::kBadLength, "byte 0"},
           {"set k 0 0 99\r\n", Errc::kValueTooLong, "byte 0"},
           {"get a\nset k 0 0 1\r\nxyz", Errc::kBadLineEnd, "byte 20"},
           {long_line, Errc::kLineTooLong, "byte 34"},
           {"set k 0 0 1\r\nx", Errc::kUnexpectedEnd, "byte 14"},
           {"get", Errc::kUnexpectedEnd, "byte 3"},
       }) {
    const CommandParser::Options options = {.max_line_bytes = 32, .max_value_bytes = 98};
    const std::string text = transcript_of_all_cuts<CommandParser>(options, one.stream);
    const std::string error =
        std::string("memcached command ") + one.place + ": " + make_error_code(one.code).message();
    EXPECT_NE(text.find("error: " + error), std::string::npos) << one.stream << ": " << text;
    EXPECT_EQ(text.find("cut at"), std::string::npos) << text;
  }
}

void write_commands(Writer& writer) {
  writer.get("a").get({"a", "b"}).gets("c").set("k", "v\r\n");
  writer.set("k", "", {.flags = 7, .expires = 60s}).add("k", "v").replace("k", "v");
  writer.cas("k", "v", 99).append("k", "v").prepend("k", "v").remove("k");
  writer.incr("n", 1).decr("n", UINT64_MAX).touch("k", -1s).version();
}

TEST(MemcachedWriter, Commands) {
  std::string out = "behind what is there ";
  Writer writer(out);
  write_commands(writer);
  const std::string expected =
      "get a\r\nget a b\r\ngets c\r\nset k 0 0 3\r\nv\r\n\r\nset k 7 60 0\r\n\r\n"
      "add k 0 0 1\r\nv\r\nreplace k 0 0 1\r\nv\r\ncas k 0 0 1 99\r\nv\r\nappend k 0 0 1\r\nv\r\n"
      "prepend k 0 0 1\r\nv\r\ndelete k\r\nincr n 1\r\ndecr n 18446744073709551615\r\n"
      "touch k -1\r\nversion\r\n";
  EXPECT_EQ(out, "behind what is there " + expected);
  EXPECT_EQ(writer.size(), expected.size());
  EXPECT_TRUE(writer.fits());
  const std::string text = read(expected);
  EXPECT_EQ(std::ranges::count(text, '<') > 40, true) << text;
  EXPECT_EQ(text.find("error"), std::string::npos) << text;
}

TEST(MemcachedWriter, RepliesAreReadAsTheyWereWritten) {
  std::string out;
  Writer writer(out);
  writer.value("a", "1\r\n").value("b", "", 5, 77).status(ReplyType::kValues);
  writer.number(UINT64_MAX).status(ReplyType::kVersion, "1");
  writer.status(ReplyType::kClientError, "a\r\nb");
  EXPECT_EQ(out,
            "VALUE a 0 3\r\n1\r\n\r\nVALUE b 5 0 77\r\n\r\nEND\r\n18446744073709551615\r\n"
            "VERSION 1\r\nCLIENT_ERROR a  b\r\n");
  for (const ReplyType type :
       {ReplyType::kStored, ReplyType::kNotStored, ReplyType::kExists, ReplyType::kNotFound,
        ReplyType::kDeleted, ReplyType::kTouched, ReplyType::kOk, ReplyType::kError}) {
    writer.status(type);
  }
  EXPECT_EQ(transcript_of_all_cuts<ReplyParser>({.keep_values = true}, out),
            "a=1\r\n 0; b= 5 cas 77; END of 2\n18446744073709551615\nVERSION 1\n"
            "CLIENT_ERROR a  b error\nSTORED\nNOT_STORED\nEXISTS\nNOT_FOUND\nDELETED\nTOUCHED\nOK\n"
            "ERROR error\n");
}

TEST(MemcachedWriter, MemoryOfTheCallers) {
  std::string expected;
  Writer(expected).set("key", "value").get("key");
  for (size_t room = 0; room <= expected.size() + 1; ++room) {
    std::string memory(room, '.');
    Writer writer{std::span<char>(memory)};
    writer.set("key", "value").get("key");
    EXPECT_EQ(writer.size(), expected.size());
    EXPECT_EQ(writer.fits(), room >= expected.size());
    EXPECT_EQ(memory.substr(0, expected.size()), expected.substr(0, room));
  }
}

TEST(MemcachedWriter, WhatIsAKey) {
  EXPECT_TRUE(memcached::is_key("k"));
  EXPECT_TRUE(memcached::is_key("\xc3\xa4"));
  EXPECT_TRUE(memcached::is_key(std::string(250, 'k')));
  for (const std::string& text :
       {std::string(), std::string(251, 'k'), std::string("a b"), std::string("a\r\nflush_all"),
        std::string("a\x7f"), std::string(1, '\0')}) {
    EXPECT_FALSE(memcached::is_key(text)) << text;
  }
}

}  // namespace
}  // namespace eddy::test
