// Runs against a small server of memcached's protocol, made of eddy's own codec.
#include <eddy/net/memcached/command_parser.h>
#include <eddy/net/memcached/writer.h>

#include <functional>
#include <map>
#include <string>

#include "load/store_mix.h"
#include "load_test.h"

namespace eddy::load {
namespace {

using memcached::ReplyType;

class MemcachedLoad : public LoadTest {
 protected:
  MemcachedLoad() { options_.protocol = Protocol::kMemcached; }
  void SetUp() override {
    LoadTest::SetUp();
    options_.store.keys = 50;
  }

  struct Session {
    memcached::CommandParser parser{memcached::CommandParser::Options{}};
  };
  // `reply` writes the answer to a command's name.
  StreamOptions serving(
      std::function<void(memcached::Writer&, const std::string& name, std::string_view key)>
          reply) {
    return {.on_data =
                [this, reply](Stream& client, const Slice& slice) {
                  auto& parser = client.state<Session>().parser;
                  std::string_view bytes = slice.view();
                  std::string out;
                  memcached::Writer writer(out);
                  for (;;) {
                    const auto event = parser.next(bytes);
                    ASSERT_TRUE(event) << event.error().message();
                    if (*event == memcached::CommandParser::Event::kNeedMore) break;
                    const auto words = parser.words();
                    const std::string name(words[0]);
                    ++commands_[name];
                    reply(writer, name, words.size() > 1 ? words[1] : std::string_view());
                  }
                  client.send(out);
                },
            .state = state_of<Session>()};
  }
  std::map<std::string, uint64_t> commands_;
};

TEST_P(MemcachedLoad, EachCommandHasItsAnswers) {
  ASSERT_TRUE(parse_store_mix("get,gets,set,add,replace,incr,decr,delete,touch,version", options_));
  options_.depth = 8;
  uint64_t asked = 0;
  const LoadReport report =
      run(serving([&](memcached::Writer& writer, const std::string& name, std::string_view key) {
        const bool is_there = ++asked % 3 != 0;
        if (name == "get" || name == "gets") {
          if (is_there) writer.value(key, "a value");
          writer.status(ReplyType::kValues);
        } else if (name == "set" || name == "add" || name == "replace") {
          writer.status(is_there ? ReplyType::kStored : ReplyType::kNotStored);
        } else if (name == "version") {
          writer.status(ReplyType::kVersion, "1");
        } else if (!is_there) {
          writer.status(ReplyType::kNotFound);
        } else if (name == "incr" || name == "decr") {
          EXPECT_TRUE(key.starts_with("num:"));
          writer.number(1);
        } else {
          writer.status(name == "touch" ? ReplyType::kTouched : ReplyType::kDeleted);
        }
      }));
  EXPECT_GT(requests_of(report).answered, 0U);
  EXPECT_EQ(requests_of(report).answered, requests_of(report).scheduled);
  EXPECT_TRUE(report.troubles.empty());
  EXPECT_EQ(report.record.response_of.size(), 10U);
  EXPECT_GT(report.record.classes[kKeyFound], 0U);
  EXPECT_GT(report.record.classes[kKeyMissed], 0U);
  EXPECT_GE(commands_.size(), GetParam().simulated ? 10U : 1U);
}

TEST_P(MemcachedLoad, AnErrorIsAWrongAnswerAndTheConnectionGoesOn) {
  uint64_t asked = 0;
  const LoadReport report =
      run(serving([&](memcached::Writer& writer, const std::string&, std::string_view) {
        ++asked % 2 == 0 ? writer.status(ReplyType::kServerError, "out of memory")
                         : writer.status(ReplyType::kValues);
      }));
  const Requests& requests = requests_of(report);
  EXPECT_GT(requests.answered, 0U);
  EXPECT_GT(requests.wrong, 0U);
  EXPECT_EQ(requests.answered + requests.wrong, requests.scheduled);
  EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), "SERVER_ERROR out of memory");
  EXPECT_EQ(report.connected, options_.connections);
}

TEST_P(MemcachedLoad, TheReplyOfAnotherCommandEndsTheConnection) {
  const LoadReport report =
      run(serving([&](memcached::Writer& writer, const std::string&, std::string_view) {
        writer.status(ReplyType::kStored);
      }));
  EXPECT_EQ(requests_of(report).answered, 0U);
  EXPECT_GT(requests_of(report).wrong, 0U);
  EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), "STORED in answer to get");
  EXPECT_EQ(judge(report, options_).status, kWrongAnswer);
}

TEST_P(MemcachedLoad, TheValueOfAnotherKeyEndsTheConnection) {
  // Whether answers differ, or one is known: each of a connection is that of its first key.
  const LoadReport report = run({.on_data = [](Stream& client, const Slice&) {
    client.send("VALUE key:000000000007 0 1\r\nx\r\nEND\r\n");
  }});
  const Requests& requests = requests_of(report);
  EXPECT_GT(requests.wrong, 0U);
  EXPECT_EQ(requests.answered + requests.wrong + requests.lost, requests.scheduled);
  EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), "the value of another key");
  // One of 50 keys is that one.
  EXPECT_LT(requests.answered, requests.wrong);
}

TEST_P(MemcachedLoad, WhatIsNoReplyEndsTheConnection) {
  const LoadReport report =
      run({.on_data = [](Stream& client, const Slice&) { client.send("+OK\r\n"); }});
  EXPECT_EQ(requests_of(report).answered, 0U);
  EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), "unexpected line");
}

TEST_P(MemcachedLoad, AReplyThatNobodyAskedForIsOneTooMany) {
  const LoadReport report =
      run({.on_data = [](Stream& client, const Slice&) { client.send("END\r\nEND\r\n"); }});
  EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), "a reply that nobody asked for");
}

TEST_P(MemcachedLoad, AServerThatClosesAtOnceOrNeverAnswers) {
  // Longer than it takes until a connection that was lost is made again.
  if (!GetParam().simulated) options_.duration = 300ms;
  const LoadReport closed = run({.on_data = [](Stream& client, const Slice&) { client.close(); }});
  EXPECT_GT(requests_of(closed).lost, 0U);
  options_.timeout = 300ms;
  const LoadReport silent = run({.on_data = [](Stream&, const Slice&) {}});
  EXPECT_EQ(requests_of(silent).answered, 0U);
  EXPECT_EQ(judge(silent, options_).status, kNoAnswer);
}

EDDY_ON_EVERY_CONFIGURATION(MemcachedLoad);

TEST(MemcachedMix, HasItsOwnCommands) {
  LoadOptions options;
  options.protocol = Protocol::kMemcached;
  EXPECT_TRUE(parse_store_mix("touch=2,delete", options));
  EXPECT_FALSE(parse_store_mix("del", options));
  options.protocol = Protocol::kRedis;
  const auto refused = parse_store_mix("touch", options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "mix touch: Invalid argument (it is written get=9,set=1, of get set incr del ping)");
}

}  // namespace
}  // namespace eddy::load
