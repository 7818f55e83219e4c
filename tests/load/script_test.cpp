// What a script is read as, and what is refused with its line and column.
#include "load/script.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eddy::load {
namespace {

using Step = ScriptStep::Kind;
using Part = ScriptPart::Kind;

Script read(std::string_view text) {
  auto script = Script::parse(text, "file");
  EXPECT_TRUE(script) << script.error().message();
  return script ? std::move(*script) : Script();
}

TEST(Script, Steps) {
  const Script script = read(
      "# a comment\n"
      "send \"a\\r\\n\" send \"b\"  # another\n"
      "expect \"OK\"\n"
      "expect line \"V* {key} *!\"\n"
      "expect until \"abab\"\n"
      "expect bytes 16\n"
      "expect end\n");
  ASSERT_EQ(script.size(), 7U);
  EXPECT_EQ(script.opening(), 2U);
  EXPECT_TRUE(script.is_one_turn());
  EXPECT_EQ(script[0].texts[0][0].bytes, "a\r\n");
  EXPECT_EQ(script[1].line, 2U);
  EXPECT_EQ(script[2].kind, Step::kExact);
  ASSERT_EQ(script[3].texts.size(), 3U);
  EXPECT_EQ(script[3].texts[1].size(), 3U);
  EXPECT_EQ(script[3].texts[1][1].kind, Part::kKey);
  EXPECT_EQ(script[3].texts[2][0].bytes, "!");
  EXPECT_EQ(script[4].borders, (std::vector<uint32_t>{0, 0, 1, 2}));
  EXPECT_EQ(script[5].count, 16U);
  EXPECT_EQ(script[6].kind, Step::kEnd);
}

TEST(Script, TextsAndTemplates) {
  const Script script =
      read(R"(send "\t\0\x7Fq\"\\\{\*{seq}{connection}{value}{random:3-9}" expect "{seq}")");
  const ScriptText& text = script[0].texts[0];
  ASSERT_EQ(text.size(), 5U);
  EXPECT_EQ(text[0].bytes, std::string("\t\0\x7Fq\"\\{*", 8));
  EXPECT_EQ(text[1].kind, Part::kSeq);
  EXPECT_EQ(text[2].kind, Part::kConnection);
  EXPECT_EQ(text[3].kind, Part::kValue);
  EXPECT_EQ(text[4].from, 3U);
  EXPECT_EQ(text[4].to, 9U);
}

TEST(Script, Loops) {
  const Script script = read("loop 2 { send \"a\" loop 3 { expect \"b\" } } expect \"c\"");
  std::string order;
  for (size_t i = 0; i < script.size(); ++i) order += script[i].texts[0][0].bytes;
  EXPECT_EQ(order, "abbbabbbc");
  EXPECT_FALSE(script.is_one_turn());
  EXPECT_EQ(read("expect \"hi\" send \"a\" expect \"b\"").opening(), 0U);
}

TEST(Script, WhatIsWrongIsToldWithItsPlace) {
  for (const auto& [text, message] : std::vector<std::pair<std::string_view, std::string_view>>{
           {"", "1:1: Invalid argument (there is no step in it)"},
           {"# nothing\n", "2:1: Invalid argument (there is no step in it)"},
           {"send \"a\"\n  receive \"b\"", "2:3: Invalid argument (send, expect or loop"},
           {"send a", "1:6: Invalid argument (a text in \" is expected)"},
           {"send \"a\n\"", "1:6: Invalid argument (the \" at the end of this text is missing)"},
           {"send \"\"", "1:6: Invalid argument (there is nothing in this text)"},
           {"send \"\\q\"", "1:7: Invalid argument (there are \\n"},
           {"send \"\\x4g\"", "1:7: Invalid argument (two hexadecimal digits"},
           {"send \"\\x4", "1:7: Invalid argument (two hexadecimal digits"},
           {"send \"{foo}\"", "1:7: Invalid argument (there are {seq}"},
           {"send \"{seq\"", "1:7: Invalid argument (the } of a template is missing)"},
           {"send \"{random:9-3}\"", "1:14: Invalid argument (a range is written"},
           {"send \"{random}\"", "1:14: Invalid argument (a range is written"},
           {"send \"a\" expect \"{random:1-2}\"", "1:17: Invalid argument (nobody knows"},
           {"send \"a\" expect line \"{random:1-2}\"", "1:22: Invalid argument (nobody knows"},
           {"send \"a\" expect line \"a\\nb\"", "1:22: Invalid argument (a line has no end"},
           {"send \"a\" expect until \"\"", "1:23: Invalid argument (what is waited for"},
           {"send \"a\" expect until \"{key}\"", "1:23: Invalid argument (what is waited for"},
           {"send \"a\" expect bytes 0", "1:23: Invalid argument (a number from 1 to"},
           {"send \"a\" expect words", "1:17: Invalid argument (a text, bytes, end, line or until"},
           {"send \"a\" expect end expect \"b\"", "expect end is not the last"},
           {"expect \"a\"", "1:11: Invalid argument (nothing is sent)"},
           {"send \"a\"", "1:9: Invalid argument (nothing is expected at the end)"},
           {"loop x {}", "1:6: Invalid argument (a number from 1 to"},
           {"loop 2 send \"a\"", "1:8: Invalid argument (the { of a loop is expected)"},
           {"loop 2 { send \"a\"", "1:18: Invalid argument (the } of a loop is missing)"},
           {"loop 1000 { loop 1000 { send \"a\" } }",
            "1:5: Invalid argument (with this loop there"},
           {"}", "1:1: Invalid argument (send, expect or loop"},
       }) {
    const auto script = Script::parse(text, "file");
    ASSERT_FALSE(script) << text;
    EXPECT_TRUE(script.error().message().contains(message))
        << text << ": " << script.error().message();
  }
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += "loop 1 {";
  EXPECT_FALSE(Script::parse(deep, "file"));
  EXPECT_FALSE(Script::read("/nowhere"));
}

}  // namespace
}  // namespace eddy::load
