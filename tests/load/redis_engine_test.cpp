// Runs against a small server of the Redis protocol, made of eddy's own codec.
#include <eddy/net/resp/command_parser.h>
#include <eddy/net/resp/writer.h>

#include <map>
#include <string>
#include <tuple>

#include "load/store_mix.h"
#include "load_test.h"

namespace eddy::load {
namespace {

class RedisLoad : public LoadTest {
 protected:
  RedisLoad() { options_.protocol = Protocol::kRedis; }
  void SetUp() override {
    LoadTest::SetUp();
    options_.store.keys = 50;
  }

  struct Session {
    resp::CommandParser parser{resp::CommandParser::Options{}};
  };
  // `reply` writes the answer to a command's name.
  StreamOptions serving(std::function<void(resp::Writer&, const std::string& name)> reply) {
    return {.on_data =
                [this, reply](Stream& client, const Slice& slice) {
                  auto& parser = client.state<Session>().parser;
                  std::string_view bytes = slice.view();
                  std::string out;
                  resp::Writer writer(out);
                  for (;;) {
                    const auto event = parser.next(bytes);
                    ASSERT_TRUE(event) << event.error().message();
                    if (*event == resp::CommandParser::Event::kNeedMore) break;
                    const auto arguments = parser.arguments();
                    const std::string name(arguments[0]);
                    ++commands_[name];
                    if (arguments.size() > 1) ++keys_[std::string(arguments[1])];
                    reply(writer, name);
                  }
                  client.send(out);
                },
            .state = state_of<Session>()};
  }
  std::map<std::string, uint64_t> commands_;
  std::map<std::string, uint64_t> keys_;
};

TEST_P(RedisLoad, AMixIsSentByItsWeightsAndEachKindIsMeasured) {
  ASSERT_TRUE(parse_store_mix("get=3,set=1,incr=1,ping=0", options_));
  options_.depth = 8;
  const LoadReport report = run(serving([](resp::Writer& writer, const std::string& name) {
    if (name == "GET") {
      writer.bulk_string("a value");
    } else if (name == "SET") {
      writer.simple_string("OK");
    } else {
      writer.integer(1);
    }
  }));
  const Requests& requests = requests_of(report);
  EXPECT_GT(requests.answered, 100U);
  EXPECT_EQ(requests.answered, requests.scheduled);
  EXPECT_TRUE(report.troubles.empty());
  ASSERT_EQ(report.record.response_of.size(), 4U);
  EXPECT_EQ(report.record.response_of[0].count() + report.record.response_of[1].count() +
                report.record.response_of[2].count(),
            requests.answered);
  EXPECT_EQ(report.record.response_of[3].count(), 0U);
  const auto share = [&](const char* name) {
    return static_cast<double>(commands_[name]) / static_cast<double>(requests.answered);
  };
  EXPECT_NEAR(share("GET"), 0.6, 0.2);
  EXPECT_NEAR(share("SET"), 0.2, 0.2);
  EXPECT_NEAR(share("INCR"), 0.2, 0.2);
  EXPECT_TRUE(keys_.begin()->first.starts_with("key:00000000")) << keys_.begin()->first;
  EXPECT_LE(keys_.size(), 100U);  // 50 of values, 50 of numbers
}

TEST_P(RedisLoad, AKeyThatIsNotThereIsAnAnswer) {
  const LoadReport report =
      run(serving([](resp::Writer& writer, const std::string&) { writer.null(); }));
  EXPECT_GT(requests_of(report).answered, 0U);
  EXPECT_EQ(requests_of(report).answered, requests_of(report).scheduled);
}

TEST_P(RedisLoad, ReadsThatFindTheirKeyAreCountedApart) {
  ASSERT_TRUE(parse_store_mix("get=3,set=1", options_));
  options_.requests = 300;
  options_.duration = 1h;
  uint64_t reads = 0;
  // So that both are among the answers that are known by their bytes, too.
  const LoadReport report = run(serving([&](resp::Writer& writer, const std::string& name) {
    if (name == "SET") {
      writer.simple_string("OK");
    } else {
      reads++ % 50 < 25 ? writer.bulk_string("a value") : writer.null();
    }
  }));
  const auto& classes = report.record.classes;
  EXPECT_EQ(classes[kKeyFound] + classes[kKeyMissed] + classes[kNoClass],
            requests_of(report).answered);
  EXPECT_EQ(classes[kKeyFound] + classes[kKeyMissed], reads);
  EXPECT_EQ(classes[kKeyMissed], reads / 50 * 25 + (reads % 50 > 25 ? reads % 50 - 25 : 0));
}

TEST_P(RedisLoad, AStoreIsFilledKeyByKey) {
  ASSERT_TRUE(parse_store_mix("set", options_));
  options_.store.fill = true;
  options_.depth = 3;
  options_.requests = options_.store.keys;
  options_.duration = 1h;
  for (const uint32_t threads : {1U, 4U}) {
    options_.threads = threads;
    keys_.clear();
    const LoadReport report =
        run(serving([](resp::Writer& writer, const std::string&) { writer.simple_string("OK"); }));
    EXPECT_EQ(requests_of(report).answered, 50U);
    EXPECT_EQ(keys_.size(), 50U);
    EXPECT_EQ(keys_.begin()->first, "key:000000000000");
    EXPECT_EQ(keys_.rbegin()->first, "key:000000000049");
  }
}

TEST_P(RedisLoad, AnErrorIsAWrongAnswerAndTheConnectionGoesOn) {
  uint64_t asked = 0;
  const LoadReport report = run(serving([&](resp::Writer& writer, const std::string&) {
    ++asked % 2 == 0 ? writer.simple_error("ERR no luck") : writer.bulk_string("a value");
  }));
  const Requests& requests = requests_of(report);
  EXPECT_GT(requests.answered, 0U);
  EXPECT_GT(requests.wrong, 0U);
  EXPECT_EQ(requests.answered + requests.wrong, requests.scheduled);
  EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), "ERR no luck");
  EXPECT_EQ(report.connected, options_.connections);
}

