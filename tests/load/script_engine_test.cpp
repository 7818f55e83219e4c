// Runs of scripts against servers that answer line by line.
#include "load/script.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "load_test.h"

namespace eddy::load {
namespace {

class ScriptLoad : public LoadTest {
 protected:
  void SetUp() override {
    LoadTest::SetUp();
    options_.store.keys = 50;
    if (!GetParam().simulated) options_.duration = 50ms;
  }
  void play(std::string_view text) {
    auto script = Script::parse(text, "script");
    ASSERT_TRUE(script) << script.error().message();
    options_.script = std::make_shared<const Script>(std::move(*script));
    options_.protocol = Protocol::kScript;
  }

  struct Session {
    std::string line;
  };
  // `answer` gets each line without its end.
  static StreamOptions serving(std::function<void(Stream&, const std::string&)> answer) {
    return {.on_data =
                [answer](Stream& client, const Slice& slice) {
                  std::string& line = client.state<Session>().line;
                  for (const char c : slice.view()) {
                    if (c != '\n') {
                      line += c;
                      continue;
                    }
                    answer(client, line);
                    line.clear();
                  }
                },
            .state = state_of<Session>()};
  }
  void expect_all_answered(const LoadReport& report) {
    EXPECT_GT(requests_of(report).answered, 3U);
    EXPECT_EQ(requests_of(report).answered, requests_of(report).scheduled);
    for (const auto& [key, count] : report.troubles) ADD_FAILURE() << key.second;
  }
};

TEST_P(ScriptLoad, EveryKindOfExpectation) {
  play(
      "send \"all {seq} {key}\\n\"\n"
      "expect \"hello\\r\\n\"\n"
      "expect line \"you said all {seq} * ok\"\n"
      "expect until \"abac\"\n"
      "expect bytes 5\n"
      "expect line \"\"\n"
      "expect \"{key}\\n\"\n");
  options_.depth = 4;
  expect_all_answered(run(serving([](Stream& client, const std::string& line) {
    client.send("hello\r\nyou said " + line + ", and that is ok\r\nababac12345\n" +
                line.substr(line.rfind(' ') + 1) + "\n");
  })));
}

// What is cut anywhere is matched as what came whole: a byte a turn of the loop.
TEST_P(ScriptLoad, AnswersInSingleBytes) {
  play("send \"x\\n\" expect line \"a*b*c\" expect until \"\\r\\n.\\r\\n\" expect \"end\\n\"");
  options_.connections = 1;
  static constexpr std::string_view kAnswer = "a, b, bc\r\nfirst\r\n..\r\n\r\n.\r\nend\n";
  std::function<void(Stream, size_t)> send_from = [&](Stream client, size_t at) {
    if (!client.is_open()) return;
    client.send(kAnswer.substr(at, 1));
    if (at + 1 < kAnswer.size()) reactor().post([&, client, at] { send_from(client, at + 1); });
  };
  expect_all_answered(
      run(serving([&](Stream& client, const std::string&) { send_from(client, 0); })));
}

TEST_P(ScriptLoad, TurnsLoopsAndWhatTheServerSaysFirst) {
  play(
      "expect line \"220 *\"\n"
      "send \"login\\n\"\n"
      "expect line \"ok login\"\n"
      "loop 3 { send \"more {random:7-7}\\n\" expect line \"ok more 7\" }\n"
      "send \"quit\\n\"\n"
      "expect end\n");
  options_.requests_per_connection = 1;
  StreamOptions greeting = serving([](Stream& client, const std::string& line) {
    line == "quit" ? client.close() : static_cast<void>(client.send("ok " + line + "\n"));
  });
  greeting.on_open = [](Stream& client) { client.send("220 ready\r\n"); };
  const LoadReport report = run(std::move(greeting));
  expect_all_answered(report);
  EXPECT_GE(report.connected, requests_of(report).answered);
}

TEST_P(ScriptLoad, WithAScheduleTheServerMaySpeakLongBefore) {
  play("expect \"hi\\n\" send \"bye\\n\" expect end");
  options_.requests_per_connection = 1;
  pace(2000);
  StreamOptions greeting = serving([](Stream& client, const std::string&) { client.close(); });
  greeting.on_open = [](Stream& client) { client.send("hi\n"); };
  expect_all_answered(run(std::move(greeting)));
}

TEST_P(ScriptLoad, TemplatesHaveTheirValues) {
  play("send \"{seq} {connection} {key} {value} {random:10-12}\\n\" expect \"ok\\n\"");
  std::set<std::string> seqs;
  std::set<std::string> connections;
  std::set<std::string> numbers;
  const LoadReport report = run(serving([&](Stream& client, const std::string& line) {
    std::vector<std::string> words;
    for (size_t at = 0; at <= line.size();) {
      const size_t end = std::min(line.find(' ', at), line.size());
      words.push_back(line.substr(at, end - at));
      at = end + 1;
    }
    ASSERT_EQ(words.size(), 5U) << line;
    EXPECT_TRUE(seqs.insert(words[0]).second) << "twice: " << words[0];
    connections.insert(words[1]);
    EXPECT_TRUE(words[2].starts_with("key:0000000000")) << words[2];
    EXPECT_EQ(words[3].size(), 64U);
    numbers.insert(words[4]);
    client.send("ok\n");
  }));
  expect_all_answered(report);
  EXPECT_EQ(connections, (std::set<std::string>{"0", "1", "2", "3"}));
  for (const std::string& number : numbers) EXPECT_TRUE(number >= "10" && number <= "12");
}

TEST_P(ScriptLoad, WhatIsNotExpectedEndsTheConnection) {
  const auto cause_of = [&](std::string_view text, const char* answer) {
    play(text);
    const LoadReport report =
        run(serving([=](Stream& client, const std::string&) { client.send(answer); }));
    EXPECT_EQ(requests_of(report).answered, 0U);
    EXPECT_EQ(judge(report, options_).status, kWrongAnswer);
    return main_cause(report.troubles, Trouble::kWrong);
  };
  options_.duration = 5ms;
  EXPECT_EQ(cause_of("send \"x\\n\"\nexpect \"OK\\n\"", "no\n"),
            "not what line 2 of the script expects");
  EXPECT_EQ(cause_of("send \"x\\n\"\n\nexpect line \"a*b\"", "b\n"),
            "not what line 3 of the script expects");
  EXPECT_EQ(cause_of("send \"x\\n\" expect line \"ab*bc\"", "abc\n"),
            "not what line 1 of the script expects");
  EXPECT_EQ(cause_of("send \"x\\n\" expect end", "a"), "not what line 1 of the script expects");
}

TEST_P(ScriptLoad, MoreThanIsExpected) {
  play("send \"x\\n\" expect \"ok\\n\"");
  const LoadReport report =
      run(serving([](Stream& client, const std::string&) { client.send("ok\nok\n"); }));
  EXPECT_EQ(main_cause(report.troubles, Trouble::kWrong), "more came than the script expects");
}

TEST_P(ScriptLoad, AServerThatClosesAtOnceOrNeverAnswers) {
  // Longer than it takes until a connection that was lost is made again.
  if (!GetParam().simulated) options_.duration = 300ms;
  play("send \"x\\n\" expect \"ok\\n\"");
  const LoadReport closed = run({.on_data = [](Stream& client, const Slice&) { client.close(); }});
  EXPECT_GT(requests_of(closed).lost, 0U);
  EXPECT_EQ(main_cause(closed.troubles, Trouble::kLost), "closed by the server");
  options_.timeout = 300ms;
  const LoadReport silent = run({.on_data = [](Stream&, const Slice&) {}});
  EXPECT_EQ(judge(silent, options_).status, kNoAnswer);
}

EDDY_ON_EVERY_CONFIGURATION(ScriptLoad);

}  // namespace
}  // namespace eddy::load
