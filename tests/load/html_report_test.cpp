// The page of a result: that what others wrote stays data, and that secrets stay at home.
#include "load/html_report.h"

#include <gtest/gtest.h>

#include <string>

#include "load/set_up.h"

namespace eddy::load {
namespace {

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(HtmlReportTest, HasTheResultAsDataThatEndsNothing) {
  const std::string plain = html_report("{}");
  EXPECT_EQ(count_of(plain, "id=\"result\">{}</script>"), 1U);
  EXPECT_TRUE(plain.ends_with("</html>\n"));
  EXPECT_EQ(plain.find("@RESULT@"), std::string::npos);
  const std::string page = html_report(R"({"target":"</script><!--<script>@CHART_JS@"})");
  EXPECT_EQ(count_of(page, "<script"), count_of(plain, "<script"));
  EXPECT_EQ(count_of(page, "<!--"), count_of(plain, "<!--"));
  EXPECT_EQ(count_of(page, R"({"target":"\u003c/script>\u003c!--\u003cscript>@CHART_JS@"})"), 1U);
}

TEST(SetUpTest, TellsTheCommandAsAShellTakesIt) {
  EXPECT_EQ(shell_line({"eddy", "load", "http://a/b?c=1,2", "-R", "5k"}),
            "eddy load 'http://a/b?c=1,2' -R 5k");
  EXPECT_EQ(shell_line({"--body", "it's", ""}), "--body 'it'\\''s' ''");
}

TEST(SetUpTest, LeavesSecretsOut) {
  for (const char* secret : {"Authorization: Bearer x7", "cookie:x7", "-HProxy-Authorization: x7",
                             "--header=X-Api-Key: x7"}) {
    const std::string line = shell_line({"-H", secret});
    EXPECT_EQ(line.find("x7"), std::string::npos) << line;
    EXPECT_NE(line.find(" ...'"), std::string::npos) << line;
  }
  EXPECT_EQ(shell_line({"Accept: text/html"}), "'Accept: text/html'");
}

TEST(SetUpTest, KnowsItsMachine) {
  const auto set_up = look_at_set_up();
  EXPECT_NE(set_up.command.find("load_output_test"), std::string::npos);
  EXPECT_TRUE(set_up.kernel.starts_with("Linux ")) << set_up.kernel;
  EXPECT_GE(set_up.cpus, 1U);
  EXPECT_EQ(set_up.ended.size(), std::string("2026-11-23T08:00:00Z").size());
  EXPECT_FALSE(set_up.version.empty());
}

}  // namespace
}  // namespace eddy::load
