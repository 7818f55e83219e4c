// The codec of the Redis protocol and memory: none is taken in the steady state, and where there is
// none the answer is an error.
#include <eddy/net/resp/command_parser.h>
#include <eddy/net/resp/reply_parser.h>
#include <eddy/net/resp/writer.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "support/parser_memory.h"

namespace eddy::test {
namespace {

using resp::CommandParser;
using resp::ReplyParser;
using resp::Writer;

std::string replies() {
  std::string stream;
  Writer writer(stream, resp::Version::kResp3);
  writer.simple_string("OK")
      .bulk_string(std::string(1000, 'v'))
      .simple_error(std::string(300, 'e'));
  writer.map(2).bulk_string("a").array(2).integer(1).null().bulk_string("b").set(1).number(1.5);
  writer.attribute(1).bulk_string("ttl").integer(1).verbatim_string("txt", std::string(100, 't'));
  return stream;
}

std::string commands() {
  std::string stream;
  Writer(stream).command({"SET", "key", std::string(1000, 'v')}).command({"GET", "key"});
  return stream + "set greeting \"" + std::string(100, 'g') + "\"\r\n";
}

TEST(RespMemory, NoAllocationInTheSteadyState) {
  expect_no_allocation<ReplyParser>({}, replies(), 5);
  expect_no_allocation<ReplyParser>({.keep_values = true}, replies(), 5);
  expect_no_allocation<CommandParser>({}, commands(), 3);

  std::string out = replies();
  const size_t before = allocations().count;
  for (int i = 0; i < 10; ++i) {
    out.clear();
    Writer(out, resp::Version::kResp3)
        .command({"SET", "k", "v"})
        .map(1)
        .number(1e300)
        .boolean(true);
  }
  EXPECT_EQ(allocations().count - before, 0U);
}

// Lengths that nobody keeps cost nothing.
TEST(RespMemory, AnAnnouncedLengthTakesNoMemory) {
  const size_t before = allocations().live_bytes;
  ReplyParser replies({.keep_values = true});
  std::string_view bytes = "*10000000\r\n$500000000\r\nx";
  ASSERT_EQ(replies.next(bytes).value(), ReplyParser::Event::kNeedMore);
  CommandParser commands({});
  bytes = "*1000000\r\n$500000000\r\nx";
  ASSERT_EQ(commands.next(bytes).value(), CommandParser::Event::kNeedMore);
  EXPECT_LT(allocations().live_bytes - before, 4096U);
}

TEST(RespMemory, AnAllocationThatFails) {
  fail_each_allocation<ReplyParser>({}, replies(), 5);
  fail_each_allocation<ReplyParser>({.keep_values = true}, replies(), 5);
  fail_each_allocation<CommandParser>({}, commands(), 3);
}

}  // namespace
}  // namespace eddy::test
