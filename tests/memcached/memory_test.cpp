// The codec of memcached's protocol and memory: none is taken in the steady state, and where there
// is none the answer is an error.
#include <eddy/net/memcached/command_parser.h>
#include <eddy/net/memcached/reply_parser.h>
#include <eddy/net/memcached/writer.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "../support/parser_memory.h"

namespace eddy::test {
namespace {

using memcached::CommandParser;
using memcached::ReplyParser;
using memcached::ReplyType;
using memcached::Writer;

std::string replies() {
  std::string stream;
  Writer(stream)
      .status(ReplyType::kStored)
      .value("a", std::string(1000, 'v'))
      .value("b", std::string(100, 'v'), 1, 2)
      .status(ReplyType::kValues)
      .number(7)
      .status(ReplyType::kServerError, std::string(300, 'e'));
  return stream;
}

std::string commands() {
  std::string stream;
  Writer(stream).set("key", std::string(1000, 'v')).get({"a", "b", "c"}).incr("n", 1);
  return stream;
}

TEST(MemcachedMemory, NoAllocationInTheSteadyState) {
  expect_no_allocation<ReplyParser>({}, replies(), 4);
  expect_no_allocation<ReplyParser>({.keep_values = true}, replies(), 4);
  expect_no_allocation<CommandParser>({}, commands(), 3);
}

// Lengths that nobody keeps cost nothing.
TEST(MemcachedMemory, AnAnnouncedLengthTakesNoMemory) {
  const size_t before = allocations().live_bytes;
  ReplyParser replies({.keep_values = true});
  std::string_view bytes = "VALUE a 0 1000000000\r\nx";
  ASSERT_EQ(replies.next(bytes).value(), ReplyParser::Event::kNeedMore);
  CommandParser commands({});
  bytes = "set a 0 0 1000000\r\nx";
  ASSERT_EQ(commands.next(bytes).value(), CommandParser::Event::kNeedMore);
  EXPECT_LT(allocations().live_bytes - before, 4096U);
}

TEST(MemcachedMemory, AnAllocationThatFails) {
  fail_each_allocation<ReplyParser>({}, replies(), 4);
  fail_each_allocation<ReplyParser>({.keep_values = true}, replies(), 4);
  fail_each_allocation<CommandParser>({}, commands(), 3);
}

}  // namespace
}  // namespace eddy::test
