// Messages of the Redis protocol, written.
#include <eddy/net/resp/command_parser.h>
#include <eddy/net/resp/reply_parser.h>
#include <eddy/net/resp/writer.h>
#include <gtest/gtest.h>
#include <stdint.h>

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "support/resp_transcript.h"

namespace eddy::test {
namespace {

using resp::Version;
using resp::Writer;

TEST(RespWriter, Commands) {
  std::string out = "behind what is there ";
  Writer writer(out);
  writer.command({"SET", "k", std::string_view("\0\r\n", 3)});
  EXPECT_EQ(out, "behind what is there *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n" +
                     std::string("\0\r\n\r\n", 5));
  EXPECT_EQ(writer.size(), out.size() - 21);
  EXPECT_TRUE(writer.fits());
}

void write_all(Writer& writer) {
  writer.simple_string("OK")
      .simple_error("ERR a\r\nb")
      .integer(-5)
      .bulk_string("x\r\n")
      .bulk_string("");
  writer.array(2).null().null_array();
  writer.boolean(true).boolean(false).number(0.1).number(-2).big_number("123");
  writer.number(-std::numeric_limits<double>::infinity());
  writer.number(-std::numeric_limits<double>::quiet_NaN());
  writer.bulk_error("ERR x\ny").verbatim_string("txt", "hi");
  writer.map(1).integer(1).integer(2).set(1).integer(INT64_MIN).push(1).integer(INT64_MAX);
}

TEST(RespWriter, Resp2) {
  std::string out;
  Writer writer(out);
  write_all(writer);
  EXPECT_EQ(out,
            "+OK\r\n-ERR a  b\r\n:-5\r\n$3\r\nx\r\n\r\n$0\r\n\r\n"
            "*2\r\n$-1\r\n*-1\r\n"
            ":1\r\n:0\r\n$3\r\n0.1\r\n$2\r\n-2\r\n$3\r\n123\r\n$4\r\n-inf\r\n$3\r\nnan\r\n"
            "-ERR x y\r\n$2\r\nhi\r\n"
            "*2\r\n:1\r\n:2\r\n*1\r\n:-9223372036854775808\r\n*1\r\n:9223372036854775807\r\n");
}

TEST(RespWriter, Resp3) {
  std::string out;
  Writer writer(out);
  writer.set_version(Version::kResp3);
  write_all(writer);
  writer.attribute(1).simple_string("ttl").integer(3).null();
  EXPECT_EQ(out,
            "+OK\r\n-ERR a  b\r\n:-5\r\n$3\r\nx\r\n\r\n$0\r\n\r\n"
            "*2\r\n_\r\n_\r\n"
            "#t\r\n#f\r\n,0.1\r\n,-2\r\n(123\r\n,-inf\r\n,nan\r\n"
            "!7\r\nERR x\ny\r\n=6\r\ntxt:hi\r\n"
            "%1\r\n:1\r\n:2\r\n~1\r\n:-9223372036854775808\r\n>1\r\n:9223372036854775807\r\n"
            "|1\r\n+ttl\r\n:3\r\n_\r\n");
}

TEST(RespWriter, TheParsersReadWhatItWrites) {
  for (const Version version : {Version::kResp2, Version::kResp3}) {
    std::string out;
    Writer writer(out, version);
    write_all(writer);
    const std::string text = transcript_of_all_cuts<resp::ReplyParser>({.keep_values = true}, out);
    EXPECT_EQ(text.find("error: "), std::string::npos) << text;
    EXPECT_NE(text.find("9223372036854775807]\n"), std::string::npos) << text;
  }
  std::string out;
  Writer(out).command({"GET", "a b"}).command({"PING"});
  EXPECT_EQ(transcript_of_all_cuts<resp::CommandParser>({}, out), "<GET><a b>\n<PING>\n");
}

TEST(RespWriter, MemoryOfTheCallers) {
  std::string expected;
  Writer(expected).command({"GET", "key"}).command({"PING"});
  for (size_t room = 0; room <= expected.size() + 1; ++room) {
    std::string memory(room, '.');
    Writer writer{std::span<char>(memory)};
    writer.command({"GET", "key"}).command({"PING"});
    EXPECT_EQ(writer.size(), expected.size());
    EXPECT_EQ(writer.fits(), room >= expected.size());
    EXPECT_EQ(memory.substr(0, expected.size()), expected.substr(0, room));
    EXPECT_EQ(memory.substr(std::min(room, expected.size())), room > expected.size() ? "." : "");
  }
}

}  // namespace
}  // namespace eddy::test