TEST_P(RedisLoad, AnErrorWithoutATextIsToldInWords) {
  const LoadReport report =
      run(serving([&](resp::Writer& writer, const std::string&) { writer.simple_error(""); }));
  EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), "an error without a text");
}

TEST_P(RedisLoad, TheReplyOfAnotherCommandEndsTheConnection) {
  for (const auto& [mix, reply, cause] :
       {std::tuple("get", ":5\r\n", "an integer in answer to get"),
        std::tuple("get", "*0\r\n", "an array in answer to get"),
        std::tuple("set", "$2\r\nOK\r\n", "a bulk string in answer to set"),
        std::tuple("incr", "+OK\r\n", "a simple string in answer to incr"),
        std::tuple("del", "_\r\n", "null in answer to del"),
        std::tuple("ping", ":1\r\n", "an integer in answer to ping")}) {
    ASSERT_TRUE(parse_store_mix(mix, options_));
    const LoadReport report =
        run({.on_data = [reply](Stream& client, const Slice&) { client.send(reply); }});
    EXPECT_EQ(requests_of(report).answered, 0U) << mix;
    EXPECT_GT(requests_of(report).wrong, 0U) << mix;
    EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), cause);
  }
}

TEST_P(RedisLoad, WhatIsNoReplyEndsTheConnection) {
  const LoadReport report =
      run({.on_data = [](Stream& client, const Slice&) { client.send("?!"); }});
  EXPECT_EQ(requests_of(report).answered, 0U);
  EXPECT_GT(requests_of(report).wrong, 0U);
  EXPECT_EQ(judge(report, options_).status, kWrongAnswer);
}

TEST_P(RedisLoad, AReplyThatNobodyAskedForIsOneTooMany) {
  const LoadReport report =
      run({.on_data = [](Stream& client, const Slice&) { client.send("$-1\r\n$-1\r\n"); }});
  EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), "a reply that nobody asked for");
}

EDDY_ON_EVERY_CONFIGURATION(RedisLoad);

TEST(StoreMix, WhatIsNoneIsRefused) {
  LoadOptions options;
  for (const char* text :
       {"", "=1", "get=", "get=x", "fly", "get=-1", "get=0", "get,,set", "get=1x"}) {
    EXPECT_FALSE(parse_store_mix(text, options)) << text;
  }
  EXPECT_TRUE(parse_store_mix("get=0.5,set", options));
  EXPECT_EQ(options.kind_names, (std::vector<std::string>{"get", "set"}));
}

}  // namespace
}  // namespace eddy::load
